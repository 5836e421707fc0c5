"""What is promised about the tests, the documents and the pinned versions, checked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
DOCUMENTS = sorted(ROOT.glob("*.md"))
SCRIPTS = [ROOT / "Makefile", *sorted((ROOT / ".ci").iterdir())]

Fact = ast.FunctionDef | ast.AsyncFunctionDef


def named(file: Path) -> str:
    """Return *file* as the name of a test shows it."""
    return str(file.relative_to(ROOT))


def facts_in(file: Path) -> Iterator[Fact]:
    """Yield the test functions of *file*."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, Fact) and node.name.startswith("test_"):
            yield node


def targets() -> set[str]:
    """Return the names that `make` knows."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def required() -> set[str]:
    """Return the projects that pyproject.toml names, optional ones included."""
    project = (ROOT / "pyproject.toml").read_text().partition("[tool.")[0]
    return set(re.findall(r'"([a-z0-9_-]+)(?=[><=])', project)) - {"hatchling"}


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_every_test_states_its_fact(file):
    """Each test has a docstring that begins with a sentence."""
    assert [] == [
        test.name
        for test in facts_in(file)
        if not re.match(r"[^a-z].*[.?!]", ast.get_docstring(test) or "", re.DOTALL)
    ]


@pytest.mark.parametrize("file", DOCUMENTS, ids=named)
def test_links_lead_somewhere(file):
    """Each link of a document to a file of the project finds it."""
    links = re.findall(r"\]\((?!\w+:)([^)#\s]+)", file.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (file.parent / link).exists()]


@pytest.mark.parametrize("file", DOCUMENTS, ids=named)
def test_commands_exist(file):
    """Each `make` command that a document quotes is one of ours."""
    assert set(re.findall(r"`make ([a-z]+)`", file.read_text(encoding="utf-8"))) <= targets()


def test_versions_are_pinned():
    """Each project asked for by name has its tested version in constraints.txt."""
    pins = re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert {"ipython", "pytest"} <= required() <= set(pins) | {"huggingface_hub"}


@pytest.mark.parametrize("file", SCRIPTS, ids=named)
def test_commands_name_no_place(file):
    """What is run says nothing about the machine it was written on, nor where packages are from."""
    assert [] == re.findall(r"/home/\w+|/root\b|/opt/\w+|index-url|https?://\S+", file.read_text())
