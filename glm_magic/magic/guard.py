"""IPython's history, stored with the keys in it masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..keys import masked

if TYPE_CHECKING:
    from IPython.core.history import HistoryManager


def guard(history: HistoryManager | None) -> None:
    """Have *history* store cells with their keys masked, in memory and in history.sqlite.

    IPython stores a cell before it runs and has no hook in between, so this
    stands in front of the one method that does it, until `unguard`.
    """
    if history is None or "store_inputs" in vars(history):
        return
    store = history.store_inputs

    def store_masked(line_num: int, source: str, source_raw: str | None = None) -> None:
        raw = source if source_raw is None else source_raw
        store(line_num, masked(source), masked(raw))

    history.store_inputs = store_masked  # type: ignore[method-assign]  # of this one object


def unguard(history: HistoryManager | None) -> None:
    """Undo `guard`."""
    if history is not None:
        vars(history).pop("store_inputs", None)
