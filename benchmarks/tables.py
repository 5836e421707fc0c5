"""A question's answer: figures in rows, and beside them what was aimed at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.trials import FLOOR, OURS, Failed, Figures, Peer

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its limit: at most, or *at_least*, so much; no figure is not met."""

    words: str
    figure: float | None
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the limit."""
        if self.figure is None:
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.met else "falls short"
        return f"goal: {self.words} {sign} {shown(self.limit)}; is {shown(self.figure)}, {verdict}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures under *columns*, the first of which names the row."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    goals: list[Goal] = field(default_factory=list)

    def text(self) -> str:
        """Return the table for a terminal."""
        return "\n".join([self.title, *self._aligned(), *map(str, self.goals), ""])

    def markdown(self) -> str:
        """Return the table as Markdown."""
        head, *body = (f"| {' | '.join(row)} |" for row in self._cells())
        rule = "|---" + "|---:" * (len(self.columns) - 1) + "|"
        goals = [f"- {goal}" for goal in self.goals]
        return "\n".join([f"**{self.title}**", "", head, rule, *body, "", *goals, ""])

    def json(self) -> dict[str, Any]:
        """Return the table as JSON has it."""
        return asdict(self) | {"goals": [asdict(g) | {"met": g.met} for g in self.goals]}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Table:
        """Return the table that `json` made."""
        goals = [Goal(**{name: goal[name] for name in Goal.__slots__}) for goal in said["goals"]]
        rows = [tuple(row) for row in said["rows"]]
        return cls(said["title"], tuple(said["columns"]), rows, goals)

    def _cells(self) -> list[tuple[str, ...]]:
        return [self.columns, *(tuple(map(shown, row)) for row in self.rows)]

    def _aligned(self) -> Iterable[str]:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for first, *rest in cells:
            right = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
            yield "  ".join(["", first.ljust(widths[0]), *right])


def shown(cell: Cell) -> str:
    """Return *cell* with three digits that count."""
    if not isinstance(cell, float | int):
        return cell or ""
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"  # noqa: PLR2004


def ratio(figures: Mapping[Peer, Figures | Failed], name: str, peer: Peer, base: Peer) -> Cell:
    """Return the figure *name* of *peer* divided by that of *base*, where both are known."""
    above, below = figures.get(peer), figures.get(base)
    if isinstance(above, dict) and isinstance(below, dict) and below[name]:
        return above[name] / below[name]
    return None


def peers(
    title: str,
    figures: Mapping[Peer, Figures | Failed],
    columns: Mapping[str, tuple[str, float]],
    goals: Iterable[tuple[Peer, Peer, float]] = (),
) -> Table:
    """Return a table of *figures*; its *columns* are names with the figure and its factor.

    The first column is also given as a ratio to the floor and to us; a goal is
    the most, or for a peer that we divide the least, that its ratio may be.
    """
    name, _ = next(iter(columns.values()))
    rows: list[tuple[Cell, ...]] = []
    for peer, found in figures.items():
        if isinstance(found, dict):
            own = [found[key] * factor for key, factor in columns.values()]
            ratios = [ratio(figures, name, peer, base) for base in (FLOOR, OURS)]
            rows.append((peer.name, *own, *ratios))
        else:
            rows.append((f"{peer.name}: {found}", *[None] * (len(columns) + 2)))
    heads = ("", *columns, "to the floor", "to us")
    return Table(title, heads, rows, [_goal(figures, name, *goal) for goal in goals])


def _goal(
    figures: Mapping[Peer, Figures | Failed], name: str, peer: Peer, base: Peer, limit: float
) -> Goal:
    found = ratio(figures, name, peer, base)
    words = f"{peer.name} to {base.name}"
    return Goal(words, found if isinstance(found, float) else None, limit, at_least=base is OURS)
