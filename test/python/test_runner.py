"""The runner of the SQL tests: what must pass passes, and nothing that is wrong can pass unseen."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import run_tests
import sqllogictest

# One process makes the outcomes that the tests of this file share.
pytestmark = pytest.mark.xdist_group("runner")

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "extension-ci" / "sqllogictest.py"


class Run:
    """What the runner printed and how it ended."""

    def __init__(self, process):
        self.code = process.returncode
        self.output = process.stdout
        counts = re.search(
            r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", process.stdout, re.MULTILINE
        )
        assert counts, process.stdout + process.stderr
        self.passed, self.failed, self.skipped = (int(count or 0) for count in counts.groups())


@pytest.fixture
def run(tmp_path):
    def run_texts(*texts, options=(), suffix=".test"):
        paths = []
        for i, text in enumerate(texts):
            paths.append(tmp_path / f"case{i}{suffix}")
            paths[-1].write_text(text, encoding="utf-8")
        command = [sys.executable, str(RUNNER), *map(str, paths), *map(str, options)]
        return Run(subprocess.run(command, capture_output=True, text=True, encoding="utf-8"))

    return run_texts


def fails(result, *texts):
    assert result.code == 1 and result.failed >= 1, result.output
    for text in texts:
        assert text in result.output
    return True


GOOD = {
    "values_are_written_as_duckdb_writes_them": (
        """
query TTITTRT
SELECT NULL, '', 42, true, [1.5, NULL], 0.1::DOUBLE, {'a': 'its', 'b': DATE '2020-01-02'}
----
NULL	(empty)	42	1	[1.5, NULL]	0.1	{'a': its, 'b': 2020-01-02}
"""
    ),
    "booleans_may_be_written_as_words": "query II\nSELECT true, false\n----\nTRUE\tfalse\n",
    "one_value_a_line": "query II\nSELECT * FROM (VALUES (1, 2), (3, 4)) AS t\n----\n1\n2\n3\n4\n",
    "no_rows": "query I\nSELECT 1 WHERE false\n----\n",
    "rowsort": (
        "query IT rowsort\nFROM (VALUES (2, 'b'), (10, 'a'), (1, 'z')) AS"
        " t\n----\n1\tz\n10\ta\n2\tb\n"
    ),
    "valuesort": "query IT valuesort\nSELECT 2, 'a'\nUNION ALL\nSELECT 1, 'b'\n----\n1\n2\na\nb\n",
    "order_of_the_query_is_kept": "query I\nFROM range(3) ORDER BY 1 DESC\n----\n2\n1\n0\n",
    "doubles_are_compared_with_tolerance": (
        "query RR\nSELECT 1 / 3, 1e300\n----\n0.333333333\t1.0e300\n"
    ),
    "decimals_are_compared_as_numbers": "query RI\nSELECT 1.50, 7\n----\n1.5\t7.0\n",
    "regex_of_a_value": (
        "query TT\nSELECT 'v1.4.4', 'abc'\n----\n<REGEX>:v\\d+[.].*\t<!REGEX>:b.*\n"
    ),
    "error_by_substring": (
        "statement error\nSELECT error('a\nb') -- none\n----\nInvalid Input Error: a\nb\n"
    ),
    "error_by_regex": (
        "statement error\nSELECT error('k must be 1, not 0')\n----\n<REGEX>:.*k must be \\d, not"
        " \\d\n"
    ),
    "maybe": "statement maybe\nSELECT error('x')\n\nstatement ok\nSELECT 1\n",
    "loops_nest": (
        """
statement ok
CREATE TABLE t (i INTEGER, word VARCHAR)

loop i 0 3

foreach word a b

statement ok
INSERT INTO t VALUES (${i}, '${word}')

endloop

endloop

query IIT
SELECT count(*), sum(i), string_agg(DISTINCT word, '' ORDER BY word) FROM t
----
6	6	ab
"""
    ),
    "loop_variables_reach_results_and_conditions": (
        """
foreach n 1 2

query I
SELECT ${n}
----
${n}

onlyif n=2
statement error
SELECT error('two ${n}')
----
two 2

