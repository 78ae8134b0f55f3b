"""The report: its figures are those of the tables, nothing in the data can become markup, and a browser needs no network."""

import html.parser
import json
import re
import shutil
import subprocess
import sys
from decimal import Decimal

import duckdb
import pytest

from conftest import ROOT

HOSTILE = "<script>alert(1)</script><img src=http://127.0.0.1:9/x.png onerror=alert(2)>\"'&amp;"
NOT_LATIN = "новые покупатели 日本語"
BROWSER = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
needs_browser = pytest.mark.skipif(not BROWSER, reason="no chromium on the PATH")
SECTIONS = {
    "marketplace": (
        "Segments|Map|What the axes mean|Profile: what makes a segment different|Profile:"
        " means|Months|Days|Funnel|Cohorts: who comes back|What sells: categories|What sells:"
        " brands|Where the figures come from"
    ),
    "games": (
        "Segments|Map|What the axes mean|Profile: what makes a segment different|Profile: means|Who"
        " still plays|Months|Months that were no season|Games|Places|Who plays|Where the figures"
        " come from"
    ),
}
PICTURES = {"marketplace": 4, "games": 3}


def write_files(con, pipeline, folder):
    if pipeline == "marketplace":
        con.execute(
            "CREATE TEMP TABLE events AS FROM synthetic_marketplace_events(40_000, days := 61)"
        )
        con.execute("UPDATE events SET brand = ? WHERE brand = 'samsung'", [HOSTILE])
        options = "(FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')"
        con.execute(f"COPY events TO '{folder / 'events.csv'}' {options}")
        return
    sizes = {"users": "synthetic_users(300)", "games": "synthetic_games(20)"}
    sizes["events"] = "synthetic_game_events(30_000, users := 300, games := 20)"
    for name, source in sizes.items():
        con.execute(f"COPY (FROM {source}) TO '{folder / name}.csv' (FORMAT csv, HEADER)")


@pytest.fixture(scope="module", params=["marketplace", "games"])
def world(request, connect, extension, tmp_path_factory):
    """Pipeline, database and page."""
    folder = tmp_path_factory.mktemp(request.param)
    database = folder / "world.duckdb"
    with connect(database) as con:
        write_files(con, request.param, folder)
        con.execute(
            f"SET VARIABLE data = '{folder}/*.csv'; SET VARIABLE svg = '{folder / 'map.svg'}'"
        )
        scripts = con.execute(
            "SELECT sql FROM amazing_scripts(?) ORDER BY step", [request.param]
        ).fetchall()
        for [sql] in scripts:
            con.execute(sql)
        con.execute("UPDATE kpi.segment_profile SET name = ? WHERE segment = 0", [HOSTILE])
        con.execute("UPDATE kpi.segment_profile SET name = ? WHERE segment = 1", [NOT_LATIN])
        if request.param == "games":
            con.execute("UPDATE kpi.game_performance SET game_name = ? WHERE rank = 1", [HOSTILE])
    written = report(extension, folder, database)
    assert written.returncode == 0, written.stderr
    return request.param, database, folder / "world.html"


def report(extension, folder, *databases):
    command = [
        sys.executable,
        ROOT / "report" / "report.py",
        "--extension",
        extension,
        "--folder",
        folder,
        *databases,
    ]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


