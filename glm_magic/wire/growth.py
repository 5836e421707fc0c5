"""Whether the frames of a chatglm.cn stream repeat the text so far or add to it. No I/O.

Until 2025 each frame held all the text so far, in 2026 only what was new; the
frame that finishes a part holds all of it in both.
"""

from __future__ import annotations

from os.path import commonprefix
from typing import Literal

_LONG = 8
_VARIED = 4
#: So many characters of a text are looked at for what an edit left.
_START = 100
_BREAKS = 3


def is_clear(text: str) -> bool:
    """Whether *text* says so much that, if it comes again, it is no other that begins like it."""
    return len(text) >= _LONG and len(set(text)) >= _VARIED


class Growth:
    """The mode of one stream, decided once, on evidence that admits no doubt.

    `哈` and then `哈哈` can be two frames of either mode. While nothing is
    decided the frames count as repeating, until one does not begin with the
    frame before it.
    """

    def __init__(self) -> None:
        self.mode: Literal["cumulative", "delta"] | None = None
        #: Whether a frame began like the one before it: an edit, or a piece that begins alike.
        self.is_edited = False
        self._breaks = 0

    @property
    def is_delta(self) -> bool:
        """Whether frames add to each other, as far as is known."""
        return self.mode == "delta" or (self.mode is None and self._breaks > 0)

    def weigh(self, old: str, new: str) -> None:
        """Learn from two frames of the same item that follow each other."""
        if self.mode or not old or not new or old == new:
            return
        # A short or monotonous piece may well be followed by one that begins like it.
        if new.startswith(old):
            self.mode = "cumulative" if is_clear(old) else None
            return
        if is_clear(commonprefix([old[:_START], new[:_START]])):  # noqa: RUF071, letters are meant
            self.is_edited = True
            return
        # A text may be edited, but hardly from its first character on, or time and again.
        self._breaks += 1
        if old[0] != new[0] or self._breaks == _BREAKS:
            self.mode = "delta"

    def settle(self, last: str, total: str, full: str) -> None:
        """Learn from the *full* text of an item, its *last* frame and the *total* of its frames."""
        if self.mode:
            return
        repeats, adds = full.startswith(last), full.startswith(total)
        if repeats != adds:
            self.mode = "delta" if adds else "cumulative"
