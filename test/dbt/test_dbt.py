"""The dbt project on the DuckDB of this environment: builds, equals the plain scripts, and serves another project.

Each test uses copies of the projects in a folder of its own; dbt runs in this process.
"""

import gc
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = Path(
    os.environ.get("AMAZING_EXTENSION", ROOT / "build" / "release" / "amazing.duckdb_extension")
).resolve()
WORLDS = {"marketplace": "", "games": "games_"}
NOT_COPIED = shutil.ignore_patterns("target", "logs", "dbt_packages", "package-lock.yml")
# What the plain scripts alone keep: runs and steps, and which files need not be cleaned again.
NOT_OF_DBT = {
    "raw.pipeline_runs",
    "games_raw.pipeline_runs",
    "clean.cleaned_files",
    "config.category_map",
    "games_config.category_map",
}
# The guide and the copies of a repository are about the newest release; what dbt does by itself needs one DuckDB only.
on_the_newest = pytest.mark.skipif(
    duckdb.__version__.startswith("1."), reason="tested on DuckDB 2.0"
)


class Folder:
    """A folder with the project in `sql/dbt`, one that uses it in `test/dbt/consumer`, and data files."""

    def __init__(self, path):
        self.path = path
        self.project = path / "sql" / "dbt"
        self.consumer = path / "test" / "dbt" / "consumer"
        self.database = self.project / "target" / "amazing.duckdb"
        shutil.copytree(ROOT / "sql" / "dbt", self.project, ignore=NOT_COPIED)
        shutil.copytree(ROOT / "test" / "dbt" / "consumer", self.consumer, ignore=NOT_COPIED)

    def dbt(self, *arguments, project=None, succeeds=True):
        """Runs dbt inside the project; name of a node -> status and message."""
        before = Path.cwd()
        os.chdir(project or self.project)
        try:
            outcome = dbtRunner().invoke([*arguments, "--no-use-colors"])
        finally:
            os.chdir(before)
            if DuckDBConnectionManager._ENV:
                DuckDBConnectionManager._ENV.close()
            DuckDBConnectionManager.close_all_connections()
            # Connections of dbt's threads are in reference cycles, and would keep the database open.
            gc.collect()
        assert outcome.success == succeeds, f"dbt {arguments}: {outcome.exception}"
        if outcome.exception:
            return {"": ("error", str(outcome.exception))}
        results = getattr(outcome.result, "results", None) or []
        return {
            result.node.name: (str(result.status), result.message)
            for result in results
            if hasattr(result, "node")
        }

    def connect(self, path=None):
        con = duckdb.connect(str(path or self.database), config=self.config())
        con.execute(f"LOAD '{EXTENSION}'")
        return con

    def config(self):
        return {
            "allow_unsigned_extensions": "true",
            "extension_directory": str(self.project / "target" / "extensions"),
        }

    def write_data(self, con):
        """Files of both worlds, with dirt, a duplicate in another file and a line that cannot be parsed."""
        for world in WORLDS:
            (self.project / "data" / world).mkdir(parents=True)
        con.execute(
            "CREATE TEMP TABLE shop AS FROM synthetic_marketplace_events(3000, users := 120, days"
            " := 90, dirt := 0.05)"
        )
        time_format = "TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S UTC'"
        for name, condition in [("2019-10", "< '2019-11-01'"), ("2019-11", ">= '2019-10-31'")]:
            path = self.project / "data" / "marketplace" / f"{name}.csv"
            con.execute(
                f"COPY (FROM shop WHERE event_time {condition}) TO '{path}' ({time_format})"
            )
        with path.open("a") as file:
            file.write("2019-11-30 10:00:00 UTC,view\n")
        tables = {
            "users": "synthetic_users(100)",
            "games": "synthetic_games(12)",
            "events": "synthetic_game_events(3000, users := 100, games := 12)",
        }
        for name, source in tables.items():
            con.execute(f"COPY (FROM {source}) TO '{self.project / 'data' / 'games' / name}.csv'")

    def build_plainly(self, con, worlds=WORLDS):
        """Runs the scripts that the extension carries, in the database of `con`, over the same files."""
        before = Path.cwd()
        os.chdir(self.project)
        try:
            for world in worlds:
                con.execute(f"SET VARIABLE data = 'data/{world}/*.csv'")
                con.execute(f"SET VARIABLE svg = 'target/{world}.svg'")
                scripts = (
                    f"SELECT sql FROM amazing_scripts('{world}', schema_prefix :="
                    f" '{WORLDS[world]}') ORDER BY step"
                )
                for [sql] in con.execute(scripts).fetchall():
                    con.execute(sql)
        finally:
            os.chdir(before)


