"""The pipeline `marketplace` on every tested DuckDB: nothing is lost, loading twice changes nothing, figures by hand."""

import csv
import gzip
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from conftest import ROOT, TESTED_VERSIONS
from worlds import World, accounts

STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]
REAL_DATA = ROOT.parent / "shared" / "data" / "marketplace"

COLUMNS = [
    "event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id", "user_session",
]  # fmt: skip
HEADER = ",".join(COLUMNS)

# Tables that a second run must leave as they are: everything but the log of runs and the time of loading.
TABLES = {
    "raw.loaded_files": "SELECT * EXCLUDE (loaded_at, last_modified) FROM raw.loaded_files",
    "raw.rejected_lines": "FROM raw.rejected_lines",
    "raw.all_events": "FROM raw.all_events",
    "clean.events": "FROM clean.events",
    "clean.rejected_events": "FROM clean.rejected_events",
    "clean.corrections": "FROM clean.corrections",
    "clean.unmatched_values": "FROM clean.unmatched_values",
    "clean.cleaned_files": "FROM clean.cleaned_files",
    "kpi.user_features": "FROM kpi.user_features",
    "kpi.daily": "FROM kpi.daily",
    "kpi.monthly": "FROM kpi.monthly",
    "kpi.category": "FROM kpi.category",
    "kpi.brand": "FROM kpi.brand",
    "kpi.funnel": "FROM kpi.funnel",
    "kpi.cohorts": "FROM kpi.cohorts",
    "kpi.segment_model": "SELECT * EXCLUDE (run_id, created_at) FROM kpi.segment_model",
    "kpi.segment_history": "FROM kpi.segment_history",
    "kpi.segment_migration": "FROM kpi.segment_migration",
    "kpi.segment_profile": "FROM kpi.segment_profile",
    "kpi.segment_map": "FROM kpi.segment_map",
    "kpi.segment_components": "FROM kpi.segment_components",
    "main.user_segments": "FROM main.user_segments",
}


def session(n):
    return f"00000000-0000-4000-8000-{n:012d}"


def event(time="2019-10-01 00:00:00 UTC", kind="view", product="1", category="2053013555631882655", code="a.b.c",
          brand="acme", price="10.00", user="1", visit=None):  # fmt: skip
    """One line of a file; `visit` is the session's number, or its text."""
    visit = session(visit) if isinstance(visit, int) else session(1) if visit is None else visit
    return ",".join([time, kind, product, category, code, brand, price, user, visit])


def lines(n, start=0):
    return [event(time=f"2019-10-01 {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d} UTC", product=str(i), user=str(i % 7))
            for i in range(start, start + n)]  # fmt: skip


@pytest.fixture(params=TESTED_VERSIONS)
def shop(request, tmp_path, pythons, run_python):
    return World("marketplace", STEPS, TABLES, tmp_path, pythons[request.param], run_python)


# Promise 1: nothing is lost


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("crlf", "\r\n".join([HEADER, *lines(3), ""]), (4, 3, 0)),
        ("cr", "\r".join([HEADER, *lines(3), ""]), (4, 3, 0)),
        ("no end of the last line", "\n".join([HEADER, *lines(3)]), (4, 3, 0)),
        ("crlf, no end of the last line", "\r\n".join([HEADER, *lines(3)]), (4, 3, 0)),
        ("cut last line", "\r\n".join([HEADER, *lines(2), lines(1)[0][:60]]), (4, 2, 1)),
        ("blank lines", "\n".join([HEADER, "", *lines(2), "", "", *lines(1, 2), "", ""]), (4, 3, 0)),
        ("blank lines, crlf", "\r\n".join([HEADER, "", *lines(2), "", "", *lines(1, 2), "", ""]), (4, 3, 0)),
        ("a line of spaces", "\n".join([HEADER, *lines(2), "   ", ""]), (4, 2, 1)),
        ("an extra value", "\n".join([HEADER, *lines(2), event() + ",x", ""]), (4, 2, 1)),
        ("header only", HEADER + "\n", (1, 0, 0)),
        ("header only, no line end", HEADER, (1, 0, 0)),
        ("byte order mark", "\ufeff" + "\n".join([HEADER, *lines(2), ""]), (3, 2, 0)),
        ("quoted header and values", "\n".join(
            [",".join(f'"{c}"' for c in COLUMNS), ",".join(f'"{v}"' for v in event().split(",")), ""]), (2, 1, 0)),
        ("quoted comma", "\n".join([HEADER, event(brand='"a,b"'), ""]), (2, 1, 0)),
        ("doubled quote", "\n".join([HEADER, event(brand='"a""b"'), ""]), (2, 1, 0)),
        ("stray quote", "\n".join([HEADER, *lines(2), event(brand='"acme'), *lines(2, 2), ""]), (6, 4, 1)),
        ("a quote inside", "\n".join([HEADER, *lines(2), event(brand='ac"me'), *lines(2, 2), ""]), (6, 5, 0)),
        ("stray quotes far apart", "\n".join(
            [HEADER, event(brand='"acme'), *lines(9), event(brand='"acme', product="2"), event(brand='"b"'), ""]),
         (13, 10, 2)),
        ("not UTF-8", ("\n".join([HEADER, *lines(2), ""])).encode() + event(brand="caf\xe9").encode("latin-1") + b"\n",
         (4, 2, 1)),
        ("UTF-8", "\n".join([HEADER, *lines(2), event(brand="café 日本"), ""]), (4, 3, 0)),
        ("a line of 3 MB", "\n".join([HEADER, *lines(2), event(brand="x" * 3_000_000), *lines(1, 2), ""]), (5, 3, 1)),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
def test_each_line_is_a_row_or_a_rejected_line(shop, name, content, expected):
    shop.file("a.csv", content.encode() if isinstance(content, str) else content)
    summary, loaded, rejected, rows = shop.load()
    assert accounts(loaded) == {"a.csv": expected}, summary
    assert (len(rejected), len(rows)) == (expected[2], expected[1])
    assert all("\n" not in row[2] and row[3] for row in rejected)


def test_rejected_lines_carry_number_text_and_first_error(shop):
    cut = event()[:60]
    shop.file("a.csv", HEADER, "", *lines(2), cut, event() + ",x,y", end="\r\n")
    _, _, rejected, _ = shop.load()
    assert [row[1:4] for row in rejected] == [
        [5, cut, "MISSING COLUMNS"],
        [6, event() + ",x,y", "TOO MANY COLUMNS"],
    ]


def test_values_arrive_as_text_and_empty_ones_as_null(shop):
    shop.file(
        "a.csv", HEADER, event(brand='"a,b"', category="2.10381E+18", price="7", code='""', user="")
    )
    _, _, _, rows = shop.load()
    assert rows == [
        [
            "2019-10-01 00:00:00 UTC",
            "view",
            "1",
            "2.10381E+18",
            None,
            "a,b",
            "7",
            None,
            session(1),
            "data/a.csv",
        ]
    ]


def test_optional_columns_may_be_absent_and_columns_in_any_order(shop):
    short = [name for name in COLUMNS if name not in ("category_id", "brand")]
    values = dict(zip(COLUMNS, event().split(",")))
    shop.file("short.csv", ",".join(short), ",".join(values[name] for name in short))
    shop.file(
        "turned.csv", ",".join(COLUMNS[::-1]), ",".join(values[name] for name in COLUMNS[::-1])
    )
    _, loaded, _, rows = shop.load()
    assert accounts(loaded) == {"short.csv": (2, 1, 0), "turned.csv": (2, 1, 0)}
    full = [values[name] for name in COLUMNS]
    assert sorted(rows, key=lambda row: row[-1]) == [
        [*full[:3], None, full[4], None, *full[6:], "data/short.csv"],
        [*full, "data/turned.csv"],
    ]


def test_every_bad_file_is_named_in_one_message_and_nothing_is_loaded(shop):
    shop.file("good.csv", HEADER, *lines(3))
    shop.file("no_header.csv", *lines(3))
    shop.file("missing.csv", HEADER.replace(",price", ""), *lines(3))
    shop.file("extra.csv", HEADER + ",colour", *lines(3))
    shop.file("twice.csv", HEADER + ",brand", *lines(3))
    shop.file("zero.csv", b"")
    shop.file("blank.csv", b"\n\n")
    shop.file("late_header.csv", "", HEADER, *lines(3))
    shop.file("broken_record.csv", HEADER, *lines(3), event(brand='"ac\nme"'), *lines(3))
    shop.file("broken_last.csv", HEADER, event(visit='"' + session(1) + '\nx"'))
    shop.file("mixed.csv", (HEADER + "\r\n" + "\n".join(lines(2)) + "\r\n").encode())
    shop.file("mixed_lf_first.csv", (HEADER + "\n" + "\r\n".join(lines(3)) + "\n").encode())
    shop.file("one_lf.csv", ("\r\n".join([HEADER, *lines(3)]) + "\n").encode())
    message, loaded, _, _ = shop.load()
    assert loaded == []
    for name, reason in {
        "no_header": "no header, its first line is: 2019-10-01 00:00:00 UTC,view,0",
        "missing": "other columns, its header is: " + HEADER.replace(",price", ""),
        "extra": "other columns, its header is: " + HEADER + ",colour",
        "twice": "other columns, its header is: " + HEADER + ",brand",
        "zero": "an empty file",
        "blank": "an empty file",
        "late_header": "its first line is blank",
        "broken_record": "line breaks inside quotes",
        "broken_last": "line breaks inside quotes",
        "mixed": "mixed line ends",
        "mixed_lf_first": "mixed line ends",
        "one_lf": "mixed line ends (CRLF on 3 of 4 lines)",
    }.items():
        assert f'"data/{name}.csv": {reason}' in message
    assert "12 of 13 files" in message and "good.csv" not in message


def test_a_lone_carriage_return_inside_a_line_refuses_the_file_by_name(shop):
    shop.file("good.csv", HEADER, *lines(3))
    shop.file("lone.csv", HEADER, *lines(3), event(brand="ac\rme"), *lines(3, 3))
    message, loaded, _, _ = shop.load()
    assert "data/lone.csv" in message and loaded == []


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("quote", ["none", "one", "many"])
def test_files_larger_than_the_readers_buffer_add_up(shop, end, quote):
    content = lines(360_000)
    broken = {"none": [], "one": [150_000], "many": range(100, 350_000, 1003)}[quote]
    for i in broken:
        content[i] = event(product=str(i), brand='"acme')
    content[200_000] = "cut,line"
    content.append("")
    shop.file("a.csv", HEADER, *content, end=end)
    summary, loaded, rejected = shop.run("""
summary = run(con, '00_raw')
(summary, rows(con, TABLES['raw.loaded_files']), rows(con, 'FROM raw.rejected_lines'))
""")
    rejected_lines = len(broken) + 1
    assert accounts(loaded) == {"a.csv": (360_001, 360_000 - rejected_lines, rejected_lines)}, (
        summary
    )
    assert [200_002, "cut,line"] in [row[1:3] for row in rejected]


# Promise 2: loading twice changes nothing

BUILD_TWICE = """
first = run(con, *STEPS), state(con)
second = run(con, *STEPS), state(con)
(first, second)
"""


def test_a_second_run_changes_nothing(shop):
    shop.file(
        "a.csv", HEADER, *lines(300), event(), event(), "cut,line", event(kind="Vieww", user="3")
    )
    (summary, first), (_, second) = shop.run(BUILD_TWICE)
    assert set(first) == set(TABLES), summary
    assert first == second
    assert len(first["main.user_segments"]) == 7


