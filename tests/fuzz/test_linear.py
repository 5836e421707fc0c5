"""Four times the text is four times the work, whatever the text: calls are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from glm_magic.redact import Secret, redact, settle
from glm_magic.show.blocks import SHORT, BlockSplitter, split
from glm_magic.show.disarm import disarm
from glm_magic.show.html import render
from glm_magic.show.terminal import clean
from glm_magic.wire.chatglm import SnapshotDecoder
from glm_magic.wire.openai import OpenAIDecoder
from tests.fuzz.oracles import SlowTranscript
from tests.wire.streams import chunk, deltas_of, events_of, frame, reply_of, sse, text, think

#: What a text is made of that parsers of Markdown are known to stumble over.
SHAPES = (
    *("`", "` ", "`a``", "```\n", "~~~\n", "[", "![", "[]", "[a](", "[a](<", "[x]: <", "[^1]"),
    *("<", "<a ", "<!--", "<?", "<br>", "*", "*a ", "**a*", "_a", "~~", "$", "$$", "$x$ ", "$`"),
    *("\\", "\\(", "\\[", "\\[\n", "$$\n", "\\begin{a}\n", "> ", ">", "- ", "- a\n", "1. ", "a|"),
    *("|a|b|\n", "&", "&amp;", "http://a ", "【", "【1†", "a@b.c ", "# ", "===\n", "\n", "\r"),
    *("\t", "\x1b[", "\u202e", "a", "a\n", "_", "%", "$%a$", "\\\\$"),
)
SIZE = 1000


KEY = "sk-linear/0123+4567890abcdef"


def masked(text: str) -> None:
    """Take a live key out of *text*, and out of what may yet grow."""
    redact(text)
    settle(text)


def splitter(markdown: str) -> None:
    """Feed *markdown* in small pieces."""
    blocks = BlockSplitter()
    for at in range(0, len(markdown), 100):
        blocks.feed(markdown[at : at + 100])


def events(markdown: str) -> None:
    """Read *markdown* as a stream that comes in small pieces."""
    stream = markdown.encode()
    events_of(stream[at : at + 9] for at in range(0, len(stream), 9))


def work(do: Callable[[str], object], subject: str) -> int:
    """Count the calls that *do* makes for *subject*."""
    calls = 0

    def note(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(note)
    try:
        do(subject)
    finally:
        sys.setprofile(None)
    return calls


def grown(do: Callable[[str], object], make: Callable[[int], str], size: int = SIZE) -> float:
    """Return how much more work four times the size is; a little work more is none."""
    do(make(size))  # parsers are made, and libraries loaded, once
    return work(do, make(4 * size)) / (work(do, make(size)) + 500)


@pytest.mark.parametrize("do", [disarm, render, split, clean, events])
@pytest.mark.parametrize("shape", SHAPES)
def test_text(do, shape):
    """What is shown of a text, and read of a stream, is found in linear time."""
    assert grown(do, lambda size: (shape * size)[:size]) < 6


@pytest.mark.parametrize("do", [disarm, render])
def test_definitions(do):
    """A link that is defined once and used again and again does not write a square of the text."""
    text = f"[a]: http://{'b' * 20_000}\n\n" + "[a] " * 20_000
    assert len(do(text)) < 10 * len(text)


@pytest.mark.parametrize("do", [disarm, render])
def test_large_definition(do):
    """A large address may be used, though it is looked for twice, and small ones beside it."""
    large = f"http://a.test/{'A' * 60_000}"
    text = f"[see [x][d]]\n\n[x][d]\n\n[z][f]\n\n[d]: {large}\n[f]: http://b.test"
    shown = do(text)
    assert shown.count(large) >= 2
    assert do(f"{text}\n\n{'[x][d] ' * 20}").count("http://b.test") >= 1


@pytest.mark.parametrize("do", [disarm, render])
def test_definitions_of_a_short_text(do):
    """A link may be used as often as anybody does."""
    assert do("[a]: http://b.test/\n\n" + "[a] " * 1000).count("http://b.test/") >= 1000


def table(size: int) -> str:
    """Return a table in which nearly all cells are lacking."""
    return "|a" * size + "|\n" + "|-" * size + "|\n" + "a\n" * size + "\n"


@pytest.mark.parametrize("do", [disarm, render])
def test_lacking_cells(do):
    """Rows that are far too short are not filled up without end."""
    assert len(do(table(250))) < 20 * len(table(250))
    assert len(do(table(12) * 20)) < 60 * len(table(12) * 20)


def test_rows_behind_the_last():
    """What stands behind a table that lacks too many cells is text."""
    assert "the last row" in disarm(f"{table(250)[:-1]}the last row")


def test_nesting():
    """Lines that go on in many quotes are written with the marks of a bounded number of them."""
    text = "> " * 500 + "a\n" * 500
    assert len(disarm(text)) < 40 * len(text)


def test_gaps():
    """A long run of blanks is one blank: what shows it would read on from each of them."""
    assert len(disarm("a" + " " * 10_000 + "b")) < 10


@pytest.mark.parametrize("shape", [KEY, KEY[:-1], KEY[0], KEY[:9], f"{KEY[:-1]} {KEY} ", "a "])
def test_keys(shape):
    """Live keys, and what only begins like one, are looked for in linear time."""
    Secret(KEY)
    assert grown(masked, lambda size: (shape * size)[:size]) < 6


@pytest.mark.parametrize("shape", ["$$\n", "\\[\n", "- a\n"])
def test_growing_text(shape):
    """A text that grows without a block that ends is looked at again now and then only.

    The first looks at it are the closest together; work that grew with the
    square would be 16 times as much.
    """
    assert grown(splitter, lambda size: (shape * size)[:size], SHORT) < 9


def output(words: str) -> dict[str, str]:
    """Return an item of what code has printed."""
    return {"type": "execution_output", "content": words}


STREAMS: dict[str, Callable[[int], object]] = {
    "text": lambda number: frame(text(f"w{number} ")),
    "marks": lambda _: frame(text("【a")),
    "thinking": lambda number: frame(think(f"w{number}")),
    "code": lambda number: frame({"type": "code", "code": f"x = {number}\n"}),
    "items": lambda number: frame(text("hello"), logic_id=f"L{number}"),
    "finished items": lambda number: frame(text("a"), logic_id=f"L{number}", part="finish"),
    "unknown": lambda number: frame({"type": f"k{number}"}),
    "output that repeats": lambda number: frame(output("2"), logic_id=f"L{number}"),
}


@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)
def test_frames(make):
    """A message of chatglm.cn grows by frames in linear time."""
    assert grown(lambda stream: read(SnapshotDecoder, stream), frames_of(make)) < 6


LINE = "word " * 200
#: Messages of which not only the end grows; each gives the frame of this number.
TURNS: dict[str, Callable[[int], object]] = {
    "texts": lambda number: frame(text(f"{number} {LINE}"), logic_id=f"L{number % 2}"),
    "texts of one frame": lambda number: frame(*[text(f"{number} {LINE}")] * 2),
    "thinking": lambda number: frame(think(f"{number} {LINE}"), logic_id=f"L{number % 3}"),
    "code and text": lambda number: frame(
        {"type": "code", "code": f"{number} {LINE}"}, text(f"{number}\n")
    ),
    "items and the first": lambda number: frame(
        text(f"{number} {LINE}"), logic_id=f"L{number * (number % 2)}"
    ),
    "all the text so far": lambda number: frame(text(LINE * number), logic_id=f"L{number % 2}"),
}


@pytest.mark.parametrize("make", TURNS.values(), ids=TURNS)
def test_turns(make):
    """Parts that grow in turn have no more taken back and said again than grows with the stream."""
    few, many = (said(frames_of(make)(size)) for size in (1000, 4000))
    assert many / few < 6


@pytest.mark.parametrize("make", TURNS.values(), ids=TURNS)
def test_turns_end(make):
    """Whatever was put off on the way is there in the end."""
    stream = frames_of(make)(4000).encode()
    shown = reply_of(deltas_of(SnapshotDecoder, [stream]))
    slow = reply_of(deltas_of(Slow, [stream]))
    assert (slow.text, slow.reasoning) == (shown.text, shown.reasoning)


class Slow(SnapshotDecoder):
    """Writes the whole message anew at each frame."""

    def __init__(self) -> None:
        super().__init__()
        self._transcript = SlowTranscript()


def said(stream: str) -> int:
    """Return how many characters the deltas of *stream* add, or take back."""
    deltas = deltas_of(SnapshotDecoder, [stream.encode()])
    added = sum(len(delta.content) + len(delta.reasoning) for delta in deltas)
    return added + sum(delta.retract + delta.retract_reasoning for delta in deltas)


CHUNKS: dict[str, Callable[[int], object]] = {
    "text": lambda number: chunk(f"w{number} "),
    "tags": lambda _: chunk("</thin"),
    "ids": lambda number: chunk("ab", id=f"c{number}"),
    "pairs of ids": lambda number: chunk("ab", id=f"c{number // 2}"),
    "calls": lambda number: chunk(None, tool_calls=[{"id": f"t{number}", "function": {}}]),
}


@pytest.mark.parametrize("make", CHUNKS.values(), ids=CHUNKS)
def test_chunks(make):
    """An OpenAI-style answer grows by chunks in linear time."""
    assert grown(lambda stream: read(OpenAIDecoder, stream), frames_of(make)) < 6


def frames_of(make: Callable[[int], object]) -> Callable[[int], str]:
    """Return a function from a size to a stream with as many tens of events."""
    return lambda size: sse(*map(make, range(max(1, size // 10)))).decode()


def read(decoder: type, stream: str) -> None:
    """Read *stream* to its end."""
    deltas_of(decoder, [stream.encode()])


@pytest.mark.parametrize("do", [split, clean, events])
def test_long_line(do):
    """A line of a megabyte, which no line end closes, is read once: not again from each letter."""
    text = "x" * 2**20
    assert do(text) in (([], text), text, None)


def test_long_code():
    """Code that comes line by line in 50,000 frames is not copied for each of them."""
    lines = [f"x = {number}\n" for number in range(50_000)]
    stream = sse(*[frame({"type": "code", "code": line}) for line in lines])
    whole = f"```python\n{''.join(lines)}```"
    assert whole == reply_of(deltas_of(SnapshotDecoder, [stream])).text
