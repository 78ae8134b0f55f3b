"""The road of the shop side by side with pandas and scikit-learn: from one CSV file of events to segments of users.

    python benches/marketplace.py --extension build/release/amazing.duckdb_extension [--rows 5000000] [--threads 2]
        [--ways bare,pipeline,pandas] [--folder /tmp]

`bare` is DuckDB's own read_csv with explicit types into a table, the least that any road on DuckDB pays; `pipeline` are
the four steps of sql/marketplace; `pandas` is the same work as one writes it there: types at reading, rows that are no
events and duplicates out, all tables of figures, features of users, StandardScaler, KMeans, PCA. Every way runs in a
process of its own, each part is timed. pandas keeps no raw text, rejected lines, fingerprints or files for the next run.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]
TITLES = {
    "bare": "`CREATE TABLE AS FROM read_csv(...)` with types",
    "pipeline": "`sql/marketplace`",
    "pandas": "pandas and scikit-learn",
}
COLUMNS = {
    "event_time": "TIMESTAMP", "event_type": "VARCHAR", "product_id": "BIGINT", "category_id": "BIGINT",
    "category_code": "VARCHAR", "brand": "VARCHAR", "price": "DECIMAL(10, 2)", "user_id": "BIGINT", "user_session": "VARCHAR",
}  # fmt: skip


def connect(arguments, database=":memory:"):
    import duckdb

    config = {"allow_unsigned_extensions": "true", "threads": arguments.threads, "memory_limit": arguments.memory}
    connection = duckdb.connect(str(database), config=config)
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"LOAD '{arguments.extension}'")
    return connection


def generate(arguments, path):
    with connect(arguments) as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"""
            COPY (FROM synthetic_marketplace_events({arguments.rows}))
            TO '{path}' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')
        """)


def bare(arguments, path, clock):
    with connect(arguments, path.with_name("bare.duckdb")) as connection:
        connection.execute(f"""
            CREATE TABLE events AS
            FROM read_csv('{path}', columns = {COLUMNS}, auto_detect = false, header = true, delim = ',', quote = '"',
                escape = '"', timestampformat = '%Y-%m-%d %H:%M:%S UTC')
        """)
        clock("all")
        return {}


def pipeline(arguments, path, clock):
    connection = connect(arguments, path.with_name("shop.duckdb"))
    connection.execute(f"SET VARIABLE data = '{path}'; SET VARIABLE svg = '{path.with_name('segments.svg')}'")
    for step in STEPS:
        script = (ROOT / "sql" / "marketplace" / f"{step}.sql").read_text(encoding="utf-8")
        for statement in connection.extract_statements(script):
            connection.execute(statement).fetchall()
        clock(step)
    users, events, revenue = connection.execute(
        "SELECT count(*), sum(total_events)::BIGINT, sum(total_spent)::DOUBLE FROM kpi.user_features"
    ).fetchone()
    segmented = connection.execute("SELECT count(*) FROM user_segments").fetchone()[0]
    connection.close()
    return {"users": users, "events": events, "revenue": revenue, "segmented": segmented}


def with_pandas(arguments, path, clock):
    import numpy as np
    import pandas as pd
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    events = pd.read_csv(
        path,
        dtype={
            "event_type": "category", "product_id": "int64", "category_id": "int64", "category_code": "category",
            "brand": "category", "price": "float64", "user_id": "int64", "user_session": "str",
        },
        parse_dates=["event_time"], date_format="%Y-%m-%d %H:%M:%S UTC",
    )  # fmt: skip
    clock("00_raw")
    known = events.event_type.isin(["view", "cart", "remove_from_cart", "purchase"])
    whole = events[["event_time", "user_id", "user_session", "product_id", "price"]].notna().all(axis=1)
    session = events.user_session.str.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    events = events[known & whole & session & (events.price >= 0)].drop_duplicates()
    levels = events.category_code.cat.categories.to_series().str.split(".", expand=True)
    for level in range(3):
        events[f"category_{level + 1}"] = events.category_code.map(levels[level].to_dict())
    clock("10_clean")
    events["view"] = events.event_type == "view"
    events["cart"] = events.event_type == "cart"
    events["purchase"] = events.event_type == "purchase"
    events["revenue"] = events.price.where(events.purchase, 0.0)
    events["day"] = events.event_time.dt.floor("D")
    events["month"] = events.event_time.dt.to_period("M").dt.to_timestamp()
    bought = events[events.purchase]
    sums = {"view": "sum", "cart": "sum", "purchase": "sum", "revenue": "sum"}
    first_time = events.groupby("user_id").event_time.min()
    for period in ("day", "month"):
        groups = events.groupby(period)
        table = groups.agg(events=("view", "size"), users=("user_id", "nunique"), sessions=("user_session", "nunique"))
        table = table.join(groups.agg(sums)).join(bought.groupby(period).user_session.nunique().rename("buying"))
        new = first_time.dt.floor("D") if period == "day" else first_time.dt.to_period("M").dt.to_timestamp()
        table["new_users"] = new.value_counts()
        table["conversion_rate"] = table.purchase / table["view"]
        table["avg_basket"] = table.revenue / table.buying
        table[["view", "revenue"]].pct_change()
    for column in ("category_code", "brand"):
        table = events.groupby(column, dropna=False, observed=True).agg(sums)
        table["buyers"] = bought.groupby(column, dropna=False, observed=True).user_id.nunique()
        table["share"] = table.revenue / table.revenue.sum()
        table["rank"] = table.revenue.rank(method="min", ascending=False)
    for who in ("user_id", "user_session"):
        reached = events.groupby(["month", who])[["view", "cart", "purchase"]].any()
        reached["cart"] |= reached.purchase
        reached["view"] |= reached["cart"]
        reached.groupby("month").sum()
    active = events.groupby(["user_id", "month"]).revenue.sum().reset_index()
    active["first_month"] = active.groupby("user_id").month.transform("min")
    active.groupby(["first_month", "month"]).agg(users=("user_id", "size"), revenue=("revenue", "sum"))
    users = events.groupby("user_id").agg(
        total_events=("view", "size"), total_views=("view", "sum"), total_purchases=("purchase", "sum"),
        total_spent=("revenue", "sum"), first=("event_time", "min"), last_event_time=("event_time", "max"),
    )  # fmt: skip
    seconds = (users.last_event_time - users["first"]).dt.total_seconds()
    users["avg_time_between_events"] = seconds / (users.total_events - 1).where(users.total_events > 1)
    users["avg_basket"] = (users.total_spent / bought.groupby("user_id").user_session.nunique()).fillna(0)
    users["conversion_rate"] = (users.total_purchases / users.total_views.where(users.total_views > 0)).fillna(0)
    users["purchase_ratio"] = users.total_purchases / users.total_events
    last_day = users.last_event_time.max().floor("D")
    users["days_since_last_event"] = (last_day - users.last_event_time.dt.floor("D")).dt.days
    clock("20_kpi")
    busy = users[users.total_events >= 10].drop(columns=["first", "last_event_time"]).fillna(0)
    counts = ["total_events", "total_views", "total_purchases", "total_spent", "avg_basket"]
    busy[counts] = np.log1p(busy[counts])
    scaled = StandardScaler().fit_transform(busy)
    busy["segment"] = KMeans(n_clusters=5, n_init=1, random_state=42).fit_predict(scaled)
    busy.groupby("segment").agg(["mean", "median", "std"])
    PCA(n_components=2).fit_transform(scaled)
    clock("30_user_segments")
    return {
        "users": len(users), "events": len(events), "revenue": round(float(users.total_spent.sum()), 2),
        "segmented": len(busy),
    }  # fmt: skip


WAYS = {"bare": bare, "pipeline": pipeline, "pandas": with_pandas}


def run(arguments, way, path):
    """Runs one way in this process and prints its times and memory as JSON."""
    times, start = {}, time.perf_counter()
    before = start

    def clock(part):
        nonlocal before
        now = time.perf_counter()
        times[part] = now - before
        before = now

    result = WAYS[way](arguments, path, clock)
    times["all"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"times": times, "peak": peak, "result": result}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--extension", type=os.path.abspath, required=True)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--ways", default="bare,pipeline,pandas")
    parser.add_argument("--folder", help="where the file and the databases are made, and deleted")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments, arguments.run[0], Path(arguments.run[1]))
        return
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        path = folder / "events.csv"
        start = time.perf_counter()
        generate(arguments, path)
        size, seconds = path.stat().st_size, time.perf_counter() - start
        print(f"{arguments.rows:,} rows, {size / 1e9:.2f} GB of CSV in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s)\n")
        found = {}
        for way in arguments.ways.split(","):
            command = [sys.executable, __file__, *sys.argv[1:], "--run", way, str(path)]
            environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                sys.exit(f"{way}: exit code {done.returncode}\n{done.stderr}")
            found[way] = json.loads(done.stdout.splitlines()[-1])
        base = found.get("bare", next(iter(found.values())))["times"]["all"]
        print("| way | raw | clean | kpi | segments | all, seconds | ratio | peak memory GB |")
        print("|---|---|---|---|---|---|---|---|")
        for way, measured in found.items():
            times = measured["times"]
            parts = [f"{times[step]:.1f}" if step in times else "" for step in STEPS]
            print(
                f"| {TITLES[way]} | {' | '.join(parts)} | {times['all']:.1f} | {times['all'] / base:.2f} | {measured['peak']:.1f} |"
            )
        print()
        for way, measured in found.items():
            if measured["result"]:
                print(way, measured["result"])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
