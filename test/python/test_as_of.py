"""`as_of` cuts everything: the figures as of a day are those of files that end with this day, in both worlds."""

import pytest

from conftest import TESTED_VERSIONS
from worlds import World

STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]
# Days in the middle of the data: inside of a month, and the last of a month.
DAYS = [
    ("marketplace", "2019-11-12"),
    ("marketplace", "2019-10-31"),
    ("games", "2024-06-12"),
    ("games", "2024-05-31"),
]

WRITE = {
    "marketplace": (
        """
con.execute(f"COPY (SELECT * FROM synthetic_marketplace_events(12000, users := 200, seed := {seed}, days := 75) WHERE event_time < '{end}') TO '{path}/events.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC')")
"""
    ),
    # A user plays without a pause from May 1 on, so that each midnight is inside of a session.
    "games": (
        """
con.execute(f"COPY (FROM synthetic_users(150)) TO '{path}/users.csv'")
con.execute(f"COPY (FROM synthetic_games(12)) TO '{path}/games.csv'")
con.execute(f"COPY (SELECT * FROM (FROM synthetic_game_events(12000, users := 150, games := 12, seed := {seed}) UNION ALL SELECT 10000000 + i, 1 + i % 3, 1, strftime(TIMESTAMP '2024-05-01' + to_minutes((25 * i)::INT), '%Y-%m-%dT%H:%M:%S'), 'start_game', 60, 'web' FROM range(3000) AS t (i)) WHERE try_cast(event_time AS TIMESTAMP) < '{end}') TO '{path}/events.csv'")
"""
    ),
}


@pytest.mark.parametrize("version", TESTED_VERSIONS)
@pytest.mark.parametrize(("pipeline", "day"), DAYS)
def test_the_figures_of_a_day_are_those_of_files_that_end_with_it(
    pipeline, day, version, tmp_path, pythons, run_python
):
    world = World(pipeline, STEPS, {}, tmp_path, pythons[version], run_python)
    counts, differing, last = world.run(f"""
def build(name, end):
    path = name
    Path(path).mkdir()
    seed = 8
{"".join("    " + line + chr(10) for line in WRITE[pipeline].strip().splitlines())}
    made = connect(name + '.duckdb')
    made.execute(f"SET VARIABLE data = '{{path}}/*.csv'")
    made.execute("SET VARIABLE as_of = DATE '{day}'")
    done = run(made, *STEPS)
    assert isinstance(done, list), done
    made.close()
build('whole', '2030-01-01')
build('cut', str(date.fromordinal(date.fromisoformat({day!r}).toordinal() + 1)))
con.execute("ATTACH 'whole.duckdb' AS whole_files (READ_ONLY)")
con.execute("ATTACH 'cut.duckdb' AS cut_files (READ_ONLY)")
tables = [row[0] for row in con.execute("SELECT DISTINCT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'cut_files' AND schema_name IN ('kpi', 'main') AND table_name <> 'segment_model' ORDER BY 1").fetchall()]
counts = {{t: rows(con, f'SELECT count(*) FROM cut_files.{{t}}')[0][0] for t in tables}}
differing = [t for t in tables for a, b in [('whole_files', 'cut_files'), ('cut_files', 'whole_files')] if rows(con, f'SELECT count(*) FROM (FROM {{a}}.{{t}} EXCEPT ALL FROM {{b}}.{{t}})') != [[0]]]
(counts, differing, rows(con, 'SELECT (SELECT max(event_time) FROM whole_files.clean.events) > (SELECT max(event_time) FROM cut_files.clean.events)'))
""")
    assert differing == []
    assert len(counts) > 10 and last == [[True]]
    assert all(count for name, count in counts.items() if name != "kpi.segment_migration"), counts
