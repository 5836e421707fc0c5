"""The rest of an answer, asked for after each way in which its first half may end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from glm_magic.conversation import Conversation
from glm_magic.errors import ProviderError
from glm_magic.messages import Message
from glm_magic.providers.base import Clocks
from tests.far_side import FarSide, Stream
from tests.far_side_data import event, openai_chunk
from tests.providers.asking import CHATGLM, OPENAI, Wire

#: What comes after the first half of an answer, by wire and by how the reply then ends.
ENDINGS = [
    (OPENAI, "truncated", []),
    (OPENAI, "error", [event({"error": {"code": "1302", "message": "too many"}})]),
    (OPENAI, "content_filter", [event(openai_chunk({}, finish="sensitive"))]),
    (OPENAI, "length", [event(openai_chunk({}, finish="length"))]),
    (CHATGLM, "truncated", []),
    (CHATGLM, "error", [event({"status": "error", "error": {"error_code": 10024}})]),
    (CHATGLM, "content_filter", [event({"status": "intervene"})]),
]


async def goes_on(conversation: Conversation, far_side: FarSide, wire: Wire) -> None:
    """See that the rest is asked for behind the half that came, and joined to it.

    A far side that has named the conversation remembers the half by itself.
    """
    named = conversation.conversation_id or ""
    far_side.queue(Stream(wire.stream(" and the rest.")))
    async for _ in conversation.go_on():
        pass
    assert "stop" == conversation.reply.finish_reason
    [exchange] = conversation.exchanges
    assert ("Hi", "Half and the rest.") == (exchange.question.content, exchange.answer.content)
    request = far_side.requests[-1].json
    *before, _ = (Message.of(each).content for each in request["messages"])
    assert (named, [] if named else ["Hi", "Half"]) == (request.get("conversation_id", ""), before)
    sent = [message.content for message in conversation.preview("And now?")]
    assert ["Hi", "Half and the rest.", "And now?"] == sent
    assert 2 == len(far_side.requests)


@pytest.mark.parametrize(
    ("wire", "reason", "ending"), ENDINGS, ids=[f"{wire.name} {how}" for wire, how, _ in ENDINGS]
)
async def test_after_what_came(far_side: FarSide, wire: Wire, reason: str, ending: Sequence[bytes]):
    """However the far side ended it, a half that has text is kept and gone on with."""
    far_side.queue(Stream([*wire.unfinished("Half"), *ending]))
    conversation = Conversation(wire.at(far_side.url))
    with suppress(ProviderError):
        await conversation.ask("Hi")
    assert ("Half", reason) == (conversation.reply.text, conversation.reply.finish_reason)
    await goes_on(conversation, far_side, wire)


async def test_after_silence(far_side: FarSide, wire: Wire):
    """An answer that fell silent is kept, and gone on with."""
    far_side.queue(Stream(wire.unfinished("Half"), end="hold"))
    conversation = Conversation(wire.at(far_side.url, clocks=Clocks(10, 10, 0.2)))
    with pytest.raises(ProviderError):
        await conversation.ask("Hi")
    assert "error" == conversation.reply.finish_reason
    await goes_on(conversation, far_side, wire)


async def test_after_stop(far_side: FarSide, wire: Wire):
    """An answer that was stopped is kept, and gone on with."""
    far_side.queue(Stream(wire.unfinished("Half"), end="hold"))
    conversation = Conversation(wire.at(far_side.url))
    conversation.listeners.add(lambda: conversation.reply.text == "Half" and conversation.stop())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(conversation.ask("Hi"))
    conversation.listeners.clear()
    assert "cancelled" == conversation.reply.finish_reason
    await goes_on(conversation, far_side, wire)
