"""The runner of steps: the tables of a plain run, one transaction a step, and a run that goes on where it stopped."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

import demo
from conftest import NEW, OLD, ROOT, TESTED_VERSIONS, V2_VERSIONS, interpreter

sys.path.insert(0, str(ROOT / "orchestration"))

import run_step

RUNNER = ROOT / "orchestration" / "run_step.py"
STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]
WORLDS = {world.pipeline: world for world in demo.WORLDS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, extension):
    """Data files of both worlds, and a database that their scripts built through the command line client."""
    path = tmp_path_factory.mktemp("worlds")
    for world in demo.WORLDS:
        world.write_files(extension, path, 20_000)
        prepare = (
            f"LOAD '{extension}'; SET VARIABLE data = '{world.data}/*.csv'; SET VARIABLE k = 3;"
        )
        client = interpreter("1.5.6").parent / "duckdb"
        command = [
            client,
            "-unsigned",
            "-cmd",
            prepare,
            f"plain_{world.database}",
            "-f",
            world.script(),
        ]
        subprocess.run(command, cwd=path, check=True, capture_output=True)
    return path


@pytest.fixture
def run(folder, extension, v2_extension):
    """Runs the command; what it printed, as JSON, or its complaint."""

    def run(database, *options, pipeline="marketplace", version=NEW, prefix=()):
        python = interpreter(version)
        path = v2_extension if python.has_v2 else extension
        command = [
            *prefix,
            python,
            RUNNER,
            f"--pipeline={pipeline}",
            f"--database={database}",
            f"--extension={path}",
        ]
        if not any(option.startswith("--source") for option in options):
            command.append(f"--data={WORLDS[pipeline].data}/*.csv")
        command += ["--k=3", *options]
        process = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        if process.returncode == 0:
            assert not process.stderr
            return [json.loads(line) for line in process.stdout.splitlines()]
        assert process.stderr and "Traceback" not in process.stderr
        return process.stderr

    return run


def tables(path, prefix=""):
    """Table -> its rows; without the log of runs and the time of loading."""
    with duckdb.connect(str(path), read_only=True) as con:
        names = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE"
            " starts_with(schema_name, ?)",
            [prefix],
        ).fetchall()
        found = {}
        for [name] in names:
            columns = "*"
            for table, times in [
                ("loaded_files", "loaded_at"),
                ("segment_model", "run_id, created_at, users_hash"),
            ]:
                columns = f"* EXCLUDE ({times})" if name.endswith(table) else columns
            if not name.endswith("pipeline_runs"):
                found[name[len(prefix) :]] = con.execute(
                    f"SELECT {columns} FROM {name} ORDER BY ALL"
                ).fetchall()
        return found


def steps_of(path):
    """The steps that were committed, in order, with the runs that they belong to."""
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(
            "SELECT step, run_id FROM raw.pipeline_runs WHERE status = 'done' ORDER BY finished_at, step"
        ).fetchall()


@pytest.mark.parametrize("version", TESTED_VERSIONS + V2_VERSIONS)
@pytest.mark.parametrize("pipeline", WORLDS)
def test_all_steps_give_the_tables_of_the_scripts(run, folder, tmp_path, pipeline, version):
    done = run(tmp_path / "w.duckdb", f"--svg={tmp_path}/w.svg", pipeline=pipeline, version=version)
    assert [line["step"] for line in done] == STEPS
    assert done[-1]["report"][0]["segments"] == 3
    assert (tmp_path / "w.svg").read_text(encoding="utf-8").startswith("<svg")
    found, expected = (
        tables(tmp_path / "w.duckdb"),
        tables(folder / f"plain_{WORLDS[pipeline].database}"),
    )
    assert list(found) == list(expected) and len(found) > 10
    for name in expected:
        assert found[name] == expected[name], name


def test_the_load_step_runs_until_no_file_is_left(run, folder, tmp_path):
    done = run(tmp_path / "w.duckdb", "--step=00_raw", "--max-files=1", "--run-id=monday")
    n_files = len(list((folder / "data").glob("*.csv")))
    assert [line["report"][0]["files_left"] for line in done] == list(range(n_files))[
        ::-1
    ] and n_files > 1
    assert steps_of(tmp_path / "w.duckdb") == [("00_raw", "monday")] * n_files


def test_what_a_step_did_is_recorded_and_that_it_failed(run, folder, tmp_path):
    database = tmp_path / "w.duckdb"
    run(database, "--step=00_raw", "--run-id=monday")
    refused = run(database, "--step=30_user_segments", "--run-id=monday", "--refit=warm", "--k=4")
    for step in STEPS[1:]:
        run(database, f"--step={step}", "--run-id=monday", f"--svg={tmp_path}/w.svg", "--k=4")
    with duckdb.connect(str(database), read_only=True) as con:
        told = con.execute("""
            SELECT step, status, rows, rows_in - rows_rejected AS rows_kept, rows_replaced,
                seconds >= 0 AS is_timed, parameters['k'] AS k, amazing_version, duckdb_version, message
            FROM raw.pipeline_runs
            ORDER BY started_at
        """).fetchall()
        [(events, users, segments)] = con.execute("""
            SELECT (SELECT count(*) FROM clean.events), (SELECT count(*) FROM kpi.user_features),
                (SELECT count(*) FROM user_segments)
        """).fetchall()
        [(raw, version)] = con.execute(
            "SELECT count(*), (SELECT version()) FROM raw.all_events"
        ).fetchall()
    assert [row[:2] for row in told] == [
        ("00_raw", "done"),
        ("30_user_segments", "failed"),
        *((step, "done") for step in STEPS[1:]),
    ]
    failed = told.pop(1)
    assert "kpi" in failed[-1] and failed[-1] in refused and failed[-2] == version
    assert [row[2:5] for row in told] == [
        (raw, raw, 0),
        (events, events, 0),
        (users, events, 0),
        (segments, segments, 0),
    ]
    assert all(row[5] and row[7] and row[8] == version for row in told)
    assert [row[6] for row in told] == [None, None, None, "4"]
    assert told[1][-1].endswith(f"; {events} events in all")
    assert told[3][-1].startswith(f"{segments} users in ")


def test_a_step_that_finds_the_disk_full_leaves_nothing_and_runs_again(run, folder, tmp_path):
    database = tmp_path / "w.duckdb"
    run(database, "--step=00_raw", "--run-id=monday")
    before = tables(database)
    # No file may grow beyond 64 blocks: for DuckDB a disk that is full.
    refused = run(
        database,
        "--step=10_clean",
        "--run-id=monday",
        prefix=["sh", "-c", 'ulimit -f 64; exec "$@"', "sh"],
    )
    assert re.match(r"run_step\.py: marketplace 10_clean: .*(File too large|No space)", refused)
    assert tables(database) == before
    with duckdb.connect(str(database), read_only=True) as con:
        told = con.execute("SELECT step, status FROM raw.pipeline_runs ORDER BY ALL").fetchall()
    # Where there is no place to tell the failure, the row stays as it began.
    assert told in [[("00_raw", "done"), ("10_clean", status)] for status in ("failed", "started")]
    for step in STEPS[1:]:
        run(database, f"--step={step}", "--run-id=monday", f"--svg={tmp_path}/w.svg")
    assert steps_of(database) == [(step, "monday") for step in STEPS]
    assert tables(database) == tables(folder / "plain_shop.duckdb")


@pytest.mark.parametrize("version", [OLD, NEW])
def test_without_a_path_the_installed_extension_is_loaded(folder, extension, tmp_path, version):
    environment = {**os.environ, "HOME": str(tmp_path)}
    repository = extension.parent.parent / "repo"
    install = "import duckdb; duckdb.connect(config={'allow_unsigned_extensions': 'true'})"
    install += f".execute(\"INSTALL amazing FROM '{repository}'\")"
    subprocess.run([interpreter(version), "-c", install], env=environment, check=True)
    command = [
        interpreter(version),
        RUNNER,
        "--pipeline=games",
        f"--database={tmp_path}/w.duckdb",
        "--data=games/*.csv",
    ]
    command += [f"--svg={tmp_path}/w.svg"]
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert process.returncode == 0, process.stderr
    assert [json.loads(line)["step"] for line in process.stdout.splitlines()] == STEPS


def test_a_second_run_loads_nothing_and_a_schema_prefix_keeps_worlds_apart(run, folder, tmp_path):
    database = tmp_path / "w.duckdb"
    for _ in range(2):
        done = run(database, f"--svg={tmp_path}/w.svg")
    assert done[0]["report"][0]["message"] == "nothing new"
    run(database, "--schema-prefix=games_", f"--svg={tmp_path}/g.svg", pipeline="games")
    found = tables(database, prefix="games_")
    assert found == tables(folder / "plain_platform.duckdb")


@pytest.mark.parametrize("version", TESTED_VERSIONS + V2_VERSIONS)
def test_refit_says_what_becomes_of_the_segments(run, tmp_path, version):
    database = tmp_path / "w.duckdb"
    messages = []
    for options in [
        ["--as-of=2019-11-01"],
        ["--as-of=2019-11-05"],
        ["--as-of=2019-11-09", "--refit=never"],
        ["--refit=fresh"],
    ]:
        steps = STEPS if not messages else STEPS[2:]
        for step in steps:
            done = run(
                database, f"--step={step}", f"--svg={tmp_path}/w.svg", *options, version=version
            )
        messages.append(done[0]["report"][0]["message"].split(";")[0])
    assert messages == [
        "model 1, the first",
        "model 2, refit from model 1",
        "model 2, as it was",
        (
            "WARNING: model 3 is a fresh fit (refit is 'fresh'): its numbers and names are not"
            " those of model 2"
        ),
    ]
    with duckdb.connect(str(database), read_only=True) as con:
        runs = con.execute(
            "SELECT count(DISTINCT run_id), count(*) FROM kpi.segment_model"
        ).fetchall()
        assert runs == [(3, 3)]


def test_a_script_of_settings_runs_on_every_connection(run, folder, tmp_path):
    (tmp_path / "init.sql").write_text(
        f"SET threads = 1; ATTACH '{folder}/plain_platform.duckdb' AS shop (READ_ONLY);"
    )
    run(tmp_path / "w.duckdb", "--step=00_raw", f"--init={tmp_path}/init.sql")
    done = run(
        tmp_path / "g.duckdb",
        "--step=00_raw",
        f"--init={tmp_path}/init.sql",
        "--source=shop.clean",
        pipeline="games",
    )
    assert done[0]["report"][0]["rows_loaded"] > 20_000


def test_the_commands_of_the_page_run(folder, extension, tmp_path):
    page = (ROOT / "docs" / "airflow.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(python orchestration/.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "data").symlink_to(folder / "data")
    (tmp_path / "orchestration").symlink_to(ROOT / "orchestration")
    environment = {
        **os.environ,
        "PATH": f"{interpreter(NEW).parent}{os.pathsep}{os.environ['PATH']}",
    }
    printed = ""
    for block in blocks:
        script = block.replace("build/release/amazing.duckdb_extension", str(extension))
        process = subprocess.run(
            ["sh", "-ec", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert process.returncode == 0, process.stderr
        printed += process.stdout
    assert len(blocks) == 2 and [json.loads(line)["step"] for line in printed.splitlines()] == [
        "00_raw",
        *STEPS,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--step=10_cleen"],
            'has no step "10_cleen", there are 00_raw, 10_clean, 20_kpi, 30_user_segments',
        ),
        (["--step=install"], 'has no step "install"'),
        (["--step=20_kpi"], "run_step.py: marketplace 20_kpi: Catalog Error"),
        (["--step=00_raw", "--data=nowhere.csv"], 'no such file: "nowhere.csv"'),
        (["--max-files=0"], "max_files must be a number of at least 1, not 0"),
        (["--extension=nowhere.duckdb_extension"], "nowhere.duckdb_extension"),
        (["--init=nowhere.sql"], "nowhere.sql"),
        (["--schema-prefix=a b"], "schema_prefix"),
        (["--as-of=yesterday"], "argument --as-of: not a day as in 2024-06-30: 'yesterday'"),
        (
            ["--max-time=soon"],
            "argument --max-time: not a day or time as in 2024-06-30 or 2024-06-30T12:00: 'soon'",
        ),
        (["--brands=apple"], "argument --brands: not JSON as in"),
        (["--brands=[1]"], "argument --brands: not JSON as in"),
        (["--category-codes=null"], "argument --category-codes: not JSON as in"),
        (["--refit=newly"], "argument --refit: invalid choice: 'newly'"),
    ],
)
def test_a_mistake_is_told_in_one_message(run, tmp_path, options, message):
    assert message in run(tmp_path / "w.duckdb", *options)


def test_a_database_that_another_process_writes_is_refused(run, tmp_path):
    with duckdb.connect(str(tmp_path / "w.duckdb")):
        assert "lock" in run(tmp_path / "w.duckdb", "--step=00_raw")


@pytest.mark.parametrize("name", [":memory:", "file.csv", "file.parquet"])
@pytest.mark.parametrize("version", [OLD, NEW])
def test_what_would_be_built_in_memory_is_refused(run, tmp_path, name, version):
    database = name
    if name != ":memory:":
        database = tmp_path / name
        duckdb.execute(f"COPY (SELECT 1 AS a) TO '{database}'")
    refused = run(database, "--step=00_raw", version=version)
    assert f'"{database}" is no database file, name one or a new one' in refused


def test_parameters_are_those_that_the_scripts_document(con):
    documented = set()
    for script in (ROOT / "sql").glob("*/[0-3]0_*.sql"):
        head = script.read_text(encoding="utf-8").split("\n\n", 1)[0]
        [listed] = re.findall(
            r"^-- Parameters? \(session variables?\):\n((?:--   .*\n)+)", head, re.MULTILINE
        ) or [""]
        documented |= set(re.findall(r"^--   (\w+)  ", listed, re.MULTILINE))
    assert set(run_step.PARAMETERS) == documented


def test_bounds_of_times_and_vocabularies_come_from_the_command(run, folder, tmp_path):
    database = tmp_path / "w.duckdb"
    with duckdb.connect() as con:
        [first, second] = con.execute(
            f"SELECT brand FROM '{folder}/data/*.csv' WHERE brand IS NOT NULL GROUP BY ALL ORDER BY"
            " count(*) DESC LIMIT 2"
        ).fetchall()
    vocabulary = json.dumps({"The Best": [*first], "The Second": [*second]})
    run(database, "--step=00_raw")
    run(
        database,
        "--step=10_clean",
        "--min-time=2019-10-05",
        "--max-time=2019-10-20",
        f"--brands={vocabulary}",
    )
    with duckdb.connect(str(database)) as con:
        [found] = con.execute(
            "SELECT min(event_time)::DATE, max(event_time)::DATE FROM clean.events"
        ).fetchall()
        assert found == (date(2019, 10, 5), date(2019, 10, 20))
        [brands] = con.execute(
            "SELECT list(brand ORDER BY n DESC) FROM (SELECT brand, count(*) AS n FROM clean.events"
            " WHERE brand IS NOT NULL GROUP BY ALL)"
        ).fetchall()
        assert brands[0][:2] == ["The Best", "The Second"]
    run(database, "--step=10_clean", '--category-codes=["electronics.smartphone"]')


def test_arguments_are_what_the_command_reads():
    values = {
        "pipeline": "games",
        "database": "a b.duckdb",
        "schema_prefix": "",
        "data": ["a.csv", "b*.csv"],
    }
    values = {**values, "k": 4, "rebuild": True, "seed": None, "as_of": "2024-06-30"}
    read = run_step.parser().parse_args(list(run_step.arguments(values)))
    assert (read.pipeline, read.database, read.data, read.k, read.rebuild) == (
        "games",
        "a b.duckdb",
        values["data"],
        4,
        True,
    )
    assert (read.seed, read.schema_prefix, str(read.as_of)) == (None, "", "2024-06-30")
    assert list(run_step.arguments({"rebuild": False})) == []


def test_the_task_of_a_step_is_a_file_that_needs_no_duckdb():
    """The scheduler of Airflow imports the module in an environment of its own."""
    assert not [
        line
        for line in Path(RUNNER).read_text(encoding="utf-8").splitlines()
        if line.startswith("import duckdb")
    ]


def test_the_page_about_schedulers_shows_what_the_command_prints(extension, tmp_path):
    """The figures of docs/airflow.md, in both places: 200,000 events of two months, a file in each pass of the load step."""
    demo.WORLDS[0].write_files(extension, tmp_path, 200_000)
    options = [
        "--pipeline=marketplace",
        "--database=shop.duckdb",
        f"--extension={extension}",
        "--data=data/*.csv",
    ]
    process = subprocess.run(
        [sys.executable, str(RUNNER), *options, "--max-files=1", "--k=4"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    printed = [json.loads(line) for line in process.stdout.splitlines()]
    text = (ROOT / "docs" / "airflow.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shown = [json.loads(line) for line in block.splitlines()]
    assert [line["report"] for line in shown] == [
        line["report"] for line in printed if line["step"] == "00_raw"
    ]
    rehearsal = text.split("## Rehearsal")[1]
    loaded = [line["rows_loaded"] for line in printed[0]["report"] + printed[1]["report"]]
    assert list(map(int, re.findall(r'"rows_loaded": (\d+)', rehearsal))) == loaded
    [cleaned] = re.findall(r'\{"step": "10_clean".*\}', rehearsal)
    assert [json.loads(cleaned)["report"]] == [
        line["report"] for line in printed if line["step"] == "10_clean"
    ]
