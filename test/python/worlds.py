"""A world of the tests: a folder with data files and a database, in which one pipeline is run by one DuckDB."""

from pathlib import Path

from conftest import ROOT

# What runs inside the interpreter of the tested version: a client that executes one statement at a time, stops at the
# first error and rolls back.
CLIENT = """
import os, sys
from pathlib import Path
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

PIPELINE = Path({pipeline!r})
STEPS = {steps!r}
os.chdir({folder!r})

def plain(value):
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, (date, datetime, Decimal, UUID)) else value

def rows(con, sql):
    return plain(con.execute(sql).fetchall())

def run(con, *steps, statements=None):
    result = None
    for step in steps:
        script = con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8'))
        for statement in script[:statements]:
            try:
                result = con.execute(statement)
                result = plain(result.fetchall()) if result.description else None
            except Exception as error:
                try:
                    con.execute('ROLLBACK')
                except Exception:
                    pass
                return str(error)
    return result

TABLES = {tables!r}

def state(con):
    found = {{row[0] for row in con.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT temporary").fetchall()}}
    return {{name: sorted(rows(con, sql), key=repr) for name, sql in TABLES.items() if name in found}}

def connect(path, **settings):
    con = open_database(path, **settings)
    con.execute('SET enable_progress_bar = false')
    return con

con = connect('world.duckdb')
"""


class World:
    """A folder with the files `data/*.csv` and a database, used through one version of DuckDB.

    `steps` are the scripts of `sql/<pipeline>`. `tables`, name -> query, is what a second run must leave as it is:
    raw.loaded_files and raw.rejected_lines first.
    """

    def __init__(self, pipeline, steps, tables, folder, python, run_python):
        self.pipeline = ROOT / "sql" / pipeline
        self.steps = steps
        self.tables = tables
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.python = python
        self.run_python = run_python

    def file(self, name, *content, end="\n", last_end=True):
        """Writes a data file: its bytes, or its lines."""
        data = content[0] if len(content) == 1 and isinstance(content[0], bytes) else None
        if data is None:
            data = (end.join(content) + (end if last_end else "")).encode()
        (self.data / name).write_bytes(data)

    def client(self):
        return CLIENT.format(
            pipeline=str(self.pipeline),
            steps=self.steps,
            folder=str(self.folder),
            tables=self.tables,
        )

    def run(self, code):
        """Runs `code` after CLIENT; the value of its last line, an expression, comes back."""
        *body, last = code.strip().splitlines()
        return self.run_python(
            self.python, self.client() + "\n".join([*body, f"print(json.dumps({last}))"])
        )

    def load(self):
        """What one run of 00_raw gives: its summary or error text, then the tables of raw in the order of `tables`."""
        return self.run("""
summary = run(con, '00_raw')
found = state(con)
(summary, *[found.get(name, []) for name in TABLES if name.startswith('raw.')])
""")


def accounts(loaded):
    """file name -> (lines, rows, rejected lines) of raw.loaded_files without its times."""
    return {Path(row[0]).name: tuple(row[3:6]) for row in loaded}