def test_what_nobody_knows_is_listed_and_answered(shop):
    kinds = ["view", "look", "look", "cart", "buy", "loook"]
    brands = ["apple", "appel", "zzz", "zzz", "sony", "APPLE"]
    told = [event(kind=kind, brand=brand, product=str(i))
            for i, (kind, brand) in enumerate(zip(kinds, brands))]  # fmt: skip
    shop.file("a.csv", HEADER, *told)
    shop.file("late.csv.new", HEADER, event(kind="peek", brand="apple", product="9"))
    listed, before, corrected, left, rejected, after, emptied, added = shop.run("""
con.execute("SET VARIABLE brands = ['apple', 'sony', 'applet']")
UNMATCHED = 'SELECT column_name, value, row_count, nearest, round(similarity, 2) FROM clean.unmatched_values'
EVENTS = 'SELECT product_id, event_type, brand FROM clean.events ORDER BY product_id'
run(con, '00_raw', '10_clean')
listed, before = rows(con, UNMATCHED), rows(con, EVENTS)
con.execute('''INSERT INTO config.category_map VALUES
    ('event_type', 'look', 'view'), ('event_type', 'buy', 'Purchase'), ('brand', 'zzz', 'sony'), ('brand', 'none', NULL)''')
run(con, '10_clean')
corrected = rows(con, "SELECT column_name, raw_value, clean_value, rule, row_count FROM clean.corrections WHERE rule = 'answer'")
left, rejected, after = rows(con, UNMATCHED), rows(con, 'SELECT event_type, reason FROM clean.rejected_events'), rows(con, EVENTS)
con.execute("UPDATE config.category_map SET replacement = NULL WHERE value = 'zzz'")
run(con, '10_clean')
emptied = rows(con, EVENTS)
Path('data/late.csv.new').rename('data/late.csv')
run(con, '00_raw', '10_clean')
(listed, before, corrected, left, rejected, after, emptied, rows(con, UNMATCHED))
""")
    assert [row[:3] for row in listed] == [
        ["brand", "zzz", 2],
        ["event_type", "buy", 1],
        ["event_type", "look", 2],
        ["event_type", "loook", 1],
    ]
    assert before == [[0, "view", "apple"], [3, "cart", "zzz"]]
    assert corrected == [
        ["brand", "zzz", "sony", "answer", 2],
        ["event_type", "buy", "purchase", "answer", 1],
        ["event_type", "look", "view", "answer", 2],
    ]
    assert [row[:3] for row in left] == [["event_type", "loook", 1]]
    assert rejected == [["loook", "unknown event_type"]]
    assert [row[1:] for row in after] == [
        ["view", "apple"], ["view", "apple"], ["view", "sony"], ["cart", "sony"], ["purchase", "sony"],
    ]  # fmt: skip
    assert [row[2] for row in emptied] == ["apple", "apple", None, None, "sony"]
    # What is new comes beside what was listed; an answer is not asked again.
    assert [row[:3] for row in added] == [["event_type", "loook", 1], ["event_type", "peek", 1]]


def test_a_header_alone_gives_empty_tables_and_a_picture_that_says_so(shop):
    shop.file("a.csv", HEADER)
    (_, first), (_, second) = shop.run(BUILD_TWICE)
    assert set(first) == set(TABLES) and first == second
    filled = {name for name, rows in first.items() if rows}
    assert filled == {"raw.loaded_files", "clean.cleaned_files"}
    assert "No user has enough events" in (shop.folder / "world.marketplace.svg").read_text()
    assert shop.run(
        "[run(con, '00_raw'), con.execute('SELECT segment FROM user_segments').description[0][0]]"
    ) == [
        [[1, 0, 0, 0, 0, "nothing new"]],
        "segment",
    ]


def test_a_file_that_is_not_there_is_not_passed_over(shop):
    shop.file("a.csv", HEADER)
    alone, one_of_two = shop.run("""
answers = []
for data in ["'data/none.csv'", "['data/none.csv', 'data/a.csv']"]:
    con.execute('SET VARIABLE data = ' + data)
    answers.append(run(con, '00_raw'))
answers
""")
    assert '00_raw: no such file: "data/none.csv" (' in alone
    assert one_of_two == alone


def test_renamed_copies_are_known(shop):
    shop.file("a.csv", HEADER, *lines(20))
    _, before, _, _ = shop.load()
    shop.file("b.csv", HEADER, *lines(20), end="\r\n")
    shop.file("c.csv", HEADER, *lines(20), last_end=False)
    shop.file("[a]*.csv", HEADER, *lines(20))
    summary, after, _, rows = shop.load()
    assert summary == [[4, 0, 0, 0, 0, "nothing new"]]
    assert before == after and len(rows) == 20


def test_a_compressed_file_is_its_text(shop):
    content = ("\r\n".join([HEADER, *lines(20), "cut,line"])).encode()
    shop.file("a.csv.gz", gzip.compress(content))
    shop.file(
        "b.csv.gz",
        gzip.compress("\n".join([HEADER, *lines(2, 30), event(brand='"acme'), ""]).encode()),
    )
    shop.file("no_header.txt.gz", gzip.compress("\n".join(lines(3)).encode()))
    found = shop.run("""
con.execute("SET VARIABLE data = 'data/*.csv.gz'")
summary = run(con, '00_raw')
first = [rows(con, TABLES['raw.loaded_files']), rows(con, 'SELECT csv_line FROM raw.rejected_lines ORDER BY ALL')]
Path('data/plain.csv').write_bytes(__import__('gzip').decompress(Path('data/a.csv.gz').read_bytes()))
con.execute("SET VARIABLE data = 'data/*.csv*'")
again = run(con, '00_raw')
con.execute("SET VARIABLE data = 'data/*.gz'")
(summary, *first, again, run(con, '00_raw'))
""")
    assert accounts(found[1]) == {"a.csv.gz": (22, 20, 1), "b.csv.gz": (4, 2, 1)}, found[0]
    assert found[2] == [[event(brand='"acme')], ["cut,line"]]
    assert found[3] == [[3, 0, 0, 0, 0, "nothing new"]]
    assert 'no_header.txt.gz": no header' in found[4]


def test_names_with_pattern_characters_and_quotes_are_taken_as_they_are(shop):
    shop.file("[a]*.csv", HEADER, *lines(2))
    shop.file("a1.csv", HEADER, *lines(3))
    shop.file("it's.csv", HEADER, *lines(4), "cut,line")
    summary, loaded, rejected, _ = shop.load()
    assert accounts(loaded) == {
        "[a]*.csv": (3, 2, 0),
        "a1.csv": (4, 3, 0),
        "it's.csv": (6, 4, 1),
    }, summary
    assert rejected[0][0] == "data/it's.csv"


def test_new_content_under_a_known_path_replaces_its_rows(shop):
    shop.file("a.csv", HEADER, *lines(20), "cut,line")
    shop.file("b.csv", HEADER, *lines(5, 100))
    shop.load()
    shop.file("a.csv", HEADER, *lines(19), event(user="8"), "cut,line")
    _, loaded, rejected, rows = shop.load()
    assert accounts(loaded) == {"a.csv": (22, 20, 1), "b.csv": (6, 5, 0)}
    assert len(rejected) == 1 and len(rows) == 25
    assert [row[7] for row in rows].count("8") == 1


def test_moved_and_swapped_contents_end_as_a_clean_run(shop):
    names = ("a.csv", "b.csv", "c.csv")
    contents = [[HEADER, *lines(n)] for n in (3, 4, 5)]
    for name, content in zip(names, contents):
        shop.file(name, *content)
    shop.load()
    # Swap, and a rotation that brings new content to the first path.
    for turn, order in enumerate([(1, 0, 2), (1, 1, 0), (2, 0, 1)]):
        for name, which in zip(names, order):
            shop.file(name, *contents[which])
        shop.file("a.csv", HEADER, *lines(30 + turn))
        _, loaded, _, rows = shop.load()
        found = accounts(loaded)
        assert found["a.csv"] == (31 + turn, 30 + turn, 0)
        for name, which in zip(names[1:], order[1:]):
            assert found[name][1] == which + 3 or (order[1] == order[2] and name == "c.csv")
        assert len(rows) == sum(account[1] for account in found.values())


def test_a_file_that_becomes_a_copy_of_another_loses_its_rows(shop):
    shop.file("a.csv", HEADER, *lines(3))
    shop.file("b.csv", HEADER, *lines(4))
    shop.load()
    shop.file("b.csv", HEADER, *lines(3))
    _, loaded, _, rows = shop.load()
    assert accounts(loaded) == {"a.csv": (4, 3, 0)} and len(rows) == 3


def test_max_files_are_taken_and_the_rest_is_said_to_be_left(shop):
    for n in range(5):
        shop.file(f"{n}.csv", HEADER, *lines(n + 1))
    summaries = shop.run("""
con.execute("SET VARIABLE max_files = 2")
[run(con, '00_raw') for _ in range(4)]
""")
    assert [summary[0][1:4] for summary in summaries] == [
        [2, 3, 3],
        [2, 1, 7],
        [1, 0, 5],
        [0, 0, 0],
    ]
    assert shop.run("rows(con, 'SELECT count(*), max(rows_loaded) FROM loaded_files')") == [[5, 5]]
    assert "max_files must be a number of at least 1, not 0" in shop.run(
        "con.execute('SET VARIABLE max_files = 0')\nrun(con, '00_raw')"
    )


def test_settings_that_the_load_changes_are_put_back(shop):
    shop.file("a.csv", HEADER, *lines(20))
    assert shop.run("""
SETTINGS = "SELECT current_setting('preserve_insertion_order'), current_setting('disabled_compression_methods')"
before = rows(con, SETTINGS)
run(con, *STEPS)
after = rows(con, SETTINGS)
con.execute("SET preserve_insertion_order = false"); con.execute("SET disabled_compression_methods = 'rle,dictionary'")
own = rows(con, SETTINGS)
run(con, *STEPS)
(before == after, before[0], own == rows(con, SETTINGS), 'RLE' in own[0][1])
""") == [True, [True, ""], True, True]


def test_of_two_loaders_at_once_one_fails_and_changes_nothing(shop):
    shop.file("a.csv", HEADER, *lines(50))
    shop.file("b.csv", HEADER, *lines(60))
    errors, after, again = shop.run("""
run(con, '00_raw')
con.execute('DELETE FROM raw.loaded_files'); con.execute('DELETE FROM raw.all_events')
other = con.cursor()
scripts = [list(c.extract_statements((PIPELINE / '00_raw.sql').read_text())) for c in (con, other)]
errors = []
for a, b in zip(*scripts):
    for who, statement in ((con, a), (other, b)):
        if not any(e[0] == id(who) for e in errors):
            try:
                who.execute(statement).fetchall()
            except Exception as error:
                errors.append((id(who), str(error)))
                try:
                    who.execute('ROLLBACK')
                except Exception:
                    pass
after = state(con)
again = run(other, '00_raw')
([e[1] for e in errors], after, again)
""")
    assert len(errors) == 1 and ("onstraint" in errors[0] or "onflict" in errors[0])
    assert accounts(after["raw.loaded_files"]) == {"a.csv": (51, 50, 0), "b.csv": (61, 60, 0)}
    assert len(after["raw.all_events"]) == 110
    assert again == [[2, 0, 0, 0, 0, "nothing new"]]


