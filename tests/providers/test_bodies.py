"""What a body is, before it is read as a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import ProtocolError
from glm_magic.providers.bodies import error_in, kind_of, page_error, read_json, words_of

EVENTS = "text/event-stream"
PAGE = b"""<!doctype html><html><head><title>Log in</title><style>p { color: red }</style>
<script>if (1 < 2) go();</script></head><body><p class="x">Please&nbsp;log &amp; wait</p></body>"""


@pytest.mark.parametrize(
    ("head", "content_type", "kind"),
    [
        (b'data: {"a": 1}', EVENTS, "events"),
        (b": comment", EVENTS, "events"),
        (b"data: x", "", "events"),
        (b"data: x", "text/plain", "events"),
        (b"data: x", "application/json", "events"),
        (b"\r\n: ping", "text/html", "events"),
        (b"event: x", "text/html", "events"),
        (b"id:1", "text/html", "events"),
        (b"retry:1", "text/html", "events"),
        (b"da", "text/html", None),
        (b"database is down", "text/html", "page"),
        (b'{"error": 1}', EVENTS, "json"),
        (b'{"error": 1}', "text/html", "json"),
        (b'\xef\xbb\xbf \r\n{"error": 1}', EVENTS, "json"),
        (b"[1]", "application/json", "json"),
        (b"<html>", EVENTS, "page"),
        (b"<html>", "application/json", "page"),
        (b"\n  <!doctype html>", "application/octet-stream", "page"),
        (b"Log in first", "text/html", "page"),
        (b"", EVENTS, None),
        (b"", "application/json", None),
        (b"\xef\xbb\xbf\r\n \t", EVENTS, None),
        (b"\x1f\x8b\x08", "application/json", "packed"),
        (b"\x1f", EVENTS, None),
    ],
)
def test_kind(head: bytes, content_type: str, kind: str | None):
    """The first bytes tell more than the type, and blanks tell nothing yet."""
    assert kind == kind_of(head, content_type)


@given(st.binary(max_size=20), st.binary(max_size=20), st.sampled_from([EVENTS, "text/html", ""]))
def test_kind_stays(head: bytes, more: bytes, content_type: str):
    """Once a body is known for what it is, more bytes do not change that."""
    kind = kind_of(head, content_type)
    assert kind is None or kind == kind_of(head + more, content_type)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1]}', {"a": [1]}),
        (b'\xef\xbb\xbf\n{"a": "\xe5\x88\x97"}\n', {"a": "列"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b"[1]", None),
        (b"5", None),
        (b'{"a":', None),
        (b"", None),
        (b"[" * 10**5, None),
        (b'{"a": ' + b"1" * 5000 + b"}", None),
        (b'{"a": [' + b"[]," * 2**19 + b"1]}", None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_read_json(body: bytes, value: object):
    """A JSON object is read, a bad byte in it does no harm; anything else is None."""
    assert value == read_json(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"{}", {}),
        (b'\xef\xbb\xbf [[{"a": "x\ny"}], 2]', {"a": "x\ny"}),
        (b'"{\\"a\\": 1}"', {"a": 1}),
        (b': ping\n\ndata: [DONE]\n\ndata: [{"a": 1}]', {"a": 1}),
        (b'{"a": {"b": "cut', {"a": {"b": "cut"}}),
        (b"[]", None),
        (b"5", None),
        (b'<p>{"a": 1}</p>', None),
        (b"", None),
    ],
)
def test_error_in(body: bytes, found: object):
    """An error is found in whatever a gateway puts it."""
    assert found == error_in(body)


@given(st.binary() | st.text('[]{}":,a\n ').map(str.encode))
def test_any_error(body: bytes):
    """Any bytes have an object in them or none."""
    assert isinstance(error_in(body), dict | None)


@given(st.binary())
def test_read_any_json(body: bytes):
    """Any bytes give an object or None."""
    assert isinstance(read_json(body), dict | None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (PAGE, "Log in Please log & wait"),
        (b"Bad  \n gateway", "Bad gateway"),
        (b"<p>a</p><p>b</p>", "a b"),
        (b"a < b", "a < b"),
        (b"<script>never closed", ""),
        (b"\xe5\x88\x97 \xff", "列 \ufffd"),
        (b"", ""),
    ],
)
def test_words(body: bytes, words: str):
    """Of a page its visible words are left, of a text all."""
    assert words == words_of(body)


def test_words_are_few():
    """Of a long page only the start is shown."""
    assert words_of(b"abc " * 10**5) == ("abc " * 50)
    assert words_of(b"abc def", 3) == "abc"


@given(st.binary())
def test_words_of_anything(body: bytes):
    """Any bytes give one short line."""
    words = words_of(body)
    assert len(words) <= 200
    assert len(words.splitlines()) <= 1


def test_page_error():
    """A page where a stream was expected says what to check and how the page begins."""
    error = page_error(PAGE)
    assert isinstance(error, ProtocolError)
    assert error.start == "Log in Please log & wait"
    assert "web page instead of an answer" in str(error)
    assert "open it in a browser" in error.remedy
