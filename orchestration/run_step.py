"""Runs one step of a pipeline, or all of them: what Airflow, cron and the tests share. Needs Python and duckdb only.

    python orchestration/run_step.py --pipeline marketplace --database shop.duckdb --data 'data/*.csv'
    python orchestration/run_step.py --pipeline marketplace --database shop.duckdb --step 10_clean

The scripts are those in the extension itself. Each step is one transaction on a connection of its own: it is there whole
or not at all, and can be run again. For each transaction a line of JSON tells what it did; the first error ends the run
with exit code 1.
"""

import argparse
import contextlib
import json
import sys
import time
import uuid
from datetime import date, datetime
from pathlib import Path

LOAD_STEP = "00_raw"
# Creates the relations in the database itself, so that later readers of it need `LOAD amazing` only.
INSTALL_STEP = "install"


def day(text):
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a day as in 2024-06-30: {text!r}") from None


def moment(text):
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"not a day or time as in 2024-06-30 or 2024-06-30T12:00: {text!r}"
        ) from None


def from_json(text):
    """What JSON says; None where it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def is_names(read):
    """Whether it is a list of texts."""
    return isinstance(read, list) and all(isinstance(name, str) for name in read)


def vocabulary(text):
    """A list as in `["apple", "sony"]`, or the other names of each entry as in `{"apple": ["aple"]}`."""
    read = from_json(text)
    lists = list(read.values()) if isinstance(read, dict) else [read]
    if all(map(is_names, lists)):
        return read
    raise argparse.ArgumentTypeError(
        f'not JSON as in ["apple", "sony"] or {{"apple": ["aple"]}}: {text!r}'
    )


def other_names(text):
    """Other names of things as in `{"user_id": "customer", "event_time": ["ts", "time"]}`."""
    read = from_json(text)
    if isinstance(read, dict):
        lists = {name: [names] if isinstance(names, str) else names for name, names in read.items()}
        if all(map(is_names, lists.values())):
            return lists
    raise argparse.ArgumentTypeError(
        f'not JSON as in {{"user_id": "customer", "event_time": ["ts", "time"]}}: {text!r}'
    )


# The session variables that the scripts read, and how argparse reads each.
PARAMETERS = {
    "data": {"nargs": "+", "action": "extend", "help": "the files: patterns or paths (data/*.csv)"},
    "source": {
        "help": "a schema whose tables are loaded like files, such as pg.public, attached in --init"
    },
    "columns": {
        "type": other_names,
        "help": 'other names of columns, in JSON: {"user_id": "customer"}; further ones are left out',
    },
    "event_types": {
        "type": other_names,
        "help": 'other names for the types of events, in JSON: {"cart": ["addtocart"]}',
    },
    "bad_files": {
        "choices": ["refuse", "skip"],
        "help": "refuse: a file that cannot be loaded refuses the run (the default); skip: it is left out",
    },
    "deleted_files": {
        "choices": ["keep", "remove"],
        "help": "keep: rows of a file that is gone stay (the default); remove: they are removed",
    },
    "max_files": {"type": int, "help": "new files that one transaction takes (12)"},
    "rebuild": {
        "action": "store_true",
        "default": None,
        "help": "make the clean tables of marketplace anew",
    },
    "min_time": {"type": moment, "help": "events before it are rejected (2000-01-01)"},
    "max_time": {"type": moment, "help": "events after it are rejected (the day after the load)"},
    "brands": {
        "type": vocabulary,
        "help": 'the brands of marketplace, in JSON: ["apple"] or {"apple": ["aple"]}',
    },
    "category_codes": {"type": vocabulary, "help": "the category codes of marketplace, likewise"},
    **{
        name: {"type": vocabulary, "help": f"{what} of the pipeline games, likewise"}
        for name, what in [
            ("cities", "the locations"),
            ("genres", "the types of games"),
            ("platforms", "the platforms"),
            ("difficulties", "the difficulties"),
            ("device_types", "the types of devices"),
            ("age_ranges", "the ranges of age"),
            ("genders", "the genders"),
            ("workout_frequencies", "the frequencies of workout"),
            ("subscription_types", "the types of subscription"),
        ]
    },
    "as_of": {"type": day, "help": "the last day that counts (that of the last event)"},
    "min_events": {"type": int, "help": "events that a user needs to be in a segment (10)"},
    "k": {"type": int, "help": "segments (5)"},
    "refit": {
        "choices": ["never", "warm", "fresh"],
        "help": (
            "warm: segments start from the stored model and keep their numbers (the default);"
            " never: it is applied; fresh"
        ),
    },
    "seed": {"type": int, "help": "of the random draws (42)"},
    "svg": {"help": "the file that the map of the segments goes to (beside the database)"},
    "run_id": {"help": "what the run is called in raw.pipeline_runs (a new UUID)"},
}


def variables_of(given):
    """The variables of a session from parameters by name; None leaves one to the script."""
    variables = {name: value for name, value in given.items() if value is not None}
    if isinstance(variables.get("data"), (list, tuple)):
        files = [str(path) for path in variables["data"]]
        # A single pattern may match no file; a list that names nothing is an error of DuckDB.
        variables["data"] = files[0] if len(files) == 1 else files
    for name, value in variables.items():
        if isinstance(value, dict):
            # How the client writes a MAP.
            variables[name] = {"key": list(value), "value": list(value.values())}
        elif isinstance(value, Path):
            variables[name] = str(value)
    variables.setdefault("run_id", str(uuid.uuid4()))
    return variables


class NoSuchStep(Exception):
    """The pipeline has no step of that name."""


class NoDatabaseFile(Exception):
    """What would be built is in memory, and gone with the step."""


@contextlib.contextmanager
def connection(database, extension, init=None):
    """A connection that has the extension and the catalog amz, and on which the script `init` has run."""
    # Not at the top: the scheduler of Airflow reads this file too, and its environment needs no DuckDB.
    import duckdb

    with duckdb.connect(str(database), config={"allow_unsigned_extensions": "true"}) as con:
        con.execute("LOAD '" + str(extension).replace("'", "''") + "'")
        # The copy for one DuckDB release has its relations under bare names; the scripts say amz.
        [(attached,)] = con.execute(
            "SELECT count(*) FROM duckdb_databases() WHERE database_name = 'amz'"
        ).fetchall()
        if not attached:
            con.execute("PRAGMA amz")
        if init:
            con.execute(Path(init).read_text(encoding="utf-8"))
        yield con


def read_steps(con, pipeline, schema_prefix=""):
    """Step -> its statements, in the order of the pipeline."""
    query = "SELECT name, sql FROM amazing_scripts(?, schema_prefix := ?) ORDER BY step"
    steps = {}
    for name, sql in con.execute(query, [pipeline, schema_prefix]).fetchall():
        steps.setdefault(name, []).append(sql)
    return steps


def record_failure(con, schema_prefix, step, error):
    """Rolls back, and tells in the table of runs that the step has failed, where there is that table."""
    import duckdb

    runs = f'"{schema_prefix}raw".pipeline_runs'
    try:
        with contextlib.suppress(duckdb.TransactionException):
            con.execute("ROLLBACK")
        con.execute(
            f"""
            INSERT INTO {runs} (run_id, step, started_at, finished_at, rows, status, message,
                amazing_version, duckdb_version)
            SELECT getvariable('current_run'), ?, getvariable('run_started'),
                make_timestamp(epoch_us(now())), 0, 'failed', ?, i.version, version()
            FROM amazing_info() AS i
            """,
            [step, str(error)],
        )
        con.execute(
            f"""
            DELETE FROM {runs}
            WHERE status = 'started' AND run_id = getvariable('current_run') AND step = ?
                AND started_at = getvariable('run_started')
            """,
            [step],
        )
    except duckdb.Error:
        # No table yet, or a disk that is full: the error itself is what matters.
        pass


def run_step(database, pipeline, step, variables, schema_prefix="", extension="amazing", init=None):
    """Runs a step, the load step until no file is left; yields what each transaction reports.

    `variables` are those of `variables_of`.
    """
    files_left = True
    while files_left:
        started = time.monotonic()
        with connection(database, extension, init) as con:
            # DuckDB opens a CSV or Parquet file as a view of a database in memory.
            [(path,)] = con.execute(
                "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
            ).fetchall()
            if path is None:
                raise NoDatabaseFile(f'"{database}" is no database file, name one or a new one')
            steps = read_steps(con, pipeline, schema_prefix)
            if step not in steps or step == INSTALL_STEP:
                known = ", ".join(name for name in steps if name != INSTALL_STEP)
                raise NoSuchStep(f'the pipeline {pipeline} has no step "{step}", there are {known}')
            for name, value in variables.items():
                con.execute(f"SET VARIABLE {name} = ?", [value])
            if step == LOAD_STEP:
                for statement in steps[INSTALL_STEP]:
                    con.execute(statement)
            try:
                for statement in steps[step]:
                    result = con.execute(statement)
            except Exception as error:
                record_failure(con, schema_prefix, step, error)
                raise
            names = [column[0] for column in result.description]
            report = [dict(zip(names, row)) for row in result.fetchall()]
            [(message,)] = con.execute("SELECT getvariable('run_counts').message").fetchall()
        seconds = round(time.monotonic() - started, 1)
        yield {"step": step, "seconds": seconds, "message": message, "report": report}
        files_left = step == LOAD_STEP and report[0]["files_left"]


def step_names(pipeline, extension):
    """The steps of a pipeline in order."""
    with connection(":memory:", extension) as con:
        return [name for name in read_steps(con, pipeline) if name != INSTALL_STEP]


def run(database, pipeline, variables, step=None, schema_prefix="", extension="amazing", init=None):
    """Runs a step or all of them; yields what each transaction reports. An error tells its step."""
    for name in [step] if step else step_names(pipeline, extension):
        try:
            yield from run_step(database, pipeline, name, variables, schema_prefix, extension, init)
        except Exception as error:
            error.step = name
            raise


def arguments(values):
    """The command line for values by name; None and False are left out."""
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            yield option
        elif value is not None and value is not False:
            yield from (
                f"{option}={item}" for item in (value if isinstance(value, list) else [value])
            )


def add_options(made):
    """What the commands that run a pipeline have in common."""
    made.add_argument(
        "--step", help="00_raw, 10_clean, 20_kpi or 30_user_segments (default: all, in order)"
    )
    made.add_argument("--database", required=True, help="the file that the tables are built in")
    made.add_argument(
        "--schema-prefix",
        default="",
        help="what comes before the names of all schemas, such as games_",
    )
    made.add_argument(
        "--init", help="a SQL file for each connection: settings, secrets, attached databases"
    )
    for name, options in PARAMETERS.items():
        made.add_argument("--" + name.replace("_", "-"), **options)


def parser():
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--pipeline", required=True, help="marketplace or games")
    made.add_argument(
        "--extension", default="amazing", help="path of the extension (default: the one installed)"
    )
    add_options(made)
    return made


def run_command(command, given, extension, tell):
    """Runs what the options `given` ask for, hands each report to `tell`; the exit code."""
    import duckdb

    variables = variables_of({name: getattr(given, name) for name in PARAMETERS})
    settings = (given.step, given.schema_prefix, extension, given.init)
    try:
        for done in run(given.database, given.pipeline, variables, *settings):
            tell(done)
    except (duckdb.Error, NoSuchStep, NoDatabaseFile, OSError) as error:
        step = f" {error.step}" if hasattr(error, "step") else ""
        print(f"{command}: {given.pipeline}{step}: {error}", file=sys.stderr)
        return 1
    return 0


def main():
    given = parser().parse_args()
    return run_command(
        "run_step.py",
        given,
        given.extension,
        lambda done: print(json.dumps(done, default=str), flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
