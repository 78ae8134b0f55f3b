"""Wrong calls by the hundred: seeded random arguments and options for every function; the process must survive them all.

Each batch runs in a process of its own on each tested version of DuckDB. What a call gives is not judged here, only that
it ends: with rows or with an error for the user, never with an abort or the text of a panic.
"""

import random

import pytest

CALLS = 150

# Constants of every kind of type, good and bad.
CONSTANTS = """
    NULL | NULL::INTEGER | NULL::DOUBLE[] | NULL::STRUCT(a DOUBLE) | true | 0 | 1 | -1 | 5 | 5.7 | 2::TINYINT | 255::UTINYINT
    9223372036854775807 | 170141183460469231731687303715884105727::HUGEINT | 340282366920938463463374607431768211455::UHUGEINT
    3::DECIMAL(38, 10) | 1.5::DECIMAL(4, 1) | 'nan'::DOUBLE | 'inf'::DOUBLE | '-inf'::FLOAT | 1e300 | 1e-300 | 1e99 | '' | 'text'
    '5' | '18-25' | 'ünï' | repeat('long ', 5000) | 'a'::BLOB | '101'::BIT | DATE '2020-01-01' | TIMESTAMP '2020-01-01'
    TIME '10:00:00' | INTERVAL 1 DAY | TIMESTAMPTZ '2020-01-01 00:00:00+00' | '00000000-0000-0000-0000-000000000000'::UUID
    'one'::ENUM ('one', 'two') | union_value(num := 2) | [] | [NULL] | [1, 2] | [1.5, NULL] | ['a', 'b'] | [[1, 2], [3]]
    [[1.0], NULL] | [1, 2]::INTEGER[2] | [[1], [2]]::DOUBLE[1][2] | ['a']::VARCHAR[1] | {'a': 1} | {'a': NULL} | {'a': [1]} | row(1, 2)
    {'a': {'b': 1}} | {'a': 1, 'b': 'x'} | MAP {} | MAP {'a': ['b']} | MAP {1: 2} | MAP {'a': NULL} | [{'a': 1}]
    {'centroids': [[1], [2]]} | {'centroids': [[1.0], NULL]} | {'centroids': [[1.0, 2.0], [3.0]]} | {'centroids': []} | {'centroids': [[]]}
    {'centroids': [[1e308], [-1e308]], 'sizes': [9223372036854775807, 9223372036854775807]} | {'centroids': 'x', 'version': 2}
    {'centroids': [[1], [2]], 'features': ['a'], 'spread': [0]} | {'centroids': [[1], [2]], 'features': ['a'], 'iterations': 5000000000}
    {'centroids': [[1], [2]], 'features': ['a'], 'log': ['a'], 'nulls': 'mean', 'fill': [], 'inertia': 'nan'::DOUBLE, 'seed': 1e300}
    {'centroids': [[1], [2]], 'features': ['a', 'a']} | {'components': [[1], [2]], 'features': ['a']} | {'components': [[1e308, 1e308]]}
    {'components': [[1]], 'features': ['a'], 'nulls': 'zero', 'explained_variance': [NULL], 'explained_variance_ratio': [1]}
    {'components': [[0.0]], 'explained_variance': ['nan'::DOUBLE], 'mean': [1e99], 'center': [-1e99], 'spread': [1e-300]}
    (SELECT kmeans_fit({'a': a, 'b': b}, 2) FROM rows) | (SELECT pca_fit({'a': a, 'b': b}) FROM rows) | (SELECT kmeans_fit({'a': a}, 2) FROM rows WHERE false)
"""

# Expressions over the columns of a row.
COLUMNS = """
    t | a | b | c | label | {'a': a} | {'a': a, 'b': b} | {'a': a, 'b': NULL, 'c': c} | {'A': b, 'x': label} | [a, b] | [a] | [a::FLOAT, b, c]
    [a, b]::DOUBLE[2] | [b]::FLOAT[1] | CASE WHEN i % 3 = 0 THEN [a] ELSE [a, b] END | CASE WHEN i % 2 = 0 THEN {'a': a} END | l | s | nested
    CASE WHEN i % 5 > 0 THEN [a, b] END | {'a': a, 'l': l, 's': s, 'n': nested, 'm': m, 'd': d, 'e': e} | m | d | e | [label] | [[a], [b]]
    a::DECIMAL(18, 3) | a::HUGEINT | i % 2 = 0 | label::VARCHAR[] | {'a': i, 'w': -i, 'f': 1e99 * i} | list_value() | i::VARCHAR | label || chr(0) || 'x'
"""

