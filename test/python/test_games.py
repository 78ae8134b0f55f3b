"""The layers clean, kpi and segments of the pipeline `games` on every tested DuckDB, from raw tables made by hand."""

import itertools
import random
from collections import Counter

import pytest

from conftest import ROOT, TESTED_VERSIONS
from test_marketplace import CLIENT

PIPELINE = ROOT / "sql" / "games"
STEPS = ["10_clean", "20_kpi", "30_user_segments"]

USERS = [
    "user_id", "age_range", "registration_date", "email", "workout_frequency", "gender", "location", "subscription_type",
]  # fmt: skip
GAMES = ["game_id", "game_type", "game_name", "platform", "difficulty"]
EVENTS = ["event_id", "game_id", "user_id", "event_time", "event_type", "duration_seconds", "device_type"]
RAW = {"users": USERS, "games": GAMES, "events": EVENTS}

CLEAN_TABLES = [
    "clean.users", "clean.games", "clean.events", "clean.sessions", "clean.session_games",
    "clean.rejected_users", "clean.rejected_games", "clean.rejected_events", "clean.corrections",
]  # fmt: skip
TABLES = {name: f"FROM {name}" for name in CLEAN_TABLES}


def user(user_id=1, age="18-25", registered="2024-01-01", email="a@b.org", frequency="regular", gender="F",
         location="Paris", subscription="free"):  # fmt: skip
    return (user_id, age, registered, email, frequency, gender, location, subscription)


def game(game_id=1, game_type="puzzle", name="Chess", platform="Web", difficulty="easy"):
    return (game_id, game_type, name, platform, difficulty)


counter = itertools.count(1_000_000)


def event(user_id=1, time="2024-06-15T14:00:00", kind="start_game", game_id=1, seconds=60, device="web", event_id=None):
    return (next(counter) if event_id is None else event_id, game_id, user_id, time, kind, seconds, device)


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def rows_of(table, rows):
    """An INSERT of `rows`; a row that is one longer than the table names its file."""
    n = len(RAW[table])
    values = ", ".join(
        "(" + ", ".join(literal(value) for value in [*row[:n], *(row[n:] or ["a.csv"])]) + ")" for row in rows
    )
    return f"INSERT INTO raw.{table} VALUES {values};" if rows else ""


class World:
    """A database with raw tables as the load step makes them, used through one version of DuckDB."""

    def __init__(self, folder, python, run_python):
        self.folder = folder
        self.python = python
        self.run_python = run_python

    def run(self, code, users=(), games=(), events=()):
        """Runs `code` after CLIENT and the rows; the value of its last line, an expression, comes back."""
        tables = "".join(
            f"CREATE TABLE IF NOT EXISTS raw.{name} ({' VARCHAR, '.join(columns)} VARCHAR, file_name VARCHAR NOT NULL);\n"
            for name, columns in RAW.items()
        )
        setup = f"""
CREATE SCHEMA IF NOT EXISTS raw;
{tables}
CREATE TABLE IF NOT EXISTS raw.pipeline_runs (
    run_id VARCHAR NOT NULL, step VARCHAR NOT NULL, started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP NOT NULL,
    rows BIGINT NOT NULL);
{rows_of("users", users)}
{rows_of("games", games)}
{rows_of("events", events)}
"""
        (self.folder / "setup.sql").write_text(setup, encoding="utf-8")
        client = CLIENT.format(pipeline=str(PIPELINE), steps=STEPS, folder=str(self.folder), tables=TABLES)
        client += "con.execute(Path('setup.sql').read_text(encoding='utf-8'))\n"
        *body, last = code.strip().splitlines()
        return self.run_python(self.python, client + "\n".join([*body, f"print(json.dumps({last}))"]))


@pytest.fixture(params=TESTED_VERSIONS)
def world(request, tmp_path, pythons, run_python):
    return World(tmp_path, pythons[request.param], run_python)


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
    for (name, cases), found in zip({"users": users, "games": games, "events": events}.items(), rejected):
        expected = [(reason, *(None if v is None else str(v) for v in row)) for reason, row in cases if reason]
        assert Counter((row[-1], *row[:-1]) for row in found) == Counter(expected)
        assert dict([row[1:] for row in outcome if row[0] == name]) == Counter(reason or "kept" for reason, _ in cases)
    assert [row[1:] for row in kept] == [
        [1, "2024-06-15 14:00:00", "start_game", 60, "web"],
        [2, "2024-06-15 14:00:00", "start_game", 60, "web"],
        [3, "2024-06-15 14:00:00", "start_game", 60, "web"],
        [1, "2024-06-15 14:00:01", "start_game", 60, "web"],
        [1, "2024-06-15 14:00:02.250000", "start_game", 60, "web"],
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
        ["events", "duration_seconds", "1.5", None, "invalid", 1],
        ["events", "duration_seconds", "9999999999", None, "invalid", 1],
        ["events", "device_type", "tablet", "mobile", "synonym", 1],
        ["events", "device_type", "Tablet", "mobile", "synonym", 1],
        ["events", "device_type", "MOBILE", "mobile", "case", 1],
        ["events", "device_type", None, "unknown", "empty", 1],
    ], key=repr)  # fmt: skip


def test_of_rows_with_one_id_the_same_stays_whatever_the_order(world):
    # The content that most rows have, else the first by content; a row that cannot be kept does not count.
    users = [user(1, email="b"), user(1, email="a"), user("01", email="b"), user(2, email="d"), user(2, email="c")]
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
