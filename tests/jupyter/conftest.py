"""Real kernels, terminals and browsers, each ended with the test that asked for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.jupyter import lab
from tests.jupyter.kernel import Kernel
from tests.jupyter.terminal import Terminal

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def kernel_env() -> dict[str, str]:
    """What a kernel or terminal gets into its environment; override it in a module or a test."""
    return {}


@pytest.fixture
def kernel(tmp_path: Path, kernel_env: dict[str, str]) -> Iterator[Kernel]:
    """A fresh ipykernel."""
    kernel = Kernel(tmp_path, kernel_env)
    yield kernel
    kernel.close()


@pytest.fixture
def terminal(tmp_path: Path, kernel_env: dict[str, str]) -> Iterator[Terminal]:
    """A fresh terminal IPython at its first prompt."""
    terminal = Terminal(tmp_path, kernel_env)
    try:
        terminal.expect("In [1]: ")
        yield terminal
    finally:
        terminal.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Server]:
    """One Jupyter server for all tests."""
    server = lab.Server(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.close()


# Not for the session: while Playwright is open its loop counts as running in this
# thread, and asynchronous tests cannot have one of their own. So no test module
# has both pages and `async def` tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the tests of a module; without one they fail in CI."""
    path = lab.find_browser()
    if path is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("no Chromium: run `make browser`")
    with lab.open_browser(path) as browser:
        yield browser


OpenNotebook = Callable[..., lab.NotebookPage]


@pytest.fixture
def open_notebook(server: lab.Server, browser: Browser, tmp_path: Path) -> Iterator[OpenNotebook]:
    """A function that opens code cells, or a notebook, in the browser.

    `open_notebook("print(1)", "print(2)")`, `open_notebook(notebook)`; the
    keyword *face* chooses between `lab` (the default) and `notebook`.
    """
    numbers = count(1)

    def open_(*cells: str | nbformat.NotebookNode, face: lab.Face = "lab") -> lab.NotebookPage:
        file = server.root / f"{tmp_path.name}-{next(numbers)}.ipynb"
        nbformat.write(_notebook(*cells), file)
        page = lab.NotebookPage(browser, server.url(), file, face)
        opened.callback(page.close)
        return page

    with ExitStack() as opened:
        yield open_


def _notebook(*cells: str | nbformat.NotebookNode) -> nbformat.NotebookNode:
    if isinstance(cells[0], nbformat.NotebookNode):
        return cells[0]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    return nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": spec})
