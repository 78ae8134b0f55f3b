"""The road of the shop side by side with pandas and scikit-learn: from one CSV file of events to segments of users.

    python benches/marketplace.py --extension build/release/amazing.duckdb_extension [--rows 5000000] [--dirt 0.001]
        [--threads 2] [--repeat 3] [--ways bare,pipeline,pandas,pandas-same] [--folder /tmp]

`bare` is DuckDB's own read_csv with explicit types into a table, the least that any road on DuckDB pays; `pipeline` are
the four steps of sql/marketplace. `pandas` has the final figures alone in the end: types at reading, everything in memory,
nothing kept. `pandas-same` is the work of the pipeline: the text of each line, a file's account and fingerprint, rejected
lines and rows with reasons, corrections, typed events, all tables of figures, segments, their profile and map, kept as
files; names of segments, the picture and further runs over known files are left out. See marketplace_pandas.py.

Every way runs in a process of its own, in a folder of its own, and imports its libraries before the clock starts. Runs are
interleaved, medians are printed as Markdown; CPU seconds are user + system. Ways must agree in their figures (users,
events, rejected rows by reason, rows and sums of each table), or the script fails. With `--dirt` above 0 the file also
has a line with a value too many, and its last line is cut.
"""

import argparse
import importlib
import json
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import sets

ROOT = Path(__file__).resolve().parent.parent
STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]
COLUMNS = {
    "event_time": "TIMESTAMP", "event_type": "VARCHAR", "product_id": "BIGINT", "category_id": "BIGINT",
    "category_code": "VARCHAR", "brand": "VARCHAR", "price": "DECIMAL(10, 2)", "user_id": "BIGINT", "user_session": "VARCHAR",
}  # fmt: skip
TABLES = [
    "kpi.user_features", "kpi.daily", "kpi.monthly", "kpi.category", "kpi.brand", "kpi.funnel", "kpi.cohorts",
    "main.user_segments", "kpi.segment_profile", "kpi.segment_map", "kpi.segment_components",
]  # fmt: skip


def connect(arguments, database=":memory:"):
    return sets.connect(
        arguments.extension, arguments.threads, database, memory_limit=arguments.memory
    )


def generate(arguments, path):
    with connect(arguments) as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"""
            COPY (FROM synthetic_marketplace_events({arguments.rows}, dirt := {arguments.dirt}))
            TO '{path}' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')
        """)
    if arguments.dirt > 0:
        with path.open("r+b") as file:
            line = [file.readline().rstrip(b"\n") for _ in range(2)][1]
            file.seek(0, os.SEEK_END)
            file.write(line + b",more\n" + line[: line.rindex(b",") - 3])


def bare(arguments, path, folder, clock):
    with connect(arguments, folder / "bare.duckdb") as connection:
        connection.execute(f"""
            CREATE TABLE events AS
            FROM read_csv('{path}', columns = {COLUMNS}, auto_detect = false, header = true, delim = ',', quote = '"',
                escape = '"', hive_partitioning = false, timestampformat = '%Y-%m-%d %H:%M:%S UTC', ignore_errors = {arguments.dirt > 0})
        """)
        clock("all")
        rows = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    return lambda: {"raw.loaded_files.rows_loaded": rows}


def pipeline(arguments, path, folder, clock):
    connection = connect(arguments, folder / "shop.duckdb")
    connection.execute(
        f"SET VARIABLE data = '{path}'; SET VARIABLE svg = '{folder / 'segments.svg'}'"
    )
    for step in STEPS:
        sets.run_step(connection, step)
        clock(step)

    def found():
        from marketplace_pandas import figures

        counts = connection.execute("""
            SELECT 'raw.rejected_lines', count(*) FROM raw.rejected_lines
            UNION ALL SELECT 'clean.events', count(*) FROM clean.events
            UNION ALL SELECT 'raw.loaded_files.line_count', line_count FROM raw.loaded_files
            UNION ALL SELECT 'raw.loaded_files.rows_loaded', rows_loaded FROM raw.loaded_files
            UNION ALL SELECT 'rejected: ' || reason, count(*) FROM clean.rejected_events GROUP BY ALL
        """).fetchall()
        corrections = connection.execute(
            "SELECT column_name, raw_value, clean_value, row_count FROM clean.corrections"
        )
        counts += [
            (f"corrected: {name} {raw!r} to {new!r}", n)
            for name, raw, new, n in corrections.fetchall()
        ]
        return dict(counts) | figures(
            {name: connection.execute(f"FROM {name}").df() for name in TABLES}
        )

    return found


def with_pandas(name):
    def way(arguments, path, folder, clock):
        found = getattr(sys.modules["marketplace_pandas"], name)(path, folder, clock)
        return lambda: found

    return way


