"""Customer value: the published figures of CDNOW, whose customers are in the package lifetimes."""

import importlib.util
from pathlib import Path

import pytest

# Its data alone: the package is not imported.
lifetimes = importlib.util.find_spec("lifetimes")
pytestmark = pytest.mark.skipif(lifetimes is None, reason="needs the package lifetimes")

# Fader, Hardie and Lee (2005), table 2; Fader and Hardie (2013). More digits, and the standard
# errors, are those of lifetimes 0.11.3.
PARAMETERS = {
    "r": (0.242593, 0.012557),
    "alpha": (4.413532, 0.378221),
    "a": (0.792886, 0.185719),
    "b": (2.425754, 0.705346),
    "p": (6.248802, 1.189687),
    "q": (3.744588, 0.290166),
    "gamma": (15.447748, 4.159994),
}
# Weeks: the customer of the paper, somebody about to buy for the first time, all customers.
PURCHASES = {
    26: (0.861558, 0.901323, 1171.1525),
    39: (1.225910, 1.195016, 1653.4233),
    52: (1.558584, 1.444021, 2089.4189),
    78: (2.150760, 1.857972, 2858.2169),
}
ORDERS = r"""
CREATE OR REPLACE TABLE orders AS
SELECT
    c[2] AS user_id,
    try_strptime(c[3], '%Y%m%d') AS event_time,
    c[5]::DECIMAL(9, 2) AS price
FROM (
    SELECT regexp_split_to_array(trim(line), '\s+') AS c
    FROM read_csv($path, columns = {'line': 'VARCHAR'}, header = false, delim = '|')
)
"""
COMPARISON = """
WITH ours AS (
    SELECT *, row_number() OVER (ORDER BY customer) AS place
    FROM amz.customer_value(orders, as_of := DATE '1997-09-30')
),
published AS (SELECT *, row_number() OVER () AS place FROM customers)
SELECT
    count(*),
    count(*) FILTER (WHERE ours.frequency > 0),
    count(*) FILTER (
        WHERE ours.frequency = p.frequency
            AND abs(ours.recency - p.recency) < 0.006
            AND abs(ours.age - p.age) < 0.006
            AND (p.value IS NULL OR abs(ours.value - p.value) < 0.006)
    )
FROM ours JOIN published AS p ON ours.place = p.place
"""


@pytest.fixture(scope="module")
def data():
    """The folder of the data sets."""
    return Path(lifetimes.origin).parent / "datasets"


@pytest.fixture(scope="module")
def db(connect, data):
    """CDNOW's customers, and the model of them."""
    connection = connect()
    connection.execute(
        "CREATE TABLE customers AS"
        " SELECT x AS frequency, t_x AS recency, T AS age, nullif(zbar, 0) AS value"
        f" FROM read_csv('{data / 'cdnow_customers_summary_with_transactions.csv'}')"
    )
    connection.execute("CREATE TABLE models AS SELECT clv_fit(c) AS model FROM customers AS c")
    yield connection
    connection.close()


def test_the_parameters_of_cdnow_and_their_standard_errors(db):
    [[model]] = db.execute("FROM models").fetchall()
    assert (model["customers"], model["repeaters"], model["converged"]) == (2357, 946, True)
    for name, (value, error) in PARAMETERS.items():
        assert model[name] == pytest.approx(value, abs=1e-6)
        assert model["standard_errors"][name] == pytest.approx(error, abs=1e-6)
    assert model["log_likelihood"] == pytest.approx(-9582.425561, abs=1e-6)
    assert model["value_log_likelihood"] == pytest.approx(-4055.92324, abs=1e-5)


@pytest.mark.parametrize("weeks", PURCHASES)
def test_the_purchases_that_are_expected(db, weeks):
    [[*purchases]] = db.execute(
        "SELECT clv_purchases(model, {'frequency': 2, 'recency': 30.43, 'age': 38.86}, $1),"
        " clv_purchases(model, {'frequency': 0, 'recency': 0, 'age': 0}, $1),"
        " (SELECT sum(clv_purchases((SELECT model FROM models), c, $1)) FROM customers AS c)"
        " FROM models",
        [weeks],
    ).fetchall()
    assert purchases == pytest.approx(PURCHASES[weeks], rel=2e-6)


def test_the_customer_of_the_paper_still_is_one_with_probability_73_percent(db):
    [[alive]] = db.execute(
        "SELECT clv_alive(model, {'frequency': 2, 'recency': 30.43, 'age': 38.86}) FROM models"
    ).fetchall()
    assert alive == pytest.approx(0.726609, abs=1e-6)


def test_orders_give_the_rows_of_the_published_table(db, data):
    """6,919 orders of 2,357 customers, of which those of the first 39 weeks count."""
    db.execute(ORDERS.replace("$path", f"'{data / 'CDNOW_sample.txt'}'"))
    [[customers, repeaters, alike]] = db.execute(COMPARISON).fetchall()
    assert (customers, repeaters) == (2357, 946)
    # The published means of some customers are rounded otherwise.
    assert alike >= 2350