endloop
"""
    ),
    "connections_are_apart": (
        """
statement ok con1
CREATE TEMP TABLE t AS SELECT 7 AS x

query I con1
FROM t
----
7

statement error con2
FROM t
----
does not exist

query I nosort first
SELECT 1
----
1
"""
    ),
    "a_transaction_of_one_connection_is_not_seen_by_another": (
        """
statement ok
CREATE TABLE t (x INTEGER)

statement ok con1
BEGIN

statement ok con1
INSERT INTO t VALUES (1)

query I con2
SELECT count(*) FROM t
----
0

statement ok con1
COMMIT

query I con2
SELECT count(*) FROM t
----
1
"""
    ),
    "a_database_file_survives_a_restart": (
        """
load __TEST_DIR__/a.duckdb

statement ok
CREATE TABLE t AS SELECT 1 AS x

restart

query I
FROM t
----
1

load {TEST_DIR}/a.duckdb readonly

statement error
DROP TABLE t
----
read-only

load __TEST_DIR__/a.duckdb

statement error
FROM t
----
does not exist
"""
    ),
    "reconnect_forgets_the_session": (
        """
statement ok
SET VARIABLE x = 1

reconnect

query I
SELECT getvariable('x')
----
NULL
"""
    ),
    "prepared_statements_and_calls_have_results": (
        """
statement ok
PREPARE p AS SELECT $1::DOUBLE AS a, true AS b, [1, 2] AS c, NULL AS d

query RTTT
EXECUTE p(2)
----
2.0	1	[1, 2]	NULL
"""
    ),
    "modes_and_conditions_skip": (
        """
skipif duckdb
statement ok
FROM nowhere

onlyif sqlite
statement ok
FROM nowhere

mode skip

statement ok
FROM nowhere

mode unskip

onlyif duckdb
statement ok
SELECT 1
"""
    ),
    "comments_and_windows_line_ends": (
        "# name: x\n# group: [y]\r\n\r\nquery I\r\nSELECT 1 -- one\r\n----\r\n1\r\n"
    ),
    "sleep_and_seed": "set seed 0.5\n\nsleep 1 millisecond\n\nstatement ok\nSELECT random()\n",
    "built_in_extensions_are_there": (
        "require parquet\n\nrequire notwindows\n\nstatement ok\nSELECT 1\n"
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The outcome of every text in the three tables of this file, run together to save time."""
    texts = {**GOOD, **{name: text for name, (text, _) in {**WRONG_RESULTS, **BAD_FILES}.items()}}
    paths = {name: tmp_path_factory.mktemp("cases") / f"{name}.test" for name in texts}
    for name, path in paths.items():
        path.write_text(texts[name], encoding="utf-8", newline="")
    return dict(zip(paths, sqllogictest.run_files(paths.values())))


@pytest.mark.parametrize("name", GOOD)
def test_passes(outcomes, name):
    assert outcomes[name].passed >= 1 and not outcomes[name].failures, outcomes[name]