def test_an_interruption_after_any_statement_and_a_new_start_give_the_tables_of_one_run(shop):
    shop.file("a.csv", HEADER, *lines(300), event(), event(), "cut,line")
    clean_run, interrupted = shop.run("""
run(con, *STEPS)
clean_run = state(con)
con.close()
con = connect('interrupted.duckdb')
for step in STEPS:
    n_statements = len(con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8')))
    before = state(con)
    for n in range(n_statements - 2, 0, -5):
        run(con, step, statements=n)
        try:
            con.execute('ROLLBACK')
        except Exception:
            pass
        assert state(con) == before, (step, n)
    run(con, step)
(clean_run, state(con))
""")
    assert clean_run == interrupted and set(interrupted) == set(TABLES)


def test_a_killed_run_leaves_the_database_as_it_was(shop, extension):
    shop.file("a.csv", HEADER, *lines(200))
    shop.run("run(con, *STEPS)")
    before = shop.run("state(con)")
    shop.file("b.csv", HEADER, *lines(200_000, 1000))
    # The process tells when the transaction holds all its work, and waits there for its end.
    code = f"""
import time, json, duckdb
EXTENSION = {str(extension)!r}
def open_database(path):
    con = duckdb.connect(path, config={{'allow_unsigned_extensions': 'true'}})
    con.execute(f"LOAD '{{EXTENSION}}'")
    return con
{shop.client()}
n = len(con.extract_statements((PIPELINE / '00_raw.sql').read_text()))
run(con, '00_raw', statements=n - 2)
print('here', flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([str(shop.python), "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert shop.run("state(con)") == before
    assert shop.run("run(con, '00_raw')")[0][1:4] == [1, 0, 200_000]
    assert shop.run("rows(con, 'SELECT count(*) FROM loaded_files')") == [[2]]


N_KILLS = 20


def test_a_build_killed_at_any_moment_and_started_again_gives_the_tables_of_one_run(
    shop, extension
):
    """Kills at seeded random statements and moments: of a first build, of one that adds a month, and of one in which
    a known file has changed as well."""
    october = [*lines(300), "cut,line", event(kind="Vieww")]
    november = [line.replace("2019-10", "2019-11") for line in lines(250)]
    shop.file("2019-Oct.csv", HEADER, *october[:200])
    shop.run("con = connect('changed.duckdb')\nrun(con, *STEPS)")
    shop.file("2019-Oct.csv", HEADER, *october, *october[:5])
    shop.run("run(con, *STEPS)")
    shop.file("2019-Nov.csv", HEADER, *november, *october[:9], event(user="5", visit="cut"))
    # Segments are told by what earlier runs have stored, so each kind of start has tables of its own to give.
    statements, expected = shop.run("""
import shutil
expected = []
for before in [None, 'world.duckdb', 'changed.duckdb']:
    name = f'expected_{len(expected)}'
    if before:
        shutil.copy(before, name + '.duckdb')
    con = connect(name + '.duckdb')
    run(con, *STEPS)
    expected.append(state(con))
