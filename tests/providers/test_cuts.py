"""Connections that break: what is asked again, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from glm_magic.messages import Reply
from glm_magic.providers.base import Provider
from tests.far_side import GREETING, Gate, Recorded, Silence
from tests.providers.asking import OPENAI, QUESTION

pytestmark = pytest.mark.usefixtures("short_pauses")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def chunked(*pieces: bytes) -> bytes:
    """Return *pieces* as chunks of a body that has not ended."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


@dataclass(frozen=True)
class Damaged:
    """*first*, and after a gate *rest* in one piece with something that is no chunk."""

    first: bytes
    gate: Gate
    rest: Sequence[bytes] = ()

    async def play(self, request: Any, recorded: Recorded) -> Any:
        """Write past the server's own HTTP."""
        request.transport.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(self.first))
        await self.gate.passed()
        request.transport.write(chunked(*self.rest) + b"ZZZ\r\nmore\r\n")
        return await Silence().play(request, recorded)


async def read(provider: Provider, gate: Gate, until: str) -> Reply:
    """Return the reply, and open *gate* as soon as it says *until*."""
    reply = Reply()
    async with aclosing(provider.stream(QUESTION)) as deltas:
        async for delta in deltas:
            reply.add(delta)
            if until in (reply.text, reply.reasoning):
                gate.open()
    return reply


async def test_damaged_framing(far_side, wire):
    """What comes in one piece with broken framing is kept to the last byte as well."""
    first, *rest = wire.unfinished("Half of the answer")
    gate = Gate()
    far_side.queue(Damaged(first, gate, rest))
    reply = await read(wire.at(far_side.url), gate, "Half")
    assert ("Half of the answer", "truncated") == (reply.text, reply.finish_reason)
    assert any("ended before" in notice for notice in reply.notices)
    assert 1 == len(far_side.requests)


async def test_damaged_before_a_word(far_side, wire):
    """Framing that breaks before a word was said is a cut, and the question is asked again."""
    gate = Gate()
    far_side.queue(Damaged(b"data: {nope\n\n", gate))
    reply = await read(wire.at(far_side.url), gate, "")
    assert (GREETING, "stop", 2) == (reply.text, reply.finish_reason, len(far_side.requests))


async def test_reasoning_is_heard(far_side):
    """Thinking that was shown counts as an answer: it is not asked for again."""
    thought = b'data: {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}\n\n'
    gate = Gate()
    far_side.queue(Damaged(thought, gate))
    reply = await read(OPENAI.at(far_side.url), gate, "hm")
    assert ("hm", "truncated", 1) == (reply.reasoning, reply.finish_reason, len(far_side.requests))
