"""Memory: the peak of the process while an answer is read, above what it had before."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.answers import Answer
from benchmarks.tables import Goal, Table, peers
from benchmarks.trials import BLOCKING, CLIENTS, OURS, PLAIN, compare

#: What is read: many small events, and an answer of a million characters.
ANSWERS = (Answer(events=100_000), Answer(events=2_000, size=500))


def tables(url: str, rounds: int) -> Iterator[Table]:
    """Yield a table for each answer."""
    for answer in ANSWERS:
        figures = compare((*PLAIN, *CLIENTS, *BLOCKING), "cost", url, answer, rounds=rounds)
        text = sum(len(piece.encode()) for piece in answer.pieces()) / 1e6
        title = f"{answer.events:,} events, {text:.2f} MB of text: growth of the peak"
        table = peers(title, figures, {"MB": ("memory", 1e-6)})
        ours = figures[OURS]
        grown = ours["memory"] / 1e6 - text if isinstance(ours, dict) else None
        table.goals.append(Goal("MB beside the text itself", grown, 2.5))
        yield table