statements = [s.query.strip() for step in STEPS for s in con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8'))]
(statements, expected)
""")
    for tables in expected:
        assert set(tables) == set(TABLES) and len(tables["main.user_segments"]) == 7
        lasting = ("kpi.segment", "main.user_segments")
        assert {name: rows for name, rows in tables.items() if not name.startswith(lasting)} == {
            name: rows for name, rows in expected[0].items() if not name.startswith(lasting)
        }
    # The process tells the number of each statement before it is run.
    client = f"""
import sys, json, duckdb
EXTENSION = {str(extension)!r}
def open_database(path):
    con = duckdb.connect(path, config={{'allow_unsigned_extensions': 'true'}})
    con.execute(f"LOAD '{{EXTENSION}}'")
    return con
{shop.client()}
con = connect(sys.argv[1])
n = 0
for step in STEPS:
    for statement in con.extract_statements((PIPELINE / (step + '.sql')).read_text(encoding='utf-8')):
        print(n, flush=True)
        con.execute(statement).fetchall()
        n += 1
"""
    chance = random.Random(20)
    # Half of the kills anywhere, half where what is there already would be added again: in the load and clean steps.
    writing = [
        n
        for n, sql in enumerate(statements)
        if re.search(r"^INSERT INTO (raw|clean)\.", sql, re.MULTILINE)
    ]
    targets = [
        chance.choice(writing) if n % 4 in (1, 2) else chance.randrange(len(statements))
        for n in range(N_KILLS)
    ]
    for kill, target in enumerate(targets):
        database = shop.folder / f"killed_{kill}.duckdb"
        if kill % 2:
            shutil.copy(
                shop.folder / ("world.duckdb" if kill % 4 == 1 else "changed.duckdb"), database
            )
        with subprocess.Popen(
            [str(shop.python), "-c", client, str(database)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert f"{target}\n" in process.stdout
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
        assert process.returncode in (-signal.SIGKILL, 0)
    (shop.folder / "expected.json").write_text(json.dumps(expected))
    for first in range(0, N_KILLS, 5):
        wrong = shop.run(f"""
expected = json.loads(Path('expected.json').read_text())
wrong = []
for kill in range({first}, {first + 5}):
    con = connect(f'killed_{{kill}}.duckdb')
    run(con, *STEPS)
    found = json.loads(json.dumps(state(con)))
    con.close()
    start = [0, 1, 0, 2][kill % 4]
    wrong += [[kill, name] for name in TABLES if found.get(name) != expected[start][name]]
    pictures = [Path(name + '.marketplace.svg').read_bytes() for name in (f'killed_{{kill}}', f'expected_{{start}}')]
    if pictures[0] != pictures[1]:
        wrong.append([kill, 'picture'])
wrong
""")
        assert wrong == [], f"killed at statements {targets[first : first + 5]}"


def test_runs_are_recorded_with_what_they_committed(shop):
    shop.file("a.csv", HEADER, *lines(30))
    runs = shop.run("""
con.execute("SET VARIABLE run_id = 'october'")
run(con, *STEPS)
run(con, '00_raw')
rows(con, "SELECT run_id, step, rows, started_at <= finished_at FROM raw.pipeline_runs ORDER BY started_at")
""")
    assert runs == [
        ["october", "00_raw", 30, True],
        ["october", "10_clean", 30, True],
        ["october", "20_kpi", 7, True],
        ["october", "30_user_segments", 0, True],
        ["october", "00_raw", 0, True],
    ]


# file_fingerprint, which sees what the loader sees


def fingerprints(shop, path="'data/*.csv'"):
    """file name -> [size, line count, fingerprint as text]"""
    found = shop.run(f"""
con.execute((PIPELINE.parent / 'functions' / 'files.sql').read_text(encoding='utf-8'))
rows(con, "SELECT file_name, size_bytes, line_count, fingerprint::VARCHAR FROM file_fingerprint({path})")
""")
    assert [row[0] for row in found] == sorted(row[0] for row in found)
    return {Path(row[0]).name: row[1:] for row in found}


def test_a_fingerprint_is_of_the_lines_and_of_nothing_else(shop):
    content = [
        HEADER,
        *lines(40),
        event(brand="café 日本"),
        event(),
        event(),
        event(brand="x" * 3_000_000),
    ]
    shop.file("a.csv", *content)
    shop.file("crlf.csv", *content, end="\r\n")
    shop.file("cut.csv", *content, last_end=False)
    shop.file("shuffled.csv", "", *content[::-1], "")
    shop.file("other.csv", *content[:-2], content[-1])
    shop.file("zero.csv", b"")
    shop.file("blank.csv", b"\n\n")
    shop.file("latin.csv", "\n".join(content[:3]).encode() + "\ncafé\n".encode("latin-1"))
    found = fingerprints(shop)
    same = {found[name][2] for name in ("a.csv", "crlf.csv", "cut.csv", "shuffled.csv")}
    assert len(same) == 1 and None not in same and found["other.csv"][2] not in same
    assert {name: row[1] for name, row in found.items()} == {
        "a.csv": 45, "crlf.csv": 45, "cut.csv": 45, "shuffled.csv": 45, "other.csv": 44, "zero.csv": 0, "blank.csv": 0,
        "latin.csv": 3,
    }  # fmt: skip
    assert found["zero.csv"][2] == found["blank.csv"][2] == "0" and found["latin.csv"][2] is None
    assert all(row[0] == (shop.data / name).stat().st_size for name, row in found.items())


def test_the_loader_records_the_fingerprint_of_file_fingerprint(shop):
    shop.file("a.csv", HEADER, *lines(40), event(brand="café 日本"), end="\r\n")
    shop.file("b.csv", HEADER, *lines(4), "", "cut,line", last_end=False)
    _, loaded, _, _ = shop.load()
    recorded = {Path(row[0]).name: [row[1], row[3], str(row[2])] for row in loaded}
    assert recorded == fingerprints(shop)


def test_a_file_named_twice_has_no_fingerprint(shop):
    shop.file("a.csv", HEADER)
    with pytest.raises(AssertionError, match="is named twice"):
        fingerprints(shop, "['data/a.csv', 'data/*.csv']")


# The clean layer


def test_each_defect_has_its_reason_and_no_row_is_lost(shop):
    cases = [
        ("events", event()),
        ("events", event(time="2019-10-01 00:00:01")),
        ("events", event(time="2019-10-01T00:00:02")),
        ("events", event(time="2019-10-01T00:00:03Z")),
        ("events", event(category="2.10381E+18")),
        ("duplicate", event(category="")),
        ("events", event(price="0.00")),
        ("events", event(price="7")),
        ("events", event(price="33.2")),
        ("duplicate", event(price="33.2000")),
        ("events", event(kind="VIEW", user="8")),
        ("events", event(kind="purchas")),
        ("events", event(kind="remove_from_cart")),
        ("events", event(user="007")),
        ("bad time", event(time="2019-10-01 00:00:00 PST")),
        ("bad time", event(time="01/10/2019 00:00")),
        ("bad time", event(time="")),
        ("bad time", event(time="2019-02-30 00:00:00 UTC")),
        ("unknown event_type", event(kind="refund")),
        ("unknown event_type", event(kind="")),
        ("no product", event(product="")),
        ("bad product", event(product="1.5")),
        ("bad product", event(product="2.1E+18")),
        ("bad price", event(price="")),
        ("bad price", event(price="ten")),
        ("bad price", event(price="1.005")),
        ("bad price", event(price="1e3")),
        ("bad price", event(price="10000000000000000.00")),
        ("events", event(price="9999999999999999.99")),
        ("negative price", event(price="-5.00")),
        ("no user", event(user="")),
        ("bad user", event(user="5.4E+08")),
        ("bad user", event(user="99999999999999999999")),
        ("no session", event(visit="")),
        ("bad session", event(visit=session(1)[:-3])),
        ("events", event(visit="NaN")),
    ]
    shop.file("a.csv", HEADER, *(line for _, line in cases), *[event(user="55")] * 78)
    outcome, events, rejected, corrections = shop.run("""
outcome = run(con, '00_raw', '10_clean')
events = rows(con, "SELECT event_time, event_type, category_id, category_1, category_2, category_3, price, user_id FROM clean.events ORDER BY ALL")
(outcome, events, rows(con, 'SELECT * FROM clean.rejected_events'), rows(con, 'SELECT * FROM clean.corrections'))
""")
    expected = Counter(reason for reason, _ in cases) + Counter({"events": 1, "duplicate": 77})
    assert dict(outcome) == expected
    assert len(rejected) == sum(expected.values()) - expected["events"]
    by_line = {line: reason for reason, line in cases} | {event(user="55"): "duplicate"}
    assert all(by_line[",".join(v or "" for v in row[:9])] == row[10] for row in rejected)
    assert Counter(row[1] for row in events) == {"view": 13, "purchase": 1, "remove_from_cart": 1}
    assert {row[6] for row in events} == {"10.00", "0.00", "7.00", "33.20", "9999999999999999.99"}
    assert {row[7] for row in events} == {1, 7, 8, 55}
    assert {tuple(row[3:6]) for row in events} == {("a", "b", "c")}
    assert corrections == [
        ["events", "category_id", "2.10381E+18", None, "mangled", 1],
        ["events", "event_type", "VIEW", "view", "case", 1],
        ["events", "event_type", "purchas", "purchase", "typo", 1],
    ]


NO_TIMES = [
    "infinity", "-infinity", "Infinity", "inf", "epoch", "now", "today", "yesterday", "NaT", "nan", "NULL", "0",
    "1569888000", "2019-10-01", "2019-10-01T00:00", "2019-10-01 24:00:00", "2019-12-31 23:59:60", "2019-02-29 00:00:00",
    "2019-1-1 00:00:00", "0000-01-01 00:00:00", "10000-01-01 00:00:00", "-0001-01-01 00:00:00", "2019-10-01 00:00:00 PST",
    "2019-10-01 00:00:00+16:00", "2019-10-01 00:00:00 (BC)", "2019-10-01 00:00:00.", "01/10/2019 00:00:00",
]  # fmt: skip
IMPLAUSIBLE_TIMES = [
    "0001-01-01 00:00:00", "1582-10-15T00:00:00Z", "1969-12-31 23:59:59", "1970-01-01 00:00:00", "1999-12-31 23:59:59.999999",
    "2000-01-01T00:00:00+00:01", "2261-12-31 00:00:00", "9999-12-31 23:59:59 UTC",
]  # fmt: skip


def test_what_is_no_time_or_no_plausible_one_is_no_event(shop):
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    late = (tomorrow + timedelta(days=2)).strftime("%Y-%m-%d 00:00:00")
    good = [
        "2000-01-01 00:00:00",
        "2000-01-01T01:00:00.5+01:00",
        tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ]
    times = [*NO_TIMES, *IMPLAUSIBLE_TIMES, late, *good]
    shop.file("a.csv", HEADER, *[event(time=time, user=str(n)) for n, time in enumerate(times)])
    outcome, rejected, days = shop.run("""
outcome = run(con, '00_raw', '10_clean')
run(con, '20_kpi')
(outcome, rows(con, 'SELECT event_time, reason FROM clean.rejected_events'), rows(con, 'SELECT max(day)::VARCHAR, count(*) FROM kpi.daily'))
""")
    assert dict(rejected) == dict.fromkeys(NO_TIMES, "bad time") | dict.fromkeys(
        [*IMPLAUSIBLE_TIMES, late], "implausible time"
    )
    assert dict(outcome) == {
        "events": 3,
        "bad time": len(NO_TIMES),
        "implausible time": len(IMPLAUSIBLE_TIMES) + 1,
    }
    assert days == [[tomorrow.strftime("%Y-%m-%d"), 2]]


def test_values_of_a_typed_source_are_judged_as_those_of_files(shop):
    """What the source holds as TIMESTAMP, DECIMAL, BIGINT and UUID are events of a file in other spellings."""
    shop.file(
        "a.csv",
        HEADER,
        event(
            code="a.b",
            brand="",
            category="",
            price="10.5",
            visit="ABCDEF00-0000-4000-8000-00000000000A",
        ),
    )
    outcome, rejected = shop.run("""
con.execute("ATTACH 'other.duckdb' AS other")
con.execute("CREATE TABLE other.all_events AS SELECT t::TIMESTAMP AS event_time, 'View' AS event_type, 1 AS product_id, "
    "'A.B' AS category_code, 10.50::DECIMAL(18, 2) AS price, i AS user_id, "
    "'abcdef00-0000-4000-8000-00000000000a'::UUID AS user_session "
    "FROM (VALUES (1, '2019-10-01'), (2, 'infinity'), (3, '-infinity'), (4, 'epoch'), (5, '0044-03-15 (BC)'), "
    "(6, '290000-01-01'), (7, '9999-12-31'), (8, '2019-10-01 00:00:00.25'), (9, NULL)) AS v(i, t)")
con.execute("SET VARIABLE data = 'data/*.csv'")
con.execute("SET VARIABLE source = 'other.main'")
outcome = run(con, '00_raw', '10_clean')
(outcome, rows(con, 'SELECT user_id, reason FROM clean.rejected_events ORDER BY ALL'))
""")
    assert dict(outcome) == {"events": 2, "duplicate": 1, "bad time": 5, "implausible time": 2}
    assert dict(rejected) == {
        "1": "duplicate", "2": "bad time", "3": "bad time", "4": "implausible time", "5": "bad time", "6": "bad time",
        "7": "implausible time", "9": "bad time",
    }  # fmt: skip


def test_the_limits_of_time_are_parameters_and_those_of_a_known_file_stay(shop):
    times = [
        "2019-10-01 00:00:00", "2019-11-30 23:59:59.999999", "2019-12-01 00:00:00", "2019-12-01 12:00:01",
        "2100-01-01 10:00:00",
    ]  # fmt: skip
    shop.file("a.csv", HEADER, *[event(time=time) for time in times])
    counts, limits = shop.run("""
run(con, '00_raw')
counts = []
for low, high in [(None, None), ("DATE '2019-10-02'", None), ("DATE '2019-10-01'", "DATE '2019-11-30'"), (None, "TIMESTAMP '2019-12-01 12:00:00'"), (None, "'2100-01-01'")]:
    con.execute(f"SET VARIABLE min_time = {low or 'NULL'}")
    con.execute(f"SET VARIABLE max_time = {high or 'NULL'}")
    counts.append(dict(run(con, '10_clean'))['events'])
# The day of loading decides, not the day on which the tables are made anew.
con.execute("SET VARIABLE max_time = NULL")
limits = []
for loaded in ('2019-11-29 10:00:00', '2019-11-30 00:00:00', '2100-01-01 00:00:00'):
    con.execute(f"UPDATE raw.loaded_files SET loaded_at = '{loaded}'")
    con.execute('SET VARIABLE rebuild = true')
    limits.append(dict(run(con, '10_clean'))['events'])
(counts, limits)
""")
    assert counts == [4, 3, 2, 3, 5]
    assert limits == [2, 4, 5]


# One event in other ways to write it.
SPELLINGS = [
    {"time": "2019-10-01T00:00:00Z"}, {"time": "2019-10-01 00:00:00+00:00"}, {"time": "2019-10-01T00:00:00.000"},
    {"time": "2019-09-30T22:30:00-01:30"}, {"time": "2019-10-01 02:00:00 +0200"}, {"time": "2019-10-01 00:00:00"},
    {"time": " 2019-10-01 00:00:00 UTC "}, {"kind": "CART"}, {"kind": " cart"}, {"kind": "caart"}, {"product": "07"},
    {"product": " 7 "}, {"user": "0001"}, {"price": "10.5"}, {"price": "010.500"}, {"brand": "Acme"}, {"brand": " ACME "},
    {"code": "A.B.c "}, {"code": "a. b.c"}, {"visit": "ABCDEF00-0000-4000-8000-00000000000A"},
    {"visit": " abcdef00-0000-4000-8000-00000000000a"}, {"category": " 2053013555631882655"},
]  # fmt: skip


def test_one_event_in_all_its_spellings_is_one_event_in_whatever_order_the_files_come(shop):
    plain = {
        "kind": "cart",
        "product": "7",
        "price": "10.50",
        "visit": "abcdef00-0000-4000-8000-00000000000a",
    }
    others = [{"user": "2"}, {"price": "10.51"}, {"visit": "abcdef00"}, {"visit": "ABCDEF00"}]
    for n, spelling in enumerate([{}, *SPELLINGS, *others]):
        shop.file(f"{n:02d}.csv", HEADER, event(**plain | spelling))
    at_once, different, events, corrections = shop.run("""
con.execute('SET VARIABLE max_files = 99')
at_once = run(con, '00_raw', '10_clean')
expected = state(con)
names = sorted(os.listdir('data'))
different = []
for n, order in enumerate([names[::-1], names[13:] + names[:13]]):
    con = connect(f'{n}.duckdb')
    for first in range(0, len(order), 12):
        con.execute(f"SET VARIABLE data = {['data/' + name for name in order[first : first + 12]]}")
        run(con, '00_raw', '10_clean')
    found = state(con)
    different += [[n, table] for table in TABLES if found.get(table) != expected.get(table)]
(at_once, different, rows(con, 'SELECT event_time, event_type, product_id, category_code, brand, price, user_id, user_session FROM clean.events ORDER BY ALL'), rows(con, 'FROM clean.corrections'))
""")
    assert at_once == [["duplicate", len(SPELLINGS)], ["events", 5]]
    assert different == []
    one = ["2019-10-01 00:00:00", "cart", 7, "a.b.c", "acme", "10.50", 1, plain["visit"]]
    others = [
        [*one[:6], 2, one[7]],
        [*one[:5], "10.51", *one[6:]],
        [*one[:7], "abcdef00"],
        [*one[:7], "ABCDEF00"],
    ]
    assert sorted(events, key=repr) == sorted([one, *others], key=repr)
    assert corrections == []


def test_of_equal_events_the_first_by_file_stays_also_where_it_comes_later(shop):
    # The event came of b; then a brings it in capitals, and b's row gives way, with its corrections.
    shop.file("b.csv", HEADER, event(kind="caart", brand="ACME", product="9"), *lines(3))
    shop.run("run(con, '00_raw', '10_clean')")
    shop.file("a.csv", HEADER, event(kind="CART", product="09"))
    outcome, rejected, corrections, anew = shop.run("""
outcome = run(con, '00_raw', '10_clean')
tables = ['SELECT event_type, product_id, file_name, reason FROM clean.rejected_events', 'SELECT column_name, raw_value, clean_value, rule, row_count FROM clean.corrections']
found = [rows(con, t) for t in tables]
before = state(con)
con.execute('SET VARIABLE rebuild = true')
run(con, '10_clean')
(outcome, *found, state(con) == before)
""")
    assert outcome == [["events", 4], ["duplicate", 1]] and anew
    assert rejected == [["caart", "9", "data/b.csv", "duplicate"]]
    assert corrections == [["event_type", "CART", "cart", "case", 1]]


def test_any_text_is_a_session_but_the_beginning_of_a_uuid_among_uuids(shop):
    own = ["LJuJVLEjPT", "ljujvlejpt", "12345", "abcdef", "a b", "café", "N/A", "x" * 500]
    shop.file("own.csv", HEADER, *[event(visit=visit, user=str(n)) for n, visit in enumerate(own)])
    # Nine UUIDs of ten are enough, eight are not.
    cut = session(1)[:-9]
    for product, (name, n_uuids, last) in enumerate(
        [("cut", 9, cut), ("mixed", 8, cut + "1"), ("other", 9, "visit 7")]
    ):
        content = [event(visit=visit, product=str(product)) for visit in [*range(n_uuids), last]]
        shop.file(f"{name}.csv", HEADER, *content)
    rejected, sessions = shop.run("""
run(con, '00_raw', '10_clean')
(rows(con, 'SELECT user_session, file_name, reason FROM clean.rejected_events'), rows(con, 'SELECT user_session FROM clean.events WHERE length(user_session) <> 36'))
""")
    assert rejected == [[cut, "data/cut.csv", "bad session"]]
    assert sorted(row[0] for row in sessions) == sorted([*own, cut + "1", "visit 7"])


def test_case_and_blanks_make_no_other_brand_and_a_vocabulary_repairs_the_rest(shop):
    brands = ["apple"] * 5 + [
        "Apple",
        "APPLE",
        "apple ",
        "apple\u00a0",
        "Under  Armour",
        "under armour",
        "aple",
        "zest",
        " ",
    ]
    codes = ["electronics.phone"] * 3 + [
        "Electronics.Phone",
        "electronics. phone",
        "electronics.phnoe",
    ]
    shop.file("a.csv", HEADER, *[event(brand=brand, code="", product=str(n)) for n, brand in enumerate(brands)],
              *[event(brand="", code=code, product=str(n)) for n, code in enumerate(codes, 50)])  # fmt: skip
    bare, given, synonyms, again = shop.run("""
def found():
    return [rows(con, f'SELECT {c}, count(*) FROM clean.events WHERE {c} IS NOT NULL GROUP BY ALL ORDER BY ALL') for c in ('brand', 'category_code', 'category_2')] + [
        sorted(rows(con, 'SELECT column_name, raw_value, clean_value, rule, row_count FROM clean.corrections'), key=repr)]
run(con, '00_raw', '10_clean')
bare = found()
con.execute("SET VARIABLE brands = ['Apple', 'Under Armour']")
con.execute("SET VARIABLE category_codes = ['electronics.phone', 'electronics.clocks']")
run(con, '10_clean')
given = found()
con.execute("SET VARIABLE brands = map {'Apple': ['zest']}")
run(con, '10_clean')
synonyms = found()[0]
con.execute('RESET VARIABLE brands')
con.execute('RESET VARIABLE category_codes')
run(con, '10_clean')
(bare, given, synonyms, bare == found())
""")
    assert bare[:3] == [
        [["aple", 1], ["apple", 9], ["under armour", 2], ["zest", 1]],
        [["electronics.phnoe", 1], ["electronics.phone", 5]],
        [["phnoe", 1], ["phone", 5]],
    ]
    assert bare[3] == sorted([
        ["brand", "APPLE", "apple", "case", 1], ["brand", "Apple", "apple", "case", 1],
        ["brand", "apple ", "apple", "case", 1], ["brand", "apple\u00a0", "apple", "case", 1],
        ["brand", "Under  Armour", "under armour", "case", 1], ["brand", " ", None, "empty", 1],
        ["category_code", "Electronics.Phone", "electronics.phone", "case", 1],
        ["category_code", "electronics. phone", "electronics.phone", "case", 1],
    ], key=repr)  # fmt: skip
    assert given[:3] == [
        [["Apple", 10], ["Under Armour", 2], ["zest", 1]], [["electronics.phone", 6]], [["phone", 6]],
    ]  # fmt: skip
    rules = {(row[1], row[2]): row[3] for row in given[3]}
    assert (
        rules["aple", "Apple"] == "typo"
        and rules["electronics.phnoe", "electronics.phone"] == "typo"
    )
    assert ("zest", "zest") not in rules and again
    assert synonyms == [["Apple", 11], ["under armour", 2]]


def test_sums_of_the_largest_prices_do_not_stop_a_run(shop):
    largest = "9999999999999999.99"
    shop.file(
        "a.csv", HEADER, *[event(kind="purchase", product=str(n), price=largest) for n in range(3)]
    )
    assert (
        shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
[rows(con, f'SELECT {column} FROM kpi.{table}') for table, column in [('user_features', 'total_spent'), ('daily', 'revenue'), ('monthly', 'revenue'), ('brand', 'revenue'), ('category', 'revenue'), ('cohorts', 'revenue')]]
""")
        == [[["29999999999999999.97"]]] * 6
    )


