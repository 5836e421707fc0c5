"""Snapshots that only prolong the one before, read by what is new in them. No I/O.

chatglm.cn repeats the whole text in every event, so that reading each of them as JSON takes the
square of the answer's length. An event that begins and ends with the very bytes of the last one is
the last one with a longer text.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ..growing import GrowingText
from .payload import JSON, objects_of, read_object

if TYPE_CHECKING:
    from .sse import Event

_FIELDS = ("text", "think", "code")
_STRING = re.compile(rb'(?:[^"\\]+|\\.)*', re.DOTALL)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_PROBE = "a text that no far side sends"
#: Snapshots in a row that were of no use, after which no more are looked at.
PATIENCE = 8
#: Bytes of an event that are looked at twice: a huge one would take the memory several times.
LARGEST = 2 * 2**20


class Prolonged:
    """The last snapshot of one stream, as bytes and as a frame."""

    def __init__(self) -> None:
        self._known = self._after = b""  # up to the end of the text, and from there on
        self._start = 0  # of the text
        self._key = b""  # that stands before it
        self._frame: JSON = {}
        self._item: JSON = {}  # of the frame, with the text in *_field*
        self._field = ""
        self._text = GrowingText()
        self._misses = 0

    @property
    def frame(self) -> JSON:
        """The last snapshot, as JSON has it; the same object each time."""
        self._item[self._field] = self._text.read()
        return self._frame

    def read(self, raw: bytes) -> str | None:
        """Return what *raw* adds to the text of the last snapshot, None if it is no such event."""
        known, after = self._known, self._after
        end = len(raw) - len(after)
        if not known or end < len(known) or not (raw.startswith(known) and raw.endswith(after)):
            return None
        added = _text_in(raw[len(known) : end])
        if added is None:
            return None
        self._known = raw[:end]
        self._item[self._field] = ""  # it may be large, and is not up to date
        self._text.add(added)
        self._misses = 0
        return added

    def without_text(self, event: Event) -> Event:
        """Return *event* without its last text, if that is the one of the last snapshot.

        So the event that ends an answer need not be read with all of its text once more.
        """
        raw, text = event.raw, self._known[self._start :]
        start = raw.rfind(self._key) + len(self._key) if text else 0
        end = start + len(text)
        if not text or raw[end : end + 1] != b'"' or not raw.startswith(text, start):
            return event
        short = replace(event, raw=raw[:start] + raw[end:])
        frame = read_object(short.data)
        is_same = frame is not None and _place_of(frame) == _place_of(self._frame)
        return short if is_same and frame and _last_item(frame).get(self._field) == "" else event

    def forget(self) -> None:
        """Make room: the last snapshot, which may be large, is none to go on from."""
        self._known, self._frame, self._item, self._text = b"", {}, {}, GrowingText()

    def learn(self, raw: bytes, frame: JSON) -> None:
        """Take *raw*, which was read as *frame*, for the last snapshot."""
        if self._misses == PATIENCE or len(raw) > LARGEST:
            return
        self._misses += 1
        item = _last_item(frame)
        for field in _FIELDS:
            if isinstance(item.get(field), str):
                self._take(raw, frame, item, field)

    def _take(self, raw: bytes, frame: JSON, item: JSON, field: str) -> None:
        """Find the text of *item* in *raw*, and see that it is what stands there."""
        key = max(raw.rfind(f'"{field}":{blank}"'.encode()) for blank in ("", " "))
        start = raw.find(b'"', key + len(field) + 2) + 1
        found = _STRING.match(raw, start)
        end = found.end() if found else start
        probe = b"".join((raw[:start], _PROBE.encode(), raw[end:]))
        text, item[field] = item[field], _PROBE
        is_there = start > 0 and read_object(probe.decode("utf-8", "replace")) == frame
        item[field] = text
        if is_there and _text_in(raw[start:end]) == text:
            self._known, self._after = raw[:end], raw[end:]
            self._start, self._key = start, raw[key:start]
            self._frame, self._item, self._field = frame, item, field
            self._text = GrowingText(text)


def _last_item(frame: JSON) -> JSON:
    items = [item for part in objects_of(frame, "parts") for item in objects_of(part, "content")]
    return items[-1] if items else {}


def _place_of(frame: JSON) -> list[tuple[object, list[object]]]:
    """Return what the last item of *frame* is told apart by: all items by their types."""
    return [
        (part.get("logic_id"), [item.get("type") for item in objects_of(part, "content")])
        for part in objects_of(frame, "parts")
    ]


def _text_in(string: bytes) -> str | None:
    """Return what the inside of a JSON *string* says, or None when it needs a closer look."""
    try:
        value = None if _HALF.search(string) else json.loads(f'"{string.decode()}"')
    except ValueError:
        return None
    return value if isinstance(value, str) else None