WRONG_RESULTS = {
    "value": ("query I\nSELECT 1\n----\n2\n", "wrong result"),
    "text": ("query T\nSELECT 'a'\n----\nA\n", "wrong result"),
    "case_of_null": ("query T\nSELECT NULL\n----\nnull\n", "wrong result"),
    "double": ("query R\nSELECT 1 / 3\n----\n0.3334\n", "wrong result"),
    "decimal": ("query R\nSELECT 1.50\n----\n1.51\n", "wrong result"),
    "boolean": ("query I\nSELECT true\n----\n0\n", "wrong result"),
    "nan": ("query R\nSELECT 'nan'::DOUBLE\n----\n0\n", "wrong result"),
    "order": ("query I\nSELECT unnest([2, 1])\n----\n1\n2\n", "wrong result"),
    "row_too_many": ("query I\nFROM range(2)\n----\n0\n", "wrong result"),
    "row_too_few": ("query I\nFROM range(2)\n----\n0\n1\n2\n", "wrong result"),
    "column_too_many": ("query I\nSELECT 1, 2\n----\n1\n2\n", "expected 1 columns"),
    "value_missing_in_a_row": ("query III\nSELECT 1, 2, 3\n----\n1\t2\n", "2 of 3 values"),
    "regex": ("query T\nSELECT 'abc'\n----\n<REGEX>:b\n", "wrong result"),
    "negated_regex": ("query T\nSELECT 'abc'\n----\n<!REGEX>:a.*\n", "wrong result"),
    "bad_regex": ("query T\nSELECT 'abc'\n----\n<REGEX>:(\n", "the pattern cannot be used"),
    "label": (
        "query I nosort a\nSELECT 1\n----\n1\n\nquery I nosort a\nSELECT 2\n----\n2\n",
        "label",
    ),
    "query_error": ("query I\nFROM nowhere\n----\n1\n", "unexpected error"),
    "statement_error": ("statement ok\nFROM nowhere\n", "unexpected error"),
    "missing_error": ("statement error\nSELECT 1\n----\nx\n", "expected an error, got none"),
    "wrong_message": ("statement error\nSELECT error('a')\n----\nb\n", "wrong error message"),
    "wrong_message_regex": (
        "statement error\nSELECT error('a')\n----\n<REGEX>:a\n",
        "wrong error message",
    ),
    "internal_error": (
        "statement error\nSELECT error('internal error: x')\n----\nx\n",
        "never expected",
    ),
}


@pytest.mark.parametrize("name", WRONG_RESULTS)
def test_a_wrong_result_fails(outcomes, name):
    [failure] = outcomes[name].failures
    assert WRONG_RESULTS[name][1] in failure