class Page(html.parser.HTMLParser):
    """Headings, elements, and the tables below each heading: rows of texts and exact numbers."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.headings, self.tables = [], [], []
        self.texts = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append((self.headings[-1], []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("h2", "th", "td"):
            self.texts = []
        elif tag == "data":
            self.texts = Decimal(dict(attributes)["value"])

    def handle_data(self, data):
        if isinstance(self.texts, list):
            self.texts.append(data)

    def handle_endtag(self, tag):
        if tag in ("h2", "th", "td"):
            value = self.texts if isinstance(self.texts, Decimal) else "".join(self.texts)
            (self.headings if tag == "h2" else self.tables[-1][1][-1]).append(value)
            self.texts = None

    def table(self, heading, number=0):
        """The body of a table below a heading, as dictionaries."""
        head, *rows = [rows for title, rows in self.tables if title == heading][number]
        return [dict(zip(head, row)) for row in rows]


def test_the_page_has_its_sections_tables_and_pictures(world):
    pipeline, _, path = world
    page = Page(path.read_text(encoding="utf-8"))
    assert page.headings == SECTIONS[pipeline].split("|")
    pictures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(pictures) == PICTURES[pipeline]
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    heads = [attributes for tag, attributes in page.elements if tag == "th"]
    assert heads and all(head.get("scope") in ("col", "row") for head in heads)
    assert all(rows for _, rows in page.tables)


def test_figures_are_those_of_the_tables(world):
    pipeline, database, path = world
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    con = duckdb.connect(str(database), read_only=True)

    def column(sql):
        return [value for [value] in con.execute(sql).fetchall()]

    def shown(heading, name, number=0):
        return [row[name] for row in page.table(heading, number)]

    def exact(values):
        return [Decimal(str(value)) if value is not None else "\u2013" for value in values]

    people = {"marketplace": "users", "games": "players"}[pipeline]
    sizes = column("SELECT count(*) FROM user_segments GROUP BY segment ORDER BY segment")
    assert shown("Segments", people) == sizes
    assert shown("Segments", "share") == exact(size / sum(sizes) for size in sizes)
    # The legend of the map says the same.
    legend = re.findall(r'<text [^>]*class="muted end">([\d,]+)</text>', text.split("</svg>")[0])[
        -len(sizes) :
    ]
    assert [int(count.replace(",", "")) for count in legend] == sizes
    means = "SELECT avg({0}) FROM user_segments GROUP BY segment ORDER BY segment"
    [row] = [
        row for row in page.table("Profile: means") if row["feature"] == "avg_time_between_events"
    ]
    found = [float(value) for name, value in row.items() if name.startswith("mean of segment")]
    assert found == pytest.approx(column(means.format("avg_time_between_events")), rel=1e-9)
    for name in ["events", "sessions", "purchases"] + (
        ["revenue", "users"] if pipeline == "marketplace" else []
    ):
        monthly = column(f"SELECT {name} FROM kpi.monthly ORDER BY month")
        assert len(monthly) > 1 and shown("Months", name) == exact(monthly)
    if pipeline == "marketplace":
        assert shown("Funnel", "users") == column(
            "SELECT users FROM kpi.funnel ORDER BY month, step_number"
        )
        sold = "SELECT {0} FROM kpi.category WHERE rank <= 3 ORDER BY rank, category_code"
        assert shown("What sells: categories", "revenue")[:3] == exact(
            column(sold.format("revenue"))
        )
        first = column(
            "SELECT retention FROM kpi.cohorts WHERE months_since = 1 ORDER BY first_month"
        )
        assert shown("Cohorts: who comes back", "retention after month 1") == [
            *exact(first),
            "\u2013",
        ]
        spent = column(
            "SELECT sum(total_spent) FROM user_segments GROUP BY segment ORDER BY segment"
        )
        assert shown("Segments", "spent") == spent
    else:
        assert (
            shown("Games", "sessions")[0]
            == column("SELECT sessions FROM kpi.game_performance WHERE rank = 1")[0]
        )
        assert sum(shown("Places", "users")) == sum(
            column("SELECT users FROM kpi.location ORDER BY rank LIMIT 20")
        )


def test_texts_of_the_data_are_no_markup(world):
    pipeline, _, path = world
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    }
    links = {
        value
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("href", "src")
    }
    assert all(link.startswith("#s") or link == "data:," for link in links)
    assert not [
        name for _, attributes in page.elements for name in attributes if name.startswith("on")
    ]
    assert [row["name"] for row in page.table("Segments")][:2] == [HOSTILE, NOT_LATIN]
    assert NOT_LATIN in text.split("</svg>")[0]
    where = {"marketplace": ("What sells: brands", "brand"), "games": ("Games", "game name")}[
        pipeline
    ]
    shown = [row[where[1]] for row in page.table(where[0])]
    assert any(value.lower() == HOSTILE for value in shown), shown


def test_a_database_without_a_pipeline_is_refused(extension, tmp_path):
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    refused = report(extension, tmp_path, tmp_path / "other.duckdb")
    assert (
        refused.returncode != 0 and "other.duckdb holds the tables of no pipeline" in refused.stderr
    )
    absent = report(extension, tmp_path, tmp_path / "absent.duckdb")
    assert absent.returncode != 0 and "absent.duckdb does not exist" in absent.stderr


def browse(path, folder):
    """What a browser makes of a page: its document, what it says on the console, and the hosts that it asks for."""
    log = folder / "net.json"
    quiet = (
        "--disable-background-networking --disable-component-update --disable-sync --no-first-run"
    )
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", *quiet.split(), f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr", f"--log-net-log={log}", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert process.returncode == 0, process.stderr
    console = [line for line in process.stderr.splitlines() if ":CONSOLE" in line]
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    # The browser asks for things of its own; what a page asks for has an origin as its initiator.
    requests = [event["params"] for event in events if "initiator" in (event.get("params") or {})]
    asked = {request["url"] for request in requests if request["initiator"] != "not an origin"}
    return process.stdout, console, {url for url in asked if re.match(r"(https?|wss?|ftp):", url)}


@needs_browser
def test_a_browser_shows_the_page_without_network_and_complaint(world, tmp_path):
    pipeline, _, path = world
    document, console, asked = browse(path, tmp_path)
    assert console == []
    assert asked == set()
    page = Page(document)
    assert page.headings == SECTIONS[pipeline].split("|")
    assert sum(tag == "svg" for tag, _ in page.elements) == PICTURES[pipeline]


@needs_browser
def test_the_browser_would_tell_of_a_request_and_of_an_error(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<img src='http://example.invalid/x.png'><script>console.error('loud')</script>",
        encoding="utf-8",
    )
    _, console, asked = browse(page, tmp_path)
    assert any("loud" in line for line in console)
    assert asked == {"http://example.invalid/x.png"}


def test_the_database_is_only_read(world, extension, tmp_path):
    _, database, path = world
    before = database.read_bytes()
    again = report(extension, tmp_path, database)
    assert again.returncode == 0, again.stderr
    assert database.read_bytes() == before
    assert (tmp_path / "world.html").read_bytes() == path.read_bytes()
