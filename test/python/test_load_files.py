"""Files as other people have them: each loads with its own values, loses nothing, or is refused with what it is."""

import csv
import gzip
import io
import random
import re
import zipfile

import pytest
from test_marketplace import COLUMNS, HEADER, STEPS, TABLES, event, lines, session

from conftest import ROOT, TESTED_VERSIONS
from worlds import World, accounts


@pytest.fixture(params=TESTED_VERSIONS)
def shop(request, tmp_path, pythons, run_python):
    return World("marketplace", STEPS, TABLES, tmp_path, pythons[request.param], run_python)


def refused(shop, **files):
    """The message of a run over these files, name -> bytes; nothing may be loaded."""
    for name, content in files.items():
        shop.file(name.replace("__", "."), content)
    message, loaded, _, _ = shop.load()
    assert isinstance(message, str) and loaded == []
    return message


def unescaped(text):
    """The bytes of a rejected line."""
    one = re.compile(rb"\\(?:x([0-9A-F]{2})|(\\))")
    return one.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", text.encode()
    )


# Folders


def test_folders_called_name_value_change_nothing(shop):
    content = lines(30)
    names = [
        f"{column}={value}" for column in [*COLUMNS, "file_name", "line"] for value in ("12", "x")
    ]
    for i, name in enumerate(names):
        folder = shop.data / name / "year=2019"
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(
            "\n".join([HEADER, *content[i % 3 :: 3], event(user=str(1000 + i)), ""])
        )
    found = shop.run("""
answers = []
for data in ('data/*/*/*.csv', str(Path.cwd() / 'data' / '*' / '*' / '*.csv'), str(Path.cwd() / 'data' / 'user_id=12' / 'year=2019')):
    con = connect(':memory:')
    con.execute('SET VARIABLE max_files = 100; SET VARIABLE data = ' + repr(data))
    answers.append([run(con, '00_raw'), rows(con, 'SELECT * EXCLUDE (file_name) FROM raw.all_events ORDER BY ALL')])
answers
""")
    expected = [event(user=str(1000 + i)) for i in range(len(names))]
    expected += [line for i in range(len(names)) for line in content[i % 3 :: 3]]
    for summary, rows in found[:2]:
        assert summary[0][1] == len(names), summary
        assert sorted(",".join(row) for row in rows) == sorted(expected)
    assert found[2][0][0][1] == 1 and len(found[2][1]) == 11


def test_a_folder_that_duckdb_cannot_read_from_is_refused_by_name(shop):
    for name in ("size=7", "Content=x"):
        (shop.data / name).mkdir()
        (shop.data / name / "a.csv").write_text(HEADER + "\n")
    message, alive = shop.run("""
con.execute("SET VARIABLE data = 'data/*/*.csv'")
(run(con, '00_raw'), rows(con, 'SELECT 1'))
""")
    assert 'rename it: "data/Content=x/a.csv", "data/size=7/a.csv"' in message and alive == [[1]]


def test_data_may_be_a_folder_and_what_is_not_there_is_named(shop):
    shop.file("a.csv", HEADER, *lines(3))
    shop.file("b.txt", HEADER, *lines(4, 10))
    shop.file(".hidden", "no events")
    (shop.data / "inner").mkdir()
    data = [
        "data",
        "data/",
        "none/*.csv",
        ["data/*.csv", "none/*.tsv", "none.csv", "data/*.txt"],
        [],
    ]
    folder, slash, pattern, several, nothing = shop.run(f"""
answers = []
for data in {data!r}:
    con = connect(':memory:')
    con.execute('SET VARIABLE max_files = 100; SET VARIABLE data = ' + repr(data))
    answers.append(run(con, '00_raw'))
answers""")
    assert folder == slash == [[2, 2, 0, 7, 0, "all files are loaded"]]
    assert 'no such file: "none/*.csv" (data is a pattern' in pattern
    assert 'no such file: "none.csv", "none/*.tsv" (' in several
    assert "data names no file" in nothing


