"""The tables themselves: what the document says of them, and that each row can be told apart."""

from __future__ import annotations

from pathlib import Path

from tests.faults.tables import cases, summary


def test_document_shows_the_tables():
    """CONTRIBUTING.md has the counts; `python -m tests.faults.tables` prints them."""
    document = Path(__file__).parents[2] / "CONTRIBUTING.md"
    assert summary() in document.read_text(encoding="utf-8")


def test_every_row_has_its_name():
    """No two faults of a table and wire format have one name."""
    names = [case.id for case in cases()]
    assert [] == [name for name in set(names) if names.count(name) > 1]
