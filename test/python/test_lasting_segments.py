"""Segments that last: a number and a name mean the same month after month, and where they cannot, the run says so."""

import re

import pytest
from months import MONTHS, make_people, write_months

from conftest import NEW, ROOT, TESTED_VERSIONS
from worlds import World

STEPS = ["00_raw", "10_clean", "20_kpi", "30_user_segments"]
KEPT = [
    "kpi.segment_model",
    "kpi.segment_history",
    "kpi.segment_migration",
    "kpi.segment_profile",
    "main.user_segments",
]
TABLES = {"raw.loaded_files": "FROM raw.loaded_files", **{name: f"FROM {name}" for name in KEPT}}

# Who did not change the habit in this month and was there before, and the share of them with the number and the name of
# the month before.
UNCHANGED = """
SELECT count(*), avg((h.segment = h.segment_before)::INT), avg((h.name = h.name_before)::INT)
FROM kpi.segment_history AS h JOIN people AS p ON p.user_id = h.user_id
WHERE h.month = '{month}-01' AND h.segment_before IS NOT NULL AND p.moves_in IS DISTINCT FROM {number}
"""
MODELS = (
    "SELECT model_id, series, fit, reason, as_of, len(names) FROM kpi.segment_model ORDER BY"
    " model_id"
)


@pytest.fixture(scope="module", params=["marketplace", "games"])
def files(request, connect, tmp_path_factory):
    """The name of a pipeline and the folder of its months."""
    folder = tmp_path_factory.mktemp(request.param)
    with connect() as con:
        make_people(con)
        write_months(con, request.param, folder)
        con.execute(f"COPY people TO '{folder}/people.parquet'")
        make_people(con, all_move=True)
        write_months(con, request.param, folder / "all_move")
    return request.param, folder


@pytest.fixture
def on_version(files, tmp_path, pythons, run_python):
    """Makes the world of a DuckDB version."""

    def make(version):
        pipeline, folder = files
        made = World(pipeline, STEPS, TABLES, tmp_path, pythons[version], run_python)
        made.source = folder
        return made

    return make


@pytest.fixture(params=TESTED_VERSIONS)
def each_world(request, on_version):
    return on_version(request.param)


@pytest.fixture
def world(on_version):
    return on_version(NEW)


def client(world, code):
    """Runs `code`, which has `month(name, refit)`: loads a month, runs all steps and gives the last message."""
    return world.run(f"""
import shutil
SOURCE = Path({str(world.source)!r})
con.execute(f"CREATE OR REPLACE TEMP TABLE people AS FROM '{{SOURCE}}/people.parquet'")
con.execute("SET VARIABLE data = 'data/*.csv'")
def month(name, refit=None, **variables):
    for path in (SOURCE / name).iterdir() if name else []:
        shutil.copy(path, 'data')
    for variable, value in dict(refit=refit, **variables).items():
        con.execute(f"SET VARIABLE {{variable}} = ?", [value])
    done = run(con, *STEPS)
    assert not isinstance(done, str), done
    return done[0][2]
{code}""")


def test_users_who_do_not_change_keep_number_and_name(each_world):
    messages, unchanged, models, movers = client(
        each_world,
        f"""
messages = [month(name) for name in {MONTHS}]
unchanged = [rows(con, {UNCHANGED!r}.format(month=name, number=number)) for number, name in enumerate({MONTHS})][1:]
movers = [rows(con, f"SELECT count(*), avg((segment <> segment_before)::INT) FROM kpi.segment_history AS h JOIN people AS p ON p.user_id = h.user_id WHERE h.month = '{{name}}-01' AND p.moves_in = {{number}}") for number, name in enumerate({MONTHS})][1:]
(messages, unchanged, rows(con, {MODELS!r}), movers)
""",
    )
    assert messages[0].startswith("model 1, the first; see")
    for number, message in enumerate(messages[1:], 2):
        assert message.startswith(f"model {number}, refit from model {number - 1}; ")
        # Of games, those who are gone are farther away in the second month than anybody was in the first.
        assert "WARNING" not in message or (each_world.pipeline.name, number) == ("games", 2)
        assert re.search(r"[0-9]+ of [0-9]+ users have another segment than on 2019-1", message)
    for number, [[users, same_number, same_name]] in enumerate(unchanged):
        assert users > 900 + 90 * number and same_number >= 0.95 and same_name >= 0.95, (
            number,
            same_number,
            same_name,
        )
    # Of those who did change, half of what is known is the old habit, or two thirds.
    assert all(users == 20 and moved >= 0.4 for [[users, moved]] in movers)
    assert [row[:4] for row in models] == [
        [1, 1, "fresh", "no model was stored"],
        [2, 1, "warm", None],
        [3, 1, "warm", None],
    ]
    assert len({row[4] for row in models}) == 3