# Each way: its title, the libraries that it imports and its function.
WAYS = {
    "bare": ("`CREATE TABLE AS FROM read_csv(...)` with types", ["duckdb"], bare),
    "pipeline": ("`sql/marketplace`", ["duckdb"], pipeline),
    "pandas": (
        "pandas and scikit-learn, final figures only, in memory", ["marketplace_pandas"], with_pandas("final_figures"),
    ),
    "pandas-same": (
        "pandas and scikit-learn, the same tables, kept", ["marketplace_pandas"], with_pandas("kept_tables"),
    ),
}  # fmt: skip


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_memory():
    """Bytes; on Linux of this program alone, where getrusage begins with the memory of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if platform.system() == "Darwin" else 1024
    )


def run(arguments, way, path, folder):
    """Runs one way in this process and prints its times, its memory and what it found as JSON."""
    _, libraries, function = WAYS[way]
    for library in libraries:
        importlib.import_module(library)
    times, start, cpu = {}, time.perf_counter(), cpu_seconds()
    before = start

    def clock(part):
        nonlocal before
        now = time.perf_counter()
        times[part] = now - before
        before = now

    found = function(arguments, path, folder, clock)
    measured = {
        **times,
        "all": time.perf_counter() - start,
        "cpu": cpu_seconds() - cpu,
        "peak": peak_memory() / 1e9,
    }
    print(json.dumps({"measured": measured, "found": found()}))


def start(arguments, *command):
    """Calls this script again and returns the JSON that it prints last, if any."""
    command = [sys.executable, __file__, *sys.argv[1:], "--run", *map(str, command)]
    environment = sets.environment(arguments.threads)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{command[-3:]}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


def differences(found):
    """What two ways say differently of the same thing; sums of floats may differ in their rounding."""
    names = dict.fromkeys(name for of_way in found.values() for name in of_way)
    for name in names:
        said = {way: of_way[name] for way, of_way in found.items() if name in of_way}
        one = next(iter(said.values()))
        if not all(math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9) for other in said.values()):
            yield f"{name}: {said}"
    # A reason or correction that one of the two accounts lacks.
    if {"pipeline", "pandas-same"} <= found.keys():
        for name in sorted(found["pipeline"].keys() ^ found["pandas-same"].keys()):
            yield f"{name}: in one of pipeline and pandas-same only"


def measure(arguments, folder):
    path = folder / "events.csv"
    began = time.perf_counter()
    start(arguments, "generate", path, folder)
    size, seconds = path.stat().st_size, time.perf_counter() - began
    print(
        f"{arguments.rows:,} rows, dirt {arguments.dirt:g}, {size / 1e9:.2f} GB of CSV in"
        f" {seconds:.1f} s"
    )
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "pandas", "pyarrow", "scikit-learn")
    )
    print(
        f"{libraries}, {arguments.threads} threads, medians of {arguments.repeat} interleaved runs"
    )
    ways = arguments.ways.split(",")
    measured, found, load = {way: [] for way in ways}, {}, []
    for _ in range(arguments.repeat):
        for way in ways:
            load.append(os.getloadavg()[0])
            with tempfile.TemporaryDirectory(dir=folder) as own:
                result = start(arguments, way, path, own)
            measured[way].append(result["measured"])
            different = list(differences(found | {way: result["found"]}))
            if different:
                sys.exit("the ways differ:\n" + "\n".join(different))
            found[way] = result["found"]
    print(f"load of the machine before the runs: {min(load):.1f} to {max(load):.1f}\n")
    medians = {
        way: {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        for way, runs in measured.items()
    }
    base = medians.get("bare", next(iter(medians.values())))
    print(
        "| way | raw | clean | kpi | segments | all, seconds | ratio | CPU seconds | ratio | peak"
        " memory GB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for way, median in medians.items():
        title = WAYS[way][0]
        if way == "bare" and arguments.dirt > 0:
            title += ", `ignore_errors = true`"
        parts = [f"{median[step]:.1f}" if step in median else "" for step in STEPS]
        parts += [f"{median['all']:.1f}", f"{median['all'] / base['all']:.2f}"]
        parts += [
            f"{median['cpu']:.1f}",
            f"{median['cpu'] / base['cpu']:.2f}",
            f"{median['peak']:.1f}",
        ]
        print(f"| {title} | {' | '.join(parts)} |")
    print()
    for way in ways:
        print(
            f"{way}: {len(found[way])} figures, all equal to those of the other ways that have them"
        )
    shown = found.get("pipeline", found[ways[-1]])
    print(
        "\n".join(f"  {name}: {value:,}" for name, value in shown.items() if isinstance(value, int))
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extension", type=os.path.abspath, required=True)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--dirt", type=float, default=0.001)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="8GB", help="of DuckDB")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument(
        "--folder", help="where the file and what the ways keep are made, and deleted"
    )
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        way, path, folder = arguments.run[0], *map(Path, arguments.run[1:])
        if way == "generate":
            generate(arguments, path)
        else:
            run(arguments, way, path, folder)
        return
    unknown = set(arguments.ways.split(",")) - WAYS.keys()
    if unknown:
        parser.error(f"no way {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        measure(arguments, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
