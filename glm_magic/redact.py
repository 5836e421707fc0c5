"""Secrets that do not print themselves, and the one place that takes them out of text."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import NoReturn
from urllib.parse import quote, unquote, urlsplit

MASK = "***"
#: A shorter key would blank out ordinary words.
SHORTEST = 6

# What servers that check no key are told, such as `ollama` or `not-needed`: ordinary words too.
_WORDS = re.compile(r"(?=.{1,15}\Z)[A-Za-z]+([-_][A-Za-z]+)*")

# What .NET, and Gson and others, write as `\u002B` in JSON.
_IN_UNITS = ("[+<>&'\"`]|[^ -~]", "[=<>&']")

# Every key that was handed to a request in this process; `redact` looks for these and only these.
_live: set[str] = set()


class Secret:
    """A key that shows as `***` everywhere except through `reveal`.

    Making one also makes `redact` know it. *prefix* goes in front of it and is
    no secret (`Bearer `). A secret cannot be pickled or copied into a saved
    state, and it is equal only to itself.
    """

    __slots__ = ("_prefix", "_value")

    def __init__(self, value: str, *, prefix: str = "") -> None:
        self._value = value
        self._prefix = prefix
        if len(value) >= SHORTEST:
            _live.add(value)

    def reveal(self) -> str:
        """Return the key itself, for a request header and nothing else."""
        return self._prefix + self._value

    def with_prefix(self, prefix: str) -> Secret:
        """Return the same key with *prefix* in front of it."""
        return Secret(self._value, prefix=prefix)

    def __repr__(self) -> str:
        return self._prefix + MASK

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        msg = "a Secret is not saved"
        raise TypeError(msg)


def hide_password(url: str) -> None:
    """Have `redact` know the password that *url* carries, as written and as sent.

    A user without a password may be a token, and is hidden too.
    """
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
    except ValueError:  # no address: whoever uses it says so
        return
    hidden = parts.password or parts.username or ""
    for form in {hidden, unquote(hidden)}:
        Secret(form)


def has_key(text: str) -> bool:
    """Whether a live key, in any usual encoding, stands in *text*; short words are none."""
    return any(form in text for form in _live_forms(with_words=False))


def redact(text: str, *, with_words: bool = True) -> str:
    """Return *text* with every live key, in any usual encoding, replaced by `***`.

    So is an end that is more than half a key, as where a text was cut off. A
    key that is a short word stays in answers, which have *with_words* False.
    """
    forms = _live_forms(with_words=with_words)
    text = _mask(text, forms)
    for form in forms:
        length = _overlap(text, form)
        if length >= SHORTEST and 2 * length > len(form):
            return text[:-length] + MASK
    return text


def settle(text: str) -> str:
    """Return the redacted beginning of *text*, which still grows, up to where a key may begin.

    What is returned for a longer text begins with what was returned for *text*.
    """
    forms = _live_forms(with_words=False)
    end = len(text) - max((_overlap(text, form) for form in forms), default=0)
    for found in _find(text, forms):
        if found.start() < end < found.end():
            end = found.start()
    return _mask(text[:end], forms)


def _live_forms(*, with_words: bool) -> list[str]:
    # The longest first: a key may begin with another one. A copy, as threads add keys.
    values = (value for value in _live.copy() if with_words or not _WORDS.fullmatch(value))
    forms = {form for value in values for form in _forms(value)}
    return sorted(forms, key=len, reverse=True)


def _mask(text: str, forms: list[str]) -> str:
    pieces, end = [], 0
    for found in _find(text, forms):
        pieces += [text[end : found.start()], MASK]
        end = found.end()
    return "".join([*pieces, text[end:]])


def _find(text: str, forms: list[str]) -> Iterator[re.Match[str]]:
    there = [re.escape(form) for form in forms if form in text]
    return re.finditer("|".join(there), text) if there else iter(())


def _overlap(text: str, form: str) -> int:
    """Return how many characters at the end of *text* are the beginning of *form*."""
    tail = text[-len(form) :]
    at = tail.find(form[0])
    while at >= 0 and not form.startswith(tail[at:]):
        at = tail.find(form[0], at + 1)
    return len(tail) - at if at >= 0 else 0


def _upper(sign: re.Match[str]) -> str:
    return f"\\u{ord(sign[0]):04X}"


def _lower(sign: re.Match[str]) -> str:
    return f"\\u{ord(sign[0]):04x}"


@cache
def _forms(value: str) -> tuple[str, ...]:
    raw = value.encode("utf-8", "surrogatepass")
    in_url = [quote(raw, safe=safe) for safe in ("", "/", "%/:=&?~#+!$,;@'")]
    in_json = [json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
    return (
        value,
        *in_url,
        *(re.sub("%..", lambda found: found[0].lower(), form) for form in in_url),
        *in_json,
        *(form.replace("/", "\\/") for form in in_json),  # as PHP and Java write it
        *(re.sub(signs, as_unit, value) for signs in _IN_UNITS for as_unit in (_upper, _lower)),
        repr(value)[1:-1],
        *(value.replace("\\", "\\" * 2**depth) for depth in (1, 2, 3)),  # a repr in a repr
        html.escape(value),
        re.sub(r"([\\\[\]`*_<>!])", r"\\\1", value),  # as our own links to sources are written
        *_in_base64(raw),
    )


def _in_base64(raw: bytes) -> Iterator[str]:
    r"""Yield how *raw* looks in base64, alone and inside something longer (`Basic` of user:key).

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
