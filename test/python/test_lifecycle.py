"""Loading the extension and closing the database: no lock, no file, no object and no process is left behind or lost."""

import pytest

from conftest import interpreter

USE = """
con.execute("CREATE OR REPLACE TABLE points AS SELECT i::DOUBLE AS x, (i % 2 * 1000)::DOUBLE AS y FROM range(5000) AS t (i)")
con.execute("CREATE OR REPLACE TABLE models AS SELECT kmeans_fit(p, 2) AS model FROM points AS p")
con.execute("CREATE OR REPLACE TABLE segments AS FROM amz.kmeans_segments(points, k := 2)")
"""

COUNT_SEGMENTS = "SELECT count(DISTINCT segment) FROM amz.kmeans_segments(points, k := 2)"


def make_database(python, run_python, path):
    run_python(python, f"con = open_database({str(path)!r}){USE}con.close()\nprint(1)")


def test_closing_frees_the_file_within_the_process(python, run_python, tmp_path):
    code = f"""
path = {str(tmp_path / "shop.duckdb")!r}
con = open_database(path)
{USE}
con.close()
left = sorted(os.listdir(os.path.dirname(path)))
con = open_database(path)
count = con.execute({COUNT_SEGMENTS!r}).fetchall()
con.close()
con = duckdb.connect(path)
tables = con.execute("SELECT count(*) FROM segments").fetchall()
con.close()
print(json.dumps([left, count, tables]))
"""
    assert run_python(python, code) == [["shop.duckdb"], [[2]], [[5000]]]


def test_closing_frees_the_file_for_another_process(python, run_python, tmp_path):
    code = f"""
import subprocess, sys
path = {str(tmp_path / "shop.duckdb")!r}
con = open_database(path)
{USE}
con.close()
other = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE TABLE mine AS SELECT 1 AS x')"
process = subprocess.run([sys.executable, "-c", other, path], capture_output=True, text=True)
print(json.dumps([process.returncode, process.stderr]))
"""
    assert run_python(python, code) == [0, ""]


def test_leaving_without_close_loses_nothing(python, run_python, tmp_path):
    path = tmp_path / "shop.duckdb"
    run_python(python, f"con = open_database({str(path)!r}){USE}print(1)")
    assert [file.name for file in tmp_path.iterdir()] == ["shop.duckdb"]
    code = (
        f"print(json.dumps(duckdb.connect({str(path)!r}).execute('SELECT count(*) FROM"
        " segments').fetchall()))"
    )
    assert run_python(python, code) == [[5000]]


def test_nothing_of_ours_is_in_the_users_file(python, run_python, tmp_path):
    path = tmp_path / "shop.duckdb"
    make_database(python, run_python, path)
    code = f"""
con = duckdb.connect({str(path)!r})
own = "database_name = current_database()"
print(json.dumps([
    con.execute(f"SELECT function_name FROM duckdb_functions() WHERE {{own}} AND NOT internal").fetchall(),
    con.execute(f"SELECT schema_name FROM duckdb_schemas() WHERE {{own}} AND NOT internal").fetchall(),
    con.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall(),
    con.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name = 'amz'").fetchall(),
]))
"""
    functions, schemas, tables, attached = run_python(python, code)
    assert functions == [] and attached == [[0]]
    assert [schema for [schema] in schemas if schema != "main"] == []
    assert tables == [["models"], ["points"], ["segments"]]


def test_a_read_only_database_can_be_segmented(python, run_python, tmp_path):
    path = tmp_path / "shop.duckdb"
    make_database(python, run_python, path)
    code = f"""
con = open_database({str(path)!r}, read_only=True)
print(json.dumps(con.execute({COUNT_SEGMENTS!r}).fetchall()))
"""
    assert run_python(python, code) == [[2]]