def test_fresh_fits_of_the_same_months_rotate_and_are_said_to(world):
    """What the other tests would pass by chance if segments numbered by size did not rotate here."""
    messages, unchanged, migration = client(
        world,
        f"""
messages = [month(name, 'fresh') for name in {MONTHS[:2]}]
(messages, rows(con, {UNCHANGED!r}.format(month={MONTHS[1]!r}, number=1)), rows(con, 'SELECT DISTINCT is_comparable FROM kpi.segment_migration WHERE segment_before IS NOT NULL AND segment_after IS NOT NULL'))
""",
    )
    assert (
        "WARNING: model 2 is a fresh fit (refit is 'fresh'): its numbers and names are not those of"
        " model 1" in messages[1]
    )
    assert unchanged[0][1] < 0.95
    assert migration == [[False]]


def test_never_applies_the_stored_model_to_the_users_of_today(world):
    messages, models, other, migration = client(
        world,
        f"""
messages = [month({MONTHS[0]!r}), month({MONTHS[1]!r}, 'never')]
other = rows(con, "SELECT count(*), count(*) FILTER (s.segment IS DISTINCT FROM kmeans_predict((SELECT model FROM kpi.segment_model), s)) FROM user_segments AS s")
(messages, rows(con, {MODELS!r}), other, rows(con, 'SELECT sum(size), bool_and(is_comparable) FROM kpi.segment_migration'))
""",
    )
    assert messages[1].startswith("model 1, as it was; ")
    assert len(models) == 1 and other == [[1100, 0]] and migration == [[1100, True]]


@pytest.mark.parametrize("refit", ["warm", "never", "fresh"])
def test_a_second_run_of_the_same_data_changes_nothing(each_world, refit):
    message, before, after = client(
        each_world,
        f"""
month({MONTHS[0]!r}); month({MONTHS[1]!r}, {refit!r})
before = state(con)
message = month(None, {refit!r})
(message, before, state(con))
""",
    )
    assert before == after and len(before["kpi.segment_migration"]) > 4
    assert message.startswith(f"model {1 if refit == 'never' else 2}, as it was; ")


def test_another_k_is_a_fresh_fit_and_the_run_says_so(world):
    message, back, models, comparable = client(
        world,
        f"""
month({MONTHS[0]!r})
message = month({MONTHS[1]!r}, k=4)
comparable = rows(con, 'SELECT DISTINCT is_comparable FROM kpi.segment_migration WHERE segment_before IS NOT NULL')
back = month(None, k=5)
(message, back, rows(con, {MODELS!r}), comparable)
""",
    )
    assert (
        "WARNING: model 2 is a fresh fit (k was 5): its numbers and names are not those of model 1"
        in message
    )
    assert "WARNING: model 3 is a fresh fit (k was 4)" in back
    assert [row[1:3] + row[5:] for row in models] == [
        [1, "fresh", 5],
        [2, "fresh", 4],
        [3, "fresh", 5],
    ]
    assert comparable == [[False]]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"refit": "newer"},
            "30_user_segments: refit must be one of 'never', 'warm', 'fresh', not 'newer'",
        ),
        (
            {"refit": "never", "k": 4},
            "30_user_segments: refit is 'never', but of model 1 k was 5: take what it was",
        ),
    ],
)
def test_a_run_that_cannot_be_is_refused_and_changes_nothing(world, variables, message):
    error, before, after = client(
        world,
        f"""
month({MONTHS[0]!r})
before = state(con)
for name, value in {variables!r}.items(): con.execute(f'SET VARIABLE {{name}} = ?', [value])
(run(con, '30_user_segments'), before, state(con))
""",
    )
    assert message in error and before == after


def test_names_hold_of_the_users_of_today(world):
    """A second formulation: each word of a name is looked up in the profile of the month."""
    profiles = client(
        world,
        f"""
profiles = [(month(name), rows(con, 'SELECT segment, name, feature, z_score FROM kpi.segment_profile'))[1] for name in {MONTHS}]
profiles
""",
    )
    for profile in profiles:
        scores = {(segment, feature): z_score for segment, _, feature, z_score in profile}
        names = {segment: name for segment, name, _, _ in profile}
        assert len(set(names.values())) == len(names) == 5
        for segment, name in names.items():
            for words in re.sub(r" \(\d+\)$", "", name).split(", "):
                *degree, feature = words.split(" ")
                z_score = scores[segment, feature]
                assert {
                    "very high": z_score >= 1,
                    "high": z_score > 0,
                    "low": z_score < 0,
                    "very low": z_score <= -1,
                    "average": abs(z_score) < 0.5,
                }[" ".join(degree)], (name, z_score)


def test_a_segment_that_moves_far_is_told(world):
    """In the second month everyone of habit 0 takes habit 3: nobody is left where their segment was."""
    message, models = client(
        world,
        f"""
SOURCE = SOURCE / 'all_move'
messages = [month(name) for name in {MONTHS[:2]}]
(messages[1], rows(con, 'SELECT list_max(moved), fit, series FROM kpi.segment_model ORDER BY model_id'))
""",
    )
    assert re.search(r"WARNING: moved far from where it was: segment \d by [0-9.]+", message), (
        message
    )
    assert models[0][0] is None and models[1][0] > 0.5 and models[1][1:] == ["warm", 1]


