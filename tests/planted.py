"""Looks for planted keys in whatever was written, without the code that is to keep them out."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

# With what URLs, JSON, repr and HTML write differently, and shaped like the vendor's own.
ONE = r"sk-planted\A/+&<1234567890"
TWO = "0123456789abcdef0123456789abcdef.PlantedSecretKey"

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")
#: So much of a key is as good as the key.
_MOST = 20


def basic(key: str) -> str:
    """Return *key* as it goes out as the password of a user."""
    return base64.b64encode(f"user:{key}:x".encode()).decode()


def leaks(text: str) -> list[str]:
    """Return what in *text* is a planted key, or most of one, in any usual encoding."""
    return [_around(seen, key) for seen in _read(text) for key in _parts() if key in seen]


def _around(text: str, key: str) -> str:
    place = text.index(key)
    return text[max(0, place - 200) : place + 100]


def _parts() -> set[str]:
    return {part for key in (ONE, TWO) for part in (key[:_MOST], key[-_MOST:])}


def _read(text: str) -> Iterator[str]:
    plain = re.sub(r"\\u00(..)", lambda found: chr(int(found[1], 16)), text)
    plain = html.unescape(unquote(plain)).replace("\\/", "/")
    yield plain
    yield re.sub(r"\\+", lambda _: "\\", plain)
    for run in _BASE64.findall(text):
        for start in range(4):
            piece = run[start:].translate({ord("-"): "+", ord("_"): "/"})
            yield base64.b64decode(piece[: len(piece) // 4 * 4]).decode("latin-1")
