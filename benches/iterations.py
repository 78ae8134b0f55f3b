"""One iteration of Lloyd's algorithm, and labels, side by side: ours, scikit-learn's, faiss'.

    python benches/iterations.py --extension build/release/amazing.duckdb_extension [--threads 1] [--sets A,B,C,E]

All ways start from the same centroids, rows of the set. The time of an iteration is that of a run of 11 less that of a run
of 1, over 10, so what a run does once does not count. Runs are interleaved in one process; medians are printed as
Markdown. linfa's iterations are in benches/kernels.
"""

import argparse
import statistics
import time

import sets

LONG = 11


def seconds(run, *arguments):
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def per_iteration(run):
    # What ran before has given its memory back, and getting it anew takes time.
    run(1)
    return (seconds(run, LONG) - seconds(run, 1)) / (LONG - 1)


def ours(connection, k):
    """Single precision leads the iterations where its rounding is nothing beside the inertia."""

    def run(max_iter):
        connection.execute(
            f"SELECT (kmeans_fit(t, {k}, {{'scale': 'none', 'init': (SELECT m FROM start), 'tol':"
            f" 0, 'max_iter': {max_iter}}})).inertia FROM t"
        ).fetchall()

    return run


def scikit_learn(values, centroids):
    from sklearn.cluster import KMeans

    def run(max_iter):
        KMeans(len(centroids), init=centroids, n_init=1, max_iter=max_iter, tol=0).fit(values)

    return run


def faiss(values, centroids):
    import faiss

    def run(max_iter):
        kmeans = faiss.Kmeans(
            values.shape[1], len(centroids), niter=max_iter, max_points_per_centroid=len(values)
        )
        kmeans.train(values, init_centroids=centroids)

    return run


def label_ways(connection, predict, read, fitted, values):
    return {
        "ours": lambda: connection.execute(predict).fetchall(),
        "read": lambda: connection.execute(read).fetchall(),
        "theirs": lambda: fitted.predict(values),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--sets", default="A,B,C,E")
    arguments = parser.parse_args()
    sets.limit_threads(arguments.threads)
    import faiss as faiss_library
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    faiss_library.omp_set_num_threads(arguments.threads)
    print(
        sets.machine(arguments.extension),
        f"\n{arguments.threads} threads, medians of {arguments.repeat} runs\n",
    )
    print(
        "| set | k | ours, ms | scikit-learn, ms | ratio | in single precision, ms | ratio | faiss,"
        " ms | ratio |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    labels = []
    for name in arguments.sets.split(","):
        _, rows, features, clusters = sets.SETS[name]
        values = StandardScaler().fit_transform(np.column_stack(list(sets.columns(name).values())))
        single = values.astype(np.float32)
        frame = {f"x{i}": values[:, i].copy() for i in range(features)}  # noqa: F841
        connection = sets.connect(arguments.extension, arguments.threads)
        connection.execute("CREATE TABLE t AS FROM frame")
        for k in clusters:
            start = values[:: rows // k][:k].copy()
            model = {"features": [f"x{i}" for i in range(features)], "centroids": start.tolist()}
            connection.execute("CREATE OR REPLACE TABLE start AS SELECT $1 AS m", [model])
            ways = {
                "ours": ours(connection, k),
                "double": scikit_learn(values, start),
                "single": scikit_learn(single, start.astype(np.float32)),
                "faiss": faiss(single, start.astype(np.float32)),
            }
            times = {way: [] for way in ways}
            with threadpool_limits(arguments.threads):
                for _ in range(arguments.repeat):
                    for way, run in ways.items():
                        times[way].append(per_iteration(run))
            median = {way: 1000 * statistics.median(own) for way, own in times.items()}
            cells = [f"{median['ours']:.1f}"]
            for way in ["double", "single", "faiss"]:
                cells += [f"{median[way]:.1f}", f"{median[way] / median['ours']:.1f}"]
            print(
                f"| {name}, {rows // 1_000_000}M x {features} | {k} | {' | '.join(cells)} |",
                flush=True,
            )

            fitted = KMeans(k, init=start, n_init=1, max_iter=2, tol=0).fit(values)
            connection.execute(
                "CREATE OR REPLACE TABLE start AS SELECT $1 AS m",
                [{**model, "centroids": fitted.cluster_centers_.tolist()}],
            )
            predict = f"SELECT count(kmeans_predict((SELECT m FROM start), t)) FROM t"  # noqa: F541
            read = f"SELECT {', '.join(f'sum(x{i})' for i in range(features))} FROM t"
            labels_of = label_ways(connection, predict, read, fitted, values)
            times = {way: [] for way in labels_of}
            with threadpool_limits(arguments.threads):
                for _ in range(arguments.repeat):
                    for way, run in labels_of.items():
                        times[way].append(seconds(run))
            median = {way: 1000 * statistics.median(own) for way, own in times.items()}
            labels.append(
                f"| {name}, {rows // 1_000_000}M x {features} | {k} | {median['ours']:.0f} |"
                f" {median['read']:.0f} | {median['theirs']:.0f} |"
                f" {median['theirs'] / median['ours']:.1f} |"
                f" {median['theirs'] / max(median['ours'] - median['read'], 0.1):.1f} |"
            )
        connection.close()
    print(
        "\n| set | k | `count(kmeans_predict(m, t))`, ms | `sum` of each column, ms | scikit-learn"
        " `predict`, ms | ratio | ratio without reading |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    print("\n".join(labels))


if __name__ == "__main__":
    main()
