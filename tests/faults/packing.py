"""Answers that come packed, which nobody asked for: whole, cut, garbage, and bombs."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

from glm_magic.errors import AuthenticationError, ProtocolError, StatusError
from tests.far_side import Script, Stream
from tests.faults.fault import WORLD, Fault, Site, same, saying
from tests.providers.asking import OPENAI


def packed(body: bytes, encoding: str, **how: Any) -> Script:
    """Return *body*, which is packed already, as an answer in *encoding*."""
    return Stream([body], headers={"Content-Encoding": encoding}, **how)


def squeezed(at: Site, text: str = "Half of it") -> bytes:
    """Return a stream without its end, by gzip without its own."""
    squeeze = zlib.compressobj(wbits=31)
    return squeeze.compress(b"".join(at.wire.unfinished(text))) + squeeze.flush(zlib.Z_SYNC_FLUSH)


def given_up(name: str, script: Script, words: str = "cannot be unpacked") -> Fault:
    """Return a fault for a body that is not read to its end."""
    return Fault(name, same(script), error=ProtocolError, words=(words,))


def bomb(start: bytes, unit: bytes, **how: Any) -> Script:
    """Return *start* and then 1 GiB of *unit* after *unit*, by gzip: a thousandth of that is sent.

    Each block ends with a full flush, so that it may be repeated as it is.
    """
    squeeze = zlib.compressobj(9, wbits=31)
    head = squeeze.compress(start) + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = unit * (2**20 // len(unit))
    again = squeeze.compress(block) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return packed(head + again * 2**10, "gzip", **how)


ENCODINGS = (
    *(Fault(name, saying(WORLD, encoding=name), text=WORLD) for name in ("gzip", "deflate")),
    Fault("gzip, byte by byte", saying(WORLD, encoding="gzip", cut="bytes"), text=WORLD),
    Fault(
        "gzip, truncated",
        lambda at: [packed(squeezed(at), "gzip")],
        text="Half of it",
        finish="truncated",
        words=("ended before",),
    ),
    *(
        Fault(
            f"{encoding}, which nobody unpacks",
            same(packed(gzip.compress(WORLD.encode()), encoding)),
            error=ProtocolError,
            words=("cannot be unpacked", "a proxy, a gateway"),
        )
        for encoding in ("x-gzip", "gzip, gzip")
    ),
    Fault(
        "x-gzip of a refusal",
        same(packed(gzip.compress(WORLD.encode()), "x-gzip", status=401)),
        error=AuthenticationError,
        words=("The key was not accepted.",),
        wires=(OPENAI,),
    ),
    given_up("gzip, garbage", packed(b"\x8e\x1fgarbage" * 100, "gzip")),
    given_up("gzip that is plain text", packed(b"data: {}\n\n", "gzip")),
    given_up("brotli", packed(b"\x8b\x03\x80garbage", "br")),
    Fault(
        "encoding that nobody knows",
        saying(WORLD, headers={"Content-Encoding": "rot13"}),
        text=WORLD,
    ),
    Fault(
        "gzip of a refusal",
        same(packed(gzip.compress(b'{"error": {"message": "no!"}}'), "gzip", status=401)),
        error=AuthenticationError,
        words=("no!",),
    ),
    Fault(
        "gzip, garbage, of a refusal",
        same(packed(b"\x8e\x1fgarbage" * 100, "gzip", status=401)),
        error=AuthenticationError,
    ),
)

#: `test_bombs.py` measures what they take.
BOMBS = (
    given_up("bomb of one line", bomb(b"data: ", b"x" * 1024), "larger than 16 MiB"),
    given_up("bomb of a comment", bomb(b": ", b"x" * 1024), "larger than 16 MiB"),
    given_up(
        "bomb of data lines", bomb(b"", b"data: " + b"x" * 1000 + b"\n"), "larger than 16 MiB"
    ),
    given_up("bomb of JSON", bomb(b'{"choices": "', b"x" * 1024), "no JSON object"),
    given_up("bomb of JSON lists", bomb(b'{"choices": [', b"[]," * 1024), "no JSON object"),
    given_up(
        "bomb of an event of lists",
        bomb(b'data: {"choices": [', b"[]," * 1024),
        "larger than 16 MiB",
    ),
    Fault(
        "event of lists called an error",
        lambda at: [Stream([b'event: error\ndata: {"a": [' + b"[]," * 2**22 + b"1]}\n\n"])],
        error=StatusError,
        words=("[],[],",),
    ),
    Fault(
        "event of lists alone",
        lambda at: [Stream([b"data: [" + b"[]," * 2**22 + b"[]]\n\n", *at.wire.stream("Hi")])],
        text="Hi",
        words=("one unreadable event was skipped",),
    ),
    given_up(
        "bomb of a page", bomb(b"<html>", b"<p>words</p> "), "a web page instead of an answer"
    ),
    Fault(
        "bomb of a refusal",
        same(bomb(b"no!", b"x" * 1024, status=401, content_type="text/plain")),
        error=AuthenticationError,
        words=("no!",),
    ),
)

FAULTS = (*ENCODINGS, *BOMBS)
