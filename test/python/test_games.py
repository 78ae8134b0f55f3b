"""The layers clean, kpi and segments of the pipeline `games` on every tested DuckDB, from raw tables made by hand."""

import itertools
import math
import random
import statistics
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import pytest

from conftest import TESTED_VERSIONS
from worlds import World

STEPS = ["10_clean", "20_kpi", "30_user_segments"]

USERS = [
    "user_id", "age_range", "registration_date", "email", "workout_frequency", "gender", "location", "subscription_type",
]  # fmt: skip
GAMES = ["game_id", "game_type", "game_name", "platform", "difficulty"]
EVENTS = [
    "event_id",
    "game_id",
    "user_id",
    "event_time",
    "event_type",
    "duration_seconds",
    "device_type",
]
RAW = {"users": USERS, "games": GAMES, "events": EVENTS}

CLEAN_TABLES = [
    "clean.users", "clean.games", "clean.events", "clean.sessions", "clean.session_games",
    "clean.rejected_users", "clean.rejected_games", "clean.rejected_events", "clean.corrections",
    "clean.unmatched_values",
]  # fmt: skip
KPI_TABLES = [
    "kpi.user_status", "kpi.user_status_counts", "kpi.user_engagement", "kpi.demographics", "kpi.game_performance",
    "kpi.monthly", "kpi.monthly_by_game", "kpi.monthly_by_location", "kpi.seasonality", "kpi.location",
    "kpi.location_behaviour", "kpi.status_by_month", "kpi.event_frequency", "kpi.demographics_by_month",
]  # fmt: skip
SEGMENT_TABLES = [
    "main.user_segments", "kpi.segment_history", "kpi.segment_migration", "kpi.segment_profile", "kpi.segment_map",
    "kpi.segment_components",
]  # fmt: skip
TABLES = {name: f"FROM {name}" for name in CLEAN_TABLES + KPI_TABLES + SEGMENT_TABLES}
TABLES["kpi.segment_model"] = "SELECT * EXCLUDE (run_id, created_at) FROM kpi.segment_model"


def user(user_id=1, age="18-25", registered="2024-01-01", email="a@b.org", frequency="regular", gender="F",
         location="Paris", subscription="free"):  # fmt: skip
    return (user_id, age, registered, email, frequency, gender, location, subscription)


def game(game_id=1, game_type="puzzle", name="Chess", platform="Web", difficulty="easy"):
    return (game_id, game_type, name, platform, difficulty)


counter = itertools.count(1_000_000)


def event(
    user_id=1,
    time="2024-06-15T14:00:00",
    kind="start_game",
    game_id=1,
    seconds=60,
    device="web",
    event_id=None,
):
    return (
        next(counter) if event_id is None else event_id,
        game_id,
        user_id,
        time,
        kind,
        seconds,
        device,
    )


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def rows_of(table, rows):
    """An INSERT of `rows`; a row that is one longer than the table names its file."""
    n = len(RAW[table])
    values = ", ".join(
        "(" + ", ".join(literal(value) for value in [*row[:n], *(row[n:] or ["a.csv"])]) + ")"
        for row in rows
    )
    return f"INSERT INTO raw.{table} VALUES {values};" if rows else ""


class Games(World):
    """The steps behind 00_raw, over raw tables that `run` makes of rows."""

    def run(self, code, users=(), games=(), events=()):
        """Runs `code` after CLIENT and the rows; the value of its last line, an expression, comes back."""
        tables = "".join(
            f"CREATE TABLE IF NOT EXISTS raw.{name} ({' VARCHAR, '.join(columns)} VARCHAR,"
            " file_name VARCHAR NOT NULL);\n"
            for name, columns in RAW.items()
        )
        setup = f"""
CREATE SCHEMA IF NOT EXISTS raw;
{tables}
CREATE TABLE IF NOT EXISTS raw.loaded_files (file_name VARCHAR NOT NULL, loaded_at TIMESTAMP NOT NULL);
CREATE TABLE IF NOT EXISTS raw.pipeline_runs (
    run_id VARCHAR NOT NULL, step VARCHAR NOT NULL, started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP NOT NULL,
    rows BIGINT NOT NULL, status VARCHAR, rows_in BIGINT, rows_replaced BIGINT, rows_rejected BIGINT, seconds DOUBLE,
    message VARCHAR, parameters MAP(VARCHAR, VARCHAR), amazing_version VARCHAR, duckdb_version VARCHAR);
{rows_of("users", users)}
{rows_of("games", games)}
{rows_of("events", events)}
"""
        (self.folder / "setup.sql").write_text(setup, encoding="utf-8")
        return super().run(
            "con.execute(Path('setup.sql').read_text(encoding='utf-8'))\n" + code.strip()
        )


@pytest.fixture(params=TESTED_VERSIONS)
def world(request, tmp_path, pythons, run_python):
    return Games("games", STEPS, TABLES, tmp_path, pythons[request.param], run_python)


# The clean layer


def test_each_defect_of_a_row_has_its_reason_and_no_row_is_lost(world):
    users = [
        (None, user(1)),
        (None, user("002")),
        (None, user(3, registered="someday")),
        ("no id", user(None)),
        ("no id", user("")),
        ("bad id", user("U4")),
        ("bad id", user("4.0")),
        ("bad id", user("99999999999999999999")),
    ]
    games = [
        (None, game(1)),
        (None, game(2, name="Go")),
        ("no id", game("")),
        ("bad id", game("-1")),
    ]
    events = [
        (None, event()),
        (None, event(2, "2024-06-15 14:00:00")),
        (None, event("0003", "2024-06-15T14:00:00Z")),
        (None, event(1, "2024-06-15 14:00:01 UTC")),
        (None, event(1, "2024-06-15T14:00:02.250")),
        (None, event(" 1 ", " 2024-06-15T16:00:03+02:00", game_id="01")),
        (None, event(1, kind="login", game_id=None)),
        (None, event(1, kind="Log-In", game_id="")),
        (None, event(1, kind=None)),
        (None, event(1, kind="gibberish", seconds="long", device="fridge")),
        ("no id", event(event_id="")),
        ("bad id", event(event_id="1e3")),
        ("bad time", event(time=None)),
        ("bad time", event(time="2024-02-30T10:00:00")),
        ("bad time", event(time="15/06/2024 14:00")),
        ("bad time", event(time="2024-06-15")),
        *[
            ("bad time", event(time=time))
            for time in ("infinity", "-infinity", "epoch", "now", "2024-06-15T24:00:00")
        ],
        *[
            ("implausible time", event(time=time))
            for time in ("0001-01-01T00:00:00", "1999-12-31T23:59:59", "9999-12-31T00:00:00")
        ],
        ("no user", event(None)),
        ("bad user", event("x")),
        ("bad user", event("1.0")),
        ("unknown user", event(9999)),
        ("unknown user", event(4)),
        ("no game", event(game_id="")),
        ("no game", event(kind=None, game_id=None)),
        ("bad game", event(game_id="g1")),
        ("unknown game", event(game_id=9999)),
        ("unknown game", event(kind="login", game_id=9999)),
        # The first reason that applies.
        ("bad time", event(9999, "never", game_id=9999)),
        ("unknown user", event(9999, game_id=9999)),
    ]
    outcome, rejected, kept = world.run(
        """
outcome = run(con, '10_clean')
rejected = [rows(con, f'SELECT * EXCLUDE (file_name) FROM clean.rejected_{t}') for t in ('users', 'games', 'events')]
(outcome, rejected, rows(con, 'SELECT event_id, user_id, event_time, event_type, duration_seconds, device_type FROM clean.events ORDER BY event_id'))
""",
        users=[row for _, row in users],
        games=[row for _, row in games],
        events=[row for _, row in events],
    )
    for (name, cases), found in zip(
        {"users": users, "games": games, "events": events}.items(), rejected
    ):
        expected = [
            (reason, *(None if v is None else str(v) for v in row))
            for reason, row in cases
            if reason
        ]
        assert Counter((row[-1], *row[:-1]) for row in found) == Counter(expected)
        assert dict([row[1:] for row in outcome if row[0] == name]) == Counter(
            reason or "kept" for reason, _ in cases
        )
    assert [row[1:] for row in kept] == [
        [1, "2024-06-15 14:00:00", "start_game", 60, "web"],
        [2, "2024-06-15 14:00:00", "start_game", 60, "web"],
        [3, "2024-06-15 14:00:00", "start_game", 60, "web"],
        [1, "2024-06-15 14:00:01", "start_game", 60, "web"],
        [1, "2024-06-15 14:00:02.250000", "start_game", 60, "web"],
        [1, "2024-06-15 14:00:03", "start_game", 60, "web"],
        [1, "2024-06-15 14:00:00", "login", 60, "web"],
        [1, "2024-06-15 14:00:00", "login", 60, "web"],
        [1, "2024-06-15 14:00:00", "unknown", 60, "web"],
        [1, "2024-06-15 14:00:00", "unknown", None, "unknown"],
    ]


