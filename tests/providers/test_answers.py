"""Answers that are not what they should be: other addresses, types, sizes and encodings."""

from __future__ import annotations

import asyncio
import tracemalloc
import zlib

import pytest

from glm_magic.errors import OverloadError, ProtocolError, StatusError
from glm_magic.providers import remote
from tests.far_side import FarSide, Raw, Redirect, Status, Stream
from tests.providers.asking import OPENAI, ask, fail

MIB = 2**20


# -- Other addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect(far_side, wire, status):
    """A redirect is not followed; the user reads where it would have led."""
    with FarSide() as elsewhere:
        far_side.queue(Redirect(f"{elsewhere.url}/v1", status))
        error = await fail(wire.at(far_side.url))
    assert isinstance(error, StatusError)
    assert status == error.status
    assert elsewhere.url.removeprefix("http://") in str(error)
    assert "not followed" in str(error)
    assert (1, 0) == (len(far_side.requests), len(elsewhere.requests))


@pytest.mark.parametrize("location", ["/login", "", "http://[", "//u:p@other.example/"])
async def test_redirect_to_nowhere(far_side, location):
    """A redirect is explained wherever it leads, and shows no password."""
    far_side.queue(Redirect(location))
    error = await fail(OPENAI.at(far_side.url))
    assert isinstance(error, StatusError)
    assert "not followed" in str(error)
    assert "u:p" not in str(error)


# -- Other types ---------------------------------------------------------------------------------


async def test_web_page(far_side, wire):
    """A page under a good status is no answer, and its words are shown."""
    page = "<!DOCTYPE html><script>x</script><h1>Please log in</h1>"
    far_side.queue(Status(200, page, "text/html"))
    error = await fail(wire.at(far_side.url))
    assert isinstance(error, ProtocolError)
    assert "web page" in str(error)
    assert "Please log in" == error.start
    assert 1 == len(far_side.requests)


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/plain", "x"])
@pytest.mark.parametrize("cut", ["whole", "bytes"])
async def test_wrong_type(far_side, wire, content_type, cut):
    """A stream is read as one whatever type it is said to be."""
    far_side.queue(Stream(wire.stream("Hi"), content_type=content_type, cut=cut))
    assert "Hi" == (await ask(wire.at(far_side.url))).text


async def test_no_type(far_side, wire):
    """A stream is read as one when no type is said."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    far_side.queue(Raw(head + b"".join(wire.stream("Hi"))))
    assert "Hi" == (await ask(wire.at(far_side.url))).text


@pytest.mark.parametrize("body", [b"", b"\n\n", b": ping\n\n", b"[1, 2]", b"null", b"OK", b"{}"])
async def test_no_answer_at_all(far_side, wire, body):
    """A good status without an answer is an error."""
    far_side.queue(Status(200, body, "application/json"))
    error = await fail(wire.at(far_side.url))
    assert isinstance(error, (ProtocolError, StatusError))
    assert 1 == len(far_side.requests)


async def test_refusal_with_a_good_status(far_side):
    """An error that comes with status 200 is still an error."""
    far_side.queue(Status(200, {"error": {"message": "Engine died", "type": "server_error"}}))
    error = await fail(OPENAI.at(far_side.url, retries=0))
    assert isinstance(error, OverloadError)
    assert "Engine died" in str(error)


# -- Other encodings and sizes -------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("cut", ["whole", "bytes"])
async def test_compressed(far_side, wire, encoding, cut):
    """An answer that comes compressed, though that was not asked for, is read."""
    far_side.queue(Stream(wire.stream("你好 world"), encoding=encoding, cut=cut))
    assert "你好 world" == (await ask(wire.at(far_side.url))).text


async def test_damaged_compression(far_side, wire):
    """What cannot be uncompressed is an error of ours like any other."""
    far_side.queue(*[Status(200, b"data: {}", headers={"Content-Encoding": "gzip"})] * 3)
    error = await fail(wire.at(far_side.url, retries=0))
    assert error.host


@pytest.mark.parametrize("start", [b"{", b"<", b"data: ", b": "])
@pytest.mark.parametrize("status", [200, 400])
async def test_compression_bomb(far_side, monkeypatch, start, status):
    """A small body that grows without end is given up before it fills the memory."""
    monkeypatch.setattr(remote, "ANSWER_BYTES", MIB)
    monkeypatch.setattr(remote.SSEDecoder.__init__, "__defaults__", (MIB,))
    bomb = zlib.compressobj(wbits=31)
    body = bomb.compress(start + bytes(64 * MIB)) + bomb.flush()
    far_side.queue(Status(status, body, "x", headers={"Content-Encoding": "gzip"}))
    tracemalloc.start()
    try:
        await fail(OPENAI.at(far_side.url, retries=0))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


async def test_answer_too_long(far_side, wire, monkeypatch):
    """An answer without end is cut off at the bound, and what came is kept."""
    monkeypatch.setattr(remote, "ANSWER_BYTES", 1000)
    far_side.queue(Stream(wire.unfinished(["word " * 150] * 4), end="hold"))
    error = await fail(wire.at(far_side.url))
    assert isinstance(error, ProtocolError)
    assert "longer than" in str(error)
    assert error.partial is not None
    assert error.partial.text.startswith("word word")
    assert await asyncio.to_thread(far_side.requests[0].closed)


async def test_error_page_too_long(far_side, wire):
    """Of a huge error page only the start is read."""
    far_side.queue(Status(400, b"no " * (5 * MIB // 3), "text/plain"))
    error = await fail(wire.at(far_side.url))
    assert len(str(error)) < 800
    assert await asyncio.to_thread(far_side.requests[0].closed)
