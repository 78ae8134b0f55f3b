#!/usr/bin/env python3
"""Segments of files that one machine does not hold, by workers that each run DuckDB with the extension.

    distribute.py segments 'events/*.parquet' --k 8 --out segmented [--executor ray --parts 32] [--models models]
    distribute.py components 'events/*.parquet' --n 2

A part is a list of files. A worker gets names of files, a query and a model; what it returns is a state, which the
driver merges: the same model to the bit, whatever the parts, their number and the engine that moves them. A part that fails is
done again; a part that is missing or came twice is an error. The model of each pass is stored in `--models`, from which a new
driver goes on. Segments are written beside each other, a file for each file of the input, under a name that follows from it.

Executors: `threads` (this process), `ray`, `spark`, `dask`; each needs its package where the driver runs. Workers read
the files under the same paths, and load the extension from the same path.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".gz": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
COMPRESSIONS = {".gz", ".zst"}
ATTEMPTS = 3
# A name that no column has: a row by another one would be the column.
ROW = "__source_row"


class PartError(Exception):
    """A part failed for good, or the parts are not those that were asked for."""


def literal(value):
    """A value as a literal of SQL."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "NULL"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return "'" + str(value).replace("'", "''") + "'"


def rows_of(files):
    """The FROM clause over the files of a part."""
    suffixes = {suffix_of(file) for file in files}
    if len(suffixes) != 1 or not suffixes <= READERS.keys():
        raise PartError(
            f"files of one kind are needed ({', '.join(READERS)}), not {sorted(suffixes)}"
        )
    return f"{READERS[suffixes.pop()]}({literal(list(files))})"


def suffix_of(file):
    """What says how a file is read: behind it there may be that of a compression."""
    inner, last = Path(Path(file).stem).suffix.lower(), Path(file).suffix.lower()
    return inner if last in COMPRESSIONS and inner in READERS else last


def connection(extension, threads, memory):
    """A DuckDB of a worker: it takes no more of its host than it was given."""
    import duckdb

    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD {literal(extension)}")
    con.execute(f"SET threads = {int(threads)}")
    con.execute(f"SET memory_limit = {literal(memory)}")
    con.execute(
        f"SET temp_directory = {literal(tempfile.gettempdir() + '/amazing_' + str(os.getpid()))}"
    )
    return con


def work(task):
    """What a worker does with a part: a state as JSON with its type, or the files that it wrote."""
    con = connection(task["extension"], task["threads"], task["memory"])
    if "out" not in task:
        query = filled(task, task["files"])
        [state] = con.execute(
            f"SELECT to_json(s.state)::VARCHAR, typeof(s.state) FROM ({query}) AS s"
        ).fetchall()
        return list(state)
    written = []
    for file in task["files"]:
        target = Path(task["out"]) / name_of(file)
        partial = target.with_name(f".{target.name}.{os.getpid()}.{time.time_ns()}")
        query = filled(task, [file])
        con.execute(f"COPY ({query}) TO {literal(str(partial))} (FORMAT parquet)")
        # A second attempt writes the same under the same name.
        partial.replace(target)
        written.append(str(target))
    return written


def state_of(call):
    """The query of the state that a call makes of the rows of a part."""
    return f"SELECT {call} AS state FROM {{rows}} AS {ROW}"


def filled(task, files):
    """The query of a task over some of its files."""
    places = {"rows": rows_of(files), **{name: typed(*v) for name, v in task["given"].items()}}
    # At once: what stands in a name of a file is no place.
    return re.sub("{(" + "|".join(places) + ")}", lambda place: places[place[1]], task["query"])


def name_of(file):
    """The name of the segments of a file: its own, and what tells it from one of the same name elsewhere."""
    return f"{Path(file).name.split('.')[0]}-{hashlib.sha256(str(file).encode()).hexdigest()[:12]}.parquet"


def typed(text, kind):
    """A stored state or model as an expression of SQL."""
    return f"{literal(text)}::JSON::{kind}"


class Threads:
    """Parts side by side in this process."""

    def __init__(self, workers=2):
        self.workers = workers

    def map(self, function, tasks):
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(function, task) for task in tasks]
            for future in futures:
                try:
                    yield future.result()
                except Exception as error:
                    yield error


def by_value(pickle, function):
    """Lets `pickle` send the code of a function, so that workers need not have this file."""
    for name in {function.__module__, work.__module__} - {"__main__"}:
        pickle.register_pickle_by_value(sys.modules[name])


