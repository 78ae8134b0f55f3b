"""The raw layer of the pipeline `games` on every tested DuckDB: files and tables find their place; two worlds at once."""

import pytest

from conftest import TESTED_VERSIONS
from worlds import World, accounts

COLUMNS = {
    "users": (
        "user_id,age_range,registration_date,email,workout_frequency,gender,location,subscription_type"
    ),
    "games": "game_id,game_type,game_name,platform,difficulty",
    "events": "event_id,game_id,user_id,event_time,event_type,duration_seconds,device_type",
}

TABLES = {
    "raw.loaded_files": (
        "SELECT * EXCLUDE (table_name, loaded_at, last_modified), table_name FROM raw.loaded_files"
    ),
    "raw.rejected_lines": "FROM raw.rejected_lines",
    **{f"raw.{name}": f"FROM raw.{name}" for name in COLUMNS},
}


def users(n, start=1):
    return [
        f"{i},18-25,2023-01-{i % 28 + 1:02d},u{i}@example.org,Regular,F,Paris,free"
        for i in range(start, start + n)
    ]


def games(n, start=1):
    return [f'{i},Actionn,"Run, run {i}",iOS,easy' for i in range(start, start + n)]


def events(n, start=1):
    return [
        f"{i},{i % 3},{i % 7},2024-06-15T14:23:{i % 60:02d},login,,mobile"
        for i in range(start, start + n)
    ]


@pytest.fixture(params=TESTED_VERSIONS)
def platform(request, tmp_path, pythons, run_python):
    return World("games", ["00_raw"], TABLES, tmp_path, pythons[request.param], run_python)


def write_all(platform, **options):
    platform.file("users.csv", COLUMNS["users"], *users(4), **options)
    platform.file("games.csv", COLUMNS["games"], *games(3), **options)
    platform.file("events.csv", COLUMNS["events"], *events(20), **options)


def table_of(loaded):
    """file name -> table of raw.loaded_files"""
    return {row[0].rpartition("/")[2]: row[-1] for row in loaded}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_each_file_goes_to_the_table_of_its_header(platform, end):
    write_all(platform, end=end)
    summary, loaded, rejected, *tables = platform.load()
    assert summary == [[3, 3, 0, 27, 0, "all files are loaded"]]
    assert accounts(loaded) == {
        "users.csv": (5, 4, 0),
        "games.csv": (4, 3, 0),
        "events.csv": (21, 20, 0),
    }
    assert table_of(loaded) == {"users.csv": "users", "games.csv": "games", "events.csv": "events"}
    assert rejected == [] and [len(rows) for rows in tables] == [4, 3, 20]
    assert tables[0][0] == [
        "1", "18-25", "2023-01-02", "u1@example.org", "Regular", "F", "Paris", "free", "data/users.csv"
    ]  # fmt: skip
    assert tables[1][0] == ["1", "Actionn", "Run, run 1", "iOS", "easy", "data/games.csv"]
    assert tables[2][0] == [
        "1",
        "1",
        "1",
        "2024-06-15T14:23:01",
        "login",
        None,
        "mobile",
        "data/events.csv",
    ]


def test_names_of_files_and_order_of_columns_do_not_matter(platform):
    platform.file(
        "a.csv", *(",".join(line.split(",")[::-1]) for line in [COLUMNS["events"], *events(2)])
    )
    platform.file("b.csv", COLUMNS["events"], *events(3, 3))
    platform.file("c.csv", COLUMNS["users"])
    _, loaded, _, found_users, _, found_events = platform.load()
    assert table_of(loaded) == {"a.csv": "events", "b.csv": "events", "c.csv": "users"}
    assert accounts(loaded)["c.csv"] == (1, 0, 0) and found_users == []
    assert [row[:4] for row in found_events] == [
        [str(i), str(i % 3), str(i % 7), f"2024-06-15T14:23:0{i}"] for i in range(1, 6)
    ]


def test_a_world_without_one_of_its_files_has_an_empty_table(platform):
    platform.file("users.csv", COLUMNS["users"], *users(2))
    platform.file("events.csv", COLUMNS["events"], *events(2))
    summary, _, _, found_users, found_games, found_events = platform.load()
    assert summary == [[2, 2, 0, 4, 0, "all files are loaded"]]
    assert [len(found_users), len(found_games), len(found_events)] == [2, 0, 2]


