"""Connections: how long they are kept, on which loop, and that none is left open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from glm_magic.loop import background
from tests.far_side import GREETING, FarSide, Gate, Raw, Status, Stream, openai_stream
from tests.far_side_data import chatglm_frame, chatglm_part, event, openai_chunk
from tests.providers.asking import CHATGLM, OPENAI, Wire, ask, fail


@pytest.fixture
def _clean_background() -> Iterator[None]:
    """The background loop ends with the test, and with it what it holds."""
    yield
    background.close()


def connections(far_side: FarSide) -> list[int]:
    """Return the number of the connection of each request."""
    return [request.connection for request in far_side.requests]


async def test_kept_inside_with(far_side, wire):
    """Inside `async with` one connection serves all questions, and is closed at the end."""
    async with wire.at(far_side.url) as provider:
        await ask(provider)
        await ask(provider)
        assert not far_side.requests[1].closed_by_client.is_set()
    assert [1, 1] == connections(far_side)
    assert await asyncio.to_thread(far_side.requests[1].closed)


async def test_what_nobody_asked_for(far_side, wire):
    """What comes on a kept connection between two questions is no answer to the second."""
    body = b"".join(wire.stream("Stale."))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    first = b"".join(wire.stream("First."))
    gate = Gate()
    stale = head % len(body) + body
    far_side.queue(Raw([head % len(first) + first, gate, stale], end="hold"))
    async with wire.at(far_side.url) as provider:
        assert "First." == (await ask(provider)).text
        gate.open()
        assert await asyncio.to_thread(far_side.requests[0].closed)
        assert GREETING == (await ask(provider)).text
    assert [1, 2] == connections(far_side)


@pytest.mark.usefixtures("_clean_background")
def test_kept_on_the_background_loop(far_side, wire):
    """On the background loop one connection serves all questions until the provider is closed."""
    provider = wire.at(far_side.url)
    background.run(ask(provider))
    background.run(ask(provider))
    assert [1, 1] == connections(far_side)
    background.run(provider.aclose())
    assert far_side.requests[1].closed()


@pytest.mark.usefixtures("_clean_background")
def test_closed_with_the_background_loop(far_side):
    """The end of the background loop closes its connections, and a new loop makes new ones."""
    provider = OPENAI.at(far_side.url)
    background.run(ask(provider))
    background.close()
    assert far_side.requests[0].closed()
    background.run(ask(provider))
    assert [1, 2] == connections(far_side)


async def test_one_for_each_call_elsewhere(far_side, wire):
    """On a loop where nobody would close it, a connection ends with its answer."""
    provider = wire.at(far_side.url)
    for request in range(2):
        await ask(provider)
        assert await asyncio.to_thread(far_side.requests[request].closed)
    assert [1, 2] == connections(far_side)


async def test_usable_after_close(far_side):
    """A closed provider can be used again."""
    provider = OPENAI.at(far_side.url)
    async with provider:
        await ask(provider)
    assert GREETING == (await ask(provider)).text


@pytest.mark.usefixtures("_clean_background")
async def test_two_loops_at_once(far_side):
    """Two loops use one provider side by side, each with a connection of its own."""
    async with OPENAI.at(far_side.url) as provider:
        for _ in range(2):
            await ask(provider)
            await asyncio.to_thread(background.run, ask(provider))
        assert [1, 2, 1, 2] == connections(far_side)
    assert await asyncio.to_thread(far_side.requests[2].closed)
    assert await asyncio.to_thread(far_side.requests[3].closed)


def test_one_loop_after_another(far_side):
    """A provider outlives the loops it was used on."""
    provider = OPENAI.at(far_side.url)

    async def entered() -> str:
        async with provider:
            return (await ask(provider)).text

    assert [GREETING] * 2 == [asyncio.run(entered()), asyncio.run(entered())]


@pytest.mark.usefixtures("short_pauses")
async def test_dead_connection(far_side, wire):
    """A kept connection that turns out to be dead is replaced by a new one."""
    far_side.queue(Stream(wire.stream("One")), Raw(b""), Stream(wire.stream("Two")))
    async with wire.at(far_side.url) as provider:
        assert "One" == (await ask(provider)).text
        reply = await ask(provider)
    assert ("Two", "stop") == (reply.text, reply.finish_reason)
    assert [1, 1, 2] == connections(far_side)


async def test_refusal_keeps_the_connection(far_side):
    """A refusal that was read to its end leaves its connection to the next question."""
    far_side.queue(Status(400, {"error": {"message": "no"}}))
    async with OPENAI.at(far_side.url) as provider:
        await fail(provider)
        await ask(provider)
    assert [1, 1] == connections(far_side)


@pytest.mark.usefixtures("_clean_background")
def test_nothing_left_open(far_side):
    """What is forgotten without being closed leaves no warning behind."""
    far_side.queue(Stream(openai_stream("Hi", done=False), end="hold"))
    asyncio.run(ask(OPENAI.at(far_side.url)))
    background.run(ask(OPENAI.at(far_side.url)))
    background.close()
    gc.collect()  # pytest turns a warning of a destructor into a failure of this test
    assert far_side.requests[0].closed()
    assert far_side.requests[1].closed()


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (
            OPENAI,
            [
                event(
                    {**openai_chunk({}), "choices": [{"index": 1, "delta": {"content": "Shown."}}]}
                ),
                event(openai_chunk({})),
                event({"error": {"code": "1302", "message": "slow"}}),
            ],
        ),
        (
            CHATGLM,
            [
                event(chatglm_frame(chatglm_part("text", "Shown."))),
                event(chatglm_frame(chatglm_part("text", "【3†source】", status="finish"), "init")),
                event({"status": "error", "last_error": {"code": 10024, "message": "busy"}}),
            ],
        ),
    ],
)
async def test_shown_and_taken_back(far_side, wire: Wire, events: list[bytes]):
    """A text that was shown is not asked for again, though nothing of it has stayed."""
    far_side.queue(Stream(events))
    await fail(wire.at(far_side.url))
    assert 1 == len(far_side.requests)


async def test_json_refusal_that_asks_to_wait(far_side):
    """A pause that a refusal under a good status asks for is kept to as any other."""
    refused = Status(
        200, {"error": {"code": "1302", "message": "slow"}}, headers={"Retry-After": "3600"}
    )
    far_side.queue(refused)
    error = await fail(OPENAI.at(far_side.url))
    assert (1, 3600.0) == (len(far_side.requests), error.retry_after)
    assert "wait 3600 s" in str(error)
