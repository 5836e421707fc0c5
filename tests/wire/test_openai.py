"""OpenAI-style streams, with every defect known of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic import redact
from glm_magic.errors import (
    FilterError,
    ModelError,
    OverloadError,
    ProtocolError,
    RateLimitError,
    StatusError,
)
from glm_magic.messages import Delta, ToolCall, Usage
from glm_magic.redact import Secret
from glm_magic.wire.finishing import TRUNCATED
from glm_magic.wire.openai import OpenAIDecoder, read_answer
from glm_magic.wire.payload import CUT, REPAIRED, SKIPPED
from tests.wire.streams import DONE, OPENAI, chunk, cut_at, event, outcome, play, reply_of, sse

USAGE = Usage(7, 3)
KEY = "sk-0123456789abcdef-ABCDEF-9876543210-ABCDEFGHI"


def answer(*pieces):
    """Return the reply to a stream that comes in *pieces*."""
    return play(OpenAIDecoder, *pieces)


EXPECTED = {
    "official": ("你好,世界 😀", "想一想。", "stop", USAGE),
    "vllm": ("Hello", "Hm.", "stop", USAGE),
    "llamacpp": ("c", "ab", "stop", None),
    "ollama_cut": ("Hel", "", "truncated", None),
    "crlf_bom": ("ä", "", "length", None),
    "cut_frame": ("Hello", "", "stop", None),
    "sensitive": ("Hel", "", "content_filter", None),
    "tools": ("", "", "tool_calls", USAGE),
    "box": ("It is 42.", "", "stop", None),
    "lone_close": ("42", "Hm, 6 x 7.", "stop", None),
    "restart": ("Good day", "", "stop", None),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_recorded(name):
    """The stream gives this text, thinking, finish reason and usage."""
    reply = answer(OPENAI[name])
    assert EXPECTED[name] == (reply.text, reply.reasoning, reply.finish_reason, reply.usage)


@pytest.mark.parametrize("stream", OPENAI.values(), ids=OPENAI)
def test_byte_by_byte(stream):
    """A stream in single bytes ends as it does in one piece."""
    pieces = [bytes([byte]) for byte in stream]
    assert outcome(OpenAIDecoder, [stream]) == outcome(OpenAIDecoder, pieces)


@given(st.sampled_from(list(OPENAI.values())), st.lists(st.integers(0, 2000), max_size=20))
def test_cuts_do_not_matter(stream, places):
    """A stream cut anywhere ends as it does in one piece."""
    assert outcome(OpenAIDecoder, [stream]) == outcome(OpenAIDecoder, cut_at(stream, places))


@given(st.sampled_from(list(OPENAI.values())), st.integers(0, 2000))
def test_early_end_is_seen(stream, place):
    """A stream that breaks off before the finish reason never counts as complete."""
    place = min(place, len(stream))
    result = outcome(OpenAIDecoder, [stream[:place]])
    assert result[2:3] != ("stop",) or b'"finish_reason": "stop"' in stream[:place]


@pytest.mark.parametrize(
    ("stream", "expected", "status"),
    [
        (sse({"error": {"code": "1302", "message": "m"}}), RateLimitError, "1302"),
        (sse({"error": "m"}), StatusError, ""),
        (b'event: error\ndata: {"code": 1302, "message": "m"}\n\n', RateLimitError, "1302"),
        (b"event: error\ndata: m\n\n", StatusError, ""),
        (b'error: {"code":503,"message":"m"}\n\n', OverloadError, "503"),
        (sse({"type": "error", "error": {"code": "1301", "message": "m"}}), FilterError, "1301"),
        (sse({"object": "error", "message": "m", "code": 400}), ModelError, "400"),
        (sse({"code": 500, "msg": "m", "success": False}), OverloadError, "500"),
    ],
    ids=range(8),
)
def test_errors_in_the_stream(stream, expected, status):
    """An error is raised as what it is, in every shape it may have."""
    with pytest.raises(StatusError) as caught:
        answer(sse(chunk("Hel")), stream, DONE)
    assert (expected, status, "m") == (type(caught.value), caught.value.code, caught.value.detail)


@pytest.mark.parametrize(
    ("reason", "expected", "remedy"),
    [
        ("network_error", OverloadError, "Try again"),
        ("model_context_window_exceeded", ModelError, "Shorten the conversation"),
    ],
)
def test_error_as_finish_reason(reason, expected, remedy):
    """A finish reason that is a failure is raised, with what to do about it."""
    with pytest.raises(expected, match=remedy):
        answer(sse(chunk("Hel"), chunk("", reason)))


@pytest.mark.parametrize(
    ("reason", "expected", "notices"),
    [
        ("stop", "stop", 0),
        ("length", "length", 0),
        ("content_filter", "content_filter", 1),
        ("abort", "truncated", 1),
        ("moonshine", "stop", 1),
    ],
)
def test_finish_reasons(reason, expected, notices):
    """Each finish reason has a meaning, and the odd ones a remark."""
    reply = answer(sse(chunk("Hi", reason)))
    assert ("Hi", expected, notices) == (reply.text, reply.finish_reason, len(reply.notices))


@pytest.mark.parametrize("end", [b"", DONE])
def test_no_finish_reason(end):
    """Without a finish reason an answer is truncated, `[DONE]` or not."""
    reply = answer(sse(chunk("Hi")), end)
    assert ("truncated", [TRUNCATED]) == (reply.finish_reason, reply.notices)


@pytest.mark.parametrize("stream", [b"", DONE, b": ping\n\n", b"data:\n\n", b"data: {nope\n\n"])
def test_no_answer(stream):
    """A stream without any answer is an error."""
    with pytest.raises(ProtocolError, match="ended without an answer"):
        answer(stream)


def test_start_of_nonsense():
    """The error about a stream without an answer shows how it began."""
    with pytest.raises(ProtocolError) as caught:
        answer(b"data: Who are you?\n\n")
    assert "Who are you?" == caught.value.start


@pytest.mark.parametrize(
    ("middle", "notices"),
    [
        (b"data: {nope\n\n", [SKIPPED]),
        (b"data: [1]\n\n", [SKIPPED]),
        (b"data: " + b"[" * 100_000 + b"\n\n", [SKIPPED]),
        (b'data: {"x":' + b"9" * 6000 + b",}\n\n", [SKIPPED]),
        (b'data: {"x":"data: {"y":1}\n\n', [REPAIRED]),
        (b"data:\n\ndata: \n\n: ping\n\nevent: ping\ndata: {}\n\n", []),
    ],
    ids=range(6),
)
def test_bad_event(middle, notices):
    """A bad event in the middle is reported, and the answer goes on."""
    reply = answer(sse(chunk("Hel")), middle, sse(chunk("lo", "stop")))
    assert ("Hello", notices) == (reply.text, reply.notices)


def test_cut_last_event():
    """A last event cut in the middle is left out, and the answer is truncated."""
    reply = answer(sse(chunk("Hel")), sse(chunk("lo", "stop"))[:-10])
    assert ("Hel", "truncated", [CUT, TRUNCATED]) == (
        reply.text,
        reply.finish_reason,
        reply.notices,
    )


def test_last_event_without_blank_line():
    """A last event that lacks only its blank line counts."""
    reply = answer(sse(chunk("Hel"), chunk("lo", "stop"))[:-2])
    assert ("Hello", "stop", []) == (reply.text, reply.finish_reason, reply.notices)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"index": 0, "delta": None, "finish_reason": ""}]},
        {"choices": [{"delta": {"content": [], "reasoning": {}, "tool_calls": [None]}}]},
        {"id": 5, "usage": "much", "model": None, "error": None, "timings": {}},
        {"usage": {"prompt_tokens": True, "completion_tokens": "1"}, "choices": []},
    ],
    ids=range(7),
)
def test_odd_chunk(odd):
    """A chunk with missing or odd fields changes nothing."""
    reply = answer(sse(chunk("Hel"), odd, chunk("lo", "stop")))
    assert ("Hello", None, []) == (reply.text, reply.usage, reply.notices)


def test_content_in_parts():
    """Content may be a list of texts."""
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert "Hello" == answer(sse(chunk(parts, "stop"))).text  # type: ignore[arg-type]


def test_reasoning_once():
    """Thinking that is sent under both names is shown once, the one that is not empty."""
    first = chunk("", reasoning="a", reasoning_content="a")
    second = chunk("", reasoning="b", reasoning_content="")
    assert "ab" == answer(sse(first, second, chunk("x", "stop"))).reasoning


@pytest.mark.parametrize(
    ("thoughts", "expected"),
    [
        ({"thinking": "a"}, "a"),
        ({"reasoning_content": "a", "reasoning": "a", "thinking": "a"}, "a"),
        ({"reasoning_content": None, "reasoning": "", "thinking": "a"}, "a"),
        ({"reasoning_content": "a", "reasoning": "b"}, "ab"),
        ({"reasoning_content": "a", "reasoning": "b", "thinking": "ab"}, "ab"),
        ({"reasoning_content": "a b", "reasoning": "a"}, "a b"),
        ({"reasoning_content": "a", "reasoning": "a b"}, "a b"),
    ],
    ids=range(7),
)
def test_thinking_under_any_name(thoughts, expected):
    """Thinking comes under three names, and what each of them adds to the others is kept."""
    streamed = answer(sse(chunk("", **thoughts), chunk("x", "stop")))
    told = reply_of(read_answer(whole({"content": "x", **thoughts}), OpenAIDecoder()))
    assert [expected, expected] == [streamed.reasoning, told.reasoning]


def test_thinking_in_a_choice_alone():
    """A chunk that only thinks, under whatever name, is part of an answer that begins anew."""
    chunks = [chunk("", thinking="a", id="c1"), chunk("", thinking="b", id="c2")]
    reply = answer(sse(*chunks, chunk("x", "stop", id="c2")))
    assert ("x", "b") == (reply.text, reply.reasoning)


def test_half_a_surrogate():
    """Text with half a surrogate pair can be encoded."""
    stream = json.dumps(chunk("a\ud83d", "stop"))
    assert "a\ufffd".encode() == answer(f"data: {stream}\n\n".encode()).text.encode()


@given(st.text("aé你😀", min_size=1), st.sampled_from(["content", "reasoning"]))
def test_characters_cut_in_two(words, field):
    """Characters whose halves come as two escapes, each in an event of its own, are whole."""
    units = words.encode("utf-16-le")
    halves = [
        units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)
    ]
    chunks = [chunk(**{"content": "", field: half}) for half in halves]
    events = [f"data: {json.dumps(one)}\n\n".encode() for one in chunks]
    reply = answer(*events, sse(chunk("", "stop")))
    assert words == {"content": reply.text, "reasoning": reply.reasoning}[field]


def test_second_choice():
    """A second answer is left out, with one notice however long it is."""
    other = chunk("no")
    other["choices"][0]["index"] = 1
    reply = answer(sse(other, chunk("yes"), other, chunk("", "stop")))
    assert ("yes", 1) == (reply.text, len(reply.notices))


def test_line_separator():
    """The separators of Unicode are text."""
    assert "a\u2028b\u0085c" == answer(sse(chunk("a\u2028b\u0085c", "stop"))).text


def test_text_about_events():
    """An answer that shows a stream comes through unharmed."""
    words = 'data: {"id":"x"}\n\ndata: [DONE]\n\n'
    reply = answer(sse(chunk(words, "stop")))
    assert (words, []) == (reply.text, reply.notices)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([{"content": "<think>Hm.</think>"}, {"content": "Hi"}], {"content": "Hi"}),
        (
            [{"content": "<think>Hm.</think>"}, {"content": "Hi"}],
            {"content": "<think>Hm.</think>Hi"},
        ),
        (
            [{"reasoning_content": "Hm."}, {"content": "Hi"}],
            {"content": "<think>Hm.</think>Hi"},
        ),
        (
            [{"reasoning": "Hm."}, {"content": "Hi"}],
            {"content": "Hi", "reasoning_content": "Hm."},
        ),
        ([{"content": "Hi"}], {"content": "Hi", "reasoning": "Hm."}),
        ([{"content": "Hi"}], {"content": "<think>Hm.</think>Hi"}),
        ([{"reasoning": "Hm."}], {"content": "Hi", "reasoning": "Hm."}),
    ],
    ids=range(7),
)
def test_message_behind_pieces(pieces, message):
    """A whole message adds what its pieces did not say, and nothing else."""
    chunks = [{"id": "c1", "choices": [{"delta": piece}]} for piece in pieces]
    last = {"id": "c1", "choices": [{"message": message}]}
    reply = answer(sse(*chunks, last, chunk("", "stop")))
    assert ("Hi", "Hm.", "stop") == (reply.text, reply.reasoning, reply.finish_reason)


# Tool calls


def calls_of(*fragments, finish="tool_calls"):
    """Return the reply to a stream with these fragments of calls."""
    return answer(sse(*(chunk(None, tool_calls=[it]) for it in fragments), chunk("", finish)))


def fragment(arguments, **more):
    """Return one fragment of a call of `f`."""
    return {"function": {"name": "f", "arguments": arguments}, **more}


CALLS = {
    "new_id_each_time": (
        [fragment('{"a":', index=0, id="x"), fragment("1}", index=0, id="y")],
        (ToolCall("x", "f", '{"a":1}'),),
    ),
    "two": (
        [fragment("{}", index=1, id="y"), fragment("{}", index=0, id="x")],
        (ToolCall("x", "f", "{}"), ToolCall("y", "f", "{}")),
    ),
    "whole_without_index": (
        [fragment("{}", id="x"), fragment("{}", id="y")],
        (ToolCall("x", "f", "{}"), ToolCall("y", "f", "{}")),
    ),
    "object": ([fragment({"a": 1}, index=0)], (ToolCall("", "f", '{"a": 1}'),)),
    "no_arguments": ([fragment("", index=0)], (ToolCall("", "f", ""),)),
}


@pytest.mark.parametrize(("fragments", "expected"), CALLS.values(), ids=CALLS)
def test_calls(fragments, expected):
    """Fragments of calls are put together like this."""
    assert expected == calls_of(*fragments).tool_calls


def test_calls_come_last():
    """Calls are given out whole, with the finish reason."""
    decoder = OpenAIDecoder()
    first = decoder.decode(event(json.dumps(chunk(None, tool_calls=[fragment("{}", index=0)]))))
    last = decoder.decode(event(json.dumps(chunk("", "tool_calls")))) + decoder.close()
    assert ([], [("tool_calls", (ToolCall("", "f", "{}"),))]) == (
        first,
        [(delta.finish_reason, delta.tool_calls) for delta in last],
    )


def test_calls_under_another_reason():
    """A stop with calls means that the calls are to be made."""
    assert "tool_calls" == calls_of(fragment("{}", index=0), finish="stop").finish_reason


@pytest.mark.parametrize("finish", ["length", "tool_calls"])
def test_incomplete_call(finish):
    """A call whose arguments were cut is left out, with a notice."""
    reply = calls_of(fragment('{"a":', index=0), finish=finish)
    assert ((), 1, finish) == (reply.tool_calls, len(reply.notices), reply.finish_reason)


# When the service begins anew


def test_restart():
    """A new id after text was shown takes the old text and thinking back."""
    reply = answer(
        sse(
            chunk("Hel", id="a", reasoning="x"),
            chunk("lo", id="a"),
            chunk("", id="b", role="assistant", reasoning="y"),
            chunk("Good day", "stop", id="b"),
        )
    )
    assert ("Good day", "y", 1) == (reply.text, reply.reasoning, len(reply.notices))


def test_restart_behind_a_cut():
    """The known defect of z.ai: a cut frame, and the answer anew under another id."""
    cut = sse(chunk("", id="a", role="assistant"))[:40]
    reply = answer(cut, sse(chunk("Hello", id="b"), chunk("", "stop", id="b")), DONE)
    assert ("Hello", "stop", [REPAIRED]) == (reply.text, reply.finish_reason, reply.notices)


@given(st.lists(st.text(st.sampled_from("ab \n<>你😀"), min_size=1), min_size=1))
def test_numbered_chunks(words):
    """A server that gives each chunk an id of its own loses no text."""
    chunks = [chunk(word, id=f"id{number}") for number, word in enumerate(words)]
    reply = answer(sse({"model": "m"}, *chunks, chunk("", "stop", id="last")))
    assert "".join(words) == reply.text


def test_ids_of_calls():
    """Calls in numbered chunks are put together too."""
    first = chunk(None, tool_calls=[fragment('{"a":', index=0)], id="1")
    second = chunk(None, tool_calls=[fragment("1}", index=0)], id="2")
    reply = answer(sse(first, second, chunk("", "tool_calls", id="3")))
    assert (ToolCall("", "f", '{"a":1}'),) == reply.tool_calls


# The end


def steps(*payloads):
    """Return (is_ending, is_done) after each payload, and the deltas of the last."""
    decoder = OpenAIDecoder()
    states = []
    for payload in payloads:
        deltas = decoder.decode(event(payload if payload == "[DONE]" else json.dumps(payload)))
        states.append((decoder.is_ending, decoder.is_done))
    return states, deltas


@pytest.mark.parametrize(
    "early",
    [
        chunk("", "null", usage={"prompt_tokens": 7, "completion_tokens": 3}),
        {
            **chunk("", "stop", usage={"prompt_tokens": 7, "completion_tokens": 3}),
            "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}],
        },
    ],
    ids=["no reason", "of another answer"],
)
def test_usage_before_the_end(early):
    """Usage beside a reason that is none, or another answer's, is not the end."""
    reply = answer(sse(chunk("Hel"), early, chunk("lo"), chunk("", "stop")), DONE)
    assert ("Hello", "stop") == (reply.text, reply.finish_reason)


