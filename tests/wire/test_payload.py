"""JSON from event data, damaged or not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.wire.payload import (
    _LONE,
    CUT,
    REPAIRED,
    SKIPPED,
    Reading,
    _read_wide,
    read_event,
    read_object,
)
from tests.wire.streams import event

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text(), _VALUES, max_size=3)


@given(OBJECTS, st.booleans())
def test_objects_survive(value, is_ascii):
    """Any JSON object is read as it was meant, escaped or not."""
    assert value == read_object(json.dumps(value, ensure_ascii=is_ascii))


@pytest.mark.parametrize(
    "text",
    ["", "[]", '"x"', "1", "null", "{", "{} x", "[" * 100_000, '{"a":' * 100_000, "x{}"],
    ids=range(10),
)
def test_anything_else_is_none(text):
    """What is no JSON object, or is nested beyond measure, is read as none."""
    assert read_object(text) is None


def test_raw_control_characters():
    """Control characters that should have been escaped are taken as they are."""
    assert {"a": "x\ty\0"} == read_object('{"a":"x\ty\0"}')


def test_no_numbers():
    """NaN and the infinities are not numbers to count with."""
    assert {"a": None, "b": None} == read_object('{"a":NaN,"b":-Infinity}')


def test_lone_surrogates():
    """Half a surrogate pair becomes U+FFFD, a whole one the character."""
    text = r'{"a":["\ud83d","\ude00 \ud83d\ude00"],"\udc00":1}'
    assert {"a": ["\ufffd", "\ufffd \U0001f600"], "\ufffd": 1} == read_object(text)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"a":"cut of data: {"b":1}', [{"b": 1}]),
        ('{"a":{"role":"assdata:{"b":1}', [{"b": 1}]),
        ('{"a":1data: {"b":data: {"c":"data: {"}', [{"c": "data: {"}]),
        ('{"a":1}data: {"b":1}', [{"a": 1}, {"b": 1}]),
        ('{"a":1}\n{"b":1}', [{"a": 1}, {"b": 1}]),
        ('{"a":"c\n{"b":1}', [{"b": 1}]),
    ],
)
def test_broken_frame(data, expected):
    """What stands whole behind a cut is used, and the damage is reported."""
    assert Reading(expected, REPAIRED) == read_event(event(data))


def test_answer_about_events():
    """An answer that contains the text of an event is no damage."""
    value = {"a": 'curl prints\ndata: {"b": 1}'}
    assert Reading([value]) == read_event(event(json.dumps(value)))


@pytest.mark.parametrize(("is_whole", "notice"), [(True, SKIPPED), (False, CUT)])
def test_unreadable(is_whole, notice):
    """An event of which nothing can be read is reported, in other words at the end."""
    assert Reading([], notice) == read_event(event('{"a":', is_whole=is_whole))


def test_last_event():
    """The last event is used without its blank line if its JSON is whole."""
    assert Reading([{"a": 1}]) == read_event(event('{"a":1}', is_whole=False))


def test_digits_without_end():
    """A number of thousands of digits does not stop the stream."""
    reading = read_event(event('{"b":' + "9" * 6000 + "}data: {}"))
    assert {} == reading.objects[-1]


@given(st.text())
def test_nothing_raises(data):
    """No text at all makes the reader fail."""
    assert isinstance(read_event(event("{" + data)).objects, list)


ODD = ["a", "é", "你", "😀", "\\", "\\\\", '"', "\n", "\\ud83d", "\\ude00", "\\u00e9", "\\n"]
BYTES = [*(piece.encode() for piece in ODD), b"\xf0\x9f", b"\x98", b"\xff", b"\xc3"]


@given(st.lists(st.sampled_from(BYTES), max_size=12), st.integers(0, 40))
def test_wide_event(pieces: list[bytes], shift: int):
    """A large event with an emoji is read as it is from its text, wherever it is cut for that."""
    inside = b"-" * (17 * 2**16 - shift) + b"".join(pieces) + "😀".encode()
    raw = b'{"a":"%s"}' % inside
    assert read_object(raw.decode("utf-8", "replace")) == _read_wide(raw, _LONE)
