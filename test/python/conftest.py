"""What the Python tests share: the extension, connections that have it, and the interpreters of other DuckDB versions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "extension-ci"))

import package  # noqa: E402  (found through the line above)

TESTED_VERSIONS = [version.lstrip("v") for version in package.duckdb_versions("tested")]


def interpreter(version):
    """The interpreter that has DuckDB `version`: build/venv/<version>, or below $AMAZING_VENVS."""
    folder = Path(os.environ.get("AMAZING_VENVS", ROOT / "build" / "venv"))
    path = folder / version / "bin" / "python"
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make venvs`")
    return path


@pytest.fixture(scope="session")
def extension():
    """The path of the extension that is tested."""
    path = Path(os.environ.get("AMAZING_EXTENSION", ROOT / "build" / "release" / package.FILE_NAME))
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make release`")
    return path


@pytest.fixture(scope="session")
def pythons():
    """DuckDB version -> interpreter that has it, for each tested version."""
    return {version: interpreter(version) for version in TESTED_VERSIONS}


@pytest.fixture(params=TESTED_VERSIONS)
def python(request):
    """The interpreter of each tested version in turn."""
    return interpreter(request.param)


@pytest.fixture(scope="session")
def connect(extension):
    """Opens a database with the extension loaded: `connect()`, `connect(path, read_only=True, threads=1)`."""

    def open_database(path=":memory:", read_only=False, load=True, **settings):
        config = {"allow_unsigned_extensions": "true", **{name: str(value) for name, value in settings.items()}}
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
        if load:
            connection.execute(f"LOAD '{extension}'")
        return connection

    return open_database


@pytest.fixture
def con(connect):
    """A fresh in-memory database with the extension."""
    connection = connect()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def run_python(extension):
    """Runs Python code with a given interpreter; the code prints one JSON value, which is returned.

    The code finds `duckdb`, `json`, `os`, `EXTENSION` and `open_database(path, **config)`, which loads the extension.
    A process that hangs or dies fails the test.
    """
    prelude = f"""
import json, os, sys, duckdb
# Standard output is for the answer alone; DuckDB's progress bar goes where the complaints go.
sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
EXTENSION = {str(extension)!r}
def open_database(path=':memory:', read_only=False, load=True, **settings):
    config = {{'allow_unsigned_extensions': 'true', **{{name: str(value) for name, value in settings.items()}}}}
    con = duckdb.connect(str(path), read_only=read_only, config=config)
    if load:
        con.execute(f"LOAD '{{EXTENSION}}'")
    return con
"""

    def run(python, code, timeout=120):
        process = subprocess.run(
            [str(python), "-c", prelude + code], capture_output=True, text=True, encoding="utf-8", timeout=timeout
        )
        assert process.returncode == 0, f"exit code {process.returncode}\n{process.stdout}\n{process.stderr}"
        return json.loads(process.stdout)

    return run


@pytest.fixture(scope="session")
def stamp():
    """Appends the footer to a library, as the build does."""

    def append(path, **fields):
        platform = package.platform_of(package.host_triple())
        with Path(path).open("ab") as file:
            file.write(package.footer("v0.0.0", platform, **fields))

    return append
