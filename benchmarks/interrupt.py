"""How long Stop takes in a real kernel: to the prompt, and to the closed connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.far_side import FarSide, Gate, Stream, openai_stream
from tests.jupyter.kernel import Kernel

TRIALS = 20


def rows() -> Iterator[tuple[str, ...]]:
    """Yield median and worst time from SIGINT, in milliseconds."""
    with FarSide() as far_side, TemporaryDirectory() as home:
        kernel = Kernel(Path(home), {"GLM_BASE_URL": far_side.url, "GLM_MODEL": "openai/glm-test"})
        try:
            kernel.run("%load_ext glm_magic")
            trials = [_trial(kernel, far_side) for _ in range(TRIALS)]
        finally:
            kernel.close()
    yield ("", "median ms", "worst ms", f"of {TRIALS}")
    for name, column in zip(
        ("to the prompt", "to the closed connection"), zip(*trials, strict=True), strict=True
    ):
        yield (name, f"{1000 * median(column):.1f}", f"{1000 * max(column):.1f}", "")


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
