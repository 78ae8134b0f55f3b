"""DuckDB 2.0 with the copy of the C API v2: relations answer by their bare names wherever a function does."""

import json
import subprocess
from pathlib import Path

import pytest

import package
from conftest import NEW, QUICK_VERSIONS, ROOT, TESTED_VERSIONS, V2_VERSIONS, interpreter
from sqllogictest import bare_names

REPOSITORY = ROOT / "build" / "repo"
POINTS = (
    "CREATE TABLE points AS SELECT i AS user_id, (i % 3 * 100 + i % 7)::DOUBLE AS spend FROM"
    " range(300) AS t (i)"
)
SIZES = "SELECT segment, count(*) FROM kmeans_segments({}, k := 3) GROUP BY ALL ORDER BY ALL"
THREE = [[0, 100], [1, 100], [2, 100]]


@pytest.fixture(params=V2_VERSIONS)
def v2_python(request):
    """The interpreter of each version that has the copy of the C API v2."""
    return interpreter(request.param)


@pytest.fixture
def ask(v2_python, run_python):
    """Runs code that has an open database `con` and `rows(sql)`; the value of its last line comes back."""

    def run(code):
        *body, last = code.strip().splitlines()
        setup = "con = open_database()\ndef rows(sql): return con.execute(sql).fetchall()\n"
        setup += """
def error(sql):
    try:
        con.execute(sql)
    except duckdb.Error as e:
        return str(e)
"""
        return run_python(v2_python, setup + "\n".join([*body, f"print(json.dumps({last}))"]))

    return run


def test_a_load_inside_a_transaction_counts_at_once(v2_python, run_python):
    code = f"""
con = open_database(load=False)
con.execute("BEGIN")
con.execute({POINTS!r})
con.execute(f"LOAD '{{EXTENSION}}'")
inside = con.execute({SIZES.format("points")!r}).fetchall()
con.execute("ROLLBACK")
print(json.dumps([inside, con.execute("SELECT kmeans_fit([i], 2).sizes FROM range(4) AS t (i)").fetchall()]))
"""
    assert run_python(v2_python, code) == [THREE, [[[2, 2]]]]


def test_every_connection_has_the_names_at_once(ask):
    code = (
        f"con.execute({POINTS!r})\nother ="
        f" con.cursor()\nother.execute({SIZES.format('points')!r}).fetchall()"
    )
    assert ask(code) == THREE


@pytest.mark.parametrize(
    ("setup", "source"),
    [
        ("CREATE TEMP TABLE own AS FROM points", "own"),
        ("CREATE VIEW own AS FROM points", "'own'"),
        (
            'CREATE SCHEMA "my own"; CREATE TABLE "my own"."points" AS FROM points',
            '"my own".points',
        ),
    ],
)
def test_a_source_may_be_anything_with_a_name(ask, setup, source):
    assert (
        ask(f"con.execute({POINTS!r})\ncon.execute({setup!r})\nrows({SIZES.format(source)!r})")
        == THREE
    )


def test_a_cte_and_a_data_frame_are_sources(ask):
    cte = "WITH chosen AS (FROM points) " + SIZES.format("chosen")
    code = f"con.execute({POINTS!r})\nframe = con.execute('FROM points').df()\n"
    assert ask(code + f"[rows({cte!r}), con.execute({SIZES.format('frame')!r}).fetchall()]") == [
        THREE,
        THREE,
    ]


def test_parameters_may_come_later(ask):
    code = f"""
con.execute({POINTS!r})
con.execute("PREPARE sizes AS SELECT segment, count(*) FROM kmeans_segments($1, k := $2) GROUP BY ALL ORDER BY ALL")
prepared = rows("EXECUTE sizes('points', 3)")
text = "SELECT count(DISTINCT segment) FROM kmeans_segments(?, k := ?, seed := ?)"
[prepared, con.execute(text, ["points", 2, 7]).fetchall(), con.execute(text, ["points", 4, 7]).fetchall()]
"""
    assert ask(code) == [THREE, [[2]], [[4]]]


def test_options_may_be_of_any_type_that_holds_the_value(ask):
    code = f"con.execute({POINTS!r})\n"
    code += (
        "[rows(f'SELECT count(DISTINCT segment) FROM kmeans_segments(points, k := {k})') for k in "
    )
    assert ask(code + "('3::BIGINT', '3::UTINYINT', '3.0', '(SELECT 3)')]") == [[[3]]] * 4


