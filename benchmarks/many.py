"""Many: streams at once on one pool of connections."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.answers import Answer
from benchmarks.tables import Table, peers
from benchmarks.trials import FLOOR, HTTPX_SSE, LITELLM, OPENAI, OURS, SEED, compare

PEERS = (FLOOR, OURS, SEED, HTTPX_SSE, OPENAI, LITELLM)
#: How many streams, and how many events in each.
LOADS = {1: 10_000, 50: 1_000, 200: 500}


def tables(url: str, rounds: int) -> Iterator[Table]:
    """Yield a table for each number of streams."""
    for number, events in LOADS.items():
        answer = Answer(events=events)
        figures = compare(PEERS, "cost", url, answer, rounds=rounds, number=number)
        columns = {
            "CPU µs per event": ("cpu", 1e6 / number / events),
            "kB per stream": ("memory", 1e-3 / number),
            "spread of ends": ("spread", 1.0),
        }
        goals = [(OURS, FLOOR, 3.0)] if number == 50 else []  # noqa: PLR2004, as the goal is set
        yield peers(f"{number} streams of {events:,} events", figures, columns, goals)