class Ray:
    """Parts as tasks of Ray, which moves them to another node where one is lost."""

    def __init__(self, address=None):
        import ray

        self.ray = ray
        if not ray.is_initialized():
            ray.init(address=address or "local", log_to_driver=False)

    def map(self, function, tasks):
        by_value(self.ray.cloudpickle, function)
        # Without max_retries = -1, a part that two lost nodes had is an error.
        remote = self.ray.remote(num_cpus=1, max_retries=-1)(function)
        references = [remote.remote(task) for task in tasks]
        for reference in references:
            try:
                yield self.ray.get(reference)
            except self.ray.exceptions.RayTaskError as error:
                yield error


class Spark:
    """Parts as rows of a Spark DataFrame, one partition each."""

    def __init__(self, address=None):
        from pyspark.sql import SparkSession

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        self.spark = SparkSession.builder.master(address or "local[2,4]").getOrCreate()

    def map(self, function, tasks):
        from pyspark import cloudpickle

        by_value(cloudpickle, function)
        tasks = list(tasks)

        def parts(batches):
            import pyarrow

            for batch in batches:
                done = [
                    (row["part"], json.dumps(function(json.loads(row["task"]))))
                    for row in batch.to_pylist()
                ]
                yield pyarrow.RecordBatch.from_pylist(
                    [{"part": part, "answer": answer} for part, answer in done],
                    pyarrow.schema([("part", pyarrow.int64()), ("answer", pyarrow.string())]),
                )

        rows = [(part, json.dumps(task)) for part, task in enumerate(tasks)]
        frame = self.spark.createDataFrame(rows, "part long, task string").repartition(
            len(rows), "part"
        )
        answers = frame.mapInArrow(parts, "part long, answer string").collect()
        by_part = {answer.part: json.loads(answer.answer) for answer in answers}
        for part in range(len(tasks)):
            yield by_part.get(part, PartError(f"part {part} gave nothing"))


class Dask:
    """Parts as futures of a Dask cluster."""

    def __init__(self, address=None):
        from dask.distributed import Client

        self.client = Client(address) if address else Client(processes=True, threads_per_worker=1)

    def map(self, function, tasks):
        import cloudpickle

        by_value(cloudpickle, function)
        for future in self.client.map(function, list(tasks), pure=False, retries=ATTEMPTS):
            error = future.exception()
            yield error if error is not None else future.result()


EXECUTORS = {"threads": Threads, "ray": Ray, "spark": Spark, "dask": Dask}


class Driver:
    """Passes over parts, and what is made of their states."""

    def __init__(
        self, files, executor, extension, parts=None, threads=1, memory="512MB", tell=None
    ):
        files = sorted(set(map(str, files)))
        if not files:
            raise PartError("no file")
        n_parts = max(1, min(parts or len(files), len(files)))
        self.parts = [files[i::n_parts] for i in range(n_parts)]
        self.executor = executor
        self.common = {"extension": str(extension), "threads": threads, "memory": memory}
        # Not as a default: engines put their own in place of print, and could not send the one before.
        self.tell = tell or print
        # The driver merges; its own DuckDB reads no file.
        self.con = connection(extension, threads, memory)

    def over_parts(self, query, given=None, **more):
        """What the workers gave for each part, one answer for each, in the order of the parts."""
        tasks = [
            {**self.common, "files": files, "query": query, "given": given or {}, **more}
            for files in self.parts
        ]
        answers, left = {}, dict(enumerate(tasks))
        for _ in range(ATTEMPTS):
            done = list(self.executor.map(work, list(left.values())))
            if len(done) != len(left):
                raise PartError(f"{len(left)} parts were asked for, {len(done)} came back")
            answers |= {part: a for part, a in zip(left, done) if not isinstance(a, Exception)}
            failed = {part: a for part, a in zip(left, done) if isinstance(a, Exception)}
            left = {part: left[part] for part in failed}
            if not left:
                return [answers[part] for part in range(len(tasks))]
        [part, error] = next(iter(failed.items()))
        raise PartError(
            f"part {part} ({self.parts[part][0]}, ...) failed {ATTEMPTS} times: {error}"
        )

    def merged(self, merge, query, given=None):
        """The states of all parts as one: (JSON, type)."""
        # A part without rows gives a NULL.
        states = [state for state in self.over_parts(query, given) if state[0] is not None]
        if not states:
            raise PartError("no row in any file")
        union = " UNION ALL ".join(f"SELECT {typed(*state)} AS state" for state in states)
        return self.one(f"SELECT {merge}(state) FROM ({union})")

    def one(self, query):
        """The one value of a query: (JSON, type)."""
        [value] = self.con.execute(
            f"SELECT to_json(v)::VARCHAR, typeof(v) FROM (SELECT ({query}) AS v)"
        ).fetchall()
        return list(value)

    def fit(self, k, options=None, passes=20, tol=1e-4, models=None):
        """The model of all files: (JSON, type). Goes on from the last one in the folder `models`."""
        options = options or {}
        weight = {name: options[name] for name in ["weight"] if name in options}
        settings = {
            "k": k,
            "options": options,
            "files": sorted(file for part in self.parts for file in part),
        }
        model, done = stored(models, settings)
        if model is None:
            survey = self.merged(
                "kmeans_survey_merge", state_of(f"kmeans_survey({ROW}, {literal(options or None)})")
            )
            sample = self.merged(
                "kmeans_sample_merge",
                state_of(f"kmeans_sample({{survey}}, {int(k)}, {ROW})"),
                {"survey": survey},
            )
            model = self.one(f"SELECT kmeans_start({typed(*survey)}, {typed(*sample)}, {int(k)})")
            store(models, settings, 0, model)
        step = state_of(f"kmeans_step({{model}}, {ROW}, {literal(weight or None)})")
        while done < passes and not (done and json.loads(model[0])["converged"]):
            state = self.merged("kmeans_step_merge", step, {"model": model})
            model = self.one(
                f"SELECT kmeans_next({typed(*model)}, {typed(*state)}, {literal({'tol': tol})})"
            )
            done += 1
            store(models, settings, done, model)
            read = json.loads(model[0])
            self.tell(f"pass {done}: {read['rows']} rows, inertia {read['inertia']:.6g}")
        return model

    def segments(self, model, out):
        """Writes every row of every file with its segment; the files that were written."""
        Path(out).mkdir(parents=True, exist_ok=True)
        query = (
            f"SELECT {ROW}.*, kmeans_predict({{model}}, {ROW}) AS segment FROM {{rows}} AS {ROW}"
        )
        written = self.over_parts(query, {"model": model}, out=str(out))
        return sorted(file for part in written for file in part)

    def components(self, n=2, options=None):
        """The principal components of all files: (JSON, type)."""
        state = self.merged("pca_merge", state_of(f"pca_survey({ROW}, {literal(options or None)})"))
        return self.one(f"SELECT pca_final({typed(*state)}, {n})")


