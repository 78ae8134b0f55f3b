"""seasonal_decompose on simulated months whose truth is known: what recurs is no one-off, and one-offs are found."""

import math
import random

import pytest

N_SERIES = 300
KINDS = ["flat", "seasonal", "growing", "both"]


def simulated(draw, n_months, kind, noise):
    """Counts around 1,000: a season that is as different in each month as chance has it, growth of up to 5 % a month."""
    season = [draw.gauss(0, 0.2) for _ in range(12)] if kind in ("seasonal", "both") else [0] * 12
    growth = draw.uniform(0.01, 0.05) if kind in ("growing", "both") else 0
    return [
        round(1000 * math.exp(season[i % 12] + growth * i + draw.gauss(0, noise)))
        for i in range(n_months)
    ]


def flagged(con, series):
    """The months of each series that are one-offs."""
    found = con.execute(
        """
        SELECT p.n, list(p.i) FILTER (p.part.is_outlier)
        FROM (
            SELECT s.n, unnest(range(len(s.counts))) AS i, unnest(seasonal_decompose(s.counts)) AS part
            FROM (SELECT unnest(range(len(a.series))) AS n, unnest(a.series) AS counts FROM (SELECT $1::DOUBLE[][] AS series) AS a) AS s
        ) AS p
        GROUP BY p.n ORDER BY p.n
        """,
        [series],
    ).fetchall()
    return [months or [] for _, months in found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_months", "found_at_least"), [(24, 0.65), (36, 0.85), (48, 0.85)])
def test_one_offs_are_found_and_false_alarms_are_rare(con, n_months, found_at_least, kind):
    draw = random.Random(f"{n_months} {kind}")
    for noise in (0.01, 0.03, 0.05):
        plain = [simulated(draw, n_months, kind, noise) for _ in range(N_SERIES)]
        alarms = sum(map(len, flagged(con, plain))) / (N_SERIES * n_months)
        places = [draw.randrange(n_months) for _ in range(N_SERIES)]
        for counts, place in zip(plain, places):
            counts[place] = round(counts[place] * 1.5)
        found = flagged(con, plain)
        hits = sum(place in months for place, months in zip(places, found)) / N_SERIES
        others = (sum(map(len, found)) - hits * N_SERIES) / (N_SERIES * n_months)
        assert alarms <= 0.01, (noise, alarms)
        assert hits >= found_at_least, (noise, hits)
        assert others <= 0.02, (noise, others)


def test_the_same_season_in_both_years_has_no_one_off(con):
    draw = random.Random(24)
    series = []
    for noise in (0, 0.01, 0.02, 0.03):
        for _ in range(N_SERIES):
            season = [1000 * math.exp(draw.gauss(0, 0.4)) for _ in range(12)]
            series.append([round(x * (1 + draw.uniform(-noise, noise))) for x in season * 2])
    assert [months for months in flagged(con, series) if months] == []


def test_growth_has_no_one_off_however_fast(con):
    series = [
        [round(500 * (1 + growth / 100) ** i) for i in range(n)]
        for growth in range(-5, 21)
        for n in (24, 36, 60)
    ]
    series += [[1000 + step * i for i in range(36)] for step in (0, 5, 50, 200)]
    assert [months for months in flagged(con, series) if months] == []


def test_the_order_of_chunks_and_threads_changes_no_bit(con):
    draw = random.Random(1)
    series = [simulated(draw, 24 + n % 30, KINDS[n % 4], 0.05) for n in range(3000)]
    con.execute(
        "CREATE TABLE series AS SELECT unnest(range(3000)) AS n, unnest($1::DOUBLE[][]) AS counts",
        [series],
    )
    results = []
    for threads, order in ((1, "n"), (4, "hash(n)")):
        con.execute(f"SET threads = {threads}")
        con.execute(f"CREATE OR REPLACE TABLE shuffled AS FROM series ORDER BY {order}")
        results.append(
            con.execute(
                "SELECT n, seasonal_decompose(counts)::VARCHAR FROM shuffled ORDER BY n"
            ).fetchall()
        )
    assert results[0] == results[1]
