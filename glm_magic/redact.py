"""Secrets that do not print themselves, and the one place that takes them out of text."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import NoReturn
from urllib.parse import quote

MASK = "***"
#: A shorter key would blank out ordinary words.
SHORTEST = 6
#: Words of ordinary answers, such as `ollama` or `not-needed`, serve as keys where none is checked.
SHORTEST_IN_ANSWER = 16

# Every key that was handed to a request in this process; `redact` looks for these and only these.
_live: set[str] = set()


class Secret:
    """A key that shows as `***` everywhere except through `reveal`.

    Making one also makes `redact` know it. A secret cannot be pickled or
    copied into a saved state, and it is equal only to itself.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= SHORTEST:
            _live.add(value)

    def reveal(self) -> str:
        """Return the key itself, for a request header and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> NoReturn:
        msg = "a Secret is not saved"
        raise TypeError(msg)


def redact(text: str, shortest: int = SHORTEST) -> str:
    """Return *text* with every live key, in any usual encoding, replaced by `***`.

    Keys of less than *shortest* characters stay.
    """
    for form in _live_forms(shortest):
        if form in text:
            text = text.replace(form, MASK)
    return text


def redact_answer(text: str, *, is_whole: bool) -> str:
    """Return an answer without live keys; one that still grows, without the start of one as well.

    What may become a key is at the end, and comes with the rest if it was none.
    """
    text = redact(text, SHORTEST_IN_ANSWER)
    if is_whole:
        return text
    starts = (_start_of(form, text) for form in _live_forms(SHORTEST_IN_ANSWER))
    return text[: len(text) - max(starts, default=0)]


def _live_forms(shortest: int) -> Iterator[str]:
    # The longest first: a key may begin with another one. Sorting copies, as threads add keys.
    for value in sorted(_live, key=len, reverse=True):
        if len(value) >= shortest:
            yield from _forms(value)


def _start_of(form: str, text: str) -> int:
    """Return how much of *form* stands at the end of *text*, if that is enough to matter."""
    longest = min(len(form) - 1, len(text))
    return next((n for n in range(longest, SHORTEST - 1, -1) if text.endswith(form[:n])), 0)


@cache
def _forms(value: str) -> tuple[str, ...]:
    raw = value.encode("utf-8", "surrogatepass")
    return (
        value,
        quote(raw, safe=""),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    )