def found(patterns, extension):
    """The files that patterns name, as DuckDB finds them."""
    con = connection(extension, 1, "256MB")
    files = set()
    for pattern in patterns:
        names = con.execute(f"SELECT file FROM glob({literal(pattern)})").fetchall()
        if not names:
            raise PartError(f"no such file: {pattern}")
        files |= {name for [name] in names}
    return sorted(files)


def stored(models, settings):
    """The last model of a folder and its pass; (None, 0) where there is none of these settings."""
    found = sorted(Path(models).glob("pass-*.json")) if models else []
    for path in reversed(found):
        read = json.loads(path.read_text(encoding="utf-8"))
        if read["settings"] == settings:
            return read["model"], read["pass"]
        raise PartError(f"{path} is of another fit, take another folder or remove it")
    return None, 0


def store(models, settings, done, model):
    if models:
        path = Path(models) / f"pass-{done:04}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(
            json.dumps({"settings": settings, "pass": done, "model": model}), encoding="utf-8"
        )
        partial.replace(path)


def parser(extension=None):
    made = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("what", choices=["segments", "components"])
    made.add_argument("files", nargs="+", help="paths or patterns, all of one kind")
    made.add_argument("--k", type=int, default=5, help="segments (5)")
    made.add_argument("--n", type=float, default=2, help="components (2)")
    made.add_argument("--options", type=json.loads, default={}, help="of kmeans_survey, in JSON")
    made.add_argument("--passes", type=int, default=20, help="passes over all rows at most (20)")
    made.add_argument("--out", help="the folder of the segments")
    made.add_argument("--models", help="the folder of the models of each pass")
    made.add_argument("--executor", choices=list(EXECUTORS), default="threads")
    made.add_argument("--address", help="of the cluster (a local one)")
    made.add_argument("--parts", type=int, help="parts of files (one for each file)")
    made.add_argument("--threads", type=int, default=1, help="of a worker (1)")
    made.add_argument("--memory", default="512MB", help="of a worker's DuckDB (512MB)")
    made.add_argument("--extension", default=extension, required=extension is None)
    return made


def main(arguments=None, extension=None):
    given = parser(extension).parse_args(arguments)
    extension = str(Path(given.extension).resolve())
    executor = EXECUTORS[given.executor](*([given.address] if given.address else []))
    try:
        files = found(given.files, extension)
        driver = Driver(files, executor, extension, given.parts, given.threads, given.memory)
        if given.what == "components":
            n = int(given.n) if given.n >= 1 else given.n
            print(driver.components(n, given.options)[0])
            return 0
        model = driver.fit(given.k, given.options, given.passes, models=given.models)
        if given.out:
            print(f"{len(driver.segments(model, given.out))} files in {given.out}")
        print(model[0])
        return 0
    except PartError as error:
        print(f"distribute.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
