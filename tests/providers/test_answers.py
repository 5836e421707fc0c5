"""Answers that are too long."""

from __future__ import annotations

import asyncio

from glm_magic.errors import ProtocolError
from glm_magic.providers import reading
from tests.far_side import Stream
from tests.providers.asking import CHATGLM, ask, fail
from tests.wire.streams import frame, sse, think


async def test_answer_too_long(far_side, wire, monkeypatch):
    """An answer without end is cut off at the bound, and what came is kept."""
    monkeypatch.setattr(reading, "ANSWER_BYTES", 1000)
    far_side.queue(Stream(wire.unfinished(["word " * 150] * 4), end="hold"))
    error = await fail(wire.at(far_side.url))
    assert isinstance(error, ProtocolError)
    assert "longer than" in str(error)
    assert error.partial is not None
    assert error.partial.text.startswith("word word")
    assert await asyncio.to_thread(far_side.requests[0].closed)


async def test_thinking_that_is_written_anew(far_side, monkeypatch):
    """Thinking that is taken back and said again is counted once."""
    monkeypatch.setattr(reading, "ANSWER_BYTES", 4000)
    turns = [frame(think(f"word {n}. "), logic_id=f"L{n % 2}") for n in range(10, 100)]
    end = {"status": "finish", "parts": []}
    far_side.queue(Stream([sse(turn) for turn in (*turns, end)]))
    reply = await ask(CHATGLM.at(far_side.url))
    assert ("stop", 812) == (reply.finish_reason, len(reply.reasoning))
