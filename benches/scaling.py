"""How the cost of a row grows with the rows, what a second thread brings, and what memory a fit takes.

    python benches/scaling.py --extension build/release/amazing.duckdb_extension [--rows 100000,1000000,10000000,50000000]

Rows of 8 features (the set `blobs`), k = 8. Every size runs in a process of its own, on one and on two threads; medians are
printed as Markdown, in nanoseconds a row. Above what the option `memory` holds (1 GiB: 6.2 million rows of 8 features) a
fit works on a sample; `all rows` asks for enough memory to hold them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import sets

QUERIES = {
    "fit": "SELECT kmeans_fit(t, 8, {{'memory': {memory}, 'threads': {threads}}}).sampled FROM t",
    "segments": (
        "CREATE OR REPLACE TABLE s AS FROM amz.kmeans_segments(t, k := 8, memory := {memory})"
    ),
    "sum": "SELECT sum(x0), sum(x1), sum(x2), sum(x3), sum(x4), sum(x5), sum(x6), sum(x7) FROM t",
    "pca": "SELECT pca_fit(t).rows FROM t",
}


def run(arguments):
    """One size in this process."""
    connection = sets.connect(arguments.extension, arguments.threads)
    columns = sets.columns("blobs", min(arguments.size, 10_000_000))  # noqa: F841
    copies = max(arguments.size // 10_000_000, 1)
    noise = ", ".join(f"x{i} + 1e-9 * c AS x{i}" for i in range(8))
    connection.execute(
        f"CREATE TABLE t AS SELECT {noise} FROM columns, range({copies}) AS copies(c)"
    )
    found = {}
    for name in arguments.queries.split(","):
        sql = QUERIES[name].format(memory=arguments.memory, threads=arguments.threads)
        peak = sets.Peak()
        times = []
        for _ in range(arguments.repeat if arguments.size <= 10_000_000 else 1):
            start = time.perf_counter()
            rows = connection.execute(sql).fetchall()
            times.append(time.perf_counter() - start)
        found[name] = {
            "ns": 1e9 * statistics.median(times) / arguments.size,
            "memory": peak.grown(),
            "result": rows[0][0] if rows else None,
        }
    print(json.dumps(found))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", required=True)
    parser.add_argument("--rows", default="100000,1000000,10000000,50000000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--queries", default="fit,segments,pca,sum")
    parser.add_argument("--memory", type=int, default=1 << 30)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.size:
        return run(arguments)

    print(sets.machine(arguments.extension), "\n")
    print(
        "| rows | memory | query | 1 thread, ns a row | 2 threads, ns a row | ratio | rows held |"
        " peak, MB |"
    )
    print("|--:|---|---|--:|--:|--:|--:|--:|")
    for size in map(int, arguments.rows.split(",")):
        held = None
        for memory, title in [
            (arguments.memory, f"{arguments.memory >> 20} MiB"),
            (64 << 30, "all rows"),
        ]:
            if held == size:
                break
            found = {}
            for threads in [1, 2]:
                command = [
                    sys.executable,
                    __file__,
                    "--extension",
                    arguments.extension,
                    "--size",
                    str(size),
                ]
                command += [
                    "--threads",
                    str(threads),
                    "--memory",
                    str(memory),
                    "--repeat",
                    str(arguments.repeat),
                ]
                command += ["--queries", arguments.queries if memory == arguments.memory else "fit"]
                environment = sets.environment(threads)
                done = subprocess.run(
                    command, env=environment, check=True, capture_output=True, text=True
                )
                found[threads] = json.loads(done.stdout)
            held = found[1].get("fit", {}).get("result")
            for name, one in found[1].items():
                two = found[2][name]
                shown = f"{held:,}" if name == "fit" else ""
                print(
                    f"| {size:,} | {title} | {name} | {one['ns']:.0f} | {two['ns']:.0f} |"
                    f" {one['ns'] / two['ns']:.2f} | {shown} | {two['memory']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
