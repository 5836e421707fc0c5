"""Hot path: CPU from the socket to a delta, with everything sent as fast as it is taken."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.answers import Answer
from benchmarks.tables import Cell, Table, peers
from benchmarks.trials import (
    BLOCKING,
    CLIENTS,
    FLOOR,
    HTTPX_SSE,
    LINES,
    OPENAI,
    OURS,
    PLAIN,
    SEED,
    Failed,
    compare,
    instructions,
)

#: A network packet's worth of bytes, which ends in the middle of an event.
PACKET = 1448
KILOBYTES = (4, 20, 100)
#: Events of the two answers whose difference is counted in instructions.
COUNTED = (2_000, 12_000)


def tables(url: str, rounds: int) -> Iterator[Table]:
    """Yield CPU on the delta wire, on the snapshot wire, and in instructions."""
    for events in (10_000, 100_000):
        yield _deltas(url, Answer(events=events), rounds)
    yield _deltas(url, Answer(cut=PACKET), rounds, f", in writes of {PACKET} bytes")
    for kilobytes in KILOBYTES:
        yield _snapshots(url, kilobytes, rounds)
    yield _line_length(url)
    yield _instructions(url)


def _deltas(url: str, answer: Answer, rounds: int, how: str = "") -> Table:
    chosen = (*PLAIN, *CLIENTS, *BLOCKING) if not answer.cut else PLAIN
    figures = compare(chosen, "cost", url, answer, rounds=rounds)
    characters = sum(map(len, answer.pieces()))
    columns = {
        "µs per event": ("cpu", 1e6 / answer.events),
        "ns per character": ("cpu", 1e9 / characters),
    }
    goals = [(OURS, FLOOR, 3.0), (SEED, OURS, 2.0)]
    goals += [(OPENAI, OURS, 30.0)] if OPENAI in chosen else []
    return peers(f"Delta wire, {answer.events:,} events{how}: CPU", figures, columns, goals)


def _snapshots(url: str, kilobytes: int, rounds: int) -> Table:
    answer = Answer("snapshots", events=kilobytes * 250)
    figures = compare(PLAIN, "cost", url, answer, rounds=rounds)
    columns = {"ms per reply": ("cpu", 1e3), "µs per event": ("cpu", 1e6 / answer.events)}
    goals = [(OURS, FLOOR, 2.0), (SEED, OURS, 10.0)] if kilobytes == KILOBYTES[-1] else []
    title = f"Snapshot wire, {kilobytes},000 characters in {answer.events:,} events: CPU"
    return peers(title, figures, columns, goals)


def _line_length(url: str) -> Table:
    answer = Answer("snapshots", events=10, size=100_000)
    figures = compare((OURS, SEED, LINES, HTTPX_SSE), "cost", url, answer, rounds=1)
    columns = {"ms": ("cpu", 1e3)}
    return peers("Snapshots of up to a million characters in one line", figures, columns)


def _instructions(url: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for peer in (FLOOR, OURS, SEED):
        try:
            rows.append((peer.name, instructions(peer, url, COUNTED)))
        except Failed as error:
            rows.append((f"{peer.name}: {error}", None))
    return Table("Delta wire: instructions per event, counted by callgrind", ("", "count"), rows)
