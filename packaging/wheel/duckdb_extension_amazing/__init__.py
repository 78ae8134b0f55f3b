"""The DuckDB extension `amazing` as a file of this package: nothing is downloaded.

import duckdb_extension_amazing

con = duckdb_extension_amazing.connect("shop.duckdb")
con.sql("FROM amz.kmeans_segments(user_features, k := 5)")
"""

from pathlib import Path

import duckdb

__all__ = ["connect", "load", "path"]


def path():
    """The path of the extension, for `LOAD` in SQL, dbt's `extensions:` or the command line client."""
    return str(Path(__file__).with_name("amazing.duckdb_extension"))


def load(connection):
    """Loads the extension into the database of `connection`, and returns the connection.

    Raises `duckdb.PermissionException` if the connection refuses extensions that DuckDB has not signed: it must have
    been opened with `config={"allow_unsigned_extensions": "true"}`, as `connect` does.
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


def connect(database=":memory:", read_only=False, config=None):
    """Opens `database` as `duckdb.connect` does, allows unsigned extensions, and loads the extension."""
    config = {"allow_unsigned_extensions": "true", **(config or {})}
    return load(duckdb.connect(database, read_only=read_only, config=config))
