"""Events of other schemas and formats through the pipeline `marketplace`: views give its columns, nothing is lost or taken twice."""

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
