"""First delta: from the sending of an event to its text handed over, and to it on the screen."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.answers import Answer
from benchmarks.page import opened
from benchmarks.tables import Goal, Table, peers, ratio
from benchmarks.trials import (
    CHATLAS,
    FLOOR,
    HTTPX_SSE,
    IN_A_CELL,
    LITELLM,
    OPENAI,
    OURS,
    SEED,
    ZAI,
    compare,
)
from benchmarks.views import CELL, PANEL

PEERS = (FLOOR, OURS, IN_A_CELL, SEED, HTTPX_SSE, OPENAI, LITELLM, CHATLAS, ZAI)
#: Events in a second, and how long each trial lasts.
RATES = (50, 500)
SECONDS = 3
LIMIT = 1.2


def tables(url: str, rounds: int) -> Iterator[Table]:
    """Yield delays at two paces, and those of the screen."""
    for rate in RATES:
        answer = Answer(events=rate * SECONDS, size=0, rate=rate)
        figures = compare(PEERS, "delay", url, answer, rounds=rounds)
        columns = {"p50 µs": ("p50", 1e6), "p99 µs": ("p99", 1e6)}
        goals = [(OURS, FLOOR, LIMIT)]
        table = peers(f"{rate} events a second: delay of each", figures, columns, goals)
        worst = ratio(figures, "p99", OURS, FLOOR)
        figure = worst if isinstance(worst, float) else None
        table.goals.append(Goal("p99, glm_magic to the floor", figure, LIMIT))
        yield table
    yield _on_screen(url)


def _on_screen(url: str) -> Table:
    columns = ("50 events a second", "first ms", "p50 ms", "p99 ms")
    answer = Answer(events=50 * SECONDS, size=0, rate=50)
    title = "Until the text is in JupyterLab's page"
    with opened() as lab:
        if lab is None:
            return Table(f"{title}: no Chromium, run `make browser`", columns, [])
        rows = []
        for name, cell in (("%%glm in a cell", CELL), ("the panel", PANEL)):
            cost = lab.measure(cell, url, answer, patience=10)
            delays = [1000 * seconds for seconds in cost.delays]
            middle, late = (delays[len(delays) * part // 100] for part in (50, 99))
            rows.append((name, 1000 * cost.first, middle, late))
    return Table(title, columns, rows)
