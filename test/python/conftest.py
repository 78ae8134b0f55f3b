"""What the Python tests share: the extension, connections that have it, and the interpreters of other DuckDB versions."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "extension-ci"))

import package  # noqa: E402  (found through the lines above)
from sqllogictest import bare_names  # noqa: E402

TESTED_VERSIONS = [version.lstrip("v") for version in package.duckdb_versions("tested")]
# The versions that most people have: what a test takes that runs on one of each line.
OLD, NEW = TESTED_VERSIONS[-2], TESTED_VERSIONS[-1]
QUICK_VERSIONS = [version.lstrip("v") for version in package.duckdb_versions("quick")]
# A version that ends in this has the copy of the C API v2, and relations are called by their bare names there.
V2 = "-v2"
V2_VERSIONS = [
    version.lstrip("v") + V2 for version in package.duckdb_versions("tested", "c-api-v2")
]


@dataclasses.dataclass(frozen=True)
class Interpreter(os.PathLike):
    """A Python that has one DuckDB, and the copy of the extension that is meant for it."""

    path: Path
    has_v2: bool

    def __fspath__(self):
        return str(self.path)

    __str__ = __fspath__

    @property
    def parent(self):
        return self.path.parent


def interpreter(version):
    """The interpreter that has DuckDB `version`: build/venv/<version>, or below $AMAZING_VENVS."""
    folder = Path(os.environ.get("AMAZING_VENVS", ROOT / "build" / "venv"))
    path = folder / version.removesuffix(V2) / package.BIN / package.PYTHON
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make venvs`")
    return Interpreter(path, version.endswith(V2))


def extension_path():
    """The path of the extension that is tested."""
    path = Path(os.environ.get("AMAZING_EXTENSION", ROOT / "build" / "release" / package.FILE_NAME))
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make release`")
    return path


@pytest.fixture(scope="session")
def extension():
    """See `extension_path`."""
    return extension_path()


@pytest.fixture(scope="session")
def v2_extension(extension):
    """The path of the copy of the C API v2 beside the one that is tested."""
    path = extension.parent / "v2" / extension.name
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make release`")
    return path


@pytest.fixture(scope="session")
def pythons():
    """DuckDB version -> interpreter that has it, for each tested version."""
    return {version: interpreter(version) for version in TESTED_VERSIONS + V2_VERSIONS}


@pytest.fixture(params=TESTED_VERSIONS + V2_VERSIONS)
def python(request):
    """The interpreter of each tested version in turn."""
    return interpreter(request.param)


@pytest.fixture(scope="session")
def connect(extension):
    """Opens a database with the extension loaded: `connect()`, `connect(path, read_only=True, threads=1)`."""

    def open_database(path=":memory:", read_only=False, load=True, **settings):
        config = {
            "allow_unsigned_extensions": "true",
            **{name: str(value) for name, value in settings.items()},
        }
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
def run_python(extension, v2_extension):
    """Runs Python code with a given interpreter; the code prints one JSON value, which is returned.

    The code finds `duckdb`, `json`, `os`, `EXTENSION` and `open_database(path, **config)`, which loads the extension.
    A process that hangs or dies fails the test.
    """
    prelude = """
import json, os, sys, duckdb
# Standard output is for the answer alone; DuckDB's progress bar goes where the complaints go.
sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
def open_database(path=':memory:', read_only=False, load=True, **settings):
    config = {'allow_unsigned_extensions': 'true', **{name: str(value) for name, value in settings.items()}}
    con = duckdb.connect(str(path), read_only=read_only, config=config)
    if load:
        con.execute(f"LOAD '{EXTENSION}'")
    return con
"""

    def run(python, code, timeout=120):
        path = v2_extension if python.has_v2 else extension
        code = f"EXTENSION = {str(path)!r}\n{prelude}{bare_names(code) if python.has_v2 else code}"
        process = subprocess.run(
            [str(python), "-c", code],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
        )
        assert process.returncode == 0, (
            f"exit code {process.returncode}\n{process.stdout}\n{process.stderr}"
        )
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