def test_a_name_may_be_a_scalar_and_a_relation(ask):
    code = f"""
con.execute({POINTS!r})
con.execute("CREATE TABLE texts AS SELECT unnest(['action', 'Actionn']) AS x")
scalars = rows("SELECT normalize_category('Actionn', ['action']), normalize_category(' A  b ')")
con.execute("CREATE TABLE plane AS SELECT user_id, spend, spend * spend AS area FROM points")
more = rows("SELECT len(kmeans_centroids(kmeans_fit(p, 3))), len(pca_components(pca_fit(p, {{'n': 2}}))) FROM plane AS p")
calls = ["normalize_category(texts, 'x', ['action'])", "kmeans_centroids(plane, k := 3)", "pca_components(plane)"]
[scalars, more, [rows("SELECT count(*) FROM " + call) for call in calls]]
"""
    assert ask(code) == [[["action", "a_b"]], [[6, 4]], [[[2]], [[6]], [[4]]]]


def test_a_relation_of_the_user_comes_first_and_ours_keeps_its_full_name(ask):
    code = f"""
con.execute({POINTS!r})
before = rows("FROM kmeans_segments(points, k := 3)")
con.execute("CREATE MACRO kmeans_predict(a, b) AS 77")
con.execute("CREATE MACRO kmeans_fit(a, b, c) AS 77")
shadowed = rows("FROM kmeans_segments(points, k := 3)") == before
con.execute("CREATE MACRO kmeans_segments(source) AS TABLE SELECT 1 AS mine")
[shadowed, rows("FROM kmeans_segments(points)"), rows("FROM system.main.kmeans_segments(points, k := 3)") == before]
"""
    assert ask(code) == [True, [[1]], True]


def test_a_read_only_file_is_segmented_and_stays_as_it_is(v2_python, run_python, tmp_path):
    path = tmp_path / "shop.duckdb"
    run_python(
        v2_python,
        f"con = open_database({str(path)!r})\ncon.execute({POINTS!r})\ncon.close()\nprint(1)",
    )
    before = path.read_bytes()
    code = f"con = open_database({str(path)!r}, read_only=True)\n"
    code += f"print(json.dumps(con.execute({SIZES.format('points')!r}).fetchall()))"
    assert run_python(v2_python, code) == THREE
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == [
        "shop.duckdb"
    ]


def test_nothing_is_attached(ask):
    query = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
    assert ask(f"rows({query!r})") == [["memory"]]


def test_rows_keep_their_order_with_any_threads(ask):
    code = """
tables = []
for threads in (1, 2):
    con.execute(f"SET threads = {threads}")
    con.execute(f"CREATE TABLE events{threads} AS FROM synthetic_marketplace_events(30000)")
    tables.append(rows(f"SELECT hash(e) FROM events{threads} AS e"))
[len(tables[0]), tables[0] == tables[1], rows("SELECT count(*) FROM synthetic_marketplace_events(5000)")]
"""
    assert ask(code) == [30000, True, [[5000]]]


def test_aggregates_may_be_ordered_distinct_and_windowed(ask):
    code = f"""
con.execute({POINTS!r})
whole = rows("SELECT kmeans_fit(p, 3) FROM points AS p")
ordered = rows("SELECT kmeans_fit(p, 3 ORDER BY spend DESC) FROM points AS p")
distinct = rows("SELECT kmeans_fit(DISTINCT p, 3) FROM points AS p")
windowed = rows("SELECT DISTINCT kmeans_fit(p, 3) OVER () FROM points AS p")
[ordered == whole, distinct == whole, windowed == whole]
"""
    assert ask(code) == [True, True, True]


def test_a_mistake_leaves_the_database_usable(ask):
    code = f"""
con.execute({POINTS!r})
texts = [error(sql) for sql in (
    "FROM kmeans_segments(points, k := 0)", "SELECT kmeans_fit(p, 0) FROM points AS p",
    "SELECT pca_transform(1, 2)", "FROM synthetic_marketplace_events(-1)", "FROM amazing_scripts('shop')")]
[texts, rows("SELECT 42")]
"""
    texts, answer = ask(code)
    assert answer == [[42]]
    for text, expected in zip(
        texts,
        [
            "Invalid Input Error: kmeans_segments: k must be between 1 and 1024, not 0",
            "Invalid Input Error: kmeans_fit: k must be between 1 and 1024, not 0",
            "Invalid Input Error: pca_transform: ",
            "Binder Error: synthetic_marketplace_events: ",
            "Binder Error: amazing_scripts: no pipeline 'shop', there ",
        ],
    ):
        assert text.startswith(expected), text


