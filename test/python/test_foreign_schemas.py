"""Events of other schemas and formats through the pipeline `marketplace`: views give its columns, nothing is lost or taken twice."""

import os
import random
import re
import signal
import subprocess
import time

import pytest

from conftest import ROOT, TESTED_VERSIONS
from worlds import World

STEPS = sorted(path.stem for path in (ROOT / "sql" / "marketplace").glob("[0-9]*.sql"))

# What all three have in common: run twice, and compare with the events themselves.
RUN = """
con.execute("SET VARIABLE source = 'shop'; SET VARIABLE k = 3; SET VARIABLE min_events = 2")
first = [run(con, step) for step in STEPS]
assert not any(isinstance(answer, str) for answer in first), first
counts = rows(con, '''
    SELECT (SELECT count(*) FROM shop.all_events), (SELECT count(*) FROM raw.all_events),
        (SELECT count(*) FROM clean.events), (SELECT count(*) FROM clean.rejected_events),
        (SELECT count(*) FROM user_segments), (SELECT count(DISTINCT segment) FROM user_segments),
        (SELECT sum(events) FROM kpi.monthly), (SELECT sum(total_events) FROM kpi.user_features)''')[0]
reasons = rows(con, 'SELECT reason, count(*) FROM clean.rejected_events GROUP BY reason ORDER BY reason')
again = run(con, '00_raw')
"""

# visitorid, timestamp in milliseconds, event, itemid, transactionid; no price, no session.
RETAIL_ROCKET = """
con.execute('''
    COPY (
        SELECT epoch_ms(event_time) AS timestamp, user_id AS visitorid,
            CASE event_type WHEN 'cart' THEN 'addtocart' WHEN 'purchase' THEN 'transaction' ELSE event_type END AS event,
            product_id AS itemid, if(event_type = 'purchase', row_number() OVER (), NULL) AS transactionid
        FROM synthetic_marketplace_events(6000, seed := 3)
    ) TO 'log.FORMAT' (format FORMAT)''')
con.execute('''
    CREATE SCHEMA shop;
    CREATE VIEW shop.log AS
    SELECT make_timestamp(l.timestamp * 1000) AS event_time, l.event, l.itemid, l.visitorid
    FROM 'log.FORMAT' AS l;
    CREATE TABLE shop.all_events AS
    SELECT
        l.event_time, CASE l.event WHEN 'addtocart' THEN 'cart' WHEN 'transaction' THEN 'purchase' ELSE l.event END AS event_type,
        l.itemid AS product_id, NULL AS category_code, 0 AS price, l.visitorid AS user_id,
        l.visitorid || '-' || l.session_number AS user_session
    FROM amz.sessionize('shop.log', user := 'visitorid') AS l
''')
"""

ORDERS = """
con.execute('''
    COPY (
        SELECT 536365 + user_id % 1000 AS "InvoiceNo", product_id AS "StockCode",
            if(product_id % 11 = 0, -1, 2) AS "Quantity", strftime(event_time, '%-m/%-d/%Y %-H:%M') AS "InvoiceDate",
            price AS "UnitPrice", if(user_id % 7 = 0, NULL, user_id) AS "CustomerID"
        FROM synthetic_marketplace_events(6000, seed := 5)
    ) TO 'orders.csv' (HEADER, DELIMITER ';')''')
con.execute('''
    CREATE SCHEMA shop;
    CREATE VIEW shop.all_events AS
    SELECT
        strptime(o."InvoiceDate", '%m/%d/%Y %H:%M') AS event_time, 'purchase' AS event_type, o."StockCode" AS product_id,
        NULL AS category_code, o."Quantity" * o."UnitPrice" AS price, o."CustomerID" AS user_id,
        o."InvoiceNo" AS user_session
    FROM read_csv('orders.csv', delim = ';', header = true, types = {'InvoiceDate': 'VARCHAR'}) AS o
''')
"""

