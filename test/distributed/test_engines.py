"""The engines that move parts: the same bits as one process, also where a node or a worker is lost. `make distributed` runs it."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "orchestration"))
import distribute  # noqa: E402

EXTENSION = os.environ.get("AMAZING_EXTENSION") or str(
    ROOT / "build" / "release" / "amazing.duckdb_extension"
)
ROWS = int(os.environ.get("AMAZING_ROWS", "400000"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    with duckdb.connect() as con:
        for part in range(8):
            con.execute(f"""
                COPY (
                    SELECT i AS user_id, 30 * (i * 7919 % 5) + sin(i) AS spend, (i * 104729 % 1000) / 50 AS minutes
                    FROM range({ROWS}) AS r(i) WHERE i % 8 = {part}
                ) TO '{folder}/{part}.parquet' (FORMAT parquet)
            """)
    return sorted(folder.glob("*.parquet"))


def driver(files, executor, parts=8):
    return distribute.Driver(files, executor, EXTENSION, parts, tell=lambda _: None)


@pytest.fixture(scope="module")
def expected(files):
    return driver(files, distribute.Threads(2), 3).fit(5, {"id": ["user_id"]}, passes=6, tol=0)


class Watched:
    """An executor that calls `act` while it does the work of one pass."""

    def __init__(self, executor, call, act):
        self.executor, self.call, self.act, self.calls = executor, call, act, 0

    def map(self, function, tasks):
        self.calls += 1
        if self.calls == self.call:
            threading.Thread(target=self.act).start()
        yield from self.executor.map(function, tasks)


def cluster():
    """Two nodes of one processor each beside a head that does no work; a node may need more than one attempt."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = []
    for _ in range(6):
        try:
            nodes.append(made.add_node(num_cpus=1))
        except Exception:
            time.sleep(5)
        if len(nodes) == 2:
            return made, nodes
    pytest.fail("no two nodes of Ray could be started")


def test_ray_gives_the_same_bits_where_a_node_is_lost(files, expected, tmp_path):
    ray = pytest.importorskip("ray")
    made, nodes = cluster()
    try:
        executor = distribute.Ray(made.address)
        lost = Watched(executor, 3, lambda: made.remove_node(nodes[1], allow_graceful=False))
        drive = driver(files, lost)
        model = drive.fit(5, {"id": ["user_id"]}, passes=6, tol=0)
        assert model == expected
        assert len(made.list_all_nodes()) == 2 and lost.calls > 3
        written = drive.segments(model, tmp_path / "out")
    finally:
        ray.shutdown()
        made.shutdown()
    with duckdb.connect() as con:
        assert con.execute(
            f"SELECT count(*), count(DISTINCT user_id), count(segment) FROM read_parquet({distribute.literal(written)})"
        ).fetchall() == [(ROWS, ROWS, ROWS)]


def dies_once(task):
    """The work of a part; a worker that gets the first one ends itself, once."""
    marker = Path(task["files"][0]).with_suffix(".died")
    if task["files"][0].endswith("/0.parquet") and not marker.exists():
        marker.write_text("")
        os._exit(1)
    return distribute.work(task)


class DiesOnce:
    def __init__(self, executor):
        self.executor = executor

    def map(self, function, tasks):
        yield from self.executor.map(dies_once, tasks)


@pytest.mark.parametrize("engine", ["Spark", "Dask"])
def test_another_engine_gives_the_same_bits_where_a_worker_dies(files, expected, engine):
    pytest.importorskip({"Spark": "pyspark", "Dask": "dask.distributed"}[engine])
    if engine == "Spark" and not shutil.which("java"):
        pytest.skip("no java on the PATH")
    for file in files:
        file.with_suffix(".died").unlink(missing_ok=True)
    executor = getattr(distribute, engine)()
    model = driver(files, DiesOnce(executor)).fit(5, {"id": ["user_id"]}, passes=6, tol=0)
    assert files[0].with_suffix(".died").exists()
    assert model == expected
