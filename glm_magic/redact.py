"""Secrets that do not print themselves, and the one place that takes them out of text."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote

MASK = "***"
#: A shorter key would blank out ordinary words.
SHORTEST = 6

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


def redact(text: str) -> str:
    """Return *text* with every live key, in any usual encoding, replaced by `***`."""
    # The longest first: a key may begin with another one. Sorting copies, as threads add keys.
    for value in sorted(_live, key=len, reverse=True):
        for form in _forms(value):
            if form in text:
                text = text.replace(form, MASK)
    return text


def _forms(value: str) -> tuple[str, ...]:
    raw = value.encode("utf-8", "surrogatepass")
    return (
        value,
        quote(raw, safe=""),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        *_in_base64(raw),
    )


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield how *raw* looks in base64, alone and inside something longer (`Basic` of user:key).

    What stands before it shifts it by no, one or two bytes; the letters that
    depend on its neighbours are left out.
    """
    shifted = [base64.b64encode(raw).decode().rstrip("=")]
    for before in range(3):
        letters = base64.b64encode(bytes(before) + raw).decode()
        shifted.append(letters[-(-8 * before // 6) : 8 * (before + len(raw)) // 6])
    for letters in shifted:
        yield letters
        yield letters.translate({ord("+"): "-", ord("/"): "_"})
