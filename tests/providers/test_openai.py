"""Requests and answers of OpenAI-compatible servers, over a real connection."""

from __future__ import annotations

import asyncio
import copy
import json
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_magic.errors import (
    AuthenticationError,
    ConfigError,
    ModelError,
    NetworkError,
    QuotaError,
)
from glm_magic.messages import Message, Usage
from glm_magic.providers import http, make_provider
from glm_magic.providers.base import Clocks, Options
from glm_magic.providers.openai import OpenAIProvider
from tests.far_side import FarSide, Redirect, Status, Stream, openai_stream, refused_url
from tests.providers.asking import OPENAI, QUESTION, ask, deltas_of, fail

TEXT = "你好, “world” $HOME 🎉\n\n```py\nprint('<think>')\n```"
KEY = "sk-0123456789abcdef"


# -- Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["whole", "bytes", 7])
async def test_answer_whatever_the_pieces(far_side, cut):
    """An answer comes out whole, however the network cuts it."""
    far_side.queue(Stream(openai_stream(TEXT, reasoning="先想 一想"), cut=cut))
    reply = await ask(OPENAI.at(far_side.url))
    assert (TEXT, "先想 一想", "stop") == (reply.text, reply.reasoning, reply.finish_reason)
    assert (Usage(7, 5), "glm-test", []) == (reply.usage, reply.model, reply.notices)


def test_answer_at_random_cuts():
    """No set of cuts changes the answer."""
    with FarSide() as far_side:

        @settings(max_examples=20)
        @given(cuts=st.lists(st.integers(1, 60), max_size=40))
        def check(cuts: list[int]) -> None:
            far_side.queue(Stream(openai_stream(TEXT, reasoning="想"), cut=cuts))
            reply = asyncio.run(ask(OPENAI.at(far_side.url)))
            assert (TEXT, "想", "stop") == (reply.text, reply.reasoning, reply.finish_reason)

        check()


