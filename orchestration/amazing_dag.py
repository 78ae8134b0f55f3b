"""Airflow: a pipeline from files to user_segments, one task a step, each a process of its own with its own transaction.

A task that fails is tried again and starts at the last commit. All tasks take the one slot of a pool, because a DuckDB
file has one writer. The workers read AMAZING_EXTENSION, the path of the extension (else the installed one is loaded), and
AMAZING_PYTHON, an interpreter that has duckdb (else that of Airflow).
"""

import os
import shlex
import sys
from pathlib import Path

from airflow.sdk import DAG, Param, chain, task

from run_step import PARAMETERS, arguments, day

STEPS = ("00_raw", "10_clean", "20_kpi", "30_user_segments")
POOL = "amazing_writer"
RUN_STEP = Path(__file__).resolve().parent / "run_step.py"


def form(given):
    """The form of the DAG; `given` are defaults of its fields by name. A field without one must be filled in."""

    def param(name, description, **schema):
        default = {"default": given[name]} if name in given else {}
        return {name: Param(**{"description": description, **schema, **default})}

    def optional(name):
        options = PARAMETERS[name]
        schema = {"type": ["null", "integer" if options.get("type") is int else "string"]}
        if "choices" in options:
            schema["enum"] = [None, *options["choices"]]
        if options.get("type") is day:
            schema["format"] = "date"
        return param(name, options["help"], default=None, **schema)

    return {
        **param(
            "pipeline", "marketplace or games", default="marketplace", enum=["marketplace", "games"]
        ),
        **param("folder", "where relative paths begin: a full path", type="string", minLength=1),
        **param(
            "database",
            "the file of the tables",
            default="amazing.duckdb",
            type="string",
            minLength=1,
        ),
        **param(
            "data",
            PARAMETERS["data"]["help"],
            default="data/*.csv",
            type=["null", "string", "array"],
        ),
        **param(
            "schema_prefix", "what comes before the names of all schemas", default="", type="string"
        ),
        **param(
            "init",
            "a SQL file for each connection: settings, secrets",
            default=None,
            type=["null", "string"],
        ),
        **param("rebuild", PARAMETERS["rebuild"]["help"], default=False, type="boolean"),
        # The others as they are; the run of the DAG gives the run_id.
        **{
            field: value
            for name in PARAMETERS
            if name not in ("data", "rebuild", "run_id")
            for field, value in optional(name).items()
        },
    }


def pipeline_dag(dag_id, pool=POOL, default_args=None, **options):
    """A DAG of the four steps.

    `options` whose names are fields of the form are their defaults (`pipeline="games"`, `k=4`), the others go to DAG
    (`schedule="@daily"`). Databases that may be written at the same time want pools of their own.
    """
    fields = form(options)
    with DAG(
        dag_id,
        params=fields,
        default_args={
            "retries": 3,
            "retry_exponential_backoff": 2,
            "pool": pool,
            **(default_args or {}),
        },
        max_active_runs=1,
        # Otherwise a file that imports this one would bring amazing_pipeline a second time.
        auto_register=False,
        doc_md=__doc__,
        tags=["amazing"],
        **{name: value for name, value in options.items() if name not in fields},
    ) as dag:

        @task.bash(cwd="{{ params.folder }}")
        def command(step, params=None, run_id=None):
            """The command of a step, as one would type it in the folder."""
            values = {name: value for name, value in params.items() if name != "folder"}
            values = {
                **values,
                "run_id": run_id,
                "extension": os.environ.get("AMAZING_EXTENSION"),
                "step": step,
            }
            python = os.environ.get("AMAZING_PYTHON", sys.executable)
            return shlex.join(["exec", python, str(RUN_STEP), *arguments(values)])

        chain(*(command.override(task_id=step)(step) for step in STEPS))
    return dag


amazing_pipeline = pipeline_dag("amazing_pipeline", schedule=None)
