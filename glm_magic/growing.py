"""A text that grows, kept in the pieces it came in. No I/O."""

from __future__ import annotations

#: Pieces that are joined to one if they are small: each takes fifty bytes beside its letters, and
#: is kept once for all who hold it until it is joined.
_MANY = 1000
_SMALL = 200


class GrowingText:
    """A text that grows at its end; joined only when it is read, by whatever thread."""

    __slots__ = ("_loose", "_pieces")

    def __init__(self, text: str = "") -> None:
        self._pieces = [text] if text else []
        self._loose = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)  # none of them is empty

    def add(self, text: str, retract: int = 0) -> None:
        """Take *retract* characters off the end, then add *text*."""
        if retract:
            self._take_back(retract)
        if text:
            self._pieces.append(text)
            self._loose += 1
        if self._loose == _MANY:
            newest = "".join(self._pieces[-_MANY:])
            if len(newest) < _MANY * _SMALL:
                self._pieces[-_MANY:] = [newest]  # in one step, as another thread may read
            self._loose = 0

    def _take_back(self, retract: int) -> None:
        at = len(self._pieces)
        while at and retract > 0:
            at -= 1
            retract -= len(self._pieces[at])
        kept = [self._pieces[at][:-retract]] if retract < 0 else []
        self._loose = max(0, self._loose - len(self._pieces) + at) + len(kept)
        self._pieces[at:] = kept  # in one step, as another thread may read

    @property
    def pieces(self) -> list[str]:
        """All of it, not joined."""
        return self._pieces[:]

    def added_in(self, text: str) -> str | None:
        """Return what *text* has behind all of this, or None when it begins otherwise."""
        at = 0
        for piece in self._pieces:
            if not text.startswith(piece, at):
                return None
            at += len(piece)
        return text[at:]

    def read(self) -> str:
        """Return all of it."""
        return "".join(self._pieces)
