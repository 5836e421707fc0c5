"""Event data to JSON objects, whatever the data looks like. No I/O.

JSON is checked here, where it enters: what comes out are plain dictionaries
whose text can be encoded, and readers that take a missing or odd value as none.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .sse import Event

#: A JSON object as it came; its values may be of any JSON type.
JSON = dict[str, Any]

SKIPPED = "one unreadable event was skipped"
CUT = "the last event was cut off and was ignored"
WEB_PAGE = "a web page came amid the answer and was left out"
REPAIRED = "a damaged event was repaired as far as possible"

_KINDS = {str: "text", list: "list", dict: "object", bool: "truth value"}
# Not strict: raw control characters in strings are wrong, but clear.
_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _name: None)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")
# At the edge of a text that goes on in the next event, half a pair may find its other half.
_LONE_INSIDE = re.compile("[\ud800-\udbff](?!\\Z)|(?<!\\A)[\udc00-\udfff]")
_ASTRAL = re.compile(rb"[\xf0-\xf4]")
_BEYOND = re.compile(r"[^\x00-\x7f]+")
#: A backslash that stands before what is not ASCII, and would escape the backslash of its escape.
_ODD_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\[\x80-\xff]")
_STEP = 2**16
# z.ai cuts a frame and goes on behind it on the same line (zai-org/GLM-5#66);
# sloppy servers leave out the blank line between two events.
_OBJECT_START = re.compile(r"(?:\A|\n|data: ?)(?=\{)")


class Reading(NamedTuple):
    """The *objects* found in one event, and a *notice* when something was wrong with it."""

    objects: list[JSON]
    notice: str = ""


def read_event(event: Event, *, goes_on: bool = False) -> Reading:
    """Return the JSON objects of *event*: one, or after damage those that can be saved.

    Lone surrogates become U+FFFD, but for those at the edges of a text that
    *goes_on* in the next event.
    """
    lone = _LONE_INSIDE if goes_on else _LONE
    whole = _read_wide(event.raw, lone)
    if whole is None:
        whole = read_object(event.data, lone)
    if whole is not None:
        return Reading([whole])
    if saved := _salvage(event.data, lone):
        return Reading(saved, REPAIRED)
    if event.raw.startswith(b"<"):
        return Reading([], WEB_PAGE)
    return Reading([], SKIPPED if event.is_whole else CUT)


def read_object(text: str, lone: re.Pattern[str] = _LONE) -> JSON | None:
    """Return *text* as a JSON object, or None when it is anything else.

    Surrogates that *lone* finds become U+FFFD, NaN and the infinities None.
    """
    text = text.strip()
    found = None if is_swarm(text) else _object_at(text, 0, lone)
    return found[0] if found and found[1] == len(text) else None


def _read_wide(raw: bytes, lone: re.Pattern[str]) -> JSON | None:
    """Return *raw* as `read_object` does if its text would fill the memory, else None.

    A single emoji has Python take four bytes for each character of a text, and
    for each that JSON finds in it; as escapes they take one in the first of these.
    """
    is_large = len(raw) > SMALL and not raw.isascii()
    is_wide = is_large and _ASTRAL.search(raw) and not _ODD_ESCAPE.search(raw)
    return read_object(_escaped(raw), lone) if is_wide else None


def _escaped(raw: bytes) -> str:
    """Return *raw* as text, what is not ASCII as JSON escapes it."""
    decode = getincrementaldecoder("utf-8")("replace").decode
    starts = range(0, len(raw), _STEP)
    pieces = (decode(raw[at : at + _STEP], at + _STEP >= len(raw)) for at in starts)
    return "".join(_BEYOND.sub(lambda found: json.dumps(found[0])[1:-1], each) for each in pieces)


def _object_at(text: str, start: int, lone: re.Pattern[str]) -> tuple[JSON, int] | None:
    try:
        value, end = _DECODER.raw_decode(text, start)
        if not isinstance(value, dict):
            return None
        return (_mend(value, lone) if _SURROGATE_ESCAPE.search(text) else value), end
    except (ValueError, RecursionError):  # also integers of thousands of digits
        return None


def _mend(value: Any, lone: re.Pattern[str]) -> Any:  # Any: JSON, and the same type back
    if isinstance(value, str):
        return lone.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mend(entry, lone) for entry in value]
    if isinstance(value, dict):
        return {_mend(key, lone): _mend(entry, lone) for key, entry in value.items()}
    return value


def _salvage(data: str, lone: re.Pattern[str]) -> list[JSON]:
    objects: list[JSON] = []
    position = 0
    for match in _OBJECT_START.finditer("" if is_swarm(data) else data):
        # A match before this position is text inside an object that has been read.
        if match.end() >= position and (found := _object_at(data, match.end(), lone)):
            objects.append(found[0])
            position = found[1]
    return objects


def left_out(types: list[str]) -> str:
    """Return the notice about pieces that nobody knows, each of one of the *types*."""
    return f"{len(types)} piece(s) of an unknown type left out: {', '.join(dict.fromkeys(types))}"


def text_of(source: JSON, *names: str) -> str:
    """Return the first of the fields *names* that holds text, or the empty string."""
    for name in names:
        value = source.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def object_of(source: JSON, name: str) -> JSON:
    """Return the field *name* if it holds an object, or an empty one."""
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def object_in(value: object) -> JSON | None:
    """Return the object in *value*, out of the lists and the JSON texts around it, or None."""
    while isinstance(value, list | str):
        value = next(iter(value), None) if isinstance(value, list) else _value_of(value)
    return value if isinstance(value, dict) else None


def _value_of(text: str) -> object:
    """Return *text* as JSON of any type, or None when it is none."""
    try:
        return None if is_swarm(text) else _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def objects_of(source: JSON, name: str) -> list[JSON]:
    """Return the objects in the list *name*; a single object counts as a list of one."""
    value = source.get(name)
    if isinstance(value, dict):
        return [value]
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def texts_in(value: object, field: str) -> tuple[str, list[str]]:
    """Return the text of a *value* that should be text but may be parts, and what is none of it.

    *field* is where it stands. What is left out goes by its type.
    """
    texts: list[str] = []
    odd: list[str] = []
    for part in value if isinstance(value, list) else [value]:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            texts.append(text)
        elif isinstance(part, dict) and part:
            odd.append(text_of(part, "type") or "without a type")
        elif part not in ({}, [], None) and part is not False:
            odd.append(odd_kind(part, field))
    return "".join(texts), odd


def odd_kind(value: object, field: str) -> str:
    """Return what to call a *value* that does not belong into *field*."""
    return f"{_KINDS.get(type(value), 'number')} as {field}"


#: What makes a value of its own in JSON. One takes up to 250 bytes of memory for two of text, so
#: that a text which is not small may hold only so many.
_VALUES = ("[", "{", '":', '",')
SMALL = 2**20
MOST_VALUES = 2**18


def is_swarm(text: str) -> bool:
    """Say whether *text* is JSON of so many values that reading it would fill the memory."""
    return len(text) > SMALL and sum(map(text.count, _VALUES)) > MOST_VALUES
