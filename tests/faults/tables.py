"""All tables of faults, by subject; `python -m tests.faults.tables` prints what they cover."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import (
    bodies,
    connection,
    endings,
    events,
    framing,
    keys,
    packing,
    proxies,
    refusals,
    snapshots,
    statuses,
)
from tests.faults.fault import Fault

#: A new table is entered here, and nowhere else.
MODULES = (
    *(connection, proxies, statuses, keys, bodies, packing),
    *(framing, events, snapshots, endings, refusals),
)
TABLES: dict[str, tuple[Fault, ...]] = {
    module.__name__.rpartition(".")[2]: module.FAULTS for module in MODULES
}
OUTCOMES = (
    "whole text",
    "whole text and notice",
    "partial text, marked",
    "partial text and error",
    "error",
)


def cases() -> list[Any]:
    """Return each fault with each of its wire formats, named after the table, fault and wire."""
    return [
        pytest.param(fault, wire, id=f"{subject}: {fault.name}, {wire.name}")
        for subject, faults in TABLES.items()
        for fault in faults
        for wire in fault.wires
    ]


def summary() -> str:
    """Return the table that CONTRIBUTING.md shows: how many faults have which outcome."""
    heads = ("table", "what is in it", *OUTCOMES)
    rows = [heads, ["---"] * 2 + ["---:"] * len(OUTCOMES), *_rows()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows() -> Iterator[tuple[str, ...]]:
    for module, faults in zip(MODULES, TABLES.values(), strict=True):
        seen = [fault.outcome for fault in faults for _ in fault.wires]
        subject = (module.__doc__ or "").partition("\n")[0].rstrip(".")
        counts = [str(seen.count(outcome) or "") for outcome in OUTCOMES]
        yield (f"`{module.__name__.rpartition('.')[2]}`", subject, *counts)


if __name__ == "__main__":
    sys.stdout.write(summary())