def test_values_are_repaired_and_every_repair_is_counted(world):
    users = [
        user(1),
        user(2, " 50+ ", "2024-02-29", "", "FLEXIBLE", "m", "pariss", "Trial"),
        user(3, None, "29/02/2023", None, "", None, "", None),
        user(4, "18_25", None, "x", "maximl", "male", "London", "gratis"),
        user(5, "unknown", "2024-01-01T10:00:00", "y", "Unknown", "OTHER", "Rome", "premium"),
    ]
    games = [
        game(1, "Actionn", "Box", "androiid", "Medium"),
        game(2, "PuzZle", "", "WEB", "HARD"),
        game(3, "", None, None, "  "),
        game(4, "xyz", "Ludo", "ios", "easy"),
    ]
    events = [
        event(kind="Start_Game", seconds=-10, device="tablet"),
        event(kind="Start_Game", seconds="-10", device="MOBILE"),
        event(kind="", seconds="", device=None),
        event(kind="finishgame", seconds="90.0", device="Tablet"),
        event(kind="purchase", seconds="1.5", device="console"),
        event(kind="login", seconds="-0.5", device="web"),
        event(kind="login", seconds="9999999999", device="web"),
        event(kind="login", seconds=0, device="web"),
        # Corrections are of rows that were kept.
        event(9999, kind="Logn", seconds=-1, device="tablet"),
    ]
    clean_users, clean_games, clean_events, corrections = world.run(
        """
run(con, '10_clean')
clean_events = rows(con, 'SELECT event_type, duration_seconds, device_type FROM clean.events ORDER BY event_id')
(rows(con, 'FROM clean.users ORDER BY user_id'), rows(con, 'FROM clean.games ORDER BY game_id'), clean_events, rows(con, 'FROM clean.corrections'))
""",
        users, games, events,
    )  # fmt: skip
    assert clean_users == [
        [1, "18-25", "2024-01-01", "a@b.org", "regular", "F", "Paris", "free"],
        [2, "50+", "2024-02-29", None, "flexible", "M", "Paris", "trial"],
        [3, "unknown", None, None, "unknown", "unknown", "unknown", "unknown"],
        [4, "18-25", None, "x", "maximal", "M", "unknown", "unknown"],
        [5, "unknown", "2024-01-01", "y", "unknown", "Other", "Rome", "premium"],
    ]
    assert clean_games == [
        [1, "action", "Box", "Android", "medium"],
        [2, "puzzle", "unknown", "Web", "hard"],
        [3, "unknown", "unknown", "unknown", "unknown"],
        [4, "unknown", "Ludo", "iOS", "easy"],
    ]
    assert clean_events == [
        ["start_game", None, "mobile"],
        ["start_game", None, "mobile"],
        ["unknown", None, "unknown"],
        ["finish_game", 90, "mobile"],
        ["purchase", None, "console"],
        ["login", None, "web"],
        ["login", None, "web"],
        ["login", 0, "web"],
    ]
    assert sorted(corrections, key=repr) == sorted([
        ["users", "age_range", " 50+ ", "50+", "case", 1],
        ["users", "age_range", "18_25", "18-25", "case", 1],
        ["users", "age_range", None, "unknown", "empty", 1],
        ["users", "registration_date", "29/02/2023", None, "invalid", 1],
        ["users", "registration_date", None, None, "empty", 1],
        ["users", "email", None, None, "empty", 2],
        ["users", "workout_frequency", "FLEXIBLE", "flexible", "case", 1],
        ["users", "workout_frequency", "maximl", "maximal", "typo", 1],
        ["users", "workout_frequency", "Unknown", "unknown", "case", 1],
        ["users", "workout_frequency", None, "unknown", "empty", 1],
        ["users", "gender", "m", "M", "case", 1],
        ["users", "gender", "male", "M", "synonym", 1],
        ["users", "gender", "OTHER", "Other", "case", 1],
        ["users", "gender", None, "unknown", "empty", 1],
        ["users", "location", "pariss", "Paris", "typo", 1],
        ["users", "location", "London", "unknown", "none", 1],
        ["users", "location", None, "unknown", "empty", 1],
        ["users", "subscription_type", "Trial", "trial", "case", 1],
        ["users", "subscription_type", "gratis", "unknown", "none", 1],
        ["users", "subscription_type", None, "unknown", "empty", 1],
        ["games", "game_type", "Actionn", "action", "typo", 1],
        ["games", "game_type", "PuzZle", "puzzle", "case", 1],
        ["games", "game_type", "xyz", "unknown", "none", 1],
        ["games", "game_type", None, "unknown", "empty", 1],
        ["games", "game_name", None, "unknown", "empty", 2],
        ["games", "platform", "androiid", "Android", "typo", 1],
        ["games", "platform", "WEB", "Web", "case", 1],
        ["games", "platform", "ios", "iOS", "case", 1],
        ["games", "platform", None, "unknown", "empty", 1],
        ["games", "difficulty", "Medium", "medium", "case", 1],
        ["games", "difficulty", "HARD", "hard", "case", 1],
        ["games", "difficulty", "  ", "unknown", "empty", 1],
        ["events", "event_type", "Start_Game", "start_game", "case", 2],
        ["events", "event_type", "finishgame", "finish_game", "accent", 1],
        ["events", "event_type", None, "unknown", "empty", 1],
        ["events", "duration_seconds", "-10", None, "negative", 2],
        ["events", "duration_seconds", "-0.5", None, "negative", 1],
        ["events", "duration_seconds", None, None, "empty", 1],
        ["events", "duration_seconds", "1.5", None, "invalid", 1],
        ["events", "duration_seconds", "9999999999", None, "invalid", 1],
        ["events", "device_type", "tablet", "mobile", "synonym", 1],
        ["events", "device_type", "Tablet", "mobile", "synonym", 1],
        ["events", "device_type", "MOBILE", "mobile", "case", 1],
        ["events", "device_type", None, "unknown", "empty", 1],
    ], key=repr)  # fmt: skip


def test_dates_of_registration_are_dates_in_every_spelling_and_plausible(world):
    dates = {
        "2024-02-29": "2024-02-29", "2024-01-02T10:00:00": "2024-01-02", "2024-01-02 10:00:00.5": "2024-01-02",
        "2024-01-02T10:00:00Z": "2024-01-02", "2024-01-02 10:00:00 UTC": "2024-01-02", " 2024-01-02 ": "2024-01-02",
        "2024-01-02T23:30:00-01:00": "2024-01-03", "2024-01-02 10:00:00+00": "2024-01-02",
    }  # fmt: skip
    invalid = [
        "infinity",
        "-infinity",
        "epoch",
        "today",
        "2024-02-30",
        "01/02/2024",
        "2024-1-2",
        "20240102",
        "0000-01-01",
    ]
    implausible = ["0001-01-01", "1970-01-01", "1999-12-31", "9999-12-31", "2042-01-01"]
    texts = [*dates, *invalid, *implausible]
    setup = (
        "con.execute(\"INSERT INTO raw.loaded_files VALUES ('a.csv', '2024-07-01 12:00:00')\")\n"
    )
    kept, corrections, later = world.run(
        setup
        + """
run(con, '10_clean')
found = [rows(con, 'SELECT registration_date FROM clean.users ORDER BY user_id'), rows(con, "SELECT raw_value, rule FROM clean.corrections WHERE column_name = 'registration_date'")]
con.execute("SET VARIABLE min_time = DATE '1970-01-01'")
con.execute("SET VARIABLE max_time = DATE '2042-01-01'")
run(con, '10_clean')
(*found, rows(con, "SELECT raw_value FROM clean.corrections WHERE rule = 'implausible' ORDER BY ALL"))
""",
        users=[user(n, registered=text) for n, text in enumerate(texts)],
    )
    assert [row[0] for row in kept] == [*dates.values(), *[None] * len([*invalid, *implausible])]
    assert dict(corrections) == dict.fromkeys(invalid, "invalid") | dict.fromkeys(
        implausible, "implausible"
    )
    assert later == [["0001-01-01"], ["9999-12-31"]]


def test_events_after_the_day_behind_the_load_are_none(world):
    times = [
        "2024-07-02T23:59:59.999999",
        "2024-07-03T00:00:00",
        "2042-01-01T00:00:00",
        "2000-01-01T00:00:00",
    ]
    found = world.run(
        """
con.execute("INSERT INTO raw.loaded_files VALUES ('a.csv', '2024-07-01 12:00:00')")
outcome = [row[1:] for row in run(con, '10_clean') if row[0] == 'events']
run(con, '20_kpi')
(outcome, rows(con, 'SELECT min(month)::VARCHAR, max(month)::VARCHAR FROM kpi.monthly'))
""",
        [user()], [game()], [event(time=time) for time in times],
    )  # fmt: skip
    assert found == [[["implausible time", 2], ["kept", 2]], [["2000-01-01", "2024-07-01"]]]


