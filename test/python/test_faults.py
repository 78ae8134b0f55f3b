"""Wrong calls by the hundred: seeded random arguments and options for every function; the process must survive them all.

The functions and their parameters are those that `amazing_functions()` lists. Each batch runs in a process of its own on
each tested version of DuckDB. What a call gives is not judged here, only that it ends: with rows or with an error for the
user, never with an abort or the text of a panic.
"""

import functools
import random
import subprocess
import sys

import duckdb
import pytest

from conftest import ROOT, extension_path

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
    {'r': 0.24, 'alpha': 4.4, 'a': 0.8, 'b': 2.4} | {'r': 1e-30, 'alpha': 1e30, 'a': 1e8, 'b': 1e-12, 'p': 1, 'q': 1, 'gamma': 1e30}
    {'r': 1e30, 'alpha': 1e-30, 'a': 1e8, 'b': 1e8, 'p': 1e30, 'q': 1e30, 'gamma': 1e-30} | {'r': 1, 'alpha': 0, 'a': 1, 'b': 1}
    {'means': [[1], [2]], 'covariances': [[[1]], [[2]]], 'features': ['a']} | {'means': [[1, 2]], 'covariances': [[[1, 9], [9, 1]]]}
    {'means': [[1]], 'covariances': [[['nan'::DOUBLE]]]} | {'means': [[1e300]], 'covariances': [[[1e-300]]], 'weights': [1]}
    (SELECT gmm_fit({'a': a, 'b': b}, 2) FROM rows) | (SELECT kmeans_fit({'a': a, 'b': b}, 2) FROM rows) | (SELECT pca_fit({'a': a, 'b': b}) FROM rows) | (SELECT kmeans_fit({'a': a}, 2) FROM rows WHERE false)
"""

# Expressions over the columns of a row.
COLUMNS = """
    {'frequency': a, 'recency': a, 'age': 9, 'value': b} | {'frequency': i, 'recency': i * 1e-3, 'age': i * 1e9, 'value': NULL} | t | a | b | c | label | {'a': a} | {'a': a, 'b': b} | {'a': a, 'b': NULL, 'c': c} | {'A': b, 'x': label} | [a, b] | [a] | [a::FLOAT, b, c]
    [a, b]::DOUBLE[2] | [b]::FLOAT[1] | CASE WHEN i % 3 = 0 THEN [a] ELSE [a, b] END | CASE WHEN i % 2 = 0 THEN {'a': a} END | l | s | nested
    CASE WHEN i % 5 > 0 THEN [a, b] END | {'a': a, 'l': l, 's': s, 'n': nested, 'm': m, 'd': d, 'e': e} | m | d | e | [label] | [[a], [b]]
    a::DECIMAL(18, 3) | a::HUGEINT | i % 2 = 0 | label::VARCHAR[] | {'a': i, 'w': -i, 'f': 1e99 * i} | list_value() | i::VARCHAR | label || chr(0) || 'x'
