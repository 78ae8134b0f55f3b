"""The session of the README runs as it stands there, in the command line client."""

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
