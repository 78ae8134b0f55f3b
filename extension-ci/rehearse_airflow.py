"""Rehearses the DAG of orchestration/ with a disk that is full once, and compares its tables with those of a plain run.

Runs in the environment that has Airflow and duckdb; everything it makes is below build/airflow.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import duckdb

import demo
import package

FOLDER = package.ROOT / "build" / "airflow"
ORCHESTRATION = package.ROOT / "orchestration"
DAGS = FOLDER / "dags"
PAGE = package.ROOT / "docs" / "airflow.md"
EXTENSION = package.ROOT / "build" / "release" / package.FILE_NAME
AIRFLOW = [sys.executable, "-m", "airflow"]
DAG = "amazing_pipeline"
ROWS = 200_000
FAILING_STEP = "10_clean"
STEPS = ["00_raw", FAILING_STEP, "20_kpi", "30_user_segments"]
# One file a pass, so that the load step has more than one; a k that is not the default.
PARAMETERS = {
    "folder": str(FOLDER),
    "database": "airflow.duckdb",
    "data": "data/*.csv",
    "max_files": 1,
    "k": 4,
}

# Stands in for the interpreter of the steps. The first time that it runs the failing step no file may grow beyond a few
# kilobytes, which for DuckDB is a disk that is full when it commits.
INTERPRETER = """#!/bin/sh
case "$*" in
    *--step={step}) mkdir "{marker}" 2>/dev/null && ulimit -f 64 ;;
esac
exec "{python}" "$@"
"""

# The log of runs and the times of loading are those of the run; the rest must be equal.
OWN_COLUMNS = {
    "raw.loaded_files": "* EXCLUDE (loaded_at)",
    "kpi.segment_model": "* EXCLUDE (run_id, created_at, users_hash)",
}
LOGS = {"raw.pipeline_runs"}


def airflow(*arguments):
    """Runs Airflow on a metadata database of its own; what it printed."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(FOLDER / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
        "AMAZING_EXTENSION": str(EXTENSION),
        "AMAZING_PYTHON": str(FOLDER / "python"),
    }
    process = subprocess.run(
        [*AIRFLOW, *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    (FOLDER / f"{arguments[1]}.log").write_text(process.stdout, encoding="utf-8")
    if process.returncode != 0:
        raise SystemExit(
            f"{process.stdout}\nrehearse_airflow.py: airflow {' '.join(arguments)} failed"
        )
    return process.stdout


def write_interpreter():
    path = FOLDER / "python"
    path.write_text(
        INTERPRETER.format(
            step=FAILING_STEP, marker=FOLDER / "disk_was_full", python=sys.executable
        )
    )
    path.chmod(0o755)


def write_dags():
    """The folder of DAGs as the page says: both files, and the file of DAGs that it shows."""
    shutil.copytree(ORCHESTRATION, DAGS, ignore=shutil.ignore_patterns("__pycache__"))
    [block] = re.findall(
        r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (DAGS / "own.py").write_text(block, encoding="utf-8")


def plain_run():
    """The same pipeline by the command that cron would run."""
    values = {**PARAMETERS, "database": "plain.duckdb"}
    del values["folder"]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    command = [
        sys.executable,
        ORCHESTRATION / "run_step.py",
        "--pipeline=marketplace",
        f"--extension={EXTENSION}",
    ]
    subprocess.run(
        [*command, *options, "--svg=plain.svg"], cwd=FOLDER, check=True, stdout=subprocess.DEVNULL
    )


def recorded():
    """What Airflow has recorded: step -> (state, number of the last attempt), the state of the run, pools, DAGs by file."""
    with sqlite3.connect(FOLDER / "home" / "airflow.db") as con:
        tasks = con.execute(
            "SELECT task_id, state, try_number FROM task_instance ORDER BY task_id"
        ).fetchall()
        [(run,)] = con.execute("SELECT state FROM dag_run").fetchall()
        pools = con.execute(
            "SELECT DISTINCT pool, slots FROM task_instance LEFT JOIN slot_pool USING (pool)"
        ).fetchall()
        dags = con.execute("SELECT dag_id, fileloc FROM dag").fetchall()
        dags += con.execute("SELECT stacktrace, filename FROM import_error").fetchall()
    attempts = {step: (state, attempt) for step, state, attempt in tasks}
    return attempts, run, pools, {dag: Path(file).name for dag, file in dags}


def differences():
    """The number of rows that only one of the two databases has, for each table."""
    with duckdb.connect() as con:
        for name in ("airflow", "plain"):
            con.execute(f"ATTACH '{FOLDER / name}.duckdb' AS {name}_run (READ_ONLY)")
        query = (
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ?"
            " ORDER BY ALL"
        )
        tables, expected = (
            [t for [t] in con.execute(query, [f"{n}_run"]).fetchall()] for n in ("airflow", "plain")
        )
        if tables != expected:
            raise SystemExit(f"rehearse_airflow.py: the tables are {tables}, not {expected}")
        found = {}
        for table in set(tables) - LOGS:
            a, b = (
                f"(SELECT {OWN_COLUMNS.get(table, '*')} FROM {n}_run.{table})"
                for n in ("airflow", "plain")
            )
            [(found[table],)] = con.execute(
                f"SELECT count(*) FROM ((FROM {a} EXCEPT ALL FROM {b}) UNION ALL (FROM {b} EXCEPT"
                f" ALL FROM {a}))"
            ).fetchall()
        passes = con.execute(
            "SELECT step FROM airflow_run.raw.pipeline_runs WHERE status = 'done' ORDER BY finished_at"
        ).fetchall()
    return found, [step for [step] in passes]


def require(found, expected, what):
    if found != expected:
        raise SystemExit(f"rehearse_airflow.py: {what}: {found}, not {expected}")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    started = time.monotonic()

    def say(what):
        print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)

    demo.WORLDS[0].write_files(EXTENSION, FOLDER, ROWS)
    write_interpreter()
    write_dags()
    plain_run()
    say(f"{ROWS:,} events, and a plain run over them")
    airflow("db", "migrate")
    airflow("pools", "set", "amazing_writer", "1", "one writer")
    say("airflow db migrate, airflow pools set amazing_writer 1")
    printed = airflow("dags", "test", DAG, "--conf", json.dumps(PARAMETERS))
    for line in re.findall(
        r"(run_step\.py: .*?|\{\"step\".*?)(?: \[airflow\.|$)", printed, re.MULTILINE
    ):
        print(f"          {line}")
    say(f"airflow dags test {DAG}")

    tasks, run, pools, dags = recorded()
    require(
        tasks, {step: ("success", 2 if step == FAILING_STEP else 1) for step in STEPS}, "attempts"
    )
    require(dags, {DAG: "amazing_dag.py", "shop": "own.py", "games": "own.py"}, "DAGs")
    require(run, "success", "the run")
    require(pools, [("amazing_writer", 1)], "pools and their slots")
    require("No space" in printed or "File too large" in printed, True, "the disk was full")
    found, committed = differences()
    n_files = len(list((FOLDER / "data").glob("*.csv")))
    require(committed, ["00_raw"] * n_files + STEPS[1:], "committed steps")
    require({table: n for table, n in found.items() if n}, {}, "rows of one run only")
    say(f"{FAILING_STEP} was run twice, {len(found)} tables equal those of the plain run")


if __name__ == "__main__":
    main()