ELECTRONICS = """
con.execute('''
    COPY (
        SELECT strftime(event_time, '%Y-%m-%d %H:%M:%S UTC') AS event_time, event_type, product_id, category_id,
            category_code, brand, price, user_id, 'Sx' || hash(user_session) % 100000 AS user_session
        FROM synthetic_marketplace_events(6000, seed := 7)
    ) TO 'data/events.csv' (HEADER)''')
"""


@pytest.fixture(params=TESTED_VERSIONS)
def shop(request, tmp_path, pythons, run_python):
    python = pythons[request.param]
    return World("marketplace", STEPS, {}, tmp_path, python, run_python)


def built(shop, code):
    return shop.run(code + RUN + "(counts, reasons, again)")


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_a_log_of_visitors_in_each_format(shop, kind):
    counts, reasons, again = built(shop, RETAIL_ROCKET.replace("FORMAT", kind))
    source, raw, clean, rejected, users, segments, monthly, of_users = counts
    assert source == raw == 6000 and raw == clean + rejected
    assert {reason for reason, _ in reasons} <= {"duplicate"}
    assert monthly == clean == of_users and users > 100 and segments == 3
    assert again[0][3:5] == [0, 0], again


def test_orders_with_returns_and_blank_customers(shop):
    counts, reasons, again = built(shop, ORDERS)
    source, raw, clean, rejected, users, segments, monthly, _ = counts
    assert source == raw == 6000 and raw == clean + rejected and monthly == clean
    reasons = dict(reasons)
    assert set(reasons) >= {"no user", "negative price"} and users > 100 and segments == 3
    [[blank, returned, good]] = shop.run("""
found = rows(con, '''
    SELECT count(*) FILTER (user_id IS NULL), count(*) FILTER (price < 0),
        (SELECT count(*) FROM (SELECT DISTINCT * FROM shop.all_events WHERE user_id IS NOT NULL AND price >= 0))
    FROM shop.all_events''')
found
""")
    # Of equal rows, the second one is a duplicate, whatever else it is.
    assert 0 < reasons["no user"] <= blank and 0 < reasons["negative price"] <= returned
    assert clean == good
    assert again[0][3:5] == [0, 0], again


def test_sessions_that_are_no_uuids(shop):
    counts, _, again = built(
        shop,
        ELECTRONICS
        + "con.execute('CREATE SCHEMA shop; CREATE VIEW shop.all_events AS FROM \\'data/events.csv\\'')\n",
    )
    source, raw, clean, rejected, users, segments, monthly, of_users = counts
    assert source == raw == 6000 and raw == clean + rejected
    assert monthly == clean == of_users and users > 100 and segments == 3
    assert again[0][3:5] == [0, 0], again


# The same shop's events under other names: a column of theirs too many, headers in capitals, two spellings of one column.
RENAMED = """
con.execute('''
    CREATE TABLE told AS
    SELECT strftime(event_time, '%Y-%m-%d %H:%M:%S UTC') AS told_at, event_type,
        CASE event_type WHEN 'cart' THEN 'AddToCart' WHEN 'purchase' THEN 'order' ELSE event_type END AS event,
        product_id, 'red, or "blue"' AS colour, category_code, brand, price, user_id, user_session
    FROM synthetic_marketplace_events(6000, seed := 9)''')
con.execute('''COPY (SELECT told_at AS "When", event AS "EVENT", product_id, colour, category_code, brand AS "Marke", price,
    user_id AS "Customer ID", user_session FROM told WHERE user_id % 2 = 0) TO 'data/even.csv' (HEADER, DELIMITER ';')''')
con.execute('''COPY (SELECT user_session, price, told_at AS ts, event_type, product_id, category_code, brand AS make, user_id, 1 AS x
    FROM told WHERE user_id % 2 = 1) TO 'data/odd.csv' (HEADER)''')
con.execute("SET VARIABLE columns = MAP {'event_time': ['ts', 'WHEN'], 'event_type': ['event'], 'brand': ['marke', 'make'],"
    " 'user_id': ['customer id']}")
con.execute("SET VARIABLE event_types = MAP {'cart': ['addtocart'], 'purchase': ['order', 'transaction']}")
con.execute("SET VARIABLE min_events = 2")
"""


