"""Models as queries: the same segments and scores in databases that do not have the extension."""

import sqlite3

import duckdb
import pytest
from test_postgresql import PYTHON, server  # noqa: F401  (the fixture)

SETUP = """
CREATE TABLE customers AS
SELECT
    i AS id,
    CASE i % 97
        WHEN 0 THEN NULL
        WHEN 1 THEN 'inf'::DOUBLE
        ELSE (i * 7919) % 1009 * exp((i % 37) / 9)
    END AS "total ""net"" spent",
    (i * 104729) % 31 AS visits,
    round(sin(i), 2) AS "order",
    i % 12 AS month
FROM range(1, 20001) AS r(i);
"""
# Every way to scale and to fill, one segment, many, and ties: whole numbers between centroids.
MODELS = [
    """kmeans_fit(c, 5, {'id': ['id'], 'log': ['total "net" spent']})""",
    "kmeans_fit(c, 7, {'nulls': 'mean', 'scale': 'robust'})",
    "kmeans_fit(c, 3, {'nulls': 'zero', 'scale': 'minmax'})",
    "kmeans_fit(c, 120, {'features': ['visits', 'order', 'month']})",
    "kmeans_fit(c, 1)",
    """any_value({
        'features': ['visits', 'month'],
        'centroids': [[4.0, 4.0], [8.0, 8.0], [8.0, 4.0], [4.0, 8.0]]
    })""",
]


class Fitted:
    """Models of the customers: what the extension tells of all rows, and their queries."""

    def __init__(self, con):
        self.con = con
        con.execute(SETUP)
        self.models = [
            con.execute(f"SELECT {fit} FROM customers AS c").fetchone()[0] for fit in MODELS
        ]
        fit = "pca_fit(c, {'n': 3, 'nulls': 'mean'})"
        self.pca = con.execute(f"SELECT {fit} FROM customers AS c").fetchone()[0]
        self.labels = [
            [row[0] for row in self.rows(f"SELECT kmeans_predict($1, c) {ALL}", model)]
            for model in self.models
        ]
        self.scores = [row[0] for row in self.rows(f"SELECT pca_transform($1, c) {ALL}", self.pca)]

    def rows(self, sql, *arguments):
        return self.con.execute(sql, arguments).fetchall()

    def check(self, dialect, answers):
        """Compares what `answers` returns for a list of queries with what the extension tells."""
        query = "SELECT {}_to_sql($1, 'customers', $2)"
        (scores,) = self.rows(query.format("pca"), self.pca, dialect)[0]
        texts = [self.rows(query.format("kmeans"), model, dialect)[0][0] for model in self.models]
        queries = [f"SELECT segment FROM ({text}) AS s ORDER BY id" for text in texts]
        queries.append(f"SELECT pc1, pc2, pc3 FROM ({scores}) AS s ORDER BY id")
        *labels, scores = answers(queries)
        for fit, expected, found in zip(MODELS, self.labels, labels, strict=True):
            assert [row[0] for row in found] == expected, fit
        for expected, found in zip(self.scores, scores, strict=True):
            assert list(found) == pytest.approx(expected, rel=1e-12, abs=1e-12)


ALL = "FROM customers AS c ORDER BY id"


@pytest.fixture(scope="module")
def fitted(connect):
    return Fitted(connect())


def test_a_duckdb_without_the_extension_tells_the_same_segments(fitted):
    con = duckdb.connect()
    con.execute(SETUP)
    fitted.check("duckdb", lambda queries: [con.execute(query).fetchall() for query in queries])


def test_sqlite_tells_the_same_segments(fitted):
    con = sqlite3.connect(":memory:")
    con.execute(
        """CREATE TABLE customers (id, "total ""net"" spent" REAL, visits, "order" REAL, month)"""
    )
    rows = fitted.rows(f"SELECT * {ALL}")
    con.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", rows)
    fitted.check("sqlite", lambda queries: [con.execute(query).fetchall() for query in queries])


IN_POSTGRESQL = """
con = duckdb.connect(config={{'allow_unsigned_extensions': 'true'}})
con.execute("LOAD '{extension}'")
con.execute("ATTACH 'host={folder} user=games dbname=postgres' AS pg (TYPE postgres)")
con.execute({setup!r})
con.execute('CREATE OR REPLACE TABLE pg.public.customers AS FROM customers')
run = "FROM postgres_query('pg', $1)"
answers = [con.execute(run, [query]).fetchall() for query in {queries!r}]
con.execute('DROP TABLE pg.public.customers')
print(json.dumps(answers))
"""


@pytest.mark.skipif(not PYTHON.path.exists(), reason="build/venv/postgresql is missing")
@pytest.mark.xdist_group("postgresql")
def test_postgresql_tells_the_same_segments(fitted, run_python, server):  # noqa: F811
    folder, extension = server

    def answers(queries):
        code = IN_POSTGRESQL.format(
            extension=extension, folder=folder, setup=SETUP, queries=queries
        )
        return run_python(PYTHON, code)

    fitted.check("postgres", answers)


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "mysql"])
def test_other_dialects_are_read_by_a_parser(fitted, dialect):
    sqlglot = pytest.importorskip("sqlglot")
    for model in fitted.models:
        (text,) = fitted.rows("SELECT kmeans_to_sql($1, 'customers', $2)", model, dialect)[0]
        (query,) = sqlglot.parse(text, dialect=dialect)
        assert query.named_selects[-1] == "segment"
