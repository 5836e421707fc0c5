"""Answers that are too long."""

from __future__ import annotations

import asyncio

from glm_magic.errors import ProtocolError
from glm_magic.providers import reading
from tests.far_side import Stream
from tests.providers.asking import fail


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
