"""A growing reply in a notebook cell: few and small updates, one output in the end.

JupyterLab renders an output anew with every update, so the cost of a stream is
updates times length. The text is therefore shown in groups of finished blocks:
a full group is frozen and never sent again, only the live one is refreshed, the
more slowly the longer it is. When the reply is done the first display gets all
of it and the others are emptied, which keeps the reader's place.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

from ..loop import stop_put_off
from ..messages import Reply
from .blocks import BlockSplitter
from .disarm import disarm
from .remarks import beginning, ending, left_out, waiting
from .terminal import clean

#: Characters at which the first group is frozen, at least (a shorter answer stays in one), and a
#: later one; and about how many groups there are, as JupyterLab shows 50 outputs of a cell.
FIRST_GROUP_SIZE = 4000
GROUP_SIZE = 1500
GROUP_COUNT = 12
#: Seconds between two updates of the live group, and what each 1,000 characters of it add.
PAUSE = 0.05
PAUSE_PER_KILO = 0.04
#: Characters of the model's thinking that are shown while it thinks.
THINKING_TAIL = 400

Bundle = dict[str, str]


def _publish(data: Bundle, metadata: dict[str, object], display_id: str, *, update: bool) -> None:
    from IPython.display import publish_display_data  # only reached inside IPython

    publish_display_data(data, metadata, transient={"display_id": display_id}, update=update)


class NotebookView:
    """Shows one reply under the running cell."""

    def __init__(self, *, show_reasoning: bool = True, show_footer: bool = True) -> None:
        self._show_reasoning = show_reasoning
        self._show_footer = show_footer
        self._displays: list[str] = []
        self._shown: list[Bundle] = []
        self._due = 0.0
        self._drawn = ("", "")
        self._heard = time.monotonic()
        self._begin()

    def _begin(self) -> None:
        self._text = ""
        self._splitter = BlockSplitter()
        self._live: list[str] = []
        self._group = 0

    def update(self, reply: Reply) -> None:
        """Show what has come, unless the last update was only just; call it often."""
        now = time.monotonic()
        if now < self._due:
            return
        self._take_in(reply)
        source = "".join(self._live) + self._splitter.tail
        drawn = (self._thinking(reply), disarm(source))
        if drawn != self._drawn:  # silence is what does not change the screen
            self._drawn, self._heard = drawn, now
        self._show(self._group, _join((*drawn, self._remark(reply, now))))
        self._due = time.monotonic() + PAUSE + PAUSE_PER_KILO * len(source) / 1000

    def finish(self, reply: Reply, receipt: dict[str, object]) -> None:
        """Put the whole reply into the first display, with *receipt* as its metadata."""
        text = beginning(reply.text)
        remarks = _small([left_out(reply), *ending(reply, show_footer=self._show_footer)])
        parts = (self._reasoning(reply), disarm(text), remarks)
        bundle = {"text/markdown": _join(parts), "text/plain": clean(text)}
        if self._displays or bundle["text/markdown"]:  # an error before any text needs no output
            self._publish(0, bundle, {"glm_magic": receipt})
        self._empty(range(1, len(self._displays)))

    def _take_in(self, reply: Reply) -> None:
        text = beginning(reply.settled_text)
        if not text.startswith(self._text):  # taken back: what is frozen may be wrong
            self._empty(range(1, self._group + 1))
            self._begin()
        self._live += self._splitter.feed(text[len(self._text) :])
        self._text = text
        self._freeze(reply)

    def _freeze(self, reply: Reply) -> None:
        size = GROUP_SIZE if self._group else FIRST_GROUP_SIZE
        if sum(map(len, self._live)) < max(size, len(self._text) / GROUP_COUNT):
            return
        self._show(self._group, _join((self._thinking(reply), disarm("".join(self._live)))))
        self._group += 1
        self._live = []

    def _show(self, index: int, markdown: str) -> None:
        """Show *markdown* in the display *index*, unless it is what that shows already."""
        shown = self._shown[index] if index < len(self._shown) else {"text/markdown": ""}
        # The plain text comes at the end: a front end without Markdown cannot update either.
        if shown["text/markdown"] != markdown:
            self._publish(index, {"text/markdown": markdown}, {})

    def _empty(self, indices: Iterable[int]) -> None:
        for index in indices:
            self._publish(index, {"text/markdown": "", "text/plain": ""}, {})

    def _publish(self, index: int, bundle: Bundle, metadata: dict[str, object]) -> None:
        if index < len(self._displays):
            _publish(bundle, metadata, self._displays[index], update=True)
            self._shown[index] = bundle
            return
        with stop_put_off():  # else it may be on screen and nobody knows, or the other way round
            display_id = uuid.uuid4().hex
            _publish(bundle, metadata, display_id, update=False)
            self._displays.append(display_id)
            self._shown.append(bundle)

    def _thinking(self, reply: Reply) -> str:
        """Return the end of the model's thinking, in the first group only."""
        if not (self._show_reasoning and reply.reasoning) or self._group:
            return ""
        thoughts = reply.settled_reasoning
        tail = thoughts[-THINKING_TAIL:]
        cut = "…" if len(tail) < len(thoughts) else ""
        return _folded("Thinking", cut + tail, is_open=not reply.has_text)

    def _reasoning(self, reply: Reply) -> str:
        if not (self._show_reasoning and reply.reasoning):
            return ""
        seconds = reply.elapsed if reply.thought is None else reply.thought
        thoughts = beginning(reply.reasoning)
        return _folded(f"Thought for {seconds:.0f} s", thoughts, is_open=False)

    def _remark(self, reply: Reply, now: float) -> str:
        return _small([waiting(reply, now - self._heard)])


def _folded(title: str, markdown: str, *, is_open: bool) -> str:
    state = " open" if is_open else ""
    return f"<details{state}><summary>{title}</summary>\n\n{disarm(markdown)}\n\n</details>"


def _small(remarks: Iterable[str]) -> str:
    """Return *remarks*, which may hold foreign words, as small lines of Markdown."""
    lines = [disarm(" ".join(remark.split())).strip() for remark in remarks if remark]
    return f"<sub>{'<br>'.join(lines)}</sub>" if lines else ""


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part)
