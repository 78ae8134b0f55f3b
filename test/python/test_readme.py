"""The sessions of the README run as they stand there, in the command line client."""

import os
import re
import subprocess

import package
from conftest import interpreter

CLIENT = interpreter("1.5.6").parent / "duckdb"


def blocks(heading):
    """The SQL blocks below a heading of the README."""
    section = (package.ROOT / "README.md").read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1]
    return re.findall(r"^```sql\n(.*?)^```", section.split("\n## ", 1)[0], re.MULTILINE | re.DOTALL)


def test_the_session_runs_and_shows_what_the_readme_says(extension, tmp_path):
    session = blocks("Segment a table")[0]
    assert "LOAD 'build/release/amazing.duckdb_extension';" in session
    script = tmp_path / "session.sql"
    script.write_text(session.replace("build/release/amazing.duckdb_extension", str(extension)), encoding="utf-8")
    process = subprocess.run(
        [CLIENT, "-unsigned", "-bail", "-f", script], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8"
    )
    assert process.returncode == 0, process.stderr
    readme = (package.ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line for line in process.stdout.splitlines() if re.match(r"│ +\d", line)]
    assert len(shown) == 8
    for line in shown:
        assert line in readme
    assert (tmp_path / "users.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_games_world_is_built_beside_another_by_the_command_of_the_readme(extension, tmp_path):
    readme = (package.ROOT / "README.md").read_text(encoding="utf-8")
    [command] = [block for block in re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S) if "schema_prefix" in block]
    command = command.replace("build/release/amazing.duckdb_extension", str(extension))
    environment = {**os.environ, "PATH": f"{CLIENT.parent}{os.pathsep}{os.environ['PATH']}"}

    def run():
        return subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)

    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "a.csv").write_text("game_id,game_type,game_name,platform,difficulty\n1,puzzle,Chess,Web,\n")
    assert run().returncode == 0, run().stderr
    (tmp_path / "games" / "b.csv").write_text("game_id\n2\n")
    refused = run()
    assert refused.returncode != 0 and 'b.csv": other columns, its header is: game_id' in refused.stderr
    query = "SELECT count(*) AS n, (SELECT count(*) FROM games_raw.games) AS games FROM games_raw.loaded_files"
    shown = subprocess.run(
        [CLIENT, "-csv", "shop.duckdb", "-c", query], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["n,games", "1,1"]