def tables(con, database):
    """Tables that people are given: schema.table -> names and types of its columns."""
    rows = con.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name NOT LIKE '%intermediate' ORDER BY 1, column_index",
        [database],
    ).fetchall()
    found = {}
    for table, column, data_type in rows:
        found.setdefault(table, []).append((column, data_type))
    return {table: columns for table, columns in found.items() if table not in NOT_OF_DBT}


def differences(con, one, other):
    """Tables of two attached databases that differ in columns or rows."""
    ours, theirs = tables(con, one), tables(con, other)
    assert ours.keys() == theirs.keys()
    differing = [table for table in ours if ours[table] != theirs[table]]
    for table in ours:
        of_the_run = {"loaded_at"} | (
            {"run_id", "created_at"} if table.endswith("segment_model") else set()
        )
        columns = ", ".join(f'"{name}"' for name, _ in ours[table] if name not in of_the_run)
        for a, b in [(one, other), (other, one)]:
            query = (
                f"SELECT count(*) FROM (SELECT {columns} FROM {a}.{table} EXCEPT ALL SELECT"
                f" {columns} FROM {b}.{table})"
            )
            if con.execute(query).fetchone() != (0,):
                differing.append(table)
    return differing


@pytest.fixture(scope="session", autouse=True)
def environment():
    os.environ["AMAZING_EXTENSION"] = str(EXTENSION)
    os.environ.pop("AMAZING_DATABASE", None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose database one `dbt build` built, and the plain scripts beside it in `plain.duckdb`."""
    folder = Folder(tmp_path_factory.mktemp("dbt"))
    with folder.connect(":memory:") as con:
        folder.write_data(con)
    # In the file and not as an argument: dbt reads the whole project anew where its arguments change.
    settings = folder.project / "dbt_project.yml"
    variables = "\nvars:\n  marketplace_svg: target/of_dbt.svg\n  marketplace_max_files: 1\n"
    settings.write_text(settings.read_text().replace("\nvars:\n", variables))
    folder.results = folder.dbt("build")
    with folder.connect(folder.path / "plain.duckdb") as con:
        folder.build_plainly(con)
    return folder


@pytest.fixture
def both(folder):
    """A connection with the database of dbt as `dbt` and that of the plain scripts as `plain`."""
    with folder.connect(":memory:") as con:
        con.execute(f"ATTACH '{folder.database}' AS dbt (READ_ONLY)")
        con.execute(f"ATTACH '{folder.path / 'plain.duckdb'}' AS plain (READ_ONLY)")
        yield con


def test_a_build_runs_all_models_and_tests_of_both_worlds(folder):
    statuses = [status for status, _ in folder.results.values()]
    assert set(statuses) <= {"success", "pass", "no-op"}
    assert statuses.count("success") > 60 and statuses.count("pass") > 150


def test_its_tables_are_those_of_the_plain_scripts(both, folder):
    assert differences(both, "dbt", "plain") == []
    counts = {
        table: both.execute(f"SELECT count(*) FROM dbt.{table}").fetchone()[0]
        for table in tables(both, "dbt")
    }
    empty = {table for table, count in counts.items() if count == 0}
    no_rejects = {
        "games_raw.rejected_lines",
        "games_clean.rejected_users",
        "games_clean.rejected_games",
        "games_clean.unmatched_values",
    }
    # There is no run before the first.
    assert empty <= no_rejects | {"kpi.segment_migration", "games_kpi.segment_migration"}
    assert counts["raw.rejected_lines"] == 1
    reasons = both.execute("SELECT DISTINCT reason FROM dbt.clean.rejected_events").fetchall()
    assert ("duplicate",) in reasons


def test_its_picture_is_that_of_the_plain_script(folder):
    picture = (folder.project / "target" / "of_dbt.svg").read_bytes()
    assert (
        picture.startswith(b"<svg")
        and picture == (folder.project / "target" / "marketplace.svg").read_bytes()
    )


def test_the_load_step_is_repeated_until_no_file_is_left(both):
    runs = (
        "SELECT run_id, count(*) AS runs FROM dbt.raw.pipeline_runs WHERE step = '00_raw' GROUP BY"
        " run_id"
    )
    assert both.execute(f"SELECT max(runs) FROM ({runs})").fetchone() == (2,)


@pytest.mark.slow
@on_the_newest
def test_the_columns_that_people_are_given_are_documented(folder):
    folder.dbt("docs", "generate")
    manifest = json.loads((folder.project / "target" / "manifest.json").read_text())
    catalog = json.loads((folder.project / "target" / "catalog.json").read_text())
    assert not catalog["errors"]
    nodes = {**manifest["nodes"], **manifest["sources"]}
    models = {
        key: node for key, node in nodes.items() if node["resource_type"] in ("model", "source")
    }
    assert all(node["description"] for node in models.values())
    public = [key for key, node in models.items() if not node["schema"].endswith("intermediate")]
    assert len(public) > 35
    for key in public:
        documented = {
            name: column["description"] for name, column in models[key]["columns"].items()
        }
        if models[key]["name"] == "rejected_lines" or key.startswith("source."):
            assert set(documented) <= set(catalog["sources"][key]["columns"])
        else:
            assert list(documented) == list(catalog["nodes"][key]["columns"]), key
        assert all(documented.values())


def test_show_reads_a_model_without_building_it(folder):
    results = folder.dbt("show", "--select", "marketplace__user_segments", "--limit", "2")
    assert results["marketplace__user_segments"][0] == "success"


def test_a_second_build_loads_and_changes_nothing(folder):
    def state(con):
        return con.execute(
            "SELECT * FROM raw.loaded_files UNION ALL BY NAME SELECT * FROM games_raw.loaded_files"
            " ORDER BY ALL"
        ).fetchall()

    with folder.connect() as con:
        before = state(con)
    assert len(before) >= 5
    folder.dbt("build", "--exclude-resource-type", "test")
    with folder.connect() as con:
        assert state(con) == before
        con.execute(f"ATTACH '{folder.path / 'plain.duckdb'}' AS plain (READ_ONLY)")
        assert (
            differences(con, con.execute("SELECT current_database()").fetchone()[0], "plain") == []
        )


@pytest.mark.slow
def test_builds_keep_the_segments_of_the_build_before_as_the_scripts_do(tmp_path, capsys):
    """Two days of one shop, and a fresh fit: models, history and migration are those of the plain scripts."""
    folder = Folder(tmp_path)
    with folder.connect(":memory:") as con:
        folder.write_data(con)
    (folder.project / "target").mkdir()
    days = [
        ("2019-11-15", "warm"),
        ("2019-12-10", "warm"),
        ("2019-12-20", "never"),
        ("2019-12-20", "fresh"),
    ]
    with folder.connect(tmp_path / "plain.duckdb") as con:
        for day, refit in days:
            con.execute("SET VARIABLE as_of = ?::DATE", [day])
            con.execute("SET VARIABLE refit = ?", [refit])
            folder.build_plainly(con, ["marketplace"])
    for number, (day, refit) in enumerate(days):
        variables = f"{{marketplace_as_of: '{day}', marketplace_refit: {refit}}}"
        select = "marketplace" if number == 0 else "marketplace__user_features+"
        folder.dbt("run", "--select", select, "--vars", variables)
    printed = capsys.readouterr().out
    for news in [
        "model 1, the first",
        "model 2, refit from model 1",
        "model 2, as it was",
        "WARNING: model 3 is a fresh fit",
    ]:
        assert f"marketplace: {news}" in printed, news
    with folder.connect(":memory:") as con:
        con.execute(f"ATTACH '{folder.database}' AS dbt (READ_ONLY)")
        con.execute(f"ATTACH '{tmp_path / 'plain.duckdb'}' AS plain (READ_ONLY)")
        assert differences(con, "dbt", "plain") == []
        models = "SELECT model_id, fit, run_id LIKE 'dbt %' FROM dbt.kpi.segment_model ORDER BY ALL"
        assert con.execute(models).fetchall() == [
            (1, "fresh", True),
            (2, "warm", True),
            (3, "fresh", True),
        ]
        assert con.execute(
            "SELECT count(*) > 4, bool_or(is_comparable) FROM dbt.kpi.segment_migration"
        ).fetchone()[0]
    # What is kept survives a build from nothing.
    folder.dbt(
        "run", "--full-refresh", "--select", "marketplace__user_features+", "--vars", variables
    )
    with folder.connect() as con:
        assert con.execute("SELECT count(*) FROM kpi.segment_model").fetchone() == (3,)


@pytest.mark.slow
def test_a_build_in_memory_passes(folder):
    results = folder.dbt("build", "--target", "memory", "--select", "marketplace")
    assert [status for status, _ in results.values()].count("success") > 25


@pytest.mark.slow
@on_the_newest
def test_a_new_file_is_loaded_and_the_plain_scripts_can_go_on_from_there(folder):
    new = folder.project / "data" / "marketplace" / "2019-12.csv"
    lines = (new.parent / "2019-10.csv").read_text().replace("2019-10", "2019-12").splitlines()
    new.write_text("\n".join(lines[:200]) + "\n")
    folder.dbt("run-operation", "amazing.load_once", "--args", "{world: marketplace}")
    with folder.connect() as con:
        loaded = con.execute(
            "SELECT rows_loaded FROM raw.loaded_files WHERE file_name LIKE '%2019-12.csv'"
        )
        assert loaded.fetchall() == [(199,)]
        # The clean tables lack the new file, and nothing tells the script which files they have: all is made anew.
        folder.build_plainly(con, ["marketplace"])
    with folder.connect(folder.path / "plain.duckdb") as con:
        folder.build_plainly(con, ["marketplace"])
        con.execute(f"ATTACH '{folder.database}' AS of_dbt (READ_ONLY)")
        assert differences(con, "of_dbt", "plain") == []


def test_a_file_that_cannot_be_loaded_refuses_the_build_and_changes_nothing(folder):
    bad = folder.project / "data" / "games" / "bad.csv"
    bad.write_text("user_id\n1\n")
    try:
        results = folder.dbt("run", "--select", "games", succeeds=False)
    finally:
        bad.unlink()
    assert any(
        'bad.csv": other columns, its header is: user_id' in str(message)
        for _, message in results.values()
    )
    folder.dbt("run-operation", "amazing.load_once", "--args", "{world: games}")
    with folder.connect() as con:
        assert con.execute("SELECT count(*) FROM games_raw.loaded_files").fetchone() == (3,)


@pytest.mark.slow
@on_the_newest
def test_the_guide_works_from_its_first_line(tmp_path):
    """Its shell blocks run after the installation, which the environment of this test is; its other files are tested."""
    guide = (ROOT / "docs" / "dbt.md").read_text(encoding="utf-8")
    installation, *session = re.findall(r"^```sh\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert f"duckdb=={duckdb.__version__}" in installation
    files = re.findall(r"^```(?:yaml|sql)\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    consumer = ROOT / "test" / "dbt" / "consumer"
    known = {
        path.read_text(encoding="utf-8")
        for path in [*consumer.glob("*.yml"), *consumer.glob("models/*")]
    }
    assert len(files) == 5 and set(files) <= known
    folder = Folder(tmp_path)
    (tmp_path / "build" / "release").mkdir(parents=True)
    shutil.copy(EXTENSION, tmp_path / "build" / "release")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    del environment["AMAZING_EXTENSION"]
    process = subprocess.run(
        ["bash", "-euc", "".join(session)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    with folder.connect() as con:
        assert con.execute("SELECT count(DISTINCT segment) FROM user_segments").fetchone() == (4,)
    assert (folder.project / "target" / "segments.svg").exists()


def test_an_unknown_world_is_named(folder, capsys):
    folder.dbt("run-operation", "amazing.load_once", "--args", "{world: shops}", succeeds=False)
    assert 'load_once: no world "shops", there are marketplace, games' in capsys.readouterr().out


def test_another_project_uses_the_package(folder):
    folder.dbt("deps", project=folder.consumer)
    # Each test of the package fails where it should.
    broken = folder.consumer / "models" / "broken.sql"
    broken.write_text(
        "SELECT * FROM (VALUES (1, 1), (1, 1), (1, 1), (2, NULL)) AS t (segment, n)\n"
    )
    (folder.consumer / "models" / "broken.yml").write_text("""
version: 2
models:
  - name: broken
    data_tests:
      - amazing.rows_add_up: {arguments: {whole: ref('visitors'), parts: [ref('visitors')]}}
      - amazing.unique_together: {arguments: {columns: [segment, n]}}
      - amazing.holds: {arguments: {expression: n = 1}}
    columns:
      - name: segment
        data_tests:
          - amazing.min_share: {arguments: {at_least: 0.26}}
          - amazing.adds_up: {arguments: {to: ref('visitors'), to_column: visits}}
""")
    results = folder.dbt(
        "build", "--select", "package:consumer", project=folder.consumer, succeeds=False
    )
    failed = {
        name.split("_broken_")[0] for name, (status, _) in results.items() if status == "fail"
    }
    assert failed == {
        f"amazing_{name}"
        for name in ("rows_add_up", "unique_together", "holds", "min_share", "adds_up")
    }
    others = {name: status for name, (status, _) in results.items() if "broken" not in name}
    assert others["visitor_segments"] == "success" and list(others.values()).count("pass") == 5
    assert set(others.values()) == {"success", "pass"}


@pytest.mark.slow
@on_the_newest
def test_the_copy_of_a_repository_serves_the_models(folder, tmp_path):
    """With the plugin; on 1.x it is the copy that the other tests load by its path."""
    repository = EXTENSION.parent.parent / "repo"
    if not repository.exists():
        pytest.fail(f"{repository} does not exist: run `make release`")
    profile = (folder.project / "profiles.yml").read_text(encoding="utf-8")
    by_path = re.search(r"^ +extensions: .*\n", profile, re.MULTILINE).group()
    indent = re.match(" +", by_path).group()
    by_name = (
        f"{indent}extensions: [{{name: amazing, repo: \"'{repository}'\"}}]\n"
        f"{indent}module_paths: [plugins]\n{indent}plugins: [{{module: amz}}]\n"
    )
    (tmp_path / "profiles.yml").write_text(profile.replace(by_path, by_name), encoding="utf-8")
    select = ["--select", "games__user_segments", "--profiles-dir", str(tmp_path)]
    assert (
        subprocess.run(
            [Path(sys.executable).parent / "dbt", "show", *select],
            cwd=folder.project,
            capture_output=True,
        ).returncode
        == 0
    )
