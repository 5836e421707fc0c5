"""Decisions read from bytes, so that one target serves hypothesis and atheris alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Bytes as a row of decisions; when they are used up every decision is the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        """Whether no byte is left."""
        return self._at >= len(self._data)

    def number(self, below: int) -> int:
        """Return a number from 0 to *below* less one, at most 255."""
        self._at += 1
        return 0 if self._at > len(self._data) else self._data[self._at - 1] % below

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of *choices*."""
        return choices[self.number(len(choices))]

    def text(self, pieces: Sequence[str], most: int = 8) -> str:
        """Return up to *most* of *pieces* in a row."""
        return "".join(self.pick(pieces) for _ in range(self.number(most + 1)))

    def rest(self) -> bytes:
        """Return the bytes that are left."""
        rest, self._at = self._data[self._at :], len(self._data)
        return rest
