"""Runs SQL tests written in DuckDB's sqllogictest dialect over the `duckdb` wheel of the interpreter that runs it.

    build/venv/2.0.1/bin/python extension-ci/sqllogictest.py test/sql docs README.md

Pages of documentation (Markdown) are tests too: see pages.py. Their statements are run as they stand there, by a reader who
has installed the extension.

What passes here passes in DuckDB's own runner. This one is stricter: floating-point values may differ by 1e-6 of
their size instead of 1 %, a query must state its result even when it carries a label, and whatever it does not know
is a failure. Each file runs in a process of its own, so that a crash is a failure which names the file and the
statement in progress.
"""

import argparse
import concurrent.futures
import dataclasses
import decimal
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pages

ROOT = Path(__file__).resolve().parent.parent
EXTENSION = ROOT / "build" / "release" / "amazing.duckdb_extension"
SEPARATOR = "----"

# Directives of one line, with the least and the largest number of their parameters.
ONE_LINE = {
    "require": (1, 2),
    "require-env": (1, 2),
    "mode": (1, 1),
    "loop": (3, 3),
    "foreach": (2, None),
    "endloop": (0, 0),
    "load": (0, 2),
    "restart": (0, 0),
    "reconnect": (0, 0),
    "sleep": (2, 2),
    "set": (2, 2),
}
SORT_STYLES = ("nosort", "rowsort", "sort", "valuesort")
SLEEP_SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "nanosecond": 1e-9}
INTEGERS = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$")
FLOAT_TOLERANCE = 1e-6
# A relation that is called by its full name.
RELATION = re.compile(r"\bamz\.(?=\w+\()")
INSTALL = "INSTALL amazing FROM 'build/repo'"


def bare_names(sql):
    """The same SQL with relations called by their bare names, as they are where the system catalog has them."""
    return RELATION.sub("", sql)


class BadTest(Exception):
    """The test file is not what the dialect allows, or asks for what this runner does not do."""

    def __init__(self, line, message):
        super().__init__(message)
        self.line = line


class Mismatch(Exception):
    """A record did not do what it states."""


class Skipped(Exception):
    """The file asks for something that is absent here."""


@dataclasses.dataclass
class Directive:
    """One line that steers the run: `require`, `load`, `sleep`, ..."""

    line: int
    name: str
    parameters: list


@dataclasses.dataclass
class Loop:
    """`loop` or `foreach` with the nodes up to its `endloop`."""

    line: int
    variable: str
    values: list
    body: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Statement:
    """`statement ok`, `statement error` or `statement maybe`."""

    line: int
    outcome: str
    sql: str
    expected: str
    connection: str
    conditions: list


@dataclasses.dataclass
class Query:
    """`query`: the rows that a statement returns."""

    line: int
    types: str
    sort: str
    sql: str
    expected: list
    connection: str
    label: str
    conditions: list
    header: list = None


# Reading a file


def is_blank(line):
    return not line or line.startswith("#")


