"""Reading only what is new in a snapshot: the frame is the one that JSON has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.wire.chatglm import SnapshotDecoder
from glm_magic.wire.payload import read_object
from glm_magic.wire.prolonged import PATIENCE, Prolonged
from glm_magic.wire.sse import Event
from tests.wire.streams import CHATGLM, cut_at, deltas_of, frame, outcome, sse, text, think

LETTERS = 'ab"\\/\n\t你好😀\u2028\ud83d\ude00{}:'


def read_all(raws: list[bytes]) -> tuple[list[Any], int]:
    """Return the frames of *raws*, and how many of them were not read as JSON."""
    prolonged, frames, count = Prolonged(), [], 0
    for raw in raws:
        is_quick = prolonged.read(raw) is not None
        whole = prolonged.frame if is_quick else read_object(raw.decode("utf-8", "replace"))
        if whole is not None and not is_quick:
            prolonged.learn(raw, whole)
        count += is_quick
        frames.append(json.loads(json.dumps(whole)))
    return frames, count


def encode(payload: Any, *, escaped: bool = False) -> bytes:
    """Return *payload* as JSON; *escaped* writes all but ASCII as escapes."""
    return json.dumps(payload, ensure_ascii=escaped).encode("utf-8", "replace")


@pytest.mark.parametrize("escaped", [True, False])
def test_a_growing_text_is_read_as_json_once(escaped):
    """Of twenty snapshots the first is read as JSON, the others by what they add."""
    words = "".join(f"第{number} 'word'\n" for number in range(20))
    raws = [encode(frame(think("so"), text(words[:end])), escaped=escaped) for end in range(20)]
    frames, quick = read_all(raws)
    assert [read_object(raw.decode()) for raw in raws] == frames
    assert quick == 19


@given(
    st.lists(st.text(LETTERS, max_size=5), max_size=12),
    st.lists(st.integers(0, 30), min_size=1, max_size=12),
    st.booleans(),
)
def test_frames_are_what_json_has(pieces, ends, escaped):
    """Whether a text grows, shrinks, changes or repeats, each frame is that of its own bytes."""
    whole = "".join(pieces)
    raws = [encode(frame(text(whole[:end]), id=end % 2), escaped=escaped) for end in ends]
    frames, _ = read_all(raws)
    assert [read_object(raw.decode("utf-8", "replace")) for raw in raws] == frames


@given(
    st.binary(max_size=8),
    st.binary(max_size=8),
    st.sampled_from([b'"', b"\\", b"\\ud83d", b"\xe4\xbd", b"", b'","x":"', b"\\u00"]),
)
def test_bytes_that_are_no_text(begin: bytes, added: bytes, odd: bytes):
    """Whatever bytes are added to a snapshot, it is read as JSON reads it."""
    start, _, end = encode(frame(text("@"))).partition(b"@")
    raws = [
        start + middle + end for middle in (b"a", b"a" + begin + odd, b"a" + begin + odd + added)
    ]
    frames, _ = read_all(raws)
    assert [read_object(raw.decode("utf-8", "replace")) for raw in raws] == frames


def test_snapshots_of_another_shape_each():
    """Where every event has something else that is new, nobody goes on looking."""
    raws = [encode(frame(text("a" * number), id=number)) for number in range(2 * PATIENCE)]
    assert read_all(raws)[1] == 0
    same = [encode(frame(text("a" * number))) for number in range(9)]
    assert read_all(raws + same)[1] == 0


@given(st.sampled_from(list(CHATGLM.values())), st.lists(st.integers(0, 2000), max_size=6))
def test_recorded_streams_say_the_same(stream: bytes, places: list[int]):
    """Reading only what is new changes nothing of any recorded reply."""
    pieces = cut_at(stream, places)
    assert outcome(Plain, pieces) == outcome(SnapshotDecoder, pieces)


def test_growing_answer():
    """Each snapshot gives the words that are new in it, thinking and answer apart."""
    frames = [frame(think("abcdefgh"[: n + 1])) for n in range(8)]
    frames += [frame(think("abcdefgh"), text("ABCDEFGHI"[: n + 1])) for n in range(9)]
    deltas = deltas_of(SnapshotDecoder, [sse(*frames)])
    assert deltas == deltas_of(Plain, [sse(*frames)])


def test_the_end_is_read_without_the_text():
    """An event that says the text of the last snapshot once more need not be read with it."""
    prolonged, words = Prolonged(), 'so many "words" \\'
    for said in ("so", words):
        prolonged.learn(encode(frame(text(said))), frame(text(said)))
    end = Event(encode(frame(text(words), status="finish", part="finish")))
    read = read_object(prolonged.without_text(end).data)
    assert frame(text(""), status="finish", part="finish") == read
    others = [[text(other)] for other in ("so", words + "!", words + '"', words[:-1])]
    for items in (*others, [text(words), text(words)], [think(words)], [text(words), text("")]):
        event = Event(encode(frame(*items, status="finish")))
        assert event == prolonged.without_text(event)
    assert end == Prolonged().without_text(end)


KINDS = st.sampled_from(["text", "think", "code", "tool_calls", "odd"])
ITEMS = st.tuples(KINDS, st.integers(0, 9))
TEXTS = {"text": "One 【1†two】 three, four", "think": "so so so?", "code": "x = `1`\nprint(x)"}


def said(kind: str, end: int) -> dict[str, str]:
    """Return the first letters of what an item says."""
    return {kind if kind in TEXTS else "text": TEXTS.get(kind, "abcdefghi")[:end]}


FRAMES = st.tuples(
    st.lists(ITEMS, min_size=1, max_size=3), st.sampled_from(["init", "init", "finish"])
)


@given(st.lists(FRAMES, max_size=20))
def test_whatever_grows(frames: list[tuple[list[tuple[str, int]], str]]):
    """Whichever items of a message grow, shrink or end, in any order, the reply is the same."""
    payloads = [
        frame(*({"type": kind, **said(kind, end)} for kind, end in items), part=status)
        for items, status in frames
    ]
    stream = sse(*payloads, frame(text("The end."), status="finish"))
    assert outcome(Plain, [stream]) == outcome(SnapshotDecoder, [stream])


class Plain(SnapshotDecoder):
    """Reads every event as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._prolonged = _Never()


class _Never(Prolonged):
    def read(self, raw: bytes) -> None:
        return None

    def without_text(self, event: Event) -> Event:
        return event