def test_of_rows_with_one_id_those_are_alike_that_have_equal_typed_values(world):
    # Two rows say 60 seconds on the web, each in its own words; one says 30, and is first by its text.
    events = [
        event(event_id=7, seconds="30"),
        event(event_id="007", time="2024-06-15 14:00:00 UTC", seconds="60.0", device="WEB"),
        event(
            " 1",
            event_id=" 7",
            time="2024-06-15T15:00:00+01:00",
            kind="Start-Game",
            seconds="60",
            game_id="01",
        ),
    ]
    kept = world.run(
        """
run(con, '10_clean')
rows(con, 'SELECT event_id, duration_seconds, device_type FROM clean.events')
""",
        [user(email="b"), user(" 1 ", email=" b ", gender="female")], [game()], events,
    )  # fmt: skip
    assert kept == [[7, 60, "web"]]


def test_of_rows_with_one_id_the_same_stays_whatever_the_order(world):
    # The content that most rows have, else the first by content; a row that cannot be kept does not count.
    users = [
        user(1, email="b"),
        user(1, email="a"),
        user("01", email="b"),
        user(2, email="d"),
        user(2, email="c"),
    ]
    games = [game(1, name="Go"), game(1, name="Chess")]
    events = [
        event(event_id=7, seconds=30),
        event(event_id=7, seconds=30),
        event(event_id="07", seconds=90, time="2024-01-01T00:00:00"),
        event(event_id=7, seconds=10, time="bad"),
        event(event_id=8, seconds=None),
        event(event_id=8, seconds=""),
        event(event_id=9, seconds=20),
        (*event(event_id=9, seconds=20), "b.csv"),
    ]
    shuffled = [*events]
    random.Random(3).shuffle(shuffled)
    found = []
    for each in (events, shuffled):
        found.append(
            world.run(
                """
run(con, '10_clean')
kept = rows(con, 'SELECT event_id, duration_seconds FROM clean.events ORDER BY event_id')
rejected = rows(con, "SELECT event_id, duration_seconds, file_name, reason FROM clean.rejected_events ORDER BY ALL")
answer = (rows(con, 'SELECT user_id, email FROM clean.users ORDER BY ALL'), rows(con, 'SELECT game_id, game_name FROM clean.games'), kept, rejected)
con.execute('DELETE FROM raw.users; DELETE FROM raw.games; DELETE FROM raw.events')
answer
""",
                users if each is events else users[::-1],
                games if each is events else games[::-1],
                each,
            )
        )
    assert found[0] == found[1]
    assert found[0][:3] == [[[1, "b"], [2, "c"]], [[1, "Chess"]], [[7, 30], [8, None], [9, 20]]]
    assert found[0][3] == [
        ["07", "90", "a.csv", "duplicate id"],
        ["7", "10", "a.csv", "bad time"],
        ["7", "30", "a.csv", "duplicate id"],
        ["8", found[0][3][3][1], "a.csv", "duplicate id"],
        ["9", "20", "b.csv", "duplicate id"],
    ]


def test_sessions_by_hand(world):
    events = [
        # Three events of user 1 across midnight and the end of a month: pauses of 30:00 and 29:59. The pause of 30:01
        # ends the session.
        event(1, "2024-02-28T23:50:00", seconds=60),
        event(1, "2024-02-29T00:20:00", seconds=None, game_id=2),
        event(1, "2024-02-29T00:49:59", seconds=30),
        event(1, "2024-02-29T01:20:00", seconds=90),
        # Events at one time are in one session; the login is without a game.
        event(2, "2024-02-29T12:00:00", kind="login", game_id=None, seconds=5),
        event(2, "2024-02-29T12:00:00", seconds=-10),
        # User 3 plays at the same time as user 1.
        event(3, "2024-02-29T00:21:00"),
    ]
    sessions, session_games = world.run(
        """
run(con, '10_clean')
(rows(con, 'FROM clean.sessions ORDER BY ALL'), rows(con, 'FROM clean.session_games ORDER BY ALL'))
""",
        [user(1), user(2), user(3), user(4)],
        [game(1), game(2)],
        events,
    )
    # 23:50:00 to 00:49:59 are 3,599 seconds; 60 + 30 of them are told.
    assert sessions == [
        [1, 1, "2024-02-28 23:50:00", "2024-02-29 00:49:59", 3599, 3, 90],
        [1, 2, "2024-02-29 01:20:00", "2024-02-29 01:20:00", 0, 1, 90],
        [2, 1, "2024-02-29 12:00:00", "2024-02-29 12:00:00", 0, 2, 5],
        [3, 1, "2024-02-29 00:21:00", "2024-02-29 00:21:00", 0, 1, 60],
    ]
    assert session_games == [
        [1, 1, 1, "2024-02-28 23:50:00", "2024-02-29 00:49:59", 2, 90],
        [1, 1, 2, "2024-02-29 00:20:00", "2024-02-29 00:20:00", 1, 0],
        [1, 2, 1, "2024-02-29 01:20:00", "2024-02-29 01:20:00", 1, 90],
        [2, 1, 1, "2024-02-29 12:00:00", "2024-02-29 12:00:00", 1, 0],
        [2, 1, None, "2024-02-29 12:00:00", "2024-02-29 12:00:00", 1, 5],
        [3, 1, 1, "2024-02-29 00:21:00", "2024-02-29 00:21:00", 1, 60],
    ]


# The KPI layer

# May, June and July are without events; game 3 and game 4 nobody played; user 4 never came.
FEW_USERS = [
    user(1, "18-25", gender="F", location="Paris", subscription="premium"),
    user(2, "26-35", gender="M", location="Lyon"),
    user(3, "18-25", gender="F", location="Paris", frequency="minimal"),
    user(4, None, gender="Other", location=None, subscription="trial"),
    user(5, "50+", gender="M", location="Lyon"),
    user(6, "50+", gender=None, location="Rome"),
]
FEW_GAMES = [
    game(1, "puzzle", "Chess"),
    game(2, "strategy", "Go"),
    game(3, "action", "Box"),
    game(4, None, "Ludo"),
]
FEW_EVENTS = [
    # A session of 1,200 seconds across midnight into the leap day, one of 600 into another month and game, a login.
    event(1, "2024-02-28T23:50:00", "start_game", 1, 60, "mobile"),
    event(1, "2024-02-29T00:10:00", "finish_game", 1, 30, "mobile"),
    event(1, "2024-03-31T23:55:00", "start_game", 1, None, "web"),
    event(1, "2024-04-01T00:05:00", "purchase", 2, -10, "web"),
    event(1, "2024-08-31T12:00:00", "login", None, None, "console"),
    event(2, "2024-04-10T10:00:00", "start_game", 2, 90, "web"),
    event(3, "2024-08-01T08:00:00", "start_game", 1, 30, "unknown"),
    # Six months before 2024-08-31 is 2024-02-29: its first second counts, the second before does not.
    event(5, "2024-02-29T00:00:00", "start_game", 2, 60, "web"),
    event(6, "2024-02-28T23:59:59", "login", None, None, "mobile"),
]


def table_of(world, name, order, setup=""):
    return world.run(
        f"""
{setup}
errors = run(con, '10_clean', '20_kpi')
assert isinstance(errors, list), errors
rows(con, 'FROM {name} ORDER BY {order}')
""",
        FEW_USERS, FEW_GAMES, FEW_EVENTS,
    )  # fmt: skip


def test_status_by_hand(world):
    status, counts = world.run(
        """
run(con, '10_clean', '20_kpi')
(rows(con, 'FROM kpi.user_status ORDER BY user_id'), rows(con, 'FROM kpi.user_status_counts'))
""",
        FEW_USERS, FEW_GAMES, FEW_EVENTS,
    )  # fmt: skip
    # April 10 to August 31: 20 + 31 + 30 + 31 + 31 days; February 29 to August 31: 31 + 30 + 31 + 30 + 31 + 31 = 184.
    assert status == [
        [1, "active", "2024-02-28 23:50:00", "2024-08-31 12:00:00", 0],
        [2, "active", "2024-04-10 10:00:00", "2024-04-10 10:00:00", 143],
        [3, "active", "2024-08-01 08:00:00", "2024-08-01 08:00:00", 30],
        [4, "inactive", None, None, None],
        [5, "active", "2024-02-29 00:00:00", "2024-02-29 00:00:00", 184],
        [6, "churned", "2024-02-28 23:59:59", "2024-02-28 23:59:59", 185],
    ]
    assert counts == [["active", 4, 4 / 6], ["churned", 1, 1 / 6], ["inactive", 1, 1 / 6]]


