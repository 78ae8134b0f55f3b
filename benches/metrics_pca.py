"""Figures of several numbers of segments and principal components, side by side with scikit-learn.

    python benches/metrics_pca.py --extension build/release/amazing.duckdb_extension [--threads 2] [--sets blobs]

Runs are interleaved in one process; medians are printed as Markdown. What users do today: fetch, standardise, then for
each k a KMeans with one start, the silhouette of 10,000 rows, Davies-Bouldin and Calinski-Harabasz index of all; for the
map, PCA and back into DuckDB as a table.
"""

import argparse
import statistics
import time

import sets

RANGE = range(2, 11)


def fetch(connection):
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    columns = connection.execute("FROM t").fetchnumpy()
    return columns, StandardScaler().fit_transform(np.column_stack(list(columns.values())))


def sklearn_metrics(connection):
    from sklearn.cluster import KMeans
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    _, values = fetch(connection)
    for k in RANGE:
        labels = KMeans(n_clusters=k, n_init=1, random_state=0).fit(values).labels_
        silhouette_score(values, labels, sample_size=10_000, random_state=0)
        davies_bouldin_score(values, labels)
        calinski_harabasz_score(values, labels)


def sklearn_map(connection):
    from sklearn.decomposition import PCA

    columns, values = fetch(connection)
    scores = PCA(n_components=2).fit_transform(values)
    result = {**columns, "pc1": scores[:, 0].copy(), "pc2": scores[:, 1].copy()}  # noqa: F841
    connection.execute("CREATE OR REPLACE TABLE s AS FROM result")


def query(sql):
    return lambda connection: connection.execute(sql).fetchall()


SUMS = ", ".join(f"sum(x{i})" for i in range(8))
WAYS = {
    "`SELECT kmeans_fit(t, 8)`": query("SELECT kmeans_fit(t, 8).inertia FROM t"),
    "`FROM kmeans_metrics(t)`, k from 2 to 10": query("FROM amz.kmeans_metrics(t)"),
    "the same with scikit-learn": sklearn_metrics,
    "`SELECT sum(x0), ...`": query(f"SELECT {SUMS} FROM t"),
    "`SELECT pca_fit(t)`": query("SELECT pca_fit(t).rows FROM t"),
    "`CREATE TABLE s AS FROM pca_2d(t)`": query("CREATE OR REPLACE TABLE s AS FROM amz.pca_2d(t)"),
    "DuckDB → StandardScaler → PCA → DuckDB": sklearn_map,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", required=True)
    parser.add_argument("--rows", type=int, help="of each set, in place of its own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sets", default="blobs,log-normal,normal")
    arguments = parser.parse_args()
    sets.limit_threads(arguments.threads)
    print(sets.machine(arguments.extension))
    print(f"{arguments.threads} threads, medians of {arguments.repeat} interleaved runs\n")
    print("| set | way | seconds | CPU seconds |")
    print("|---|---|--:|--:|")
    for kind in arguments.sets.split(","):
        connection = sets.connect(arguments.extension, arguments.threads)
        columns = sets.columns(kind, arguments.rows)  # noqa: F841
        connection.execute("CREATE TABLE t AS FROM columns")
        times = {way: [] for way in WAYS}
        for _ in range(arguments.repeat):
            for way, run in WAYS.items():
                wall, cpu = time.perf_counter(), time.process_time()
                run(connection)
                times[way].append((time.perf_counter() - wall, time.process_time() - cpu))
        for way, runs in times.items():
            wall, cpu = (statistics.median(column) for column in zip(*runs))
            print(f"| {kind} | {way} | {wall:.3f} | {cpu:.3f} |", flush=True)


if __name__ == "__main__":
    main()
