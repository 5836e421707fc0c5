"""One text of a chatglm.cn message, as it grows by frames of either mode. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..growing import GrowingText
from .growth import is_clear
from .markdown import strip_citations

if TYPE_CHECKING:
    from .growth import Growth

#: Characters above which a text is given out as it came: any other would be one more copy of it.
_HUGE = 2**20


class Item:
    """One entry of a part's content, its text exactly as received."""

    def __init__(self, segment: str, *, repeats: bool) -> None:
        self.segment = segment
        self.is_final = False
        self.is_gone = False  # whether the last snapshot says something else in its place
        self.is_shown = False
        self.held = ""  # the end of a growing text that may become a citation mark
        self.size = 0
        self._repeats = repeats  # whether its frames hold all of it in any mode
        self._frame: str | None = ""  # the last one; None when it has to be joined
        self._sum = GrowingText()  # of all frames

    @property
    def is_huge(self) -> bool:
        """Whether it is to be given out as it came."""
        return self.size > _HUGE

    @property
    def _last(self) -> str:
        if self._frame is None:
            self._frame = self._sum.read()
        return self._frame

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing to show."""
        return self.is_gone or not self.size

    def clear(self) -> None:
        """Forget its text."""
        self._begin("")

    def begins(self, text: str) -> bool:
        """Whether *text* is all of it and maybe more, which is no chance."""
        is_one = not (self.is_huge or self._repeats)
        return is_one and text.startswith(self._last) and is_clear(self._last)

    def grows_to(self, text: str, own: Item | None) -> bool:
        """Whether *text* says that frames repeat; a finished one is repeated in any mode.

        So may be a piece of one's *own* that comes alone.
        """
        is_news = self is not own or text != self._last
        return is_news and not self.is_final and self.begins(text)

    def is_in(self, other: Item) -> bool:
        """Whether *other* says all that it says, and that is no chance."""
        return not other.is_huge and self.begins(other._last)

    def outgrows(self, added: str) -> bool:
        """Whether *added* would make it huge."""
        return not self.is_huge and self.size + len(added) > _HUGE

    def text(self, growth: Growth) -> str:
        """Return all of it, as far as is known."""
        if self._frame is None or (growth.is_delta and not self.is_final):
            return self._sum.read()
        return self._frame

    def is_doubtful(self, growth: Growth) -> bool:
        """Whether its frames may as well be read the other way."""
        is_open = growth.mode is None and not (self.is_final or self._repeats)
        is_clear_now = not (growth.is_delta or growth.is_edited) and is_clear(self._last)
        return is_open and len(self._last) != self.size and not is_clear_now

    def finish(self, text: str, growth: Growth) -> str | None:
        """Take in all of the text and return what that appends (None: it may be anything)."""
        # An empty text says that the item is finished, but takes nothing back.
        is_known = not text or self._sum.added_in(text) == ""
        if is_known and (self.is_final or (growth.mode and self.is_huge and self.is_shown)):
            self.is_final, self._frame = True, None
            return ""
        text = text or self.text(growth)
        if growth.mode is None:
            growth.settle(self._last, self._sum.read(), text)
        self.is_final = True
        self._begin(text)
        return None

    def grow(self, text: str, growth: Growth) -> str | None:
        """Take in a frame and return what that appends (None: it may be anything)."""
        repeats = self._repeats or growth.mode == "cumulative"
        if not text or (self.is_final and not repeats and self._has(text, growth)):
            return ""  # a late frame of a finished item often tells nothing new
        is_plain = growth.mode is not None and not self.is_final
        is_late, self.is_final = self.is_final, False
        if repeats:
            return self._repeat(text, is_plain=is_plain)
        if not is_late:  # of what was finished, a piece of any kind is no evidence
            growth.weigh(self._last, text)
        if growth.mode == "cumulative":
            self._begin(text)
            return None
        self._frame = text
        self._add(text)
        return text if is_plain else None

    def _has(self, text: str, growth: Growth) -> bool:
        """Whether *text* is all of it, or a piece of it where frames are pieces."""
        is_piece = growth.is_delta and any(text in piece for piece in self._sum.pieces)
        if is_piece or self._sum.added_in(text) == "":
            return True
        return 2 * len(text) > self.size and _bare(text) == _bare(self._sum.read())

    def _repeat(self, text: str, *, is_plain: bool) -> str | None:
        # Before the mode was known, the last frame may have been shown, but all of them kept.
        is_whole = self._frame is None or len(self._frame) == self.size
        added = self._sum.added_in(text) if is_plain and is_whole else None
        if added is None:
            self._begin(text)
        else:  # what was added takes less memory than all of a text that has one wide character
            self.prolong(added)
        return added

    def prolong(self, added: str) -> None:
        """Take in a frame that repeats the last one, with *added* behind it."""
        self._add(added)
        self._frame = None

    def _begin(self, text: str) -> None:
        self._frame, self._sum, self.size = text, GrowingText(text), len(text)

    def _add(self, text: str) -> None:
        self._sum.add(text)
        self.size += len(text)


def _bare(text: str) -> str:
    """Return *text* without citation marks, and the blanks around it."""
    return strip_citations(text, is_open=False)[0].strip()
