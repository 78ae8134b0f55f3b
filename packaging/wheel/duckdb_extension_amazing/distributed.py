"""Segments of files that one machine does not hold: `python -m duckdb_extension_amazing.distributed segments 'data/*.parquet'`.

`Driver`, the executors and what they do are those of `orchestration/distribute.py`.
"""

from __future__ import annotations

import sys

from . import path
from ._distribute import Dask, Driver, PartError, Ray, Spark, Threads, main

__all__ = ["Dask", "Driver", "PartError", "Ray", "Spark", "Threads"]

if __name__ == "__main__":
    sys.exit(main(extension=path()))