def parse(text):
    """The nodes of a test file. Everything is checked before the first statement runs."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    nodes, open_loops, conditions = [], [], []
    skipping, at = False, 0

    def block(at, end):
        start = at
        while at < len(lines) and not end(lines[at]):
            at += 1
        return lines[start:at], at

    while True:
        while at < len(lines) and is_blank(lines[at]):
            at += 1
        if at == len(lines):
            break
        number = at + 1
        name, *parameters = lines[at].split() or [""]
        body = open_loops[-1].body if open_loops else nodes

        if name in ("skipif", "onlyif"):
            if len(parameters) != 1:
                raise BadTest(number, f"{name} takes one parameter")
            conditions.append((name, parameters[0]))
            at += 1
            if at == len(lines) or is_blank(lines[at]):
                raise BadTest(number, f"{name} must stand directly before a statement or query")
            continue

        if name in ("statement", "query"):
            sql, at = block(at + 1, lambda line: is_blank(line) or line == SEPARATOR)
            expected = None
            if at < len(lines) and lines[at] == SEPARATOR:
                expected, at = block(at + 1, lambda line: not line)
            if not sql:
                raise BadTest(number, f"{name} has no SQL")
            make = read_statement if name == "statement" else read_query
            record = make(number, parameters, "\n".join(sql), expected, conditions)
            conditions = []
            if not skipping:
                body.append(record)
            continue

        if name not in ONE_LINE:
            raise BadTest(number, f"unknown directive `{name}`")
        if conditions:
            raise BadTest(
                number, f"{conditions[-1][0]} must stand directly before a statement or query"
            )
        least, most = ONE_LINE[name]
        if len(parameters) < least or (most is not None and len(parameters) > most):
            raise BadTest(number, f"{name} has {len(parameters)} parameters")
        at += 1
        if at < len(lines) and not is_blank(lines[at]):
            raise BadTest(number, f"an empty line must follow {name}")

        if name == "mode":
            if parameters[0] not in ("skip", "unskip"):
                raise BadTest(number, f"unknown mode `{parameters[0]}`")
            skipping = parameters[0] == "skip"
        elif name in ("loop", "foreach"):
            loop = Loop(number, parameters[0], loop_values(number, name, parameters))
            body.append(loop)
            open_loops.append(loop)
        elif name == "endloop":
            if not open_loops:
                raise BadTest(number, "endloop without loop")
            open_loops.pop()
        elif not skipping:
            if open_loops and name in ("require", "require-env", "load"):
                raise BadTest(number, f"{name} may not stand in a loop")
            body.append(Directive(number, name, parameters))

    if open_loops:
        raise BadTest(open_loops[-1].line, "loop without endloop")
    return nodes


def parse_page(text, extract_statements, bare=False):
    """The nodes of a page of documentation: one a statement of its blocks of SQL."""
    try:
        blocks = [block for block in pages.blocks(text, bare) if block.language == "sql"]
    except pages.BadPage as error:
        line, _, what = str(error).partition(": ")
        raise BadTest(int(line), what) from error
    nodes = []
    for block in blocks:
        statements, at = [], 0
        for statement in extract_statements(block.text):
            # A comment behind a statement belongs to it or to the next one, as the version likes: neither needs it.
            sql = re.sub(r"\A(?:\s*--.*\n)+|;\s*(?:--.*)?\Z", "", statement.query.strip()).strip()
            at = block.text.index(sql, at)
            statements.append((block.line + block.text.count("\n", 0, at), sql))
        nodes += [Statement(number, "ok", sql, "", "", []) for number, sql in statements]
        if block.printed is not None:
            nodes[-1] = Statement(
                *statements[-1][:1], "error", statements[-1][1], block.printed.strip(), "", []
            )
        elif block.rows is not None:
            expected = ["\t".join(cell or "(empty)" for cell in row) for row in block.rows]
            number, sql = statements[-1]
            nodes[-1] = Query(
                number, "T" * len(block.header), "nosort", sql, expected, "", "", [], block.header
            )
    return nodes


def loop_values(number, name, parameters):
    if name == "foreach":
        for value in parameters[1:]:
            if value.startswith(("<", "!")):
                raise BadTest(number, f"foreach does not know the group `{value}`")
        return parameters[1:]
    try:
        return [str(value) for value in range(int(parameters[1]), int(parameters[2]))]
    except ValueError:
        raise BadTest(
            number, f"the bounds of a loop must be integers, not `{' '.join(parameters[1:])}`"
        ) from None


def read_statement(number, parameters, sql, expected, conditions):
    outcome, *rest = parameters or [""]
    if outcome not in ("ok", "error", "maybe") or len(rest) > 1:
        raise BadTest(
            number,
            f"expected `statement ok|error|maybe [connection]`, not `{' '.join(parameters)}`",
        )
    if outcome == "ok" and expected is not None:
        raise BadTest(number, "only `statement error` can have an expected message")
    if outcome == "error" and not expected:
        raise BadTest(number, f"`statement error` needs the expected message after {SEPARATOR}")
    return Statement(number, outcome, sql, "\n".join(expected or []), "".join(rest), conditions)


def read_query(number, parameters, sql, expected, conditions):
    types, *rest = parameters or [""]
    if not re.fullmatch("[TIR]+", types):
        raise BadTest(number, f"the types of a query are a string of T, I and R, not `{types}`")
    if len(rest) > 2:
        raise BadTest(number, "expected `query <types> [sort style or connection] [label]`")
    style = rest[0] if rest else "nosort"
    connection = "" if style in SORT_STYLES else style
    if connection.endswith("sort"):
        raise BadTest(number, f"unknown sort style `{connection}`")
    if expected is None:
        raise BadTest(number, f"a query needs its result after {SEPARATOR}")
    if len(expected) == 1 and (
        expected[0].startswith("<FILE>:") or " values hashing to " in expected[0]
    ):
        raise BadTest(number, "hashes and files as results are not supported: write the values")
    label = rest[1] if len(rest) == 2 else ""
    sort = "nosort" if connection else style
    return Query(number, types, sort, sql, expected, connection, label, conditions)


# Running a file


class Session:
    """One test file at work: its database, connections, loop variables and temporary folder."""

    def __init__(self, duckdb, extension, folder, report, bare, is_page=False):
        self.duckdb = duckdb
        self.extension = extension
        self.folder = folder
        # Nothing of a page is rewritten.
        self.bare = bare and not is_page
        self.report = report
        self.replacements = {
            "__TEST_DIR__": folder,
            "{TEST_DIR}": folder,
            "__WORKING_DIRECTORY__": str(Path.cwd()),
        }
        self.variables = {}
        self.labels = {}
        self.extension_required = False
        self.path, self.read_only = ":memory:", False
        # Renders values and matches patterns (RE2) apart from the database under test.
        self.judge = duckdb.connect(":memory:")
        self.open()

    def open(self):
        config = {
            "allow_unsigned_extensions": "true",
            "autoinstall_known_extensions": "false",
            "extension_directory": str(Path(self.folder, "extensions")),
        }
        self.database = self.duckdb.connect(self.path, read_only=self.read_only, config=config)
        self.database.execute("SET GLOBAL python_enable_replacements = false")
        self.connections = {}
        if self.extension_required:
            self.load_extension()

    def close(self):
        for connection in [*self.connections.values(), self.database]:
            connection.close()

    def connection(self, name):
        if name not in self.connections:
            self.connections[name] = self.database.cursor()
        return self.connections[name]

    def load_extension(self):
        path = str(self.extension).replace("'", "''")
        self.connection("").execute(f"LOAD '{path}'")

    def install(self, nodes, bare):
        """Makes the session that of a reader who has followed the page about installing, if the page needs it."""
        statements = [node for node in nodes if "amazing" in node.sql]
        if not statements:
            return
        if not Path(self.extension).is_file():
            raise BadTest(
                statements[0].line, f"{self.extension} does not exist: run `make release`"
            )
        [(version, platform)] = self.judge.execute(
            "SELECT version(), platform FROM pragma_platform()"
        ).fetchall()
        pages.lay_out(
            Path(self.folder),
            None if bare else self.extension,
            {(version, platform): self.extension},
        )
        if any(re.match(r"LOAD\s+amazing\b", node.sql) for node in statements):
            self.connection("").execute(INSTALL)

    def replace(self, text):
        for name, value in self.replacements.items():
            text = text.replace(name, value)
        for name, value in self.variables.items():
            text = text.replace("${" + name + "}", value)
        return bare_names(text) if self.bare else text

    def run(self, nodes):
        for node in nodes:
            if isinstance(node, Loop):
                for value in node.values:
                    self.variables[node.variable] = self.replace(value)
                    self.run(node.body)
                self.variables.pop(node.variable, None)
            elif isinstance(node, Directive):
                self.report("at", node.line, f"{node.name} {' '.join(node.parameters)}")
                try:
                    getattr(self, "do_" + node.name.replace("-", "_"))(node.line, *node.parameters)
                except self.duckdb.Error as error:
                    raise BadTest(node.line, f"{node.name} failed: {error}") from error
            elif all(self.holds(node.line, *condition) for condition in node.conditions):
                self.run_record(node)

    def holds(self, line, kind, condition):
        name, equals, value = condition.partition("=")
        if equals and name not in self.variables:
            raise BadTest(line, f"{kind}: no loop variable `{name}`")
        met = self.variables[name] == value if equals else name.lower() == "duckdb"
        return met == (kind == "onlyif")

    def run_record(self, record):
        sql = self.replace(record.sql)
        self.report("at", record.line, sql)
        connection = self.connection(self.replace(record.connection))
        try:
            if isinstance(record, Statement):
                self.check_statement(record, connection, sql)
            else:
                self.check_query(record, connection, sql)
        except Mismatch as mismatch:
            self.report("failed", record.line, sql, str(mismatch))
        else:
            self.report("passed")

    def check_statement(self, record, connection, sql):
        try:
            connection.execute(sql).fetchall()
        except self.duckdb.Error as error:
            message = str(error)
        else:
            if record.outcome == "error":
                raise Mismatch(
                    f"expected an error, got none\nexpected: {self.replace(record.expected)}"
                )
            return
        if re.search(r"internal error|^FATAL Error", message, re.IGNORECASE):
            raise Mismatch(f"an internal error is never expected: {message}")
        if record.outcome == "ok":
            raise Mismatch(f"unexpected error: {message}")
        expected = self.replace(record.expected)
        if expected and expected not in message and self.matches(expected, message) is not True:
            raise Mismatch(f"wrong error message\nexpected: {expected}\nactual:   {message}")

    def check_query(self, record, connection, sql):
        try:
            names, types, rows = self.fetch(connection, sql)
        except self.duckdb.Error as error:
            raise Mismatch(f"unexpected error: {error}") from error
        if record.header is not None and names != record.header:
            raise Mismatch(
                f"expected the columns {', '.join(record.header)}, got {', '.join(names)}"
            )
        n_columns = len(types)
        if n_columns != len(record.types):
            raise Mismatch(
                f"expected {len(record.types)} columns ({record.types}), got {n_columns}:"
                f" {', '.join(types)}"
            )

        if record.sort in ("rowsort", "sort"):
            rows.sort()
        actual = [value for row in rows for value in row]
        if record.sort == "valuesort":
            actual.sort()

        expected = [self.replace(line) for line in record.expected]
        if n_columns > 1 and expected and all("\t" in line for line in expected):
            for line in expected:
                if line.count("\t") + 1 != n_columns:
                    raise Mismatch(
                        f"expected row has {line.count(chr(9)) + 1} of {n_columns} values: {line!r}"
                    )
            expected = [value for line in expected for value in line.split("\t")]

        same = len(actual) == len(expected) and all(
            self.equal(
                found, wanted, types[i % n_columns] if record.sort != "valuesort" else "VARCHAR"
            )
            for i, (found, wanted) in enumerate(zip(actual, expected))
        )
        if not same:
            raise Mismatch(
                "wrong"
                f" result\nexpected:\n{table(expected, n_columns)}\nactual:\n{table(actual, n_columns)}"
            )
        if record.label and self.labels.setdefault(record.label, actual) != actual:
            raise Mismatch(f"another result than the earlier query with the label `{record.label}`")

    def fetch(self, connection, sql):
        """The names and SQL types of the result's columns, and its rows as DuckDB itself writes them as text."""
        statements = connection.extract_statements(sql)
        if len(statements) == 1 and statements[0].type.name == "SELECT":
            inner = f"(\n{sql.rstrip().rstrip(';')}\n)"
            columns = connection.execute(f"DESCRIBE FROM {inner}").fetchall()
            names, types = [row[0] for row in columns], [row[1] for row in columns]
            rows = connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {inner}").fetchall()
        else:
            # EXECUTE, CALL, EXPLAIN, ... cannot stand in a FROM clause: their values make the round trip over Python.
            connection.execute(sql)
            names = [column[0] for column in connection.description]
            types = [
                "BOOLEAN" if "bool" in str(column[1]).lower() else "UNKNOWN"
                for column in connection.description
            ]
            rows = [[self.as_text(value) for value in row] for row in connection.fetchall()]
        return (
            names,
            types,
            [[shown(value, sql_type) for value, sql_type in zip(row, types)] for row in rows],
        )

    def as_text(self, value):
        if value is None or isinstance(value, str):
            return value
        return self.judge.execute("SELECT CAST($1 AS VARCHAR)", [value]).fetchall()[0][0]

    def matches(self, pattern, text):
        """Whether `<REGEX>:` or `<!REGEX>:` holds for the whole text; None if it is no pattern."""
        for prefix, wanted in (("<REGEX>:", True), ("<!REGEX>:", False)):
            if pattern.startswith(prefix):
                try:
                    answer = self.judge.execute(
                        "SELECT regexp_full_match($1, $2, 's')", [text, pattern[len(prefix) :]]
                    ).fetchall()
                except self.duckdb.Error as error:
                    raise Mismatch(f"the pattern cannot be used: {error}") from error
                return answer[0][0] == wanted
        return None

    def equal(self, actual, expected, sql_type):
        if actual == expected:
            return True
        matched = self.matches(expected, actual)
        if matched is not None:
            return matched
        if sql_type == "BOOLEAN":
            return expected.lower() == {"1": "true", "0": "false"}.get(actual)
        try:
            if sql_type in ("FLOAT", "DOUBLE"):
                return math.isclose(
                    float(actual), float(expected), rel_tol=FLOAT_TOLERANCE, abs_tol=1e-9
                )
            if INTEGERS.match(sql_type) or sql_type.startswith("DECIMAL"):
                return decimal.Decimal(actual) == decimal.Decimal(expected)
        except (ValueError, decimal.InvalidOperation):
            pass
        return False

    # Directives

    def do_require(self, line, name, *_):
        if name == "amazing":
            if not Path(self.extension).is_file():
                raise BadTest(line, f"{self.extension} does not exist: run `make release`")
            self.load_extension()
            self.extension_required = True
            return
        if name == "notwindows" and os.name != "nt":
            return
        loaded = "SELECT count(*) FROM duckdb_extensions() WHERE loaded AND extension_name = $1"
        if name == "notwindows" or not self.judge.execute(loaded, [name]).fetchall()[0][0]:
            raise Skipped(f"require {name}")

    def do_require_env(self, line, name, *value):
        if name not in os.environ or (value and os.environ[name] != value[0]):
            raise Skipped(f"require-env {' '.join([name, *value])}")
        self.replacements["${" + name + "}"] = os.environ[name]

    def do_load(self, line, path=":memory:", mode=""):
        if mode not in ("", "readonly"):
            raise BadTest(line, f"load: unknown mode `{mode}`")
        self.close()
        self.path, self.read_only = self.replace(path), mode == "readonly"
        if path != ":memory:" and not self.read_only:
            for stale in (self.path, self.path + ".wal"):
                Path(stale).unlink(missing_ok=True)
        self.open()

    def do_restart(self, line):
        if self.path == ":memory:":
            raise BadTest(line, "an in-memory database cannot be restarted: use `load` first")
        self.close()
        self.open()

    def do_reconnect(self, line):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def do_sleep(self, line, amount, unit):
        unit = unit[:-1] if unit.endswith("s") else unit
        if not amount.isdigit() or unit not in SLEEP_SECONDS:
            raise BadTest(
                line, f"sleep takes a number and a unit such as `1 second`, not `{amount} {unit}`"
            )
        time.sleep(int(amount) * SLEEP_SECONDS[unit])

    def do_set(self, line, name, value):
        if name != "seed":
            raise BadTest(line, f"unknown setting `{name}`")
        self.connection("").execute("SELECT setseed($1)", [float(value)]).fetchall()