def test_known_defects_of_files_and_rows_come_out_with_their_counts(shop):
    """40,000 generated events, of which the generator makes 2,800 defects of seven kinds; then the files are damaged."""
    shop.run("""
con.execute("CREATE TEMP TABLE made AS FROM synthetic_marketplace_events(40000, seed := 3, dirt := 0.07)")
for name, half in (('a', 'day(event_time) < 16'), ('b', 'NOT coalesce(day(event_time) < 16, false)')):
    con.execute(f"COPY (FROM made WHERE {half}) TO 'data/{name}.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
con.execute('SELECT 1').fetchone()[0]
""")
    good = (shop.data / "a.csv").read_text().splitlines()
    cut = [good[1][:40], good[2] + ",more", "", "  "]
    unreadable = [
        good[3].replace(good[3][:19], time)
        for time in ("yesterday", "2019-13-01 00:00:00", "1570000000")
    ]
    mangled = [line.replace(line.split(",")[3], "2.10381E+18") for line in good[4:6]]
    shop.file(
        "a.csv",
        *good,
        *cut,
        *unreadable,
        *mangled,
        event(brand='"open'),
        good[7][:-9],
        end="\r\n",
        last_end=False,
    )
    shop.file("copy of b.csv", (shop.data / "b.csv").read_bytes())
    summary, loaded, outcome, corrections, reasons, bursts, respelt = shop.run("""
summary = run(con, '00_raw')
outcome = run(con, '10_clean')
corrections = rows(con, 'SELECT column_name, sum(row_count)::INTEGER FROM clean.corrections GROUP BY ALL ORDER BY ALL')
bursts = rows(con, '''
    SELECT any_value(b.event_type), any_value(b.copies), count(e.user_id)
    FROM (
        SELECT r.* EXCLUDE (file_name, reason), count(*) AS copies
        FROM clean.rejected_events AS r
        WHERE r.reason = 'duplicate'
        GROUP BY ALL
    ) AS b
    LEFT JOIN clean.events AS e
        ON e.user_session = b.user_session AND e.product_id = b.product_id::BIGINT AND e.event_type = b.event_type
        AND strftime(e.event_time, '%Y-%m-%d %H:%M:%S UTC') = b.event_time
    GROUP BY b
''')
(summary, rows(con, TABLES['raw.loaded_files']), outcome, corrections, rows(con, 'SELECT count(*) FROM clean.rejected_events'), bursts, rows(con, 'SELECT count(*) FROM clean.events WHERE brand <> lower(trim(brand)) OR category_code <> lower(trim(category_code))'))
""")
    # One header, events, three unreadable times, two mangled categories, a cut session; four lines are none.
    account = accounts(loaded)["a.csv"]
    assert account == (len(good) + 2 + 1 + 3 + 2 + 1 + 1, len(good) - 1 + 3 + 2 + 1, 4), summary
    assert len(loaded) == 2 and sum(row[4] for row in loaded) == 40_000 + 6
    assert dict(outcome) == {
        "events": 40_000 - 5 * 400 + 2, "duplicate": 400, "no user": 400, "negative price": 400, "bad time": 403,
        "unknown event_type": 400, "bad session": 1,
    }  # fmt: skip
    # The generator writes some brands and categories in other case, or with blanks.
    counts = dict(corrections)
    assert counts["category_id"] == 2 and counts["event_type"] == 400 and reasons == [[2004]]
    assert counts["brand"] > 50 and counts["category_code"] > 50 and respelt == [[0]]
    # The copies are bursts of equal carts, and of each burst one event stays.
    assert {kind for kind, _, _ in bursts} == {"cart"} and {stay for *_, stay in bursts} == {1}
    assert (
        sum(copies for _, copies, _ in bursts) == 400
        and 10 < max(copies for _, copies, _ in bursts) < 78
    )


@pytest.mark.parametrize(
    "category", ["2053013555631882655", "2.10381E+18", ""], ids=["whole", "mangled", "none"]
)
def test_a_mangled_category_is_found_where_all_else_is_well(shop, category):
    shop.file(
        "a.csv",
        HEADER,
        *lines(9),
        event(category="2.1E+18", user="9"),
        *[event(category=category)] * 3,
    )
    shop.file("b.csv", HEADER, *lines(9, 9), event(category=category))
    outcome, corrections = shop.run("""
con.execute("SET VARIABLE data = 'data/b.csv'")
run(con, '00_raw', '10_clean')
con.execute("SET VARIABLE data = 'data/*.csv'")
outcome = run(con, '00_raw', '10_clean')
(outcome, rows(con, 'SELECT raw_value, row_count FROM clean.corrections'))
""")
    assert outcome == [["events", 20], ["duplicate", 3]]
    assert corrections == [[value, 1] for value in sorted({"2.1E+18", category}) if "E" in value]


def test_duplicates_in_two_files_keep_one_row_and_depend_on_no_order(shop):
    both = lines(10)
    shop.file("a.csv", HEADER, *both, *lines(5, 100))
    shop.file("b.csv", HEADER, *both[::-1], *lines(6, 200))
    outcome, files = shop.run("""
outcome = run(con, '00_raw', '10_clean')
(outcome, rows(con, "SELECT DISTINCT file_name, reason FROM clean.rejected_events"))
""")
    assert outcome == [["events", 21], ["duplicate", 10]]
    assert files == [["data/b.csv", "duplicate"]]


# Files that come one by one


def test_files_that_come_one_by_one_give_the_tables_of_one_run(shop):
    """Three files with rows in common, some of them no events, whatever the order in which they come."""
    odd = [
        event(time="never"), event(time=""), event(time=" 2019-10-20 10:00:00 UTC"), event(time="2019-10-20T10:00:00"),
        event(kind="Vieww", category="2.1E+18"), event(price="-1"), event(visit="cut"), event(user="77"),
    ]  # fmt: skip
    rejected, tables, different = shop.run(
        f"odd = {odd!r}\n"
        + """
con.execute("CREATE TEMP TABLE made AS FROM synthetic_marketplace_events(4000, users := 90, seed := 7, dirt := 0.05, days := 61)")
for name, rows_of_file in [('a', "event_time > '2019-10-20'"), ('b', "event_time < '2019-11-10'"), ('c', 'user_id % 3 = 0')]:
    con.execute("COPY (FROM made WHERE " + rows_of_file + ") TO 'data/" + name + ".csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
    with open('data/' + name + '.csv', 'a') as file:
        file.write(''.join(line + chr(10) for line in (odd * 2 if name == 'b' else odd)))
con = connect('at_once.duckdb')
run(con, *STEPS)
at_once = state(con)
different = []
for order in ('bac', 'cab', 'abc'):
    con = connect(order + '.duckdb')
    for name in order:
        con.execute("SET VARIABLE data = 'data/" + name + ".csv'")
        run(con, '00_raw', '10_clean')
    run(con, *STEPS)
    found = state(con)
    different += [[order, table] for table in TABLES if found.get(table) != at_once[table]]
(rows(con, 'SELECT file_name, reason FROM clean.rejected_events'), sorted(at_once), different)
"""
    )
    reasons = Counter(map(tuple, rejected))
    # All events of c, the last by name, are in a or b as well.
    assert reasons["data/c.csv", "duplicate"] > 900 and reasons["data/b.csv", "duplicate"] > 300
    assert reasons["data/b.csv", "bad time"] == 4 and tables == sorted(TABLES)
    assert different == []


