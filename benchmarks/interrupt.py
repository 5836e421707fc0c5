"""Interrupt: how long Stop takes in a real kernel, to the prompt and to the closed connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.tables import Cell, Goal, Table
from tests.far_side import FarSide, Gate, Stream, openai_stream
from tests.jupyter.kernel import Kernel

TRIALS = 100
#: What is waited for, and the most that its median may be, in milliseconds.
GOALS = {"to the prompt": 20.0, "to the closed connection": 10.0}


def tables(_url: str, _rounds: int) -> Iterator[Table]:
    """Yield median and worst time from SIGINT, in milliseconds."""
    with FarSide() as far_side, TemporaryDirectory() as home:
        kernel = Kernel(Path(home), {"GLM_BASE_URL": far_side.url, "GLM_MODEL": "openai/glm-test"})
        try:
            kernel.run("%load_ext glm_magic")
            trials = [_trial(kernel, far_side) for _ in range(TRIALS)]
        finally:
            kernel.close()
    rows: list[tuple[Cell, ...]] = []
    goals = []
    for (name, limit), column in zip(GOALS.items(), zip(*trials, strict=True), strict=True):
        times = sorted(1000 * seconds for seconds in column)
        rows.append((name, median(times), times[TRIALS * 9 // 10], times[-1]))
        goals.append(Goal(f"median ms {name}", median(times), limit))
    columns = ("from SIGINT", "median ms", "9 of 10 ms", "worst ms")
    yield Table(f"{TRIALS} trials", columns, rows, goals)


def _trial(kernel: Kernel, far_side: FarSide) -> tuple[float, float]:
    *start, _, _ = openai_stream("some text")
    far_side.queue(Stream([*start, Gate()]))
    cell = kernel.start("%glm --once go")
    kernel.until(lambda: any("text" in str(message.content) for message in cell.messages[2:]))
    began = time.monotonic()
    kernel.interrupt()
    kernel.wait(cell)
    asked = far_side.requests[-1]
    asked.closed()
    ended = next(m.at for m in reversed(cell.messages) if m.type == "status")
    return ended - began, (asked.closed_at or ended) - began
