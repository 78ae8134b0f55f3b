"""The documentation: commands run as they stand there, links lead somewhere, every page is in the navigation, nothing is left out.

Blocks of SQL are run by the SQL runner, on every version; see extension-ci/pages.py.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys

import duckdb
import pytest

import package
import pages
from conftest import V2_VERSIONS, interpreter

DOCS = package.ROOT / "docs"
CLIENT_VERSION = "1.5.6"
CLIENT = interpreter(CLIENT_VERSION).parent / "duckdb"
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(package.ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
]


def text_of(page):
    return page.read_text(encoding="utf-8")


def named(paths):
    return {
        "argvalues": paths,
        "ids": [path.relative_to(package.ROOT).as_posix() for path in paths],
    }


def commands(page, *languages):
    """The blocks of shell and Python; calls of make are left out, because another test looks whether their targets exist."""
    for block in pages.blocks(text_of(page), bare=False):
        text = "".join(
            line for line in block.text.splitlines(keepends=True) if not line.startswith("make ")
        )
        if block.language in languages and text:
            yield dataclasses.replace(block, text=text)


@pytest.fixture
def root(extension, v2_extension, tmp_path):
    """A folder that looks like the root of the repository after a build, and the home of a user who has installed nothing."""
    (tmp_path / "sql").symlink_to(package.ROOT / "sql")
    [(platform,)] = duckdb.execute("SELECT platform FROM pragma_platform()").fetchall()
    client = f"v{CLIENT_VERSION}"
    has_v2 = duckdb.__version__ in [version.removesuffix("-v2") for version in V2_VERSIONS]
    copies = {
        (f"v{duckdb.__version__}", platform): v2_extension if has_v2 else extension,
        (client, platform): extension,
    }
    pages.lay_out(tmp_path, extension, copies)
    return tmp_path


@pytest.fixture
def run(root):
    """Runs a block there, with the client on the path."""
    path = f"{CLIENT.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(root)}

    def run_block(language, text):
        command = {"sh": ["sh", "-ec"], "python": [sys.executable, "-c"]}[language]
        return subprocess.run(
            [*command, text],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    return run_block


@pytest.mark.parametrize(
    "page", **named([page for page in PAGES if any(commands(page, "sh", "python"))])
)
def test_the_commands_of_a_page_run_in_their_order(page, run):
    for block in commands(page, "sh", "python"):
        process = run(block.language, block.text)
        assert process.returncode == 0, f"line {block.line}\n{process.stdout}\n{process.stderr}"
        if block.printed is not None:
            assert process.stdout.strip() == block.printed.strip(), f"line {block.line}"


def in_the_table_of(heading):
    """The rows of the first table below a heading of the page about installing."""
    section = text_of(DOCS / "install.md").split(f"\n## {heading}\n")[1]
    _, _, *rows = pages.TABLE.search(section).group().splitlines()
    return [pages.cells(row) for row in rows]


def test_the_table_of_versions_says_what_the_repository_serves():
    described = {}
    for versions, _, copy, call in in_the_table_of("Names"):
        first, *last = (tuple(map(int, version.split("."))) for version in versions.split(" to "))
        assert not last or first[:2] == last[0][:2]
        for patch in range(first[2], (last[0] if last else first)[2] + 1):
            described[f"v{first[0]}.{first[1]}.{patch}"] = (copy, call)
    stable = ("the stable copy", "`amz.kmeans_segments(...)`")
    newest = ("the copy for DuckDB 2.0", "`kmeans_segments(...)`")
    served = dict.fromkeys(package.duckdb_versions(), stable)
    assert described == served | dict.fromkeys(package.duckdb_versions("c-api-v2"), newest)


def tables_of(page):
    """The tables of a page: header and rows."""
    for table in pages.TABLE.finditer(text_of(page)):
        header, _, *rows = map(pages.cells, table.group().splitlines())
        yield [dict(zip(header, row, strict=True)) for row in rows]


def in_one_line(page):
    return " ".join(text_of(page).split())


def test_the_words_about_a_month_of_the_shop_say_what_the_table_of_benchmarks_says():
    page = DOCS / "benchmarks.md"
    [months] = [rows for rows in tables_of(page) if "bare load" in rows[0]]
    readme, benchmarks = in_one_line(package.ROOT / "README.md"), in_one_line(page)
    [newest] = [float(row["all, seconds"]) for row in months if row["DuckDB"].startswith("2.")]
    older = [float(row["all, seconds"]) for row in months if row["DuckDB"].startswith("1.")]
    assert f"takes the shop's pipeline {newest:.0f} seconds on DuckDB 2.0" in readme
    words = (
        f"in segments in {newest:.0f} seconds on DuckDB 2.0.1, in {min(older):.0f} to"
        f" {max(older):.0f} on 1.5.6"
    )
    assert words in benchmarks
    peaks = [float(row["peak memory GB"]) for row in months]
    pipelines = in_one_line(DOCS / "pipelines.md")
    assert f"holds {min(peaks):.0f} to {max(peaks):.0f} GB at its peak" in pipelines
    assert (
        all(3 <= float(row["ratio"]) <= 4 for row in months)
        and "3 to 4 times as long for it as" in pipelines
    )


def test_the_words_about_rows_and_threads_say_what_their_table_says():
    page = DOCS / "benchmarks.md"
    [rows] = [rows for rows in tables_of(page) if "rows held" in rows[0]]

    def column(name, query, memory="1024 MiB"):
        found = [
            r
            for r in rows
            if r["query"] == query and r["memory"] == memory and r["rows"] != "100,000"
        ]
        return min(values := [float(r[name]) for r in found]), max(values)

    said = in_one_line(page)
    one, two = (column(f"{threads} ns per row", "fit") for threads in ("1 thread,", "2 threads,"))
    assert (
        f"costs {one[0]:.0f} to {one[1]:.0f} ns with one thread and {two[0]:.0f} to {two[1]:.0f}"
        " with two" in said
    )
    for query, memory in (("segments", "1024 MiB"), ("fit", "1024 MiB"), ("fit", "all rows")):
        least, most = column("ratio", query, memory)
        assert f"{least:.2f} to {most:.2f}" in said.split("two threads are")[1], (query, memory)


# What a reader did where DuckDB answers with the messages of the page about installing, in the order of its table.
MISTAKES = [
    ("both", "duckdb.connect().execute(f\"LOAD '{EXTENSION}'\")"),
    ("both", "open_database(load=False, extension_directory='none').execute('LOAD amazing')"),
    ("stable", "open_database().execute(\"FROM kmeans_segments('t')\")"),
    ("v2", "open_database().execute(\"SET search_path = 'main,amz'\")"),
    ("stable", "open_database().execute('PRAGMA amz')"),
    ("both", "open_database(load=False).execute('SELECT kmeans_fit(t, 2) FROM range(3) AS t')"),
    ("client", "open_database(load=False).execute(f\"LOAD '{V2_EXTENSION}'\")"),
    ("client", "duckdb.connect('made_by_2.duckdb')"),
]


def test_duckdb_answers_mistakes_with_the_messages_of_the_page(run_python, v2_extension, tmp_path):

    made = tmp_path / "made_by_2.duckdb"
    v2 = interpreter(V2_VERSIONS[-1])
    run_python(
        v2,
        f"duckdb.connect({str(made)!r}).execute('CREATE TABLE t AS SELECT 1 AS"
        " a').fetchall()\nprint(1)",
    )
    stable = interpreter(CLIENT_VERSION)
    readers = {"both": [stable, v2], "stable": [stable], "client": [stable], "v2": [v2]}
    messages = [message.strip("`") for message, _ in in_the_table_of("If it does not work")]
    for message, (who, mistake) in zip(messages, MISTAKES, strict=True):
        code = f"import os\nos.chdir({str(tmp_path)!r})\nV2_EXTENSION = {str(v2_extension)!r}\n"
        code += (
            f"try:\n    {mistake}\n    print('null')\nexcept duckdb.Error as error:\n   "
            " print(json.dumps(str(error)))"
        )
        for reader in readers[who]:
            answer = run_python(reader, code)
            assert message in " ".join((answer or "no error").split()), (mistake, reader)


def test_a_file_keeps_the_format_that_the_client_can_read(run, tmp_path):
    made = run(
        "python",
        "import duckdb\nduckdb.connect('new.duckdb').execute('CREATE TABLE t AS SELECT 1 AS a')",
    )
    assert made.returncode == 0, made.stderr
    refused = run("sh", "duckdb new.duckdb -c 'FROM t'")
    assert refused.returncode != 0
    [said] = re.findall(
        r"^Trying to read a database file .*$", text_of(DOCS / "install.md"), re.MULTILINE
    )
    assert said in refused.stderr
    assert run("sh", "duckdb old.duckdb -c 'CREATE TABLE t AS SELECT 1 AS a'").returncode == 0
    assert (
        run(
            "python",
            "import duckdb\nduckdb.connect('old.duckdb').execute('INSERT INTO t VALUES (2)')",
        ).returncode
        == 0
    )
    assert run("sh", "duckdb -csv -noheader old.duckdb -c 'FROM t'").stdout.split() == ["1", "2"]


def test_a_refused_file_stops_the_command_that_builds_both_worlds(run, tmp_path):
    [command] = [
        block.text
        for block in commands(package.ROOT / "README.md", "sh")
        if "schema_prefix" in block.text
    ]
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "a.csv").write_text(
        "game_id,game_type,game_name,platform,difficulty\n1,puzzle,Chess,Web,\n"
    )
    assert run("sh", command).returncode == 0
    (tmp_path / "games" / "b.csv").write_text("game_id\n2\n")
    refused = run("sh", command)
    assert (
        refused.returncode != 0
        and 'b.csv": other columns, its header is: game_id' in refused.stderr
    )
    query = (
        "SELECT count(*) AS n, (SELECT count(*) FROM games_raw.games) AS games FROM"
        " games_raw.loaded_files"
    )
    assert run("sh", f'duckdb -csv shop.duckdb -c "{query}"').stdout.split() == ["n,games", "1,1"]


def test_every_target_of_make_that_a_page_names_exists():
    makefile = (package.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        target
        for line in re.findall(r"^([a-z_ -]+):(?!=)", makefile, re.MULTILINE)
        for target in line.split()
    }
    called = {
        target: page.name
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z][a-z_-]*)\b", text_of(page), re.MULTILINE)
    }
    assert (
        called and {target: page for target, page in called.items() if target not in targets} == {}
    )


def without_fences(text):
    return pages.FENCE.sub("", text)


def anchors(page):
    """The anchors of a page's headings, as the site and the usual hosts of repositories make them."""
    headings = re.findall(r"^#+ (.*)$", without_fences(text_of(page)), re.MULTILINE)
    return {
        re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for heading in headings
    }


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
    assert sorted(path for path in listed if path not in folders) == [
        p for p in there if not p.startswith(folders)
    ]


def test_every_page_begins_with_its_title():
    for page in PAGES:
        assert text_of(page).startswith("# "), page


def test_the_picture_of_the_tutorial_is_the_one_that_its_statements_draw(
    con, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for block in pages.blocks(text_of(DOCS / "tutorial.md"), bare=False):
        if block.language == "sql" and "LOAD" not in block.text:
            con.execute(block.text)
    picture = DOCS / "assets" / "users.svg"
    if "AMAZING_BLESS" in os.environ:
        shutil.copy("users.svg", picture)
    assert picture.read_bytes() == (tmp_path / "users.svg").read_bytes(), (
        "run again with AMAZING_BLESS=1"
    )


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
