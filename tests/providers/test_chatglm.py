"""The chatglm.cn web stream over a real connection: requests, answers and refusals."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_magic.errors import OverloadError
from glm_magic.messages import FinishReason, Message
from glm_magic.providers.base import Options
from glm_magic.providers.chatglm import ChatGLM
from tests.far_side import FarSide, Status, Stream, chatglm_stream
from tests.providers.asking import CHATGLM, ask, deltas_of, fail

TEXT = "你好, “world” $HOME 🎉\n\n哈哈 `data: {}`"
CONVERSATION = [Message("user", "One?"), Message("assistant", "1"), Message("user", "二?")]


# -- Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["cumulative", "delta"])
@pytest.mark.parametrize("cut", ["whole", "bytes", 7])
async def test_answer_whatever_the_pieces(far_side, cut, mode):
    """An answer comes out whole, however it is told and the network cuts it."""
    far_side.queue(Stream(chatglm_stream(TEXT, mode=mode, think="先想 一想"), cut=cut))
    reply = await ask(CHATGLM.at(far_side.url))
    assert (TEXT, "先想 一想", "stop") == (reply.text, reply.reasoning, reply.finish_reason)
    assert ("c1", "chatglm-all-tools", None) == (reply.conversation_id, reply.model, reply.usage)


def test_answer_at_random_cuts():
    """No set of cuts changes the answer."""
    with FarSide() as far_side:

        @settings(max_examples=20)
        @given(cuts=st.lists(st.integers(1, 60), max_size=40))
        def check(cuts: list[int]) -> None:
            far_side.queue(Stream(chatglm_stream(TEXT), cut=cuts))
            reply = asyncio.run(ask(CHATGLM.at(far_side.url)))
            assert (TEXT, "stop") == (reply.text, reply.finish_reason)

        check()


# -- Requests ------------------------------------------------------------------------------------


async def test_whole_conversation_at_first(far_side):
    """Without an id the whole conversation is sent, letter for letter."""
    await ask(CHATGLM.at(far_side.url), [Message("user", TEXT), *CONVERSATION])
    body = far_side.requests[0].json
    said = [(sent["role"], sent["content"][0]["text"]) for sent in body["messages"]]
    assert [("user", TEXT), ("user", "One?"), ("assistant", "1"), ("user", "二?")] == said
    assert "" == body["conversation_id"]


async def test_newest_message_after_that(far_side):
    """With the id that the far side gave, only the newest message is sent."""
    provider = CHATGLM.at(far_side.url)
    reply = await ask(provider, CONVERSATION[:1])
    await ask(provider, CONVERSATION, conversation_id=reply.conversation_id)
    body = far_side.requests[1].json
    assert "c1" == body["conversation_id"]
    assert [{"role": "user", "content": [{"type": "text", "text": "二?"}]}] == body["messages"]


async def test_guest_headers(far_side):
    """A guest is one device with no token, and says so; user's headers go on top."""
    await ask(CHATGLM.at(far_side.url))
    await ask(CHATGLM.at(far_side.url, headers={"X-Team": "ml", "App-Name": "mine"}))
    first, second = (request.headers for request in far_side.requests)
    assert ("undefined", "identity") == (first["Authorization"], first["Accept-Encoding"])
    assert re.fullmatch("[0-9a-f]{32}", first["X-Device-Id"])
    assert first["X-Device-Id"] == second["X-Device-Id"]
    assert ("ml", "mine") == (second["X-Team"], second["App-Name"])


async def test_prepared_is_what_is_sent(far_side):
    """`prepare` shows the request as it goes out."""
    provider = CHATGLM.at(far_side.url, headers={"X-Team": "ml"})
    prepared = provider.prepare(CONVERSATION, conversation_id="c9")
    await ask(provider, CONVERSATION, conversation_id="c9")
    (request,) = far_side.requests
    added = ("Host", "Content-Length")  # by every HTTP client
    sent = {name: value for name, value in request.headers.items() if name not in added}
    assert sent == prepared.headers
    assert (far_side.url + request.path, request.json) == (prepared.url, prepared.body)


async def test_options_it_does_not_take(far_side):
    """Options that the web stream does not know are named once and not sent."""
    first, *rest = await deltas_of(
        CHATGLM.at(far_side.url), options=Options(temperature=0.5, extra={"top_k": 3})
    )
    assert "the web stream does not take temperature, top_k" == first.notice
    assert [] == [delta.notice for delta in rest if delta.notice]


async def test_models(far_side):
    """The one name on offer is known without a request."""
    assert ["glm-4"] == await CHATGLM.at(far_side.url).models()
    assert [] == far_side.requests


# -- Refusals ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("body", [{"detail": "down"}, "down", "<h1>down</h1>"])
async def test_refusal_by_status(far_side, body):
    """Where a refusal has no code its status counts, and what passes is asked again."""
    far_side.queue(*[Status(503, body, headers={"Retry-After": "0"})] * 3)
    error = await fail(CHATGLM.at(far_side.url))
    assert isinstance(error, OverloadError)
    assert (503, 0.0) == (error.status, error.retry_after)
    assert "down" in error.detail
    assert 3 == len(far_side.requests)


# -- The seed's interface ------------------------------------------------------------------------


async def test_async_generator(far_side):
    """The generator gives pieces of text and, at the end, one reason."""
    far_side.queue(Stream(chatglm_stream("One two three", think="hm")))
    messages = [{"role": "user", "content": "Count"}]
    source = ChatGLM.create_async_generator(
        model="glm-4", messages=messages, proxy=None, base_url=far_side.url
    )
    async with aclosing(source) as items:
        *pieces, last = [item async for item in items]
    assert ["One", " two", " three"] == pieces
    assert FinishReason("stop") == last


async def test_async_generator_left_early(far_side):
    """Leaving the generator closes the connection."""
    far_side.queue(Stream(CHATGLM.unfinished("One"), end="hold"))
    messages = [{"role": "user", "content": "Count"}]
    source = ChatGLM.create_async_generator("glm-4", messages, base_url=far_side.url)
    assert "One" == await anext(source)
    await source.aclose()
    assert await asyncio.to_thread(far_side.requests[0].closed)
