"""Every payload in every wrapper, each an answer of its own, in a cell and on the panel."""

from __future__ import annotations

import pytest

from tests.jupyter import attacks
from tests.jupyter.hostile import (
    DEEDS,
    HAS_RUN,
    IS_TRUSTED,
    OpenNotebook,
    faults,
    setup_cell,
    unusual,
)

#: Shows its text as it is, as what is not disarmed would be shown.
RAW = "from IPython.display import Markdown\nfor text in {!r}:\n    display(Markdown(text))"
PANEL = "from glm_magic import ChatPanel\npanel = ChatPanel()\npanel"
#: Has the panel insert what a model says as it is.
UNSAFE = """
from functools import partial
attacks.rounds = lambda: [{!r}]
attacks.Rendered = partial(attacks.Rendered, str)
attacks.on_panel(panel, 0)
"""


def test_an_unsafe_cell_is_noticed(open_notebook: OpenNotebook):
    """In a cell just run, what is not disarmed runs, loads and navigates, and each is seen."""
    page = open_notebook(RAW.format(DEEDS))
    page.run(0)
    page.page.wait_for_function(HAS_RUN)
    page.page.wait_for_function("() => document.querySelectorAll('iframe').length")
    assert {"dialog 1"} <= set(page.seen)
    assert {"http://fetch.example/x", "http://frame.example/"} <= set(page.foreign)
    assert {*page.foreign} < {*unusual(page)}
    assert len(faults(page.page.locator(".jp-RenderedMarkdown"))) == len(DEEDS)


@pytest.mark.timeout(400)  # 11,000 answers, and others may be at work
def test_nothing_happens_in_a_cell(open_notebook: OpenNotebook):
    """The whole corpus in every wrapper, in the output of a cell that was just run."""
    page = open_notebook(setup_cell(), "attacks.in_cell(next(numbers))")
    page.run(0)
    shown = page.output(1).locator(".jp-RenderedMarkdown")
    for number, texts in enumerate(attacks.runs()):
        page.run(1)
        page.wait_for(f"{attacks.END} {number}", 1)
        assert shown.count() == len(texts) + 1
        assert faults(shown) == []
    assert page.page.evaluate(IS_TRUSTED, 1)
    assert page.seen == []
    assert unusual(page) == []


def test_an_unsafe_panel_is_noticed(open_notebook: OpenNotebook):
    """On a panel whose renderer lets everything through, a payload runs and is seen."""
    page = open_notebook(setup_cell(), PANEL, UNSAFE.format(DEEDS))
    page.run(0)
    page.run(1)
    page.page.locator(".glm-panel textarea.glm-box").wait_for()
    page.run(2)
    page.page.wait_for_function(HAS_RUN)
    page.page.locator(".glm-block", has_text=attacks.END).wait_for(state="attached")
    assert "dialog 1" in page.seen
    assert "http://fetch.example/x" in page.foreign
    assert len(faults(page.page.locator(".glm-blocks"))) == len(DEEDS)


def test_nothing_happens_on_the_panel(open_notebook: OpenNotebook):
    """The whole corpus in every wrapper on the panel."""
    page = open_notebook(setup_cell(), PANEL, "attacks.on_panel(panel, next(numbers))")
    page.run(0)
    page.run(1)
    page.page.locator(".glm-panel textarea.glm-box").wait_for()
    shown = page.page.locator(".glm-panel .glm-blocks")
    for number in range(len(attacks.rounds())):
        page.run(2)
        shown.locator(".glm-block", has_text=f"{attacks.END} {number}").wait_for()
        assert shown.locator(".glm-block").count() == len(attacks.blocks(number))
        assert faults(shown) == []
    assert page.seen == []
    assert unusual(page) == []
