"""The whole query side by side with what users do today: from a DuckDB table to a DuckDB table with segments.

    python benches/whole_query.py --extension build/release/amazing.duckdb_extension [--threads 2] [--sets blobs,normal]

Every way runs in a process of its own, so that memory is its own; runs are interleaved; medians are printed as Markdown.
The way of today is: fetch, StandardScaler, KMeans, back into DuckDB as a table; its fit alone is printed too, and faiss in
its place. The set `users` is kpi.user_features of a shop that the pipeline builds from generated events.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sets

WAYS = ["plain", "amazing", "sklearn-1", "sklearn-10", "faiss"]
TITLES = {
    "plain": "`CREATE TABLE s AS FROM t`, no segments",
    "amazing": "`CREATE TABLE s AS FROM kmeans_segments(t, k := {k})`",
    "sklearn-1": "DuckDB → StandardScaler → KMeans(n_init=1) → DuckDB",
    "sklearn-1 fit": "of these StandardScaler and KMeans alone",
    "sklearn-10": "the same with n_init=10",
    "faiss": "DuckDB → StandardScaler → faiss.Kmeans → DuckDB",
}
USERS = "users"


def make(arguments, database, name):
    """A database with the set as table `t`."""
    connection = sets.connect(arguments.extension, arguments.threads)
    connection.execute(f"ATTACH '{database}' AS made")
    if name != USERS:
        columns = sets.columns(name, arguments.rows)  # noqa: F841
        connection.execute("CREATE TABLE made.t AS FROM columns")
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "events.csv"
        events = (arguments.rows or 1_000_000) * 14
        connection.execute(
            f"COPY (FROM synthetic_marketplace_events({events})) TO '{data}' (TIMESTAMPFORMAT"
            " '%Y-%m-%d %H:%M:%S UTC')"
        )
        connection.execute(
            f"SET VARIABLE data = '{data}'; SET VARIABLE svg = '{Path(folder) / 'segments.svg'}'"
        )
        for step in ["00_raw", "10_clean", "20_kpi"]:
            sets.run_step(connection, step)
        connection.execute("CREATE TABLE made.t AS FROM kpi.user_features")


def features(connection):
    """The features that the relation takes by itself, as SQL: a missing value leaves the row out."""
    described = connection.execute("DESCRIBE t").fetchall()
    numeric = ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL")
    return [
        name
        for name, kind, *_ in described
        if kind.startswith(numeric) and not name.endswith("_id")
    ]


def python_way(connection, way, k, clock):
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    names = features(connection)
    table = connection.execute("FROM t").fetchnumpy()
    for name, column in table.items():
        if np.ma.isMaskedArray(column) and column.dtype.kind == "f":
            table[name] = column.filled(np.nan)
    values = np.column_stack([table[name] for name in names])
    usable = np.isfinite(values).all(axis=1)
    start = time.perf_counter()
    values = StandardScaler().fit_transform(values[usable])
    if way == "faiss":
        import faiss

        values = values.astype(np.float32)
        kmeans = faiss.Kmeans(
            values.shape[1], k, niter=25, nredo=1, max_points_per_centroid=len(values), seed=0
        )
        kmeans.train(values)
        labels = kmeans.index.search(values, 1)[1][:, 0].astype(np.int32)
    else:
        from sklearn.cluster import KMeans

        labels = (
            KMeans(n_clusters=k, n_init=int(way.split("-")[1]), random_state=0).fit(values).labels_
        )
    clock(time.perf_counter() - start)
    segment = np.full(len(usable), -1, dtype=np.int32)
    segment[usable] = labels
    result = {**table, "segment": segment}  # noqa: F841
    connection.execute("CREATE OR REPLACE TABLE s AS FROM result")


def inertia(connection):
    """Of the segments in `s` about their means, in standardised units."""
    names = features(connection)
    usable = " AND ".join(f"isfinite({name}::DOUBLE)" for name in names)
    scaled = ", ".join(
        f"({name}::DOUBLE - avg({name}::DOUBLE) OVER ()) / stddev_pop({name}::DOUBLE) OVER () AS"
        f" {name}"
        for name in names
    )
    squares = " + ".join(f"var_pop({name})" for name in names)
    return connection.execute(
        f"SELECT sum(n * v) FROM (SELECT count(*) AS n, {squares} AS v "
        f"FROM (SELECT segment, {scaled} FROM s WHERE {usable}) GROUP BY segment)"
    ).fetchone()[0]


def run(arguments):
    """One way, once: prints seconds, CPU seconds, additional peak memory and the inertia of the segments."""
    connection = sets.connect(arguments.extension, arguments.threads)
    connection.execute(f"ATTACH '{arguments.database}' AS made (READ_ONLY)")
    connection.execute("CREATE TABLE t AS FROM made.t")
    if arguments.way.startswith("sklearn"):
        import sklearn.cluster
        import sklearn.preprocessing  # noqa: F401
    elif arguments.way == "faiss":
        import faiss

        faiss.omp_set_num_threads(arguments.threads)
    fit = []
    peak = sets.Peak()
    wall, cpu = time.perf_counter(), time.process_time()
    if arguments.way == "plain":
        connection.execute("CREATE TABLE s AS FROM t")
    elif arguments.way == "amazing":
        connection.execute(f"CREATE TABLE s AS FROM amz.kmeans_segments(t, k := {arguments.k})")
    else:
        python_way(connection, arguments.way, arguments.k, fit.append)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = peak.grown()
    found = {"wall": wall, "cpu": cpu, "memory": memory, "fit": fit[0] if fit else None}
    print(
        json.dumps({**found, "inertia": None if arguments.way == "plain" else inertia(connection)})
    )


def measure(arguments, name, k, ways):
    """The medians of each way."""
    results = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "made.duckdb")
        make(arguments, database, name)
        for _ in range(arguments.repeat):
            for way in ways:
                command = [
                    sys.executable,
                    __file__,
                    "--extension",
                    arguments.extension,
                    "--way",
                    way,
                    "--k",
                    str(k),
                ]
                command += ["--database", database, "--threads", str(arguments.threads)]
                environment = sets.environment(arguments.threads)
                done = subprocess.run(
                    command, env=environment, check=True, capture_output=True, text=True
                )
                results[way].append(json.loads(done.stdout))
    return {
        way: {
            figure: (
                None
                if own[0][figure] is None
                else statistics.median(result[figure] for result in own)
            )
            for figure in own[0]
        }
        for way, own in results.items()
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", required=True)
    parser.add_argument("--rows", type=int, help="of each set, in place of its own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sets", default="blobs,log-normal,normal,B,E,users")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--k", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        return run(arguments)

    print(sets.machine(arguments.extension))
    print(f"{arguments.threads} threads, medians of {arguments.repeat} interleaved runs\n")
    print("| set | way | seconds | ratio | CPU seconds | ratio | memory MB | inertia / best |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for name in arguments.sets.split(","):
        k = sets.SETS[name][3][0] if name in sets.SETS else 5
        median = measure(arguments, name, k, arguments.ways.split(","))
        best = min(
            (figures["inertia"] for figures in median.values() if figures["inertia"]),
            default=math.nan,
        )
        ours = median.get("amazing", next(iter(median.values())))
        for way, figures in median.items():
            share = f"{figures['inertia'] / best:.5f}" if figures["inertia"] else ""
            print(
                f"| {name} | {TITLES[way].format(k=k)} | {figures['wall']:.3f} |"
                f" {figures['wall'] / ours['wall']:.1f} | {figures['cpu']:.3f} |"
                f" {figures['cpu'] / ours['cpu']:.1f} | {figures['memory']:.0f} | {share} |",
                flush=True,
            )
            if way == "sklearn-1":
                alone = figures["fit"]
                print(
                    f"| {name} | {TITLES['sklearn-1 fit']} | {alone:.3f} |"
                    f" {alone / ours['wall']:.1f} | | | | |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