def test_status_on_another_day_knows_nothing_of_later_events(world):
    found = table_of(
        world,
        "kpi.user_status",
        "user_id",
        "con.execute(\"SET VARIABLE as_of = DATE '2024-02-29'\")",
    )
    assert found == [
        [1, "active", "2024-02-28 23:50:00", "2024-02-29 00:10:00", 0],
        [2, "inactive", None, None, None],
        [3, "inactive", None, None, None],
        [4, "inactive", None, None, None],
        [5, "active", "2024-02-29 00:00:00", "2024-02-29 00:00:00", 0],
        [6, "active", "2024-02-28 23:59:59", "2024-02-28 23:59:59", 1],
    ]


def test_engagement_by_hand(world):
    # user, events, sessions, days, months, events per active month, seconds between events, session seconds, seconds
    # played of a session and of all, games, favourite game and device, purchases, last event, days since.
    # User 1: 185 days but 11:50 hours lie between first and last event; mobile and web have two events each.
    between = (185 * 86400 - 42600) / 4
    assert table_of(world, "kpi.user_engagement", "user_id") == [
        [
            1,
            5,
            3,
            5,
            4,
            1.25,
            between,
            600.0,
            30.0,
            90,
            2,
            1,
            "mobile",
            1,
            "2024-08-31 12:00:00",
            0,
        ],
        [2, 1, 1, 1, 1, 1.0, None, 0.0, 90.0, 90, 1, 2, "web", 0, "2024-04-10 10:00:00", 143],
        [3, 1, 1, 1, 1, 1.0, None, 0.0, 30.0, 30, 1, 1, None, 0, "2024-08-01 08:00:00", 30],
        [4, 0, 0, 0, 0, None, None, None, None, 0, 0, None, None, 0, None, None],
        [5, 1, 1, 1, 1, 1.0, None, 0.0, 60.0, 60, 1, 2, "web", 0, "2024-02-29 00:00:00", 184],
        [6, 1, 1, 1, 1, 1.0, None, 0.0, 0.0, 0, 0, None, "mobile", 0, "2024-02-28 23:59:59", 185],
    ]


def test_demographics_by_hand(world):
    assert table_of(world, "kpi.demographics", "dimension, value") == [
        ["age_range", "18-25", 2, 2, 2 / 6, 1.0],
        ["age_range", "26-35", 1, 1, 1 / 6, 1.0],
        ["age_range", "50+", 2, 1, 2 / 6, 0.5],
        ["age_range", "unknown", 1, 0, 1 / 6, 0.0],
        ["gender", "F", 2, 2, 2 / 6, 1.0],
        ["gender", "M", 2, 2, 2 / 6, 1.0],
        ["gender", "Other", 1, 0, 1 / 6, 0.0],
        ["gender", "unknown", 1, 0, 1 / 6, 0.0],
        ["subscription_type", "free", 4, 3, 4 / 6, 0.75],
        ["subscription_type", "premium", 1, 1, 1 / 6, 1.0],
        ["subscription_type", "trial", 1, 0, 1 / 6, 0.0],
        ["workout_frequency", "minimal", 1, 1, 1 / 6, 1.0],
        ["workout_frequency", "regular", 5, 3, 5 / 6, 0.6],
    ]


def test_game_performance_by_hand(world):
    # game, name, type, platform, difficulty, events, users, active users, rank, sessions, session seconds, seconds
    # played, starts, finishes, finish rate, purchases. Of three sessions with game 1, one lasts 1,200 seconds in it.
    assert table_of(world, "kpi.game_performance", "rank, game_id") == [
        [2, "Go", "strategy", "Web", "easy", 3, 3, 3, 1, 3, 0.0, 150, 2, 0, 0.0, 1],
        [1, "Chess", "puzzle", "Web", "easy", 4, 2, 2, 2, 3, 400.0, 120, 3, 1, 1 / 3, 0],
        [3, "Box", "action", "Web", "easy", 0, 0, 0, 3, 0, None, 0, 0, 0, None, 0],
        [4, "Ludo", "unknown", "Web", "easy", 0, 0, 0, 3, 0, None, 0, 0, 0, None, 0],
    ]


NO_YEAR = [None] * 4


def test_months_by_hand(world):
    # month, events, active, new, churned, reactivated, sessions, session seconds, purchases, changes to the month before
    # and the year before, is complete.
    # The session of March 31 ends in April and counts in March.
    assert table_of(world, "kpi.monthly", "month") == [
        ["2024-02-01", 4, 3, 3, 0, 0, 3, 400.0, 0, None, None, None, None, *NO_YEAR, True],
        ["2024-03-01", 1, 1, 0, 2, 0, 1, 600.0, 0, -0.75, -2 / 3, -2 / 3, None, *NO_YEAR, True],
        ["2024-04-01", 2, 2, 1, 0, 0, 1, 0.0, 1, 1.0, 1.0, 0.0, None, *NO_YEAR, True],
        ["2024-05-01", 0, 0, 0, 2, 0, 0, None, 0, -1.0, -1.0, -1.0, -1.0, *NO_YEAR, True],
        ["2024-06-01", 0, 0, 0, 0, 0, 0, None, 0, None, None, None, None, *NO_YEAR, True],
        ["2024-07-01", 0, 0, 0, 0, 0, 0, None, 0, None, None, None, None, *NO_YEAR, True],
        ["2024-08-01", 2, 2, 1, 0, 1, 2, 0.0, 0, None, None, None, None, *NO_YEAR, True],
    ]


def test_months_of_games_by_hand(world):
    found = table_of(world, "kpi.monthly_by_game", "game_id, month")
    empty = [0, 0, 0, 0, 0, 0, None, 0]
    assert [row[:10] for row in found] == [
        [1, "2024-02-01", 2, 1, 1, 0, 0, 1, 1200.0, 0],
        # In the session of March 31 one event is of game 1; that of game 2 comes in April.
        [1, "2024-03-01", 1, 1, 0, 0, 0, 1, 0.0, 0],
        [1, "2024-04-01", 0, 0, 0, 1, 0, 0, None, 0],
        *[[1, f"2024-0{month}-01", *empty] for month in (5, 6, 7)],
        [1, "2024-08-01", 1, 1, 1, 0, 0, 1, 0.0, 0],
        [2, "2024-02-01", 1, 1, 1, 0, 0, 1, 0.0, 0],
        [2, "2024-03-01", 0, 0, 0, 1, 0, 0, None, 0],
        [2, "2024-04-01", 2, 2, 2, 0, 0, 2, 0.0, 1],
        [2, "2024-05-01", 0, 0, 0, 2, 0, 0, None, 0],
        *[[2, f"2024-0{month}-01", *empty] for month in (6, 7, 8)],
        *[[unplayed, f"2024-0{month}-01", *empty] for unplayed in (3, 4) for month in range(2, 9)],
    ]
    assert [row[10:14] for row in found[:3]] == [
        [None] * 4,
        [-0.5, 0.0, 0.0, None],
        [-1.0, -1.0, -1.0, None],
    ]


def test_own_vocabularies_and_answers_tell_what_was_unknown(world):
    users = [user(n, location=city) for n, city in enumerate(
        ["Paris", "Lisboa", "lisboa", "Porto", "Portoo", "Atlantis", "unknown", None], 1)]  # fmt: skip
    games = [game(1, "puzzle", platform="Switch"), game(2, "roguelike", platform="iOS")]
    events = [event(1), event(2, kind="begin", game_id=1), event(3, kind="begin", game_id=2)]
    built_in, own, answered = world.run(
        """
def found():
    run(con, '10_clean')
    return [
        rows(con, 'SELECT location FROM clean.users ORDER BY user_id'),
        rows(con, 'SELECT game_type, platform FROM clean.games ORDER BY game_id'),
        rows(con, 'SELECT event_type FROM clean.events ORDER BY user_id'),
        rows(con, 'SELECT column_name, value, row_count, nearest FROM clean.unmatched_values ORDER BY ALL'),
        rows(con, "SELECT column_name, raw_value, clean_value FROM clean.corrections WHERE rule = 'answer' ORDER BY ALL"),
    ]
built_in = found()
con.execute("SET VARIABLE cities = MAP {'Paris': [], 'Lisboa': ['Lisbon'], 'Porto': []}")
con.execute("SET VARIABLE genres = ['puzzle', 'roguelike']")
con.execute("SET VARIABLE platforms = ['iOS', 'Switch']")
own = found()
con.execute("INSERT INTO config.category_map VALUES ('event_type', 'begin', 'start_game'), ('location', 'Atlantis', NULL)")
(built_in, own, found())
""",
        users, games, events,
    )  # fmt: skip
    unknown = ["unknown"]
    assert built_in[0] == [["Paris"], *[unknown] * 7]
    assert built_in[1] == [["puzzle", "unknown"], ["unknown", "iOS"]]
    assert [row[:3] for row in built_in[3]] == [
        ["event_type", "begin", 2], ["game_type", "roguelike", 1], ["location", "Atlantis", 1],
        ["location", "Lisboa", 1], ["location", "Porto", 1], ["location", "Portoo", 1],
        ["location", "lisboa", 1], ["platform", "Switch", 1],
    ]  # fmt: skip
    cities = ["Paris", "Lisboa", "Lisboa", "Porto", "Porto", "unknown", "unknown", "unknown"]
    assert own[0] == [[city] for city in cities]
    assert own[1] == [["puzzle", "Switch"], ["roguelike", "iOS"]]
    assert [row[:3] for row in own[3]] == [["event_type", "begin", 2], ["location", "Atlantis", 1]]
    assert own[4] == []
    assert answered[2] == [["start_game"]] * 3 and answered[3] == []
    assert answered[4] == [
        ["event_type", "begin", "start_game"],
        ["location", "Atlantis", "unknown"],
    ]
    assert answered[0] == own[0]


