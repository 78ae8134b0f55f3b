"""What a release publishes: the wheel, the archive, the descriptor for DuckDB's community extensions."""

import csv
import hashlib
import json
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
def amazing(installed, python, tmp_path):
    """Runs the command of the wheel in a folder with files of events."""

    def amazing(*arguments):
        return subprocess.run(
            [python, "-m", "duckdb_extension_amazing", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(installed)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    events = (
        "import duckdb_extension_amazing as amazing\n"
        "con = amazing.connect(config={'threads': 1})\n"
        "con.execute(\"COPY (FROM synthetic_marketplace_events(20_000)) TO 'shop.csv'"
        " (TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')\")\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run([python, "-c", events], env=environment, cwd=tmp_path, check=True)
    return amazing


STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]


def test_the_command_of_the_wheel_runs_a_pipeline_and_writes_its_report(amazing, tmp_path):
    arguments = ["marketplace", "--database", "shop.duckdb", "--data", "*.csv", "--k", 3]
    done = amazing("run", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == STEPS
    assert all(re.fullmatch(r"\w+ +\d+\.\d s  .+", line) for line in lines), lines
    again = amazing("run", *arguments, "--step", "00_raw", "--json")
    assert json.loads(again.stdout)["report"][0]["rows_loaded"] == 0
    written = amazing("report", "shop.duckdb")
    assert (written.returncode, written.stdout.strip()) == (0, "shop.html"), written.stderr
    assert "<svg" in (tmp_path / "shop.html").read_text(encoding="utf-8")
    told = amazing("--version")
    assert told.stdout == f"amazing {package.crate_version()}\n"
    assert amazing("path").stdout.strip().endswith("amazing.duckdb_extension")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "market", "--database", "a"], 2, "invalid choice: 'market'"),
        (["run", "games"], 2, "--database"),
        (
            ["run", "marketplace", "--database", "a.duckdb", "--data", "none.csv"],
            1,
            'amazing run: marketplace 00_raw: Invalid Input Error: .*no such file: "none.csv"',
        ),
        (
            ["run", "marketplace", "--database", "a.duckdb", "--step", "20_kpy"],
            1,
            'no step "20_kpy", there are 00_raw',
        ),
        (["run", "marketplace", "--database", "nowhere/a.duckdb"], 1, "nowhere"),
        (["report", "none.duckdb"], 1, "amazing report: none.duckdb does not exist"),
        (["report", "shop.csv"], 1, "amazing report: shop.csv is no database of DuckDB"),
        ([], 2, "command"),
    ],
)
def test_the_command_of_the_wheel_tells_what_is_wrong(amazing, arguments, code, message):
    done = amazing(*arguments)
    assert done.returncode == code and re.search(message, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr


RUN = """
import datetime
import duckdb
import duckdb_extension_amazing as amazing

lines = []
done = amazing.run(
    "marketplace", "shop.duckdb", data=["shop.csv"], k=3, as_of=datetime.date(2019, 10, 20),
    brands={"samsung": ["samsnug"], "apple": []}, progress=lines.append,
)
assert [report["step"] for report in done] == [line.split()[0] for line in lines], lines
print(amazing.report("shop.duckdb", "pages"), amazing.__version__)
with amazing.connect("shop.duckdb", read_only=True) as con:
    print(con.execute("SELECT count(DISTINCT segment), (SELECT max(event_time)::DATE FROM clean.events)"
        " > DATE '2019-10-20' FROM main.user_segments").fetchall())
try:
    amazing.run("marketplace", "shop.duckdb", brand=["apple"])
except TypeError as error:
    print(error)
try:
    amazing.run("marketplace", "shop.duckdb", step="30_user_segments", k=0, progress=None)
except duckdb.Error as error:
    print(error.step, error)
"""


def test_a_pipeline_runs_from_python(amazing, installed, python, tmp_path):
    done = subprocess.run(
        [python, "-c", RUN],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page, counts, unknown, wrong = done.stdout.splitlines()[:4]
    assert page == f"pages/shop.html {package.crate_version()}".replace("/", os.sep, 1)
    assert counts == "[(3, True)]"
    assert unknown.startswith(
        "duckdb_extension_amazing.run: no parameter 'brand', did you mean 'brands'; there are age_ranges, as_of, bad_files, brands,"
    )
    assert wrong.startswith("30_user_segments Invalid Input Error: ")


def test_files_are_fitted_part_by_part_from_the_wheel(installed, python, tmp_path, connect):
    with connect() as con:
        for part in range(3):
            con.execute(
                f"COPY (SELECT i AS user_id, i % 7 AS x, i % 5 AS y FROM range(300) AS r(i) WHERE i % 3 = {part})"
                f" TO '{tmp_path}/{part}.parquet' (FORMAT parquet)"
            )
    command = "-m duckdb_extension_amazing.distributed segments *.parquet --k 2 --out out".split()
    done = subprocess.run(
        [python, *command],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, files, model = done.stdout.splitlines()
    assert files == "3 files in out" and json.loads(model)["rows"] == 300
    with connect() as con:
        [(rows, segments)] = con.execute(
            f"SELECT count(*), count(DISTINCT segment) FROM '{tmp_path}/out/*.parquet'"
        ).fetchall()
    assert (rows, segments) == (300, 2)


def test_the_wheel_has_types_and_a_command(installed):
    assert (installed / "duckdb_extension_amazing" / "py.typed").is_file()
    [entries] = installed.glob("*.dist-info/entry_points.txt")
    assert "amazing = duckdb_extension_amazing.__main__:main" in entries.read_text(encoding="utf-8")


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
