"""Faults of the frame around events, and of the bytes that characters are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from glm_magic.errors import NetworkError
from glm_magic.providers.base import Clocks
from tests.far_side import Stream
from tests.faults.dialects import changed, every, fault
from tests.faults.fault import Scripts, same, saying

BOM = b"\xef\xbb\xbf"


def mixed(events: list[bytes]) -> list[bytes]:
    """Return *events* with another line end in each."""
    ends = (b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n", b"\r\n\n", b"\r\n\r")
    bodies = (event.rstrip(b"\n") for event in events)
    return [body + ends[number % len(ends)] for number, body in enumerate(bodies)]


def split_ends(events: list[bytes]) -> list[bytes]:
    """Return *events* with CRLF, a new piece beginning between CR and LF."""
    return re.findall(rb"[^\r]*\r|[^\r]+", b"".join(events).replace(b"\n", b"\r\n"))


def many_lines(event: bytes) -> bytes:
    """Return *event* with its JSON on many lines."""
    data = event.removeprefix(b"data: ").strip()
    if data == b"[DONE]":
        return event
    lines = json.dumps(json.loads(data), indent=1, ensure_ascii=False).splitlines()
    return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"


def without_blank_line(events: list[bytes]) -> list[bytes]:
    """Return *events* up to the finish signal, which has no line end."""
    *rest, last = [event for event in events if event != b"data: [DONE]\n\n"]
    return [*rest, last.rstrip(b"\n")]


def escaped(event: bytes) -> bytes:
    """Return *event* with each character beyond ASCII as an escape, some as two surrogates."""
    return re.sub(r"[^\x00-\x7f]", lambda one: json.dumps(one[0])[1:-1], event.decode()).encode()


def spelt(text: str | Sequence[str], first: bytes, second: bytes = b"") -> Scripts:
    """Return a stream that says *text*, with the bytes *first* for % and *second* for &."""

    def change(event: bytes) -> bytes:
        return event.replace(b"%", first).replace(b"&", second)

    return changed(every(change), text)


FAULTS = (
    fault("BOM", changed(lambda events: [BOM + events[0], *events[1:]])),
    fault("BOM split", changed(lambda events: [BOM, *events], cut=[1, 1, 1, 3], pace=0.01)),
    fault("CRLF", changed(every(lambda event: event.replace(b"\n", b"\r\n")))),
    fault("CR", changed(every(lambda event: event.replace(b"\n", b"\r")))),
    fault("mixed line ends", changed(mixed)),
    fault("split CRLF", changed(split_ends, pace=0.003)),
    fault("data on many lines", changed(every(many_lines))),
    fault("no space after the colon", changed(every(lambda event: event.replace(b": ", b":", 1)))),
    fault("comments", changed(every(lambda event: b": a\n:\n\n" + event))),
    fault(
        "comments only",
        same(*[Stream([b": ping\n\n"] * 100, pace=0.02, end="hold")] * 3),
        text="",
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        requests=3,
        clocks=Clocks(30.0, 0.3, 30.0),
    ),
    fault(
        "other fields",
        changed(every(lambda event: b"id: 7\nretry: 9\nfoo: bar\nbaz\nevent: message\n" + event)),
    ),
    fault("separators of Unicode", saying("a\u2028b\u2029c\x85d e"), text="a\u2028b\u2029c\x85d e"),
    fault("no blank line at the end", changed(without_blank_line)),
    fault("blank lines first", changed(lambda events: [b"\r\n\n" * 500, *events])),
    # Characters
    fault("every byte alone", changed(list, cut="bytes")),
    fault("characters split", changed(every(escaped), cut=5)),
    fault("invalid UTF-8", spelt("a%b c", b"\xff\xc3"), text="a\ufffd\ufffdb c"),
    fault("UTF-8 cut short", spelt("a%b c", b"\xf0\x9f\x98"), text="a\ufffdb c"),
    fault("surrogates as escapes", changed(every(escaped))),
    fault("lone surrogate", spelt("a%b c", rb"\ud83d"), text="a\ufffdb c"),
    fault("surrogates split", spelt(["a%", "&b c"], rb"\ud83d", rb"\ude00"), text="a😀b c"),
    fault("NUL as it is", spelt("a%b c", b"\0"), text="a\0b c"),
    fault("NUL as an escape", spelt("a%b c", rb"\u0000"), text="a\0b c"),
)