def test_a_file_of_which_no_line_could_be_loaded_is_told_with_the_reason(shop):
    shop.file("a.csv", HEADER, *lines(3))
    shop.file("b.csv", HEADER, *[line + ",x" for line in lines(4)])
    summary, loaded, _, _ = shop.load()
    assert accounts(loaded) == {"a.csv": (4, 3, 0), "b.csv": (5, 0, 4)}
    assert summary[0][-1].startswith(
        'all files are loaded; WARNING: no line could be loaded of "data/b.csv" (4 lines: '
    )
    assert "olumns" in summary[0][-1] and summary[0][-1].endswith("see raw.rejected_lines")


# Bytes: all of them are read, or the file is refused


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("hole", "expected"),
    [
        (b"x" * 34_000_000, "line 3 has 34000"),
        (b"\0" * 34_000_000, "bytes (34000000 of them are NUL"),
        (b"x" * 17_000_000 + b"\xff" * 20_000_000, "line 3 has 37000"),
    ],
    ids=["letters", "nuls", "not UTF-8"],
)
def test_a_line_longer_than_the_readers_buffer_refuses_the_file(shop, packed, hole, expected):
    content = (
        "\n".join([HEADER, *lines(1), "HERE" + event(), *lines(2), ""])
        .encode()
        .replace(b"HERE", hole)
    )
    shop.file("a.csv" + ".gz" * packed, gzip.compress(content, 1) if packed else content)
    message, loaded = shop.run(
        "con.execute(\"SET VARIABLE data = 'data'\")\n(run(con, '00_raw'), state(con))"
    )
    assert expected in message and "a.csv" in message and loaded == {}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_lines_that_cannot_be_read_are_rejected_whole_with_their_numbers(shop, packed):
    bad = {
        3: event(brand="lancôme").encode("latin-1"),
        5: event(brand="x" * 2_500_000 + "é\\").encode(),
        6: b"\xff",
        8: event(brand="\0" * 30).encode(),
        9: b"\0" * 5000,
        10: "cut é\\, line".encode() + b"y" * 12_000 + "é".encode() * 4000,
        13: b"\xef\xbb",
    }
    content = [line.encode() for line in [HEADER, *lines(12)]]
    for number, line in bad.items():
        content.insert(number - 1, line)
    content.insert(3, b"")
    bad = {number + (number > 3): line for number, line in bad.items()}
    text = b"\r\n".join(content)
    shop.file("a.csv" + ".gz" * packed, gzip.compress(text) if packed else text)
    loaded, rejected, n_rows = shop.run("""
con.execute("SET VARIABLE data = 'data'")
run(con, '00_raw')
(rows(con, TABLES['raw.loaded_files']), rows(con, 'SELECT line, csv_line, error_type FROM raw.rejected_lines ORDER BY line'), rows(con, 'SELECT count(*) FROM raw.all_events'))
""")
    assert [row[3:6] for row in loaded] == [[20, 12, 7]] and n_rows == [[12]]
    assert {line: unescaped(text) for line, text, _ in rejected} == bad
    assert [kind for *_, kind in rejected] == [
        "INVALID ENCODING", "LINE SIZE OVER MAXIMUM", "INVALID ENCODING", "UNQUOTED VALUE", "UNQUOTED VALUE",
        "MISSING COLUMNS", "INVALID ENCODING",
    ]  # fmt: skip


def test_files_that_differ_in_one_byte_have_different_fingerprints(shop):
    """Of what cannot be read, too: DuckDB writes each such byte as a question mark."""
    for i, brand in enumerate(
        [b"lanc\xf4me", b"lanc\xf5me", b"lanc??e", b"lanc\\xF4me", b"lanc\xc3\xb4me"]
    ):
        shop.file(
            f"{i}.csv",
            HEADER.encode()
            + b"\n"
            + event(brand="BRAND").encode().replace(b"BRAND", brand)
            + b"\n",
        )
    for i, header in enumerate(
        [HEADER, ",".join(COLUMNS[::-1]), HEADER.upper(), HEADER.replace(",", ";")]
    ):
        shop.file(f"header{i}.csv", header)
    summary, loaded, rejected, _ = shop.load()
    assert len({row[2] for row in loaded}) == len(loaded) == 9, summary
    assert sorted(unescaped(row[2]).split(b",")[5] for row in rejected) == [
        b"lanc\xf4me",
        b"lanc\xf5me",
    ]
    assert shop.load()[0] == [[9, 0, 0, 0, 0, "nothing new"]]


