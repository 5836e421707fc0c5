"""Which view a reply gets: the notebook's, the terminal's, or plain text."""

from __future__ import annotations

import sys
from typing import Literal, Protocol

from ..config import environment
from ..messages import Reply

Render = Literal["auto", "notebook", "terminal", "plain"]


class View(Protocol):
    """What shows one growing reply."""

    def update(self, reply: Reply) -> None:
        """Show what has come; called with every batch of deltas and every tenth of a second."""

    def finish(self, reply: Reply, receipt: dict[str, object]) -> None:
        """Show the whole reply; *receipt* goes into the notebook's metadata."""


class SilentView:
    """Shows nothing: for `-q`."""

    def update(self, reply: Reply) -> None:
        """Show nothing."""

    def finish(self, reply: Reply, receipt: dict[str, object]) -> None:
        """Show nothing."""


class FinalView:
    """Shows a reply only when it is done: for `--no-stream`.

    Until then it shows that, and for how long, the reply is waited for.
    """

    def __init__(self, view: View) -> None:
        self._view = view

    def update(self, reply: Reply) -> None:
        """Show no word yet."""
        if not reply.done:
            wordless = Reply(notices=reply.notices, progress=reply.progress, started=reply.started)
            self._view.update(wordless)

    def finish(self, reply: Reply, receipt: dict[str, object]) -> None:
        """Show the whole reply."""
        self._view.finish(reply, receipt)


def choose_view(
    render: Render, *, is_kernel: bool, show_reasoning: bool = True, show_footer: bool = True
) -> View:
    """Return a new view: *render* if it names one, else what fits a kernel or a terminal."""
    if render == "auto":
        render = "notebook" if is_kernel else "terminal" if _is_terminal() else "plain"
    if render == "notebook":
        from .notebook import NotebookView

        return NotebookView(show_reasoning=show_reasoning, show_footer=show_footer)
    from .console import PlainView, TerminalView

    if render == "terminal":
        return TerminalView(show_reasoning=show_reasoning, show_footer=show_footer)
    return PlainView(show_footer=show_footer)


def _is_terminal() -> bool:
    out = sys.stdout  # None in a process that was started without one
    return out is not None and out.isatty() and environment("TERM") != "dumb"
