"""Times normalize_category beside DuckDB's own similarities and rapidfuzz and prints the tables of docs/categories.md.

Every figure is the median of up to three runs in one process, in seconds for 10 million rows. Each run gives the vocabulary in
another order, so that nothing is known from a run before: the vocabulary is prepared and each value matched anew. What would
take too long runs on fewer rows or distinct values and is multiplied; such figures carry a `~`. `--only` runs some cells, so
that a run can be split.
"""

import argparse
import itertools
import json
import random
import statistics
import time
from pathlib import Path

import duckdb
from rapidfuzz import process
from rapidfuzz.distance import OSA

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "bench" / "categories.json"
ROWS = 10_000_000
DIRTY = (0, 1, 30)
SIZES = (5, 121, 5582)

# Rows that a way of matching works on where each row has its own spelling, by the size of the vocabulary.
SAMPLES = {
    "lower": {5: 2_000_000, 121: 2_000_000, 5582: 500_000},
    "amazing": {5: 1_000_000, 121: 1_000_000, 5582: 4_000},
    "levenshtein": {5: 50_000, 121: 4_000, 5582: 20},
    "jaro_winkler": {5: 100_000, 121: 10_000, 5582: 100},
    "rapidfuzz": {5: 100_000, 121: 20_000, 5582: 200},
}