def test_columns_and_types_under_other_names(shop):
    answers, reasons, unmatched, differ, message, again, parameters = shop.run(f"""
{RENAMED}
loaded = run(con, '00_raw')
answers = [run(con, step) for step in STEPS[1:]]
reasons = rows(con, 'SELECT reason, count(*) FROM clean.rejected_events GROUP BY reason')
unmatched = rows(con, 'FROM clean.unmatched_values')
differ = rows(con, '''
    WITH ours AS (SELECT DISTINCT told_at, event_type, product_id, category_code, brand, price, user_id FROM told),
    theirs AS (
        SELECT strftime(event_time, '%Y-%m-%d %H:%M:%S UTC'), event_type, product_id, category_code, brand, price, user_id
        FROM clean.events)
    SELECT (SELECT count(*) FROM (FROM ours EXCEPT FROM theirs)), (SELECT count(*) FROM (FROM theirs EXCEPT FROM ours))''')[0]
parameters = rows(con, "SELECT step FROM raw.pipeline_runs WHERE map_contains(parameters, 'columns')")
again = run(con, '00_raw')
(answers, reasons, unmatched, differ, loaded[0][-1], again, parameters)
""")
    assert not any(isinstance(answer, str) for answer in answers), answers
    assert {reason for reason, _ in reasons} <= {"duplicate"} and unmatched == []
    assert differ == [0, 0]
    assert '"colour" of "data/even.csv", "x" of "data/odd.csv"' in message
    assert again[0][1] == 0 and ["00_raw"] in parameters


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            "MAP {'user_idd': 'x'}",
            'columns names "user_idd", did you mean "user_id"; the columns are',
        ),
        (
            "MAP {'user_id': 'when', 'brand': 'WHEN'}",
            'columns gives one name to several columns: "when"',
        ),
        (
            "MAP {'brand': ['mark', 'maker']}",
            'no new file has a column brand, called "maker" or "mark" (parameter columns)',
        ),
        ("'user_id=customer'", "columns must be a map such as MAP {'user_id': 'customer'}, not"),
        ("['user_id']", "columns must be a map such as MAP {'user_id': 'customer'}, not"),
    ],
)
def test_what_cannot_be_meant_by_columns_is_told_and_loads_nothing(shop, columns, message):
    answer, is_there = shop.run(f"""
{ELECTRONICS.replace("brand, ", "")}
con.execute({f"SET VARIABLE columns = {columns}"!r})
answer = run(con, '00_raw')
(answer, rows(con, "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw'")[0][0])
""")
    assert isinstance(answer, str) and message in answer, answer
    assert is_there == 0


def test_further_columns_are_refused_unless_columns_is_given(shop):
    refused, taken, count = shop.run("""
con.execute('''COPY (SELECT *, 7 AS extra FROM synthetic_marketplace_events(100)) TO 'data/a.csv' (HEADER)''')
refused = run(con, '00_raw')
con.execute('SET VARIABLE columns = MAP {}')
taken = run(con, '00_raw')
(refused, taken, rows(con, 'SELECT count(*), count(user_id) FROM raw.all_events')[0])
""")
    assert "other columns, its header is: " in refused and "use the parameter columns" in refused
    assert 'left out are the columns "extra" of "data/a.csv"' in taken[0][-1]
    assert count == [100, 100]


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("MAP {'buy': 'order'}", 'event_types names "buy", the types are view, cart,'),
        ("'order'", "event_types must be a map as MAP {'purchase': ['order']}, not order"),
    ],
)
def test_types_that_nobody_knows_are_told(shop, types, message):
    [answer] = shop.run(f"""
{ELECTRONICS}
con.execute({f"SET VARIABLE event_types = {types}"!r})
run(con, '00_raw')
answer = run(con, '10_clean')
[answer]
""")
    assert isinstance(answer, str) and message in answer, answer


