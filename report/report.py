"""Writes what stands in a database that a pipeline has built as one HTML page, which needs no network.

The page is the queries of `report/<pipeline>.sql` in the frame of `report/page.html`. Nothing of the database is changed,
and every text from it is escaped. A number stands in `<data value="...">` as it is in the table.
"""

import argparse
import datetime
import decimal
import html
import re
import string
import sys
from pathlib import Path

import duckdb

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
DEMO = [ROOT / "build" / "demo" / name for name in ("shop.duckdb", "platform.duckdb")]

# Pipeline -> title of its page, and a table that only its databases have.
WORLDS = {
    "marketplace": ("Shop", "kpi.category"),
    "games": ("Games platform", "kpi.game_performance"),
}
PERCENT = re.compile(r"(^|_)(share|rate|retention|change)(_|$)")
HEAT = "z_score"
# Standard deviations from the mean that have the deepest colour, and how deep that is.
HOTTEST, DEEPEST = 2.5, 0.55


class NoReport(Exception):
    """A database of which there is no page, and why."""


def escaped(value):
    return html.escape(str(value), quote=True)


def parse(script):
    """The sections of a script: title, text and queries."""
    sections = []
    for part in re.split(r"^-- # ", script, flags=re.MULTILINE)[1:]:
        title, rest = part.split("\n", 1)
        text, queries = re.match(r"((?:-- [^\n]*\n)*)(.*)", rest, re.DOTALL).groups()
        words = " ".join(line.removeprefix("-- ") for line in text.splitlines())
        sections.append(
            (title, words, [query for query in re.split(r";\s*\n", queries) if query.strip()])
        )
    return sections


def header(column):
    """The name of a column in words; those of a PIVOT begin with the value: `2_mean_of_segment`."""
    return re.sub(r"^(\d+)_(.*)$", r"\2 \1", column).replace("_", " ")


def shown(value, column):
    """A value as HTML, and whether it is a number."""
    if value is None:
        return '<span class="none">&ndash;</span>', False
    if isinstance(value, bool):
        return "yes" if value else "no", False
    if isinstance(value, datetime.date):
        return (
            f'<time datetime="{value}">{value:%b %Y}</time>'
            if value.day == 1
            else f"<time>{value}</time>"
        ), False
    if isinstance(value, (int, float, decimal.Decimal)):
        if PERCENT.search(column):
            text = f"{100 * value:,.1f} %"
        elif isinstance(value, float):
            text = f"{value:,.{3 if abs(value) < 1 else 2 if abs(value) < 1000 else 0}f}"
        else:
            text = f"{value:,}"
        return f'<data value="{value}">{text.replace("-", "&minus;")}</data>', True
    text = str(value)
    return (escaped(text) if text.strip() else '<span class="none">(empty)</span>'), False


def cell(value, column, align):
    content, is_number = shown(value, column)
    if align == "head":
        return f'<th scope="row" class="head">{content}</th>'
    if HEAT not in column or not is_number:
        return f'<td class="{align}">{content}</td>'
    hue, depth = ("more" if value > 0 else "less"), DEEPEST * min(abs(value) / HOTTEST, 1)
    return (
        f'<td class="number heat" style="--hue: var(--{hue}); --depth: {depth:.2f}">{content}</td>'
    )


def table(title, columns, rows):
    if not rows:
        return '<p class="none">No rows.</p>\n'
    numeric = [any(shown(row[i], column)[1] for row in rows) for i, column in enumerate(columns)]
    aligns = ["head", *("number" if number else "text" for number in numeric[1:])]
    heads = "".join(
        f'<th scope="col" class="{align}">{escaped(header(column))}</th>'
        for align, column in zip(aligns, columns)
    )
    lines = "".join(f"<tr>{''.join(map(cell, row, columns, aligns))}</tr>\n" for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(title)}">\n'
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n"
    )


def run(con, query):
    """Columns and rows; no columns for a statement that only prepares."""
    result = con.execute(query)
    if query.lstrip().startswith("SET "):
        return [], []
    return [column[0] for column in result.description], result.fetchall()


def content(con, title, queries):
    out = ""
    for query in queries:
        columns, rows = run(con, query)
        if columns == ["svg"]:
            # The extension has made it and escaped what is in it.
            svg = rows[0][0] if rows else None
            out += (
                '<figure class="scroll" tabindex="0" role="region"'
                f' aria-label="{escaped(title)}">\n{svg}</figure>\n'
                if svg
                else '<p class="none">Nothing to draw.</p>\n'
            )
        elif columns:
            out += table(title, columns, rows)
    return out


def page(con, pipeline, name):
    """The whole page of the open database `name`."""
    (_, _, [query]), *sections = parse((FOLDER / f"{pipeline}.sql").read_text(encoding="utf-8"))
    columns, [values] = run(con, query)
    key = dict(zip(columns, values))
    first, last = key.pop("first_month"), key.pop("last_month")
    period = f"{first:%B %Y} to {last:%B %Y} · " if first else ""
    figures = "".join(
        f"<div><dt>{escaped(header(column))}</dt><dd>{shown(value, column)[0]}</dd></div>\n"
        for column, value in key.items()
    )
    contents = ""
    body = ""
    for i, (title, text, queries) in enumerate(sections, start=1):
        contents += f'<li><a href="#s{i}">{escaped(title)}</a></li>\n'
        words = re.sub(r"`(.*?)`", r"<code>\1</code>", escaped(text))
        note = f"<p>{words}</p>\n" if text else ""
        body += (
            f'<section aria-labelledby="s{i}">\n<h2'
            f' id="s{i}">{escaped(title)}</h2>\n{note}{content(con, title, queries)}</section>\n'
        )
    template = string.Template((FOLDER / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escaped(WORLDS[pipeline][0]),
        subtitle=escaped(period + name),
        figures=figures,
        contents=contents,
        sections=body,
    )


def pipeline_of(con, database):
    for pipeline, (_, mark) in WORLDS.items():
        schema, name = mark.split(".")
        found = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
        if con.execute(found, [schema, name]).fetchall() == [(1,)]:
            return pipeline
    raise NoReport(
        f"{database} holds the tables of no pipeline: kpi.category or kpi.game_performance"
    )


def write(database, folder, extension):
    """Writes the page of a database into a folder; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    if not database.is_file():
        hint = ", run `make demo` first" if database in DEMO else ""
        raise NoReport(f"{database} does not exist{hint}")
    with database.open("rb") as file:
        if file.read(12)[8:] != b"DUCK":
            raise NoReport(f"{database} is no database of DuckDB")
    try:
        with duckdb.connect(
            str(database), read_only=True, config={"allow_unsigned_extensions": "true"}
        ) as con:
            con.execute("LOAD '" + str(extension).replace("'", "''") + "'")
            written = page(con, pipeline_of(con, database), database.name)
    except duckdb.Error as error:
        raise NoReport(f"{database}: {error}") from error
    path = folder / f"{database.stem}.html"
    path.write_text(written, encoding="utf-8")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "databases", nargs="*", type=Path, default=DEMO, help="default: those of the demonstration"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "report", help="where the pages go"
    )
    parser.add_argument(
        "--extension", type=Path, default=ROOT / "build" / "release" / "amazing.duckdb_extension"
    )
    arguments = parser.parse_args()

    for database in arguments.databases:
        try:
            path = write(database, arguments.folder, arguments.extension.resolve())
        except NoReport as error:
            raise SystemExit(f"report.py: {error}") from error
        print(f"{path} ({path.stat().st_size / 1000:,.0f} kB)")


if __name__ == "__main__":
    sys.exit(main())
