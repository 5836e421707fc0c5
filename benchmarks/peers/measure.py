"""What all peer scripts share: ask for answers, measure, print the figures as JSON.

It runs on the Python of the peer's own environment, so it imports the standard library alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

#: Where each wire is asked for, behind the address of the answer.
PATHS = {"delta": "/v1/chat/completions", "snapshots": "/chatglm/mainchat-api/guest/stream"}
#: A small answer, asked for first: it opens the connection and imports what was put off.
WARM_UP = {"delta": "delta-20-4-0-0", "snapshots": "snapshots-20-4-0-0"}
QUESTION = [{"role": "user", "content": "go"}]
BODY = {"model": "bench", "stream": True, "messages": QUESTION}

#: Called with the text of each delta; by the floor with the bytes of each read.
Take = Callable[[Any], None]
#: Asks for the answer at an address, on a wire, and hands it over as it comes.
Ask = Callable[[str, str, Take], Awaitable[None]]
Connect = Callable[[], AbstractAsyncContextManager[Ask]]


class Count:
    """Counts what is handed over."""

    def __init__(self) -> None:
        self.deltas = self.characters = 0

    def __call__(self, text: str | bytes) -> None:
        """Take what is handed over."""
        self.deltas += 1
        self.characters += len(text)


async def cost(ask: Ask, url: str, wire: str, number: int) -> dict[str, float]:
    """Return CPU, wall and peak memory of *number* answers at once, and when each one ended."""
    counts = [Count() for _ in range(number)]
    ended: list[float] = []
    gc.collect()
    before = _begin_peak()
    began, cpu = time.perf_counter(), time.process_time()

    async def one(count: Count) -> None:
        await ask(url, wire, count)
        ended.append(time.perf_counter() - began)

    await asyncio.gather(*map(one, counts))
    return {
        "cpu": time.process_time() - cpu,
        "wall": max(ended),
        "spread": 1 - min(ended) / max(ended),
        "memory": _resident("VmHWM") - before,
        "deltas": sum(count.deltas for count in counts),
        "characters": sum(count.characters for count in counts),
    }


async def delay(ask: Ask, url: str, wire: str, _number: int) -> dict[str, float]:
    """Return how long after it was sent the text of an event is handed over, in seconds."""
    seen: list[tuple[int, Any]] = []
    await ask(url, wire, lambda text: seen.append((time.time_ns(), text)))
    delays = sorted(
        at / 1e9 - int(stamp) / 1e6
        for at, text in seen
        for stamp in re.findall(r"\d{16}", text if isinstance(text, str) else text.decode())
    )
    return {"p50": delays[len(delays) // 2], "p99": delays[len(delays) * 99 // 100]}


def _begin_peak() -> int:
    """Have the system take the peak anew from here, and return the bytes held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def _resident(name: str) -> int:
    """Return the bytes of memory that the system knows as *name*."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(rf"{name}:\s+(\d+)", status)[0])


def main(connect: Connect) -> None:
    """Do what the command line says: question, server, answer and number."""
    question, server, answer, number = sys.argv[1:]
    wire = answer.partition("-")[0]

    async def run() -> dict[str, float]:
        async with connect() as ask:
            await ask(f"{server}/{WARM_UP[wire]}", wire, lambda _: None)
            measured = {"cost": cost, "delay": delay}[question]
            return await measured(ask, f"{server}/{answer}", wire, int(number))

    print(json.dumps(asyncio.run(run())))