def test_rows_of_known_files_are_left_alone_until_the_tables_are_made_anew(shop):
    shop.file("2019-Oct.csv", HEADER, *lines(30), event(kind="Vieww"))
    shop.run("run(con, *STEPS)")
    shop.file(
        "2019-Nov.csv",
        HEADER,
        *[line.replace("2019-10", "2019-11") for line in lines(20)],
        event(kind="Vieww"),
    )
    # A mark in the tables shows whether they were made anew.
    added, nothing_new, *anew = shop.run("""
MARK = "UPDATE clean.events SET brand = 'marked' WHERE event_time < '2019-11-01' AND product_id = 3"
def marked(before, *steps):
    con.execute(MARK)
    if before:
        con.execute(before)
    run(con, *steps, '10_clean')
    con.execute('RESET VARIABLE rebuild')
    return rows(con, "SELECT count(*) FILTER (brand = 'marked'), count(*), (SELECT sum(row_count)::INTEGER FROM clean.corrections) FROM clean.events")
found = [marked(None, '00_raw'), marked(None, '00_raw')]
found.append(marked('SET VARIABLE rebuild = true'))
found.append(marked("UPDATE clean.cleaned_files SET amazing_version = '0.0.1'"))
text = Path('data/2019-Oct.csv').read_text()
Path('data/2019-Oct.csv').write_text(text.replace('acme', 'other'))
found.append(marked(None, '00_raw'))
Path('data/2019-Oct.csv').unlink()
found.append(marked("DELETE FROM raw.loaded_files WHERE file_name LIKE '%Oct%'; DELETE FROM raw.all_events WHERE file_name LIKE '%Oct%'"))
found
""")
    assert added == nothing_new == [[1, 51, 1]]
    # The two rows with the wrong spelling are equal; after the change of the brand they are not.
    assert anew == [[[0, 51, 1]], [[0, 51, 1]], [[0, 52, 2]], [[0, 21, 1]]]


def test_tables_that_do_not_add_up_are_refused_with_the_remedy(shop):
    shop.file("a.csv", HEADER, *lines(30))
    error, before, after, outcome = shop.run("""
run(con, '00_raw', '10_clean')
con.execute('DELETE FROM clean.events WHERE product_id = 3')
before = state(con)
error = run(con, '10_clean')
after = state(con)
con.execute('SET VARIABLE rebuild = true')
(error, before, after, run(con, '10_clean'))
""")
    assert (
        "10_clean: 30 raw rows are not 29 events + 0 rejected rows" in error
        and "SET VARIABLE rebuild = true" in error
    )
    assert before == after and outcome == [["events", 30]]


def test_of_two_cleaners_at_once_one_fails_and_changes_nothing(shop):
    shop.file("a.csv", HEADER, *lines(50))
    shop.run("run(con, *STEPS)")
    shop.file("b.csv", HEADER, *lines(60, 20))
    errors, after, again, clean_run = shop.run("""
run(con, '00_raw')
other = con.cursor()
scripts = [list(c.extract_statements((PIPELINE / '10_clean.sql').read_text())) for c in (con, other)]
errors = {}
for a, b in zip(*scripts):
    for who, statement in ((con, a), (other, b)):
        if id(who) not in errors:
            try:
                who.execute(statement).fetchall()
            except Exception as error:
                errors[id(who)] = str(error)
                try:
                    who.execute('ROLLBACK')
                except Exception:
                    pass
after = state(con)
run(other, '10_clean')
again = state(con)
con.execute('SET VARIABLE rebuild = true')
run(con, '10_clean')
(list(errors.values()), after, again, state(con))
""")
    assert len(errors) == 1 and ("onstraint" in errors[0] or "onflict" in errors[0])
    assert len(after["clean.events"]) == 80 and after == again == clean_run


# The KPI layer

# user, time, type, price, session: two months; user 3 has one event, user 4 buys without a view.
FEW_EVENTS = [
    (1, "2019-10-01 10:00:00", "view", "100.00", 11),
    (1, "2019-10-01 10:00:30", "cart", "100.00", 11),
    (1, "2019-10-01 10:01:00", "purchase", "100.00", 11),
    (1, "2019-10-01 10:02:00", "purchase", "50.50", 11),
    (1, "2019-11-03 10:02:00", "view", "20.00", 12),
    (1, "2019-11-03 10:02:20", "purchase", "20.00", 12),
    (2, "2019-10-01 23:59:59", "view", "5.00", 21),
    (2, "2019-10-02 00:00:01", "view", "5.00", 21),
    (2, "2019-10-02 00:00:02", "remove_from_cart", "5.00", 21),
    (3, "2019-11-03 12:00:00", "view", "9.99", 31),
    (4, "2019-11-05 00:00:00", "purchase", "0.01", 41),
    (4, "2019-11-05 08:00:00", "cart", "7.00", 42),
]


def few_events():
    return [
        event(time=t + " UTC", kind=kind, price=price, user=str(user), visit=visit, product=str(n))
        for n, (user, t, kind, price, visit) in enumerate(FEW_EVENTS)
    ]


def test_user_features_by_hand(shop):
    shop.file("a.csv", HEADER, *few_events())
    columns, found = shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
found = rows(con, 'FROM kpi.user_features ORDER BY user_id')
([c[0] for c in con.execute('FROM kpi.user_features').description], found)
""")
    assert columns == [
        "user_id", "total_events", "total_views", "total_purchases", "avg_time_between_events", "total_spent",
        "avg_basket", "last_event_time", "conversion_rate", "purchase_ratio", "days_since_last_event",
    ]  # fmt: skip
    # 2019-10-01 10:00:00 to 2019-11-03 10:02:20 are 33 days and 140 seconds.
    assert found == [
        [1, 6, 2, 3, (33 * 86400 + 140) / 5, "170.50", 85.25, "2019-11-03 10:02:20", 1.5, 0.5, 2],
        [2, 3, 2, 0, 1.5, "0.00", 0.0, "2019-10-02 00:00:02", 0.0, 0.0, 34],
        [3, 1, 1, 0, None, "0.00", 0.0, "2019-11-03 12:00:00", 0.0, 0.0, 2],
        [4, 2, 0, 1, 28800.0, "0.01", 0.01, "2019-11-05 08:00:00", None, 0.5, 0],
    ]


def test_days_count_from_as_of(shop):
    shop.file("a.csv", HEADER, *few_events())
    assert shop.run("""
con.execute("SET VARIABLE as_of = DATE '2019-12-01'")
run(con, '00_raw', '10_clean', '20_kpi')
rows(con, 'SELECT days_since_last_event FROM kpi.user_features ORDER BY user_id')
""") == [[28], [60], [28], [26]]


def test_days_and_months_by_hand(shop):
    shop.file("a.csv", HEADER, *few_events())
    daily, monthly = shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
(rows(con, 'FROM kpi.daily ORDER BY day'), rows(con, 'FROM kpi.monthly ORDER BY month'))
""")
    # day, events, users, new users, sessions, views, carts, purchases, revenue, conversion, average basket, conversion of
    # sessions and of users. Of a month then events per user, and whether it is complete; November is not, so no changes.
    assert daily == [
        ["2019-10-01", 5, 2, 2, 2, 2, 1, 2, "150.50", 1.0, 150.5, 0.5, 0.5],
        ["2019-10-02", 2, 1, 0, 1, 1, 0, 0, "0.00", 0.0, 0.0, 0.0, 0.0],
        ["2019-11-03", 3, 2, 1, 2, 2, 0, 1, "20.00", 0.5, 20.0, 0.5, 0.5],
        ["2019-11-05", 2, 1, 1, 2, 0, 1, 1, "0.01", None, 0.01, 0.5, 1.0],
    ]
    assert monthly == [
        [
            "2019-10-01",
            7,
            2,
            2,
            2,
            3,
            1,
            2,
            "150.50",
            2 / 3,
            150.5,
            *[None] * 4,
            0.5,
            0.5,
            3.5,
            True,
        ],
        [
            "2019-11-01",
            5,
            3,
            2,
            4,
            2,
            1,
            2,
            "20.01",
            1.0,
            10.005,
            *[None] * 4,
            0.5,
            2 / 3,
            5 / 3,
            False,
        ],
    ]


def test_a_session_of_two_users_or_of_several_days_is_one_session(shop):
    shared = [
        (1, "2019-10-30 10:00:00", "view", "10.00", 1),
        (1, "2019-10-30 10:01:00", "purchase", "10.00", 1),
        (2, "2019-10-30 11:00:00", "purchase", "30.00", 1),
        (3, "2019-10-30 12:00:00", "remove_from_cart", "5.00", 1),
        (4, "2019-10-31 23:59:00", "view", "7.00", 2),
        (4, "2019-11-01 00:01:00", "cart", "7.00", 2),
        (4, "2019-11-01 00:02:00", "view", "7.00", 2),
        (5, "2019-11-01 00:03:00", "purchase", "8.00", 2),
        (5, "2019-11-01 09:00:00", "view", "8.00", 3),
    ]
    lines = [
        event(time=t + " UTC", kind=kind, price=price, user=str(user), visit=visit)
        for user, t, kind, price, visit in shared
    ]
    shop.file("a.csv", HEADER, *lines)
    daily, monthly, funnel, baskets = shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
daily = rows(con, 'SELECT day, users, sessions, purchases, revenue, avg_basket FROM kpi.daily')
monthly = rows(con, 'SELECT month, users, sessions, purchases, revenue, avg_basket FROM kpi.monthly')
(daily, monthly, rows(con, 'SELECT month, step, users, sessions FROM kpi.funnel'), rows(con, 'SELECT user_id, avg_basket FROM kpi.user_features ORDER BY user_id'))
""")
    assert daily == [
        ["2019-10-30", 3, 1, 2, "40.00", 40.0],
        ["2019-10-31", 1, 1, 0, "0.00", 0.0],
        ["2019-11-01", 2, 2, 1, "8.00", 8.0],
    ]
    assert monthly == [["2019-10-01", 4, 2, 2, "40.00", 40.0], ["2019-11-01", 2, 2, 1, "8.00", 8.0]]
    assert funnel == [
        ["2019-10-01", "view", 3, 2],
        ["2019-10-01", "cart", 2, 1],
        ["2019-10-01", "purchase", 2, 1],
        ["2019-11-01", "view", 2, 2],
        ["2019-11-01", "cart", 2, 1],
        ["2019-11-01", "purchase", 1, 1],
    ]
    assert baskets == [[1, 10.0], [2, 30.0], [3, 0.0], [4, 0.0], [5, 8.0]]


def test_a_month_that_has_ended_is_compared(shop):
    shop.file("a.csv", HEADER, *few_events())
    assert shop.run("""
con.execute("SET VARIABLE as_of = DATE '2019-11-30'")
run(con, '00_raw', '10_clean', '20_kpi')
rows(con, 'SELECT events_change, users_change, purchases_change, revenue_change, is_complete FROM kpi.monthly ORDER BY month')
""") == [[*[None] * 4, True], [-2 / 7, 0.5, 0.0, (20.01 - 150.5) / 150.5, True]]


def test_a_month_after_a_gap_has_no_change(shop):
    shop.file("a.csv", HEADER, event(), event(time="2019-12-01 00:00:00 UTC"))
    assert shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
rows(con, 'SELECT month, events_change, revenue_change FROM kpi.monthly ORDER BY month')
""") == [["2019-10-01", None, None], ["2019-12-01", None, None]]