@pytest.mark.parametrize("kind", ["x" * 22 + KEY, KEY])
def test_unknown_type_that_is_a_key(monkeypatch, kind: str):
    """A name that is cut is masked before it is."""
    monkeypatch.setattr(redact, "_live", set())
    Secret(KEY)
    odd = {"content": [{"type": kind}, {"type": "zzz"}]}
    delta = {**chunk(""), "choices": [{"index": 0, "delta": odd}]}
    reply = answer(sse(chunk("Hi"), delta, chunk("", "stop")), DONE)
    assert "zzz" in str(reply.notices)
    assert KEY[:10] not in str(reply.notices)


def test_end_with_usage():
    """A finish chunk with usage is the end."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    states, deltas = steps(chunk("Hi"), chunk("", "stop", usage=usage))
    expected = Delta(finish_reason="stop", usage=USAGE, model="glm-4.6")
    assert ([(False, False), (True, True)], [expected]) == (states, deltas)


def test_end_with_done():
    """A finish chunk without usage is followed by usage, then by `[DONE]`."""
    usage = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    states, deltas = steps(chunk("Hi"), chunk("", "stop"), usage, "[DONE]")
    assert [(False, False), (True, False), (True, False), (True, True)] == states
    assert [Delta(finish_reason="stop", usage=USAGE, model="glm-4.6")] == deltas


def test_nothing_after_the_end():
    """What comes after the last delta is ignored, another end included."""
    decoder = OpenAIDecoder()
    ended = decoder.decode(event(json.dumps(chunk("Hi", "stop")))) + decoder.decode(event("[DONE]"))
    late = decoder.decode(event(json.dumps(chunk("x")))) + decoder.decode(event("[DONE]"))
    assert ("Hi", []) == (reply_of(ended).text, late + decoder.close())


def test_doubtful_end_is_the_end():
    """An error behind the last delta does not undo it, however little its reason is worth."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    chunks = [chunk("Hel", "stop"), chunk("lo", "stop"), chunk("", "null", usage=usage)]
    reply = answer(sse(*chunks, {"error": "boom"}))
    assert ("Hello", "truncated", 2) == (reply.text, reply.finish_reason, len(reply.notices))


