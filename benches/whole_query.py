"""The whole query side by side with scikit-learn: from a DuckDB table to a DuckDB table with segments.

    python benches/whole_query.py --extension build/release/amazing.duckdb_extension [--rows 1000000] [--threads 2]

Every way runs in a process of its own, so that memory is its own; runs are interleaved; medians are printed as Markdown.
The scikit-learn way is what users do today: fetch, StandardScaler, KMeans, back into DuckDB as a table.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ["plain", "amazing", "sklearn-1", "sklearn-10"]
TITLES = {
    "plain": "`CREATE TABLE s AS FROM t`, no segments",
    "amazing": "`CREATE TABLE s AS FROM amz.kmeans_segments(t, k := 8)`",
    "sklearn-1": "DuckDB → StandardScaler → KMeans(n_init=1) → DuckDB",
    "sklearn-10": "the same with n_init=10",
}


def data(kind, rows):
    """The columns of a set: blobs (A), heavy tails (C) or no structure at all."""
    import numpy as np

    random = np.random.default_rng(1)
    if kind == "blobs":
        centres = 4 * random.normal(size=(8, 8))
        values = centres[random.integers(0, 8, rows)] + random.normal(size=(rows, 8))
    elif kind == "log-normal":
        values = random.lognormal(size=(rows, 8))
    else:
        values = random.normal(size=(rows, 8))
    return {f"x{i}": values[:, i].copy() for i in range(8)}


def connect(arguments):
    import duckdb

    config = {"allow_unsigned_extensions": "true", "threads": arguments.threads}
    connection = duckdb.connect(config=config)
    connection.execute(f"LOAD '{arguments.extension}'")
    connection.execute(f"ATTACH '{arguments.database}' AS made (READ_ONLY)")
    connection.execute("CREATE TABLE t AS FROM made.t")
    return connection


def make(database, kind, rows):
    import duckdb

    columns = data(kind, rows)  # noqa: F841
    with duckdb.connect(database) as connection:
        connection.execute("CREATE TABLE t AS FROM columns")


def sklearn_way(connection, n_init):
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    columns = connection.execute("FROM t").fetchnumpy()
    values = StandardScaler().fit_transform(np.column_stack(list(columns.values())))
    model = KMeans(n_clusters=8, n_init=n_init, random_state=0).fit(values)
    result = {**columns, "segment": model.labels_}  # noqa: F841
    connection.execute("CREATE OR REPLACE TABLE s AS FROM result")


def run(arguments):
    """One way, once: prints seconds, CPU seconds, additional peak memory and the inertia of the segments."""
    connection = connect(arguments)
    if arguments.way.startswith("sklearn"):
        import sklearn.cluster
        import sklearn.preprocessing  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    if arguments.way == "plain":
        connection.execute("CREATE TABLE s AS FROM t")
    elif arguments.way == "amazing":
        connection.execute("CREATE TABLE s AS FROM amz.kmeans_segments(t, k := 8)")
    else:
        sklearn_way(connection, int(arguments.way.split("-")[1]))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    inertia = None
    if arguments.way != "plain":
        scaled = ", ".join(f"(x{i} - avg(x{i}) OVER ()) / stddev_pop(x{i}) OVER () AS x{i}" for i in range(8))
        squares = " + ".join(f"var_pop(x{i})" for i in range(8))
        inertia = connection.execute(
            f"SELECT sum(n * v) FROM (SELECT count(*) AS n, {squares} AS v "
            f"FROM (SELECT segment, {scaled} FROM s) GROUP BY segment)"
        ).fetchone()[0]
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": memory, "inertia": inertia}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extension", required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kind", choices=["blobs", "log-normal", "normal"])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        return run(arguments)

    print(f"{arguments.rows:,} x 8, {arguments.threads} threads, medians of {arguments.repeat} interleaved runs\n")
    print("| data | way | seconds | ratio | CPU seconds | ratio | memory MB | inertia / best |")
    print("|---|---|---|---|---|---|---|---|")
    threads = str(arguments.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    for kind in [arguments.kind] if arguments.kind else ["blobs", "log-normal", "normal"]:
        results = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory() as folder:
            database = str(Path(folder) / "made.duckdb")
            make(database, kind, arguments.rows)
            for _ in range(arguments.repeat):
                for way in WAYS:
                    command = [sys.executable, __file__, "--extension", arguments.extension, "--way", way]
                    command += ["--database", database, "--threads", threads]
                    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                    results[way].append(json.loads(output.stdout))
        median = {
            way: {
                name: statistics.median(result[name] for result in of_way) if of_way[0][name] is not None else None
                for name in of_way[0]
            }
            for way, of_way in results.items()
        }
        best = min(figures["inertia"] for figures in median.values() if figures["inertia"])
        for way, figures in median.items():
            ratios = {name: figures[name] / median["amazing"][name] for name in ["wall", "cpu"]}
            inertia = f"{figures['inertia'] / best:.5f}" if figures["inertia"] else ""
            print(
                f"| {kind} | {TITLES[way]} | {figures['wall']:.3f} | {ratios['wall']:.1f} | "
                f"{figures['cpu']:.3f} | {ratios['cpu']:.1f} | "
                f"{figures['memory'] / 1024:.0f} | {inertia} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