# user, time, type, price, session, category, brand. User 1 buys without a cart and stays over the end of the month; user 2
# has the cart before the view and buys in another month; nothing is new in November. Two equal sums: 150.50.
SOLD_EVENTS = [
    (1, "2019-10-31 23:50:00", "view", "100.00", 11, "electronics.phone", "acme"),
    (1, "2019-10-31 23:58:00", "purchase", "100.00", 11, "electronics.phone", "acme"),
    (1, "2019-10-31 23:59:59", "purchase", "50.50", 11, "electronics.phone", "acme"),
    (1, "2019-11-01 00:00:00", "view", "20.00", 11, "", ""),
    (2, "2019-10-05 10:00:00", "cart", "5.00", 21, "apparel.shoes", ""),
    (2, "2019-10-05 10:01:00", "view", "5.00", 21, "apparel.shoes", ""),
    (2, "2019-12-05 10:00:00", "purchase", "30.50", 22, "apparel.shoes", "zest"),
    (3, "2019-10-06 10:00:00", "remove_from_cart", "9.00", 31, "", "bolt"),
    (4, "2019-12-06 10:00:00", "view", "150.50", 41, "toys.cubes", "bolt"),
    (4, "2019-12-06 10:01:00", "purchase", "150.50", 41, "toys.cubes", "bolt"),
    (4, "2019-12-06 10:02:00", "purchase", "1.00", 41, "", ""),
    (4, "2019-12-07 10:00:00", "view", "150.50", 42, "toys.cubes", "bolt"),
]


def sold_events():
    return [
        event(
            time=t + " UTC",
            kind=kind,
            price=price,
            user=str(user),
            visit=visit,
            code=code,
            brand=brand,
        )
        for user, t, kind, price, visit, code, brand in SOLD_EVENTS
    ]


def test_categories_and_brands_by_hand(shop):
    shop.file("a.csv", HEADER, *sold_events())
    columns, categories, brands = shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
columns = [[c[0] for c in con.execute('FROM kpi.' + t).description] for t in ('category', 'brand')]
(columns, rows(con, 'FROM kpi.category'), rows(con, 'FROM kpi.brand'))
""")
    figures = [
        "views",
        "carts",
        "purchases",
        "revenue",
        "buyers",
        "conversion_rate",
        "share",
        "rank",
    ]
    assert columns == [["category_code", *figures], ["brand", *figures]]
    assert categories == [
        ["electronics.phone", 1, 0, 2, "150.50", 1, 2.0, 150.5 / 332.5, 1],
        ["toys.cubes", 2, 0, 1, "150.50", 1, 0.5, 150.5 / 332.5, 1],
        ["apparel.shoes", 1, 1, 1, "30.50", 1, 1.0, 30.5 / 332.5, 3],
        [None, 1, 0, 1, "1.00", 1, 1.0, 1 / 332.5, None],
    ]
    assert brands == [
        ["acme", 1, 0, 2, "150.50", 1, 2.0, 150.5 / 332.5, 1],
        ["bolt", 2, 0, 1, "150.50", 1, 0.5, 150.5 / 332.5, 1],
        ["zest", 0, 0, 1, "30.50", 1, None, 30.5 / 332.5, 3],
        [None, 2, 1, 1, "1.00", 1, 0.5, 1 / 332.5, None],
    ]


def test_the_funnel_by_hand(shop):
    shop.file("a.csv", HEADER, *sold_events())
    columns, funnel = shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
([c[0] for c in con.execute('FROM kpi.funnel').description], rows(con, 'FROM kpi.funnel'))
""")
    assert columns == [
        "month",
        "step_number",
        "step",
        "users",
        "sessions",
        "next_user_rate",
        "next_session_rate",
    ]
    assert funnel == [
        ["2019-10-01", 1, "view", 2, 2, 1.0, 1.0],
        ["2019-10-01", 2, "cart", 2, 2, 0.5, 0.5],
        ["2019-10-01", 3, "purchase", 1, 1, None, None],
        ["2019-11-01", 1, "view", 1, 1, 0.0, 0.0],
        ["2019-11-01", 2, "cart", 0, 0, 0.0, 0.0],
        ["2019-11-01", 3, "purchase", 0, 0, None, None],
        ["2019-12-01", 1, "view", 2, 3, 1.0, 2 / 3],
        ["2019-12-01", 2, "cart", 2, 2, 1.0, 1.0],
        ["2019-12-01", 3, "purchase", 2, 2, None, None],
    ]


def test_cohorts_by_hand(shop):
    shop.file(
        "a.csv", HEADER, *sold_events(), event(time="2020-02-01 00:00:00 UTC", user="4", visit=43)
    )
    columns, cohorts = shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
([c[0] for c in con.execute('FROM kpi.cohorts').description], rows(con, 'FROM kpi.cohorts'))
""")
    assert columns == [
        "first_month",
        "months_since",
        "users",
        "active_users",
        "retention",
        "revenue",
        "is_complete",
    ]
    # In January nobody does anything.
    assert cohorts == [
        ["2019-10-01", 0, 3, 3, 1.0, "150.50", True],
        ["2019-10-01", 1, 3, 1, 1 / 3, "0.00", True],
        ["2019-10-01", 2, 3, 1, 1 / 3, "30.50", True],
        ["2019-10-01", 3, 3, 0, 0.0, "0.00", True],
        ["2019-10-01", 4, 3, 0, 0.0, "0.00", False],
        ["2019-12-01", 0, 1, 1, 1.0, "151.50", True],
        ["2019-12-01", 1, 1, 0, 0.0, "0.00", True],
        ["2019-12-01", 2, 1, 1, 1.0, "0.00", False],
    ]


def test_nothing_sold_gives_shares_and_rates_of_zero(shop):
    shop.file(
        "a.csv",
        HEADER,
        event(kind="remove_from_cart", code="b.c"),
        event(kind="cart", user="2", brand=""),
    )
    assert shop.run("""
run(con, '00_raw', '10_clean', '20_kpi')
[rows(con, 'FROM kpi.' + t) for t in ('category', 'brand', 'funnel', 'cohorts')]
""") == [
        [
            ["a.b.c", 0, 1, 0, "0.00", 0, None, 0.0, 1],
            ["b.c", 0, 0, 0, "0.00", 0, None, 0.0, 1],
        ],
        [
            ["acme", 0, 0, 0, "0.00", 0, None, 0.0, 1],
            [None, 0, 1, 0, "0.00", 0, None, 0.0, None],
        ],
        [
            ["2019-10-01", 1, "view", 1, 1, 1.0, 1.0],
            ["2019-10-01", 2, "cart", 1, 1, 0.0, 0.0],
            ["2019-10-01", 3, "purchase", 0, 0, None, None],
        ],
        [["2019-10-01", 0, 2, 2, 1.0, "0.00", False]],
    ]


GENERATE = """
con.execute(\"\"\"
    COPY (FROM synthetic_marketplace_events(60000, users := 900, seed := 5, dirt := 0.02))
    TO 'data/made.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')
\"\"\")
"""


def test_user_features_agree_with_a_second_formulation(shop):
    """The features again, from the rows of clean.events in plain Python with exact decimals."""
    events, features = shop.run(
        GENERATE
        + """
run(con, '00_raw', '10_clean', '20_kpi')
events = rows(con, 'SELECT user_id, event_time, event_type, price, user_session FROM clean.events')
(events, rows(con, 'FROM kpi.user_features ORDER BY user_id'))
"""
    )
    assert len(events) > 50_000
    by_user = defaultdict(list)
    for user, moment, kind, price, visit in events:
        by_user[user].append((datetime.fromisoformat(moment), kind, Decimal(price), visit))
    last_day = max(moment for history in by_user.values() for moment, *_ in history).date()
    expected = []
    for user, history in sorted(by_user.items()):
        history.sort()
        gaps = [(b[0] - a[0]).total_seconds() for a, b in itertools.pairwise(history)]
        bought = [(price, visit) for _, kind, price, visit in history if kind == "purchase"]
        views = sum(kind == "view" for _, kind, _, _ in history)
        spent = sum((price for price, _ in bought), Decimal("0.00"))
        visits = len({visit for _, visit in bought})
        expected.append([
            user, len(history), views, len(bought), pytest.approx(sum(gaps) / len(gaps), rel=1e-12) if gaps else None,
            str(spent), pytest.approx(float(spent / visits)) if visits else 0.0, str(history[-1][0]),
            len(bought) / views if views else None, len(bought) / len(history), (last_day - history[-1][0].date()).days,
        ])  # fmt: skip
    assert features == expected


def assert_periods(events, length, found):
    """Rows of kpi.daily (the first 10 characters of a time) or kpi.monthly (7) from the rows of clean.events."""
    first, periods = {}, defaultdict(list)
    last_day = date.fromisoformat(max(moment for _, moment, *_ in events)[:10])
    for user, moment, kind, price, visit, *_ in events:
        first[user] = min(first.get(user, "9"), moment[:length])
        periods[moment[:length]].append((user, kind, Decimal(price), visit))
    expected, before = [], None
    for period, rows in sorted(periods.items()):
        kinds = Counter(kind for _, kind, _, _ in rows)
        bought = [(price, visit) for _, kind, price, visit in rows if kind == "purchase"]
        revenue = sum((price for price, _ in bought), Decimal("0.00"))
        figures = [
            period.ljust(10, "x").replace("xxx", "-01"), len(rows), len({user for user, *_ in rows}),
            sum(start == period for start in first.values()), len({visit for *_, visit in rows}), kinds["view"],
            kinds["cart"], len(bought), str(revenue), len(bought) / kinds["view"],
            pytest.approx(float(revenue / len({visit for _, visit in bought}))) if bought else 0.0,
        ]  # fmt: skip
        buyers = len({user for user, kind, *_ in rows if kind == "purchase"})
        conversions = [len({visit for _, visit in bought}) / figures[4], buyers / figures[2]]
        if length == 7:
            now = [len(rows), figures[2], len(bought), float(revenue)]
            is_complete = (date.fromisoformat(figures[0]) + timedelta(days=31)).replace(
                day=1
            ) <= last_day + timedelta(days=1)
            compared = before and is_complete
            figures += (
                [pytest.approx((a - b) / b, abs=1e-12) for a, b in zip(now, before)]
                if compared
                else [None] * 4
            )
            before = now
            conversions += [len(rows) / figures[2], is_complete]
        figures += conversions
        expected.append(figures)
    assert found == expected


def test_what_sells_agrees_with_a_second_formulation(shop):
    """All but the features of users again, from the rows of clean.events in plain Python with sets."""
    events, categories, brands, funnel, cohorts, daily, monthly, agrees = shop.run(
        GENERATE.replace("seed := 5", "seed := 6, days := 150")
        + """