# Answers in one piece


def whole(message, finish="stop", **more):
    """Return an answer in one piece."""
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return {"id": "c1", "model": "glm-4.6", "choices": choices, **more}


def test_whole_answer():
    """An answer in one piece is read like a stream of one chunk."""
    message = {
        "role": "assistant",
        "content": "<think>b</think>Hi",
        "reasoning_content": "a",
        "tool_calls": [fragment("{}", id="x"), fragment("{}", id="y")],
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    reply = reply_of(read_answer(whole(message, "tool_calls", usage=usage), OpenAIDecoder()))
    assert ("Hi", "ab", "tool_calls", USAGE, 2) == (
        reply.text,
        reply.reasoning,
        reply.finish_reason,
        reply.usage,
        len(reply.tool_calls),
    )


def test_whole_answer_without_usage():
    """An answer in one piece ends even if it counts no tokens."""
    reply = reply_of(read_answer(whole({"content": "Hi"}), OpenAIDecoder()))
    assert ("Hi", "stop") == (reply.text, reply.finish_reason)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"error": {"code": "1302", "message": "m"}}, RateLimitError),
        ({"message": "m"}, ProtocolError),
        ({"choices": []}, ProtocolError),
    ],
    ids=range(3),
)
def test_whole_refusal(payload, expected):
    """A JSON body that is no answer is an error."""
    with pytest.raises(expected):
        list(read_answer(payload, OpenAIDecoder()))
