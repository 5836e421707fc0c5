"""Keys that were typed where they do not belong: refused, or masked in what is stored. No I/O."""

from __future__ import annotations

import re

from .config import KEY_REMEDY, know_keys
from .errors import ConfigError
from .redact import MASK, has_key, redact

_NAME = (
    r"(?:(?:\w{1,20}[-_])?(?:api|access|secret)[-_]?key"
    r"|password|secret|authorization|(?:\w+[-_])?token)"
)
#: A key by its looks: of the vendor's (id.secret), or of the usual kind, which begins with sk- and
#: has a long run of letters and digits. Names such as sk-container-id-1001, hashes, UUIDs, pictures
#: in base64 and web tokens, which code and data are full of, have another shape.
_KEY_LIKE = re.compile(
    r"\b[0-9a-f]{32}\.[0-9a-z]{16}\b"
    r"|\bsk-(?=[\w-]{16})(?:[0-9a-z]*[-_]){0,8}(?=[a-z]*[0-9])[0-9a-z]{12,}[\w-]*",
    re.IGNORECASE | re.ASCII,  # so that a Chinese letter beside it is no part of it
)
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^-\s\"']\S*)"
# What is handed to a flag for keys, which there is none; the text after the flags is not meant.
_FLAGGED = re.compile(
    rf"((?:^|\bglm['\"]?,?\s+['\"]?)\s*(?:-\S+\s+(?:{_VALUE}\s+)?)*"
    rf"(?:(?:-p|--param)[\s=]+[\"']?{_NAME}=|--{_NAME}[\s=]+))[^\s\"']+",
    re.IGNORECASE,
)
#: What a cell that speaks to us has in it, however it calls: IPython needs no `%` in front.
_OURS = re.compile(r"\bglm|GlmConfig")


def refuse(line: str, body: str = "") -> None:
    """Raise ConfigError when there is a key on the *line* of a magic, or in the *body* of its cell.

    No flag turns this off: whoever asks about a key shortens it.
    """
    know_keys()
    if _holds_key(line) or _FLAGGED.match(line):
        raise _refusal("on this line")
    if _holds_key(body):
        raise _refusal("in this cell")


def refuse_text(text: str, where: str) -> None:
    """Raise ConfigError, which names *where*, when there is a key in *text*, which was typed."""
    know_keys()
    if _holds_key(text):
        raise _refusal(where)


def _holds_key(text: str) -> bool:
    return has_key(text) or _KEY_LIKE.search(text) is not None


def _refusal(where: str) -> ConfigError:
    what = f"there is a key {where}; nothing was sent. (To ask about one, shorten it: sk-….)"
    return ConfigError(what, remedy=KEY_REMEDY)


def masked(source: str) -> str:
    """Return the *source* of a cell with its keys masked, by their looks only where it is ours."""
    if _OURS.search(source):
        know_keys()
        source = _FLAGGED.sub(rf"\1{MASK}", _KEY_LIKE.sub(MASK, source))
    return redact(source)