OPTIONS = (
    "features id scale log nulls weight init n_init max_iter tol seed memory threads model relation adds label n title "
    "x_label y_label width height max_points unknown"
).split()
GOOD_OPTIONS = {
    "features": "['a'] | ['a', 'b'] | 'b' | ['A', 'a'] | ['e'] | ['s']",
    "id": "['a'] | 'b'",
    "scale": "'robust' | 'minmax' | 'none' | 'STANDARD'",
    "log": "['a'] | 'b'",
    "nulls": "'mean' | 'zero' | 'error' | 'skip'",
    "weight": "'a' | 'b' | 'i' | 'label'",
    "n_init": "1 | 2",
    "max_iter": "1 | 5",
    "tol": "0 | 1e9",
    "seed": "-1 | 9223372036854775807",
    "memory": "1048576 | 9223372036854775807",
    "threads": "1 | 100000",
    "n": "1 | 2 | 0.5 | 0.999999 | 1e18",
    "max_points": "1 | 50000",
    "width": "400 | 4096",
    "key": "'i' | 'i' | 'i' | 'l' | 's'",
    "segment": "'label' | 'a' | 'e' | 'd' | 's' | 'l' | 'c'",
    "min_similarity": "0 | 1 | 0.5",
}
FUNCTIONS = {
    "kmeans_fit": "row k options?",
    "pca_fit": "row options?",
    "feature_summary": "row options?",
    "kmeans_predict": "model row",
    "kmeans_distance": "model row",
    "kmeans_distances": "model row",
    "kmeans_centroids": "model",
    "pca_transform": "model row k?",
    "pca_components": "model",
    "normalize_category": "text any? any?",
    "category_match": "text any any?",
    "category_similarity": "text text",
    "category_fingerprint": "text",
    "exact_bigint": "text",
    "exact_decimal": "text",
    "exact_timestamp": "text",
    "exact_uuid": "text",
    "scatter_svg": "column column any options?",
    "line_svg": "column column any options?",
    "content_hash": "text",
    "repeated_values": "integer",
}
RELATIONS = {
    "kmeans_segments": "k features id model scale log nulls weight init n_init max_iter tol seed memory",
    "kmeans_centroids": "k features id model scale log nulls weight init n_init max_iter tol seed memory",
    "segment_profile": "segment features id",
    "segment_migration": "key segment",
    "pca_2d": "features id scale log nulls memory",
    "pca_components": "n features id scale log nulls memory",
    "normalize_category": "min_similarity",
}
SOURCES = "rows | t | 'rows' | nobody | one | gaps | texts".split(" | ")


def alternatives(text):
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]


constants, columns = alternatives(CONSTANTS), alternatives(COLUMNS)


def value_of(option, choose):
    good = GOOD_OPTIONS.get(option)
    return choose.choice(alternatives(good)) if good and choose.random() < 0.7 else choose.choice(constants)


def options(choose):
    """An options argument: mostly a STRUCT of a few names, now and then anything."""
    if choose.random() < 0.1:
        return choose.choice(constants + columns)
    names = choose.sample(OPTIONS, choose.randint(1, 3))
    return "{" + ", ".join(f"'{name}': {value_of(name, choose)}" for name in names) + "}"


def argument(kind, choose):
    sensible = {
        "row": columns[:19],
        "k": ["1", "2", "3", "2::HUGEINT", "1024"],
        "model": [
            constant
            for constant in constants
            if "centroids" in constant or "components" in constant or "fit(" in constant
        ],
        "text": ["label", "label || 'x'", "'Actionn'", "NULL", "i::VARCHAR"],
        "integer": ["i", "i // 3", "7", "NULL", "(hash(label) >> 1)::BIGINT"],
        "column": ["a", "b", "i", "c", "1e300", "NULL"],
        "any": ["['action', 'puzzle']", "MAP {'action': ['act'], 'web': NULL}", "0.5", "label", "[label]"],
    }
    if kind == "options":
        return options(choose)
    return choose.choice(sensible[kind]) if choose.random() < 0.7 else choose.choice(constants + columns)


def function_call(choose, name):
    kinds = FUNCTIONS[name].split()
    given = [kind.rstrip("?") for kind in kinds if not kind.endswith("?") or choose.random() < 0.8]
    call = f"{name}({', '.join(argument(kind, choose) for kind in given)})"
    # Aggregates fold the rows, scalars have one result a row; LIMIT leaves groups behind that nobody finishes.
    shape = choose.choice(
        [
            "SELECT {call} FROM rows AS t",
            "SELECT {call} FROM rows AS t",
            "SELECT i % 3 AS g, {call} FROM rows AS t GROUP BY ALL",
            "SELECT i % 2500 AS g, {call} FROM many AS t GROUP BY ALL LIMIT 3",
            "SELECT {call} FROM many AS t",
            "SELECT {call} FROM nobody AS t",
            "SELECT {call}",
        ]
    )
    return shape.format(call=call)


