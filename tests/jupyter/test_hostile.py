"""Hostile answers in real JupyterLab, in a cell and on the panel, and exported: nothing runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbconvert import HTMLExporter

from glm_magic.show.disarm import disarm
from tests.far_side import FarSide, Stream, openai_stream
from tests.jupyter.lab import NotebookPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

DATA = Path(__file__).parents[1] / "data"
CORPUS = json.loads((DATA / "xss_payloads.json").read_text(encoding="utf-8"))
PAYLOADS = [payload["p"] for payload in CORPUS["payloads"]]
WRAPPERS = [*CORPUS["markdown_wrappers"], *CORPUS["markdown_code_wrappers"]]
NAUGHTY = json.loads((DATA / "blns.json").read_text(encoding="utf-8"))
#: What may not be in anything that was a model's text.
ACTORS = (
    "script, style, iframe, object, embed, form, link, base, meta, [data-commandlinker-command]"
)
#: Deltas of this many characters: most payloads are cut somewhere in the middle on their way.
SIZE = 37
#: Payloads in one answer; each stands bare, and in one of the wrappers.
BATCH = 150
END = "The end of the attack."
EXPORT = "http://localhost/export.html"
SCROLL = """(index) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = index;
    return content.scrollToItem(index, "start");
}"""

OpenNotebook = Callable[..., NotebookPage]


def answers() -> list[str]:
    """All payloads, bare and in one wrapper each, and the naughty strings, as long answers."""
    texts = [
        f"{payload}\n\n{WRAPPERS[place % len(WRAPPERS)].replace('{P}', payload)}"
        for place, payload in enumerate(PAYLOADS)
    ]
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    return ["\n\n".join([*batch, END]) for batch in [*batches, NAUGHTY]]


def outputs() -> Iterator[str]:
    """What a cell shows of each payload in every wrapper, of its first half, and of the strings.

    Each was an answer of its own, so that none hides another in a code block.
    """
    for wrapper in ["{P}", *WRAPPERS]:
        yield joined(wrapper.replace("{P}", payload) for payload in PAYLOADS)
    yield joined(payload[: len(payload) * 2 // 3] for payload in PAYLOADS)
    yield joined(NAUGHTY)


def joined(texts: Iterable[str]) -> str:
    """The outputs of answers, one below the other."""
    return "\n\n".join(map(disarm, texts))


def notebook(shown: Iterable[str]) -> nbformat.NotebookNode:
    """A notebook, as it was saved, with a cell for each of what is *shown*."""
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


def watch(page: Page) -> list[str]:
    """Return the list that every dialog, navigation and new window of *page* will be noted in."""
    seen: list[str] = []

    def refuse(dialog: object) -> None:
        seen.append(f"dialog {dialog.message}")  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", refuse)
    page.on("popup", lambda popup: seen.append(f"window {popup.url}"))
    page.on("framenavigated", lambda frame: seen.append(f"navigation {frame.url}"))
    return seen


def setup_cell(far_side: FarSide) -> str:
    """The cell that loads the extension and names the server."""
    return (
        "%load_ext glm_magic\n"
        f"%config GlmConfig.base_url = '{far_side.url}/v1'\n"
        "%config GlmConfig.model = 'openai/glm-test'"
    )


def attack(far_side: FarSide, text: str) -> None:
    """Queue *text* as a quick stream of small deltas."""
    pieces = [text[i : i + SIZE] for i in range(0, len(text), SIZE)]
    far_side.queue(Stream(openai_stream(pieces), pace=0.002))


def test_nothing_happens_in_a_cell(open_notebook: OpenNotebook, far_side: FarSide):
    """The whole corpus in the output of cells just run, and in the same notebook opened again."""
    texts = answers()
    cells = [f"%%glm --once\nattack {number}" for number in range(len(texts))]
    page = open_notebook(setup_cell(far_side), *cells)
    seen = watch(page.page)
    page.run(0)
    for number, text in enumerate(texts, 1):
        attack(far_side, text)
        page.run(number)
        page.wait_for(END, number)
    assert seen == []
    assert page.foreign == []
    again = open_notebook(page.save())
    seen = watch(again.page)
    again.wait_for(END, len(texts))
    again.screenshot("hostile-reopened")
    assert seen == []
    assert again.foreign == []


def test_nothing_happens_on_the_panel(open_notebook: OpenNotebook, far_side: FarSide):
    """The whole corpus on the panel, patch by patch."""
    page = open_notebook(setup_cell(far_side), "%glm_chat")
    page.run(0)
    page.run(1)
    seen = watch(page.page)
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
    assert seen == []
    assert page.foreign == []


def test_nothing_happens_in_a_notebook_that_is_opened(
    open_notebook: OpenNotebook, saved: nbformat.NotebookNode
):
    """The whole corpus in every wrapper, cut and whole, in a notebook nobody here has run."""
    page = open_notebook(saved)
    seen = watch(page.page)
    shown = page.page.locator(".jp-RenderedMarkdown")
    for place in range(len(saved.cells)):
        page.page.evaluate(SCROLL, place)
        shown.nth(0).wait_for()
        page.page.locator(f"[data-windowed-list-index='{place}'] .jp-RenderedMarkdown").wait_for()
        assert shown.locator(ACTORS).count() == 0
    assert seen == []
    assert page.foreign == []


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
    page.goto(EXPORT)
    seen = watch(page)
    page.get_by_text(END).first.wait_for()
    page.wait_for_load_state("networkidle")
    return page, seen, asked


def test_nothing_happens_in_an_export(browser: Browser, saved: nbformat.NotebookNode):
    """The same notebook as HTML asks for nothing that a harmless one does not ask for."""
    harmless, _, usual = opened(browser, notebook([]))
    harmless.close()
    page, seen, asked = opened(browser, saved)
    assert seen == []
    assert sorted(asked) == sorted(usual)
    assert page.locator(f":is(.jp-RenderedMarkdown, .jp-RenderedText) :is({ACTORS})").count() == 0
    page.close()
