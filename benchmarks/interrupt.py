"""Interrupt: how long Stop takes in a real kernel, to the prompt and to the closed connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.tables import Cell, Goal, Table
from tests.far_side import FarSide, Gate, Recorded, Silence, Status, Stream, openai_stream
from tests.jupyter import kernel as kernels
from tests.jupyter.cells import markdown
from tests.jupyter.kernel import Kernel
from tests.scenarios.test_interrupts import STRIKE

ASK = "%glm --once go"
TRIALS = {"mid-stream": 100}
FEWER = 20
#: The most that may be, in milliseconds: medians in mid-stream, and the worst anywhere.
PROMPT, CLOSED, WORST = 20.0, 10.0, 1000.0


class Stop(NamedTuple):
    """One trial: milliseconds from SIGINT to the prompt, and to the end of the connection."""

    prompt: float
    closed: float | None = None


def tables(_url: str, _rounds: int) -> Iterator[Table]:
    """Yield the times of each phase that an answer can be stopped in."""
    with FarSide() as far_side, TemporaryDirectory() as home:
        kernel = Kernel(Path(home), {"GLM_BASE_URL": far_side.url, "GLM_MODEL": "openai/glm-test"})
        try:
            kernel.run("%load_ext glm_magic")
            kernel.run(ASK)
            stops = {name: _stops(name, kernel, far_side) for name in PHASES}
        finally:
            kernel.close()
    columns = ("stopped", "trials", "median ms", "9 of 10 ms", "worst ms", "closed, median ms")
    rows = [(name, *_figures(found)) for name, found in stops.items()]
    prompt, closed = _figures(stops["mid-stream"])[1], _figures(stops["mid-stream"])[4]
    worst = max(stop.prompt for found in stops.values() for stop in found)
    goals = [
        Goal("mid-stream, median ms to the prompt", float(prompt or 0), PROMPT),
        Goal("mid-stream, median ms to the closed connection", float(closed or 0), CLOSED),
        Goal("worst of all, ms to the prompt", worst, WORST),
    ]
    yield Table("From SIGINT to the prompt", columns, rows, goals)


def _stops(name: str, kernel: Kernel, far_side: FarSide) -> list[Stop]:
    return [PHASES[name](kernel, far_side) for _ in range(TRIALS.get(name, FEWER))]


def _figures(stops: Sequence[Stop]) -> tuple[Cell, ...]:
    times = sorted(stop.prompt for stop in stops)
    closed = [stop.closed for stop in stops if stop.closed is not None]
    ninth = times[len(times) * 9 // 10]
    return len(times), median(times), ninth, times[-1], median(closed) if closed else None


# --- the phases ----------------------------------------------------------------------------


def connecting(kernel: Kernel, far_side: FarSide) -> Stop:
    """Stop while a TLS handshake waits for its answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = f"https://127.0.0.1:{server.getsockname()[1]}"
        kernel.run(f"%config GlmConfig.base_url = {silent!r}")
        cell = kernel.start(ASK)
        there, _ = server.accept()
        with there:
            there.recv(4096)
            stop = _stopped(kernel, cell)
    kernel.run(f"%config GlmConfig.base_url = {far_side.url!r}")
    return stop


def waiting_for_headers(kernel: Kernel, far_side: FarSide) -> Stop:
    """Stop while the far side says nothing."""
    far_side.queue(Silence())
    before = len(far_side.requests)
    cell = kernel.start(ASK)
    return _stopped(kernel, cell, far_side.received(before + 1)[-1])


def in_mid_stream(kernel: Kernel, far_side: FarSide) -> Stop:
    """Stop between two deltas."""
    *start, _, _ = openai_stream("some text")
    far_side.queue(Stream([*start, Gate()]))
    cell = kernel.start(ASK)
    kernel.until(lambda: "text" in markdown(cell))
    return _stopped(kernel, cell, far_side.requests[-1])


def before_a_retry(kernel: Kernel, far_side: FarSide) -> Stop:
    """Stop in the pause that the far side asked for."""
    far_side.queue(Status(503, {"message": "busy"}, headers={"Retry-After": "50"}))
    cell = kernel.start(ASK)
    kernel.until(lambda: "asking again in" in markdown(cell))
    return _stopped(kernel, cell)


def rendering(kernel: Kernel, far_side: FarSide) -> Stop:
    """Stop while a drawing is on its way to the front end; the kernel itself says when."""
    *start, _, _ = openai_stream("some text")
    far_side.queue(Stream([*start, Gate()]))
    kernel.run(f"is_it = lambda content: 'text' in str(content['data'])\n{STRIKE}")
    cell = kernel.wait(kernel.start(ASK))
    said = kernel.run("print(struck[0])\nget_ipython().display_pub.unregister_hook(strike)").stream
    return Stop(_since(float(said), cell))


PHASES: dict[str, Callable[[Kernel, FarSide], Stop]] = {
    "connecting": connecting,
    "waiting for headers": waiting_for_headers,
    "mid-stream": in_mid_stream,
    "before a retry": before_a_retry,
    "rendering": rendering,
}


def _stopped(kernel: Kernel, cell: kernels.Cell, asked: Recorded | None = None) -> Stop:
    began = time.monotonic()
    kernel.interrupt()
    prompt = _since(began, kernel.wait(cell))
    if asked is None:
        return Stop(prompt)
    asked.closed()
    return Stop(prompt, None if asked.closed_at is None else 1000 * (asked.closed_at - began))


def _since(began: float, cell: kernels.Cell) -> float:
    ended = next(m.at for m in reversed(cell.messages) if m.type == "status")
    return 1000 * (ended - began)