def relation_call(choose, name):
    parameters = RELATIONS[name].split()
    given = choose.sample(parameters, choose.randint(0, min(3, len(parameters))))
    arguments = [choose.choice(SOURCES)]
    if name == "normalize_category":
        column = choose.choice(["'label'", "'label'", "'label'", "'a'", "'none'", "label", "7", "NULL"])
        arguments += [
            column,
            choose.choice(["['action', 'puzzle']", "MAP {'action': ['act']}", argument("any", choose)]),
        ]
    if name == "segment_profile" and "segment" not in given:
        given.append("segment")
    if name == "segment_migration":
        arguments.append(choose.choice(SOURCES))
        given = parameters
    for parameter in given:
        arguments.append(
            f"{parameter} := {'2' if parameter == 'k' and choose.random() < 0.6 else value_of(parameter, choose)}"
        )
    return f"FROM amz.{name}({', '.join(arguments)})"


def generator_call(choose):
    names = ["users", "products", "seed", "start", "days", "dirt"]
    good = [
        "1",
        "7",
        "100",
        "0.5",
        "TIMESTAMP '2024-01-01'",
        "-1",
        "9223372036854775807",
        "'infinity'::TIMESTAMP",
        "1e300",
    ]

    def any_value():
        return (
            choose.choice(good) if choose.random() < 0.7 else choose.choice([c for c in constants if "SELECT" not in c])
        )

    rows = choose.choice(["0", "1", "2049", "5000", any_value()])
    named = [f"{name} := {any_value()}" for name in choose.sample(names, choose.randint(0, 3))]
    return f"FROM synthetic_marketplace_events({', '.join([rows, *named])}) LIMIT 5000"


def calls(name, seed):
    choose = random.Random(f"{name} {seed}")
    if name in FUNCTIONS:
        return [function_call(choose, name) for _ in range(CALLS)]
    if name == "synthetic_marketplace_events":
        return [generator_call(choose) for _ in range(CALLS // 2)]
    return [relation_call(choose, name.removeprefix("amz.")) for _ in range(CALLS // 2)]


SETUP = """
CREATE TABLE rows AS
SELECT
    i, i % 7 AS a, CASE WHEN i % 11 > 0 THEN i * 1.5 END AS b, CASE WHEN i % 13 = 0 THEN 'nan'::DOUBLE ELSE i % 5 END AS c,
    ['action', 'Actionn', NULL, '', '18-25'][1 + i % 5] AS label, CASE WHEN i % 4 > 0 THEN [i, NULL] END AS l, {'a': i, 'b': [i]} AS s,
    [{'x': [i]}] AS nested, MAP {'k': i} AS m, DATE '2020-01-01' + i::INTEGER AS d, (CASE WHEN i % 2 = 0 THEN 'x' ELSE 'y' END)::ENUM ('x', 'y') AS e
FROM (SELECT range::INTEGER AS i FROM range(60));
CREATE TABLE many AS SELECT r.* REPLACE (q.range::INTEGER AS i) FROM rows AS r, range(100) AS q;
CREATE VIEW t AS FROM rows;
CREATE VIEW nobody AS FROM rows WHERE false;
CREATE VIEW one AS FROM rows LIMIT 1;
CREATE VIEW gaps AS SELECT i, NULL::DOUBLE AS a, NULL::DOUBLE AS b FROM rows;
CREATE VIEW texts AS SELECT label, d FROM rows;
"""

RUN = """
import sys
con = open_database(threads=2)
con.execute(SETUP)
told, succeeded = [], 0
for sql in CALLS:
    print(sql, file=sys.stderr, flush=True)
    try:
        con.execute(sql).fetchall()
        succeeded += 1
    except duckdb.Error as error:
        text = str(error)
        if 'internal error' in text.lower() or text.startswith('FATAL') or 'panicked' in text:
            told.append([sql, text[:500]])
assert con.execute('SELECT 42').fetchall() == [(42,)]
print(json.dumps([told, succeeded]))
"""


@pytest.mark.parametrize("name", [*FUNCTIONS, *(f"amz.{name}" for name in RELATIONS), "synthetic_marketplace_events"])
def test_wrong_calls_are_survived(run_python, python, name):
    code = f"SETUP = {SETUP!r}\nCALLS = {calls(name, 0)!r}\n{RUN}"
    told, succeeded = run_python(python, code, timeout=300)
    assert told == []
    # A batch in which nothing succeeds would test the binder of DuckDB only.
    assert succeeded > 0
