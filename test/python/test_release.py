"""What a release publishes: the wheel, the archive, the descriptor for DuckDB's community extensions."""

import csv
import hashlib
import os
import re
import subprocess
import sys
import tarfile

import pytest
import tomllib

import dist
import package
from conftest import ROOT

USE = """
import sys
import duckdb
import duckdb_extension_amazing as amazing

con = amazing.connect(sys.argv[1], config={"threads": 1})
con.execute("CREATE TABLE t AS SELECT i AS x FROM range(10) AS r (i)")
print(con.execute("SELECT count(DISTINCT segment) FROM amz.kmeans_segments(t, k := 2)").fetchall(), end=" ")
print(amazing.load(con) is con, con.execute("SELECT current_setting('threads')").fetchall(), end=" ")
try:
    amazing.load(duckdb.connect())
except duckdb.PermissionException as error:
    print(error)
"""


@pytest.fixture(scope="module")
def installed(extension, tmp_path_factory):
    """A folder with the wheel as pip installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    environment = {**os.environ, "AMAZING_EXTENSION": str(extension)}
    subprocess.run(
        build, cwd=ROOT / "packaging" / "wheel", check=True, capture_output=True, env=environment
    )
    [wheel] = folder.glob(f"duckdb_extension_amazing-{package.crate_version()}-py3-none-*.whl")
    assert "none-any" not in wheel.name
    target = folder / "it's installed"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(pip, check=True)
    return target


def test_the_wheel_brings_the_extension_to_every_duckdb(installed, python, tmp_path):
    database = tmp_path / "a.duckdb"
    process = subprocess.run(
        [python, "-c", USE, database],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith("[(2,)] True [(1,)] ")
    assert (
        "open it with duckdb.connect(..., config={'allow_unsigned_extensions': 'true'})"
        in process.stdout
    )


def test_the_wheel_tells_version_and_licence(installed):
    [metadata] = installed.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert (
        f"\nVersion: {package.crate_version()}\n" in text
        and "\nRequires-Dist: duckdb>=1.4\n" in text
    )
    assert (installed / "duckdb_extension_amazing" / "LICENSE").is_file()


@pytest.fixture
def published(tmp_path, monkeypatch):
    monkeypatch.setattr(dist, "DIST", tmp_path)
    monkeypatch.setattr(dist, "COMMUNITY", tmp_path / "community")
    return tmp_path


def test_the_archive_is_the_same_for_the_same_files_and_serves_every_duckdb(
    published, python, run_python
):
    platform = package.platform_of(package.host_triple())
    made = dist.archive(platform)
    first = made.read_bytes()
    assert dist.archive(platform).read_bytes() == first
    with tarfile.open(made) as tar:
        tar.extractall(published, filter="data")
    folder = published / made.name.removesuffix(".tar.xz")
    assert (folder / "sql" / "marketplace" / "build.sql").is_file() and (
        folder / "LICENSE"
    ).is_file()
    assert run_python(
        python,
        f"con = open_database(load=False, extension_directory={str(published / 'installed')!r})\n"
        f"con.execute(\"INSTALL amazing FROM '{folder / 'repo'}'\")\ncon.execute('LOAD amazing')\n"
        "print(json.dumps(con.execute(\"SELECT category_fingerprint('b a')\").fetchall()))",
    ) == [["a b"]]


def test_checksums_are_those_of_the_files(published):
    (published / "a.whl").write_bytes(b"wheel")
    dist.checksums()
    dist.checksums()
    assert (
        published / "SHA256SUMS"
    ).read_text() == f"{hashlib.sha256(b'wheel').hexdigest()}  a.whl\n"


def test_the_community_gets_this_version_and_every_function(published, con):
    dist.community("somebody/amazing")
    text = (published / "community" / "description.yml").read_text(encoding="utf-8")
    assert (
        f'  version: "{package.crate_version()}"\n' in text
        and "  github: somebody/amazing\n" in text
    )
    assert (
        re.search(r"^  ref: [0-9a-f]{40}$", text, re.MULTILINE)
        and "    - somebody\n" in text
        and "$" not in text
    )
    with (published / "community" / "function_descriptions.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    names = con.execute("SELECT DISTINCT name FROM amazing_functions() ORDER BY name").fetchall()
    assert [(row["function"],) for row in rows] == names
    assert all(row["description"] and row["example"] for row in rows)


def test_the_hello_world_of_the_descriptor_runs(python, run_python):
    text = dist.DESCRIPTION.read_text(encoding="utf-8")
    block = text.partition("  hello_world: |\n")[2].partition("  extended_description:")[0]
    sql = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    assert sql.count(";") == 4
    last = run_python(python, f"print(json.dumps(open_database().execute({sql!r}).fetchall()))")
    assert last == [["action"]]


def test_the_version_stands_in_one_place():
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    assert manifest["package"]["version"] == package.crate_version()
    wheel = tomllib.loads(
        (ROOT / "packaging" / "wheel" / "pyproject.toml").read_text(encoding="utf-8")
    )
    assert wheel["project"]["dynamic"] == ["version"]


@pytest.mark.parametrize(
    "workflow", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem
)
def test_workflows_call_make_targets_that_exist(workflow):
    targets = set(
        re.findall(
            r"^([a-z_-]+)(?: [a-z_-]+)*:(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE
        )
    )
    commands = re.findall(r"^ *- run: (.*)$", workflow.read_text(encoding="utf-8"), re.MULTILINE)
    called = {command.split()[1] for command in commands if command.startswith("make ")}
    others = [
        command
        for command in commands
        if not command.startswith(("make ", "rustup toolchain install ", "gh release "))
    ]
    assert called and called <= targets and not others
