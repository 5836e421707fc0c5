"""Answers at 200 deltas a second in JupyterLab: a cell, the panel, and their peers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat

from tests.far_side import FarSide, Stream, openai_stream
from tests.jupyter.lab import NotebookPage, Server, find_browser, open_browser
from tests.jupyter.test_lab import LONG, pieces

PATIENCE = 20
END = "\n\nThe very end.\n"
PER_DELTA = """
import aiohttp, json
from IPython.display import display, Markdown
handle, text = display(Markdown(""), display_id=True), ""
async with aiohttp.ClientSession() as session:
    async with session.post(URL + "/chat/completions", json={"messages": []}) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
                    handle.update(Markdown(text))
"""
OUTPUT_WIDGET = """
import aiohttp, json, ipywidgets
from IPython.display import display
box, text = ipywidgets.Output(), ""
display(box)
async with aiohttp.ClientSession() as session:
    async with session.post(URL + "/chat/completions", json={"messages": []}) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
                    data = {"text/markdown": text, "text/plain": text}
                    box.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)
"""
PANEL = """
from glm_magic import ChatPanel
from IPython.display import display
panel = ChatPanel()
display(panel)
panel._desk.receive({"op": "send", "text": "go"})
"""
# The clock of the page is the clock of this machine: when the end of the text is first on screen.
WATCH = """(end) => {
    window.seenAt = null;
    window.longTasks = 0;
    new PerformanceObserver(list => {
        for (const task of list.getEntries()) window.longTasks += task.duration / 1000;
    }).observe({type: "longtask"});
    const look = () => {
        const cell = document.querySelectorAll(".jp-Cell")[1];
        const outputs = cell.querySelectorAll(".jp-OutputArea-output, .glm-assistant");
        if (window.seenAt === null && [...outputs].some(node => node.textContent.includes(end)))
            window.seenAt = Date.now() / 1000;
        if (window.seenAt === null) requestAnimationFrame(look);
    };
    look();
}"""
CELL = "%%glm\ngo"
#: What is measured: its name, the cell, and the length of the answer in kB.
RUNS = (
    ("%%glm in a cell", CELL, 2),
    ("the panel", PANEL, 2),
    ("%%glm in a cell", CELL, 20),
    ("the panel", PANEL, 20),
    ("a display, updated at each delta", PER_DELTA, 20),
    ("an ipywidgets Output, set at each delta", OUTPUT_WIDGET, 20),
    ("%%glm in a cell", CELL, 100),
    ("the panel", PANEL, 100),
)


class _Stamped(list[bytes]):
    """Chunks that note when the last of them but the finish was taken to be sent."""

    at = 0.0

    def __iter__(self) -> Iterator[bytes]:
        for place, chunk in enumerate(list.__iter__(self), 1):
            yield chunk
            if place <= len(self) - 2:
                self.at = time.time()


def rows() -> Iterator[tuple[str, ...]]:
    """Yield lag after the last delta, browser CPU and bytes over the web socket."""
    path = find_browser()
    if path is None:
        yield ("no Chromium: run `make browser`", "", "", "")
        return
    yield ("", "lag s", "browser CPU s", "web socket MB; long tasks s")
    with TemporaryDirectory() as home, FarSide() as far_side, open_browser(path) as browser:
        server = Server(Path(home))
        try:
            for name, cell, size in RUNS:
                yield (f"{size} kB, {name}", *_measure(browser, server, far_side, cell, size))
        finally:
            server.close()


def _measure(
    browser: Any, server: Server, far_side: FarSide, cell: str, size: int
) -> tuple[str, str, str]:
    setup = (
        f"URL = '{far_side.url}/v1'\n%load_ext glm_magic\n%config GlmConfig.base_url = URL\n"
        "%config GlmConfig.model = 'openai/glm-test'"
    )
    file = server.root / f"bench-{size}-{abs(hash(cell))}.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in (setup, cell)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), file)
    page = NotebookPage(browser, server.url(), file, "lab")
    try:
        page.run(0)
        chunks = _Stamped(openai_stream(pieces(_answer(size), 4)))
        far_side.queue(Stream(chunks, pace=0.005))
        devtools = page.page.context.new_cdp_session(page.page)
        devtools.send("Performance.enable")
        devtools.send("Network.enable")
        received: list[int] = []
        devtools.on(
            "Network.webSocketFrameReceived",
            lambda event: received.append(len(event["response"]["payloadData"])),
        )
        before = _cpu(devtools)
        page.page.evaluate(WATCH, END.strip())
        page.start(1)
        page.page.wait_for_function(
            "() => window.seenAt !== null", timeout=1000 * (PATIENCE + len(chunks) * 0.006)
        )
        lag = page.page.evaluate("() => window.seenAt") - chunks.at
        sent = f"{sum(received) / 1e6:.2f}; {page.page.evaluate('() => window.longTasks'):.1f}"
        return f"{lag:.2f}", f"{_cpu(devtools) - before:.1f}", sent
    except Exception as error:  # noqa: BLE001, a peer that never ends is a result too
        return (f"> {PATIENCE}", type(error).__name__, "")
    finally:
        page.close()


def _answer(size: int) -> str:
    """Return an answer of about *size* kB that ends as `LONG` does."""
    body = LONG.removesuffix(END)
    return (body * (size // 20 + 1))[: 1000 * size] + END


def _cpu(devtools: Any) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
