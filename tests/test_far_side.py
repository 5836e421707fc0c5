"""The far side of the tests does what its scripts say, seen by a plain client."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.far_side import (
    FarSide,
    Gate,
    Raw,
    Recorded,
    Redirect,
    Silence,
    Status,
    Stream,
    chatglm_stream,
    openai_stream,
    refused_url,
)
from tests.far_side_data import cut_anew, encoded

OPENAI = "/v1/chat/completions"
CHATGLM = "/chatglm/mainchat-api/guest/stream"
ENDS = (aiohttp.ClientError, ConnectionError)


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    with FarSide() as far_side:
        yield far_side


@pytest.fixture
async def client(far_side: FarSide) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(far_side.url) as client:
        yield client


async def post(client: aiohttp.ClientSession, path: str = OPENAI) -> bytes:
    async with client.post(path, json={"model": "m"}) as response:
        return await response.read()


def events(stream: bytes) -> list[Any]:
    """Return what the events of *stream* hold, `[DONE]` as it is."""
    lines = [event.removeprefix("data: ") for event in stream.decode().split("\n\n")[:-1]]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def contents(stream: bytes, key: str = "content") -> list[str]:
    chunks = [event for event in events(stream) if event != "[DONE]"]
    return [chunk["choices"][0]["delta"].get(key, "") for chunk in chunks]


def shown(stream: bytes | Sequence[bytes], kind: str = "text") -> list[str]:
    parts = [event["parts"][0]["content"][0] for event in events(b"".join(stream))]
    return [part[kind] for part in parts if part["type"] == kind]


# -- What is answered ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", [OPENAI, "/api/paas/v4/chat/completions"])
async def test_usual_openai_answer(client: aiohttp.ClientSession, path: str):
    """With nothing queued an OpenAI path streams a friendly text to its end."""
    stream = await post(client, path)
    assert "".join(contents(stream)) == "Hello from the far side."
    assert events(stream)[-1] == "[DONE]"


async def test_usual_chatglm_answer(client: aiohttp.ClientSession):
    """With nothing queued the web path streams the same text in snapshots."""
    stream = await post(client, CHATGLM)
    assert shown([stream])[-1] == "Hello from the far side."
    assert events(stream)[-1]["status"] == "finish"


@pytest.mark.parametrize("path", ["/v1/models", "/api/paas/v4/models"])
async def test_models(client: aiohttp.ClientSession, path: str):
    """Both lists of models name two."""
    async with client.get(path) as response:
        models = await response.json()
    assert [model["id"] for model in models["data"]] == ["glm-test", "glm-test-flash"]


async def test_unknown_path(client: aiohttp.ClientSession):
    """A path nobody serves is not found."""
    async with client.post("/v1/elsewhere") as response:
        assert response.status == 404


async def test_queue_is_played_in_order(client: aiohttp.ClientSession, far_side: FarSide):
    """Each script answers one request; then come the usual answers again."""
    far_side.queue(Status(200, b"1"), Status(200, b"2"))
    assert [await post(client) for _ in range(2)] == [b"1", b"2"]
    assert (await post(client)).endswith(b"data: [DONE]\n\n")


async def test_scripts_for_other_methods(client: aiohttp.ClientSession, far_side: FarSide):
    """A script can be queued for GET and leaves the POSTs alone."""
    far_side.queue(Status(401, {"error": {"code": "1000"}}), method="GET")
    assert await post(client)
    async with client.get("/v1/models") as response:
        assert response.status == 401
        assert await response.json() == {"error": {"code": "1000"}}


async def test_function_makes_the_script(client: aiohttp.ClientSession, far_side: FarSide):
    """A function answers by what the request says."""

    def echo(recorded: Recorded) -> Status:
        return Status(200, recorded.json["model"])

    far_side.queue(echo)
    assert await post(client) == b"m"


async def test_status(client: aiohttp.ClientSession, far_side: FarSide):
    """A refusal has its status, type, headers and text."""
    far_side.queue(Status(503, "<p>busy", "text/html", {"Retry-After": "3"}))
    async with client.post(OPENAI) as response:
        assert (response.status, response.content_type) == (503, "text/html")
        assert response.headers["Retry-After"] == "3"
        assert await response.text() == "<p>busy"


async def test_redirect(client: aiohttp.ClientSession, far_side: FarSide):
    """A redirect leads the client, with its body, to another path."""
    far_side.queue(Redirect(CHATGLM))
    assert shown([await post(client)])[-1] == "Hello from the far side."
    assert [request.json for request in far_side.requests] == [{"model": "m"}] * 2


# -- What is recorded ----------------------------------------------------------------------------


async def test_request_is_recorded(client: aiohttp.ClientSession, far_side: FarSide):
    """A test can look up everything that was asked."""
    async with client.post(OPENAI + "?a=1", json={"q": "é"}, headers={"X-Odd": "yes"}):
        [request] = far_side.received()
    assert (request.method, request.path) == ("POST", OPENAI + "?a=1")
    assert request.headers["x-odd"] == "yes"
    assert request.json == {"q": "é"}
    assert json.loads(request.text) == {"q": "é"}


async def test_connections_are_told_apart(client: aiohttp.ClientSession, far_side: FarSide):
    """A kept connection has one number, a new one another."""
    await post(client)
    await post(client)
    async with aiohttp.ClientSession(far_side.url) as other:
        await post(other)
    assert [request.connection for request in far_side.requests] == [1, 1, 2]


def test_request_that_never_comes(far_side: FarSide):
    """Waiting for a request ends with the number of those that came."""
    with pytest.raises(TimeoutError, match="0 requests came, not 1"):
        far_side.received(timeout=0.01)


# -- How a stream comes and ends -----------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
@pytest.mark.parametrize("cut", ["whole", "bytes", 7, [1, 40]])
async def test_cut_and_encoding_change_nothing(
    client: aiohttp.ClientSession, far_side: FarSide, cut: Any, encoding: Any
):
    """However a stream is cut and compressed, the client reads the same bytes."""
    chunks = openai_stream("Grüße 你好")
    far_side.queue(Stream(chunks, cut=cut, encoding=encoding))
    assert await post(client) == b"".join(chunks)


async def test_stream_has_its_head(client: aiohttp.ClientSession, far_side: FarSide):
    """Status, type and further headers of a stream are as scripted."""
    far_side.queue(Stream([b"x"], status=207, content_type="text/plain", headers={"X-Id": "7"}))
    async with client.post(OPENAI) as response:
        assert (response.status, response.content_type) == (207, "text/plain")
        assert response.headers["X-Id"] == "7"


async def test_gate_holds_the_stream(client: aiohttp.ClientSession, far_side: FarSide):
    """What is behind a gate is sent when the test opens it."""
    gate = Gate()
    far_side.queue(Stream([b"before ", gate, b"after"], pace=0.001))
    async with client.post(OPENAI) as response:
        assert await response.content.readexactly(7) == b"before "
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(response.content.readexactly(1), 0.02)
        gate.open()
        assert await response.read() == b"after"


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}])
@pytest.mark.parametrize("end", ["close", "abort"])
async def test_cut_connection(
    client: aiohttp.ClientSession, far_side: FarSide, end: Any, headers: dict[str, str]
):
    """A stream without its end gives what came and then an error."""
    gate = Gate()
    far_side.queue(Stream([b"a", gate], end=end, headers=headers))
    async with client.post(OPENAI) as response:
        assert await response.content.readexactly(1) == b"a"
        gate.open()
        with pytest.raises(ENDS):
            await response.read()
    assert not far_side.requests[0].closed(timeout=0)


async def test_end_by_close_alone(client: aiohttp.ClientSession, far_side: FarSide):
    """An answer with no length that is ended by the connection is whole."""
    far_side.queue(Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"))
    assert await post(client) == b"all of it"


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_no_answer_at_all(client: aiohttp.ClientSession, far_side: FarSide, end: Any):
    """A connection that ends before any answer is an error."""
    far_side.queue(Raw(b"", end=end))
    with pytest.raises(ENDS):
        await post(client)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n",
    ],
)
async def test_malformed_http(client: aiohttp.ClientSession, far_side: FarSide, answer: bytes):
    """What is not HTTP, or not all of it, reaches the client as it is."""
    far_side.queue(Raw(answer))
    with pytest.raises(aiohttp.ClientError):
        await post(client)


@pytest.mark.parametrize(
    "script",
    [
        Stream([b"a"], end="hold"),
        Stream([b"a", Gate(), b"never"]),
        Stream([b"a" * 65536] * 2000),
        Raw(b"HTTP/1.1 200 OK\r\n\r\n", end="hold"),
    ],
)
async def test_client_leaves_a_stream(
    client: aiohttp.ClientSession, far_side: FarSide, script: Any
):
    """A client that closes in the middle of a stream is noticed, and when."""
    far_side.queue(script)
    async with client.post(OPENAI):
        [request] = far_side.received()
        assert not request.closed(timeout=0)
    assert await asyncio.to_thread(request.closed)
    assert request.closed_at is not None


async def test_client_leaves_silence(client: aiohttp.ClientSession, far_side: FarSide):
    """A client that gives up waiting for an answer is noticed."""
    far_side.queue(Silence())
    asking = asyncio.create_task(post(client))
    [request] = await asyncio.to_thread(far_side.received)
    asking.cancel()
    assert await asyncio.to_thread(request.closed)


async def test_client_leaves_after_the_answer(client: aiohttp.ClientSession, far_side: FarSide):
    """A connection kept after a whole answer is open until the client closes it."""
    await post(client)
    [request] = far_side.requests
    assert not request.closed(timeout=0)
    await client.close()
    assert await asyncio.to_thread(request.closed)


async def test_server_leaves_first():
    """The server ends with requests unanswered, and does not blame the client."""
    async with aiohttp.ClientSession() as client:
        with FarSide() as far_side:
            far_side.queue(Silence(), Stream([b"a", Gate()]), Stream([b"a"], end="hold"))
            asking = [asyncio.create_task(post(client, far_side.url + OPENAI)) for _ in range(3)]
            await asyncio.to_thread(far_side.received, 3)
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(answer, ENDS) for answer in answers)
    assert not any(request.closed(timeout=0) for request in far_side.requests)


# -- Addresses -----------------------------------------------------------------------------------


async def test_tls():
    """The certificate holds for who trusts its signer, and for nobody else."""
    with FarSide(tls=True) as far_side:
        assert far_side.ca is not None
        trusting = ssl.create_default_context()
        far_side.ca.configure_trust(trusting)
        async with aiohttp.ClientSession(far_side.url) as client:
            async with client.post(OPENAI, ssl=trusting) as response:
                assert (await response.read()).endswith(b"data: [DONE]\n\n")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await post(client)


async def test_refused_url():
    """Where nobody listens, the connection is refused."""
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await client.get(refused_url())
    assert isinstance(caught.value.os_error, ConnectionRefusedError)


def test_clean_shutdown():
    """Starting and stopping leaves no thread, socket or warning behind."""
    code = (
        "import threading, tests.far_side as f\n"
        "for tls in (False, True):\n"
        "    with f.FarSide(tls=tls): pass\n"
        "print(threading.active_count())"
    )
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("1\n", "")


# -- The streams ---------------------------------------------------------------------------------


def test_openai_stream():
    """Thinking, text, the reason for the end with the usage, and the last line, in this order."""
    stream = b"".join(openai_stream(["Hi", " you"], reasoning=["So"], finish="length", model="m"))
    assert contents(stream, "reasoning_content") == ["So", "", "", ""]
    assert contents(stream) == ["", "Hi", " you", ""]
    *_, last, done = events(stream)
    assert (last["model"], last["choices"][0]["finish_reason"]) == ("m", "length")
    assert last["usage"]["total_tokens"] == 12
    assert done == "[DONE]"


def test_openai_stream_in_part():
    """The usage, the reason for the end and the last line can each be left out."""
    assert "usage" not in events(b"".join(openai_stream("a", usage=None)))[-2]
    assert contents(b"".join(openai_stream(["a"], finish=None, done=False))) == ["a"]


@given(st.text())
def test_openai_stream_holds_the_text(text: str):
    """The words of any text, put together, are the text again."""
    assert "".join(contents(b"".join(openai_stream(text)))) == text


def test_chatglm_snapshots():
    """Cumulative snapshots show all so far, and only the last event ends the stream."""
    stream = chatglm_stream(["a", "b"], think=["t"], conversation_id="c9")
    assert shown(stream, "think") == ["t", "t"]
    assert shown(stream) == ["a", "ab", "ab"]
    frames = events(b"".join(stream))
    assert [frame["status"] for frame in frames] == ["init"] * 4 + ["finish"]
    assert {frame["conversation_id"] for frame in frames} == {"c9"}


def test_chatglm_deltas():
    """In the later mode each event shows what is new, and the last one everything."""
    assert shown(chatglm_stream(["a", "b"], mode="delta")) == ["a", "b", "ab"]
    assert shown(chatglm_stream(["a", "b"], mode="delta", finish=False)) == ["a", "b"]


@given(
    st.lists(st.binary(max_size=5) | st.none(), max_size=6),
    st.sampled_from(["whole", "bytes"])
    | st.integers(1, 9)
    | st.lists(st.integers(1, 5), max_size=4),
)
def test_cutting_loses_nothing(chunks: list[bytes | None], cut: Any):
    """Whatever the cut, each byte and each mark between the bytes stays in its place."""
    pieces = list(cut_anew(chunks, cut))
    assert [*_atoms(pieces)] == [*_atoms(chunks)]


def _atoms(pieces: Sequence[bytes | None]) -> Iterator[int | None]:
    return chain.from_iterable([None] if piece is None else piece for piece in pieces)


def test_cut_sizes():
    """A number or a list of numbers says how long the pieces are."""
    chunks = [b"abc", b"defg"]
    assert list(cut_anew(chunks, "whole")) == chunks
    assert list(cut_anew(chunks, 3)) == [b"abc", b"def", b"g"]
    assert list(cut_anew(chunks, [1, 4])) == [b"a", b"bcde", b"fg"]


def test_each_piece_is_readable_at_once():
    """A compressed piece does not wait for the next one."""
    first = next(iter(encoded([b"now", b"later"], "gzip")))
    assert isinstance(first, bytes)
    assert zlib.decompressobj(wbits=31).decompress(first) == b"now"