async def test_answer_in_one_piece(far_side):
    """A server that does not stream is understood all the same."""
    message = {"role": "assistant", "content": "Whole.", "reasoning_content": "Why not?"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    far_side.queue(Status(200, {"model": "m", "choices": [choice], "usage": usage}))
    reply = await ask(OPENAI.at(far_side.url))
    assert ("Whole.", "Why not?", Usage(3, 2)) == (reply.text, reply.reasoning, reply.usage)


# -- Requests ------------------------------------------------------------------------------------


async def test_request_letter_for_letter(far_side):
    """What the user wrote reaches the server letter for letter."""
    await ask(OPENAI.at(far_side.url), [Message("user", TEXT)])
    (request,) = far_side.requests
    assert [{"role": "user", "content": TEXT}] == request.json["messages"]
    assert ("glm-test", True) == (request.json["model"], request.json["stream"])


async def test_request_with_half_a_character(far_side):
    """A lone surrogate, which no UTF-8 can hold, does not stop a request."""
    await ask(OPENAI.at(far_side.url), [Message("user", "a\ud800b")])
    assert "a\ud800b" == far_side.requests[0].json["messages"][0]["content"]


async def test_request_headers(far_side):
    """The key goes into its one header, and the body is asked for as it is."""
    await ask(OPENAI.at(far_side.url, api_key=KEY, headers={"X-Team": "ml"}))
    (request,) = far_side.requests
    headers = dict(request.headers)
    assert f"Bearer {KEY}" == headers.pop("Authorization")
    assert ("identity", "ml") == (headers["Accept-Encoding"], headers["X-Team"])
    assert KEY not in f"{headers} {request.text} {request.path}"


async def test_own_header_replaces_ours(far_side):
    """A header the user gives replaces ours of that name, in whatever case it is written."""
    await ask(OPENAI.at(far_side.url, headers={"user-agent": "mine"}))
    assert ["mine"] == far_side.requests[0].headers.getall("User-Agent")


async def test_messages_stay_as_they_are(far_side):
    """The caller's messages are not changed."""
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    before = copy.deepcopy(messages)
    await ask(OPENAI.at(far_side.url), messages, options=Options(stop=["a", "b"]))
    assert before == messages


async def test_prepared_is_what_is_sent(far_side):
    """`prepare` shows the request as it goes out, except for the key."""
    provider = OPENAI.at(far_side.url, api_key=KEY, headers={"X-Team": "ml"})
    prepared = provider.prepare([Message("user", TEXT)], options=Options(temperature=0.5, seed=3))
    await ask(provider, [Message("user", TEXT)], options=Options(temperature=0.5, seed=3))
    (request,) = far_side.requests
    assert far_side.url + request.path == prepared.url
    assert request.json == prepared.body
    added = ("Host", "Content-Length")  # by every HTTP client
    sent = {name: value for name, value in request.headers.items() if name not in added}
    assert sent | {"Authorization": "Bearer ***"} == prepared.headers


async def test_prepared_hides_a_key_among_the_headers(far_side):
    """A key that came as a header of the user's is not shown either."""
    provider = OPENAI.at(far_side.url, headers={"X-Api-Key": KEY})
    prepared = provider.prepare([Message("user", "Hi")])
    await ask(provider)
    assert KEY not in repr(prepared)
    assert KEY == far_side.requests[0].headers["X-Api-Key"]


@pytest.mark.usefixtures("short_pauses")
async def test_each_try_has_its_own_id(far_side):
    """The official API gets a new `request_id` with each try; other servers get none."""
    far_side.queue(Status(503, {}), Status(503, {}))
    await ask(make_provider("zai", base_url=f"{far_side.url}/api/paas/v4", api_key=KEY))
    await ask(OPENAI.at(far_side.url))
    *tries, other = far_side.requests
    assert 3 == len({request.json["request_id"] for request in tries})
    assert "request_id" not in other.json


# -- Keys ----------------------------------------------------------------------------------------


async def test_blank_key_is_none(far_side):
    """A key of blanks counts as none."""
    await ask(OPENAI.at(far_side.url, api_key=" \n"))
    assert "Authorization" not in far_side.requests[0].headers


@pytest.mark.parametrize("url", ["http://glm.example/v1", "http://10.0.0.1:8000"])
async def test_key_not_over_plain_http(url):
    """A key leaves this machine over TLS only."""
    with pytest.raises(ConfigError, match="over plain http"):
        await ask(OPENAI.at(url, api_key=KEY))


@pytest.mark.parametrize("url", ["http://localhost", "http://[::1]/v1", "http://127.0.0.2:80"])
def test_key_over_plain_http_on_this_machine(url):
    """On this machine a key needs no TLS, whatever the machine is called."""
    prepared = OPENAI.at(url, api_key=KEY).prepare([Message("user", "Hi")])
    assert "Bearer ***" == prepared.headers["Authorization"]


@pytest.mark.parametrize(
    ("name", "variables"),
    [("zai", "ZAI_API_KEY or Z_AI_API_KEY"), ("bigmodel", "ZHIPUAI_API_KEY or ZHIPU_API_KEY")],
)
async def test_missing_key(name, variables):
    """A vendor without a key is an error that names the variables, before any request."""
    with pytest.raises(ConfigError, match=variables):
        await ask(make_provider(name, base_url=refused_url()))


async def test_order_of_keys(far_side, monkeypatch):
    """The argument goes first, then the variables in their order, read anew for each request."""
    url = f"{far_side.url}/api/paas/v4"
    monkeypatch.setenv("ZHIPU_API_KEY", "sk-second-second")
    provider = make_provider("bigmodel", base_url=url)
    await ask(provider)
    monkeypatch.setenv("ZHIPUAI_API_KEY", "sk-first-first")
    await ask(provider)
    await ask(make_provider("bigmodel", base_url=url, api_key=KEY))
    sent = [request.headers["Authorization"] for request in far_side.requests]
    assert ["Bearer sk-second-second", "Bearer sk-first-first", f"Bearer {KEY}"] == sent


# -- Models --------------------------------------------------------------------------------------


def official(far_side: FarSide) -> OpenAIProvider:
    """Return a provider that knows two models beforehand."""
    return OpenAIProvider(far_side.url, known_models=["glm-a", "glm-b"])


async def test_models_listed(far_side):
    """The server's list is the list."""
    assert ["glm-test", "glm-test-flash"] == await official(far_side).models()


async def test_models_on_a_connection_that_stays_open(far_side, monkeypatch):
    """A list that is all there is not waited for any longer."""
    monkeypatch.setattr(http, "LAST_SECONDS", 0.05)
    listed = b'{"data": [{"id": "glm-x"}]}'
    far_side.queue(Stream([listed], content_type="application/json", end="hold"), method="GET")
    assert ["glm-x"] == await official(far_side).models()


async def test_models_of_a_page_that_stalls(far_side, monkeypatch):
    """A web page in place of a list is waited for no longer than an error page."""
    monkeypatch.setattr(http, "LAST_SECONDS", 0.05)
    page = Stream([b"\n<html>Log in", b"!"], content_type="text/html", end="hold")
    far_side.queue(page, method="GET")
    assert ["glm-a", "glm-b"] == await official(far_side).models()


async def test_models_without_an_object(far_side):
    """A list that comes alone is a list as well."""
    far_side.queue(Status(200, [{"id": "glm-x"}]), method="GET")
    assert ["glm-x"] == await official(far_side).models()


@pytest.mark.parametrize(
    "answer",
    [
        Status(404, {"error": "no path"}),
        Status(200, "<html>login</html>", "text/html"),
        Status(200, {"data": 5}),
        Status(200, {"data": None}),
        Status(200, {"data": [{"id": 5}, "x", {}]}),
    ],
    ids=["404", "page", "number", "null", "odd entries"],
)
async def test_models_known(far_side, answer):
    """Where the server has no list, the models known of it are given."""
    far_side.queue(answer, method="GET")
    assert ["glm-a", "glm-b"] == await official(far_side).models()


@pytest.mark.parametrize("status", [401, 403])
async def test_models_need_a_key(far_side, status):
    """A server that wants a key for its list says so."""
    far_side.queue(Status(status, {"error": {"message": "no key"}}), method="GET")
    with pytest.raises(AuthenticationError) as caught:
        await official(far_side).models()
    assert official(far_side).host == caught.value.host


async def test_models_of_nobody():
    """A server that is not there is named."""
    provider = OPENAI.at(refused_url())
    with pytest.raises(NetworkError) as caught:
        await provider.models()
    assert provider.host == caught.value.host


async def test_first_model_is_asked(far_side):
    """Without a model the first one listed is asked, and the list is not read twice."""
    provider = make_provider("openai", base_url=far_side.url)
    await ask(provider)
    await ask(provider)
    assert ["GET", "POST", "POST"] == [request.method for request in far_side.requests]
    assert ["glm-test"] * 2 == [request.json["model"] for request in far_side.requests[1:]]


async def test_no_model_to_ask(far_side):
    """A server that lists nothing needs a model to be named."""
    far_side.queue(Status(200, {"data": []}), method="GET")
    error = await fail(make_provider("openai", base_url=far_side.url))
    assert isinstance(error, ModelError)
    assert "openai/MODEL" in str(error)


async def test_model_list_elsewhere(far_side):
    """A list that is somewhere else is not fetched; the error names where."""
    far_side.queue(Redirect("https://glm.example/v2/models"), method="GET")
    error = await fail(make_provider("openai", base_url=far_side.url))
    assert "it points to glm.example" in str(error)
    assert ["GET"] == [request.method for request in far_side.requests]


@pytest.mark.usefixtures("short_pauses")
async def test_model_list_of_a_server_that_starts(far_side):
    """A server that is still loading is asked for its models again."""
    loading = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
    far_side.queue(Status(503, loading), method="GET")
    reply = await ask(make_provider("openai", base_url=far_side.url))
    assert "stop" == reply.finish_reason
    assert ["GET", "GET", "POST"] == [request.method for request in far_side.requests]


async def test_model_list_that_asks_to_wait(far_side):
    """A list that is refused for a while is asked for after the pause, which is counted down."""
    busy = Status(429, {"message": "slow down"}, headers={"Retry-After": "40"})
    far_side.queue(busy, method="GET")
    provider = make_provider("openai", base_url=far_side.url)
    async with aclosing(provider.stream(QUESTION)) as deltas:
        assert (await anext(deltas)).notice.endswith("slow down; asked again")
        assert "asking again in 40 s" in (await anext(deltas)).progress
    assert 1 == len(far_side.requests)


async def test_model_list_that_asks_for_an_hour(far_side):
    """A pause that is too long is told, and not waited for."""
    busy = Status(429, {"message": "slow down"}, headers={"Retry-After": "3600"})
    far_side.queue(busy, method="GET")
    error = await fail(make_provider("openai", base_url=far_side.url))
    assert "slow down. It asks to wait 3600 s." in str(error)
    assert 1 == len(far_side.requests)


async def test_model_list_without_a_balance(far_side):
    """An account that is used up is told as such, wherever its code is."""
    empty = {"error": {"code": "1113", "message": "top up"}}
    far_side.queue(Status(429, [empty]), method="GET")
    error = await fail(make_provider("openai", base_url=far_side.url))
    assert isinstance(error, QuotaError)
    assert 1 == len(far_side.requests)


@pytest.mark.usefixtures("short_pauses")
async def test_model_list_refused_for_ever(far_side, monkeypatch):
    """An error page in place of a list is waited for no longer than any other."""
    monkeypatch.setattr(http, "LAST_SECONDS", 0.05)
    page = Stream([b"loading"], status=503, content_type="text/plain", end="hold")
    far_side.queue(page, method="GET")
    clocks = Clocks(first_event=None)
    reply = await ask(make_provider("openai", base_url=far_side.url, clocks=clocks))
    assert ("stop", 1) == (reply.finish_reason, len(reply.notices))
    assert "loading; asked again" in reply.notices[0]


async def test_model_of_the_options(far_side):
    """A model named in the options goes before the provider's own."""
    await ask(OPENAI.at(far_side.url), options=Options(model="other"))
    assert "other" == far_side.requests[0].json["model"]


async def test_extra_options(far_side):
    """What is in `extra` goes into the body as it is, on top."""
    await ask(OPENAI.at(far_side.url), options=Options(extra={"top_k": 3, "model": "mine"}))
    body = json.loads(far_side.requests[0].body)
    assert (3, "mine") == (body["top_k"], body["model"])


async def test_notices_of_changed_options(far_side):
    """What was changed in the options is said once, at the start."""
    provider = make_provider("zai", base_url=f"{far_side.url}/api/paas/v4", api_key=KEY)
    first, *rest = await deltas_of(provider, options=Options(temperature=1.5))
    assert "temperature lowered from 1.5 to 1" in first.notice
    assert [] == [delta.notice for delta in rest if delta.notice]
