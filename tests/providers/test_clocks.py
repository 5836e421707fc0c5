"""The clocks: how long each stage of an answer may take, and what does not count."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing

import pytest

from glm_magic.config import GlmConfig
from glm_magic.errors import NetworkError
from glm_magic.messages import Reply
from glm_magic.providers.base import Clocks
from tests.far_side import Gate, Silence, Status, Stream
from tests.providers.asking import OPENAI, QUESTION, ask

DAY = 86_400


def test_clocks_unless_said_otherwise():
    """A connection has ten seconds; the first event and each silence have five minutes."""
    config = GlmConfig()
    settings = (config.connect_timeout, config.first_event_timeout, config.idle_timeout)
    assert Clocks(10.0, 300.0, 300.0) == Clocks() == Clocks(*settings)


async def test_no_clocks(far_side, wire):
    """All clocks can be switched off."""
    reply = await ask(wire.at(far_side.url, clocks=Clocks(None, None, None)))
    assert "stop" == reply.finish_reason


async def test_list_of_models(far_side):
    """The list of models is under the clock of the first event."""
    far_side.queue(Silence(), Status(200, {}), method="GET")
    with pytest.raises(NetworkError, match=r"no answer within 0\.1 s"):
        await OPENAI.at(far_side.url, clocks=Clocks(first_event=0.1)).models()


async def test_list_of_models_that_comes_slowly(far_side):
    """Once a list has begun it may take longer, as long as it goes on."""
    listed = [b" ", b'{"data": [', *[b'{"id": "a"},'] * 9, b'{"id": "b"}]}']
    far_side.queue(Stream(listed, pace=0.05, content_type="application/json"), method="GET")
    provider = OPENAI.at(far_side.url, clocks=Clocks(first_event=0.3))
    assert ["a"] * 9 + ["b"] == await provider.models()


@pytest.fixture(params=[DAY, -DAY], ids=["on", "back"])
def jump(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function that sets the clock on the wall on or back by a day."""
    wall = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: wall() + request.param)


async def test_clock_on_the_wall_is_not_looked_at(far_side, wire, jump):
    """When it jumps in the middle of an answer, the answer goes on and took no day."""
    gate, begun = Gate(), len(wire.unfinished("Half"))
    chunks = wire.stream(["Half", " and half"])
    far_side.queue(Stream([*chunks[:begun], gate, *chunks[begun:]]))
    reply = Reply()
    clocks = Clocks(30.0, 30.0, 30.0)
    async with aclosing(wire.at(far_side.url, clocks=clocks).stream(QUESTION)) as deltas:
        async for delta in deltas:
            jump()
            gate.open()
            reply.add(delta)
    assert ("Half and half", "stop") == (reply.text, reply.finish_reason)
    assert 0 <= reply.elapsed < DAY / 2


async def test_silence_ends_whatever_the_wall_says(far_side, wire, jump):
    """When it jumps before a silence, that ends in its time."""
    far_side.queue(Stream(wire.unfinished("Half"), end="hold"))
    provider = wire.at(far_side.url, clocks=Clocks(30.0, 30.0, 0.1))
    async with aclosing(provider.stream(QUESTION)) as deltas:
        await anext(deltas)
        jump()
        with pytest.raises(NetworkError, match=r"silent for 0\.1 s"):
            assert [] == [delta async for delta in deltas if delta.finish_reason]
