"""Connections: how long they are kept, on which loop, and that none is left open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from glm_magic.loop import background
from tests.far_side import GREETING, FarSide, Raw, Status, Stream, openai_stream
from tests.providers.asking import OPENAI, ask, fail


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