def test_it_works_after_external_access_is_switched_off(python, run_python):
    code = f"con = open_database(){USE}con.execute('SET enable_external_access = false')\n"
    code += f"print(json.dumps(con.execute({COUNT_SEGMENTS!r}).fetchall()))"
    assert run_python(python, code) == [[2]]


def test_loading_twice_is_harmless(python, run_python):
    code = f"""
con = open_database()
con.execute(f"LOAD '{{EXTENSION}}'")
{USE}
print(json.dumps(con.execute({COUNT_SEGMENTS!r}).fetchall()))
"""
    assert run_python(python, code) == [[2]]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_load_inside_a_transaction_counts_once_it_has_ended(python, run_python, end):
    code = f"""
con = open_database(load=False)
con.execute("BEGIN")
con.execute("CREATE TABLE t AS SELECT 1 AS x")
con.execute(f"LOAD '{{EXTENSION}}'")
con.execute({end!r})
{USE}
print(json.dumps(con.execute({COUNT_SEGMENTS!r}).fetchall()))
"""
    assert run_python(python, code) == [[2]]


def test_every_connection_and_a_second_database_have_the_functions(python, run_python):
    code = f"""
first, second = open_database(), open_database()
counts = []
for con in (first.cursor(), second.cursor()):
    {"; ".join(USE.strip().splitlines())}
    counts += con.execute({COUNT_SEGMENTS!r}).fetchall()
first.close()
counts += second.cursor().execute({COUNT_SEGMENTS!r}).fetchall()
print(json.dumps(counts))
"""
    assert run_python(python, code) == [[2], [2], [2]]


@pytest.mark.parametrize("name", ["amazing", "kmeans", "main_"])
def test_the_name_of_the_users_database_does_not_matter(python, run_python, tmp_path, name):
    make_database(python, run_python, tmp_path / f"{name}.duckdb")
    code = f"""
con = open_database({str(tmp_path / f"{name}.duckdb")!r})
print(json.dumps(con.execute({COUNT_SEGMENTS!r}).fetchall()))
"""
    assert run_python(python, code) == [[2]]


@pytest.mark.parametrize("attach", [False, True])
def test_a_users_database_called_amz_is_left_alone(python, run_python, tmp_path, attach):
    path = str(tmp_path / "amz.duckdb")
    opened = (
        f"open_database(load=False); con.execute(\"ATTACH '{path}' AS amz\")"
        if attach
        else f"open_database({path!r}, load=False)"
    )
    code = f"""
con = {opened}
con.execute(f"LOAD '{{EXTENSION}}'")
similarity = con.execute("SELECT category_similarity('a', 'a')").fetchall()
info = str(con.execute("FROM amazing_info()").fetchall())
con.close()
con = duckdb.connect({path!r})
own = con.execute("SELECT count(*) FROM duckdb_functions() WHERE database_name = 'amz' AND NOT internal").fetchall()
print(json.dumps([similarity, own, info]))
"""
    similarity, own, info = run_python(python, code)
    assert similarity == [[1.0]] and own == [[0]]
    # Relations in the system catalog do not need the name.
    assert ("attached as amz is not ours" in info) != python.has_v2


def test_an_old_duckdb_refuses_the_extension_with_a_reason(run_python):
    code = """
con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
try:
    con.execute(f"LOAD '{EXTENSION}'")
    text = "loaded"
except duckdb.Error as error:
    text = str(error)
print(json.dumps([text, con.execute("SELECT 42").fetchall()]))
"""
    text, answer = run_python(interpreter("1.3.2"), code)
    assert "1.4" in text and "1.3.2" in text
    assert answer == [[42]]


def test_an_unsigned_extension_needs_the_setting(python, run_python):
    code = """
con = duckdb.connect()
try:
    con.execute(f"LOAD '{EXTENSION}'")
    text = "loaded"
except duckdb.Error as error:
    text = str(error)
print(json.dumps(text))
"""
    assert "allow_unsigned_extensions" in run_python(python, code)
