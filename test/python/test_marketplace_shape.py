"""The events of `synthetic_marketplace_events` have the shape that was published of a real shop, and known defects.

The real shop: October and November 2019 of a multi-category store (REES46), 110 million events. Tolerances: 0.2 points of
the mix of events, 1 point of missing values, 0.05 of ln(price).
"""

import math
from collections import Counter
from decimal import Decimal

import pytest

ROWS = 2_000_000


@pytest.fixture(scope="module", params=[42, 7])
def ask(request, connect):
    """Two million events of a seed as the table `events`, its sessions as `sessions`; a query gives its only row."""
    con = connect()
    con.execute(f"""
        CREATE TABLE events AS
        FROM synthetic_marketplace_events({ROWS}, seed := {request.param});
        CREATE TABLE sessions AS
        SELECT user_session, any_value(user_id) AS user_id, count(DISTINCT user_id) AS users, count(*) AS events,
            bool_or(event_type = 'purchase') AS buys, max(event_time) - min(event_time) AS duration
        FROM events
        GROUP BY user_session;
    """)
    yield lambda sql: con.execute(sql).fetchone()
    con.close()


def test_event_types(ask):
    found = ask(
        """SELECT 100 * avg((event_type = 'view')::INT), 100 * avg((event_type = 'cart')::INT),
        100 * avg((event_type = 'purchase')::INT) FROM events"""
    )
    assert found == pytest.approx((96.07, 2.18, 1.75), abs=0.2)


def test_missing_categories_and_brands(ask):
    found = ask("""SELECT 100 * avg((category_code IS NULL)::INT), 100 * avg((brand IS NULL)::INT),
        100 * avg((brand IS NULL)::INT) FILTER (category_code IS NULL),
        100 * avg((brand IS NULL)::INT) FILTER (category_code IS NOT NULL) FROM events""")
    assert found == pytest.approx((32, 14, 27.6, 8.2), abs=1)


def test_depth_of_categories(ask):
    found = ask(
        """SELECT 100 * avg((depth = 2)::INT), 100 * avg((depth = 3)::INT), 100 * avg((depth = 4)::INT), max(depth),
        count(DISTINCT category_code)
        FROM (SELECT category_code, len(string_split(category_code, '.')) AS depth FROM events WHERE category_code IS NOT NULL)"""
    )
    assert found[:2] == pytest.approx((58, 42), abs=2) and found[2] == pytest.approx(0.2, abs=0.1)
    assert found[3:] == (4, 121)


def test_prices(ask):
    mean, deviation, top = ask(
        "SELECT avg(ln(price)), stddev(ln(price)), max(price) FROM events WHERE price > 0"
    )
    assert (mean, deviation) == pytest.approx((5.03, 1.21), abs=0.05)
    assert top == Decimal("2574.07")
    zero, sold = ask(
        """SELECT 100 * avg((price = 0)::INT), count(*) FILTER (price = 0 AND event_type = 'purchase') FROM events"""
    )
    assert zero == pytest.approx(0.17, abs=0.07) and sold == 0
    assert float(ask("SELECT avg(price) FROM events")[0]) == pytest.approx(288.6, rel=0.05)


@pytest.mark.parametrize(
    ("quantile", "price"),
    [
        (0.01, 6.2),
        (0.05, 19.3),
        (0.25, 66.9),
        (0.5, 161.4),
        (0.75, 358.6),
        (0.95, 1003.9),
        (0.99, 1688.8),
    ],
)
def test_quantiles_of_prices(ask, quantile, price):
    found = float(ask(f"SELECT quantile_cont(price, {quantile}) FROM events WHERE price > 0")[0])
    assert math.log(found) == pytest.approx(
        math.log(price), abs=0.05 if 0.01 < quantile < 0.99 else 0.1
    )


@pytest.mark.parametrize(
    ("code", "mean", "deviation"),
    [
        ("electronics.smartphone", 5.86, 0.82),
        ("electronics.audio.headphone", 4.28, 1.16),
        ("computers.notebook", 6.39, 0.66),
    ],
)
def test_prices_in_a_category(ask, code, mean, deviation):
    found = ask(
        "SELECT avg(ln(price)), stddev(ln(price)) FROM events WHERE price > 0 AND category_code ="
        f" '{code}'"
    )
    assert found == pytest.approx((mean, deviation), abs=0.05)


def test_hours(ask):
    (hours,) = ask("""SELECT list(n / 2e6 ORDER BY hour)
        FROM (SELECT hour(event_time) AS hour, count(*) AS n FROM events GROUP BY ALL)""")
    day = hours[4:18]
    assert len(hours) == 24 and min(day) > 0.75 * sum(day) / len(day)
    assert sorted(range(24), key=hours.__getitem__)[-2:] in ([15, 16], [16, 15])
    assert set(sorted(range(24), key=hours.__getitem__)[:4]) == {22, 23, 0, 1}


def test_weekdays_are_equal(ask):
    """October 2019 begins on a Tuesday and has 31 days."""
    (days,) = ask(
        """SELECT list(n ORDER BY n) FROM (SELECT avg(n) AS n FROM (
        SELECT event_time::DATE AS day, count(*) AS n FROM events GROUP BY ALL) GROUP BY isodow(day))"""
    )
    assert len(days) == 7 and days[-1] / days[0] < 1.1


