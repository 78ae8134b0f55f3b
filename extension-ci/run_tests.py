"""Runs every test suite, prints one line for each, and adds up the counts: the last line is the total.

    python3 extension-ci/run_tests.py [suite ...]

What a suite prints goes to build/test/<suite>.log, and to the screen when the suite fails. A suite without a single
test that passed or failed is a failure.
"""

import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import package

ROOT = package.ROOT
LOGS = ROOT / "build" / "test"
VENVS = ROOT / "build" / "venv"
NODE_FOLDER = ROOT / "build" / "node"
SQL_TESTS = ["test/sql", "docs", "README.md"]
NODE_TESTS = ROOT / "test" / "node"
PYTEST_VERSION = "2.0.1"
# Rust tests over very many generated cases, which `make quick` leaves to `make test`.
SLOW_TESTS = [
    "all_forms_are_idempotent_on_every_character",
    "as_many_events_as_the_users_can_have_keep_their_distance",
    "labels_are_those_of_scaling_and_assigning",
    "labels_of_single_precision_are_those_of_doubles",
    "most_bursts_are_pairs_and_the_longest_has_78_rows",
    "no_shortcut_changes_the_match_of_a_path",
    "parts_in_any_order_are_the_whole",
    "the_event_mix_is_that_of_the_real_shop",
]


@dataclasses.dataclass
class Counts:
    """Tests by how they ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed" + (
            f", {self.skipped} skipped" if self.skipped else ""
        )


def count_cargo(log):
    """Adds up the result lines of all test binaries and of the documentation's examples."""
    lines = re.findall(
        r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;", log, re.MULTILINE
    )
    return sum((Counts(*map(int, line)) for line in lines), Counts())


def count_words(log):
    """Reads the last line that counts in words, as pytest and the SQL runner write it: `3 passed, 1 failed`."""
    lines = [
        line
        for line in log.splitlines()
        if re.search(r"\b\d+ (passed|failed|skipped|errors?)\b", line)
    ]
    found = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", lines[-1])} if lines else {}
    errors = found.get("error", 0) + found.get("errors", 0)
    return Counts(found.get("passed", 0), found.get("failed", 0) + errors, found.get("skipped", 0))


def count_tap(log):
    """Reads the summary of Node's test runner."""
    found = {
        word: int(n)
        for word, n in re.findall(r"^# (pass|fail|cancelled|skipped) (\d+)$", log, re.MULTILINE)
    }
    return Counts(
        found.get("pass", 0),
        found.get("fail", 0) + found.get("cancelled", 0),
        found.get("skipped", 0),
    )


@dataclasses.dataclass
class Suite:
    """A command, and the function that reads its counts from what it printed."""

    name: str
    command: list
    count: object
    missing: str = ""
    environment: dict = dataclasses.field(default_factory=dict)
    # Whether it runs only when it is named.
    on_demand: bool = False


def python(version):
    return str(VENVS / version / package.BIN / package.PYTHON)


def suites(extension):
    yield Suite("cargo", ["cargo", "test", "--no-fail-fast"], count_cargo)
    skip = [word for name in SLOW_TESTS for word in ("--skip", name)]
    yield Suite(
        "cargo-quick", ["cargo", "test", "--no-fail-fast", "--", *skip], count_cargo, on_demand=True
    )
    for version in package.duckdb_versions("tested"):
        version = version.lstrip("v")
        runner = [
            python(version),
            "extension-ci/sqllogictest.py",
            "--extension",
            extension,
            *SQL_TESTS,
        ]
        yield Suite(f"sql-{version}", runner, count_words)
    for version in package.duckdb_versions("c-api-v2"):
        copy = package.v2_path(Path(extension).parent.parent, Path(extension).parent.name, version)
        version = version.lstrip("v")
        tests = SQL_TESTS if f"v{version}" in package.duckdb_versions("tested") else SQL_TESTS[:1]
        runner = [
            python(version),
            "extension-ci/sqllogictest.py",
            "--bare-names",
            "--extension",
            copy,
            *tests,
        ]
        yield Suite(f"sql-{version}-v2", runner, count_words)
    options = "-q -rs -p no:cacheprovider -n 2 --dist loadgroup test/python".split()
    pytest = [python(PYTEST_VERSION), "-m", "pytest", *options]
    yield Suite("python", pytest, count_words, environment={"AMAZING_EXTENSION": extension})
    for requirements in sorted((ROOT / "extension-ci").glob("requirements-dbt-*.txt")):
        name = requirements.stem.removeprefix("requirements-")
        pytest = [
            python(name),
            "-m",
            "pytest",
            *"-q -p no:cacheprovider -m".split(),
            "not slow",
            "test/dbt",
        ]
        yield Suite(name, pytest, count_words, environment={"AMAZING_EXTENSION": extension})
    yield node_suite(extension)
    yield clients_suite(extension)


