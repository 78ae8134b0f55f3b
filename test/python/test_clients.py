"""The clients: Python on every tested DuckDB gives the same bits; data frames and the command line client work."""

import json
import re
import subprocess
from pathlib import Path

import pandas
import pyarrow
import pytest

from conftest import NEW, ROOT, interpreter

CLI_VERSION = "1.5.6"

# More rows than one row group of DuckDB holds, so that two threads share the work; no function whose value may depend
# on DuckDB's version.
POINTS = """
CREATE TABLE points AS
SELECT
    i AS user_id,
    (i % 4 * 400 + i * 7919 % 1009) / 7.0 AS total_spent,
    (i % 4 * 90 + i * 104729 % 257) AS total_events,
    CASE WHEN i % 97 = 0 THEN NULL ELSE i * 31 % 11 / 3.0 END AS avg_basket
FROM range(250000) AS t (i)
ORDER BY {order}
"""
ORDERS = {"as_made": "i", "shuffled": "i * 48271 % 250007", "reversed": "-i"}

FITS = {
    "kmeans": "SELECT kmeans_fit(p, 4)::VARCHAR FROM points AS p",
    "kmeans_log": (
        "SELECT kmeans_fit(p, 3, {'scale': 'robust', 'log': ['total_events'], 'seed': 7})::VARCHAR"
        " FROM points AS p"
    ),
    "pca": "SELECT pca_fit(p)::VARCHAR FROM points AS p",
    "summary": "SELECT feature_summary(p)::VARCHAR FROM points AS p",
}


def fitted(pythons, run_python, version, order, threads):
    code = (
        "con ="
        f" open_database(threads={threads})\ncon.execute({POINTS.format(order=ORDERS[order])!r})\n"
    )
    code += (
        "print(json.dumps({name: con.execute(sql).fetchall()[0][0] for name, sql in"
        f" {FITS!r}.items()}}))"
    )
    return run_python(pythons[version], code)


def test_the_same_bits_in_every_version_with_any_threads_and_order(pythons, run_python):
    runs = [(NEW, "as_made", 1), (NEW, "shuffled", 2), (NEW, "reversed", 1)]
    runs += [
        (version, order, 2)
        for version in pythons
        if version != NEW
        for order in ("as_made", "shuffled")
    ]
    expected, *others = [fitted(pythons, run_python, *run) for run in runs]
    assert len(others) >= 4 and all(expected.values())
    for run, models in zip(runs[1:], others):
        assert models == expected, run


# Each connection has models of its own, in turn; a point above the middle of two centroids is in segment 1.
SIDE_BY_SIDE = """
import threading
con = open_database(threads=2)
con.execute("CREATE TABLE points AS SELECT (i * 7919 % 1000)::DOUBLE AS x FROM range(30000) AS t(i)")
ask = "SELECT count(*) FILTER (kmeans_predict({{'features': ['x'], 'centroids': [[0.0], [2.0 * {0}]]}}, {{'x': x}}) = 1) FROM points"
wrong, asked = [], []
def connection(number):
    own = con.cursor()
    for at in [100 * number + 49, 999 - 100 * number] * 20:
        counted = own.execute(ask.format(at)).fetchall()[0][0]
        asked.append(at)
        if counted != 30 * (999 - at):
            wrong.append([at, counted])
threads = [threading.Thread(target=connection, args=(number,)) for number in range(1, 5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([len(asked), wrong]))
"""


def test_connections_side_by_side_never_meet_the_model_of_another(run_python, python):
    assert run_python(python, SIDE_BY_SIDE) == [160, []]


@pytest.fixture
def frame():
    return pandas.DataFrame(
        {
            "user_id": range(300),
            "total_spent": [i % 3 * 100.0 + i % 7 for i in range(300)],
            "name": ["x"] * 300,
        }
    )


SIZES = (
    "SELECT segment, count(*) FROM amz.kmeans_segments('{}', k := 3) GROUP BY ALL ORDER BY segment"
)


def test_a_pandas_data_frame_is_a_source(con, frame):
    assert con.execute(SIZES.format("frame")).fetchall() == [(0, 100), (1, 100), (2, 100)]


def test_an_arrow_table_is_a_source(con, frame):
    arrow = pyarrow.Table.from_pandas(frame)
    assert arrow.num_rows == 300
    assert con.execute(SIZES.format("arrow")).fetchall() == [(0, 100), (1, 100), (2, 100)]


def test_segments_come_back_as_a_data_frame(con, frame):
    result = con.execute("FROM amz.kmeans_segments('frame', k := 3)").df()
    assert list(result.columns) == [*frame.columns, "segment"]
    assert sorted(result["segment"].unique()) == [0, 1, 2]