def test_types_that_are_told_later_make_the_tables_again(shop):
    before, after = shop.run("""
con.execute('''
    COPY (SELECT * REPLACE (if(event_type = 'purchase', 'order', event_type) AS event_type)
    FROM synthetic_marketplace_events(3000, seed := 9)) TO 'data/a.csv' (HEADER)''')
counts = '''SELECT (SELECT count(*) FROM clean.events WHERE event_type = 'purchase'),
    (SELECT coalesce(sum(row_count), 0) FROM clean.unmatched_values)'''
run(con, '00_raw')
run(con, '10_clean')
before = rows(con, counts)[0]
con.execute("SET VARIABLE event_types = MAP {'purchase': 'Order'}")
run(con, '10_clean')
(before, rows(con, counts)[0])
""")
    assert before[0] == 0 and before[1] > 10 and after == [before[1], 0]


# Files of each kind side by side, with what the rows of each are.
FILES = """
con.execute("CREATE TABLE told AS FROM synthetic_marketplace_events(4000, seed := 4)")
def write(kinds):
    for i, kind in enumerate(kinds):
        form = {'parquet': 'parquet', 'csv': 'csv, HEADER'}.get(kind, 'json')
        con.execute(f"COPY (FROM told WHERE user_id % {len(kinds)} = {i}) TO 'data/{i}.{kind}' (FORMAT {form})")
differ = '''
    WITH theirs AS (SELECT event_time, event_type, product_id, category_id, category_code, brand, price, user_id FROM clean.events),
    ours AS (SELECT DISTINCT event_time, event_type, product_id, category_id, category_code, brand, price, user_id FROM told)
    SELECT (SELECT count(*) FROM (FROM ours EXCEPT FROM theirs)), (SELECT count(*) FROM (FROM theirs EXCEPT FROM ours))'''
accounts = "SELECT sum(line_count - 1), sum(rows_loaded), sum(rows_rejected), count(*) FROM raw.loaded_files"
"""


@pytest.mark.parametrize(
    "kinds", [["parquet"], ["json"], ["ndjson.gz"], ["csv", "parquet", "jsonl", "json.zst"]]
)
def test_files_of_each_format_are_loaded_once_and_whole(shop, kinds):
    answers, counts, again, differ, moved, changed, after = shop.run(f"""
{FILES}
write({kinds!r})
con.execute("SET VARIABLE data = 'data/*'")
answers = [run(con, step) for step in ['00_raw', '10_clean']]
counts = rows(con, accounts)[0]
again = run(con, '00_raw')
same = rows(con, differ)[0]
os.rename('data/0.{kinds[0]}', 'data/renamed.{kinds[0]}')
moved = run(con, '00_raw')
con.execute("UPDATE told SET price = price + 1")
write({kinds!r})
os.remove('data/renamed.{kinds[0]}')
changed = run(con, '00_raw')
run(con, '10_clean')
(answers, counts, again, same, moved, changed, rows(con, differ)[0])
""")
    assert not any(isinstance(answer, str) for answer in answers), answers
    assert counts == [4000, 4000, 0, len(kinds)]
    assert again[0][1] == moved[0][1] == 0 and differ == [0, 0]
    assert changed[0][1] == len(kinds) and after[0] == 0


def test_a_column_called_s_does_not_hide_a_change(shop):
    first, changed, total = shop.run("""
con.execute("SET VARIABLE columns = MAP {'user_session': 's'}")
con.execute("SET VARIABLE data = 'data/*'")
con.execute("CREATE TABLE told AS SELECT * RENAME (user_session AS s) FROM synthetic_marketplace_events(50)")
def write():
    con.execute("COPY told TO 'data/a.parquet'")
    con.execute("COPY told TO 'data/b.json'")
con.execute("UPDATE told SET price = 1")
write()
first = run(con, '00_raw')
con.execute("UPDATE told SET price = 2")
write()
changed = run(con, '00_raw')
(first, changed, rows(con, "SELECT count(*), count(*) FILTER (price = '2') FROM raw.all_events")[0])
""")
    assert first[0][1] == changed[0][1] == 2 and total == [100, 100], (first, changed, total)