def node_suite(extension):
    """The Node tests; a machine without Node (20 or newer) skips them."""
    environment = {"AMAZING_EXTENSION": extension, "NODE_FOLDER": str(NODE_FOLDER)}
    missing = [tool for tool in ("node", "npm") if not shutil.which(tool)]
    install = (
        "npm install --loglevel=error --no-package-lock --no-audit --no-fund --prefix"
        ' "$NODE_FOLDER"'
    )
    command = [
        "sh",
        "-ec",
        f'{install} && cd "$NODE_FOLDER" && exec node --test --test-reporter=tap *.test.mjs',
    ]
    if not missing:
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        for source in [*NODE_TESTS.glob("*.mjs"), *NODE_TESTS.glob("package.json")]:
            shutil.copy(source, NODE_FOLDER)
    return Suite(
        "node",
        command,
        count_tap,
        f"{' and '.join(missing)} not found" if missing else "",
        environment,
    )


def clients_suite(extension):
    """The clients of docs/clients.md and the notebook: some hundred megabytes, so they are installed on demand."""
    command = [
        python("clients"),
        "-m",
        "pytest",
        *"-q -rs -p no:cacheprovider test/clients".split(),
    ]
    missing = (
        "" if (VENVS / "clients" / ".ready").exists() else "`make clients` installs and runs them"
    )
    return Suite("clients", command, count_words, missing, {"AMAZING_EXTENSION": extension})


def run(suite):
    """Runs a suite, prints its line, and returns its counts."""
    if suite.missing:
        print(f"{suite.name:<12} skipped: {suite.missing}", flush=True)
        return Counts(skipped=1)
    log = LOGS / f"{suite.name}.log"
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        environment = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "CARGO_TERM_COLOR": "never",
            **suite.environment,
        }
        try:
            code = subprocess.run(
                suite.command,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
            ).returncode
        except OSError as error:
            file.write(f"{error}\n")
            code = 1
    output = log.read_text(encoding="utf-8", errors="replace")
    counts = suite.count(output)
    note = ""
    if not counts.failed and (code != 0 or not counts.passed):
        # A suite that stopped on its way, or that ran nothing, must not look like a good one.
        note = f" (exit code {code})" if code else " (no test ran)"
        counts.failed = 1
    if counts.failed:
        print(output.rstrip())
    print(f"{suite.name:<12} {counts}{note}, {time.monotonic() - started:.1f} s", flush=True)
    for line in re.findall(r"^(?:SKIPPED|skipped) .*$", output, re.MULTILINE):
        print(f"             {line}")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="suites to run (default: all), such as sql-2.0.1")
    parser.add_argument("--extension", default=str(ROOT / "build" / "release" / package.FILE_NAME))
    arguments = parser.parse_args()

    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = list(suites(arguments.extension))
    if not arguments.names:
        chosen = [suite for suite in chosen if not suite.on_demand]
    else:
        known = [suite.name for suite in chosen]
        for name in set(arguments.names) - set(known):
            raise SystemExit(f"run_tests.py: no suite {name}, there are {', '.join(known)}")
        chosen = [suite for suite in chosen if suite.name in arguments.names]
    total = sum((run(suite) for suite in chosen), Counts())
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
