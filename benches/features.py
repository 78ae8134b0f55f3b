"""From a CSV file of events to segments of users in one statement, side by side with Polars and scikit-learn.

    python benches/features.py --extension build/release/amazing.duckdb_extension [--rows 8000000] [--threads 2] [--repeat 5]
        [--ways group-by,features,segments,polars,polars-group-by] [--file events.csv] [--folder /tmp]

`group-by` is DuckDB's own GROUP BY for the same figures, written by hand; `features` the table of `user_features`; `segments`
the statement of docs/your-own-events.md, `kmeans_segments` over `user_features`. `polars` is Polars' streaming engine for
the same figures, then StandardScaler and KMeans with one start; `polars-group-by` the figures alone. Nobody is told the types
of columns, but Polars the format of times, which it reads as text else.

Every way runs in a process of its own and imports its libraries before the clock starts. Runs are interleaved, medians are
printed as Markdown; CPU seconds are user + system. Ways must agree in users, events and sums of each figure, or the script
fails.
"""

import argparse
import importlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import sets

K = 5
LOGARITHMIC = ["total_events", "total_views", "total_purchases", "total_spent", "avg_basket"]
FIGURES = [
    "total_events", "total_views", "total_purchases", "avg_time_between_events", "total_spent", "avg_basket",
    "conversion_rate", "purchase_ratio", "days_since_last_event",
]  # fmt: skip
GROUP_BY = """
    WITH users AS (
        SELECT
            user_id,
            count(*) AS total_events,
            count(*) FILTER (event_type = 'view') AS total_views,
            count(*) FILTER (event_type = 'purchase') AS total_purchases,
            date_diff('microsecond', min(event_time), max(event_time)) / 1e6 / nullif(count(*) - 1, 0) AS avg_time_between_events,
            coalesce(sum(price) FILTER (event_type = 'purchase'), 0) AS total_spent,
            count(DISTINCT user_session) FILTER (event_type = 'purchase') AS baskets,
            max(event_time) AS last_event_time
        FROM '{path}'
        GROUP BY user_id
    )
    SELECT
        * EXCLUDE (baskets),
        coalesce(total_spent / nullif(baskets, 0), 0) AS avg_basket,
        coalesce(total_purchases / nullif(total_views, 0), 0) AS conversion_rate,
        total_purchases / total_events AS purchase_ratio,
        date_diff('day', last_event_time::DATE, max(last_event_time::DATE) OVER ()) AS days_since_last_event
    FROM users
    QUALIFY total_events >= 2
"""
FEATURES = "FROM amz.user_features('{path}', min_events := 2)"
SEGMENTS = f"""
    WITH features AS ({FEATURES})
    FROM amz.kmeans_segments(features, k := {K}, log := {LOGARITHMIC})
"""


def generate(arguments, path):
    with sets.connect(arguments.extension, arguments.threads) as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"""
            COPY (FROM synthetic_marketplace_events({arguments.rows}))
            TO '{path}' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')
        """)


def in_duckdb(statement):
    def way(arguments, path, clock):
        connection = sets.connect(arguments.extension, arguments.threads)
        connection.execute(f"CREATE TABLE result AS {statement.format(path=path)}")
        clock()
        sums = ", ".join(f"sum({name})::DOUBLE" for name in FIGURES)
        found = connection.execute(f"SELECT count(*), {sums} FROM result").fetchone()
        return dict(zip(["users", *FIGURES], found, strict=True))

    return way


def with_polars(with_segments):
    def way(arguments, path, clock):
        import polars as pl

        bought = pl.col("event_type") == "purchase"
        first, last = pl.col("event_time").min(), pl.col("event_time").max()
        users = (
            pl.scan_csv(path)
            .select("user_id", "event_time", "event_type", "price", "user_session")
            .with_columns(pl.col("event_time").str.to_datetime("%Y-%m-%d %H:%M:%S UTC"))
            .group_by("user_id")
            .agg(
                pl.len().alias("total_events"),
                (pl.col("event_type") == "view").sum().alias("total_views"),
                bought.sum().alias("total_purchases"),
                (last - first).dt.total_microseconds().alias("lifetime"),
                pl.col("price").filter(bought).sum().alias("total_spent"),
                pl.col("user_session").filter(bought).n_unique().alias("baskets"),
                last.alias("last_event_time"),
            )
            .collect(engine="streaming")
        )
        end = users["last_event_time"].max().date()
        users = users.filter(pl.col("total_events") >= 2).select(
            "user_id", "total_events", "total_views", "total_purchases", "total_spent", "last_event_time",
            (pl.col("lifetime") / 1e6 / (pl.col("total_events") - 1)).alias("avg_time_between_events"),
            pl.when(pl.col("baskets") > 0).then(pl.col("total_spent") / pl.col("baskets")).otherwise(0).alias("avg_basket"),
            pl.when(pl.col("total_views") > 0)
            .then(pl.col("total_purchases") / pl.col("total_views"))
            .otherwise(0)
            .alias("conversion_rate"),
            (pl.col("total_purchases") / pl.col("total_events")).alias("purchase_ratio"),
            (pl.lit(end) - pl.col("last_event_time").dt.date()).dt.total_days().alias("days_since_last_event"),
        )  # fmt: skip
        if with_segments:
            from sklearn.cluster import KMeans
            from sklearn.preprocessing import StandardScaler

            values = users.select(
                *(pl.col(name).log1p() if name in LOGARITHMIC else pl.col(name) for name in FIGURES)
            ).to_numpy()
            labels = KMeans(K, n_init=1, random_state=42).fit_predict(
                StandardScaler().fit_transform(values)
            )
            users = users.with_columns(pl.Series("segment", labels))
        clock()
        return {"users": len(users), **{name: float(users[name].sum()) for name in FIGURES}}

    return way


