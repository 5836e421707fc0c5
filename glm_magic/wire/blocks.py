"""A text in blocks, the last of which grows while any may be written anew. No I/O."""

from __future__ import annotations

from itertools import zip_longest

from ..growing import GrowingText
from ..messages import Delta, diff
from .entries import Key
from .markdown import NOWHERE, Block, Place, join_blocks

#: What a block that is written anew costs beside its text, in characters.
_BLOCK_COST = 500


class BlockText:
    """The blocks of one text; what stands before the first changed one stays as it is."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.first_changed = 0
        #: About how many characters were written anew so far, or taken back.
        self.cost = 0
        self._pieces: list[GrowingText] = []  # what was shown for each block
        self._places: list[Place] = []  # where each of them left the text, when it was written

    def place(self, key: Key) -> int:
        """Add *key* at the end and return its place."""
        self.keys.append(key)
        self.change(len(self.keys) - 2)  # if that is code, its fence is closed now
        return len(self.keys) - 1

    def change(self, place: int) -> None:
        """Have the block at *place* written anew, and all behind it."""
        self.first_changed = max(0, min(self.first_changed, place))

    def append(self, added: str) -> None:
        """Put *added* at the end of the last block."""
        self._pieces[-1].add(added)

    def read(self) -> str:
        """Return what was shown."""
        return "".join(piece.read() for piece in self._pieces)

    def rewrite(self, blocks: list[Block]) -> Delta:
        """Put *blocks* in place of the changed ones and return what that changes."""
        start, self.first_changed = self.first_changed, len(self.keys)
        old = [piece for text in self._pieces[start:] for piece in text.pieces]
        # That place holds: only the last block grows, and it is written anew once it is not.
        pieces, places = join_blocks(blocks, self._places[start - 1] if start else NOWHERE)
        kept = zip_longest(self._pieces[start:], pieces)
        self._pieces[start:] = [_grown(*pair) for pair in kept if pair[1] is not None]
        self._places[start:] = places
        new = "".join(pieces)
        self.cost += sum(map(len, old)) + len(new) + _BLOCK_COST * len(blocks)
        return _change(old, new)


def _grown(old: GrowingText | None, new: str) -> GrowingText:
    """Return *new*, as *old* if that says the same: others may hold its pieces too."""
    return old if old is not None and old.added_in(new) == "" else GrowingText(new)


def _change(old: list[str], new: str) -> Delta:
    """Say what turns the pieces of *old* into *new*; what they share is not copied."""
    at = 0
    for place, piece in enumerate(old):
        if not new.startswith(piece, at):
            return diff("".join(old[place:]), new[at:])
        at += len(piece)
    return Delta(new[at:])