def test_a_run_in_the_same_month_takes_the_place_of_the_earlier_one(world):
    first, second, migration, history = client(
        world,
        f"""
month({MONTHS[0]!r})
source = (SOURCE / {MONTHS[1]!r} / '2019-11.csv').read_text().splitlines()
half = len(source) // 2
Path('data/one.csv').write_text('\\n'.join(source[:half]) + '\\n')
month(None)
first = rows(con, 'SELECT DISTINCT as_of_before, as_of_after FROM kpi.segment_migration')
Path('data/two.csv').write_text('\\n'.join([source[0], *source[half:]]) + '\\n')
month(None)
second = rows(con, 'SELECT DISTINCT as_of_before, as_of_after FROM kpi.segment_migration')
con.execute('CREATE OR REPLACE TEMP TABLE u AS SELECT user_id, segment FROM user_segments')
history = rows(con, 'SELECT month, count(*), count(DISTINCT user_id), count(DISTINCT as_of) FROM kpi.segment_history GROUP BY ALL ORDER BY ALL')
(first, second, rows(con, 'SELECT sum(size) FROM kpi.segment_migration'), history)
""",
    )
    assert first[0][1] == second[0][0] and first[0][0] < first[0][1] < second[0][1]
    assert history == [["2019-10-01", 1000, 1000, 1], ["2019-11-01", 1100, 1100, 1]]
    assert migration == [[1100]]


def test_who_leaves_the_segments_is_kept_with_no_segment(world):
    gone, sizes, again = client(
        world,
        f"""
month({MONTHS[0]!r}); month({MONTHS[1]!r}, min_events=10)
month({MONTHS[2]!r}, min_events=100)
gone = rows(con, "SELECT count(*), count(segment_before), count(name), count(series) FROM kpi.segment_history WHERE month = '2019-12-01' AND segment IS NULL")
sizes = rows(con, 'SELECT sum(size), sum(size) FILTER (segment_after IS NULL), (SELECT count(*) FROM user_segments) FROM kpi.segment_migration')
before = state(con)
month(None)
(gone, sizes, before == state(con))
""",
    )
    [[users, before, names, series]] = gone
    assert users == before > 300 and names == series == 0
    assert sizes == [[sizes[0][2] + users, users, sizes[0][2]]]
    assert again


def test_without_users_nothing_is_stored_and_the_next_run_goes_on(world):
    empty, models, message = client(
        world,
        f"""
month({MONTHS[0]!r})
empty = month(None, min_events=100000)
models = rows(con, {MODELS!r})
(empty, models, month({MONTHS[1]!r}, min_events=10))
""",
    )
    assert empty == "no user has at least 100000 events"
    assert len(models) == 1 and message.startswith("model 2, refit from model 1; ")


def test_the_page_shows_what_these_months_give(connect, tmp_path, pythons, run_python):
    with connect() as con:
        make_people(con)
        write_months(con, "marketplace", tmp_path / "months")
        con.execute(f"COPY people TO '{tmp_path}/months/people.parquet'")
    page = (ROOT / "docs" / "which-customers-moved.md").read_text(encoding="utf-8")
    table, messages = {}, {}
    for refit in ["warm", "never", "fresh"]:
        folder = tmp_path / refit
        folder.mkdir()
        world = World("marketplace", STEPS, TABLES, folder, pythons[NEW], run_python)
        world.source = tmp_path / "months"
        messages[refit], table[refit], movers = client(
            world,
            f"""
messages = [month(name, {refit!r}) for name in {MONTHS}]
unchanged = [rows(con, {UNCHANGED!r}.format(month=name, number=number))[0] for number, name in enumerate({MONTHS})][1:]
movers = [rows(con, f"SELECT count(*) FILTER (segment <> segment_before) FROM kpi.segment_history AS h JOIN people AS p ON p.user_id = h.user_id WHERE h.month = '{{name}}-01' AND p.moves_in = {{number}}")[0][0] for number, name in enumerate({MONTHS})][1:]
(messages, unchanged, movers)
""",
        )
        if refit == "warm":
            [first, second] = movers
            assert (
                f"Of the 20 users who changed, {first} have another segment in November and"
                f" {second} in December" in page
            )
    # The page's database is shop.duckdb of the working folder.
    message = messages["warm"][1].replace(f"{tmp_path}/warm/world.", "shop.")
    assert f"\n{message}\n" in page
    lines = ["| | users | `warm` | `never` | `fresh` |", "|---|--:|--:|--:|--:|"]
    for number, name in enumerate(["October to November", "November to December"]):
        cells = [
            f"{100 * table[refit][number][1]:.1f} %, {100 * table[refit][number][2]:.1f} %"
            for refit in table
        ]
        lines.append(" | ".join([f"| {name}", f"{table['warm'][number][0]:,}", *cells]) + " |")
    assert "\n".join(lines) in page, "\n".join([messages["warm"][1], *lines, str((first, second))])
