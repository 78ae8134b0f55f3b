"""A model of customer value of a table of customers, side by side with lifetimes.

    python benches/customer_value.py --extension build/release/amazing.duckdb_extension
        [--customers 1000000] [--threads 2] [--repeat 3] [--ways relation,fit,lifetimes]

Orders are generated; `relation` is `customer_value` over them, `fit` is `clv_fit` over one row a
customer, `lifetimes` its BetaGeoFitter and GammaGammaFitter over the same rows. Every way runs in a
process of its own and imports its libraries before the clock starts. Medians are printed as
Markdown; CPU seconds are user + system. Models must agree to three digits, or the script fails.
lifetimes needs an environment of its own: it does not run with pandas 3 (`--lifetimes-python`).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARAMETERS = ["r", "alpha", "a", "b", "p", "q", "gamma"]
CUSTOMERS = "SELECT frequency, recency, age, value FROM amz.customer_value(orders)"


def connect(arguments):
    import duckdb

    connection = duckdb.connect(
        config={"allow_unsigned_extensions": "true", "threads": str(arguments.threads)}
    )
    connection.execute(f"LOAD '{arguments.extension}'")
    return connection


def generate(arguments):
    with connect(arguments) as connection:
        connection.execute(
            f"CREATE TABLE orders AS FROM synthetic_orders({arguments.customers});"
            f"COPY orders TO '{arguments.folder}/orders.parquet';"
            f"COPY ({CUSTOMERS}) TO '{arguments.folder}/customers.parquet';"
            f"COPY ({CUSTOMERS}) TO '{arguments.folder}/customers.csv'"
        )


def relation(arguments, clock):
    connection = connect(arguments)
    connection.execute(f"CREATE TABLE orders AS FROM '{arguments.folder}/orders.parquet'")
    seconds = clock(lambda: connection.execute(f"CREATE TABLE result AS {CUSTOMERS}"))
    return seconds, None


def fit(arguments, clock):
    connection = connect(arguments)
    connection.execute(f"CREATE TABLE c AS FROM '{arguments.folder}/customers.parquet'")
    found = []
    query = "SELECT clv_fit(c) FROM c"
    seconds = clock(lambda: found.append(connection.execute(query).fetchone()[0]))
    return seconds, [found[0][name] for name in PARAMETERS]


def lifetimes(arguments, clock):
    import pandas as pd
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    rows = pd.read_csv(f"{arguments.folder}/customers.csv")
    repeaters = rows[rows.value.notna()]
    purchasing, spending = BetaGeoFitter(), GammaGammaFitter()

    def both():
        purchasing.fit(rows.frequency, rows.recency, rows.age)
        spending.fit(repeaters.frequency, repeaters.value)

    seconds = clock(both)
    parameters = {**purchasing.params_, **spending.params_}
    parameters["gamma"] = parameters.pop("v")
    return seconds, [parameters[name] for name in PARAMETERS]


WAYS = {"relation": relation, "fit": fit, "lifetimes": lifetimes}


def one(arguments):
    """Runs a way and prints wall and CPU seconds and the parameters as JSON."""

    def clock(work):
        def used():
            usage = resource.getrusage(resource.RUSAGE_SELF)
            return time.perf_counter(), usage.ru_utime + usage.ru_stime

        start = used()
        work()
        return [end - begin for begin, end in zip(start, used(), strict=True)]

    print(json.dumps(WAYS[arguments.one](arguments, clock)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extension", type=Path, required=True)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--lifetimes-python", default=sys.executable)
    parser.add_argument("--folder")
    parser.add_argument("--one", choices=WAYS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.folder = folder
        generate(arguments)
        runs = {way: [] for way in arguments.ways.split(",")}
        for _ in range(arguments.repeat):
            for way, results in runs.items():
                python = arguments.lifetimes_python if way == "lifetimes" else sys.executable
                command = [python, __file__, "--one", way, "--folder", folder]
                command += ["--extension", str(arguments.extension)]
                command += ["--threads", str(arguments.threads)]
                output = subprocess.run(command, check=True, capture_output=True, text=True)
                results.append(json.loads(output.stdout.splitlines()[-1]))
    models = [results[0][1] for results in runs.values() if results[0][1]]
    for model in models[1:]:
        for name, ours, theirs in zip(PARAMETERS, models[0], model, strict=True):
            if abs(ours / theirs - 1) > 1e-3:
                sys.exit(f"{name} differs: {ours} and {theirs}")
    print(f"\n{arguments.customers:,} customers, {arguments.threads} threads\n")
    print("| way | seconds | CPU seconds |\n|---|--:|--:|")
    for way, results in runs.items():
        wall, cpu = (statistics.median(run[0][i] for run in results) for i in (0, 1))
        print(f"| `{way}` | {wall:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
