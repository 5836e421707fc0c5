"""The clocks: how long each stage of an answer may take, and what does not count."""

from __future__ import annotations

import asyncio

import pytest

from glm_magic.errors import NetworkError
from glm_magic.providers import http
from glm_magic.providers.base import Clocks
from tests.far_side import Silence, Status, Stream, openai_stream
from tests.providers.asking import OPENAI, ask, fail


@pytest.mark.parametrize(
    "script",
    [Silence(), Stream([], end="hold"), Stream([b": ping\n\n"] * 500, pace=0.01)],
    ids=["no head", "no body", "comments"],
)
async def test_first_event(far_side, wire, script):
    """The first event is waited for so long; a head and comments are none."""
    far_side.queue(script)
    error = await fail(wire.at(far_side.url, clocks=Clocks(first_event=0.1), retries=0))
    assert isinstance(error, NetworkError)
    assert "no answer within 0.1 s" in str(error)
    assert "first_event_timeout" in error.remedy
    assert await asyncio.to_thread(far_side.requests[0].closed)


async def test_silence_in_the_middle(far_side, wire):
    """Silence in mid-answer is an error that keeps the text, and is not asked again."""
    far_side.queue(Stream(wire.unfinished("Half of it"), end="hold"))
    error = await fail(wire.at(far_side.url, clocks=Clocks(idle=0.1)))
    assert isinstance(error, NetworkError)
    assert "silent for 0.1 s in mid-answer" in str(error)
    assert "idle_timeout" in error.remedy
    assert error.partial is not None
    assert "Half of it" == error.partial.text
    assert 1 == len(far_side.requests)
    assert await asyncio.to_thread(far_side.requests[0].closed)


async def test_slow_but_alive(far_side, wire):
    """An answer may take any time as long as something comes."""
    text = "one two three four five six seven eight nine ten " * 2
    far_side.queue(Stream(wire.stream(text), pace=0.03))
    reply = await ask(wire.at(far_side.url, clocks=Clocks(first_event=0.4, idle=0.4), retries=0))
    assert (text, "stop") == (reply.text, reply.finish_reason)


async def test_no_clocks(far_side, wire):
    """All clocks can be switched off."""
    reply = await ask(wire.at(far_side.url, clocks=Clocks(None, None, None)))
    assert "stop" == reply.finish_reason


@pytest.mark.parametrize("usage", [{"prompt_tokens": 1}, None])
async def test_held_open_after_the_finish(far_side, monkeypatch, usage):
    """After the finish signal only a moment is waited for what may follow."""
    monkeypatch.setattr(http, "LAST_SECONDS", 0.05)
    far_side.queue(Stream(openai_stream("Hi", done=False, usage=usage), end="hold"))
    reply = await ask(OPENAI.at(far_side.url, clocks=Clocks(idle=None)))
    assert ("Hi", "stop", []) == (reply.text, reply.finish_reason, reply.notices)
    assert await asyncio.to_thread(far_side.requests[0].closed)


async def test_list_of_models(far_side):
    """The list of models is under the clock of the first event."""
    far_side.queue(Silence(), Status(200, {}), method="GET")
    with pytest.raises(NetworkError, match=r"no answer within 0\.1 s"):
        await OPENAI.at(far_side.url, clocks=Clocks(first_event=0.1)).models()
