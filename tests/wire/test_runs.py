"""Joining runs of like events: quicker to read, and nothing else about the stream changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.wire.openai import OpenAIDecoder
from glm_magic.wire.runs import Runs
from tests.wire.streams import DONE, OPENAI, chunk, cut_at, outcome, play, sse

WORDS = [chunk(f" word {number}") for number in range(20)]


def joined(pieces: list[bytes]) -> list[bytes]:
    """Return *pieces* of one stream with their runs joined."""
    runs = Runs()
    return [runs.join(piece) for piece in pieces]


def events(*payloads: Any, escaped: bool = False, end: str = "\n\n") -> bytes:
    """Return *payloads* as events; *escaped* writes all but ASCII as JSON escapes."""
    texts = (json.dumps(payload, ensure_ascii=escaped) for payload in payloads)
    return "".join(f"data: {text}{end}" for text in texts).encode("utf-8", "surrogatepass")


def test_a_run_becomes_two_events():
    """Twenty events that only add words are the first and one more, with all the words."""
    (stream,) = joined([sse(*WORDS)])
    assert stream.count(b"data:") == 2
    assert play(OpenAIDecoder, stream).text == "".join(f" word {number}" for number in range(20))


def test_the_last_event_is_not_kept_waiting():
    """An event that is complete can be read, though the next one has begun."""
    runs = Runs()
    stream = sse(*WORDS)
    first, rest = stream[:-20], stream[-20:]
    reply = play(OpenAIDecoder, runs.join(first))
    assert reply.text.endswith(" word 18")
    assert runs.join(rest) == rest


@given(st.sampled_from(list(OPENAI.values())), st.lists(st.integers(0, 2000), max_size=8))
def test_recorded_streams_say_the_same(stream: bytes, places: list[int]):
    """Wherever a recorded stream is cut, joining changes nothing of the reply."""
    pieces = cut_at(stream, places)
    assert outcome(OpenAIDecoder, pieces) == outcome(OpenAIDecoder, joined(pieces))


ODD = st.sampled_from(
    [
        ": ping\n\n",
        "\n",
        "data: {broken\n\n",
        "data: {cut",
        "event: error\n",
        "id: 7\n",
        'data: {"choices":[]}\n\n',
        "\r\n",
    ]
)
PAYLOAD = st.one_of(
    st.builds(chunk, st.text(st.sampled_from('ab"\\\n\t你😀\u2028\ud800</>`#think'), max_size=6)),
    st.builds(lambda text: chunk("", reasoning_content=text), st.text("ab你", max_size=3)),
    st.just(chunk("<think>")),
    st.just(chunk("x", id="c2")),
    st.just(chunk("x", usage={"prompt_tokens": 1, "completion_tokens": 2})),
    st.just({"id": "c1", "choices": [{"index": 1, "delta": {"content": "other"}}]}),
    st.just(chunk("", finish="length")),
)


@st.composite
def unruly(draw: st.DrawFn) -> bytes:
    """Return a stream of events, most of them alike, with odd things between them."""
    escaped = draw(st.booleans())
    parts = draw(st.lists(st.one_of(PAYLOAD, PAYLOAD, PAYLOAD, ODD), max_size=25))
    return (
        b"".join(
            part.encode() if isinstance(part, str) else events(part, escaped=escaped)
            for part in parts
        )
        + events(chunk("", finish="stop"))
        + DONE
    )


@given(unruly(), st.lists(st.integers(0, 4000), max_size=6))
def test_unruly_streams_say_the_same(stream: bytes, places: list[int]):
    """Whatever stands between the events, joining changes nothing of the reply or the error."""
    pieces = cut_at(stream, places)
    assert outcome(OpenAIDecoder, pieces) == outcome(OpenAIDecoder, joined(pieces))


@pytest.mark.parametrize(
    "text",
    [b"half \xe4\xbd", b"\xa0 half", b"\\", b'"', b"\\ud83d", b"\\u12", b"raw\ttab", b"\x00"],
)
def test_a_text_that_is_not_whole_is_left_alone(text: bytes):
    """Where a cut, a quote or a bad byte might matter, the bytes stay as they are."""
    good, odd = sse(*WORDS[:3]), sse(chunk("@")).replace(b"@", text)
    pieces = [good, odd + sse(WORDS[4]), odd]
    assert joined(pieces)[1:] == pieces[1:]


def test_a_message_beside_the_text_is_no_run():
    """Events whose messages differ, but not the text they add, are left alone."""
    delta = {"content": "text"}
    chunks = [
        {"id": "c1", "choices": [{"delta": delta, "message": {"content": str(number)}}]}
        for number in range(20)
    ]
    assert joined([sse(*chunks)]) == [sse(*chunks)]


def test_escaped_letters_are_joined():
    """Servers that escape all but ASCII are read as quickly."""
    stream = events(*(chunk("你好\n") for _ in range(20)), escaped=True)
    (done,) = joined([stream])
    assert done.count(b"data:") == 2
    assert outcome(OpenAIDecoder, [done]) == outcome(OpenAIDecoder, [stream])