def test_a_pattern_that_no_file_matches_is_an_error(platform):
    message, *tables = platform.load()
    assert '00_raw: no such file: "data/*.csv" (' in message and not any(tables)


def test_every_bad_file_is_named_with_its_header_and_with_what_is_accepted(platform):
    write_all(platform)
    platform.file("players.csv", "user_id,name", "1,Ann")
    platform.file(
        "mixed.csv", COLUMNS["users"] + "," + COLUMNS["games"], users(1)[0] + "," + games(1)[0]
    )
    platform.file("short.csv", COLUMNS["games"].replace(",platform", ""), "1,action,Run,easy")
    platform.file("twice.csv", COLUMNS["games"] + ",platform", *games(1))
    platform.file("bare.csv", *events(2))
    platform.file("zero.csv", b"")
    platform.file("ends.csv", (COLUMNS["games"] + "\r\n" + "\n".join(games(2)) + "\n").encode())
    platform.file("broken.csv", COLUMNS["games"], '1,action,"Run\nrun",iOS,easy')
    message, loaded, rejected, *tables = platform.load()
    assert not any([loaded, rejected, *tables])
    assert "8 of 11 files cannot be" in message
    for name, reason in {
        "players": "other columns, its header is: user_id,name;",
        "mixed": f"other columns, its header is: {COLUMNS['users']},{COLUMNS['games']};",
        "short": "other columns, its header is: game_id,game_type,game_name,difficulty;",
        "twice": "other columns, its header is: " + COLUMNS["games"] + ",platform;",
        "bare": "no header, its first line is: 1,1,1,2024-06-15T14:23:01,login,,mobile;",
        "zero": "an empty file",
        "ends": "mixed line ends (CRLF on 1 of 3 lines)",
        "broken": "line breaks inside quotes",
    }.items():
        assert f'"data/{name}.csv": {reason}' in message
    accepted = "; ".join(f"{table}: {header}" for table, header in COLUMNS.items())
    assert message.endswith(f". Accepted headers (columns in brackets may be absent): {accepted}")


def test_lines_that_cannot_be_parsed_are_kept_with_their_error_and_file(platform):
    platform.file("users.csv", COLUMNS["users"], *users(2), "3,18-25")
    platform.file(
        "games.csv",
        COLUMNS["games"],
        '1,"action",Run,iOS,easy',
        '2,"action,Run,iOS,easy',
        "3,,,,",
        end="\r\n",
    )
    platform.file("events.csv", COLUMNS["events"], *events(2), events(1, 3)[0] + ",x")
    _, loaded, rejected, *tables = platform.load()
    assert accounts(loaded) == {
        "users.csv": (4, 2, 1),
        "games.csv": (4, 2, 1),
        "events.csv": (4, 2, 1),
    }
    assert [row[:4] for row in rejected] == [
        ["data/events.csv", 4, events(1, 3)[0] + ",x", "TOO MANY COLUMNS"],
        ["data/games.csv", 3, '2,"action,Run,iOS,easy', "UNQUOTED VALUE"],
        ["data/users.csv", 4, "3,18-25", "MISSING COLUMNS"],
    ]
    assert [len(rows) for rows in tables] == [2, 2, 2]
    assert tables[1] == [
        ["1", "action", "Run", "iOS", "easy", "data/games.csv"],
        ["3", *[None] * 4, "data/games.csv"],
    ]


def test_a_second_run_and_renamed_copies_change_nothing(platform):
    write_all(platform)
    _, *before = platform.load()
    platform.file("events copy.csv", COLUMNS["events"], *events(20), end="\r\n")
    summary, *after = platform.load()
    assert summary == [[4, 0, 0, 0, 0, "nothing new"]]
    assert before == after


def test_new_content_under_a_known_path_replaces_its_rows_wherever_they_were(platform):
    write_all(platform)
    platform.load()
    platform.file("events.csv", COLUMNS["events"], *events(21), "cut")
    platform.file("games.csv", COLUMNS["users"], *users(2, 100))
    summary, loaded, rejected, found_users, found_games, found_events = platform.load()
    assert summary == [[3, 2, 0, 23, 1, "all files are loaded"]]
    assert table_of(loaded) == {"users.csv": "users", "games.csv": "users", "events.csv": "events"}
    assert [len(found_users), len(found_games), len(found_events), len(rejected)] == [6, 0, 21, 1]


