"""What the panel says while nothing comes, by a clock that stands still between two looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from glm_magic import messages
from glm_magic.config import GlmConfig
from glm_magic.conversation import Answering
from glm_magic.loop import run_sync
from glm_magic.messages import Delta, Message, Reply
from glm_magic.panel import desk
from glm_magic.state import State
from tests.clock import Clock

BEGINNINGS = [
    pytest.param(Delta(), "waiting", id="nothing"),
    pytest.param(Delta(reasoning="Let me see."), "thinking", id="thinking"),
    pytest.param(Delta(content="Some text"), "waiting", id="text"),
]


class Panel:
    """A panel on which an answer grows that somebody else has asked for."""

    def __init__(self, clock: Clock) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reply = Reply(started=clock.now)
        self.desk = desk.Desk(State(GlmConfig(model="echo")), self.sent.append)
        self._clock = clock
        self.set_busy(is_busy=True)

    def set_busy(self, *, is_busy: bool) -> None:
        """Let the answer grow, or not any more."""
        growing = (Answering(Message("user", "Hi"), self.reply, None),)
        self.desk.conversation.answering = growing if is_busy else ()

    def after(self, seconds: float, delta: Delta | None = None) -> str:
        """Return the line that is shown when *delta* comes *seconds* later."""
        self._clock.now += seconds
        if delta is not None:
            self.reply.add(delta)
        run_sync(self._look())
        statuses = [message for message in self.sent if message["op"] == "status"]
        return statuses[-1]["progress"]

    async def _look(self) -> None:
        self.desk.flush()


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    """A panel whose clock, and whose reply's, the test moves on."""
    panel = Panel(Clock(monkeypatch, messages, desk))
    yield panel
    panel.set_busy(is_busy=False)
    panel.desk.close()


@pytest.mark.parametrize(("beginning", "doing"), BEGINNINGS)
def test_seconds_are_shown_in_silence(panel: Panel, beginning: Delta, doing: str):
    """After two seconds of silence the time is shown and goes on, whatever came before."""
    assert "" == panel.after(0, beginning)
    assert ["", ""] == [panel.after(seconds) for seconds in (1, 0.9)]
    shown = [panel.after(seconds) for seconds in (0.2, 1, 1, 1)]
    assert [f"{doing} … {seconds} s" for seconds in (2, 3, 4, 5)] == shown


def test_seconds_go_away_with_the_next_word(panel: Panel):
    """A word, of thinking too, ends the silence, and the two seconds begin anew."""
    panel.after(0, Delta(reasoning="Let "))
    assert "thinking … 3 s" == panel.after(3)
    assert "" == panel.after(1, Delta(reasoning="me see."))
    assert "" == panel.after(1.9)
    assert "thinking … 6 s" == panel.after(0.2)


def test_an_old_silence_is_not_counted(panel: Panel):
    """What is continued long after the last word has its own two seconds."""
    panel.after(0, Delta(content="Some text"))
    panel.after(1000)
    panel.reply.started = panel._clock.now
    assert "" == panel.after(1.9)
    assert "waiting … 2 s" == panel.after(0.2)


def test_nothing_but_the_line_changes_in_silence(panel: Panel):
    """The seconds of an answer without thinking are no news of its items."""
    panel.after(0, Delta(content="Some text"))
    panel.sent.clear()
    panel.after(5)
    assert ["status"] == [message["op"] for message in panel.sent]


def test_thinking_says_how_long_it_takes(panel: Panel):
    """The seconds above the thinking go on with it, and stop with the first word."""
    for delta in (Delta(reasoning="Let me see."), Delta(), Delta(content="So"), Delta()):
        panel.after(3, delta)
    seconds = [
        message["item"]["thought_seconds"]
        for message in panel.sent
        if message["op"] == "patch" and message["item"].get("thought_seconds")
    ]
    assert [3, 6, 9] == seconds


def test_countdown_is_shown_until_the_next_try(panel: Panel):
    """The pause before a retry counts down on the panel and is gone when it is over."""
    panel.after(0, Delta(notice="a.b: busy; asked again"))
    for left in (2, 1):
        countdown = f"a.b: busy; asking again in {left} s"
        assert countdown == panel.after(0.5, Delta(progress=countdown))
    assert "" == panel.after(0.5, Delta())
    assert "waiting … 3 s" == panel.after(2)