"""

OPTIONS = (
    "features id scale log nulls weight init n_init max_iter tol seed memory threads model relation"
    " covariance covariances"
    " adds label n title x_label y_label width height max_points unknown"
).split()
GOOD_OPTIONS = {
    "features": "['a'] | ['a', 'b'] | 'b' | ['A', 'a'] | ['e'] | ['s']",
    "id": "['a'] | 'b'",
    "scale": "'robust' | 'minmax' | 'none' | 'STANDARD'",
    "log": "['a'] | 'b'",
    "nulls": "'mean' | 'zero' | 'error' | 'skip'",
    "weight": "'a' | 'b' | 'i' | 'label'",
    "covariance": "'full' | 'tied' | 'diag' | 'spherical'",
    "covariances": "['full'] | 'diag' | ['tied', 'spherical']",
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
# What mostly stands for a parameter of that name in a call of a function, which takes it in its place.
ARGUMENTS = {
    "k": "1 | 2 | 3 | 2::HUGEINT | 1024",
    "k_min": "1 | 2 | 3",
    "k_max": "2 | 3 | 4::UTINYINT | 70",
    "n": "1 | 2 | 0.5",
    "text": "label | label || 'x' | 'Actionn' | NULL | i::VARCHAR",
    "line": "label | '1,\"x,y\",6\" nail' | '\"open' | chr(0) | NULL | i::VARCHAR",
    "separator": "',' | ';' | chr(9) | '::' | label | NULL",
    "content": (
        "encode(label) | '\\x1F\\x8B\\x08\\x00'::BLOB | '\\x28\\xB5\\x2F\\xFD\\x20'::BLOB |"
        " ''::BLOB | NULL::BLOB"
    ),
    "value": "label | label || 'x' | i | i // 3 | NULL | (hash(label) >> 1)::BIGINT",
    "a": "label | 'Actionn' | NULL | i::VARCHAR",
    "b": "label | label || 'x' | 'action' | NULL",
    "x": "a | b | i | c | d | 1e300 | NULL",
    "y": "a | b | i | c | 1e300 | NULL",
    "label": "label | i | a | NULL | [label]",
    "source": "'rows' | label | NULL | ''",
    "dialect": "'duckdb' | 'sqlite' | label | NULL",
    "series": "label | NULL | 'one'",
    "scores": "[1.0, 2.0] | [1.0] | [] | [a, b] | NULL | [NULL, 1]",
    "vocabulary": "['action', 'puzzle'] | MAP {'action': ['act'], 'web': NULL} | [label] | []",
    "min_similarity": "0.5 | 0.75 | 1 | label",
    "names": "['segment'] | 'segment' | ['a', 'label'] | []",
    "relation": "'mine' | NULL | label",
    "rows": "0 | 1 | 2049 | 5000",
    "users": "1 | 7 | 100 | 1000000000",
    "products": "1 | 7 | 100",
    "games": "1 | 7 | 100",
    "seed": "-1 | 9223372036854775807",
    "start": "TIMESTAMP '2024-01-01' | 'infinity'::TIMESTAMP",
    "days": "1 | 7 | 3660",
    "customers": "0 | 1 | 1000",
    "joining_days": "1 | 7 | NULL",
    "alpha": "0.5 | 1e6 | NULL",
    "r": "0.5 | 4 | 1e-3 | NULL",
    "p": "0.5 | 4 | 1e-3 | NULL",
    "q": "0.5 | 4 | 1e-3 | NULL",
    "gamma": "0.5 | 4 | 1e-3 | NULL",
    "horizon": "52 | 0 | i | b | 1e12 | NULL",
    "discount": "0 | 0.001 | b | 1e12 | NULL",
    "dirt": "0 | 0.5 | 1 | 1e300 | 'nan'::DOUBLE",
    "truth": "true | false | NULL",
    "pipeline": "'marketplace' | 'games' | 'nothing'",
    "schema_prefix": "'x_' | '' | 'a b' | '\"'",
}
# The same for relations. They are given their sources by name, and columns by a name in quotes.
RELATION_ARGUMENTS = {
    **GOOD_OPTIONS,
    "source": "rows | t | 'rows' | nobody | one | gaps | texts | events",
    "before": "rows | t | 'rows' | nobody | one",
    "after": "rows | t | 'rows' | nobody | one",
    "col": "'label' | 'label' | 'label' | 'a' | 'none' | label | 7 | NULL",
    "vocabulary": ARGUMENTS["vocabulary"],
    "k": "2 | 2 | 3",
    "k_min": "1 | 2",
    "k_max": "2 | 4",
    "user": "'user_id' | 'USER_ID' | 'label'",
    "customer": "'user_id' | 'label'",
    '"time"': "'event_time' | 'EVENT_TIME'",
    "type": "'event_type' | 'label' | NULL",
    "value": "'price' | NULL",
    "amount": "'price' | 'user_id'",
    "session": "'user_session' | NULL",
    "view": "'view' | NULL",
    "purchase": "'purchase' | NULL",
    "steps": "['view', 'cart', 'purchase'] | ['view'] | []",
    "types": "['cart'] | ['none']",
    "period": "'day' | 'week' | 'month' | 'year'",
    "within": "INTERVAL 1 DAY | '1 hour' | NULL",
    "as_of": "DATE '2020-02-01' | NULL",
    "bins": "1 | 5 | 10",
    "max_rules": "2 | 40 | 100 | NULL",
    "unit": "'day' | 'week' | 'month'",
    "horizon": "52 | 0 | 1e6",
    "split": "DATE '2020-01-20' | '2020-02-01'",
    "discount": "0 | 0.001 | 1e6",
    "max_gap": "'30 minutes' | INTERVAL 1 DAY | '1 wrong' | INTERVAL (-1) DAY",
    "min_ratio": "0 | 1 | 5",
    "path": (
        f"'{ROOT / 'LICENSE'}' | '{ROOT / '*.md'}' | 'no such file' | '' | ['{ROOT / 'LICENSE'}']"
    ),
}
# What a relation needs as a rule, because no table here has a column of the name that is the default.
MOSTLY_GIVEN = ("segment", "key", "customer", "amount", "split", "steps", '"time"')


@functools.cache
def catalog():
    """Name -> (kind, parameters in their places, those that may be left out) of all functions and relations."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension_path()}'")
    rows = connection.execute("SELECT name, kind, signature FROM amazing_functions()").fetchall()
    connection.close()
    functions = {}
    for name, kind, signature in rows:
        needed, optional, is_optional = [], [], False
        # `f(a [, b [, c]])`, of relations and table functions `f(a, b := default, c := )`.
        for part in filter(None, signature.partition("(")[2].removesuffix(")").split(",")):
            parameter, is_named, _ = part.partition(":=")
            (optional if is_optional or is_named else needed).append(parameter.strip(" []"))
            is_optional |= "[" in part
        assert all(parameter.strip('"').isidentifier() for parameter in needed + optional), (
            signature
        )
        functions["amz." + name if kind == "relation" else name] = (kind, needed, optional)
    return functions