def goods():
    """The American paths of the tree of goods."""
    levels, paths = [], []
    for line in (ROOT / "benches/categories/taxonomy.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        name = line.lstrip()
        depth = len(line) - len(name)
        levels[depth:] = [name.split(" | ")[0]]
        paths.append(levels.copy())
    return paths


def vocabulary(size):
    """Entries: five plain words, 121 dotted codes of the length that shops use, or paths of goods."""
    if size == 5:
        return ["action", "adventure", "puzzle", "strategy", "simulation"]
    paths = goods()
    if size == 121:
        wanted = [path for path in paths if len(path) == 3][::6]
        words = [[level.split(" ")[0].strip(",").lower() for level in path] for path in wanted]
        return sorted({".".join(path) for path in words})[:size]
    entries = [" > ".join(path) for path in paths]
    more = (f"{entry} > {kind}" for entry in entries for kind in ("Spare Parts", "Gift Sets"))
    return (entries + [entry for entry in more if entry not in set(entries)])[:size]


# Distinct values that a peer works on where values repeat and the vocabulary is large.
N_DISTINCT = {"levenshtein": 20, "jaro_winkler": 100, "rapidfuzz": 200}


def create_rows(con, entries, dirty, distinct, rows):
    """A table of rows: entries, of which `dirty` per cent have a letter replaced.

    If `distinct`, each row is spelled otherwise: upper case in a part of it and blanks around, and letters at two
    places replaced where it is dirty.
    """
    con.execute("CREATE OR REPLACE TABLE vocabulary AS SELECT unnest($1) AS entry", [entries])
    con.execute("SET VARIABLE entries = (SELECT list(entry) FROM vocabulary)")
    # Few places and letters where values repeat: a few hundred distinct values for 121 entries.
    places, letters = (1_000, 26) if distinct else (3, 1)
    con.execute(f"""
        CREATE OR REPLACE TABLE rows AS
        WITH drawn AS (
            SELECT
                getvariable('entries')[1 + (hash(i, 1) % {len(entries)})::INTEGER] AS entry,
                hash(i, 2) % 100 < {dirty} AS is_dirty,
                i
            FROM range({rows}) AS t(i)
        ),
        placed AS (
            SELECT *, 2 + (hash(i, 3) % least({places}, length(entry) - 1))::INTEGER AS place,
                2 + (hash(i, 5) % (length(entry) - 1))::INTEGER AS other,
                chr(97 + (hash(i, 4) % {letters})::INTEGER) AS letter
            FROM drawn
        ),
        spelled AS (
            SELECT *, CASE WHEN is_dirty THEN left(entry, place - 1) || letter || substr(entry, place + 1) ELSE entry END AS value
            FROM placed
        )
        SELECT {
        '''repeat(' ', (hash(i, 6) % 40)::INTEGER) || lower(left(value, other)) || upper(substr(value, other + 1, (hash(i, 7) % 40)::INTEGER))
                || substr(value, other + 1 + (hash(i, 7) % 40)::INTEGER) || repeat(' ', (hash(i, 8) % 40)::INTEGER)'''
        if distinct
        else "value"
    } AS value
        FROM spelled""")


def median(run, prepare):
    times = []
    for _ in range(3):
        prepare()
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
        if sum(times) > 1:
            break
    return statistics.median(times)


ORDERS = itertools.count(1)


def reorder(con, entries):
    """Sets the vocabulary in an order that no run before has had."""
    random.seed(next(ORDERS))
    con.execute("SET VARIABLE entries = $1::VARCHAR[]", [random.sample(entries, len(entries))])


def cross_join(con, measure, limit):
    """The nearest entry of every distinct value by a function of DuckDB, joined back to the rows."""
    con.execute(f"""
        WITH nearest AS (
            SELECT v.value, arg_max(e.entry, {measure}) AS entry
            FROM (SELECT DISTINCT value, lower(trim(value)) AS text FROM rows LIMIT {limit}) AS v
            CROSS JOIN (SELECT entry, lower(entry) AS text FROM vocabulary) AS e
            GROUP BY v.value
        )
        SELECT count(n.entry) FROM rows AS r JOIN nearest AS n ON r.value = n.value""").fetchall()


def rapidfuzz(con, entries, limit):
    """The same with rapidfuzz: its fastest way for many values, on all processors."""
    values = [
        value
        for (value,) in con.execute(f"SELECT DISTINCT value FROM rows LIMIT {limit}").fetchall()
    ]
    texts, lower = [value.strip().lower() for value in values], [entry.lower() for entry in entries]
    nearest = []
    for start in range(0, len(texts), 20_000):
        scores = process.cdist(
            texts[start : start + 20_000], lower, scorer=OSA.normalized_similarity, workers=-1
        )
        nearest.extend(scores.argmax(axis=1).tolist())
    import pyarrow

    mapping = pyarrow.table({"value": values, "entry": [entries[i] for i in nearest]})
    con.register("mapping", mapping)
    con.execute(
        "SELECT count(m.entry) FROM rows AS r JOIN mapping AS m ON r.value = m.value"
    ).fetchall()


def contenders(con, entries, limits):
    return {
        "lower": lambda: con.execute("SELECT count(lower(trim(value))) FROM rows").fetchall(),
        "amazing": (
            lambda: con.execute(
                "SELECT count(normalize_category(value, getvariable('entries'))) FROM rows"
            ).fetchall()
        ),
        "levenshtein": lambda: cross_join(
            con,
            "1 - levenshtein(v.text, e.text) / greatest(length(v.text), length(e.text))",
            limits["levenshtein"],
        ),
        "jaro_winkler": lambda: cross_join(
            con, "jaro_winkler_similarity(v.text, e.text)", limits["jaro_winkler"]
        ),
        "rapidfuzz": lambda: rapidfuzz(con, entries, limits["rapidfuzz"]),
    }


def cell(con, size, dirty, distinct):
    entries = vocabulary(size)
    assert len(entries) == size, len(entries)
    found = {}
    rows = None
    for name in ("lower", "amazing", "levenshtein", "jaro_winkler", "rapidfuzz"):
        wanted = SAMPLES[name][size] if distinct else ROWS
        if wanted != rows:
            # A thread takes a row group at a time: few rows need small ones to occupy both.
            con.execute(f"USE {'samples' if wanted < 250_000 else 'memory'}")
            create_rows(con, entries, dirty, distinct, wanted)
            rows = wanted
            n_distinct = con.execute("SELECT count(DISTINCT value) FROM rows").fetchone()[0]
        is_sampled = name in N_DISTINCT and not distinct and size == 5582
        limits = {peer: n if is_sampled else ROWS for peer, n in N_DISTINCT.items()}
        seconds = median(contenders(con, entries, limits)[name], lambda: reorder(con, entries))
        share = min(1, limits[name] / n_distinct) if is_sampled else rows / ROWS
        found[name] = {"seconds": seconds / share, "is_extrapolated": share < 1}
    found["n_distinct"] = n_distinct
    return found


def print_tables(results):
    for distinct in (False, True):
        print(
            f"\n### {'Every row spelled otherwise' if distinct else 'Values that repeat'}, 10"
            " million rows, seconds\n"
        )
        print(
            "| entries | dirty | distinct | `lower(trim(value))` | `normalize_category` |"
            " `levenshtein` | `jaro_winkler_similarity` | rapidfuzz |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for size in SIZES:
            for dirty in DIRTY:
                found = results.get(f"{size}/{dirty}/{'distinct' if distinct else 'repeated'}")
                if not found:
                    continue
                shown = []
                for name in ("lower", "amazing", "levenshtein", "jaro_winkler", "rapidfuzz"):
                    seconds = found[name]["seconds"]
                    about = "~" if found[name]["is_extrapolated"] else ""
                    shown.append(
                        f"{about}{seconds:,.0f}" if seconds >= 20 else f"{about}{seconds:.2f}"
                    )
                n_distinct = "all" if distinct else f"{found['n_distinct']:,}"
                print(f"| {size:,} | {dirty} % | {n_distinct} | {' | '.join(shown)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="*", help="cells such as 121/1/repeated; `none` prints what there is"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    con = duckdb.connect(config={"allow_unsigned_extensions": True, "threads": options.threads})
    con.execute(f"LOAD '{ROOT}/build/release/amazing.duckdb_extension'")
    con.execute("ATTACH ':memory:' AS samples (ROW_GROUP_SIZE 2048)")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    results = (
        json.loads(RESULTS.read_text()) if RESULTS.exists() and options.only is not None else {}
    )
    for distinct in (False, True):
        for size in SIZES:
            for dirty in DIRTY:
                key = f"{size}/{dirty}/{'distinct' if distinct else 'repeated'}"
                if options.only is None or key in options.only:
                    results[key] = cell(con, size, dirty, distinct)
                    RESULTS.write_text(json.dumps(results, indent=1))
    print_tables(results)


if __name__ == "__main__":
    main()