def test_months_of_locations_by_hand(world):
    found = table_of(world, "kpi.monthly_by_location", "location, month")
    empty = [0, 0, 0, 0, 0, 0, None, 0]
    assert [row[:10] for row in found] == [
        # Lyon are users 2 (April) and 5 (February).
        ["Lyon", "2024-02-01", 1, 1, 1, 0, 0, 1, 0.0, 0],
        ["Lyon", "2024-03-01", 0, 0, 0, 1, 0, 0, None, 0],
        ["Lyon", "2024-04-01", 1, 1, 1, 0, 0, 1, 0.0, 0],
        ["Lyon", "2024-05-01", 0, 0, 0, 1, 0, 0, None, 0],
        *[["Lyon", f"2024-0{month}-01", *empty] for month in (6, 7, 8)],
        ["Paris", "2024-02-01", 2, 1, 1, 0, 0, 1, 1200.0, 0],
        ["Paris", "2024-03-01", 1, 1, 0, 0, 0, 1, 600.0, 0],
        ["Paris", "2024-04-01", 1, 1, 0, 0, 0, 0, None, 1],
        ["Paris", "2024-05-01", 0, 0, 0, 1, 0, 0, None, 0],
        *[["Paris", f"2024-0{month}-01", *empty] for month in (6, 7)],
        ["Paris", "2024-08-01", 2, 2, 1, 0, 1, 2, 0.0, 0],
        ["Rome", "2024-02-01", 1, 1, 1, 0, 0, 1, 0.0, 0],
        ["Rome", "2024-03-01", 0, 0, 0, 1, 0, 0, None, 0],
        *[["Rome", f"2024-0{month}-01", *empty] for month in range(4, 9)],
        *[["unknown", f"2024-0{month}-01", *empty] for month in range(2, 9)],
    ]


def test_locations_by_hand(world):
    locations, behaviour = world.run(
        """
run(con, '10_clean', '20_kpi')
(rows(con, 'FROM kpi.location ORDER BY location'), rows(con, 'FROM kpi.location_behaviour ORDER BY location'))
""",
        FEW_USERS, FEW_GAMES, FEW_EVENTS,
    )  # fmt: skip
    assert locations == [
        ["Lyon", 2, 2, 0.5, 1, 0, 0],
        ["Paris", 2, 2, 0.5, 1, 0, 0],
        ["Rome", 1, 0, 0.0, 3, 1, 0],
        ["unknown", 1, 0, 0.0, 3, 0, 1],
    ]
    # Paris: 6 events, 4 sessions, 120 seconds and a purchase of users 1 and 3; four events of puzzles, one of strategy.
    assert behaviour == [
        ["Lyon", 2, 1.0, 1.0, 75.0, 0.0, "strategy"],
        ["Paris", 2, 3.0, 2.0, 60.0, 0.5, "puzzle"],
        ["Rome", 1, 1.0, 1.0, 0.0, 0.0, None],
        ["unknown", 0, None, None, None, None, None],
    ]


def test_favourites_with_equal_counts_are_the_first(world):
    found = world.run(
        """
run(con, '10_clean', '20_kpi')
favourites = rows(con, 'SELECT favourite_game, favourite_device FROM kpi.user_engagement ORDER BY user_id')
(favourites, rows(con, 'SELECT favourite_game_type FROM kpi.location_behaviour'))
""",
        [user(1), user(2)],
        [game(9, "strategy"), game(10, "arcade"), game(11, None)],
        [
            *(
                event(1, game_id=game_id, device=device)
                for game_id, device in [(10, "web"), (9, "mobile")]
            ),
            # The unknown device and the game of unknown type lead.
            *(event(2, game_id=11, device=device) for device in ("x", "x", "x", "web", "console")),
        ],
    )
    assert found == [[[9, "mobile"], [11, "console"]], [["arcade"]]]


def months_of(counts, start=(2021, 1)):
    """Events of one user: `counts[i]` of them in the month i after `start`, all within the first hours."""
    for i, n in enumerate(counts):
        year, month = start[0] + (start[1] - 1 + i) // 12, (start[1] - 1 + i) % 12 + 1
        for minute in range(n):
            yield event(1, f"{year}-{month:02d}-01T{minute // 60:02d}:{minute % 60:02d}:00")


