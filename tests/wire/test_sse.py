"""Server-sent events, whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import ProtocolError
from glm_magic.wire.sse import Event, SSEDecoder
from tests.wire.streams import cut_at, event, events_of

BOM = b"\xef\xbb\xbf"

# The first five are the examples of the WHATWG HTML standard, section 9.2.6.
STREAMS = {
    "stocks": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [event("YHOO\n+2\n10")]),
    "comment_and_ids": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n",
        [event("first event", id="1"), event("second event"), event(" third")],
    ),
    "empty_data": (b"data\n\ndata\ndata\n\n", [event(""), event("\n")]),
    "optional_space": (b"data:test\n\ndata: test\n\n", [event("test"), event("test")]),
    "types": (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        [event("73857293", "add"), event("2153", "remove")],
    ),
    "type_without_data": (b"event: add\n\ndata: x\n\n", [event("x")]),
    "id_stays": (b"id: 7\ndata: a\n\ndata: b\n\n", [event("a", id="7"), event("b", id="7")]),
    "id_with_nul": (b"id: a\0b\ndata: x\n\n", [event("x")]),
    "retry_and_unknown": (b"retry: 10\nfoo: bar\ndata: x\n\n", [event("x")]),
    "ping_event": (b"event: ping\ndata:\n\n", [event("", "ping")]),
    "cr": (b"data: a\rdata: b\r\rdata: c\r\r", [event("a\nb"), event("c")]),
    "crlf": (b"data: a\r\ndata: b\r\n\r\n", [event("a\nb")]),
    "mixed_ends": (b"data: a\n\r\ndata: b\r\r\n", [event("a"), event("b")]),
    "bom": (BOM + b"data: x\n\n", [event("x")]),
    "bom_once": (BOM + BOM + b"data: x\n\n", []),
    "other_breaks": (
        "data: a\u2028b\u0085c\u2029d\x0b\x0c\x1ce\n\n".encode(),
        [event("a\u2028b\u0085c\u2029d\x0b\x0c\x1ce")],
    ),
    "nul": (b"data: a\0b\n\n", [event("a\0b")]),
    "characters": ("data: 你好 😀\n\n".encode(), [event("你好 😀")]),
    "bad_bytes": (b"data: a\xffb\xe4\xbd\n\n", [Event(b"a\xffb\xe4\xbd")]),
    "error_line": (b'error: {"code":500}\n\n', [event('{"code":500}', "error")]),
    "no_blank_line": (b"data: a\n\ndata: b\n", [event("a"), event("b", is_whole=False)]),
    "no_line_end": (b"data: a\ndata: b", [event("a\nb", is_whole=False)]),
    "bare_json": (
        b'data: a\n\n{"a": 1}\n{"b": 2}\ndata: c\n\n',
        [event("a"), event('{"a": 1}'), event('{"b": 2}'), event("c")],
    ),
    "bare_json_of_a_type": (b'event: error\n{"a": 1}\n\n', [event('{"a": 1}', "error")]),
    "bare_json_on_lines": (
        b'{\n "a":\n: ping\n{}\n}\n data: x\ndata: b\n\n',
        [event('{\n "a":\n{}'), event("b")],
    ),
    "bare_json_cut": (b'{"a": 1,\n "b"', [event('{"a": 1,\n "b"', is_whole=False)]),
    "bare_json_at_the_end": (
        b'data: a\n\n{"a": 1}',
        [event("a"), event('{"a": 1}', is_whole=False)],
    ),
    "bare_json_behind_data": (b'data: a\n{"a": 1}\n\n', [event("a")]),
    "bare_page": (
        b"data: a\n\n<html>\n<p>\n{}\n\n<p>\n\ndata: b\n\n",
        [event("a"), event("<html>"), event("b")],
    ),
    "nothing": (b"", []),
    "only_comments": (b": a\n\n:\n\n: b", []),
}


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS)
def test_grammar(stream, expected):
    """The stream has these events."""
    assert expected == events_of([stream])


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS)
def test_byte_by_byte(stream, expected):
    """The events are the same when each byte comes alone."""
    assert expected == events_of(bytes([byte]) for byte in stream)


_PIECES = [b"data", b"event", b"id", b"error", b":", b" ", b"\r", b"\n", b"\r\n", b"\n\n", BOM]
_PIECES += [b"{", b"}", b"<", b"\0", b"x", b"\xe4", "你".encode(), "😀".encode()[:3], b"\xff"]


@given(st.lists(st.sampled_from(_PIECES)).map(b"".join), st.lists(st.integers(0, 200)))
def test_cuts_do_not_matter(stream, places):
    """Any stream has the same events however it is cut, empty pieces included."""
    assert events_of([stream]) == events_of([b"", *cut_at(stream, places), b""])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))))
def test_data_survives(lines):
    """Whatever text is sent as data comes out again."""
    stream = "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
    assert [event("\n".join(lines))] * bool(lines) == events_of([stream])


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r"])
def test_event_does_not_wait(end):
    """An event is out with the last byte it needs, be it a CR that an LF may follow."""
    assert [event("x")] == SSEDecoder().feed(b"data: x" + end)


def test_late_line_feed_is_swallowed():
    """The LF that follows a CR in the next piece is no second line end."""
    decoder = SSEDecoder()
    decoder.feed(b"data: a\r")
    assert [] == decoder.feed(b"\n")
    assert [event("a")] == decoder.feed(b"\r")


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 2**18, b"data: x\n" * 2**17, b": " + b"x" * 2**18 + b"\n"],
    ids=["line", "event", "comment"],
)
def test_too_large(stream):
    """A line or an event beyond the limit is an error that names the limit."""
    decoder = SSEDecoder(limit=2**18)
    with pytest.raises(ProtocolError, match=r"larger than 0\.25 MiB"):
        decoder.feed(stream)


def test_default_limit():
    """The limit is 16 MiB unless told otherwise, and says so."""
    decoder = SSEDecoder()
    with pytest.raises(ProtocolError, match="larger than 16 MiB"):
        decoder.feed(b"data: " + b"x" * 2**24)


def test_limit_is_for_one_event():
    """Many small events together may be larger than the limit."""
    assert [event("x" * 9)] * 100 == SSEDecoder(limit=20).feed(b"data: xxxxxxxxx\n\n" * 100)


def test_long_line_in_small_pieces():
    """A line of 10 MB in pieces of 1 kB is one event."""
    decoder = SSEDecoder()
    pieces = [b"data: ", *[b"x" * 1000] * 10_000]
    assert [] == [event for piece in pieces for event in decoder.feed(piece)]
    assert [event("x" * 10_000_000)] == decoder.feed(b"\n\n")
