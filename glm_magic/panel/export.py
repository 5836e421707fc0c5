"""A conversation as text to keep: Markdown for the notebook's output, and a notebook. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from ..history import Exchange
from ..redact import redact
from ..show.disarm import disarm
from ..show.grammar import parse
from ..wire.think import whole

_PYTHON = re.compile(r"(?:python|py|ipython)3?(?:\s|$)", re.I)
_LINE_END = re.compile(r"\r\n?")


def to_markdown(exchanges: Iterable[Exchange]) -> str:
    """Return questions as quotes and answers as they are, with nothing that runs or loads."""
    return "\n\n".join(map(_disarmed, _parts(exchanges)))


class StandIn:
    """The Markdown that stands in for the panel where no kernel runs.

    It is written after each answer; what was disarmed the last time is not disarmed again.
    """

    def __init__(self) -> None:
        self._disarmed: dict[str, str] = {}

    def write(self, exchanges: Iterable[Exchange], label: str) -> str:
        """Return all of *exchanges*, folded up below the name *label*; "" without any."""
        parts, known = _parts(exchanges), self._disarmed
        self._disarmed = {part: known.get(part) or _disarmed(part) for part in parts}
        text = "\n\n".join(self._disarmed[part] for part in parts)
        if not text:
            return ""
        name = disarm(label).strip()
        return f"<details><summary>Conversation {name}</summary>\n\n{text}\n\n</details>"


def _parts(exchanges: Iterable[Exchange]) -> list[str]:
    """Return the question and the answer of each, with `***` for keys."""
    parts = (part for each in exchanges for part in (_quote(each), each.answer.content))
    return [redact(whole(part), with_words=False) for part in parts]


def _disarmed(part: str) -> str:
    # One by one, as a block that was left open ends with its answer.
    return disarm(part).strip("\n")


def to_notebook(exchanges: Iterable[Exchange]) -> str:
    """Return a notebook (nbformat 4.5) in which the Python of the answers is in code cells."""
    cells = [
        cell
        for number, exchange in enumerate(exchanges, 1)
        for cell in _cells(exchange, f"exchange-{number}")
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return redact(whole(json.dumps(book, ensure_ascii=False, indent=1)), with_words=False)


def _quote(exchange: Exchange) -> str:
    return "\n".join(f"> {line}" for line in exchange.question.content.splitlines())


def _cells(exchange: Exchange, name: str) -> Iterator[dict[str, object]]:
    yield _cell("markdown", disarm(_quote(exchange)), name)
    pieces = ((kind, text) for kind, text in _pieces(exchange.answer.content) if text.strip())
    for number, (kind, text) in enumerate(pieces, 1):
        yield _cell(kind, text if kind == "code" else disarm(text), f"{name}-{number}")


def _pieces(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield the Python of *markdown* as code, and what stands between as Markdown."""
    text = _LINE_END.sub("\n", markdown)
    lines, done = text.split("\n"), 0
    for node in parse(text).children:
        if node.type == "fence" and node.map and _PYTHON.match(node.info.strip()):
            yield "markdown", "\n".join(lines[done : node.map[0]])
            yield "code", node.content.removesuffix("\n")
            done = node.map[1]
    yield "markdown", "\n".join(lines[done:])


def _cell(kind: str, source: str, name: str) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    return {**cell, "outputs": [], "execution_count": None} if kind == "code" else cell