def shown(value, sql_type):
    """A value the way the dialect writes it."""
    if value is None:
        return "NULL"
    if sql_type == "BOOLEAN":
        return {"true": "1", "false": "0"}[value]
    return value.replace("\0", "\\0") if value else "(empty)"


def table(values, n_columns, most=40):
    """Values as tab-separated rows, for a message."""
    rows = ["\t".join(values[i : i + n_columns]) for i in range(0, len(values), n_columns)]
    more = [f"... and {len(rows) - most} more rows"] if len(rows) > most else []
    return "\n".join("  " + row for row in rows[:most] + more)


def work(path, extension, folder, bare):
    """Runs one file in this process and writes what happens as JSON lines to standard output."""

    # Standard output is for the events alone; what DuckDB prints (a progress bar) goes where the complaints go.
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def report(*event):
        print(json.dumps(event), file=events, flush=True)

    import duckdb

    text = Path(path).read_text(encoding="utf-8")
    is_page = Path(path).suffix == ".md"
    try:
        nodes = parse_page(text, duckdb.extract_statements, bare) if is_page else parse(text)
    except BadTest as error:
        report("broken", error.line, str(error))
        return
    if is_page:
        # What a page writes by a bare name, and reads again, lies in the folder of the test.
        extension = Path(extension).resolve()
        os.chdir(folder)
    session = Session(duckdb, extension, folder, report, bare, is_page)
    try:
        if is_page:
            session.install(nodes, bare)
        session.run(nodes)
    except Skipped as reason:
        report("skipped", str(reason))
    except BadTest as error:
        report("broken", error.line, str(error))
    finally:
        session.close()
    report("end")


