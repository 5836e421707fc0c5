"""What a page does, asks for and holds that it should not; for hostile answers in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.jupyter.lab import NotebookPage
from tests.show import inspector

if TYPE_CHECKING:
    from playwright.sync_api import Locator

OpenNotebook = Callable[..., NotebookPage]
ROOT = Path(__file__).parents[2]
#: Where the notebook's server keeps what JupyterLab itself asks for.
USUAL = ("/api/", "/static/", "/lab/api/", "/lab/extensions/", "/lsp/", "/kernelspecs/")
#: What may be in what was a model's text: our own elements, and those of MathJax.
ELEMENTS = f"{inspector.ELEMENTS} del sub merror"
#: What a page can do: run a script, ask for something, go somewhere, and offer a command.
DEEDS = [
    '<img src=x onerror="alert(1); window.hasRun = true">',
    '<img src="http://fetch.example/x">',
    '<iframe src="http://frame.example/"></iframe>',
    '<a data-commandlinker-command="notebook:run-cell">x</a>',
]
HAS_RUN = "() => window.hasRun"
IS_TRUSTED = "(place) => window.jupyterapp.shell.currentWidget.model.cells.get(place).trusted"
#: Lists the elements below *roots* that are not known, or that could act, link or load.
FAULTS = """(roots) => {
    const known = new Set("KNOWN".split(" "));
    const bad = /^(on.*|data-commandlinker.*|ping|srcset|background|xlink:href|autofocus)$/;
    const acts = ({ name, value }) =>
        bad.test(name) ||
        (name === "href" && !/^(https?:|mailto:|#)/i.test(value)) ||
        (name === "src" && !/^data:image\\/(png|jpeg|gif|webp);base64,/.test(value)) ||
        (name === "style" && /url|expression/i.test(value));
    return roots
        .flatMap((root) => [...root.querySelectorAll("*")])
        .filter((node) => !node.closest(".glm-actions"))
        .filter((node) => {
            const isKnown = known.has(node.localName) || node.localName.startsWith("mjx-");
            return !isKnown || [...node.attributes].some(acts);
        })
        .map((node) => node.outerHTML.slice(0, 300));
}""".replace("KNOWN", ELEMENTS)


def faults(roots: Locator) -> list[str]:
    """Return what below *roots* no text of a model may become."""
    found: list[str] = roots.evaluate_all(FAULTS)
    return found


def unusual(page: NotebookPage) -> list[str]:
    """Return the addresses asked for, after the page itself, that JupyterLab never asks for."""
    here = urlsplit(page.page.url).netloc
    parts = [(url, urlsplit(url)) for url in page.requests[1:]]
    return [
        url
        for url, part in parts
        if part.netloc not in (here, "") or (part.netloc and not part.path.startswith(USUAL))
    ]


def setup_cell(url: str = "http://127.0.0.1:9") -> str:
    """The cell that loads the extension, names the server at *url*, and can import the tests."""
    return (
        "%load_ext glm_magic\n"
        f"%config GlmConfig.base_url = '{url}/v1'\n"
        "%config GlmConfig.model = 'openai/glm-test'\n"
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from itertools import count; numbers = count()\n"
        "from tests.jupyter import attacks"
    )
