"""JupyterLab in a browser, and what a cell costs there: kernel, web socket, browser, reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import psutil

from benchmarks.answers import Answer
from tests.jupyter.lab import NotebookPage, Server, find_browser, open_browser

SETUP = """%load_ext glm_magic
URL = {url!r}
%config GlmConfig.base_url = URL
%config GlmConfig.model = 'openai/bench'"""
#: Looks into the output of the second cell with each frame, from so many milliseconds on, until it
#: is done. The clock of the page is the clock of this machine: the stamps are the server's.
WATCH = """([wait, stamps]) => {
    window.seen = new Map();
    window.longTasks = 0;
    window.isDone = false;
    new PerformanceObserver(list => {
        for (const task of list.getEntries()) window.longTasks += task.duration / 1000;
    }).observe({type: "longtask"});
    const look = () => {
        const cell = document.querySelectorAll(".jp-Cell")[1];
        const outputs = cell.querySelectorAll(".jp-OutputArea-output, .glm-assistant");
        const text = [...outputs].map(node => node.textContent).join(" ");
        for (const [stamp] of text.matchAll(/\\d{16}/g))
            if (!window.seen.has(stamp)) window.seen.set(stamp, Date.now() / 1e3 - stamp / 1e6);
        window.isDone = window.seen.size >= stamps;
        if (!window.isDone) requestAnimationFrame(look);
    };
    setTimeout(look, wait);
}"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What showing one answer took, in seconds, and in bytes of the web socket.

    *delays* are of the stamps in it, *first* that of the first one.

    *thread* and *process* are the CPU of the page's main thread and of its
    process, *tasks* the wall time of the main thread's tasks, *long_tasks* of
    those over 50 ms.
    """

    kernel: float
    thread: float
    process: float
    tasks: float
    long_tasks: float
    socket: float
    first: float
    delays: list[float]


class Lab:
    """A Jupyter server and a browser."""

    def __init__(self, browser: Any, server: Server) -> None:
        self._browser = browser
        self._server = server
        self._numbers = count(1)

    def measure(self, cell: str, url: str, answer: Answer, *, patience: float) -> Cost:
        """Run *cell*, which asks for *answer*, until its last stamp is on the screen.

        Raises an error of Playwright's when it is not there *patience* seconds after its time.
        """
        page = self._open(SETUP.format(url=url + answer.path), cell)
        try:
            page.run(0)
            devtools = page.page.context.new_cdp_session(page.page)
            for domain in ("Performance", "Network"):
                devtools.send(f"{domain}.enable")
            received: list[float] = []
            devtools.on("Network.webSocketFrameReceived", lambda said: received.append(_size(said)))
            seconds = answer.events / answer.rate
            stamps = 1 if answer.size else answer.events
            # Looking costs too: at the end of a text it begins a second before the time.
            wait = 1000 * max(0.0, seconds - 1) if answer.size else 0
            page.page.evaluate(WATCH, [wait, stamps])
            before, kernel = _metrics(devtools), self._kernel_seconds()
            page.start(1)
            timeout = 1000 * (seconds + patience)
            page.page.wait_for_function("() => window.isDone", timeout=timeout)
            after = _metrics(devtools)
            delays = page.page.evaluate("() => [...window.seen.values()]")
            return Cost(
                kernel=self._kernel_seconds() - kernel,
                thread=after["ThreadTime"] - before["ThreadTime"],
                process=after["ProcessTime"] - before["ProcessTime"],
                tasks=after["TaskDuration"] - before["TaskDuration"],
                long_tasks=page.page.evaluate("() => window.longTasks"),
                socket=sum(received),
                first=delays[0],
                delays=sorted(delays),
            )
        finally:
            page.close()

    def _open(self, *sources: str) -> NotebookPage:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        file = self._server.root / f"bench-{next(self._numbers)}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), file)
        return NotebookPage(self._browser, self._server.url(), file, "lab")

    def _kernel_seconds(self) -> float:
        processes = psutil.Process().children(recursive=True)
        kernels = [each for each in processes if "ipykernel_launcher" in " ".join(each.cmdline())]
        times = [each.cpu_times() for each in kernels]
        return sum(each.user + each.system for each in times)


@contextmanager
def opened() -> Iterator[Lab | None]:
    """Give JupyterLab in a browser; None when there is no Chromium."""
    path = find_browser()
    if path is None:
        yield None
        return
    with TemporaryDirectory() as home, open_browser(path) as browser:
        server = Server(Path(home))
        try:
            yield Lab(browser, server)
        finally:
            server.close()


def _size(said: Any) -> float:
    """Return the bytes of a frame; a binary one is told in base64."""
    response = said["response"]
    return len(response["payloadData"]) * (0.75 if response["opcode"] == 2 else 1)  # noqa: PLR2004


def _metrics(devtools: Any) -> dict[str, float]:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}
