"""The DuckDB extension `amazing` as a file of this package: nothing is downloaded.

import duckdb_extension_amazing

con = duckdb_extension_amazing.connect("shop.duckdb")
con.sql("FROM amz.kmeans_segments(user_features, k := 5)")

duckdb_extension_amazing.run("marketplace", "shop.duckdb", data="data/*.csv")
duckdb_extension_amazing.report("shop.duckdb")
"""

from __future__ import annotations

import difflib
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, Callable

import duckdb

from . import _run_step

__all__ = ["__version__", "connect", "load", "path", "report", "run"]
__version__: str = version("duckdb-extension-amazing")


def path() -> str:
    """The path of the extension, for `LOAD` in SQL, dbt's `extensions:` or the command line client."""
    return str(Path(__file__).with_name("amazing.duckdb_extension"))


def load(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Loads the extension into the database of `connection`, and returns the connection.

    Raises `duckdb.PermissionException` if the connection refuses extensions that DuckDB has not
    signed: it must have been opened with `config={"allow_unsigned_extensions": "true"}`, as
    `connect` does.
    """
    [[allowed]] = connection.execute(
        "SELECT current_setting('allow_unsigned_extensions')"
    ).fetchall()
    if not allowed:
        raise duckdb.PermissionException(
            "duckdb_extension_amazing.load: the connection refuses unsigned extensions; open it"
            " with duckdb.connect(..., config={'allow_unsigned_extensions': 'true'}) or with"
            " duckdb_extension_amazing.connect"
        )
    connection.execute("LOAD '{}'".format(path().replace("'", "''")))
    return connection


def connect(
    database: str | os.PathLike[str] = ":memory:",
    read_only: bool = False,
    config: dict[str, Any] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Opens `database` as `duckdb.connect` does, allows unsigned extensions, loads the extension."""
    config = {"allow_unsigned_extensions": "true", **(config or {})}
    return load(duckdb.connect(str(database), read_only=read_only, config=config))


def _print(message: str) -> None:
    print(message, flush=True)


def line(done: dict[str, Any]) -> str:
    """One line that tells what a transaction of a pipeline did."""
    return f"{done['step']:<17} {done['seconds']:>7.1f} s  {done['message']}"


def run(
    pipeline: str,
    database: str | os.PathLike[str],
    data: str | os.PathLike[str] | list[str | os.PathLike[str]] | None = None,
    *,
    step: str | None = None,
    schema_prefix: str = "",
    init: str | os.PathLike[str] | None = None,
    progress: Callable[[str], object] | None = _print,
    **parameters: Any,
) -> list[dict[str, Any]]:
    """Runs a pipeline, or one step of it, and returns what each of its transactions did.

    `pipeline` is `"marketplace"` or `"games"`, `database` the file that the tables are built in, and
    `data` the files that are loaded: a pattern, a path, or several. `parameters` are the variables of
    the scripts, such as `k=4`, `as_of=date(2024, 6, 30)`, `brands=["apple"]`. Each step is one
    transaction: after an error those before it are committed, and the next run goes on there.
    `progress` takes a line for each transaction; None keeps it quiet. `init` is a SQL file for each
    connection: settings, secrets, attached databases.

    Raises `duckdb.Error` as the step does, with the name of the step in its attribute `step`, and
    `TypeError` for a parameter that no script has.
    """
    for name in parameters:
        if name not in _run_step.PARAMETERS:
            near = difflib.get_close_matches(name, _run_step.PARAMETERS, 1)
            hint = f", did you mean {near[0]!r}" if near else ""
            known = ", ".join(sorted(_run_step.PARAMETERS))
            raise TypeError(
                f"duckdb_extension_amazing.run: no parameter {name!r}{hint}; there are {known}"
            )
    variables = _run_step.variables_of({"data": data, **parameters})
    reports = []
    for done in _run_step.run(database, pipeline, variables, step, schema_prefix, path(), init):
        reports.append(done)
        if progress is not None:
            progress(line(done))
    return reports


def report(database: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Path:
    """Writes what stands in a database that a pipeline has built as one HTML page; its path.

    The page is called like the database and lies in `folder`, or beside the database. It needs no
    network. Nothing of the database is changed.
    """
    from ._report import report as pages

    database = Path(database)
    return pages.write(database, Path(folder) if folder else database.parent, Path(path()))
