"""docs/clients.md: each block runs as it stands there and gives what the page says, in the versions that it names."""

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "extension-ci"))

import package  # noqa: E402  (found through the line above)
import pages  # noqa: E402

PATH = ROOT / "docs" / "clients.md"
PAGE = PATH.read_text(encoding="utf-8")
EXTENSION = Path(
    os.environ.get("AMAZING_EXTENSION", ROOT / "build" / "release" / package.FILE_NAME)
)

# The DuckDB of the command line client and of Node.
OLDER = "v1.5.6"

# A block that is run, and the fence behind it with what it gives.
BLOCK = re.compile(r"^```(py|sh|js)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
SECTIONS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
BLOCKS = [
    pytest.param(*block.groups(), id=f"{heading}, {number}")
    for heading, text in SECTIONS.items()
    for number, block in enumerate(BLOCK.finditer(text), 1)
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder that looks like the root of the repository after a build, and the home of a user who has installed nothing."""
    folder = tmp_path_factory.mktemp("root")
    [(version, platform)] = duckdb.execute(
        "SELECT version(), platform FROM pragma_platform()"
    ).fetchall()
    newest = EXTENSION.parent / "v2" / EXTENSION.name
    copies = {
        (version, platform): newest if version in package.duckdb_versions("c-api-v2") else EXTENSION
    }
    copies[OLDER, platform] = EXTENSION
    pages.lay_out(folder, EXTENSION, copies)
    before, home = Path.cwd(), os.environ.get("HOME", "")
    os.chdir(folder)
    os.environ["HOME"] = str(folder)
    yield folder
    os.chdir(before)
    os.environ["HOME"] = home


@pytest.fixture(scope="module")
def session(root):
    """The variables of the page's Python, whose blocks are one session in that folder."""
    return {"__name__": "session"}


def run_python(code, variables):
    """What code prints; the value of an expression at its end is printed as well."""
    tree = ast.parse(code)
    *body, last = tree.body
    if not isinstance(last, ast.Expr):
        body, last = tree.body, None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "docs/clients.md", "exec"), variables)
        if last:
            value = eval(compile(ast.Expression(last.value), "docs/clients.md", "eval"), variables)
            if value is not None:
                print(value)
    return printed.getvalue()


def run_command(command, **options):
    process = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, **options
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def run_shell(code, _):
    client = ROOT / "build" / "venv" / "1.5.6" / "bin"
    return run_command(
        ["sh", "-ec", code], env={**os.environ, "PATH": f"{client}{os.pathsep}{os.environ['PATH']}"}
    )


def run_node(code, _):
    folder = ROOT / "build" / "node"
    if not (folder / "node_modules").exists():
        pytest.skip("DuckDB's Node client is not there: make test SUITES=node installs it")
    # Node finds its packages from the folder where it runs, and the page's paths are those of the root.
    code = code.replace("'build/repo'", f"'{Path.cwd() / 'build' / 'repo'}'")
    return run_command(["node", "--input-type=module"], input=code, cwd=folder)


RUN = {"py": run_python, "sh": run_shell, "js": run_node}


@pytest.mark.parametrize(("language", "code", "expected"), BLOCKS)
def test_a_block_gives_what_the_page_says(session, language, code, expected):
    found = RUN[language](code, session).rstrip()
    if "AMAZING_BLESS" in os.environ and expected is not None:
        block = f"```{language}\n{code}```\n\n```\n"
        text = PATH.read_text(encoding="utf-8")
        PATH.write_text(
            text.replace(f"{block}{expected}```\n", f"{block}{found}\n```\n"), encoding="utf-8"
        )
    else:
        assert found == (expected or "").rstrip(), "run again with AMAZING_BLESS=1"


def test_no_block_is_left_out():
    assert (
        len(BLOCKS)
        == PAGE.count("\n```py\n") + PAGE.count("\n```sh\n") + PAGE.count("\n```js\n")
        > 10
    )
    assert {block.values[0] for block in BLOCKS} == set(RUN)


def test_the_table_names_the_versions_that_are_run():
    pins = dict(
        re.findall(
            r"^([\w-]+)(?:\[\w+\])?==(\S+)$", requirements("1.5.6") + requirements("clients"), re.M
        )
    )
    pins.update(
        json.loads((ROOT / "test" / "node" / "package.json").read_text(encoding="utf-8"))[
            "dependencies"
        ]
    )
    table = PAGE.split("\n|---", 1)[1].split("\n\n", 1)[0]
    versions = [
        cell.split() for line in table.splitlines()[1:] for cell in line.split("|")[2].split(",")
    ]
    assert [pins[name] for name, _ in versions] == [version for _, version in versions]
    assert len(versions) > 10


def requirements(name):
    return (ROOT / "extension-ci" / f"requirements-{name}.txt").read_text(encoding="utf-8")


def test_lazy_frames_and_readers_are_sources(root):
    import polars
    import pyarrow

    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute("INSTALL amazing FROM 'build/repo'")
    con.execute("LOAD amazing")
    rows = {"user_id": range(300), "total_spent": [i % 3 * 100.0 + i % 7 for i in range(300)]}
    lazy = polars.LazyFrame(rows)
    reader = pyarrow.table({name: list(values) for name, values in rows.items()}).to_reader()
    assert isinstance(lazy, polars.LazyFrame) and isinstance(reader, pyarrow.RecordBatchReader)
    for source in ("lazy", "reader"):
        query = f"SELECT count(*) FROM kmeans_segments({source}, k := 3) GROUP BY segment"
        assert con.sql(query).fetchall() == [(100,)] * 3, source
