"""Reads a page of documentation (Markdown) as a test: its blocks of SQL and shell, and what they are said to give.

A table or a fence without a language that follows a block is its output: the rows of the last statement, or the message
of its error. Comments in the page say what differs, and why:

    <!-- run first (sql): ... -->    statements that the reader does not see, before the next block
    <!-- not run: why -->            the next block is left out
    <!-- not the output: why -->     the next table or fence is no output
    <!-- page not run: why -->       no block of the page is run
    <!-- only 1.x: why -->           the next block is for those whose relations are in the catalog `amz`
    <!-- only 2.0: why -->           the next block is for those whose relations have bare names

A page is run in both ways, as it stands there: what it says to readers on DuckDB 1.x is all that they get.
"""

import dataclasses
import re
import shutil
from pathlib import Path

KINDS = r"run first \(\w+\)|not run|not the output|page not run|only 1\.x|only 2\.0"
COMMENT = re.compile(rf"<!-- ({KINDS})(?::\s+(.*?))?\s*-->", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?:^\|[^\n]*\|\n)+", re.MULTILINE)
# What a page consists of, as far as it matters here; the rest is text.
PART = re.compile(
    f"(?P<comment>{COMMENT.pattern})|(?P<fence>{FENCE.pattern})|(?P<table>{TABLE.pattern})",
    re.M | re.S,
)


class BadPage(Exception):
    """The page does not follow the rules above."""


@dataclasses.dataclass
class Block:
    """A block of code: its language, the line of the page where its text begins, and what it is said to give."""

    line: int
    language: str
    text: str
    header: list = None
    rows: list = None
    printed: str = None


def cells(line):
    """The cells of a row of a table; an escaped `|` belongs to its cell."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def blocks(text, bare=False):
    """The blocks of a page that are to be run, in order: for relations with bare names, or in the catalog `amz`."""
    left_out = {"not run", "only 1.x" if bare else "only 2.0"}
    text = text.replace("\r\n", "\n")
    if hidden := re.search(r"^[ \t>]+```", text, re.MULTILINE):
        raise BadPage(
            f"{text.count(chr(10), 0, hidden.start()) + 1}: a fence must begin at the margin, to"
            " be run"
        )
    found, note, end = [], "", 0
    producer = None
    for part in PART.finditer(text):
        # Output follows its block at once: words between them make it something else.
        if text[end : part.start()].strip():
            producer, note = None, ""
        end = part.end()
        line = text.count("\n", 0, part.start()) + 1
        if part["comment"]:
            kind, content = COMMENT.match(part["comment"]).groups()
            if not content:
                raise BadPage(f"{line}: `{kind}` needs a reason")
            if kind == "page not run":
                return []
            if kind.startswith("run first"):
                at = line + part["comment"].split(content)[0].count("\n")
                found.append(Block(at, kind.split("(")[1].rstrip(")"), content))
            else:
                note = kind
            continue
        language, content = (
            FENCE.match(part["fence"]).groups() if part["fence"] else (None, part["table"])
        )
        if language:
            producer = Block(line + 1, language, content)
            if note not in left_out:
                found.append(producer)
        elif note == "not the output":
            producer = None
        elif producer is None:
            if language == "":
                raise BadPage(
                    f"{line}: a fence needs a language, or a block before it whose output it is"
                )
        elif language == "":
            producer.printed, producer = content, None
        else:
            header, _, *rows = map(cells, content.splitlines())
            producer.header, producer.rows, producer = header, rows, None
        note = ""
    return found


def lay_out(folder, stable, installed):
    """Makes `folder` look like the root of the repository after a build, as far as pages name it.

    `stable` is what a `LOAD` by path finds; `installed` are the copies that `INSTALL` finds by (version, platform).
    """
    places = {Path("build/release/amazing.duckdb_extension"): stable}
    for (version, platform), copy in installed.items():
        places[Path("build/repo") / version / platform / "amazing.duckdb_extension"] = copy
    for place, copy in places.items():
        if copy is not None:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            try:
                (folder / place).symlink_to(Path(copy).resolve())
            except OSError:
                shutil.copy(copy, folder / place)
