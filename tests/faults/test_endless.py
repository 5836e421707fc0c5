"""Answers without end: a clock or a bound ends each, and little of it is kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from glm_magic.errors import AuthenticationError, ProtocolError, StatusError
from glm_magic.providers import http
from tests.far_side import GREETING, FarSide, Silence, Stream
from tests.far_side_data import Recorded
from tests.faults.connection import CHUNKED, HALF, HEAD, chunks
from tests.faults.test_bombs import measured
from tests.faults.test_large import hash_of
from tests.providers.asking import OPENAI, WIRES, Wire, fail

#: What a client may leave unread, in the buffers of both ends: an error body has 64 KiB of it.
BUFFERED = 16 * 2**20
#: More than any of these may take.
LITTLE = 32 * 2**20


@dataclass(eq=False)
class Endless:
    """*head*, and then *unit* after *unit* while it is read, up to *most* bytes."""

    head: bytes
    unit: bytes
    most: int = 2**40
    written: int = 0

    async def play(self, request: Any, recorded: Recorded) -> Any:
        """Write past the server's own HTTP, as fast as it is read."""
        request.transport.write(self.head)
        with suppress(ConnectionError):
            while self.written < self.most:
                request.transport.write(self.unit)
                self.written += len(self.unit)
                await request.protocol._drain_helper()
                await asyncio.sleep(0)
        return await Silence().play(request, recorded)


REFUSED = b"HTTP/1.1 %d No\r\nContent-Type: text/html\r\n\r\n<html>No! "


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (REFUSED % 401, AuthenticationError),
        (REFUSED % 418, StatusError),
        (HEAD + b"\r\n<html>No! ", ProtocolError),
    ],
    ids=["401", "418", "page with 200"],
)
async def test_error_body(wire, head, expected, monkeypatch):
    """Of a refusal without end 64 KiB are read, however much time there is, and no more."""
    monkeypatch.setattr(http, "LAST_SECONDS", 10.0)
    script = Endless(head, b"." * 2**16, most=2 * BUFFERED)
    with FarSide() as far_side:
        far_side.queue(script)
        error = await fail(wire.at(far_side.url))
        assert (expected, 1) == (type(error), len(far_side.requests))
        assert await asyncio.to_thread(far_side.requests[0].closed)
    assert script.written < BUFFERED


async def test_error_body_of_a_list(monkeypatch):
    """Of a list that is refused without end no more is read."""
    monkeypatch.setattr(http, "LAST_SECONDS", 10.0)
    script = Endless(REFUSED % 401, b"." * 2**16, most=2 * BUFFERED)
    with FarSide() as far_side:
        far_side.queue(script, method="GET")
        with pytest.raises(AuthenticationError):
            await OPENAI.at(far_side.url).models()
        assert await asyncio.to_thread(far_side.requests[0].closed)
    assert script.written < BUFFERED


HINTS = b"HTTP/1.1 %b\r\nLink: </a.css>\r\n\r\n"
BEFORE_A_WORD = {
    "103 for ever": (b"", HINTS % b"103 Early Hints" * 500),
    "100 for ever": (b"", HINTS % b"100 Continue" * 500),
    "blank lines before the status": (b"", b"\r\n" * 2**15),
    "blank lines before the first event": (HEAD + b"\r\n", b"\r\n" * 2**15),
    "comments before the first event": (HEAD + b"\r\n", b":\n" * 2**15),
    "chunk extension before the first event": (CHUNKED + b"\r\n5;a=", b"." * 2**16),
}
BEHIND_HALF = {"chunk extension": (b"5;a=", b"." * 2**16), "chunk size": (b"", b"0" * 2**16)}


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize(("head", "unit"), BEFORE_A_WORD.values(), ids=BEFORE_A_WORD)
async def test_before_a_word(wire, head, unit):
    """What has no word in it runs against the first clock, and is asked again."""
    seen, requests = await asked(wire, head, unit)
    assert (hash_of(GREETING), "stop", None) == (seen["text"], seen["finish"], seen["error"])
    assert "no answer within 0.5 s" in seen["what"]
    assert seen["growth"] < LITTLE
    assert 3 == requests


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize(("head", "unit"), BEHIND_HALF.values(), ids=BEHIND_HALF)
async def test_behind_half(wire, head, unit):
    """In mid-answer it runs against the clock of silence, and the half is kept."""
    half = b"".join(piece for piece in chunks(wire.unfinished(HALF)) if isinstance(piece, bytes))
    seen, requests = await asked(wire, CHUNKED + b"\r\n" + half + head, unit)
    assert (hash_of(HALF), "NetworkError") == (seen["text"], seen["error"])
    assert "silent for 0.5 s in mid-answer" in seen["what"]
    assert seen["growth"] < LITTLE
    assert 2 == requests


async def asked(wire: Wire, head: bytes, unit: bytes) -> tuple[dict[str, Any], int]:
    """Return what a process of its own saw of such an answer, and how many requests it made."""
    with FarSide() as server:
        server.queue(Stream(wire.stream(GREETING)), Endless(head, unit))
        seen = await measured(server.url, wire, seconds=0.5)
        return seen, len(server.requests)
