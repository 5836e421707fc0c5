"""Hostile answers in real JupyterLab, in a cell and on the panel: nothing runs or loads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.far_side import FarSide, Stream, openai_stream
from tests.jupyter.lab import NotebookPage

DATA = Path(__file__).parents[1] / "data" / "xss_payloads.json"
#: Deltas of this many characters: most payloads are cut somewhere in the middle on their way.
SIZE = 37
#: Payloads in one answer; each stands bare, and in one of the wrappers.
BATCH = 150
END = "The end of the attack."

OpenNotebook = Callable[..., NotebookPage]


def answers() -> list[str]:
    """All payloads, bare and wrapped, as a few long answers."""
    corpus = json.loads(DATA.read_text(encoding="utf-8"))
    payloads = [payload["p"] for payload in corpus["payloads"]]
    wrappers = [*corpus["markdown_wrappers"], *corpus["markdown_code_wrappers"]]
    texts = [
        f"{payload}\n\n{wrappers[place % len(wrappers)].replace('{P}', payload)}"
        for place, payload in enumerate(payloads)
    ]
    return ["\n\n".join([*texts[i : i + BATCH], END]) for i in range(0, len(texts), BATCH)]


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """One OpenAI-compatible server for all pages."""
    with FarSide() as server:
        yield server


def watch(page: NotebookPage) -> list[str]:
    """Return the list that every dialog, navigation and new window of *page* will be noted in."""
    seen: list[str] = []

    def refuse(dialog: object) -> None:
        seen.append(f"dialog {dialog.message}")  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.page.on("dialog", refuse)
    page.page.on("popup", lambda popup: seen.append(f"window {popup.url}"))
    page.page.on("framenavigated", lambda frame: seen.append(f"navigation {frame.url}"))
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
    seen = watch(page)
    page.run(0)
    for number, text in enumerate(texts, 1):
        attack(far_side, text)
        page.run(number)
        page.wait_for(END, number)
    assert seen == []
    assert page.foreign == []
    again = open_notebook(page.save())
    seen = watch(again)
    again.wait_for(END, len(texts))
    again.screenshot("hostile-reopened")
    assert seen == []
    assert again.foreign == []


def test_nothing_happens_on_the_panel(open_notebook: OpenNotebook, far_side: FarSide):
    """The whole corpus on the panel, patch by patch."""
    page = open_notebook(setup_cell(far_side), "%glm_chat")
    page.run(0)
    page.run(1)
    seen = watch(page)
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
