"""A growing reply in a terminal, or as plain text where nothing better is known."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from ..messages import Reply
from .blocks import BlockSplitter
from .disarm import disarm
from .remarks import ending, waiting
from .terminal import clean

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.live import Live
    from rich.markdown import Markdown
    from rich.segment import Segment
    from rich.text import Text

#: Seconds between two updates of the open block.
PAUSE = 0.05


class PlainView:
    """Prints the text as it comes, and nothing but the text, to standard output if there is one.

    Remarks go to standard error, where what is waited for before the first word
    is said once.
    """

    def __init__(self, *, show_footer: bool = True, file: TextIO | None = None) -> None:
        self._show_footer = show_footer
        self._file: TextIO | None = file or sys.stdout
        self._text = ""
        self._told: set[tuple[int, str]] = set()

    def update(self, reply: Reply) -> None:
        """Print what is new, or what is waited for."""
        text = reply.settled_text
        if not text.startswith(self._text):
            self._write("\n[the answer was changed; it begins anew]\n")
            self._text = ""
        self._write(clean(text[len(self._text) :]))
        self._text = text
        if not (text or reply.done):  # a remark within a text would cut a line in two
            self._tell(waiting(reply, reply.elapsed), pause=len(reply.notices))

    def _tell(self, remark: str, *, pause: int) -> None:
        """Say *remark* unless it was said before but for its numbers, which count something."""
        what = (pause, re.sub(r"\d+", "", remark))
        if remark and what not in self._told:
            self._told.add(what)
            _say(remark)

    def finish(self, reply: Reply, receipt: dict[str, object]) -> None:
        """Print the rest, and remarks to standard error."""
        self.update(reply)
        self._write("\n" if self._text and not self._text.endswith("\n") else "")
        for note in ending(reply, show_footer=self._show_footer):
            _say(note)

    def _write(self, text: str) -> None:
        file = self._file
        if text and file is not None:
            self._file = None  # a pipe that broke or a disk that is full is not tried again
            file.write(text)
            file.flush()
            self._file = file


def _say(remark: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(clean(remark) + "\n")


class TerminalView:
    """Prints finished blocks once and for all, and redraws only the open one."""

    def __init__(self, *, show_reasoning: bool = True, show_footer: bool = True) -> None:
        from rich.console import Console  # 65 ms that only a terminal needs
        from rich.live import Live

        self._show_reasoning = show_reasoning
        self._show_footer = show_footer
        self._console = Console(highlight=False)
        self._live: Live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="ellipsis",
        )
        self._due = 0.0
        self._heard = time.monotonic()
        self._thoughts = ""
        self._begin()

    def _begin(self) -> None:
        self._text = ""
        self._splitter = BlockSplitter()

    def update(self, reply: Reply) -> None:
        """Show what has come, unless the last update was only just; call it often."""
        now = time.monotonic()
        if now < self._due:
            return
        self._take_in(reply, now)
        self._live.start()
        remark = waiting(reply, now - self._heard)
        thoughts = "" if self._text or not self._show_reasoning else reply.settled_reasoning[-400:]
        lines = [clean(line) for line in (thoughts, remark) if line]
        self._live.update(_Open(self._splitter.tail, "\n".join(lines)), refresh=True)
        self._due = time.monotonic() + PAUSE

    def finish(self, reply: Reply, receipt: dict[str, object]) -> None:
        """Print the rest and the remarks."""
        self._take_in(reply, time.monotonic())
        self._live.stop()
        self._print(self._splitter.tail)
        for note in ending(reply, show_footer=self._show_footer):
            self._console.print(clean(note), style="dim", markup=False)

    def _take_in(self, reply: Reply, now: float) -> None:
        text = reply.settled_text
        if not text.startswith(self._text):
            self._console.print("the answer was changed; it begins anew", style="dim")
            self._begin()
        if len(text) > len(self._text):
            self._heard = now
        for block in self._splitter.feed(text[len(self._text) :]):
            self._print(block)
        self._text = text

    def _print(self, block: str) -> None:
        if block.strip():
            self._console.print(_Safe(block))
            self._console.print()


class _Safe:
    """Markdown for rich in which no byte from the model is a control character.

    The text of a segment is what the terminal gets between rich's own colours,
    so it is cleaned there, after every parser.
    """

    def __init__(self, markdown: str) -> None:
        self._markdown = markdown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        from rich.segment import Segment

        for segment in console.render(_markdown(self._markdown), options):
            yield Segment(clean(segment.text), segment.style)


class _Open:
    """The open block with a dim remark under it."""

    def __init__(self, markdown: str, remark: str) -> None:
        self._markdown = markdown
        self._remark = remark

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[_Safe | Text]:
        from rich.text import Text

        if self._markdown.strip():
            yield _Safe(self._markdown)
        if self._remark:
            yield Text(self._remark, style="dim")


def _markdown(text: str) -> Markdown:
    from rich.markdown import Markdown

    return Markdown(disarm(text), hyperlinks=False, code_theme="ansi_dark")