def test_a_model_survives_python_and_arrow(con, frame):
    con.register("users", frame)
    model = con.sql("SELECT kmeans_fit(u, 3) AS model FROM users AS u").to_arrow_table()
    query = (
        "SELECT count(*) FILTER (WHERE kmeans_predict(m.model, u) = s.segment) FROM model AS m,"
        " users AS u"
    )
    query += " JOIN amz.kmeans_segments('users', k := 3) AS s USING (user_id)"
    assert model.num_rows == 1
    assert con.execute(query).fetchall() == [(300,)]


def test_a_mistake_is_an_exception_and_the_connection_goes_on(con, frame):
    with pytest.raises(Exception, match="kmeans_fit: k must be between 1 and 1024, not 0"):
        con.execute("SELECT kmeans_fit(f, 0) FROM frame AS f")
    assert con.execute("SELECT 42").fetchall() == [(42,)]


def cli(*arguments, **options):
    path = Path(interpreter(CLI_VERSION)).parent / "duckdb"
    return subprocess.run(
        [str(path), "-unsigned", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        **options,
    )


def test_the_command_line_client_runs_a_script(extension, tmp_path):
    script = tmp_path / "segments.sql"
    script.write_text(
        f"""
LOAD '{extension}';
CREATE TABLE user_features AS SELECT i AS user_id, (i % 3 * 100)::DOUBLE AS total_spent FROM range(300) AS t (i);
CREATE TABLE user_segments AS FROM amz.kmeans_segments(user_features, k := 3);
SELECT segment, COUNT(*) AS users FROM user_segments GROUP BY segment ORDER BY segment;
""",
        encoding="utf-8",
    )
    process = cli("-json", tmp_path / "shop.duckdb", "-f", script)
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == [
        {"segment": segment, "users": 100} for segment in range(3)
    ]
    assert [path.name for path in tmp_path.glob("shop.*")] == ["shop.duckdb"]


def session_of_the_readme(extension, bare_names=False):
    """The blocks of README.md from the first table to the one that draws the map, as a reader of this copy runs them."""
    blocks = re.findall(
        r"^```sql\n(.*?)^```$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    beginning = "CREATE OR REPLACE TABLE user_features"
    [first] = [number for number, block in enumerate(blocks) if block.startswith(beginning)]
    [last] = [number for number, block in enumerate(blocks) if "'users.svg'" in block]
    opening = f"LOAD '{extension}';\n" + ("" if bare_names else "SET search_path = 'main,amz';\n")
    return opening + "".join(blocks[first : last + 1])


def test_the_session_of_the_readme_runs_in_the_command_line_client(extension, tmp_path):
    script = tmp_path / "session.sql"
    script.write_text(session_of_the_readme(extension), encoding="utf-8")
    process = cli("-bail", "-csv", "-f", script, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert (
        process.stdout.splitlines()[0] == "segment,users,events,spent"
        and len(process.stdout.splitlines()) > 10
    )
    assert (tmp_path / "users.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_session_of_the_readme_runs_in_python(
    python, run_python, extension, v2_extension, tmp_path
):
    code = f"os.chdir({str(tmp_path)!r})\ncon = open_database(load=False)\n"
    code += f"con.execute({session_of_the_readme(v2_extension if python.has_v2 else extension, python.has_v2)!r})\n"
    code += (
        "print(json.dumps(con.execute('SELECT count(DISTINCT segment) FROM"
        " user_segments').fetchall()))"
    )
    assert run_python(python, code) == [[4]]


def test_the_command_line_client_says_what_is_wrong(extension):
    process = cli("-c", f"LOAD '{extension}'", "-c", "SELECT normalize_category('x', ['y'], 7.0)")
    assert process.returncode != 0
    assert "normalize_category: min_similarity must be between 0 and 1, not 7.0" in process.stderr


def test_the_demonstration_runs_twice_and_loads_once(extension, tmp_path):
    script = ROOT / "extension-ci" / "demo.py"
    command = [
        interpreter(CLI_VERSION),
        script,
        "--rows",
        "50000",
        "--folder",
        tmp_path,
        "--extension",
        extension,
    ]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, encoding="utf-8") for _ in range(2)
    )
    assert first.returncode == 0 and second.returncode == 0, first.stderr + second.stderr
    assert second.stdout.count("nothing new") == 2 and "nothing new" not in first.stdout
    tables = [run.stdout.split("files that were loaded", 1)[1] for run in (first, second)]
    assert tables[0] == tables[1]
    for picture in ("segments.svg", "player_segments.svg"):
        assert (tmp_path / picture).read_text(encoding="utf-8").startswith("<svg")
