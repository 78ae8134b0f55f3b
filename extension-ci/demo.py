"""Builds two demonstration databases from generated CSV files, a shop and a games platform, and shows their results.

Runs in an environment that has the `duckdb` wheel and the command line client. Running it again changes nothing.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb

import package

ROOT = package.ROOT
CLIENT = Path(sys.executable).parent / "duckdb"
DAYS = 61
EVENTS_OF_A_USER = 100
EVENTS_OF_A_GAME = 5000

LOADED = {
    "files that were loaded": (
        "SELECT file_name, line_count, rows_loaded, rows_rejected FROM raw.loaded_files ORDER BY"
        " file_name"
    ),
}
SEGMENTS = {
    "segments: who they are": (
        """
        SELECT
            p.segment,
            any_value(p.size) AS users,
            round(100 * any_value(p.share), 1) AS percent,
            any_value(p.name) AS name
        FROM kpi.segment_profile AS p GROUP BY p.segment ORDER BY p.segment"""
    ),
}

SHOP_RESULTS = {
    **LOADED,
    **SEGMENTS,
    "segments: means of their users": (
        """
        SELECT
            segment,
            count(*) AS users,
            round(avg(total_events), 1) AS events,
            round(avg(total_purchases), 2) AS purchases,
            round(avg(total_spent), 2) AS spent,
            round(avg(conversion_rate), 3) AS conversion,
            round(avg(days_since_last_event), 1) AS days_away
        FROM user_segments GROUP BY segment ORDER BY segment"""
    ),
    "kpi.monthly": (
        """
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
        FROM kpi.monthly ORDER BY month"""
    ),
    "kpi.category: what sells": (
        """
        SELECT category_code, views, purchases, revenue, buyers, round(conversion_rate, 4) AS conversion_rate, round(share, 3) AS share
        FROM kpi.category ORDER BY rank, category_code LIMIT 5"""
    ),
    "kpi.funnel": (
        """
        SELECT month, step, users, sessions, round(next_user_rate, 3) AS next_user_rate, round(next_session_rate, 3) AS next_session_rate
        FROM kpi.funnel ORDER BY month, step_number"""
    ),
    "kpi.cohorts": (
        """
        SELECT first_month, months_since, users, active_users, round(retention, 3) AS retention, revenue
        FROM kpi.cohorts ORDER BY first_month, months_since"""
    ),
    "kpi.daily, the first week": (
        """
        SELECT day, events, users, new_users, sessions, purchases, revenue FROM kpi.daily ORDER BY day LIMIT 7"""
    ),
}

PLATFORM_RESULTS = {
    **LOADED,
    "rows that could not be kept": (
        """
        SELECT 'events' AS table_name, reason, count(*) AS row_count FROM clean.rejected_events GROUP BY reason
        UNION ALL
        SELECT 'users' AS table_name, reason, count(*) AS row_count FROM clean.rejected_users GROUP BY reason
        ORDER BY ALL"""
    ),
    "values that were repaired: the most frequent": (
        """
        SELECT table_name, column_name, raw_value, clean_value, rule, row_count
        FROM clean.corrections ORDER BY row_count DESC, table_name, column_name, raw_value LIMIT 7"""
    ),
    "kpi.user_status_counts": (
        "SELECT status, users, round(share, 3) AS share FROM kpi.user_status_counts ORDER BY status"
    ),
    **SEGMENTS,
    "kpi.game_performance: the most popular games": (
        """
        SELECT
            game_id,
            game_name,
            game_type,
            active_users,
            sessions,
            round(avg_session_seconds) AS avg_session_seconds,
            round(finish_rate, 3) AS finish_rate,
            purchases
        FROM kpi.game_performance ORDER BY rank, game_id LIMIT 5"""
    ),
    "kpi.monthly, the last half year": (
        """
        SELECT
            month,
            events,
            active_users,
            new_users,
            churned_users,
            reactivated_users,
            sessions,
            round(avg_session_seconds) AS avg_session_seconds,
            round(events_change, 3) AS events_change
        FROM (FROM kpi.monthly ORDER BY month DESC LIMIT 6) ORDER BY month"""
    ),
    "kpi.seasonality: what was no season": (
        """
        SELECT month, events, round(expected) AS expected, round(deviation, 3) AS deviation
        FROM kpi.seasonality WHERE is_outlier ORDER BY month"""
    ),
    "kpi.location": (
        "SELECT location, users, active_users, round(share, 3) AS share FROM kpi.location ORDER BY"
        " rank, location"
    ),
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


def write(con, query, path, options=""):
    """A CSV file that is there whole or not at all."""
    unfinished = path.with_suffix(".part")
    con.execute(f"COPY ({query}) TO {quoted(unfinished)} (FORMAT csv, HEADER true{options})")
    unfinished.replace(path)


def write_shop(con, folder, n_rows):
    """One CSV file a month, in the format of the real data."""
    con.execute(
        f"CREATE TEMP TABLE events AS FROM synthetic_marketplace_events({n_rows}, days := {DAYS})"
    )
    months = con.execute(
        "SELECT DISTINCT date_trunc('month', event_time)::DATE FROM events ORDER BY ALL"
    ).fetchall()
    for [month] in months:
        query = f"FROM events WHERE date_trunc('month', event_time) = DATE '{month}'"
        write(
            con, query, folder / f"{month:%Y-%b}.csv", ", TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC'"
        )


def write_platform(con, folder, n_rows):
    """Users, games and events."""
    users, games = max(n_rows // EVENTS_OF_A_USER, 1), max(n_rows // EVENTS_OF_A_GAME, 10)
    write(con, f"FROM synthetic_users({users})", folder / "users.csv")
    write(con, f"FROM synthetic_games({games})", folder / "games.csv")
    write(
        con,
        f"FROM synthetic_game_events({n_rows}, users := {users}, games := {games})",
        folder / "events.csv",
    )


@dataclasses.dataclass
class World:
    """A database, its data files, and the pipeline between them."""

    database: str
    pipeline: str
    data: str
    picture: str
    write: object
    results: dict

    def write_files(self, extension, folder, n_rows):
        (folder / self.data).mkdir(parents=True, exist_ok=True)
        with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as con:
            con.execute(f"LOAD {quoted(extension)}")
            self.write(con, folder / self.data, n_rows)

    def script(self):
        return ROOT / "sql" / self.pipeline / "build.sql"

    def build(self, extension, folder):
        """Runs the pipeline as a user would: with the command line client, inside the folder that holds the data."""
        prepare = (
            f"LOAD {quoted(extension)}; SET VARIABLE data = '{self.data}/*.csv'; SET VARIABLE svg ="
            f" '{self.picture}';"
        )
        command = [CLIENT, "-unsigned", "-cmd", prepare, self.database, "-f", self.script()]
        if subprocess.run(command, cwd=folder).returncode != 0:
            path = os.path.relpath(folder / self.database)
            raise SystemExit(
                f"demo.py: the pipeline {self.pipeline} failed; to start again from nothing, remove"
                f" {path}"
            )

    def show(self, folder):
        for title, sql in self.results.items():
            print(f"\n{self.database}, {title}", flush=True)
            subprocess.run(
                [CLIENT, "-readonly", "-box", self.database, "-c", sql], cwd=folder, check=True
            )
        print(f"\nThe map of the users: {os.path.relpath(folder / self.picture)}")
        print(
            f"Ask for more:         {os.path.relpath(CLIENT)} -unsigned"
            f" {os.path.relpath(folder / self.database)}"
        )


WORLDS = [
    World("shop.duckdb", "marketplace", "data", "segments.svg", write_shop, SHOP_RESULTS),
    World(
        "platform.duckdb", "games", "games", "player_segments.svg", write_platform, PLATFORM_RESULTS
    ),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="events of each world (default: 1,000,000)"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument(
        "--extension", type=Path, default=ROOT / "build" / "release" / package.FILE_NAME
    )
    arguments = parser.parse_args()

    extension = arguments.extension.resolve()
    steps = Steps(2 * len(WORLDS))
    for world in WORLDS:
        steps.run(
            f"{arguments.rows:,} events of {world.database} as CSV files",
            lambda world=world: world.write_files(extension, arguments.folder, arguments.rows),
        )
        steps.run(
            f"raw, clean, kpi, segments: {os.path.relpath(world.script())}",
            lambda world=world: world.build(extension, arguments.folder),
        )
    for world in WORLDS:
        world.show(arguments.folder)


if __name__ == "__main__":
    main()