def test_max_files_are_taken_whatever_their_tables(platform):
    write_all(platform)
    summaries = platform.run("""
con.execute("SET VARIABLE max_files = 2")
[run(con, '00_raw')[0][1:3] for _ in range(3)]
""")
    assert summaries == [[2, 1], [1, 0], [0, 0]]


def test_an_interruption_after_any_statement_leaves_all_tables_as_they_were(platform):
    write_all(platform)
    _, *before = platform.load()
    platform.file("users.csv", COLUMNS["users"], *users(5))
    platform.file("events.csv", COLUMNS["events"], *events(21), "cut")
    interrupted, after = platform.run("""
statements = len(con.extract_statements((PIPELINE / '00_raw.sql').read_text(encoding='utf-8')))
before = state(con)
for n in range(statements - 2, 0, -3):
    run(con, '00_raw', statements=n)
    try:
        con.execute('ROLLBACK')
    except Exception:
        pass
    assert state(con) == before, n
run(con, '00_raw')
(before, state(con))
""")
    assert list(interrupted.values()) == before
    assert [len(after[f"raw.{name}"]) for name in COLUMNS] == [5, 3, 21] and len(
        after["raw.rejected_lines"]
    ) == 1


def test_runs_are_recorded(platform):
    write_all(platform)
    assert platform.run("""
con.execute("SET VARIABLE run_id = 'first'")
run(con, '00_raw')
rows(con, "SELECT run_id, step, rows, started_at <= finished_at FROM raw.pipeline_runs")
""") == [["first", "00_raw", 27, True]]


# Tables instead of files

# The tables of a database as its owner may have them: typed, one a view, with names in capitals and columns of no use.
SOURCE = """
con.execute("ATTACH 'shop.duckdb' AS shop")
con.execute('''
    CREATE TABLE shop.main.users AS
    SELECT * REPLACE (user_id::INTEGER AS user_id, registration_date::DATE AS registration_date), now() AS changed_at
    FROM read_csv('data/users.csv', all_varchar = true);
    CREATE TABLE shop.main.all_games AS FROM read_csv('data/games.csv', all_varchar = true);
    CREATE VIEW shop.main.games AS SELECT platform, game_type, game_id::DOUBLE AS Game_ID, game_name, difficulty FROM shop.main.all_games;
    CREATE TABLE shop.main."EVENTS" AS
    SELECT * REPLACE (event_id::BIGINT AS event_id, game_id::DECIMAL(18, 3) AS game_id, event_time::TIMESTAMP AS event_time,
                      '' AS duration_seconds)
    FROM read_csv('data/events.csv', all_varchar = true);
''')
con.execute("SET VARIABLE source = 'shop.main'")
"""


def without_file(rows, column=-1):
    return sorted((row[:column] for row in rows), key=repr)


def test_tables_of_a_source_give_the_rows_and_fingerprints_of_their_files(platform):
    write_all(platform)
    _, *from_files = platform.load()
    summary, from_tables, again = platform.run(
        SOURCE
        + """
con.execute('ATTACH \\':memory:\\' AS fresh; USE fresh')
summary = run(con, '00_raw')
first = state(con)
again = run(con, '00_raw')
assert state(con) == first
(summary, first, again)
"""
    )
    assert summary == [[3, 3, 0, 27, 0, "all files are loaded"]] and again == [
        [3, 0, 0, 0, 0, "nothing new"]
    ]
    loaded, rejected, *tables = (from_tables[name] for name in TABLES)
    assert table_of([[row[0].replace(".", "/"), *row[1:]] for row in loaded]) == {
        t: t for t in COLUMNS
    }
    assert rejected == [] and {row[-1] for row in tables[2]} == {"shop.main.events"}
    for rows, expected in zip(tables, from_files[2:]):
        assert without_file(rows) == without_file(expected)
    # Size, fingerprint, lines: those of the files.
    assert sorted(row[1:] for row in loaded) == sorted(row[1:] for row in from_files[0])


def test_a_source_whose_content_is_loaded_already_changes_nothing(platform):
    write_all(platform, end="\r\n")
    _, *before = platform.load()
    summary, after = platform.run(SOURCE + "(run(con, '00_raw'), state(con))")
    assert summary == [[3, 0, 0, 0, 0, "nothing new"]]
    assert list(after.values()) == before