# Each way: its title, the libraries that it imports and its function.
SKLEARN = ["polars", "sklearn.cluster", "sklearn.preprocessing"]
WAYS = {
    "group-by": ("DuckDB, `GROUP BY` by hand, features only", ["duckdb"], in_duckdb(GROUP_BY)),
    "features": ("`user_features`, features only", ["duckdb"], in_duckdb(FEATURES)),
    "polars-group-by": (
        "Polars, streaming, features only",
        ["polars"],
        with_polars(with_segments=False),
    ),
    "segments": ("`kmeans_segments` over `user_features`", ["duckdb"], in_duckdb(SEGMENTS)),
    "polars": ("Polars, streaming, and scikit-learn", SKLEARN, with_polars(with_segments=True)),
}


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_memory():
    """Bytes of this program alone."""
    return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def run(arguments, way, path):
    """Runs one way in this process and prints its times, its memory and what it found as JSON."""
    _, libraries, function = WAYS[way]
    for library in libraries:
        importlib.import_module(library)
    start, cpu = time.perf_counter(), cpu_seconds()
    measured = {}

    def clock():
        measured.update(
            all=time.perf_counter() - start, cpu=cpu_seconds() - cpu, peak=peak_memory() / 1e9
        )

    found = function(arguments, path, clock)
    print(json.dumps({"measured": measured, "found": found}))


def start(arguments, *command):
    command = [sys.executable, __file__, *sys.argv[1:], "--run", *map(str, command)]
    environment = {
        **sets.environment(arguments.threads),
        "POLARS_MAX_THREADS": str(arguments.threads),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{command[-2:]}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


def measure(arguments, path):
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "polars", "scikit-learn")
    )
    print(
        f"{arguments.rows:,} events, {path.stat().st_size / 1e9:.2f} GB of CSV, {libraries},"
        f" {arguments.threads} threads,"
    )
    ways = arguments.ways.split(",")
    measured, known, load = {way: [] for way in ways}, None, []
    for _ in range(arguments.repeat):
        for way in ways:
            load.append(os.getloadavg()[0])
            result = start(arguments, way, path)
            measured[way].append(result["measured"])
            known = known or result["found"]
            different = [
                f"{name}: {value} and {known[name]}"
                for name, value in result["found"].items()
                if not math.isclose(value, known[name], rel_tol=1e-9)
            ]
            if different:
                sys.exit(f"{way} differs from {ways[0]}:\n" + "\n".join(different))
    print(
        f"medians of {arguments.repeat} interleaved runs, load of the machine before them"
        f" {min(load):.1f} to {max(load):.1f}\n"
    )
    print("| way | seconds | CPU seconds | peak memory GB |\n|---|--:|--:|--:|")
    for way, runs in measured.items():
        median = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        print(
            f"| {WAYS[way][0]} | {median['all']:.2f} | {median['cpu']:.1f} | {median['peak']:.2f} |"
        )
    print("\n" + "\n".join(f"  {name}: {value:,}" for name, value in known.items()))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", type=os.path.abspath, required=True)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument(
        "--file", type=Path, help="a file that is there, instead of generated events"
    )
    parser.add_argument("--folder", help="where the file is made, and deleted")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        way, path = arguments.run[0], Path(arguments.run[1])
        generate(arguments, path) if way == "generate" else run(arguments, way, path)
        return
    unknown = set(arguments.ways.split(",")) - WAYS.keys()
    if unknown:
        parser.error(f"no way {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    if arguments.file:
        measure(arguments, arguments.file)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "events.csv"
        start(arguments, "generate", path)
        measure(arguments, path)


if __name__ == "__main__":
    main()
