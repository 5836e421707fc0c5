"""The tours run from top to bottom on the embedded model, in a real kernel."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

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


def test_the_panel_notebook_runs(tmp_path: Path):
    """Every cell of the tour of the panel succeeds."""
    notebook = nbformat.read(NOTEBOOKS / "chat.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute(cwd=tmp_path)
    shown = [set(output.get("data", {})) for output in notebook.cells[2].outputs]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    assert "text/markdown" in shown[1]


@pytest.mark.parametrize("name", ["quickstart", "chat"])
def test_the_committed_tours_have_no_outputs(name: str):
    """The files hold no outputs of anybody's run."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
