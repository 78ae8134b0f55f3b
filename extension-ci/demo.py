"""Builds a demonstration shop: two months of generated events as CSV files, the whole marketplace pipeline, its results.

Runs in an environment that has the `duckdb` wheel and the command line client. Running it again changes nothing.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb

import package

ROOT = package.ROOT
CLIENT = Path(sys.executable).parent / "duckdb"
PIPELINE = ROOT / "sql" / "marketplace" / "build.sql"
DAYS = 61

RESULTS = {
    "files that were loaded": "SELECT file_name, line_count, rows_loaded, rows_rejected FROM raw.loaded_files ORDER BY file_name",
    "segments: who they are": """
        SELECT
            p.segment,
            any_value(p.size) AS users,
            round(100 * any_value(p.share), 1) AS percent,
            any_value(p.name) AS name
        FROM kpi.segment_profile AS p GROUP BY p.segment ORDER BY p.segment""",
    "segments: means of their users": """
        SELECT
            segment,
            count(*) AS users,
            round(avg(total_events), 1) AS events,
            round(avg(total_purchases), 2) AS purchases,
            round(avg(total_spent), 2) AS spent,
            round(avg(conversion_rate), 3) AS conversion,
            round(avg(days_since_last_event), 1) AS days_away
        FROM user_segments GROUP BY segment ORDER BY segment""",
    "kpi.monthly": """
        SELECT
            month,
            events,
            users,
            new_users,
            sessions,
            purchases,
            revenue,
            round(conversion_rate, 4) AS conversion_rate,
            round(avg_basket, 2) AS avg_basket,
            round(revenue_change, 3) AS revenue_change
        FROM kpi.monthly ORDER BY month""",
    "kpi.daily, the first week": """
        SELECT day, events, users, new_users, sessions, purchases, revenue FROM kpi.daily ORDER BY day LIMIT 7""",
}


class Steps:
    """Says what runs, as `[2/3] what`, and how long it took."""

    def __init__(self, n_steps):
        self.n_steps = n_steps
        self.done = 0

    def run(self, what, action):
        self.done += 1
        print(f"[{self.done}/{self.n_steps}] {what}", flush=True)
        started = time.monotonic()
        action()
        print(f"      {time.monotonic() - started:.1f} s", flush=True)


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def write_events(extension, folder, n_rows):
    """One CSV file a month, in the format of the real data."""
    folder.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD {quoted(extension)}")
    con.execute(f"CREATE TABLE events AS FROM synthetic_marketplace_events({n_rows}, days := {DAYS})")
    months = con.execute("SELECT DISTINCT date_trunc('month', event_time)::DATE FROM events ORDER BY ALL").fetchall()
    for [month] in months:
        path = folder / f"{month:%Y-%b}.csv"
        unfinished = path.with_suffix(".part")
        con.execute(
            f"COPY (FROM events WHERE date_trunc('month', event_time) = DATE '{month}') TO {quoted(unfinished)} "
            "(FORMAT csv, HEADER true, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')"
        )
        unfinished.replace(path)
    con.close()


def build_shop(extension, folder):
    """Runs the pipeline as a user would: with the command line client, inside the folder that holds the data."""
    prepare = f"LOAD {quoted(extension)}; SET VARIABLE data = 'data/*.csv';"
    command = [CLIENT, "-unsigned", "-cmd", prepare, "shop.duckdb", "-f", PIPELINE]
    if subprocess.run(command, cwd=folder).returncode != 0:
        raise SystemExit("demo.py: the pipeline failed")


def show_results(folder):
    for title, sql in RESULTS.items():
        print(f"\n{title}", flush=True)
        subprocess.run([CLIENT, "-readonly", "-box", "shop.duckdb", "-c", sql], cwd=folder, check=True)
    print(f"\nThe map of the users: {os.path.relpath(folder / 'segments.svg')}")
    print(f"Ask for more:         {os.path.relpath(CLIENT)} -unsigned {os.path.relpath(folder / 'shop.duckdb')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="events to generate (default: 1,000,000)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument("--extension", type=Path, default=ROOT / "build" / "release" / package.FILE_NAME)
    arguments = parser.parse_args()

    extension = arguments.extension.resolve()
    steps = Steps(2)
    steps.run(
        f"{arguments.rows:,} events as CSV files",
        lambda: write_events(extension, arguments.folder / "data", arguments.rows),
    )
    steps.run(
        f"raw, clean, kpi, segments: {os.path.relpath(PIPELINE)}", lambda: build_shop(extension, arguments.folder)
    )
    show_results(arguments.folder)


if __name__ == "__main__":
    main()