def test_changed_tables_replace_their_rows(platform):
    write_all(platform)
    summary, both, after = platform.run(
        SOURCE
        + """
run(con, '00_raw')
con.execute("INSERT INTO shop.main.events VALUES (99, 1, '1', TIMESTAMP '2024-06-16 00:00:00.999', 'login', NULL, 'a, \\"b\\"')")
con.execute("DELETE FROM shop.main.all_games")
summary = run(con, '00_raw')
after = state(con)
con.execute("SET VARIABLE data = ['data/games.csv']")
(summary, run(con, '00_raw'), after)
"""
    )
    assert summary == [[3, 2, 0, 21, 0, "all files are loaded"]] and both == [
        [4, 1, 0, 3, 0, "all files are loaded"]
    ]
    assert [len(after[f"raw.{name}"]) for name in COLUMNS] == [4, 0, 21]
    assert [
        "99",
        "1",
        "1",
        "2024-06-16T00:00:00.999000",
        "login",
        None,
        'a, "b"',
        "shop.main.events",
    ] in after["raw.events"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "SET VARIABLE source = 'shop.public'",
            'no table of the source "shop.public" is called events, games, users',
        ),
        (
            "ALTER TABLE shop.main.EVENTS DROP COLUMN event_type",
            'lacks columns: "shop"."main"."EVENTS".event_type',
        ),
        (
            (
                "CREATE SCHEMA world.shop; CREATE TABLE world.shop.users (user_id INTEGER); SET"
                " VARIABLE source = 'shop'"
            ),
            "is ambiguous",
        ),
    ],
)
def test_a_source_that_cannot_be_loaded_is_refused(platform, statement, message):
    write_all(platform)
    answer, after = platform.run(
        SOURCE + f"con.execute({statement!r})\n(run(con, '00_raw'), state(con))"
    )
    assert message in answer and not any(after.values())


# Both worlds


def test_both_pipelines_in_one_database_build_what_each_builds_alone(platform):
    platform.file("users.csv", COLUMNS["users"], *users(9))
    platform.file("games.csv", COLUMNS["games"], *games(3))
    platform.file("events.csv", COLUMNS["events"], *events(300))
    (platform.folder / "shop").mkdir()
    alone, together = platform.run("""
con.execute("COPY (FROM synthetic_marketplace_events(3000, users := 200)) TO 'shop/events.csv' (TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")

def build(con, pipeline, data, prefix=''):
    con.execute('SET VARIABLE data = ' + repr(data))
    scripts = con.execute('SELECT sql FROM amazing_scripts($1, schema_prefix := $2) ORDER BY step', [pipeline, prefix]).fetchall()
    for [sql] in scripts:
        con.execute(sql)

def content(con, prefix, other):
    tables = con.execute('''
        SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT temporary
        UNION ALL
        SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal AND NOT temporary
        ORDER BY ALL''').fetchall()
    found = {}
    for schema, table in tables:
        if table != 'pipeline_runs' and not (other and schema.startswith(other)):
            of_the_run = {'loaded_files': 'loaded_at', 'segment_model': 'run_id, created_at'}
            columns = f'* EXCLUDE ({of_the_run[table]})' if table in of_the_run else '*'
            found[schema.removeprefix(prefix) + '.' + table] = sorted(rows(con, f'SELECT {columns} FROM "{schema}"."{table}"'), key=repr)
    return found

alone = {}
for pipeline, data in (('games', 'data/*.csv'), ('marketplace', 'shop/*.csv')):
    one = connect(':memory:')
    build(one, pipeline, data)
    alone[pipeline] = content(one, '', None)
build(con, 'marketplace', 'shop/*.csv')
build(con, 'games', 'data/*.csv', 'games_')
build(con, 'marketplace', 'shop/*.csv')
together = {'marketplace': content(con, '', 'games_')}
con.execute('DROP SCHEMA raw CASCADE; DROP SCHEMA clean CASCADE; DROP SCHEMA kpi CASCADE')
together['games'] = {name: rows for name, rows in content(con, 'games_', 'main').items()}
(alone, together)
""")
    assert alone["games"] == together["games"] and len(alone["games"]["raw.events"]) == 300
    assert alone["games"]["main.user_segments"] and alone["marketplace"]["main.user_segments"]
    assert (
        alone["marketplace"] == together["marketplace"]
        and len(alone["marketplace"]["raw.all_events"]) == 3000
    )