def test_macros_of_another_version_in_the_database_are_named(ask):
    code = """
con.execute("CREATE MACRO pca_2d(source) AS TABLE FROM query_table(source)")
con.execute("COMMENT ON MACRO TABLE pca_2d IS 'amazing 0.0.1: from long ago'")
rows("SELECT macros, stale_macros FROM amazing_info()")
"""
    assert ask(code) == [["system.main", ["pca_2d"]]]


# SQL that was written for the catalog `amz`

# Split, so that the names are not taken for calls of relations.
AMZ = "amz" + "."


def test_a_pragma_attaches_the_catalog_amz_as_often_as_one_likes(ask):
    code = f"""
con.execute({POINTS!r})
for _ in range(2):
    con.execute("PRAGMA amz")
found = rows("SELECT segment, count(*) FROM " + "amz" + ".kmeans_segments(points, k := 3) GROUP BY ALL ORDER BY ALL")
listed = rows("SELECT count(*) FROM amazing_functions() WHERE kind = 'relation'")
[found, rows("SELECT count(*) FROM duckdb_functions() WHERE database_name = 'amz' AND comment LIKE 'amazing %'") == listed]
"""
    assert ask(code) == [THREE, True]


@pytest.mark.parametrize("read_only", [False, True])
def test_the_pragma_works_in_a_file_and_leaves_it_alone(v2_python, run_python, tmp_path, read_only):
    path = tmp_path / "shop.duckdb"
    run_python(
        v2_python,
        f"con = open_database({str(path)!r})\ncon.execute({POINTS!r})\ncon.close()\nprint(1)",
    )
    code = f"""
con = open_database({str(path)!r}, read_only={read_only})
con.execute("PRAGMA amz")
found = con.execute("SELECT count(DISTINCT segment) FROM " + "amz" + ".kmeans_segments(points, k := 3)").fetchall()
own = con.execute("SELECT count(*) FROM duckdb_functions() WHERE database_name = 'shop'").fetchall()
print(json.dumps([found, own]))
"""
    assert run_python(v2_python, code) == [[[3]], [[0]]]


@pytest.mark.parametrize("what", ["file", "tables"])
def test_the_pragma_leaves_a_users_database_alone(v2_python, run_python, tmp_path, what):
    place = str(tmp_path / "amz.duckdb") if what == "file" else ":memory:"
    code = f"""
con = open_database()
con.execute("ATTACH '{place}' AS amz; CREATE TABLE amz.main.mine AS SELECT 1 AS x")
try:
    con.execute("PRAGMA amz")
    text = "attached"
except duckdb.Error as error:
    text = str(error)
own = con.execute("SELECT count(*) FROM duckdb_functions() WHERE database_name = 'amz'").fetchall()
print(json.dumps([text, own, con.execute("SELECT count(*) FROM amazing_functions()").fetchall()[0][0] > 0]))
"""
    text, own, alive = run_python(v2_python, code)
    assert (
        "a database attached as amz is not ours: DETACH it or attach it under another name" in text
    )
    assert own == [[0]] and alive


# Which copy goes where


def test_the_copy_names_the_one_release_that_loads_it(python, v2_extension):
    code = f"""
import duckdb
con = duckdb.connect(config={{"allow_unsigned_extensions": "true"}})
try:
    con.execute("LOAD '{v2_extension}'")
    print(con.execute("SELECT c_api_version FROM amazing_session()").fetchall()[0][0])
except duckdb.Error as error:
    print(error)
print(duckdb.__version__)
"""
    process = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    *lines, version = process.stdout.splitlines()
    stamped = package.duckdb_versions("c-api-v2")[-1]
    if f"v{version}" == stamped:
        assert lines == [stamped]
    else:
        assert f"built specifically for DuckDB version '{stamped}'" in lines[0]


def installed(extension_directory, sql):
    """Statements that a user of any version would write, in a fresh process."""
    return f"""
import duckdb, json
con = duckdb.connect(config={{"allow_unsigned_extensions": "true", "extension_directory": {str(extension_directory)!r}}})
con.execute("INSTALL amazing FROM '{REPOSITORY}'; LOAD amazing")
con.execute({POINTS!r})
print(json.dumps(con.execute({sql!r}).fetchall()))
"""


def run(python, code):
    process = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.parametrize("version", TESTED_VERSIONS + QUICK_VERSIONS)