def alternatives(text):
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]


constants, columns = alternatives(CONSTANTS), alternatives(COLUMNS)


def value_of(option, choose):
    good = GOOD_OPTIONS.get(option)
    return (
        choose.choice(alternatives(good))
        if good and choose.random() < 0.7
        else choose.choice(constants)
    )


def options(choose):
    """An options argument: mostly a STRUCT of a few names, now and then anything."""
    if choose.random() < 0.1:
        return choose.choice(constants + columns)
    names = choose.sample(OPTIONS, choose.randint(1, 3))
    return "{" + ", ".join(f"'{name}': {value_of(name, choose)}" for name in names) + "}"


def argument(parameter, choose):
    """An argument of a function."""
    if parameter == "options":
        return options(choose)
    if parameter == "row":
        good = columns[:21]
    elif parameter == "model":
        good = [
            c
            for c in constants
            if any(part in c for part in ("centroids", "components", "alpha", "fit("))
        ]
    else:
        good = alternatives(ARGUMENTS.get(parameter, "label | a | NULL"))
    return choose.choice(good) if choose.random() < 0.7 else choose.choice(constants + columns)


def function_call(choose, name):
    _, needed, optional = catalog()[name]
    given = needed + optional[: choose.choice([0, *[len(optional)] * 3])]
    call = f"{name}({', '.join(argument(parameter, choose) for parameter in given)})"
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
    _, needed, optional = catalog()[name]
    given = choose.sample(optional, choose.randint(0, min(3, len(optional))))
    given += [
        parameter for parameter in optional if parameter in MOSTLY_GIVEN and parameter not in given
    ]

    def value(parameter):
        good = RELATION_ARGUMENTS.get(parameter)
        is_good = parameter in ("source", "before", "after") or choose.random() < 0.8
        return choose.choice(alternatives(good)) if good and is_good else choose.choice(constants)

    arguments = [value(parameter) for parameter in needed]
    arguments += [f"{parameter} := {value(parameter)}" for parameter in given]
    return f"FROM {name}({', '.join(arguments)})"


def table_call(choose, name):
    _, needed, optional = catalog()[name]
    # Parameters of a table function are no subqueries.
    bad = [constant for constant in constants if "SELECT" not in constant]

    def value(parameter):
        return choose.choice(alternatives(ARGUMENTS[parameter]) if choose.random() < 0.7 else bad)

    arguments = [value(parameter) for parameter in needed]
    named = choose.sample(optional, choose.randint(0, min(3, len(optional))))
    arguments += [f"{parameter} := {value(parameter)}" for parameter in named]
    return f"FROM {name}({', '.join(arguments)}) LIMIT 5000"


