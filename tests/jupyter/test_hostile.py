"""Hostile answers in real JupyterLab, in a cell and on the panel, and exported: nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbconvert import HTMLExporter

from glm_magic.show.disarm import disarm
from tests.far_side import FarSide, Stream, openai_stream
from tests.jupyter.attacks import END, NAUGHTY, PAYLOADS, WRAPPERS, rounds
from tests.jupyter.hostile import (
    DEEDS,
    HAS_RUN,
    IS_TRUSTED,
    OpenNotebook,
    faults,
    setup_cell,
    unusual,
)
from tests.jupyter.lab import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

#: What may not be in anything that was a model's text.
ACTORS = (
    "script, style, iframe, object, embed, form, link, base, meta, [data-commandlinker-command]"
)
#: Deltas of this many characters: most payloads are cut somewhere in the middle on their way.
SIZE = 37
#: Payloads in one answer; each stands bare, and in one of the wrappers.
BATCH = 150
EXPORT = "http://localhost/export.html"
SCROLL = """(index) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = index;
    return content.scrollToItem(index, "start");
}"""


def answers() -> list[str]:
    """All payloads, bare and in one wrapper each, and the naughty strings, as long answers."""
    texts = [
        f"{payload}\n\n{WRAPPERS[place % len(WRAPPERS)].replace('{P}', payload)}"
        for place, payload in enumerate(PAYLOADS)
    ]
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    return ["\n\n".join([*batch, END]) for batch in [*batches, NAUGHTY]]


def outputs() -> Iterator[str]:
    """What a cell shows of each payload in every wrapper, of its first part, and of the strings.

    Each was an answer of its own, so that none hides another in a code block.
    """
    return map(joined, rounds())


def joined(texts: Iterable[str]) -> str:
    """The outputs of answers, one below the other."""
    return "\n\n".join(map(disarm, texts))


def notebook(shown: Iterable[str]) -> nbformat.NotebookNode:
    """A notebook, as it was saved, with a cell for each of what is *shown*, and one for `END`."""
    cells = []
    for markdown in [*shown, END]:
        data = {"text/markdown": markdown, "text/plain": markdown}
        output = nbformat.v4.new_output("display_data", data=data)
        cells.append(nbformat.v4.new_code_cell("%glm attack", outputs=[output]))
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})


@pytest.fixture(scope="module")
def saved() -> nbformat.NotebookNode:
    """The whole corpus in every wrapper as a notebook that somebody sends."""
    return notebook(outputs())


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """One OpenAI-compatible server for all pages."""
    with FarSide() as server:
        yield server


def attack(far_side: FarSide, text: str) -> None:
    """Queue *text* as a quick stream of small deltas."""
    pieces = [text[i : i + SIZE] for i in range(0, len(text), SIZE)]
    far_side.queue(Stream(openai_stream(pieces), pace=0.002))


def test_nothing_happens_in_a_cell(open_notebook: OpenNotebook, far_side: FarSide):
    """The whole corpus in the output of cells just run, and in the same notebook opened again."""
    texts = answers()
    cells = [f"%%glm --once\nattack {number}" for number in range(len(texts))]
    page = open_notebook(setup_cell(far_side.url), *cells)
    page.run(0)
    for number, text in enumerate(texts, 1):
        attack(far_side, text)
        page.run(number)
        page.wait_for(END, number)
    assert page.seen == []
    assert page.foreign == []
    assert unusual(page) == []
    again = open_notebook(page.save())
    again.wait_for(END, len(texts))
    assert faults(again.page.locator(".jp-RenderedMarkdown")) == []
    again.screenshot("hostile-reopened")
    assert again.seen == []
    assert again.foreign == []
    assert unusual(again) == []


def test_nothing_happens_on_the_panel(open_notebook: OpenNotebook, far_side: FarSide):
    """The whole corpus on the panel, patch by patch."""
    page = open_notebook(setup_cell(far_side.url), "%glm_chat")
    page.run(0)
    page.run(1)
    panel = page.page.locator(".glm-panel")
    for text in answers():
        attack(far_side, text)
        panel.locator("textarea.glm-box").fill("attack")
        panel.locator("textarea.glm-box").press("Enter")
        panel.locator(".glm-assistant", has_text=END).last.wait_for()
        page.page.locator(".glm-panel:not(.glm-busy)").wait_for()
    page.screenshot("hostile-panel")
    tags = panel.locator(".glm-blocks").evaluate_all(
        "nodes => nodes.flatMap(node => [...node.querySelectorAll('*')].map(e => e.localName))"
    )
    assert set(tags) & {"script", "style", "iframe", "object", "embed", "form", "link"} == set()
    assert panel.locator(".glm-blocks img[src^=http]").count() == 0
    assert page.seen == []
    assert page.foreign == []
    assert unusual(page) == []


def test_an_unsafe_notebook_is_noticed(open_notebook: OpenNotebook):
    """In a notebook that is opened, JupyterLab itself stops all but the fetching, which is seen."""
    page = open_notebook(notebook(DEEDS))
    page.wait_for(END, len(DEEDS))
    page.page.wait_for_load_state("networkidle")
    assert "http://fetch.example/x" in page.foreign
    assert faults(page.page.locator(".jp-RenderedMarkdown")) != []


def test_nothing_happens_in_a_notebook_that_is_opened(
    open_notebook: OpenNotebook, saved: nbformat.NotebookNode
):
    """The whole corpus in every wrapper, cut and whole, in a notebook nobody here has run."""
    page = open_notebook(saved)
    shown = page.page.locator(".jp-RenderedMarkdown")
    for place in range(len(saved.cells)):
        page.page.evaluate(SCROLL, place)
        shown.nth(0).wait_for()
        page.page.locator(f"[data-windowed-list-index='{place}'] .jp-RenderedMarkdown").wait_for()
        assert shown.locator(ACTORS).count() == 0
        assert faults(shown) == []
        assert not page.page.evaluate(IS_TRUSTED, place)
    assert page.seen == []
    assert page.foreign == []
    assert unusual(page) == []


def opened(browser: Browser, book: nbformat.NotebookNode) -> tuple[Page, list[str], list[str]]:
    """Open *book* as nbconvert exports it; return its page, what it did and what it asked for."""
    html, _ = HTMLExporter().from_notebook_node(book)
    asked: list[str] = []

    def serve(route: Route) -> None:
        if route.request.url == EXPORT:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            asked.append(route.request.url)
            route.abort()

    page = browser.new_page()
    page.route("**/*", serve)
    seen = watch(page)
    page.goto(EXPORT)
    page.get_by_text(END).first.wait_for()
    page.wait_for_load_state("networkidle")
    return page, seen, asked


def test_an_unsafe_export_is_noticed(browser: Browser):
    """In an export, what is not disarmed runs, loads and navigates, and each is seen."""
    page, seen, asked = opened(browser, notebook(DEEDS))
    page.wait_for_function(HAS_RUN)
    assert {"http://fetch.example/x", "http://frame.example/"} <= set(asked)
    assert "dialog 1" in seen
    assert len(faults(page.locator(".jp-RenderedMarkdown"))) == len(DEEDS)
    page.close()


def test_nothing_happens_in_an_export(browser: Browser, saved: nbformat.NotebookNode):
    """The same notebook as HTML asks for nothing that a harmless one does not ask for."""
    harmless, opening, usual = opened(browser, notebook([]))
    harmless.close()
    page, seen, asked = opened(browser, saved)
    assert seen == opening
    assert sorted(asked) == sorted(usual)
    assert page.locator(f":is(.jp-RenderedMarkdown, .jp-RenderedText) :is({ACTORS})").count() == 0
    assert faults(page.locator(".jp-RenderedMarkdown, .jp-RenderedText")) == []
    page.close()
