"""Runs the notebooks of the documentation and writes what their cells show into them, without what differs from run to run."""

import os
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"


def run(path):
    """The notebook as it is after its cells were run in its folder, in a kernel of this environment."""
    notebook = nbformat.read(path, as_version=4)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    # The home of a user who has installed nothing: the notebook installs what was built last.
    home = os.environ.get("HOME", "")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as os.environ["HOME"]:
        client.execute()
    os.environ["HOME"] = home
    # The kernel writes its own version here.
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def main():
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = run(path)
        nbformat.write(notebook, path)
        print(
            f"{path.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells"
            " were run"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
