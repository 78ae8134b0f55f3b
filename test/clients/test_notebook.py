"""The notebooks of the documentation: every cell runs, shows what is stored in the file, and one shows the map."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "extension-ci"))

import run_notebook  # noqa: E402  (found through the line above)


@pytest.fixture(
    scope="module", params=sorted(run_notebook.FOLDER.glob("*.ipynb")), ids=lambda path: path.name
)
def notebooks(request):
    """A notebook as it is stored, and as it is after a run."""
    return nbformat.read(request.param, as_version=4), run_notebook.run(request.param)


def outputs(notebook):
    """What the code cells show, in order: the data by type, or the text; a failing cell has ended the run before."""
    return [
        [output.get("data") or output.get("text") for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_a_run_shows_what_is_stored(notebooks):
    stored, run = notebooks
    assert len(outputs(run)) > 5
    assert outputs(run) == outputs(stored), "run `make notebook`"
    assert stored.metadata == run.metadata


def test_the_map_is_shown_as_a_picture(notebooks):
    _, run = notebooks
    shown = [
        data["image/svg+xml"] for cell in outputs(run) for data in cell if "image/svg+xml" in data
    ]
    assert len(shown) == 1 and shown[0].startswith("<svg") and shown[0].count("h0") > 500


def test_profiles_are_shown_as_tables(notebooks):
    _, run = notebooks
    tables = [data["text/html"] for cell in outputs(run) for data in cell if "text/html" in data]
    assert len(tables) > 3 and any("high days_away" in table for table in tables)
