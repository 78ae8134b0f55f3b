"""The documentation: commands run as they stand there, links lead somewhere, every page is in the navigation, nothing is left out.

Blocks of SQL are run by the SQL runner, on every version; see extension-ci/pages.py.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys

import pytest

import package
import pages
from conftest import interpreter

DOCS = package.ROOT / "docs"
CLIENT = interpreter("1.5.6").parent / "duckdb"
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(package.ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
]
EXTENSION = "build/release/amazing.duckdb_extension"


def text_of(page):
    return page.read_text(encoding="utf-8")


def named(paths):
    return {"argvalues": paths, "ids": [path.relative_to(package.ROOT).as_posix() for path in paths]}


def commands(page, *languages):
    """The blocks of shell and Python; calls of make are left out, because another test looks whether their targets exist."""
    for block in pages.blocks(text_of(page)):
        text = "".join(line for line in block.text.splitlines(keepends=True) if not line.startswith("make "))
        if block.language in languages and text:
            yield dataclasses.replace(block, text=text)


@pytest.fixture
def run(extension, tmp_path):
    """Runs a block with the client on the path, in a folder that looks like the root of the repository."""
    (tmp_path / "sql").symlink_to(package.ROOT / "sql")
    environment = {**os.environ, "PATH": f"{CLIENT.parent}{os.pathsep}{os.environ['PATH']}"}

    def run_block(language, text):
        command = {"sh": ["sh", "-ec"], "python": [sys.executable, "-c"]}[language]
        text = text.replace(EXTENSION, str(extension))
        return subprocess.run(
            [*command, text], cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
        )

    return run_block


@pytest.mark.parametrize("page", **named([page for page in PAGES if any(commands(page, "sh", "python"))]))
def test_the_commands_of_a_page_run_in_their_order(page, run):
    for block in commands(page, "sh", "python"):
        process = run(block.language, block.text)
        assert process.returncode == 0, f"line {block.line}\n{process.stdout}\n{process.stderr}"
        if block.printed is not None:
            assert process.stdout.strip() == block.printed.strip(), f"line {block.line}"


def test_a_refused_file_stops_the_command_that_builds_both_worlds(run, tmp_path):
    [command] = [block.text for block in commands(package.ROOT / "README.md", "sh") if "schema_prefix" in block.text]
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "a.csv").write_text("game_id,game_type,game_name,platform,difficulty\n1,puzzle,Chess,Web,\n")
    assert run("sh", command).returncode == 0
    (tmp_path / "games" / "b.csv").write_text("game_id\n2\n")
    refused = run("sh", command)
    assert refused.returncode != 0 and 'b.csv": other columns, its header is: game_id' in refused.stderr
    query = "SELECT count(*) AS n, (SELECT count(*) FROM games_raw.games) AS games FROM games_raw.loaded_files"
    assert run("sh", f'duckdb -csv shop.duckdb -c "{query}"').stdout.split() == ["n,games", "1,1"]


def test_every_target_of_make_that_a_page_names_exists():
    makefile = (package.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {target for line in re.findall(r"^([a-z_ -]+):(?!=)", makefile, re.MULTILINE) for target in line.split()}
    called = {
        target: page.name
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z][a-z_-]*)\b", text_of(page), re.MULTILINE)
    }
    assert called and {target: page for target, page in called.items() if target not in targets} == {}


def without_fences(text):
    return pages.FENCE.sub("", text)


def anchors(page):
    """The anchors of a page's headings, as the site and the usual hosts of repositories make them."""
    headings = re.findall(r"^#+ (.*)$", without_fences(text_of(page)), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", **named(PAGES))
def test_the_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_fences(text_of(page)))
    for link in links:
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        if DOCS in page.parents:
            assert DOCS in target.parents and not target.is_dir(), f"{link} is not on the site"


def test_every_page_is_in_the_navigation_of_the_site():
    configuration = (package.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- .*: (\S+)$", configuration.split("\nnav:\n")[1], re.MULTILINE)
    folders = tuple(path for path in listed if path.endswith("/"))
    there = [page.relative_to(DOCS).as_posix() for page in sorted(DOCS.rglob("*.md"))]
    assert sorted(path for path in listed if path not in folders) == [p for p in there if not p.startswith(folders)]


def test_every_page_begins_with_its_title():
    for page in PAGES:
        assert text_of(page).startswith("# "), page


def test_the_picture_of_the_tutorial_is_the_one_that_its_statements_draw(con, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in pages.blocks(text_of(DOCS / "tutorial.md")):
        if block.language == "sql" and not block.text.startswith("LOAD"):
            con.execute(block.text)
    picture = DOCS / "assets" / "users.svg"
    if "AMAZING_BLESS" in os.environ:
        shutil.copy("users.svg", picture)
    assert picture.read_bytes() == (tmp_path / "users.svg").read_bytes(), "run again with AMAZING_BLESS=1"


def test_amazing_functions_lists_what_load_brings_and_nothing_else(python, run_python):
    answer = run_python(
        python,
        """
con = open_database(load=False)
def functions():
    query = "SELECT DISTINCT function_name, function_type FROM duckdb_functions()"
    return set(con.execute(query).fetchall())
before = functions()
con.execute(f"LOAD '{EXTENSION}'")
kinds = {'relation': 'table_macro', 'table function': 'table'}
listed = {(name, kinds.get(kind, kind)) for name, kind in con.execute("SELECT name, kind FROM amazing_functions()").fetchall()}
print(json.dumps([sorted(functions() - before - listed), sorted(listed - functions())]))
""",
    )
    brought, missing = answer
    # PRAGMA amz of the C API v2 is a statement and no function of a query.
    assert [function for function in brought if function != ["amz", "pragma"]] == []
    # Where the relation has the bare name, it takes the place of the table function.
    assert [function for function in missing if function != ["amazing_info", "table"]] == []


def test_every_macro_says_what_it_is_in_duckdb_functions(python, run_python):
    answer = run_python(
        python,
        """
con = open_database()
query = '''
    SELECT f.name, d.description IS NOT NULL OR d.comment LIKE 'amazing _%: ' || f.description || '%'
    FROM amazing_functions() AS f
    JOIN duckdb_functions() AS d ON d.function_name = f.name AND d.function_type = 'table_macro'
    WHERE f.kind = 'relation'
'''
print(json.dumps([con.execute(query).fetchall(), con.execute("SELECT count(*) FROM amazing_functions() WHERE kind = 'relation'").fetchone()]))
""",
    )
    described, [n_relations] = answer
    assert len(described) == n_relations and all(is_described for _, is_described in described)
