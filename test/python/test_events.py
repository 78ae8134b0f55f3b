"""Relations over tables of events: the figures of the pipeline `marketplace`, and scores that R's package `rfm` gives."""

import os
from pathlib import Path

import pytest

from conftest import TESTED_VERSIONS
from worlds import World

STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]


@pytest.fixture(params=TESTED_VERSIONS)
def shop(request, tmp_path, pythons, run_python):
    return World("marketplace", STEPS, {}, tmp_path, pythons[request.param], run_python)


def test_features_of_events_and_of_their_files_are_those_of_the_pipeline(shop):
    differences = shop.run("""
con.execute("COPY (FROM synthetic_marketplace_events(40000, seed := 3)) TO 'data/events.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
errors = run(con, '00_raw', '10_clean', '20_kpi')
users = rows(con, 'SELECT count(*) FROM kpi.user_features')[0][0]
tables = {'clean': "FROM amz.user_features('clean.events')", 'read': "FROM amz.user_features('data/*.csv')"}
names = {name: rows(con, 'SELECT column_name FROM (DESCRIBE ' + sql + ')') == rows(con, "SELECT column_name FROM (DESCRIBE kpi.user_features)") for name, sql in tables.items()}
cents = 'REPLACE (round(total_spent, 2)::DECIMAL(38, 2) AS total_spent, round(avg_basket, 6) AS avg_basket)'
alike = {name: rows(con, f'SELECT count(*) FROM (SELECT * {cents} FROM ({sql}) INTERSECT SELECT * {cents} FROM kpi.user_features)')[0][0] for name, sql in tables.items()}
exact = rows(con, 'SELECT count(*) FROM ((' + tables['clean'] + ') INTERSECT (FROM kpi.user_features))')[0][0]
(users > 1000, names, [n == users for n in [*alike.values(), exact]])
""")
    assert differences == [True, {"clean": True, "read": True}, [True, True, True]]


def test_as_of_counts_the_days_that_the_pipeline_counts(shop):
    assert (
        shop.run("""
con.execute("COPY (FROM synthetic_marketplace_events(5000, seed := 4)) TO 'data/events.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
con.execute("SET VARIABLE as_of = DATE '2020-06-01'")
errors = run(con, '00_raw', '10_clean', '20_kpi')
rows(con, "SELECT count(*), (SELECT count(*) FROM ((FROM amz.user_features('clean.events', as_of := '2020-06-01')) EXCEPT (FROM kpi.user_features))) FROM kpi.user_features HAVING count(*) > 100")[0][1]
""")
        == 0
    )


def test_retention_by_month_is_that_of_the_cohorts_of_the_pipeline(shop):
    assert shop.run("""
con.execute("COPY (FROM synthetic_marketplace_events(20000, seed := 5, days := 150)) TO 'data/events.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
errors = run(con, '00_raw', '10_clean', '20_kpi')
cohorts = rows(con, "SELECT first_month, months_since, users, active_users, retention FROM kpi.cohorts ORDER BY ALL")
found = rows(con, "SELECT cohort, periods_since, users, active_users, retention FROM amz.retention('clean.events') ORDER BY ALL")
(len(cohorts) > 10, cohorts == found)
""") == [True, True]


@pytest.mark.skipif(
    "RFM_DATA_ORDERS" not in os.environ,
    reason="RFM_DATA_ORDERS names no file: rfm_data_orders of R's rfm as CSV",
)
def test_scores_are_those_of_the_r_package_rfm(con):
    """Its cuts are quantiles of type 7 plus 1; given as cuts they give its scores, and quantiles those of all but a few."""
    path = Path(os.environ["RFM_DATA_ORDERS"])
    con.execute(f"CREATE TABLE orders AS FROM read_csv('{path}')")
    assert con.execute("SELECT count(*), count(DISTINCT customer_id) FROM orders").fetchone() == (
        4906,
        995,
    )
    call = (
        "amz.rfm_scores(orders, customer := 'customer_id', \"time\" := 'order_date', amount :="
        " 'revenue', as_of := DATE '2006-12-31'"
    )
    cuts = {"r": [115, 181, 297.4, 482], "f": [4, 5, 6, 8], "m": [255.8, 382, 506.4, 666]}
    columns = {"r": "recency_days", "f": "frequency", "m": "monetary"}
    for score, column in columns.items():
        quantiles = con.execute(
            f"SELECT quantile_cont({column}::DOUBLE, [0.2, 0.4, 0.6, 0.8]) FROM {call})"
        ).fetchone()[0]
        assert [round(quantile + 1, 1) for quantile in quantiles] == cuts[score]
    own = (
        f"{call}, recency_cuts := {cuts['r']}, frequency_cuts := {cuts['f']}, monetary_cuts :="
        f" {cuts['m']})"
    )
    by_r = f"""
        SELECT
            count(*) FILTER (r <> 5 - len([c FOR c IN {cuts["r"]} IF recency_days >= c])),
            count(*) FILTER (f <> 1 + len([c FOR c IN {cuts["f"]} IF frequency >= c])),
            count(*) FILTER (m <> 1 + len([c FOR c IN {cuts["m"]} IF monetary >= c]))
        FROM """
    assert con.execute(by_r + own).fetchone() == (0, 0, 0)
    # Values between a quantile and that quantile plus 1.
    assert con.execute(by_r + call + ")").fetchone() == (1, 0, 2)
    known = con.execute(
        f"SELECT recency_days, frequency, monetary, r, f, m FROM {own} WHERE customer = 'Abbey"
        " O''Reilly'"
    )
    assert known.fetchone() == (205, 6, 472, 3, 4, 3)