# Kills of each kind of start in which nothing is loaded yet, or one of the files has changed since; `make kills` has more.
N_KILLS = int(os.environ.get("AMAZING_KILLS", "2"))


@pytest.mark.parametrize("kind", ["parquet", "json", "ndjson.gz"])
def test_a_load_killed_at_any_moment_and_started_again_is_that_of_csv(shop, extension, kind):
    tables = """
con.execute("SET VARIABLE data = 'data/*'")
def tables(con):
    return [rows(con, "SELECT * EXCLUDE (loaded_at, last_modified) FROM raw.loaded_files ORDER BY ALL"),
        rows(con, "SELECT * FROM raw.all_events ORDER BY ALL"), rows(con, "FROM clean.events ORDER BY ALL"),
        rows(con, "FROM clean.rejected_events ORDER BY ALL")]
"""
    statements, is_same, n_events = shop.run(f"""
{FILES}
{tables}
kind = {kind!r}
write([kind, kind])
con.execute("UPDATE told SET price = price + 1 WHERE user_id % 2 = 0")
answers = [run(con, step) for step in STEPS[:2]]
con.close()
Path('world.duckdb').rename('changed.duckdb')
con = connect('expected.duckdb')
{FILES}
con.execute("UPDATE told SET price = price + 1 WHERE user_id % 2 = 0")
con.execute("SET VARIABLE data = 'data/*'")
write([kind, kind])
answers += [run(con, step) for step in STEPS[:2]]
assert not any(isinstance(answer, str) for answer in answers), answers
Path('expected.json').write_text(json.dumps(tables(con)))
# A second way: the same events in CSV files.
os.mkdir('other')
for i in range(2):
    con.execute(f"COPY (FROM told WHERE user_id % 2 = {{i}}) TO 'other/{{i}}.csv' (HEADER)")
events = rows(con, 'FROM clean.events ORDER BY ALL')
second = connect('csv.duckdb')
second.execute("SET VARIABLE data = 'other/*.csv'")
answers = [run(second, step) for step in STEPS[:2]]
assert not any(isinstance(answer, str) for answer in answers), answers
statements = [s.query.strip() for step in STEPS[:2]
    for s in con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8'))]
(statements, rows(second, 'FROM clean.events ORDER BY ALL') == events, len(events))
""")
    assert is_same and n_events > 3000
    client = f"""
import sys, json, duckdb
EXTENSION = {str(extension)!r}
def open_database(path):
    con = duckdb.connect(path, config={{'allow_unsigned_extensions': 'true'}})
    con.execute(f"LOAD '{{EXTENSION}}'")
    return con
{shop.client().replace("con = connect('world.duckdb')", "con = connect(sys.argv[1])")}
con.execute("SET VARIABLE data = 'data/*'")
n = 0
for step in STEPS[:2]:
    for statement in con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8')):
        print(n, flush=True)
        con.execute(statement).fetchall()
        n += 1
"""
    chance = random.Random(f"kills of {kind}")
    writing = [
        n
        for n, sql in enumerate(statements)
        if re.search(r"^(INSERT INTO|DELETE FROM) (raw|clean)\.", sql, re.MULTILINE)
    ]
    for kill in range(2 * N_KILLS):
        name = f"killed_{kill}.duckdb"
        if kill % 2:
            (shop.folder / name).write_bytes((shop.folder / "changed.duckdb").read_bytes())
        target = chance.choice([chance.choice(writing), chance.randrange(len(statements))])
        with subprocess.Popen(
            [str(shop.python), "-c", client, name],
            cwd=shop.folder,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert f"{target}\n" in process.stdout
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
        assert process.returncode in (-signal.SIGKILL, 0)
        [names] = shop.run(f"""
con = connect({name!r})
{tables}
answers = [run(con, step) for step in STEPS[:2]]
found = json.loads(json.dumps(tables(con)))
expected = json.loads(Path('expected.json').read_text())
wrong = [i for i in range(4) if found[i] != expected[i]]
[wrong + [answer for answer in answers if isinstance(answer, str)]]
""")
        assert names == [], f"killed at statement {target}: {statements[target]}"


def test_bad_files_are_skipped_where_that_is_asked_for(shop):
    refused, skipped, fixed, wrong = shop.run(f"""
{FILES}
write(['csv', 'parquet'])
Path('data/other.csv').write_text('a,b\\n1,2\\n')
con.execute("COPY (SELECT 1 AS a) TO 'data/other.parquet'")
con.execute("SET VARIABLE data = 'data/*'")
refused = run(con, '00_raw')
con.execute("SET VARIABLE bad_files = 'skip'")
skipped = (run(con, '00_raw'), rows(con, accounts)[0], run(con, '00_raw'))
con.execute("COPY (SELECT * REPLACE (1.5 AS price) FROM told LIMIT 7) TO 'data/other.csv' (HEADER)")
fixed = (run(con, '00_raw'), rows(con, accounts)[0])
con.execute("SET VARIABLE bad_files = 'ignore'")
(refused, skipped, fixed, run(con, '00_raw'))
""")
    assert "nothing was loaded, 2 of 4 files cannot be: " in refused
    first, counts, second = skipped
    told = 'skipped are "data/other.csv" (no header, its first line is: a,b), "data/other.parquet" (no header,'
    assert told in first[0][-1] and counts == [4000, 4000, 0, 2]
    assert told in second[0][-1] and second[0][1] == 0
    assert fixed[1] == [4007, 4007, 0, 3] and "other.csv" not in fixed[0][0][-1]
    assert "00_raw: bad_files must be 'refuse' or 'skip', not ignore" in wrong


def test_files_that_are_gone_are_told_and_removed_where_that_is_asked_for(shop):
    told, kept, removed, counts, differ, renamed, folder, again, wrong = shop.run(f"""
{FILES}
write(['csv', 'parquet', 'json'])
con.execute("SET VARIABLE data = 'data/*'")
for step in ['00_raw', '10_clean']: run(con, step)
os.remove('data/1.parquet')
told = run(con, '00_raw')[0][-1]
kept = rows(con, accounts)[0]
con.execute("SET VARIABLE deleted_files = 'remove'")
removed = run(con, '00_raw')[0][-1]
counts = rows(con, accounts)[0]
run(con, '10_clean')
con.execute('DELETE FROM told WHERE user_id % 3 = 1')
same = rows(con, differ)[0]
os.rename('data/0.csv', 'data/renamed.csv')
renamed = run(con, '00_raw')[0][-1]
con.execute("SET VARIABLE data = 'data'")
os.remove('data/2.json')
folder = run(con, '00_raw')[0][-1]
con.execute("SET VARIABLE data = 'data/*.parquet'")
con.execute("COPY (FROM told LIMIT 3) TO 'data/9.parquet'")
again = run(con, '00_raw')[0][-1]
con.execute("SET VARIABLE deleted_files = 'delete'")
(told, kept, removed, counts, same, renamed, folder, again, run(con, '00_raw'))
""")
    assert 'gone since they were loaded are "data/1.parquet" (' in told
    assert told.endswith("whose rows stay; deleted_files 'remove' removes them")
    assert kept[0] == 4000 and kept[3] == 3
    assert removed.endswith("rows), which were removed") and counts[3] == 2 and counts[0] < 4000
    assert differ == [0, 0]
    assert "gone" not in renamed
    assert 'gone since they were loaded are "data/2.json" (' in folder
    assert "gone" not in again
    assert "00_raw: deleted_files must be 'keep' or 'remove', not delete" in wrong
