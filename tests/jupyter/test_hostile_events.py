"""Hostile answers in pieces: the page is looked at after each event, and each is drawn first."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from glm_magic.messages import Reply
from glm_magic.panel.items import Rendered
from glm_magic.show.disarm import disarm
from glm_magic.wire.answer import Answer
from tests.far_side import FarSide, Gate, Stream, openai_stream
from tests.jupyter.hostile import FAULTS, OpenNotebook, setup_cell, unusual
from tests.jupyter.lab import NotebookPage
from tests.show.viewers import commonmark, visible

#: One attack of each kind: tags, attributes, schemes, entities, addresses, code, formulas.
ATTACKS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "a <b onclick='alert(1)'>b</b>",
    '<a data-commandlinker-command="notebook:run-cell">x</a>',
    "[x](javascript:alert(1)) [x](&#106;ava&#x0A;script:alert(1))",
    "![x](http://a.example/x.png) <http://a.example/`>",
    "`<img src=x onerror=alert(1)>` `<b`",
    "```html\n<iframe src=http://a.example></iframe>\n```\nx",
    "<!-- --><meta http-equiv=refresh content='0;url=http://a.example'>",
    "- <svg/onload=alert(1)>\n- <style>@import 'http://a.example';",
]
#: What stands in the page each time it changes is looked at, also if it is soon gone.
OBSERVE = """(selector) => {
    const list = (%s);
    const look = () => window.glmFaults.push(...list([...document.querySelectorAll(selector)]));
    window.glmFaults = [];
    const seen = { childList: true, subtree: true, attributes: true, characterData: true };
    new MutationObserver(look).observe(document.body, seen);
}""".replace("%s", FAULTS)
#: Whether the last text of the page is what it should be, without blanks and joiners.
SHOWS = """([selector, text]) => {
    const node = [...document.querySelectorAll(selector)].at(-1)?.cloneNode(true);
    node?.querySelectorAll("sub, .glm-actions").forEach((each) => each.remove());
    return node?.textContent.replace(/[\\u2060\\s]/g, "") === text;
}"""
#: Whether the kernel has answered.
IDLE = """() => window.jupyterapp.shell.currentWidget
    .sessionContext.session.kernel.status === "idle" """
CELL = ".jp-Notebook .jp-RenderedMarkdown"
PANEL = ".glm-panel .glm-assistant .glm-blocks"


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """The server that holds each event back until it may come."""
    with FarSide() as server:
        yield server


def pieces(attack: str) -> list[str]:
    """Cut *attack* at every sign, and words into fours, behind a word that can be waited for."""
    return ["x\n\n", *re.findall(r"\w{1,4}|\W", attack)]


def beginnings(attack: str) -> Iterator[str]:
    """What of *attack* is to be shown after each event; a `<` waits for what it begins."""
    reply, answer = Reply(), Answer()
    for piece in pieces(attack):
        reply.add(answer.add({"content": piece}))
        yield reply.settled_text


def in_cell(text: str) -> str:
    """Return what one can read in a cell when *text* has come."""
    return visible(commonmark(disarm(text)))


def on_panel(text: str) -> str:
    """Return what one can read on the panel when *text* has come."""
    answer = Rendered()
    answer.update(text)
    return visible("".join(answer.blocks))


def held(events: list[str]) -> tuple[Stream, list[Gate]]:
    """Return a stream of *events* with a gate behind each."""
    gates = [Gate() for _ in events]
    *chunks, finish, done = openai_stream(events)
    steps = [step for pair in zip(chunks, gates, strict=True) for step in pair]
    return Stream([*steps, finish, done]), gates


def follow(page: NotebookPage, selector: str, states: list[str], gates: list[Gate]) -> None:
    """Let each event come when the page shows the state that the one before it led to."""
    for state, gate in zip(states, gates, strict=True):
        page.page.wait_for_function(SHOWS, arg=[selector, "".join(state.split())])
        gate.open()


def faults(page: NotebookPage) -> list[str]:
    """Return what has stood in the page, at any time, that no text of a model may become."""
    found: list[str] = page.page.evaluate("() => window.glmFaults")
    return found


def test_an_unsafe_event_is_noticed(open_notebook: OpenNotebook, far_side: FarSide):
    """What stands in the page between two events only is seen: here nothing is disarmed."""
    raw = "from glm_magic.show import notebook\nnotebook.disarm = str"
    page = open_notebook(setup_cell(far_side.url), raw, "%%glm --once\nattack")
    page.run(0)
    page.run(1)
    page.page.evaluate(OBSERVE, CELL)
    stream, gates = held(["`<u>x", "</u>`"])
    far_side.queue(stream)
    page.start(2)
    follow(page, CELL, ["`x", "<u>x</u>"], gates)
    assert page.page.locator(f"{CELL} u").count() == 0
    assert faults(page)[0].startswith("<u>")


def test_nothing_happens_at_any_event_in_a_cell(open_notebook: OpenNotebook, far_side: FarSide):
    """No state of a growing answer in a cell does, or holds, what it should not."""
    cells = ["%%glm --once\nattack"] * len(ATTACKS)
    page = open_notebook(setup_cell(far_side.url), *cells)
    page.run(0)
    page.page.evaluate(OBSERVE, CELL)
    for place, attack in enumerate(ATTACKS, 1):
        stream, gates = held(pieces(attack))
        far_side.queue(stream)
        page.start(place)
        follow(page, CELL, [in_cell(text) for text in beginnings(attack)], gates)
        page.page.wait_for_function(IDLE)
    assert faults(page) == []
    assert page.seen == []
    assert unusual(page) == []


def test_nothing_happens_at_any_event_on_the_panel(open_notebook: OpenNotebook, far_side: FarSide):
    """No state of a growing answer on the panel does, or holds, what it should not."""
    page = open_notebook(setup_cell(far_side.url), "%glm_chat")
    page.run(0)
    page.run(1)
    page.page.evaluate(OBSERVE, PANEL)
    box = page.page.locator(".glm-panel textarea.glm-box")
    for attack in ATTACKS:
        stream, gates = held(pieces(attack))
        far_side.queue(stream)
        box.fill("attack")
        box.press("Enter")
        follow(page, PANEL, [on_panel(text) for text in beginnings(attack)], gates)
        page.page.locator(".glm-panel:not(.glm-busy)").wait_for()
    assert faults(page) == []
    assert page.seen == []
    assert unusual(page) == []