def test_the_sale_of_november(connect):
    days = dict(connect().execute("""
        SELECT day(event_time), count(*)
        FROM synthetic_marketplace_events(300000, start := TIMESTAMP '2019-11-01', days := 30)
        GROUP BY ALL""").fetchall())  # fmt: skip
    usual = sum(n for day, n in days.items() if not 13 <= day <= 18) / 24
    assert all(1.8 < days[day] / usual < 4.3 for day in range(14, 18))
    assert max(days.values()) > 3.4 * usual and all(days[day] < 1.5 * usual for day in (13, 19))


def test_sessions(ask):
    median, most, nearly_all, buying, users, mean = ask(
        """SELECT quantile_disc(events, 0.5), quantile_disc(events, 0.9),
        quantile_disc(events, 0.99), 100 * avg(buys::INT), max(users), avg(events) FROM sessions"""
    )
    assert (median, most) == (2, 8) and 19 <= nearly_all <= 25
    assert buying == pytest.approx(3.9, abs=0.3)
    assert users == 1 and 3.4 < mean < 4.9


def test_products(ask):
    (top,) = ask("SELECT max(n) / 2e4 FROM (SELECT count(*) AS n FROM events GROUP BY product_id)")
    assert top == pytest.approx(1.1, abs=0.2)
    # Zipf-like: over ranks from 10 to 1000, events fall by about the rank's ratio.
    (slope,) = ask("""SELECT regr_slope(ln(n), ln(rank)) FROM (
        SELECT count(*) AS n, row_number() OVER (ORDER BY count(*) DESC) AS rank FROM events GROUP BY product_id)
        WHERE rank BETWEEN 10 AND 1000""")
    assert -1.2 < slope < -0.6


def test_top_categories_and_brands(ask):
    codes, share = ask(
        """SELECT list(category_code ORDER BY n DESC)[:7], max(n) / 2e6 FROM (
        SELECT category_code, count(*) AS n FROM events WHERE category_code IS NOT NULL GROUP BY ALL)"""
    )
    assert codes[0] == "electronics.smartphone" and 0.22 < share < 0.28
    assert set(codes) == {
        "electronics.smartphone", "electronics.clocks", "electronics.video.tv", "computers.notebook",
        "electronics.audio.headphone", "apparel.shoes", "appliances.environment.vacuum",
    }  # fmt: skip
    brands, n_brands = ask("""SELECT list(brand ORDER BY n DESC)[:4], count(*) FROM (
        SELECT brand, count(*) AS n FROM events WHERE brand IS NOT NULL GROUP BY ALL)""")
    assert brands == ["samsung", "apple", "xiaomi", "huawei"] and n_brands > 2_500


def test_users(ask):
    """October had 42,448,764 events of 3,022,290 users."""
    (users,) = ask("SELECT count(DISTINCT user_id) FROM events")
    assert ROWS / users == pytest.approx(42_448_764 / 3_022_290, rel=0.01)
    median, most, top = ask("""SELECT quantile_disc(n, 0.5), quantile_disc(n, 0.99), max(n) FROM (
        SELECT count(*) AS n FROM sessions GROUP BY user_id)""")
    assert median == 1 and 20 < most < 60 and top > 150


def test_no_two_events_are_equal_and_pauses_are_those_of_people(ask):
    equal, long = ask("""SELECT (SELECT count(*) FROM (SELECT DISTINCT * FROM events)),
        100 * avg((duration > INTERVAL 10 MINUTE)::INT) FROM sessions""")
    assert equal == ROWS and 2 < long < 15


@pytest.mark.parametrize("dirt", [0.013, 0.2])
def test_defects_are_as_many_as_the_documentation_says(connect, dirt):
    rows = 100_000
    events = (
        connect()
        .execute(f"FROM synthetic_marketplace_events({rows}, dirt := {dirt}) ORDER BY ALL")
        .fetchall()
    )
    types = Counter(event[1] for event in events)
    n_known = sum(types[kind] for kind in ("view", "cart", "purchase"))
    n_unknown = sum(types[kind] for kind in ("wishlist", "impression", ""))
    found = [
        sum(n - 1 for n in Counter(event for event in events if event[0]).values()),
        sum(event[7] is None for event in events),
        sum(event[6] < 0 for event in events),
        rows - n_known - n_unknown,
        sum(event[0] is None for event in events),
        None,
        n_unknown,
    ]
    n_defects = int(rows * dirt)
    assert found == [None if kind == 5 else (n_defects - kind + 6) // 7 for kind in range(7)]


@pytest.mark.parametrize("dirt", [0.001, 0.05])
def test_copies_are_bursts_of_equal_carts_with_a_long_tail(connect, dirt):
    # Without a time, two views of a product in a session are equal, too.
    bursts = connect().execute(f"""
        SELECT count(*) - 1 AS copies, any_value(e.event_type)
        FROM synthetic_marketplace_events({ROWS}, dirt := {dirt}) AS e
        WHERE event_time IS NOT NULL
        GROUP BY e
        HAVING count(*) > 1""").fetchall()  # fmt: skip
    assert sum(copies for copies, _ in bursts) == -(-int(ROWS * dirt) // 7)
    assert {event_type for _, event_type in bursts} == {"cart"}
    assert sum(copies == 1 for copies, _ in bursts) / len(bursts) == pytest.approx(0.75, abs=0.07)
    assert max(copies for copies, _ in bursts) == 77 if dirt == 0.05 else 5 < max(bursts)[0] <= 77
