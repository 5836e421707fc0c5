"""Requests to OpenAI-style servers, and what GLM's own API makes of them."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.messages import Message, ToolCall
from glm_magic.providers.base import Options
from glm_magic.wire.request import request_body

HELLO = [Message("user", "Hello")]


def fields(options, model="glm-4.6", *, is_glm=True):
    """Return what *options* add to the bare request, and the notices."""
    body, notices = request_body(HELLO, options, model=model, is_glm=is_glm)
    bare = ("model", "messages", "stream")
    return {name: value for name, value in body.items() if name not in bare}, notices


def test_bare_request():
    """Without options GLM's own API gets the model, the messages and the wish for a stream."""
    messages = [{"role": "user", "content": "Hello"}]
    expected = {"model": "glm-4.6", "messages": messages, "stream": True}
    assert (expected, []) == request_body(HELLO, Options(), model="glm-4.6", is_glm=True)


def test_own_server():
    """Other servers are asked for the usage, and get the options as they are."""
    options = Options(temperature=1.5, top_p=0, stop=("a", "b"), max_tokens=5, seed=1)
    expected = {
        "temperature": 1.5,
        "top_p": 0,
        "stop": ["a", "b"],
        "max_tokens": 5,
        "seed": 1,
        "stream_options": {"include_usage": True},
    }
    assert (expected, []) == fields(options, is_glm=False)


@pytest.mark.parametrize(
    ("think", "enabled", "effort"),
    [("off", False, "none"), ("low", True, "low"), ("high", True, "high"), ("max", True, "high")],
)
def test_thinking_on_own_server(think, enabled, effort):
    """Other servers are told about thinking in both ways they know."""
    body, notices = fields(Options(think=think), is_glm=False)
    assert {"enable_thinking": enabled} == body["chat_template_kwargs"]
    assert (effort, think == "max") == (body["reasoning_effort"], bool(notices))


@pytest.mark.parametrize(
    ("value", "expected", "is_changed"),
    [
        (0.3, {"temperature": 0.3}, False),
        (1, {"temperature": 1}, False),
        (0, {"do_sample": False, "temperature": 0.01}, False),
        (-1, {"do_sample": False, "temperature": 0.01}, True),
        (1.5, {"temperature": 1.0}, True),
    ],
)
def test_temperature(value, expected, is_changed):
    """The temperature is brought within 0 to 1, and 0 means no sampling."""
    body, notices = fields(Options(temperature=value))
    assert (expected, is_changed) == (body, bool(notices))


@pytest.mark.parametrize(
    ("value", "expected", "notices"),
    [
        (0.5, 0.5, []),
        (0, 0.01, ["top_p changed from 0 to 0.01"]),
        (2, 1.0, ["top_p changed from 2 to 1"]),
    ],
)
def test_top_p(value, expected, notices):
    """The share is brought within 0.01 to 1."""
    assert ({"top_p": expected}, notices) == fields(Options(top_p=value))


@pytest.mark.parametrize(
    ("stop", "expected", "is_changed"),
    [("a", ["a"], False), (["a"], ["a"], False), (("a", "b"), ["a"], True)],
)
def test_stop(stop, expected, is_changed):
    """One stop word is sent, as a list."""
    body, notices = fields(Options(stop=stop))
    assert ({"stop": expected}, is_changed) == (body, bool(notices))


ON, OFF = {"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("model", "think", "expected", "is_changed"),
    [
        ("glm-4.6", "off", OFF, False),
        ("glm-4.6", "high", ON, False),
        ("glm-4.6", "low", ON, True),
        ("GLM-4.5-Air", "off", OFF, False),
        ("glm-5", "off", OFF, False),
        ("glm-5.2", "off", OFF, False),
        ("glm-5.2", "low", {**ON, "reasoning_effort": "low"}, False),
        ("glm-5.2", "max", {**ON, "reasoning_effort": "max"}, False),
        ("glm-5.3", "off", {"reasoning_effort": "low"}, True),
        ("glm-5.3-flash", "high", {"reasoning_effort": "high"}, False),
        ("glm-4-flash-250414", "off", {}, False),
        ("glm-4-flash-250414", "high", {}, True),
        ("glm-z1-air", "off", {}, True),
        ("glm-4.1v-thinking-flash", "high", {}, False),
        ("glm-9-unheard-of", "off", OFF, False),
    ],
)
def test_thinking(model, think, expected, is_changed):
    """Each model is told about thinking in the words it takes."""
    body, notices = fields(Options(think=think), model)
    assert (expected, is_changed) == (body, bool(notices))


@pytest.mark.parametrize(("model", "streams"), [("glm-4.6", True), ("glm-4.5-air", False)])
def test_tools(model, streams):
    """Tools come with the wish for arguments piece by piece, where the model can."""
    tools = [{"type": "function"}]
    expected = {"tools": tools} | ({"tool_stream": True} if streams else {})
    assert (expected, []) == fields(Options(extra={"tools": tools}), model)


def test_extra_has_the_last_word():
    """What the user adds by hand goes over everything else."""
    extra = {"temperature": 2, "stream": False}
    body, _ = request_body(HELLO, Options(temperature=1, extra=extra), model="m", is_glm=True)
    assert extra == {name: body[name] for name in extra}


def test_images():
    """Images stand behind the text they go with."""
    message = Message("user", "What is it?", images=("data:image/png;base64,AA==",))
    body, _ = request_body([message], Options(), model="glm-4.5v", is_glm=True)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert [{"type": "text", "text": "What is it?"}, image] == body["messages"][0]["content"]


def test_tool_turn():
    """A call goes back whole, with its thinking and its result."""
    call = ToolCall("t1", "add", '{"a": 1}')
    messages = [
        Message("assistant", "", reasoning="Hm.", tool_calls=(call,)),
        Message("tool", "2", tool_call_id="t1"),
    ]
    body, _ = request_body(messages, Options(), model="glm-4.6", is_glm=True)
    function = {"name": "add", "arguments": '{"a": 1}'}
    assert [
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": "t1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "2", "tool_call_id": "t1"},
    ] == body["messages"]


def test_old_thinking_stays_here():
    """The thinking of an answer without calls is not sent."""
    messages = [Message("assistant", "Hi", reasoning="Hm.")]
    body, _ = request_body(messages, Options(), model="glm-4.6", is_glm=True)
    assert [{"role": "assistant", "content": "Hi"}] == body["messages"]


_NUMBERS = st.none() | st.floats(-3, 3)


@given(_NUMBERS, _NUMBERS, st.lists(st.text(min_size=1)), st.booleans())
def test_limits_are_kept(temperature, top_p, stop, is_glm):
    """The official API gets nothing outside its limits, and no input is changed."""
    extra = {"tools": [{"type": "function"}]}
    options = Options(temperature=temperature, top_p=top_p, stop=stop, extra=extra)
    before = copy.deepcopy((HELLO, options))
    body, _ = request_body(HELLO, options, model="glm-4.6", is_glm=is_glm)
    assert before == (HELLO, options)
    assert is_glm == ("stream_options" not in body)
    if is_glm:
        assert 0 < body.get("temperature", 1) <= 1
        assert 0.01 <= body.get("top_p", 1) <= 1
        assert len(body.get("stop", [])) <= 1
