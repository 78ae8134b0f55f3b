"""Loads the extension and calls one function: what `make valgrind` watches."""

import sys

import duckdb

import package

extension = (
    sys.argv[1] if len(sys.argv) > 1 else package.ROOT / "build" / "release" / package.FILE_NAME
)
con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": "1"})
con.execute(f"LOAD '{extension}'")
print(con.execute("SELECT kmeans_fit([i], 2).sizes FROM range(4) AS t (i)").fetchall())