BAD_FILES = {
    "unknown_directive": (
        "statement ok\nSELECT 1\n\nfrobnicate\n",
        "unknown directive `frobnicate`",
    ),
    "typo_of_query": ("qeury I\nSELECT 1\n----\n1\n", "unknown directive `qeury`"),
    "no_test": ("# nothing\n", "holds no test"),
    "all_skipped_by_mode": ("mode skip\n\nstatement ok\nSELECT 1\n", "holds no test"),
    "empty_loop": ("loop i 0 0\n\nstatement ok\nSELECT 1\n\nendloop\n", "holds no test"),
    "unknown_type": ("query X\nSELECT 1\n----\n1\n", "string of T, I and R"),
    "no_type": ("query\nSELECT 1\n----\n1\n", "string of T, I and R"),
    "unknown_sort": ("query I colsort\nSELECT 1\n----\n1\n", "unknown sort style"),
    "no_result": ("query I\nSELECT 1\n\nstatement ok\nSELECT 1\n", "needs its result"),
    "no_sql": ("statement ok\n\nSELECT 1\n", "has no SQL"),
    "no_message": ("statement error\nSELECT error('x')\n", "needs the expected message"),
    "message_of_ok": ("statement ok\nSELECT 1\n----\nx\n", "only `statement error`"),
    "unknown_outcome": ("statement fine\nSELECT 1\n", "statement ok|error|maybe"),
    "endless_loop": ("loop i 0 2\n\nstatement ok\nSELECT 1\n", "loop without endloop"),
    "stray_endloop": ("statement ok\nSELECT 1\n\nendloop\n", "endloop without loop"),
    "glued_directives": (
        "loop i 0 2\nstatement ok\nSELECT 1\n\nendloop\n",
        "an empty line must follow",
    ),
    "hash": (
        "query I\nSELECT 1\n----\n1 values hashing to acd848208cc35c7324ece9fcdd507823\n",
        "not supported",
    ),
    "unknown_group": (
        "foreach t <integral>\n\nstatement ok\nSELECT 1::${t}\n\nendloop\n",
        "does not know the group",
    ),
    "condition_before_nothing": (
        "skipif duckdb\n\nstatement ok\nSELECT 1\n",
        "must stand directly before",
    ),
    "restart_in_memory": ("restart\n\nstatement ok\nSELECT 1\n", "cannot be restarted"),
    "bad_load": ("load /nowhere/at/all.duckdb\n\nstatement ok\nSELECT 1\n", "load failed"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_fails(outcomes, name):
    [failure] = outcomes[name].failures
    assert BAD_FILES[name][1] in failure


def test_a_failure_names_file_line_sql_expected_and_actual(run):
    result = run("# one\n\nstatement ok\nSELECT 1\n\nquery II\nSELECT 1,\n    'two'\n----\n1\t2\n")
    assert fails(
        result,
        "case0.test:6: wrong result",
        "    SELECT 1,",
        "expected:\n  1\t2",
        "actual:\n  1\ttwo",
    )


def test_a_failure_does_not_hide_the_records_after_it(run):
    result = run(
        "query I\nSELECT 1\n----\n2\n\nstatement ok\nSELECT 1\n\nquery I\nSELECT 1\n----\n3\n"
    )
    assert (result.passed, result.failed) == (1, 2)


def test_each_iteration_of_a_loop_counts(run):
    assert run("loop i 0 5\n\nstatement ok\nSELECT ${i}\n\nendloop\n").passed == 5


def test_each_file_has_a_database_of_its_own(run):
    text = "statement ok\nCREATE TABLE t (x INTEGER)\n"
    assert run(text, text).passed == 2


def test_python_variables_are_no_tables(run):
    assert run("statement error\nFROM sql\n----\nTable with name sql does not exist\n").passed == 1


def test_a_missing_requirement_skips_visibly(run):
    result = run(
        "require no_such_extension\n\nstatement ok\nSELECT 1\n", "statement ok\nSELECT 1\n"
    )
    assert (result.code, result.passed, result.failed, result.skipped) == (0, 1, 0, 1)
    assert "case0.test: require no_such_extension" in result.output


def test_a_missing_environment_variable_skips_visibly(run, monkeypatch):
    text = "require-env SOME_NAME yes\n\nquery T\nSELECT '${SOME_NAME}'\n----\nyes\n"
    assert run(text).skipped == 1
    monkeypatch.setenv("SOME_NAME", "no")
    assert run(text).skipped == 1
    monkeypatch.setenv("SOME_NAME", "yes")
    assert run(text).passed == 1


def test_a_missing_extension_file_fails(run, tmp_path):
    options = ["--extension", tmp_path / "amazing.duckdb_extension"]
    assert fails(
        run("require amazing\n\nstatement ok\nSELECT 1\n", options=options), "does not exist"
    )


def test_a_missing_test_file_fails(run, tmp_path):
    assert fails(run(options=[tmp_path / "none.test"]), "none.test")


def test_a_hanging_statement_fails(run):
    endless = "SELECT sum(a.range * b.range) FROM range(100000000) AS a, range(100000000) AS b"
    text = f"statement ok\nSELECT 1\n\nstatement ok\n{endless}\n"
    assert fails(
        run(text, options=["--timeout", "3"]), "case0.test:4: no end after 3 seconds", endless
    )


@pytest.fixture
def compile_extension(tmp_path, stamp):
    """Makes an extension out of the C statements that its entry point runs."""

    def build(name, body):
        source = tmp_path / f"{name}.c"
        library = tmp_path / f"{name}.duckdb_extension"
        includes = "".join(
            f"#include <{header}.h>\n" for header in ("stdbool", "stdio", "stdlib", "unistd")
        )
        source.write_text(f"{includes}bool {name}_init_c_api(void) {{ {body} return true; }}\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        stamp(library)
        return library

    return build


@pytest.mark.parametrize("death", ["abort();", "*(volatile int *)0 = 1;", "_exit(0);", "_exit(3);"])
def test_a_dying_process_fails_and_is_named(run, compile_extension, death):
    library = compile_extension("deadly", death)
    result = run(
        f"statement ok\nSELECT 1\n\nstatement error\nLOAD '{library}'\n----\nx\n",
        "statement ok\nSELECT 1\n",
    )
    assert fails(result, "case0.test:4: the process died", f"LOAD '{library}'")
    assert (result.passed, result.failed) == (2, 1)


def test_what_a_library_prints_is_not_taken_for_a_result(run, compile_extension):
    library = compile_extension("loud", r'puts("[\"passed\"]\n 95% done"); fflush(stdout);')
    assert run(f"statement ok\nLOAD '{library}'\n").passed == 1


def test_require_loads_the_extension_again_after_a_restart(run, compile_extension, tmp_path):
    trace = tmp_path / "trace"
    library = compile_extension(
        "amazing", f'FILE *file = fopen("{trace}", "a"); fputs("x", file); fclose(file);'
    )
    text = "require amazing\n\nload __TEST_DIR__/a.duckdb\n\nrestart\n\nstatement ok\nSELECT 1\n"
    assert run(text, options=["--extension", library]).passed == 1
    assert trace.read_text() == "xxx"


# The adding up of all suites


def test_cargo_counts_add_up_over_all_binaries_and_doc_tests():
    log = (
        "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered"
        " out; finished in 0.0s\ntest result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0"
        " filtered out; finished in 0.1s\n"
    )
    assert run_tests.count_cargo(log) == run_tests.Counts(5, 1, 2)


@pytest.mark.parametrize(
    "line, counts",
    [
        ("12 passed, 0 failed", (12, 0, 0)),
        ("3 passed, 1 failed, 2 skipped", (3, 1, 2)),
        ("1 failed, 80 passed, 4 skipped, 2 warnings in 3.20s", (80, 1, 4)),
        ("89 passed, 6 errors in 22.65s", (89, 6, 0)),
        ("no tests ran in 0.01s", (0, 0, 0)),
    ],
)
def test_counts_are_read_from_the_last_line_that_has_them(line, counts):
    assert run_tests.count_words(
        f"5 passed, 5 failed\n{line}\n" if any(counts) else line
    ) == run_tests.Counts(*counts)


def test_node_counts_are_read_from_its_summary():
    assert run_tests.count_tap(
        "# pass 3\n# fail 1\n# cancelled 1\n# skipped 2\n"
    ) == run_tests.Counts(3, 2, 2)


@pytest.mark.parametrize(
    "script, counts, words",
    [
        ("echo 2 passed, 0 failed", (2, 0, 0), "2 passed, 0 failed"),
        ("echo 0 passed, 0 failed", (0, 1, 0), "no test ran"),
        ("echo 0 passed, 0 failed, 3 skipped", (0, 1, 3), "no test ran"),
        ("echo 2 passed, 0 failed; exit 101", (2, 1, 0), "exit code 101"),
        ("echo error: does not compile; exit 1", (0, 1, 0), "does not compile"),
        ("echo 2 passed, 3 failed; exit 1", (2, 3, 0), "2 passed, 3 failed"),
        ("exec no-such-command", (0, 1, 0), "no-such-command"),
    ],
)
def test_a_suite_that_stops_or_runs_nothing_fails(
    tmp_path, monkeypatch, capsys, script, counts, words
):
    monkeypatch.setattr(run_tests, "LOGS", tmp_path)
    suite = run_tests.Suite("some", ["sh", "-c", script], run_tests.count_words)
    assert run_tests.run(suite) == run_tests.Counts(*counts)
    assert words in capsys.readouterr().out


def test_a_missing_tool_skips_visibly(capsys):
    suite = run_tests.Suite("some", ["false"], run_tests.count_words, missing="node not found")
    assert run_tests.run(suite) == run_tests.Counts(0, 0, 1)
    assert "skipped: node not found" in capsys.readouterr().out


# Pages of documentation

SQL = "```sql\n{}\n```\n\n"
GOOD_PAGES = {
    "a_block_that_shows_nothing": SQL.format("CREATE TABLE t AS FROM range(3); -- three\nFROM t;"),
    "a_table_is_the_rows_of_the_last_statement": (
        SQL.format("SELECT 1;\nSELECT 2 AS a, '|' AS b, '' AS c, true AS d;")
        + "| a | b | c | d |\n|--:|---|---|---|\n| 2 | \\| |  | true |\n"
    ),
    "a_fence_is_the_error_of_the_last_statement": (
        SQL.format("SELECT 1;\nSELECT error('k is 0');") + "```\nk is 0\n```\n"
    ),
    "what_is_not_run": (
        "<!-- not run: no server -->\n\n"
        + SQL.format("nonsense")
        + "| a |\n|---|\n| 1 |\n"
        + SQL.format("SELECT 1")
    ),
    "a_table_that_is_no_output": (
        SQL.format("SELECT 1") + "<!-- not the output: words -->\n\n| a |\n|---|\n| 2 |\n"
    ),
    "a_table_below_words": SQL.format("SELECT 1") + "The figures:\n\n| a |\n|---|\n| 2 |\n",
    "statements_that_the_reader_does_not_see": (
        "<!-- run first (sql):\nCREATE TABLE t (a INTEGER);\n-->\n" + SQL.format("FROM t")
    ),
    "other_languages": "```python\nnonsense\n```\n\n" + SQL.format("SELECT 1"),
    "a_block_for_the_other_readers": (
        "<!-- only 2.0: why -->\n\n"
        + SQL.format("nonsense")
        + "<!-- only 2.0: why -->\n\n| a |\n|---|\n| 1 |\n"
    ),
    "a_page_that_is_not_run": "<!-- page not run: elsewhere -->\n" + SQL.format("nonsense"),
}


@pytest.mark.parametrize("name", GOOD_PAGES)
def test_a_good_page_passes(run, name):
    result = run(GOOD_PAGES[name], "# Page\n\n" + SQL.format("SELECT 1"), suffix=".md")
    assert result.code == 0 and result.passed >= 1, result.output


WAYS = {
    "<!-- only 1.x: why -->": ((), ("--bare-names",)),
    "<!-- only 2.0: why -->": (("--bare-names",), ()),
}


@pytest.mark.parametrize("comment", WAYS)
def test_a_block_is_run_for_the_readers_that_it_is_for(run, comment):
    its_own, other = WAYS[comment]
    page = f"{comment}\n\n" + SQL.format("SELECT error('k is 0')") + SQL.format("SELECT 1")
    assert fails(run(page, suffix=".md", options=its_own), "k is 0")
    assert run(page, suffix=".md", options=other).code == 0


@pytest.mark.parametrize("options", [(), ("--bare-names",)])
def test_nothing_of_a_page_is_rewritten(run, options):
    page = SQL.format("CREATE SCHEMA amz;\nCREATE MACRO amz.f() AS TABLE SELECT 1 AS a;\nFROM f();")
    assert fails(
        run(page, suffix=".md", options=options), "Table Function with name f does not exist"
    )


BAD_PAGES = {
    "another_row": (SQL.format("SELECT 1 AS a") + "| a |\n|---|\n| 2 |\n", "wrong result"),
    "one_row_more": (SQL.format("SELECT 1 AS a") + "| a |\n|---|\n| 1 |\n| 1 |\n", "wrong result"),
    "another_name_of_a_column": (
        SQL.format("SELECT 1 AS a") + "| b |\n|---|\n| 1 |\n",
        "expected the columns b, got a",
    ),
    "a_statement_that_fails": (
        SQL.format("SELECT 1;\nSELECT error('k is 0');"),
        "case0.md:3: unexpected error",
    ),
    "no_error": (SQL.format("SELECT 1") + "```\nk is 0\n```\n", "expected an error, got none"),
    "another_error": (
        SQL.format("SELECT error('k is 1')") + "```\nk is 0\n```\n",
        "wrong error message",
    ),
    "no_reason": ("<!-- not run -->\n\n" + SQL.format("SELECT 1"), "`not run` needs a reason"),
    "a_fence_that_is_not_at_the_margin": (
        "- item\n\n  ```sql\n  nonsense\n  ```\n",
        "case0.md:3: a fence must begin at",
    ),
    "a_fence_without_a_language": (
        "Words.\n\n```\nnonsense\n```\n",
        "case0.md:3: a fence needs a language",
    ),
}


@pytest.mark.parametrize("name", BAD_PAGES)
def test_a_page_that_shows_something_else_fails(run, name):
    page, message = BAD_PAGES[name]
    assert fails(run(page, suffix=".md"), message)
