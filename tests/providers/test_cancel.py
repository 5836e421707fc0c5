"""Stopping at once, with the connection closed; `scenarios` cancels wherever an answer waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from glm_magic.conversation import Conversation
from glm_magic.loop import background
from glm_magic.messages import Delta, Reply
from glm_magic.providers.base import Provider
from tests.far_side import FarSide, Status, Stream
from tests.providers.asking import CHATGLM, OPENAI, QUESTION, Wire, deltas_of


async def stop(task: asyncio.Task[object]) -> None:
    """Cancel *task* and check that it ends by that."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def next_with(provider: Provider, field: str) -> tuple[object, Delta]:
    """Return a stream of *provider* and its first delta that has *field*."""
    stream = provider.stream(QUESTION)
    async for delta in stream:
        if getattr(delta, field):
            return stream, delta
    raise AssertionError(field)


async def test_connecting(wire):
    """A connection that is still being made is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        provider = wire.at(f"https://127.0.0.1:{server.getsockname()[1]}")
        task = asyncio.create_task(deltas_of(provider))
        there, _ = await asyncio.to_thread(server.accept)
        with there:
            there.settimeout(10)
            assert await asyncio.to_thread(there.recv, 4096)  # the handshake has begun
            await stop(task)
            assert b"" == await asyncio.to_thread(there.recv, 4096)


@pytest.mark.parametrize("is_kept", [False, True])
async def test_generator_closed_in_mid_answer(far_side, wire, is_kept):
    """Closing the generator closes the connection, a kept one too."""
    far_side.queue(Stream(wire.unfinished("Half"), end="hold"))
    provider = wire.at(far_side.url)
    if is_kept:
        await provider.__aenter__()
    stream, delta = await next_with(provider, "content")
    assert "Half" == delta.content
    await stream.aclose()
    assert await asyncio.to_thread(far_side.requests[0].closed)
    await provider.aclose()


async def test_waiting_for_usage(far_side):
    """After the finish signal there is still something to stop."""
    far_side.queue(Stream(OPENAI.stream("Hi")[:-1], end="hold"))
    far_side.queue(Stream([*OPENAI.unfinished("Hi")], end="hold"))
    stream, _ = await next_with(OPENAI.at(far_side.url), "finish_reason")
    await stream.aclose()
    assert await asyncio.to_thread(far_side.requests[0].closed)


async def test_pause_before_a_retry(far_side, wire):
    """A pause ends at once, and nothing more is asked."""
    far_side.queue(Status(503, {"message": "busy"}, headers={"Retry-After": "50"}))
    stream, _ = await next_with(wire.at(far_side.url, retries=1), "progress")
    await stream.aclose()
    assert 1 == len(far_side.requests)


async def watch(provider: Provider, field: str, seen: asyncio.Event) -> None:
    """Read an answer to its end, and set *seen* at the first delta that has *field*."""
    async for delta in provider.stream(QUESTION):
        if getattr(delta, field):
            seen.set()


@pytest.mark.parametrize("cut", ["whole", 40])
async def test_cancel_while_much_comes(far_side, cut):
    """A cancel is not lost between events that follow each other closely."""
    provider = OPENAI.at(far_side.url)
    for _ in range(10):
        far_side.queue(Stream(OPENAI.stream("word " * 5000), cut=cut))
        seen = asyncio.Event()
        task = asyncio.create_task(watch(provider, "content", seen))
        await seen.wait()
        await stop(task)
    for request in far_side.requests:
        assert await asyncio.to_thread(request.closed)


def test_waiting_thread_interrupted(far_side: FarSide, wire: Wire):
    """An interrupt of the thread that waits for the background loop closes the connection."""
    far_side.queue(Stream(wire.unfinished("Half"), end="hold"))
    batches = background.iterate(wire.at(far_side.url).stream(QUESTION))
    while "Half" not in [delta.content for delta in next(batches)]:
        pass
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt)
    assert far_side.requests[0].closed()


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (OPENAI, "if a <"),
        (OPENAI, "<"),
        (OPENAI, "if a </thin"),
        (OPENAI, "a box: <|begin_of"),
        (CHATGLM, "as 【3†source of all that is said here"),
        (CHATGLM, "【3"),
    ],
)
@pytest.mark.parametrize("way", ["cancelled", "closed"])
async def test_what_was_held_back(far_side: FarSide, wire: Wire, text: str, way: str):
    """What may be the beginning of a mark is part of the answer when that is stopped there."""
    far_side.queue(Stream([*wire.unfinished([text]), b"data: {nope\n\n"], end="hold"))
    conversation, reply = Conversation(wire.at(far_side.url)), Reply()
    stream = conversation.stream("Hi", reply=reply)
    noticed = asyncio.Event()
    task = asyncio.create_task(hear(stream, noticed, to_the_end=way == "cancelled"))
    await noticed.wait()
    await (stop(task) if way == "cancelled" else stream.aclose())
    assert ("cancelled", text) == (reply.finish_reason, reply.text)
    assert [text] == [exchange.answer.content for exchange in conversation.exchanges]


async def hear(stream: AsyncIterator[Delta], noticed: asyncio.Event, *, to_the_end: bool) -> None:
    """Read *stream* up to its first notice, or to its end."""
    async for delta in stream:
        if delta.notice:
            noticed.set()
            if not to_the_end:
                return