def calls(name, seed):
    choose = random.Random(f"{name} {seed}")
    kind = catalog()[name][0]
    make, n = {
        "relation": (relation_call, CALLS // 2),
        "table function": (table_call, CALLS // 2),
    }.get(kind, (function_call, CALLS))
    # A function without parameters has one call.
    return list(dict.fromkeys(make(choose, name) for _ in range(n)))


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
CREATE VIEW events AS
SELECT
    a AS user_id, d::TIMESTAMP + i * INTERVAL 7 MINUTE AS event_time, label, ['view', 'cart', 'purchase'][1 + i % 3] AS event_type,
    i * 1.5 AS price, 's' || i // 4 AS user_session
FROM rows;
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


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", catalog())


def test_wrong_calls_are_survived(run_python, python, name):
    code = f"SETUP = {SETUP!r}\nCALLS = {calls(name, 0)!r}\n{RUN}"
    told, succeeded = run_python(python, code, timeout=300)
    assert told == []
    # A batch in which nothing succeeds would test the binder of DuckDB only.
    assert succeeded > 0


def test_the_list_of_functions_is_that_of_the_catalog():
    functions = catalog()
    kinds = {kind for kind, _, _ in functions.values()}
    assert kinds == {"aggregate", "scalar", "table function", "relation"}
    assert functions["kmeans_fit"] == ("aggregate", ["row", "k"], ["options"])
    assert functions["normalize_category"] == (
        "scalar",
        ["value"],
        ["vocabulary", "min_similarity"],
    )
    assert functions["amz.sessionize"] == ("relation", ["source"], ["max_gap", "user", '"time"'])
    assert functions["synthetic_users"] == ("table function", ["rows"], ["seed", "dirt", "truth"])
    assert functions["amz.amazing_info"] == ("relation", [], [])


# Numbers at the ends of their range

EXTREMES = """
    0.0 | -0.0 | 5e-324 | -5e-324 | 1e-310 | 2.2250738585072014e-308 | 1e-200 | 1e-16 | 1.0 | -1.0 | 3.7 | 1e15 | 9.9e15 | 999999.95
    1e16 | 1e99 | 1e100 | 1e154 | 1e200 | 1e300 | 1.7976931348623157e308 | -1.7976931348623157e308 | 'nan' | '-nan' | 'inf' | '-inf' | NULL
    9223372036854775807 | -9223372036854775808 | 170141183460469231731687303715884105727
"""
# {x} is such a number; the others are what the table is called and one of a few words.
STATEMENTS = """
SELECT kmeans_fit({{'a': a, 'b': b, 'w': w}}, {k}, {{'scale': '{scale}', 'nulls': 'mean', 'log': ['a'], 'weight': 'w'}}) FROM {table}
SELECT kmeans_fit({{'a': a, 'b': b}}, {k}, {{'scale': '{scale}', 'nulls': 'zero'}}) FROM {table}
SELECT kmeans_fit({{'a': a}}, 2, {{'scale': 'none', 'init': [[{x}::DOUBLE], [{x}::DOUBLE]]}}) FROM {table}
SELECT pca_fit({{'a': a, 'b': b}}, {{'scale': '{scale}'}}) FROM {table}
SELECT feature_summary({{'a': a, 'b': b}}) FROM {table}
FROM amz.kmeans_metrics({table}, nulls := 'mean')
FROM amz.kmeans_segments({table}, k := {k}, scale := '{scale}', nulls := 'mean')
SELECT kmeans_distances({{'centroids': [[{x}::DOUBLE], [{x}::DOUBLE]], 'features': ['a']}}, {{'a': a}}) FROM {table}
SELECT pca_transform({{'components': [[{x}::DOUBLE, {x}::DOUBLE]], 'features': ['a', 'b'], 'mean': [{x}::DOUBLE, 0]}}, {{'a': a, 'b': b}}) FROM {table}
SELECT scatter_svg(a, b, w) FROM {table}
SELECT line_svg(i, a, NULL, {{'mark': '{mark}'}}) FROM {table}
SELECT line_svg(a, b, i, {{'mark': '{mark}'}}) FROM {table}
SELECT line_svg(DATE '1970-01-01' + (i * {step})::INTEGER, a, NULL, {{'mark': '{mark}'}}) FROM {table}
SELECT line_svg(make_timestamp(i * {step} * {step}::BIGINT), b, NULL, {{'mark': '{mark}'}}) FROM {table}
FROM synthetic_marketplace_events(100, start := TIMESTAMP '1970-01-01' + to_days({step}), days := 3650, seed := {x}) LIMIT 10
"""


def extreme_calls(seed):
    choose = random.Random(seed)
    extremes = alternatives(EXTREMES)
    setup, calls = [], []
    for table in range(25):
        few = choose.sample(extremes, choose.choice([1, 2, 3, 6, len(extremes)]))
        values = [
            f"({i}, {choose.choice(few)}::DOUBLE, {choose.choice(few)}::DOUBLE,"
            f" abs({choose.choice(extremes[:21])}::DOUBLE))"
            for i in range(choose.choice([1, 2, 5, 8, 30]))
        ]
        setup.append(
            f"CREATE TABLE extreme{table} AS FROM (VALUES {', '.join(values)}) AS v (i, a, b, w);"
        )
        for statement in STATEMENTS.strip().splitlines():
            words = {
                "k": choose.choice([1, 2, 3]),
                "scale": choose.choice(["standard", "robust", "minmax", "none"]),
                "mark": choose.choice(["bar", "line"]),
                "step": choose.choice([1, 1000, 70000000, -70000000, -1]),
            }
            parts = statement.split("{x}")
            statement = parts[0] + "".join(choose.choice(extremes) + part for part in parts[1:])
            calls.append(statement.format(table=f"extreme{table}", **words))
    return "\n".join(setup), calls


def test_numbers_at_the_ends_of_their_range_are_survived(run_python, python):
    setup, calls = extreme_calls(0)
    told, succeeded = run_python(
        python, f"SETUP = {setup!r}\nCALLS = {calls!r}\n{RUN}", timeout=300
    )
    assert told == [] and succeeded > len(calls) / 4


# Memory that is not there

# Statements whose results or states are as large as the user says.
LARGE = {
    "labels": "SELECT length(scatter_svg(i, i, i)) FROM range(5000000) AS t (i)",
    "long labels": (
        "SELECT length(scatter_svg(i, i, repeat(i::VARCHAR, 2000))) FROM range(20000) AS t (i)"
    ),
    "series": "SELECT length(line_svg(i, i, repeat(i::VARCHAR, 2000))) FROM range(20000) AS t (i)",
    "repeated": "SELECT len(repeated_values(i)) FROM range(60000000) AS t (i)",
    "repeated twice": "SELECT len(repeated_values(i // 2)) FROM range(60000000) AS t (i)",
}


@pytest.mark.parametrize("large", LARGE)
def test_memory_that_is_not_there_is_an_error(run_python, python, large):
    """A limit of the address space, beyond what the process has already."""
    code = f"""
import resource
con = open_database(threads=2, memory_limit="200MB", preserve_insertion_order="false")
con.execute("SELECT count(*) FROM range(1000000)").fetchall()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (384 << 20), resource.RLIM_INFINITY))
try:
    answer = str(con.execute({LARGE[large]!r}).fetchall())
except duckdb.Error as error:
    answer = str(error)
# What DuckDB has allocated stays with it.
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    alive = con.execute("SELECT kmeans_fit([i], 2).sizes FROM range(4) AS t (i)").fetchall()
except duckdb.Error as error:
    alive = str(error)
print(json.dumps([answer, alive]))
"""
    answer, alive = run_python(python, code)
    ours = {"labels": "different labels", "long labels": "MiB; shorten", "series": "MiB; shorten"}
    assert ours.get(large, "repeated_values: out of memory") in answer, answer
    assert alive == [[[2, 2]]]


FEWER_THREADS = """
import resource, sys
import duckdb
import pytest

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute(f"LOAD '{sys.argv[1]}'")
connection.execute("CREATE TABLE t AS SELECT hash(i) % 1000 AS a, hash(i, 1) % 1000 AS b FROM range(400_000) AS r(i)")
fit = "SELECT kmeans_fit({'a': a, 'b': b}, 3, {'threads': %d, 'n_init': 2})::VARCHAR FROM t"
expected = connection.execute(fit % 1).fetchone()
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + (192 << 20), resource.RLIM_INFINITY))
assert connection.execute(fit % 100_000).fetchone() == expected
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is one of Linux")
def test_threads_that_the_system_does_not_give_are_fewer_threads(extension):
    run = subprocess.run(
        [sys.executable, "-c", FEWER_THREADS, str(extension)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
