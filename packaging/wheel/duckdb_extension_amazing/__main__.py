"""The command `amazing`: a pipeline from cron or a shell, and its report.

amazing run marketplace --database shop.duckdb --data 'data/*.csv'
amazing report shop.duckdb
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import __version__, _run_step, line, path, report


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="amazing", description=__doc__.splitlines()[0])
    made.add_argument("--version", action="version", version=f"amazing {__version__}")
    commands = made.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="runs a pipeline, or one step of it")
    run.add_argument("pipeline", choices=["marketplace", "games"])
    _run_step.add_options(run)
    run.add_argument("--json", action="store_true", help="a line of JSON for each transaction")
    page = commands.add_parser("report", help="writes the page of a database that a pipeline built")
    page.add_argument("databases", nargs="+", type=Path)
    page.add_argument(
        "--folder", type=Path, help="where the pages go (default: beside the database)"
    )
    commands.add_parser("path", help="prints the path of the extension, for LOAD in SQL")
    return made


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.command == "run":

        def tell(done: dict) -> None:
            print(json.dumps(done, default=str) if given.json else line(done), flush=True)

        return _run_step.run_command("amazing run", given, path(), tell)
    if given.command == "report":
        from ._report.report import NoReport

        for database in given.databases:
            try:
                print(report(database, given.folder))
            except (NoReport, OSError) as error:
                print(f"amazing report: {error}", file=sys.stderr)
                return 1
        return 0
    print(path())
    return 0


if __name__ == "__main__":
    sys.exit(main())
