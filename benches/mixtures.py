"""Gaussian mixtures side by side with scikit-learn.

    python benches/mixtures.py --extension build/release/amazing.duckdb_extension [--threads 2] [--rows 1000000]

Both fit five segments to the same rows of eight features, unscaled: five Gaussian clouds of different shares and shapes,
and a set without clouds. Runs are interleaved in one process; medians are printed as Markdown, with the mean log-likelihood
of a row.
"""

import argparse
import statistics
import time

import sets

K = 5


def clouds(rows, features):
    """Five Gaussian clouds, stretched and turned."""
    import numpy as np

    random = np.random.default_rng(1)
    centres = 2 * random.normal(size=(K, features))
    labels = random.choice(K, size=rows, p=[0.35, 0.25, 0.2, 0.12, 0.08])
    shapes = 0.4 * random.normal(size=(K, features, features)) + np.eye(features)
    values = random.normal(size=(rows, features))
    for label in range(K):
        of_cloud = labels == label
        values[of_cloud] = centres[label] + values[of_cloud] @ shapes[label].T
    return values


SETS = {"clouds": clouds, "log-normal": sets.log_normal}


def sklearn_fit(connection):
    import numpy as np
    from sklearn.mixture import GaussianMixture

    values = np.column_stack(list(connection.execute("FROM t").fetchnumpy().values()))
    mixture = GaussianMixture(K, random_state=0).fit(values)
    return lambda: (mixture.n_iter_, mixture.score(values))


def own_fit(connection):
    model = connection.execute(f"SELECT gmm_fit(t, {K}, {{'scale': 'none'}}) FROM t").fetchone()[0]
    return lambda: (model["iterations"], model["log_likelihood"] / model["rows"])


WAYS = {"`SELECT gmm_fit(t, 5)`": own_fit, "scikit-learn `GaussianMixture(5)`": sklearn_fit}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    arguments = parser.parse_args()
    sets.limit_threads(arguments.threads)
    print(sets.machine(arguments.extension))
    print(f"{arguments.threads} threads, medians of {arguments.repeat} interleaved runs\n")
    print("| set | way | seconds | CPU seconds | iterations | log-likelihood of a row |")
    print("|---|---|--:|--:|--:|--:|")
    for kind in arguments.sets.split(","):
        connection = sets.connect(arguments.extension, arguments.threads)
        values = SETS[kind](arguments.rows, 8)
        columns = {f"x{i}": values[:, i].copy() for i in range(8)}  # noqa: F841
        connection.execute("CREATE TABLE t AS FROM columns")
        times, told = {way: [] for way in WAYS}, {}
        for _ in range(arguments.repeat):
            for way, run in WAYS.items():
                wall, cpu = time.perf_counter(), time.process_time()
                tell = run(connection)
                times[way].append((time.perf_counter() - wall, time.process_time() - cpu))
                told[way] = tell()
        for way, runs in times.items():
            wall, cpu = (statistics.median(column) for column in zip(*runs))
            iterations, score = told[way]
            print(
                f"| {kind} | {way} | {wall:.2f} | {cpu:.2f} | {iterations} | {score:.5f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