def test_the_repository_gives_each_version_its_copy(tmp_path, version):
    has_v2 = f"v{version}" in package.duckdb_versions("c-api-v2")
    sql = SIZES.replace("FROM kmeans", f"FROM {AMZ}kmeans").format("points")
    assert (
        run(interpreter(version), installed(tmp_path, bare_names(sql) if has_v2 else sql)) == THREE
    )
    backend = "SELECT c_api_version, macros FROM amazing_info()"
    expected = [f"v{version}", "system.main"] if has_v2 else ["v1.2.0", "amz.main"]
    assert run(interpreter(version), installed(tmp_path, backend)) == [expected]


def test_the_repository_serves_the_command_line_client(tmp_path):
    client = interpreter("1.5.6").parent / "duckdb"
    statements = [
        f"SET extension_directory = '{tmp_path}'",
        f"INSTALL amazing FROM '{REPOSITORY}'",
        "LOAD amazing",
        POINTS,
        SIZES.replace("FROM kmeans", f"FROM {AMZ}kmeans").format("points"),
    ]
    commands = [word for statement in statements for word in ("-c", statement)]
    process = subprocess.run(
        [client, "-unsigned", "-json", *commands], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == [{"segment": i, "count_star()": 100} for i in range(3)]


def test_everything_is_described_where_duckdb_shows_it(tmp_path, v2_python):
    documented = """
        SELECT function_name, function_type, description IS NOT NULL AND description <> '', len(examples) > 0, len(categories) > 0
        FROM duckdb_functions() WHERE extension_name = 'amazing'"""
    rows = run(v2_python, installed(tmp_path, documented))
    assert len(rows) > 25
    assert [row for row in rows if not all(row[2:])] == []
    listed = run(v2_python, installed(tmp_path, "SELECT DISTINCT name FROM amazing_functions()"))
    assert {name for [name] in listed} == {row[0] for row in rows if row[1] != "pragma"}


def test_the_examples_that_duckdb_shows_run(tmp_path, v2_python):
    query = "SELECT unnest(examples) FROM duckdb_functions() WHERE extension_name = 'amazing'"
    code = installed(tmp_path, query).replace("print(json.dumps(", "examples = ((")
    code += (
        f"import os\nos.chdir({str(ROOT)!r})\nfor [sql] in examples:\n   "
        " con.execute(sql).fetchall()\n"
    )
    code += "print(len(examples))"
    assert run(v2_python, code) > 25


def test_all_copies_are_one_library(extension):
    build, kind = extension.parent.parent, extension.parent.name
    copies = [
        package.v2_path(build, kind, version) for version in package.duckdb_versions("c-api-v2")
    ]
    files = [Path(path).read_bytes() for path in (extension, *copies)]
    assert len(set(files)) == len(files) > 2
    assert len({content[: -package.FOOTER_BYTES] for content in files}) == 1


@pytest.mark.parametrize(
    "version", [version.lstrip("v") for version in package.duckdb_versions("c-api-v2")]
)
def test_a_release_that_is_not_known_is_refused(version, tmp_path, extension, stamp):
    """DuckDB asks for a stamp of its own version; here it is told not to, so that the stamp names no known release."""
    copy = tmp_path / package.FILE_NAME
    copy.write_bytes(extension.read_bytes()[: -package.FOOTER_BYTES])
    stamp(copy, abi_type=package.V2_ABI_TYPE, c_api_version="v9.9.9")
    code = f"""
import duckdb, json
config = {{"allow_unsigned_extensions": "true", "allow_extensions_metadata_mismatch": "true"}}
con = duckdb.connect(config=config)
con.execute("CREATE TABLE kept AS SELECT 42 AS answer")
try:
    con.execute("LOAD '{copy}'")
    text = "loaded"
except duckdb.Error as error:
    text = str(error)
try:
    kept = con.execute("FROM kept").fetchall()
except duckdb.Error as error:
    kept = str(error)
print(json.dumps([text, kept]))
"""
    process = subprocess.run(
        [interpreter(version), "-c", code], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    text, kept = json.loads(process.stdout)
    assert "the functions of DuckDB v9.9.9 are not known to this copy" in text, (text, kept)
    assert kept == [[42]]


# Plans


def test_a_relation_fits_once_and_scans_twice(python, run_python):
    code = f"con = open_database()\ncon.execute({POINTS!r})\n"
    code += (
        "plan = con.execute('EXPLAIN (FORMAT json) FROM amz.kmeans_segments(points, k :="
        " 3)').fetchall()[0][1]\n"
    )
    code += "print(json.dumps(json.loads(plan)))"

    def operators(node):
        nodes = node if isinstance(node, list) else [node]
        own = [
            (child["name"].strip().upper().replace(" ", "_"), str(child.get("extra_info")))
            for child in nodes
        ]
        return own + [found for child in nodes for found in operators(child.get("children", []))]

    plan = operators(run_python(python, code))
    aggregates = [
        name
        for name, text in plan
        if "AGGREGATE" in name or "GROUP_BY" in name
        if "kmeans_fit(" in text
    ]
    assert len(aggregates) == 1, plan
    assert sum("SCAN" in name for name, _ in plan) == 2, plan
    assert not any("JOIN" in name for name, _ in plan), plan


# Pipelines

PIPELINE = """
os.chdir({folder!r})
con = open_database()
con.execute("CREATE TEMP TABLE made AS FROM synthetic_marketplace_events(20000, users := 500)")
con.execute("COPY made TO 'events.csv' (HEADER true, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
con.execute("SET VARIABLE data = 'events.csv'")
for _, step, _, sql in con.execute("FROM amazing_scripts('marketplace') ORDER BY step").fetchall():
    con.execute(sql)
tables = con.execute("SELECT count(*), sum(hash(s)) FROM user_segments AS s").fetchall()
print(json.dumps([str(tables), tables[0][0] > 100]))
"""


def test_a_pipeline_builds_the_same_tables_through_either_api(run_python, tmp_path):
    found = []
    for version in (NEW, V2_VERSIONS[-1]):
        (tmp_path / version).mkdir()
        found.append(
            run_python(interpreter(version), PIPELINE.format(folder=str(tmp_path / version)))
        )
    assert found[0] == found[1] and found[0][1]


# One set of arguments

ARGUMENTS = """
    NULL | NULL::BIGINT | 0 | 1 | 3 | -1 | 1.5 | 2.5 | 0.4 | 1.0 | 1e0 | 0.1e0 | 'nan'::DOUBLE | 'inf'::DOUBLE | 1.5::FLOAT | 2::DECIMAL(18, 3)
    true | false | '1' | '1.5' | 'true' | 'x' | '' | 1::TINYINT | 200::UTINYINT | 1::UBIGINT | 1::HUGEINT | 99999999999999999999 | 1e30
    DATE '2020-01-01' | TIMESTAMP '2020-01-01 10:00:00' | '2020-01-01' | TIMESTAMPTZ '2020-01-01 00:00:00+00' | TIME '10:00:00' | INTERVAL 1 DAY
    'infinity'::TIMESTAMP | 'infinity'::DATE | 'a'::BLOB | '1'::BIT | 'one'::ENUM ('one', '1') | [1] | {'a': 1} | MAP {1: 1} | 'games' | 1 + 1 | $$a$$
"""
COUNTED = """
outcomes = {{}}
listed = "SELECT name, signature FROM amazing_functions() WHERE kind = 'table function' AND name NOT LIKE 'amazing_info'"
for name, signature in con.execute(listed + " ORDER BY name").fetchall():
    inside = signature.partition("(")[2].rpartition(")")[0]
    parts = [part.strip() for part in inside.split(",") if part.strip()]
    required = ["'games'" if name == "amazing_scripts" else "12" for part in parts if ":=" not in part]
    named = [part.split(":=")[0].strip() for part in parts if ":=" in part]
    calls = {{(place, value): [*required[:place], value, *required[place + 1 :]]
             for place in range(len(required)) for value in {values!r}}}
    calls |= {{(parameter, value): [*required, f"{{parameter}} := {{value}}"] for parameter in named for value in {values!r}}}
    for (parameter, value), arguments in calls.items():
        try:
            sql = f"SELECT count(*), sum(hash(f)) FROM (SELECT * FROM {{name}}({{', '.join(arguments)}}) LIMIT 40) AS f"
            outcome = str(con.execute(sql).fetchall())
        except duckdb.Error as error:
            outcome = "refused"
        outcomes[f"{{name}} {{parameter}} {{value}}"] = outcome
print(json.dumps(outcomes))
"""


def test_table_functions_take_the_same_arguments_in_both_copies(run_python):
    values = [
        value.strip() for line in ARGUMENTS.strip().splitlines() for value in line.split(" | ")
    ]
    code = "con = open_database(threads=1)\n" + COUNTED.format(values=values)
    stable, bound = (run_python(interpreter(version), code) for version in (NEW, V2_VERSIONS[-1]))
    assert stable.keys() == bound.keys() and len(stable) > 500
    assert 100 < sum(outcome == "refused" for outcome in stable.values()) < len(stable) - 100
    assert {
        call: (stable[call], bound[call]) for call in stable if stable[call] != bound[call]
    } == {}