# Running many files


@dataclasses.dataclass
class Outcome:
    """What came of one file: the records that passed, the texts of the failures, or why it was skipped."""

    path: str
    passed: int = 0
    failures: list = dataclasses.field(default_factory=list)
    skipped: str = ""


def run_file(path, extension, timeout, bare):
    """Runs one file in a process of its own; that process dying or hanging is a failure of the record in progress."""
    outcome = Outcome(str(path))
    # The folder is made and removed here, because a process that dies leaves its own behind.
    with tempfile.TemporaryDirectory(prefix="sqllogictest", ignore_cleanup_errors=True) as folder:
        command = [
            sys.executable,
            "-X",
            "utf8",
            __file__,
            str(path),
            "--extension",
            str(extension),
            "--worker",
            folder,
        ]
        command += ["--bare-names"] if bare else []
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            output, complaints = process.communicate(timeout=timeout)
            died = f"the process died (exit code {process.returncode})"
        except subprocess.TimeoutExpired:
            process.kill()
            output, complaints = process.communicate()
            died = f"no end after {timeout:g} seconds"

    line, sql, ended = 1, "", False
    for text in output.split("\n")[:-1]:
        event, *details = json.loads(text)
        if event == "at":
            line, sql = details
        elif event == "passed":
            outcome.passed += 1
        elif event == "failed":
            outcome.failures.append(message(path, details[0], details[2], details[1]))
        elif event == "broken":
            outcome.failures.append(message(path, details[0], details[1]))
            ended = True
        elif event == "skipped":
            outcome.skipped = details[0]
        elif event == "end":
            ended = True
    if not ended or process.returncode != 0:
        outcome.failures.append(
            message(path, line, f"{died}\n{complaints[-3000:].strip()}".strip(), sql)
        )
    elif not (outcome.passed or outcome.failures or outcome.skipped or Path(path).suffix == ".md"):
        outcome.failures.append(message(path, 1, "the file holds no test"))
    return outcome


