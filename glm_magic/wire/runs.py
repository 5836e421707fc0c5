"""Runs of events that are alike but for a few letters, made one event before they are read. No I/O.

Nearly all of a stream is one and the same event around ever new text. Where many come at once,
reading each of them as JSON is most of the work; joining their texts as bytes is a fiftieth of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

_MODEL = re.compile(
    rb'\n\n(data: ?\{[^\n]*"(?:content|reasoning_content|reasoning)": ?")'
    rb'(?:[^"\\\n]|\\.)*("[^\n]*\}\n\n)'
)
# JSON strings, one a line, without halves of surrogate pairs.
_PLAIN = rb'[^"\\\x00-\x09\x0b-\x1f]*'
_STRINGS = re.compile(
    _PLAIN + rb'(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[\da-fA-F]{4})' + _PLAIN + rb")*"
)
_TEXTS = ("content", "reasoning_content", "reasoning")


class Runs:
    """Joins neighbouring events of one stream that add to the same text and say nothing else.

    An event is joined only if it is, to the byte, an event that was read as
    JSON and looked at, apart from what stands in its text; whatever is not
    quite as expected is left for the decoder as it came.
    """

    def __init__(self) -> None:
        # What stands around the text of an event that is known; nothing matches until one is.
        self._before, self._after = b"\n", b"\n"

    def join(self, chunk: bytes) -> bytes:
        """Return *chunk*, which may begin and end anywhere, with each run as two events."""
        if chunk.count(b"\n\n") < 3:  # noqa: PLR2004, the least that become fewer
            return chunk
        joined = self._join(chunk)
        if joined is None and self._learn(chunk):
            joined = self._join(chunk)
        return chunk if joined is None else joined

    def _join(self, chunk: bytes) -> bytes | None:
        start = max(0, chunk.find(self._before))
        first, *events = chunk[start:].split(self._after)
        rest = events.pop() if events else b""
        is_run = all(event.startswith(self._before) for event in (first, *events))
        if not (events and is_run):
            return None
        size = len(self._before)
        lines = b"\n".join([event[size:] for event in events])
        if lines.count(b"\n") != len(events) - 1 or not _is_text(lines):
            return None
        # The first stays by itself: an id that comes twice tells the decoder something.
        whole = self._before + lines.replace(b"\n", b"") + self._after
        return b"".join((chunk[:start], first, self._after, whole, rest))

    def _learn(self, chunk: bytes) -> bool:
        found = _MODEL.search(chunk)
        if found is None or not _only_adds(found[1] + b"text" + found[2]):
            return False
        self._before, self._after = found[1], found[2]
        return True


def _is_text(lines: bytes) -> bool:
    """Whether each of *lines* is the inside of a JSON string, whole by itself."""
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return _STRINGS.fullmatch(lines) is not None


def _only_adds(event: bytes) -> bool:
    """Whether *event*, whose text is the word `text`, adds that and has no other news."""
    try:
        chunk = json.loads(event[5:])
        (choice,) = chunk["choices"]
        news = {name: value for name, value in choice["delta"].items() if value and name != "role"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return (
        len(news) == 1
        and news.popitem() in [(name, "text") for name in _TEXTS]
        and not (choice.get("finish_reason") or choice.get("index"))
        and not (_has_news(choice) or _has_news(chunk))
    )


def _has_news(place: dict[str, Any]) -> bool:  # Any: JSON values
    return any(place.get(name) for name in ("error", "code", "usage", "message", "msg"))
