"""The first tour runs from top to bottom on the embedded model, in a real kernel."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_the_quickstart_runs(tmp_path: Path):
    """Every cell of the quickstart succeeds, and the first question has a real answer."""
    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute(cwd=tmp_path)
    answers = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "glm_magic" in output.get("metadata", {})
    ]
    assert "Paris" in answers[0].data["text/plain"]
    assert {answer.metadata["glm_magic"]["finish_reason"] for answer in answers} <= {
        "stop",
        "length",
    }
    assert all(answer.data["text/markdown"] for answer in answers)


def test_the_committed_tour_has_no_outputs():
    """The file holds no outputs of anybody's run."""
    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
    assert [
        cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs
    ] == []
