"""The sets of the benchmarks, and what machine they run on."""

import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def blobs(rows, features):
    """Eight centres, normal rows about them."""
    import numpy as np

    random = np.random.default_rng(1)
    centres = 4 * random.normal(size=(8, features))
    return centres[random.integers(0, 8, rows)] + random.normal(size=(rows, features))


def log_normal(rows, features):
    """Heavy tails, no clusters."""
    import numpy as np

    return np.random.default_rng(1).lognormal(size=(rows, features))


def normal(rows, features):
    """No structure at all."""
    import numpy as np

    return np.random.default_rng(1).normal(size=(rows, features))


# Name: how it is made, rows, features, numbers of segments.
SETS = {
    "blobs": (blobs, 1_000_000, 8, [8]),
    "log-normal": (log_normal, 1_000_000, 8, [8]),
    "normal": (normal, 1_000_000, 8, [8]),
    "A": (blobs, 1_000_000, 8, [5, 10, 256]),
    "B": (blobs, 5_000_000, 10, [8]),
    "C": (log_normal, 1_000_000, 6, [8]),
    "E": (blobs, 1_000_000, 32, [40]),
}


def columns(name, rows=None):
    """The columns of a set by name."""
    make, own_rows, features, _ = SETS[name]
    values = make(rows or own_rows, features)
    return {f"x{i}": values[:, i].copy() for i in range(features)}


def connect(extension, threads, database=":memory:", **settings):
    """A database with the extension."""
    import duckdb

    config = {"allow_unsigned_extensions": "true", "threads": threads, **settings}
    connection = duckdb.connect(str(database), config=config)
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"LOAD '{extension}'")
    return connection


def environment(threads):
    """The environment of a measured process: as many threads for every library, and no kernel that is forced on one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return {**kept, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


def limit_threads(threads):
    """The same for this process, before it imports a library."""
    wanted = environment(threads)
    os.environ.clear()
    os.environ.update(wanted)


def run_step(connection, step):
    """Runs a step of the shop's pipeline."""
    script = (ROOT / "sql" / "marketplace" / f"{step}.sql").read_text(encoding="utf-8")
    for statement in connection.extract_statements(script):
        connection.execute(statement).fetchall()


class Peak:
    """What the memory of this process grows by at most from here on, in MB."""

    def __init__(self):
        self.status = Path("/proc/self/status")
        if self.status.exists():
            # Forgets the peak so far.
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.before = self.now("VmRSS")

    def now(self, figure):
        if not self.status.exists():
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lines = self.status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(figure))

    def grown(self):
        return self.now("VmHWM") - self.before


def machine(extension):
    """One line: processor, memory, versions."""
    import importlib.metadata as metadata

    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        processor = f"{len(names)} x {names[0]}" if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    registers = connect(extension, 1).execute("SELECT cpu FROM amazing_info()").fetchone()[0]
    packages = ["duckdb", "numpy", "scikit-learn", "faiss-cpu"]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{processor} ({registers}), {memory:.0f} GiB, {versions}{load}"
