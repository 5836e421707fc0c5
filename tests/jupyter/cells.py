"""What cells show, and answers that wait for a test."""

from __future__ import annotations

from tests.far_side import Gate, Stream, openai_stream
from tests.jupyter.kernel import Cell


def markdown(cell: Cell) -> str:
    """Return the Markdown under *cell*."""
    return "\n".join(data["text/markdown"] for data in cell.data)


def held(*pieces: str) -> tuple[Stream, Gate]:
    """Return a stream that says *pieces*, waits for its gate, and then ends well."""
    gate = Gate()
    *chunks, finish, done = openai_stream(list(pieces))
    return Stream([*chunks, gate, finish, done]), gate