def run_files(paths, extension=EXTENSION, timeout=300, jobs=2, bare=False):
    """The outcome of each file, in the order of `paths`."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda path: run_file(path, extension, timeout, bare), paths))


def message(path, line, what, sql=""):
    """A failure: where and what, the SQL, then the details."""
    first, *details = what.splitlines()
    return "\n".join(
        [
            f"{os.path.relpath(path)}:{line}: {first}",
            *("    " + row for row in sql.splitlines()),
            *details,
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "paths", nargs="*", type=Path, help="test files and folders of them (*.test, *.md)"
    )
    parser.add_argument(
        "--extension", type=Path, default=EXTENSION, help="what `require amazing` loads"
    )
    parser.add_argument(
        "--bare-names",
        action="store_true",
        help="call relations by their bare names; read pages on 2.0",
    )
    parser.add_argument("--jobs", type=int, default=2, help="files run at once (default: 2)")
    parser.add_argument(
        "--timeout", type=float, default=300, help="seconds that one file may take (default: 300)"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.paths[0], arguments.extension, arguments.worker, arguments.bare_names)
        return 0

    paths = []
    for path in arguments.paths or [ROOT / "test" / "sql"]:
        paths += sorted([*path.rglob("*.test"), *path.rglob("*.md")]) if path.is_dir() else [path]
    # Half of the pages have no block: they need no process.
    paths = [
        path for path in paths if path.suffix != ".md" or "```" in path.read_text(encoding="utf-8")
    ]
    outcomes = run_files(
        paths, arguments.extension, arguments.timeout, arguments.jobs, arguments.bare_names
    )
    for outcome in outcomes:
        if outcome.skipped:
            print(f"skipped {os.path.relpath(outcome.path)}: {outcome.skipped}")
        for failure in outcome.failures:
            print(f"FAILED {failure}\n")
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(len(outcome.failures) for outcome in outcomes)
    skipped = sum(bool(outcome.skipped) for outcome in outcomes)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not (passed or skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
