"""What a view says while nothing comes: for how long, and when it is asked again."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import pytest
from rich.console import Console

from glm_magic import messages
from glm_magic.messages import Delta, Reply
from glm_magic.providers import retry
from glm_magic.providers.base import Clocks
from glm_magic.show import console, notebook
from glm_magic.show.views import FinalView, Render, View, choose_view
from tests.clock import Clock
from tests.far_side import FarSide, Silence, Status
from tests.providers.asking import OPENAI, QUESTION

BEGINNINGS = [
    pytest.param(Delta(), "waiting", id="nothing"),
    pytest.param(Delta(reasoning="Let me see."), "thinking", id="thinking"),
    pytest.param(Delta(content="Some text"), "waiting", id="text"),
]


class Screen:
    """A view of a reply that grows, and its clock.

    *look* returns what it shows, *remarks* what it has said beside that since
    it was asked last.
    """

    def __init__(
        self, view: View, clock: Clock, look: Callable[[], str], remarks: Callable[[], str]
    ) -> None:
        self.view = view
        self.remarks = remarks
        self.reply = Reply(started=clock.now)
        self._clock = clock
        self._look = look

    def after(self, seconds: float, delta: Delta | None = None) -> str:
        """Return what is shown when *delta* comes *seconds* later."""
        self._clock.now += seconds
        if delta is not None:
            self.reply.add(delta)
        self.view.update(self.reply)
        return self._look()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the views and of the reply."""
    return Clock(monkeypatch, messages, console, notebook)


@pytest.fixture
def new_screen(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., Screen]:
    """A function that makes a screen for one way to show answers."""
    out, err = io.StringIO(), io.StringIO()
    terminal = partial(Console, file=out, force_terminal=True, width=100)
    monkeypatch.setattr("rich.console.Console", terminal)
    shown = [""]
    monkeypatch.setattr(
        notebook, "_publish", lambda data, *_, **__: shown.append(data["text/markdown"])
    )

    def make(render: Render, *, final: bool = False, **options: bool) -> Screen:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        view = choose_view(render, is_kernel=True, **options)
        look = (lambda: shown[-1]) if render == "notebook" else taker(out)
        return Screen(FinalView(view) if final else view, clock, look, taker(err))

    return make


def taker(file: io.StringIO) -> Callable[[], str]:
    """Return a function that returns what was written to *file* since it was called last."""

    def take() -> str:
        text = file.getvalue()
        file.seek(0)
        file.truncate()
        return text

    return take


@pytest.fixture(params=["notebook", "terminal"])
def screen(new_screen: Callable[..., Screen], request: pytest.FixtureRequest) -> Screen:
    """A screen that is drawn anew with each step."""
    return new_screen(request.param)


@pytest.mark.parametrize(("beginning", "doing"), BEGINNINGS)
def test_seconds_are_shown_in_silence(screen: Screen, beginning: Delta, doing: str):
    """After two seconds of silence the time is shown and goes on, whatever came before."""
    assert "…" not in screen.after(0, beginning)
    assert "…" not in screen.after(1.9)
    assert f"{doing} … 2 s" in screen.after(0.2)
    assert f"{doing} … 7 s" in screen.after(5)


def test_seconds_go_away_with_the_next_word(screen: Screen):
    """A word ends the silence, and the two seconds begin anew."""
    screen.after(0, Delta(content="Some "))
    assert "waiting … 3 s" in screen.after(3)
    assert "…" not in screen.after(1, Delta(content="words"))
    assert "…" not in screen.after(1.9)
    assert "waiting … 6 s" in screen.after(0.2)


@pytest.mark.parametrize("render", ["notebook", "terminal"])
def test_hidden_thinking_is_silence(new_screen: Callable[..., Screen], render: Render):
    """Where thinking is not shown, the seconds are, while it comes."""
    screen = new_screen(render, show_reasoning=False)
    screen.after(1.5, Delta(reasoning="Let "))
    assert "thinking … 3 s" in screen.after(1.5, Delta(reasoning="me see."))


