"""Keys that were typed where they do not belong: refused, and kept out of IPython's history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..config import KEY_REMEDY, know_keys
from ..errors import ConfigError
from ..redact import MASK, has_key, redact

if TYPE_CHECKING:
    from IPython.core.history import HistoryManager

_NAME = r"(?:(?:api|access|secret)[-_]?key|password|secret|authorization|(?:\w+[-_])?token)"
#: A key by its looks: of the vendor's (id.secret), or of the usual kind.
_KEY_LIKE = re.compile(
    r"\b[0-9a-f]{32}\.[0-9A-Za-z]{16}\b|\bsk-(?=[\w-]{0,99}\d)[\w-]{16,}", re.IGNORECASE
)
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^-\s\"']\S*)"
# What is handed to a flag for keys, which there is none; the text after the flags is not meant.
_FLAGGED = re.compile(
    rf"((?:^|%glm\s|magic\('glm', ['\"])\s*(?:-\S+\s+(?:{_VALUE}\s+)?)*"
    rf"(?:(?:-p|--param)[\s=]+[\"']?{_NAME}=|--{_NAME}[\s=]+))[^\s\"']+",
    re.IGNORECASE,
)
_OURS = re.compile(r"%glm|magic\('glm")


def refuse(line: str) -> None:
    """Raise ConfigError when there is a key on the *line* of a magic."""
    know_keys()
    if has_key(line) or _KEY_LIKE.search(line) or _FLAGGED.match(line):
        raise ConfigError("there is a key on this line; nothing was sent.", remedy=KEY_REMEDY)


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
        store(line_num, _masked(source), _masked(raw))

    history.store_inputs = store_masked  # type: ignore[method-assign]  # of this one object


def unguard(history: HistoryManager | None) -> None:
    """Undo `guard`."""
    if history is not None:
        vars(history).pop("store_inputs", None)


def _masked(source: str) -> str:
    if _OURS.search(source):
        know_keys()
        source = _FLAGGED.sub(rf"\1{MASK}", _KEY_LIKE.sub(MASK, source))
    return redact(source)