def test_a_copy_of_what_an_earlier_version_loaded_is_not_loaded_again_unasked(shop):
    content = (
        HEADER.encode()
        + b"\n"
        + event(brand="lancôme").encode("latin-1")
        + b"\n"
        + event().encode()
    )
    shop.file("old.csv", content)
    again, copy, other = shop.run("""
run(con, '00_raw')
con.execute('UPDATE raw.loaded_files SET fingerprint = 7')
con.execute('DROP VIEW main.loaded_files')
con.execute('ALTER TABLE raw.loaded_files DROP COLUMN fingerprint_version')
again = run(con, '00_raw'), rows(con, 'SELECT count(*) FROM raw.all_events')
con.execute('UPDATE raw.loaded_files SET fingerprint = 7, fingerprint_version = NULL')
os.rename('data/old.csv', 'data/new.csv')
copy = run(con, '00_raw')
con.execute("UPDATE raw.loaded_files SET fingerprint_version = 0 WHERE file_name = 'data/old.csv'")
(again, copy, run(con, '00_raw'))
""")
    assert again == [[[1, 1, 0, 1, 1, "all files are loaded"]], [[1]]]
    assert (
        '"data/new.csv": it has lines that cannot be read, and the size of "data/old.csv"' in copy
    )
    # The old name is another content, so it is told; its rows stay.
    [[*counts, message]] = other
    assert counts == [1, 1, 0, 1, 1]
    assert message.startswith(
        'all files are loaded; gone since they were loaded are "data/old.csv"'
    )


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_compressed_files_that_are_cut_short_are_refused_and_whole_ones_load(shop, name):
    content = lines(3000)
    plain = "\n".join([HEADER, *content, ""]).encode()
    if name == "gzip":
        whole = gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])
    else:
        (shop.folder / "plain.txt").write_bytes(plain)
        shop.run("""
con.execute("COPY (SELECT * FROM read_csv('plain.txt', columns = {'line': 'VARCHAR'}, header = false, auto_detect = false, delim = chr(1), quote = '', escape = '')) TO 'whole.zst' (FORMAT csv, HEADER false, DELIMITER '|', QUOTE '', ESCAPE '', COMPRESSION zstd)")
1
""")
        whole = (shop.folder / "whole.zst").read_bytes()
    suffix = {"gzip": "gz", "zstd": "zst"}[name]
    cuts = [len(whole) // 2, len(whole) - 5, len(whole) - 1, 20]
    for i, cut in enumerate(cuts):
        shop.file(f"cut{i}.csv.{suffix}", whole[:cut])
    (shop.folder / "whole").write_bytes(whole)
    message, loaded, summary = shop.run(
        f"suffix = {suffix!r}"
        + """
con.execute("SET VARIABLE data = 'data'")
message = run(con, '00_raw')
loaded = state(con)
for path in Path('data').iterdir():
    path.unlink()
for name in ('whole', 'Whole.CSV.' + suffix.upper(), 'whole.csv.' + suffix):
    Path('data', name).write_bytes(Path('whole').read_bytes())
(message, loaded, run(con, '00_raw'))
"""
    )
    for i in range(len(cuts)):
        assert f'cut{i}.csv.{suffix}": cut short: its compressed data have no end' in message
    assert loaded == {}
    # Known by their bytes, not by their names.
    assert summary == [[3, 1, 0, 3000, 0, "all files are loaded"]]


# What is no CSV says what it is


def test_files_of_other_kinds_are_refused_with_what_they_are(shop):
    text = "\n".join([HEADER, *lines(5), ""])
    archive, workbook = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.csv", text)
    with zipfile.ZipFile(workbook, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("xl/workbook.xml", "<workbook/>")
    message = refused(
        shop,
        utf16__csv=text.encode("utf-16"),
        utf16be__csv=text.encode("utf-16-be"),
        utf16le__csv=text.encode("utf-16-le"),
        packed__csv=archive.getvalue(),
        book__csv=workbook.getvalue(),
        twice__csv=gzip.compress(gzip.compress(text.encode())),
        sep__csv=("sep=,\n" + text).encode(),
        latin__csv=HEADER.replace("brand", "brände").encode("latin-1")
        + b"\n"
        + event().encode()
        + b"\n",
        long__csv=("x" * 2_100_000 + "\n" + event() + "\n").encode(),
        mixed__csv=gzip.compress((HEADER + "\r\n" + event() + "\n").encode()),
        lone__csv=gzip.compress((HEADER + "\n" + event(brand="a\rb") + "\n").encode()),
        blank__csv=gzip.compress(("\n" + text).encode()),
        nothing__csv=gzip.compress(b""),
    )
    for name, reason in {
        "utf16": "text in UTF-16: convert it to UTF-8",
        "utf16be": "text in UTF-16: convert it to UTF-8",
        "utf16le": "text in UTF-16: convert it to UTF-8",
        "packed": "a zip archive: unpack it",
        "book": "a workbook of Excel: save it as CSV UTF-8",
        "twice": "compressed twice: unpack it",
        "sep": 'its first line is "sep=,", which is a word to Excel only: take it off',
        "latin": (
            "its first line is not UTF-8 or longer than 2 MB, it begins with:"
            " event_time,event_type,product_id,category_id,category_code,br\\xE4nde"
        ),
        "long": "its first line is not UTF-8 or longer than 2 MB, it begins with: xxxx",
        "mixed": "mixed line ends (CRLF on 1, LF on 1, CR on 0 lines)",
        "lone": "mixed line ends (CRLF on 0, LF on 2, CR on 1 lines)",
        "blank": "its first line is blank, not the header",
        "nothing": "an empty file",
    }.items():
        assert f'"data/{name}.csv": {reason}' in message, name


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_headers_in_any_case_and_with_any_separator_are_known(shop, separator):
    values = [
        "2019-10-01 00:00:00 UTC",
        "view",
        "1",
        "7",
        "a,b;c\t|d",
        'e"f',
        "1.0",
        "5",
        session(1),
    ]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow([name.upper() for name in COLUMNS])
    writer.writerows([values, [value.replace("b", "B") for value in values]])
    text = (
        out.getvalue()
        + separator.join([*values[:3], "broken", '6" nail', "", "", "", "x"])
        + "\r\n"
    )
    shop.file("quoted.csv", ("\ufeff" + text + "cut" + separator + "line").encode())
    shop.file("plain.csv", HEADER.replace(",", separator), event(user="9").replace(",", separator))
    summary, loaded, rejected, rows = shop.load()
    assert accounts(loaded) == {"quoted.csv": (5, 3, 1), "plain.csv": (2, 1, 0)}, summary
    assert rejected == [
        ["data/quoted.csv", 5, f"cut{separator}line", "MISSING COLUMNS", rejected[0][4]]
    ]
    found = sorted(row[:9] for row in rows if row[9] == "data/quoted.csv")
    assert [*values] in found and [value.replace("b", "B") for value in values] in found
    assert [*values[:3], "broken", '6" nail', None, None, None, "x"] in found
    assert [row[:9] for row in rows if row[9] == "data/plain.csv"] == [event(user="9").split(",")]


def test_scripts_without_the_extension_say_so(shop):
    text = shop.run_python(
        shop.python,
        f"""
import duckdb, json
from pathlib import Path
answers = []
for name in ('marketplace/00_raw.sql', 'games/00_raw.sql', 'install.sql', 'marketplace/build.sql'):
    con = duckdb.connect()
    text = (Path({str(ROOT / "sql")!r}) / name).read_text(encoding='utf-8').removeprefix('.bail on')
    try:
        con.execute(text)
        answers.append('')
    except Exception as error:
        answers.append(str(error))
print(json.dumps(answers))
""",
    )
    assert all(
        "the extension is not loaded" in message and "LOAD amazing" in message for message in text
    ), text


# Quotes: right values or a rejected line, never values of one column in another


def dirty_line(rng, separator):
    pool = [
        "", "a", "b c", " ", '""', '"a"', '"a""b"', f'"x{separator}y"', '"', '"open', 'inch"', '6" nail', '"a"b', '"a" ', ' "a"',
        '""x', '"""', '""""', '"\\"', "\\", "'", f'"Run{separator} Run"', "é", '"日本"',
    ]  # fmt: skip
    n_fields = rng.choices([9, 8, 10, 1], [20, 1, 1, 0.5])[0]
    dirt = rng.choice([0.05, 0.2, 0.6])
    return separator.join(
        rng.choice(pool) if rng.random() < dirt else rng.choice(["v", "12", ""])
        for _ in range(n_fields)
    )


def reference(line, separator):
    """The values of a line, or None where it is no record."""
    try:
        [values] = csv.reader([line], delimiter=separator, strict=True)
    except csv.Error:
        return None
    return [value or None for value in values]


def test_each_dirty_line_has_the_values_of_a_second_parser_or_is_rejected(shop):
    rng = random.Random(14)
    expected_rows, expected_rejects = {}, {}
    for i in range(48):
        separator = ",;\t|"[i % 4]
        content = [dirty_line(rng, separator) for _ in range(rng.choice([3, 40]))]
        # A quote without a second one on a line that lacks separators is a line break inside quotes: another answer.
        content = [
            line
            for line in content
            if line
            and (
                line.count(separator) >= 8
                or (reference(line, separator) and line.count('"') % 2 == 0)
            )
        ]
        parsed = [(reference(line, separator), line) for line in content]
        name = f"data/{i:02d}.csv"
        expected_rows[name] = sorted(
            repr(values) for values, _ in parsed if values and len(values) == 9
        )
        expected_rejects[name] = sorted(
            line for values, line in parsed if not values or len(values) != 9
        )
        text = (
            rng.choice(["\n", "\r\n"]).join([HEADER.replace(",", separator), *content, ""]).encode()
        )
        shop.file(f"{i:02d}.csv", gzip.compress(text) if rng.random() < 0.2 else text)
    summary, loaded, rejected, rows = shop.run("""
con.execute('SET VARIABLE max_files = 100')
summary = run(con, '00_raw')
(summary, *[state(con).get(name, []) for name in TABLES if name.startswith('raw.')])
""")
    assert len(loaded) == 48, summary
    for name in expected_rows:
        assert sorted(repr(row[:9]) for row in rows if row[9] == name) == expected_rows[name], name
        texts = sorted(unescaped(row[2]).decode() for row in rejected if row[0] == name)
        assert texts == expected_rejects[name], name


# Other people's tables


def test_tables_that_the_pipeline_did_not_make_are_not_replaced(shop):
    shop.file("a.csv", HEADER, *lines(30))
    answers = shop.run("""
answers = []
for made in ('TABLE main.user_segments AS SELECT 1 AS mine', 'TABLE kpi.daily AS SELECT 1 AS mine', 'VIEW main.all_events AS SELECT 1 AS mine', 'TABLE raw.loaded_files AS SELECT 1 AS mine'):
    con = connect(':memory:')
    con.execute('CREATE SCHEMA kpi; CREATE SCHEMA raw')
    con.execute('CREATE ' + made)
    name = made.split()[1]
    answers.append([name, run(con, '00_raw'), rows(con, 'FROM ' + name)])
    con.execute('DROP ' + made.split()[0] + ' ' + name)
    answers.append([name, run(con, '00_raw'), run(con, '00_raw')])
con = connect(':memory:')
run(con, *STEPS[:3])
con.execute('CREATE TABLE main.user_segments AS SELECT 1 AS mine')
answers.append(['main.user_segments', run(con, '30_user_segments'), rows(con, 'FROM main.user_segments')])
answers
""")
    for name, message, mine in [*answers[:-1:2], answers[-1]]:
        assert name in message and "did not make" in message and mine == [[1]], name
    for name, first, second in answers[1:-1:2]:
        assert first == [[1, 1, 0, 30, 0, "all files are loaded"]], name
        assert second == [[1, 0, 0, 0, 0, "nothing new"]], name