run(con, '00_raw', '10_clean', '20_kpi')
events = rows(con, 'SELECT user_id, event_time, event_type, price, user_session, category_code, brand FROM clean.events')
agrees = [
    rows(con, 'SELECT month, events, users, new_users FROM kpi.monthly ORDER BY month')
    == rows(con, "SELECT month, events, active_users, new_users FROM amz.monthly_activity('clean.events') ORDER BY month"),
    rows(con, 'SELECT user_id, total_events, avg_time_between_events, last_event_time FROM kpi.user_features ORDER BY user_id')
    == rows(con, "SELECT user_id, events, avg_time_between_events, last_event_time FROM amz.user_activity('clean.events') ORDER BY user_id"),
]
(events, *[rows(con, 'FROM kpi.' + t) for t in ('category', 'brand', 'funnel', 'cohorts', 'daily', 'monthly')], agrees)
"""
    )
    assert_periods(events, 10, daily)
    assert_periods(events, 7, monthly)
    assert agrees == [True, True]
    events = [(user, t[:7], kind, Decimal(price), *rest) for user, t, kind, price, *rest in events]
    bought = [e for e in events if e[2] == "purchase"]
    all_revenue = sum(e[3] for e in bought)
    assert len(events) > 50_000 and len(bought) > 500
    for column, found in ((5, categories), (6, brands)):
        revenue, buyers, kinds = (
            Counter(),
            defaultdict(set),
            Counter((e[column], e[2]) for e in events),
        )
        for e in bought:
            revenue[e[column]] += e[3]
            buyers[e[column]].add(e[0])
        expected = []
        for name in {e[column] for e in events}:
            views, carts, purchases = (kinds[name, kind] for kind in ("view", "cart", "purchase"))
            better = [n for n, money in revenue.items() if n is not None and money > revenue[name]]
            expected.append([
                name, views, carts, purchases, f"{revenue[name]:.2f}", len(buyers[name]), purchases / views if views else None,
                pytest.approx(float(revenue[name] / all_revenue)), None if name is None else len(better) + 1,
            ])  # fmt: skip
        expected.sort(key=lambda row: (row[8] is None, row[8], row[0]))
        assert found == expected and len(found) > 20 and found[-1][0] is None

    months = sorted({e[1] for e in events})
    assert len(months) == 5
    expected = []
    for month in months:
        reached = {
            kind: [e for e in events if e[1] == month and e[2] == kind]
            for kind in ("view", "cart", "purchase")
        }
        steps = [("view", "cart", "purchase"), ("cart", "purchase"), ("purchase",)]
        counts = [
            [len({e[i] for kind in kinds for e in reached[kind]}) for i in (0, 4)]
            for kinds in steps
        ]
        for n, ((step, *_), (users, sessions)) in enumerate(zip(steps, counts)):
            rates = (
                [after / here for here, after in zip(counts[n], counts[n + 1])]
                if n < 2
                else [None, None]
            )
            expected.append([f"{month}-01", n + 1, step, users, sessions, *rates])
    assert funnel == expected

    active = {month: {e[0] for e in events if e[1] == month} for month in months}
    is_complete = {row[0]: row[-1] for row in monthly}
    known, expected = set(), []
    for n, first in enumerate(months):
        members = active[first] - known
        known |= members
        for since, month in enumerate(months[n:]) if members else ():
            spent = sum(
                (e[3] for e in bought if e[1] == month and e[0] in members), Decimal("0.00")
            )
            stayed = len(members & active[month])
            expected.append(
                [
                    f"{first}-01",
                    since,
                    len(members),
                    stayed,
                    stayed / len(members),
                    str(spent),
                    is_complete[f"{month}-01"],
                ]
            )
    assert cohorts == expected and len(cohorts) > 8
    # The sums over cohorts are the months.
    for n, (month, _, users, new_users, *_, revenue, _, _) in enumerate(
        row[:11] for row in monthly
    ):
        of_month = [row for row in cohorts if months.index(row[0][:7]) + row[1] == n]
        assert sum(row[3] for row in of_month) == users
        assert sum(row[2] for row in of_month if row[1] == 0) == new_users
        assert sum(Decimal(row[5]) for row in of_month) == Decimal(revenue), month


def test_the_whole_pipeline_is_the_same_with_any_threads_and_order_of_rows(shop):
    shop.file("few.csv", HEADER, *few_events())
    content = (shop.data / "few.csv").read_text().splitlines()
    one, other = shop.run(
        GENERATE
        + """
con.execute('SET threads = 1')
run(con, *STEPS)
picture = Path('world.marketplace.svg').read_bytes()
one = state(con)
con.close()
content = Path('data/made.csv').read_text().splitlines(keepends=True)
Path('data/made.csv').write_text(''.join([content[0], *content[:0:-1]]))
con = connect('other.duckdb', threads=4)
run(con, *STEPS)
assert picture == Path('other.marketplace.svg').read_bytes()
other = state(con)
for found in (one, other):
    for row in found['raw.loaded_files']:
        row[1] = None
(one, other)
"""
    )
    assert len(content) == 13
    assert one == other and len(one["main.user_segments"]) > 100


# Segments


def busy_users(n_users, n_events=12):
    return [
        event(time=f"2019-10-{d % 28 + 1:02d} 10:{d:02d}:{u % 60:02d} UTC", user=str(u), visit=u * 100 + d,
              kind="purchase" if d < u % 5 else "view", price=f"{u}.50", product=str(d))
        for u in range(1, n_users + 1) for d in range(n_events)
    ]  # fmt: skip


def test_segments_follow_the_features_and_take_users_with_enough_events(shop):
    shop.file("a.csv", HEADER, *busy_users(40), *few_events())
    features, columns, segments, profile, places, answer = shop.run("""
run(con, *STEPS)
features = rows(con, 'FROM kpi.user_features WHERE total_events >= 10 ORDER BY user_id')
segments = rows(con, 'FROM user_segments ORDER BY user_id')
columns = [c[0] for c in con.execute('FROM user_segments').description]
answer = rows(con, 'SELECT segment, COUNT(*) FROM user_segments GROUP BY segment ORDER BY segment')
rows(con, 'SELECT * FROM user_segments WHERE days_since_last_event < 7')
(features, columns, segments, rows(con, 'SELECT segment, feature FROM kpi.segment_profile'), rows(con, 'FROM kpi.segment_map ORDER BY user_id'), answer)
""")
    assert columns[-1] == "segment" and len(columns) == 12
    assert [row[:-1] for row in segments] == features and len(features) == 40
    assert [segment for segment, _ in answer] == [0, 1, 2, 3, 4] and sum(
        size for _, size in answer
    ) == 40
    assert len(profile) == 5 * 9 and not {"user_id", "last_event_time", "segment"} & {
        feature for _, feature in profile
    }
    assert [row[:2] for row in places] == [[row[0], row[-1]] for row in segments]
    picture = (shop.folder / "world.marketplace.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg") and "principal component 1" in picture


def test_parameters_that_the_user_set_are_kept(shop):
    shop.file("a.csv", HEADER, *busy_users(40))
    assert shop.run("""
con.execute("SET VARIABLE k = 3"); con.execute("SET VARIABLE min_events = 12")
con.execute("SET VARIABLE seed = 7"); con.execute("SET VARIABLE svg = 'other.svg'")
con.execute("SET VARIABLE data = ['data/a.csv']")
run(con, *STEPS)
variables = rows(con, "SELECT getvariable('k'), getvariable('min_events'), getvariable('seed'), getvariable('svg')")
(variables, rows(con, 'SELECT count(DISTINCT segment), count(*) FROM user_segments'), Path('other.svg').exists())
""") == [[[3, 12, 7, "other.svg"]], [[3, 40]], True]


def test_fewer_different_users_than_k_give_fewer_segments_and_a_note(shop):
    shop.file(
        "a.csv",
        HEADER,
        *busy_users(2),
        *[line.replace(",1,0000", ",3,0000") for line in busy_users(1)],
    )
    summary, sizes = shop.run("""
summary = run(con, *STEPS)
(summary, rows(con, 'SELECT segment, count(*) FROM user_segments GROUP BY ALL ORDER BY ALL'))
""")
    assert summary[0][:2] == [3, 2] and "fewer segments than k = 5" in summary[0][2]
    assert sizes == [[0, 2], [1, 1]]


def test_a_bad_k_is_refused_and_the_old_segments_stay(shop):
    shop.file("a.csv", HEADER, *busy_users(40))
    error, before, after = shop.run("""
run(con, *STEPS)
before = state(con)
con.execute('SET VARIABLE k = 0')
(run(con, '30_user_segments'), before, state(con))
""")
    assert "k must be between 1 and 1024, not 0" in error
    assert before == after


def test_users_with_one_event_can_be_segmented(shop):
    shop.file("a.csv", HEADER, *few_events())
    assert shop.run("""
con.execute('SET VARIABLE min_events = 1'); con.execute('SET VARIABLE k = 2')
run(con, *STEPS)
rows(con, 'SELECT count(*), count(segment), count(DISTINCT segment) FROM user_segments')
""") == [[4, 4, 2]]


# As a user runs it


def test_the_command_line_client_builds_the_same_tables(shop, extension, pythons):
    if shop.python != pythons["1.5.6"]:
        pytest.skip("the command line client comes with 1.5.6 only")
    shop.file("a.csv", HEADER, *busy_users(30), "cut,line")
    expected = shop.run("run(con, *STEPS)\nstate(con)")
    client = shop.python.parent / "duckdb"
    command = [
        str(client),
        "-unsigned",
        "-cmd",
        f"LOAD '{extension}'",
        "cli.duckdb",
        "-f",
        str(shop.pipeline / "build.sql"),
    ]
    for _ in range(2):
        done = subprocess.run(command, cwd=shop.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert shop.run("con = connect('cli.duckdb')\nstate(con)") == expected
    # The database answers in a session that has loaded the extension and knows nothing of the catalog `amz`.
    assert shop.run(
        "con = connect('cli.duckdb')\nrows(con, \"SELECT count(*) FROM"
        " kmeans_segments('kpi.user_features', k := 2)\")"
    ) == [[30]]
    shop.file("b.csv", *lines(3))
    done = subprocess.run(command, cwd=shop.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and 'b.csv": no header' in done.stderr
    assert shop.run("con = connect('cli.duckdb')\nstate(con)") == expected


# Real data, where it lies beside the project

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.exists(), reason=f"{REAL_DATA.name}: no real excerpts beside the project"
)


@needs_real_data
def test_the_real_excerpt_loads_line_by_line(shop):
    source = (REAL_DATA / "good" / "2019-Oct.csv").read_bytes()
    shop.file("2019-Oct.csv", source)
    (_, first), (_, second) = shop.run(BUILD_TWICE)
    assert accounts(first["raw.loaded_files"]) == {"2019-Oct.csv": (17_436, 17_434, 1)}
    assert first["raw.rejected_lines"][0][1:4] == [
        17_436,
        source.splitlines()[-1].decode(),
        "MISSING COLUMNS",
    ]
    assert Counter(row[10] for row in first["clean.rejected_events"]) == {"duplicate": 5}
    assert len(first["clean.events"]) == 17_429 and len(first["kpi.user_features"]) == 4_504
    assert first == second
    shop.file("copy.csv", source)
    assert shop.load()[0] == [[2, 0, 0, 0, 0, "nothing new"]]
    assert shop.run("state(con)") == first
    content = list(csv.DictReader(io.StringIO(source.decode())))[:-1]
    assert sorted(tuple(row.values()) for row in content) == sorted(
        tuple(value or "" for value in row[:9]) for row in first["raw.all_events"]
    )


@needs_real_data
def test_each_bad_real_excerpt_gets_a_clear_answer(shop):
    shop.file("no-header.csv", (REAL_DATA / "bad" / "no-header-2019-Nov.csv").read_bytes())
    message = shop.load()[0]
    assert (
        '"data/no-header.csv": no header, its first line is: 2019-11-01 00:00:00 UTC,view,1003461'
        in message
    )
    (shop.data / "no-header.csv").unlink()
    shop.file("mangled.csv", (REAL_DATA / "bad" / "spreadsheet-mangled-2019-Oct.csv").read_bytes())
    corrections, categories, prices = shop.run("""
run(con, '00_raw', '10_clean')
(rows(con, 'FROM clean.corrections'), rows(con, 'SELECT count(category_id), count(*) FROM clean.events'), rows(con, "SELECT price FROM clean.events WHERE product_id = 3900821"))
""")
    assert {(row[1], row[4]) for row in corrections} == {("category_id", "mangled")}
    assert sum(row[5] for row in corrections) == 22
    assert categories == [[0, 22]] and prices == [["33.20"]]