def test_notebook_counts_no_seconds_while_thinking_comes(new_screen: Callable[..., Screen]):
    """Thinking that grows on screen is no silence."""
    screen = new_screen("notebook")
    screen.after(1.5, Delta(reasoning="Let "))
    assert "…" not in screen.after(1.5, Delta(reasoning="me see."))


@pytest.mark.parametrize("render", ["notebook", "terminal", "plain"])
def test_no_stream_shows_the_seconds_and_no_word(new_screen: Callable[..., Screen], render: Render):
    """An answer that is shown in the end only says meanwhile that it is waited for."""
    screen = new_screen(render, final=True)
    assert "" == screen.after(0, Delta(content="Some text")).strip("\x1b[?25l\n\r")
    shown = screen.after(3, Delta(content=" and more"))
    assert "waiting … 3 s" in shown + screen.remarks()
    assert "text" not in shown
    screen.reply.finish("stop")
    screen.after(1)
    assert "" == screen.remarks()


@pytest.fixture
async def refused(monkeypatch: pytest.MonkeyPatch) -> list[Delta]:
    """What comes of a question that is refused, up to where the next try is silent."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    with FarSide() as far_side:
        far_side.queue(Status(503, {"message": "busy"}), Silence())
        async with aclosing(
            OPENAI.at(far_side.url, clocks=Clocks(first_event=1)).stream(QUESTION)
        ) as deltas:
            return [await anext(deltas) for _ in range(3)]


async def test_countdown_is_shown_until_the_next_try(screen: Screen, refused: list[Delta]):
    """The pause before a retry counts down on screen and is gone when the question is sent."""
    notice, countdown, sent = refused
    assert "" == sent.notice  # so it is not the next pause
    screen.after(0, notice)
    assert "busy; asking again in 1 s" in screen.after(0.1, countdown)
    assert "asking again" not in screen.after(0.1, sent)
    assert "waiting … 3 s" in screen.after(3)


# --- plain ---------------------------------------------------------------------------------


def test_plain_view_says_a_pause_once(new_screen: Callable[..., Screen]):
    """Each pause is a line beside the text, said when it begins and not with every second."""
    screen = new_screen("plain")
    for _ in range(2):
        screen.after(0, Delta(notice="a.b: busy; asked again"))
        for seconds in (60, 59, 58):
            screen.after(0.5, Delta(progress=f"a.b: busy; asking again in {seconds} s"))
    assert ["a.b: busy; asking again in 60 s"] * 2 == screen.remarks().splitlines()


@pytest.mark.parametrize(("beginning", "doing"), BEGINNINGS[:2])
def test_plain_view_says_once_that_it_waits(
    new_screen: Callable[..., Screen],
    beginning: Delta,
    doing: str,
):
    """Two seconds without a word of the answer are a line; the next ones are none."""
    screen = new_screen("plain")
    screen.after(0, beginning)
    screen.after(1.9)
    assert "" == screen.remarks()
    screen.after(0.2)
    screen.after(5)
    assert f"{doing} … 2 s\n" == screen.remarks()


def test_plain_view_does_not_break_into_a_text(new_screen: Callable[..., Screen]):
    """Once there is text, silence is left to speak for itself: a remark would cut a line in two."""
    screen = new_screen("plain")
    assert "Some text" == screen.after(0, Delta(content="Some text"))
    assert "" == screen.after(10)
    assert "" == screen.remarks()


def test_plain_view_with_nothing_to_wait_for(new_screen: Callable[..., Screen]):
    """An answer that ends without a word is not waited for any more."""
    screen = new_screen("plain", show_footer=False)
    screen.reply.finish("error")
    screen.after(3)
    screen.view.finish(screen.reply, {})
    assert "" == screen.remarks()