def seasons(world, counts):
    """kpi.seasonality of months that have all ended."""
    n = len(counts)
    day = date(2021 + n // 12, n % 12 + 1, 1) - timedelta(days=1)
    return world.run(
        f"con.execute(\"SET VARIABLE as_of = DATE '{day}'\")\nrun(con, '10_clean', '20_kpi')\nrows(con, 'FROM kpi.seasonality ORDER BY month')",
        [user(1)], [game(1)], list(months_of(counts)),
    )  # fmt: skip


def test_seasonality_by_hand(world):
    # Three years of 100 a month; each December has 200 and June 2022, the 18th month, 300.
    counts = [100] * 36
    counts[11] = counts[23] = counts[35] = 200
    counts[17] = 300
    found = seasons(world, counts)
    assert [row[1] for row in found] == counts
    # month, events, trend, level, seasonal index, expected, deviation, is outlier. The level has the mean of the season
    # in it: the twelfth root of 2. What recurs is no outlier.
    level = 100 * 2 ** (1 / 12)
    expected = [200.0 if n in (11, 23, 35) else 100.0 for n in range(36)]
    for row, count, usual in zip(found, counts, expected):
        assert row[3:7] == [
            pytest.approx(x, abs=1e-9) for x in (level, usual / level, usual, count / usual - 1)
        ]
    assert (
        [row[2] for row in found[:2]] == [100.0, 100.0]
        and found[11][2] == 400 / 3
        and found[17][2] == 500 / 3
    )
    assert {row[7] for row in found} == {False, True} and [row[0] for row in found if row[7]] == [
        "2022-06-01"
    ]


def test_below_two_years_there_are_no_seasons_and_no_one_offs(world):
    for n in (1, 9, 23):
        found = seasons(world, [100, 104, 97, 100, 33, 101, 0, 99, 100, *[100] * 14][:n])
        assert {(row[4], row[7]) for row in found} == {(None, None)} and len(found) == n
        assert all(
            row[5] == row[3] and row[6] == pytest.approx(row[1] / row[3] - 1) for row in found
        )
        world.run(
            "con.execute('DELETE FROM raw.users; DELETE FROM raw.games; DELETE FROM raw.events')\n1"
        )
    # The line through 100 and its neighbours, of which most are 100.
    assert found[22][3] == pytest.approx(100)


def test_changes_reach_back_to_the_month_of_the_year_before(world):
    unfinished, found = world.run(
        """
run(con, '10_clean', '20_kpi')
found = rows(con, 'SELECT month, events, events_change, events_year_change, purchases_year_change FROM kpi.monthly ORDER BY month')
con.execute("SET VARIABLE as_of = DATE '2022-02-28'")
run(con, '20_kpi')
(found[-1], rows(con, 'SELECT month, events, events_change, events_year_change, purchases_year_change FROM kpi.monthly ORDER BY month'))
""",
        [user(1)], [game(1)], list(months_of([4, 2, *[1] * 10, 5, 1])),
    )  # fmt: skip
    assert found[:2] == [["2021-01-01", 4, None, None, None], ["2021-02-01", 2, -0.5, None, None]]
    assert unfinished == ["2022-02-01", 1, None, None, None]
    assert found[12:] == [["2022-01-01", 5, 4.0, 0.25, None], ["2022-02-01", 1, -0.8, -0.5, None]]


def test_no_events_give_empty_months_and_users_who_are_inactive(world):
    counts, status, games, months, locations = world.run(
        """
errors = run(con, *STEPS)
assert 'no user has at least 10 events' in errors[0][2], errors
tables = ['kpi.monthly', 'kpi.monthly_by_game', 'kpi.monthly_by_location', 'kpi.seasonality', 'main.user_segments']
counts = rows(con, 'FROM kpi.user_status_counts')
(counts, rows(con, 'SELECT DISTINCT status FROM kpi.user_status'), rows(con, 'SELECT game_id, rank FROM kpi.game_performance'), [rows(con, f'SELECT count(*) FROM {t}') for t in tables], rows(con, 'FROM kpi.location'))
""",
        FEW_USERS[:1],
        FEW_GAMES[:2],
    )
    assert counts == [["active", 0, 0.0], ["churned", 0, 0.0], ["inactive", 1, 1.0]]
    assert status == [["inactive"]] and games == [[1, 1], [2, 1]] and months == [[[0]]] * 5
    assert locations == [["Paris", 1, 0, None, 1, 0, 1]]


def test_no_rows_at_all_give_empty_tables(world):
    assert world.run("""
errors = run(con, *STEPS)
assert isinstance(errors, list), errors
rows(con, 'FROM kpi.user_status_counts')
""") == [["active", 0, None], ["churned", 0, None], ["inactive", 0, None]]


# A second formulation of all of it, in plain Python over the clean users, games and events


def many_rows(n_users=120, n_games=9, n_events=4000, seed=11):
    """Two and a half years of users who come for weeks and stay away for months, with some dirt."""
    draw = random.Random(seed)
    users = [
        user(i, draw.choice(["-18", "18-25", "50+", None, "18_25"]), gender=draw.choice("MFm"),
             location=draw.choice(["Paris", "paris", "Lyon", "Rome", None]), frequency=draw.choice(["regular", "MAXIMAL"]),
             subscription=draw.choice(["free", "trial", "premium", "xx"]))
        for i in range(1, n_users + 1)
    ]  # fmt: skip
    games = [
        game(i, draw.choice(["puzzle", "arcade", "Actionn", None]), f"game {i}")
        for i in range(1, n_games + 1)
    ]
    events = []
    while len(events) < n_events:
        # One user in six never comes, the last game is never played.
        who, moment = (
            draw.randrange(1, n_users * 5 // 6),
            datetime(2022, 3, 1) + timedelta(days=draw.uniform(0, 1) ** 2 * 900),
        )
        if moment.year == 2023 and moment.month in (4, 5):
            continue
        for _ in range(draw.randrange(1, 9)):
            moment += timedelta(seconds=draw.choice([0, 5, 300, 1799, 1800, 1801, 4000]))
            kind = draw.choice(
                ["login", "start_game", "start_game", "finish_game", "purchase", None, "Start_Game"]
            )
            which = (
                None
                if kind == "login" and draw.random() < 0.5
                else min(draw.randrange(1, n_games) for _ in "ab")
            )
            events.append(event(who, moment.isoformat(timespec="seconds"), kind, which, draw.choice([30, 60, None, -10]),
                                draw.choice(["web", "mobile", "tablet", "console", "?"])))  # fmt: skip
    return users, games, events


def month_of(moment):
    return moment.date().replace(day=1)


def months_between(first, last):
    while first <= last:
        yield first
        first = (first + timedelta(days=32)).replace(day=1)


def mean(values):
    return sum(values) / len(values) if values else None


def ranks(counts):
    """key -> 1 + the number of keys with a greater count."""
    return {
        key: 1 + sum(other > count for other in counts.values()) for key, count in counts.items()
    }


def favourite(values):
    return min(Counter(values).items(), key=lambda item: (-item[1], item[0]))[0] if values else None


def sessions_of(events):
    """The sessions of the events: lists of events of one user, in time."""
    found = []
    for _, history in itertools.groupby(
        sorted(events, key=lambda e: (e["user"], e["time"])), lambda e: e["user"]
    ):
        last = None
        for each in history:
            if last is None or (each["time"] - last).total_seconds() > 1800:
                found.append([])
            found[-1].append(each)
            last = each["time"]
    return found


def length(session):
    return (session[-1]["time"] - session[0]["time"]).total_seconds()


def next_month(month):
    return (month + timedelta(days=31)).replace(day=1)


def month_rows(events, sessions, calendar, as_of):
    """The columns of a table of months behind the month, of these events and sessions."""
    players = {
        month: {e["user"] for e in events if month_of(e["time"]) == month} for month in calendar
    }
    rows = []
    for i, month in enumerate(calendar):
        now, before = players[month], players[calendar[i - 1]] if i else set()
        ever = set().union(*(players[m] for m in calendar[:i]))
        gone = len(before - now) if next_month(month) <= as_of + timedelta(days=1) else None
        begun = [s for s in sessions if month_of(s[0]["time"]) == month]
        of_month = [e for e in events if month_of(e["time"]) == month]
        rows.append([
            str(month), len(of_month), len(now), len(now - ever), gone, len((now & ever) - before), len(begun),
            mean([length(s) for s in begun]), sum(e["type"] == "purchase" for e in of_month),
        ])  # fmt: skip
    figures = [1, 2, 6, 8]
    for back in (1, 12):
        for i, row in enumerate(rows):
            other = [rows[i - back][f] if i >= back else None for f in figures]
            row.extend(
                (row[f] - o) / o if o and row[4] is not None else None
                for f, o in zip(figures, other)
            )
    return [[*row, row[4] is not None] for row in rows]


def six_months_before(day):
    """The same day of the month, or its last day."""
    year, month = (day.year, day.month - 6) if day.month > 6 else (day.year - 1, day.month + 6)
    last_day = (date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return date(year, month, min(day.day, last_day.day))


def second_formulation(users, games, events, as_of):
    """table -> its rows, by the definitions in the header of 20_kpi.sql."""
    events = [e for e in events if e["time"].date() <= as_of]
    of_user, sessions = defaultdict(list), sessions_of(events)
    for e in events:
        of_user[e["user"]].append(e)
    start = six_months_before(as_of)

    def is_active(history):
        return any(start <= e["time"].date() <= as_of for e in history)

    def status(user_id):
        so_far = [e for e in of_user[user_id] if e["time"].date() <= as_of]
        return "active" if is_active(so_far) else "churned" if so_far else "inactive"

    tables = defaultdict(list)
    for u in users:
        mine = of_user[u["user_id"]]
        times = sorted(e["time"] for e in mine)
        so_far = [t for t in times if t.date() <= as_of]
        figures = (
            [str(so_far[0]), str(so_far[-1]), (as_of - so_far[-1].date()).days]
            if so_far
            else [None] * 3
        )
        tables["user_status"].append([u["user_id"], status(u["user_id"]), *figures])
        visits = [s for s in sessions if s[0]["user"] == u["user_id"]]
        months = {month_of(t) for t in times}
        pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
        tables["user_engagement"].append([
            u["user_id"], len(mine), len(visits), len({t.date() for t in times}), len(months),
            len(mine) / len(months) if months else None, mean(pauses), mean([length(s) for s in visits]),
            mean([sum(e["seconds"] or 0 for e in s) for s in visits]), sum(e["seconds"] or 0 for e in mine), len({e["game"] for e in mine} - {None}),
            favourite([e["game"] for e in mine if e["game"]]),
            favourite([e["device"] for e in mine if e["device"] != "unknown"]),
            sum(e["type"] == "purchase" for e in mine), str(times[-1]) if times else None,
            (as_of - times[-1].date()).days if times else None,
        ])  # fmt: skip
    counts = Counter(row[1] for row in tables["user_status"])
    tables["user_status_counts"] = [
        [s, counts[s], counts[s] / len(users)] for s in ("active", "churned", "inactive")
    ]
    for dimension in ("age_range", "gender", "subscription_type", "workout_frequency"):
        for value in sorted({u[dimension] for u in users}):
            group = [u["user_id"] for u in users if u[dimension] == value]
            active = sum(status(each) == "active" for each in group)
            tables["demographics"].append(
                [dimension, value, len(group), active, len(group) / len(users), active / len(group)]
            )
    players = {
        g["game_id"]: {e["user"] for e in events if e["game"] == g["game_id"]} for g in games
    }
    active_players = {
        game_id: {u for u in found if is_active([e for e in of_user[u] if e["game"] == game_id])}
        for game_id, found in players.items()
    }
    rank = ranks({game_id: len(found) for game_id, found in active_players.items()})
    calendar = list(
        months_between(
            month_of(min(e["time"] for e in events)), month_of(max(e["time"] for e in events))
        )
    )
    for g in games:
        game_id = g["game_id"]
        mine = [e for e in events if e["game"] == game_id]
        visits = [v for v in ([e for e in s if e["game"] == game_id] for s in sessions) if v]
        kinds = Counter(e["type"] for e in mine)
        starts, finishes = kinds["start_game"], kinds["finish_game"]
        tables["game_performance"].append([
            game_id, g["game_name"], g["game_type"], g["platform"], g["difficulty"], len(mine), len(players[game_id]),
            len(active_players[game_id]), rank[game_id], len(visits), mean([length(v) for v in visits]),
            sum(e["seconds"] or 0 for e in mine), starts, finishes, finishes / starts if starts else None, kinds["purchase"],
        ])  # fmt: skip
        tables["monthly_by_game"].extend(
            [game_id, *row] for row in month_rows(mine, visits, calendar, as_of)
        )
    tables["monthly"] = month_rows(events, sessions, calendar, as_of)
    home = {u["user_id"]: u["location"] for u in users}
    active = Counter(home[u["user_id"]] for u in users if status(u["user_id"]) == "active")
    location_rank = ranks({location: active[location] for location in home.values()})
    type_of = {g["game_id"]: g["game_type"] for g in games}
    for location in sorted(set(home.values())):
        mine = [e for e in events if home[e["user"]] == location]
        visits = [s for s in sessions if home[s[0]["user"]] == location]
        tables["monthly_by_location"].extend(
            [location, *row] for row in month_rows(mine, visits, calendar, as_of)
        )
        tables["location"].append([
            location, sum(h == location for h in home.values()), active[location], active[location] / sum(active.values()),
            location_rank[location], *[
                sum(home[u["user_id"]] == location and status(u["user_id"]) == kind for u in users)
                for kind in ("churned", "inactive")
            ],
        ])  # fmt: skip
        n = len({e["user"] for e in mine})
        tables["location_behaviour"].append([
            location, n, len(mine) / n, len(visits) / n, sum(e["seconds"] or 0 for e in mine) / n,
            sum(e["type"] == "purchase" for e in mine) / n,
            favourite([type_of[e["game"]] for e in mine if e["game"] and type_of[e["game"]] != "unknown"]),
        ])  # fmt: skip
    ended = [row[:2] for row in tables["monthly"] if row[-1]]
    tables["seasonality"] = seasons_again(ended)
    tables["seasonality"] += [[*row[:2], *[None] * 6] for row in tables["monthly"] if not row[-1]]
    tables["event_frequency"].append([None, len({e["user"] for e in events}), len(events), None])
    for month, row in zip(calendar, tables["monthly"]):
        tables["event_frequency"].append([str(month), row[2], row[1], None])
        day = min(next_month(month) - timedelta(days=1), as_of)
        known, counts = 0, Counter()
        for u in users:
            so_far = [e["time"].date() for e in of_user[u["user_id"]] if e["time"].date() <= day]
            registered = u["registration_date"] and date.fromisoformat(u["registration_date"])
            if (
                so_far
                or (registered is None and not of_user[u["user_id"]])
                or (registered and registered <= day)
            ):
                known += 1
                kind = (
                    "inactive"
                    if not so_far
                    else "active"
                    if max(so_far) >= six_months_before(day)
                    else "churned"
                )
                counts[kind] += 1
        tables["status_by_month"].append(
            [str(month), known, counts["active"], counts["churned"], counts["inactive"], row[-1]]
        )
        now = [e for e in events if month_of(e["time"]) == month]
        for dimension in ("age_range", "gender", "subscription_type", "workout_frequency"):
            value_of = {u["user_id"]: u[dimension] for u in users}
            for value in sorted(set(value_of.values())):
                mine = [e["user"] for e in now if value_of[e["user"]] == value]
                share = len(set(mine)) / row[2] if row[2] else None
                tables["demographics_by_month"].append(
                    [str(month), dimension, value, len(set(mine)), len(mine), share]
                )
    for row in tables["event_frequency"]:
        row[3] = row[2] / row[1] if row[1] else None
    return tables


def line_at(values, i):
    """Where the line through the nine values on each side is at `i`, by the median of all slopes."""
    places = range(max(i - 9, 0), min(i + 10, len(values)))
    slope = statistics.median(
        (values[b] - values[a]) / (b - a) for a, b in itertools.combinations(places, 2)
    )
    return statistics.median(values[j] - slope * (j - i) for j in places)


def spread_of(values):
    values = sorted(abs(value) for value in values)
    place = 0.75 * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return (low + (high - low) * (place - math.floor(place))) / statistics.NormalDist().inv_cdf(
        0.875
    )


def seasonal_values(values):
    """The season of each calendar month, from values without their trend."""
    pairs = [
        (i, j) for i in range(len(values)) for j in range(i + 12, min(i + 61, len(values)), 12)
    ]
    noise = max(spread_of((values[j] - values[i]) / math.sqrt(2) for i, j in pairs), 0.005)
    medians = [statistics.median(values[month::12]) for month in range(12)]
    season = []
    for month in range(12):
        found = values[month::12]
        low, high = statistics.median_low(found), statistics.median_high(found)
        centre = statistics.median(found)
        if high - low > 3 * noise * math.sqrt(2):
            likely = statistics.median([0, medians[month - 1], medians[(month + 1) % 12]])
            centre = min(high, low, key=lambda value: abs(value - likely))
        season.append(
            statistics.fmean(value for value in found if abs(value - centre) <= 3 * noise)
        )
    return season


def seasons_again(months):
    counts = [n for _, n in months]
    n, logs = len(counts), [math.log(max(count, 0.5)) for count in counts]
    assert n >= 24
    trend = []
    for i in range(n):
        ends = range(max(12, i - 6), min(n, i + 19))
        slope = statistics.median((logs[end] - logs[end - 12]) / 12 for end in ends)
        first = min(max(i - 6, 0), n - 12)
        trend.append(statistics.median(logs[j] - slope * (j - i) for j in range(first, first + 12)))
    for _ in range(3):
        season = seasonal_values([y - t for y, t in zip(logs, trend)])
        without = [y - season[i % 12] for i, y in enumerate(logs)]
        trend = [line_at(without, i) for i in range(n)]
    rest = [y - t for y, t in zip(without, trend)]
    noise = spread_of(rest) * {2: 1.5, 3: 1.25, 4: 1.15}.get(n // 12, 1.1)
    rows = []
    for i, (month, count) in enumerate(months):
        level = math.exp(trend[i] + mean(season))
        index = math.exp(season[i % 12] - mean(season))
        limit = max(4 * max(noise, 1 / math.sqrt(max(level * index, 1))), math.log(1.15))
        rows.append([
            month, count, mean(counts[max(i - 1, 0) : i + 2]), level, index, level * index, count / (level * index) - 1,
            abs(rest[i]) > limit,
        ])  # fmt: skip
    return rows


KEYS = {
    "monthly_by_game": 2, "monthly_by_location": 2, "demographics": 2, "demographics_by_month": 3,
}  # fmt: skip


@pytest.mark.parametrize("as_of", [None, "2024-03-15"], ids=["last event", "earlier"])
def test_a_second_formulation_gives_the_same_figures(world, as_of):
    users, games, events = many_rows()
    clean, kpi = world.run(
        f"""
as_of = {as_of!r}
if as_of:
    con.execute(f"SET VARIABLE as_of = DATE '{{as_of}}'")
errors = run(con, '10_clean', '20_kpi')
assert isinstance(errors, list), errors
def records(sql):
    result = con.execute(sql)
    names = [column[0] for column in result.description]
    return [dict(zip(names, plain(row))) for row in result.fetchall()]
clean = [records(f'FROM clean.{{t}}') for t in ('users', 'games', 'events')]
(clean, {{name[4:]: rows(con, f'FROM {{name}} ORDER BY ALL') for name in {KPI_TABLES!r}}})
""",
        users, games, events,
    )  # fmt: skip
    assert len(clean[2]) > 3900
    moves = [
        {"user": e["user_id"], "game": e["game_id"], "time": datetime.fromisoformat(e["event_time"]), "type": e["event_type"],
         "seconds": e["duration_seconds"], "device": e["device_type"]}
        for e in clean[2]
    ]  # fmt: skip
    day = date.fromisoformat(as_of) if as_of else max(e["time"] for e in moves).date()
    expected = second_formulation(clean[0], clean[1], moves, day)
    assert set(expected) == set(kpi)
    if as_of is None:
        # The input shows what it is for: every status, empty months, users who come back, one-offs.
        assert {row[1] for row in kpi["user_status"]} == {"active", "churned", "inactive"}
        assert (
            any(row[1] == 0 for row in kpi["monthly"])
            and sum(row[5] for row in kpi["monthly"]) > 10
        )
        assert {row[7] for row in kpi["seasonality"]} == {False, True, None}
    for name, found in kpi.items():
        n_keys = KEYS.get(name, 1)
        found = {tuple(row[:n_keys]): row[n_keys:] for row in found}
        again = {tuple(row[:n_keys]): row[n_keys:] for row in expected[name]}
        assert set(found) == set(again), name
        for key, row in found.items():
            close = [
                pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
                for value in again[key]
            ]
            assert row == close, (name, key)


def test_a_second_run_and_another_order_of_rows_change_nothing(world):
    users, games, events = many_rows(n_events=1500)
    first, second, turned = world.run(
        """
con.execute('SET threads = 1')
errors = run(con, *STEPS)
assert isinstance(errors, list), errors
first, picture = state(con), Path('world.games.svg').read_bytes()
con.execute('SET threads = 4')
run(con, *STEPS)
second = state(con)
assert Path('world.games.svg').read_bytes() == picture
for table in ('users', 'games', 'events'):
    con.execute(f'CREATE OR REPLACE TABLE raw.{table} AS FROM raw.{table} ORDER BY hash(COLUMNS(*))')
run(con, *STEPS)
assert Path('world.games.svg').read_bytes() == picture
(first, second, state(con))
""",
        users, games, [*events, *events[:50]],
    )  # fmt: skip
    assert set(first) == set(TABLES)
    assert first == second
    assert first == turned
    assert (
        len(first["clean.rejected_events"]) == 50
        and len({row[-1] for row in first["main.user_segments"]}) == 5
    )


def test_an_interruption_after_any_statement_leaves_the_tables_as_they_were(world):
    users, games, events = many_rows(n_events=600)
    clean_run, interrupted = world.run(
        """
before = state(con)
for step in STEPS:
    n_statements = len(con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8')))
    for n in range(n_statements - 2, 0, -4):
        run(con, step, statements=n)
        try:
            con.execute('ROLLBACK')
        except Exception:
            pass
        assert state(con) == before, (step, n)
    run(con, step)
    before = state(con)
run(con, *STEPS)
(state(con), before)
""",
        users, games, events,
    )  # fmt: skip
    assert clean_run == interrupted and set(interrupted) == set(TABLES)


def test_steps_record_what_they_committed_and_leave_nothing_temporary(world):
    users, games, events = many_rows(n_events=600)
    runs, left, answer = world.run(
        """
con.execute("SET VARIABLE run_id = 'june'")
run(con, *STEPS)
left = rows(con, "SELECT table_name FROM duckdb_tables() WHERE temporary UNION ALL SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal")
answer = rows(con, 'SELECT segment, COUNT(*) FROM user_segments GROUP BY segment ORDER BY segment')
(rows(con, 'SELECT run_id, step, rows, started_at <= finished_at FROM raw.pipeline_runs ORDER BY started_at'), left, answer)
""",
        users, games, events,
    )  # fmt: skip
    assert [row[:2] for row in runs] == [["june", step] for step in STEPS] and all(
        row[3] for row in runs
    )
    assert (
        runs[0][2] == len(events)
        and runs[1][2] == len(users)
        and runs[2][2] == sum(size for _, size in answer)
    )
    assert left == [] and [segment for segment, _ in answer] == [0, 1, 2, 3, 4]


def test_segments_are_of_users_with_enough_events(world):
    users, games, events = many_rows(n_events=1500)
    engagement, columns, segments, features, places = world.run(
        """
con.execute('SET VARIABLE k = 3'); con.execute('SET VARIABLE min_events = 20'); con.execute("SET VARIABLE svg = 'other.svg'")
run(con, *STEPS)
columns = [c[0] for c in con.execute('FROM user_segments').description]
engagement = rows(con, 'FROM kpi.user_engagement WHERE events >= 20 ORDER BY user_id')
features = rows(con, 'SELECT DISTINCT feature FROM kpi.segment_profile')
(engagement, columns, rows(con, 'FROM user_segments ORDER BY user_id'), features, rows(con, 'FROM kpi.segment_map ORDER BY user_id'))
""",
        users, games, events,
    )  # fmt: skip
    assert (
        columns[0] == "user_id" and columns[-1] == "segment" and 20 < len(engagement) < len(users)
    )
    assert [row[:-1] for row in segments] == engagement and {row[-1] for row in segments} == {
        0,
        1,
        2,
    }
    assert len(features) == 11 and not {"user_id", "favourite_game"} & {
        feature for (feature,) in features
    }
    assert [row[:2] for row in places] == [[row[0], row[-1]] for row in segments]
    assert (world.folder / "other.svg").read_text(encoding="utf-8").startswith("<svg")


# Generated worlds, whose truth is known

# What dirt does to a value, and the rule of clean.corrections that says so. A missing duration stays missing.
RULES = {
    "case": "case",
    "typo": "typo",
    "empty": "empty",
    "synonym": "synonym",
    "negative": "negative",
    "bad time": "invalid",
}

GENERATE = """
N_USERS, N_GAMES, N_EVENTS, DIRT = {users}, {games}, {events}, {dirt}
made = dict(users=f'synthetic_users({{N_USERS}}, seed := 3', games=f'synthetic_games({{N_GAMES}}, seed := 3',
            events=f'synthetic_game_events({{N_EVENTS}}, users := {{N_USERS}}, games := {{N_GAMES}}, seed := 3')
for table, call in made.items():
    con.execute(f"CREATE TABLE dirty_{{table}} AS SELECT * FROM {{call}}, dirt := {{DIRT}}, truth := true)")
    con.execute(f"INSERT INTO raw.{{table}} SELECT COLUMNS(* EXCLUDE (dirt))::VARCHAR, 'a.csv' FROM dirty_{{table}}")
"""


def test_corrections_and_rejected_rows_are_the_dirt_that_was_made(world):
    truth, corrections, rejected, counts = world.run(
        GENERATE.format(users=20_000, games=400, events=1_000_000, dirt=0.04)
        + """
outcome = run(con, '10_clean')
assert isinstance(outcome, list), outcome
truth = [[t, *row] for t in made for row in rows(con, f'SELECT d.column_name, d.kind, count(*) FROM (SELECT unnest(dirt) AS d FROM dirty_{t}) GROUP BY ALL')]
corrections = rows(con, 'SELECT table_name, column_name, rule, sum(row_count)::BIGINT FROM clean.corrections GROUP BY ALL')
rejected = [[t, *row] for t in made for row in rows(con, f'SELECT reason, count(*) FROM clean.rejected_{t} GROUP BY ALL')]
counts = [[t, *rows(con, f'SELECT (SELECT count(*) FROM clean.{t}), (SELECT count(*) FROM clean.rejected_{t})')[0]] for t in made]
(truth, corrections, rejected, counts)
"""
    )
    values = {
        (table, column, RULES[kind]): n
        for table, column, kind, n in truth
        if kind in RULES and column != "event_time"
    }
    reasons = {
        (table, kind): n
        for table, column, kind, n in truth
        if kind not in RULES or column == "event_time"
    }
    assert {tuple(row[:3]): row[3] for row in corrections} == values and len(values) > 25
    assert {tuple(row[:2]): row[2] for row in rejected} == reasons and len(reasons) == 6
    assert [sum(row[1:]) for row in counts] == [20_000, 400, 1_000_000]


def test_what_is_repaired_is_what_stands_there_without_dirt(world):
    differences, n_repaired = world.run(
        GENERATE.format(users=3_000, games=400, events=100_000, dirt=0.3)
        + """
outcome = run(con, '10_clean')
assert isinstance(outcome, list), outcome
differences = []
for table, key in dict(users='user_id', games='game_id', events='event_id').items():
    con.execute(f"CREATE TABLE pure_{table} AS SELECT * FROM {made[table]}, dirt := 0)")
    con.execute(f'CREATE OR REPLACE TABLE defects AS SELECT {key} AS id, unnest(dirt, recursive := true) FROM dirty_{table}')
    for column in [c[0] for c in con.execute(f'FROM pure_{table} LIMIT 0').description if c[0] != key]:
        cast = 'TIMESTAMP' if column == 'event_time' else 'VARCHAR'
        wrong = con.execute(
            f"SELECT count(*) FROM clean.{table} AS c JOIN pure_{table} AS p USING ({key}) LEFT JOIN defects AS d "
            f"ON d.id = {key} AND d.column_name = '{column}' AND d.kind IN ('empty', 'negative', 'bad time') "
            f"WHERE CASE WHEN d.id IS NULL THEN c.{column}::{cast} IS DISTINCT FROM p.{column}::{cast} "
            f"ELSE coalesce(c.{column}::VARCHAR, 'unknown') <> 'unknown' END").fetchone()[0]
        if wrong:
            differences.append([table, column, wrong])
repaired = rows(con, "SELECT sum(row_count)::BIGINT FROM clean.corrections WHERE rule IN ('case', 'typo', 'synonym')")
(differences, repaired[0][0])
"""
    )
    assert differences == [] and n_repaired > 20_000
