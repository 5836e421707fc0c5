"""The stream of chatglm.cn's web page, of 2024 and of 2026."""

from __future__ import annotations

import json
import re
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import (
    AuthenticationError,
    OverloadError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    StatusError,
)
from glm_magic.messages import Message
from glm_magic.wire.chatglm import (
    _LATE,
    ASSISTANT_ID,
    DOUBT,
    TRUNCATED,
    SnapshotDecoder,
    headers,
    request_body,
)
from glm_magic.wire.payload import REPAIRED, SKIPPED
from glm_magic.wire.refusals import read_refusal
from tests.wire.streams import (
    CHATGLM,
    DONE,
    cut_at,
    event,
    frame,
    nameless,
    outcome,
    play,
    reply_of,
    sse,
    text,
    think,
)


def answer(*frames):
    """Return the reply to a stream of *frames*."""
    return play(SnapshotDecoder, sse(*frames))


def shown(*frames):
    """Return (thinking, answer, finish reason, notices) of a stream of *frames*."""
    reply = answer(*frames)
    return reply.reasoning, reply.text, reply.finish_reason, reply.notices


@pytest.mark.parametrize(
    "frames",
    [
        [frame(text("Hel")), frame(text("Hello")), frame(think("Hm"), text("Hello world"))],
        [frame(think("Hm"), text("Hel")), frame(think("Hm"), text("Hello")), frame(text("Hello"))],
    ],
    ids=["comes", "goes"],
)
def test_thinking_in_front_of_a_text(frames):
    """A text is the same one though a thinking came in front of it, or went."""
    last = frame(text("Hello world"), status="finish", part="finish")
    assert "Hello world" == answer(*frames, last).text


END = {"conversation_id": "k1", "status": "finish", "last_error": {}, "parts": []}
FENCE = "```"
TOOLS = f"""- [A \\[page\\]](https://example.org/a)

{FENCE}python
1+1
{FENCE}

{FENCE}
2
{FENCE}

It is 2.

![image](https://example.org/a%20%281%29.png)"""

EXPECTED = {
    "cumulative": ("The user wants a sum.", "The sum is 42.", "stop"),
    "delta": ("哈哈!", "The sum is 42.", "stop"),
    "tools": ("", TOOLS, "stop"),
    "intervene": ("", "Well", "content_filter"),
    "truncated": ("", "Hello there, you", "truncated"),
}
NOTICES = {
    "tools": ["1 piece(s) of an unknown type left out: hologram"],
    "intervene": ["Try another topic."],
    "truncated": [TRUNCATED],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_recorded(name):
    """The stream gives this thinking, text, finish reason and these notices."""
    reply = play(SnapshotDecoder, CHATGLM[name])
    assert EXPECTED[name] == (reply.reasoning, reply.text, reply.finish_reason)
    assert (NOTICES.get(name, []), "k1") == (reply.notices, reply.conversation_id)


@pytest.mark.parametrize("stream", CHATGLM.values(), ids=CHATGLM)
def test_byte_by_byte(stream):
    """A stream in single bytes ends as it does in one piece."""
    pieces = [bytes([byte]) for byte in stream]
    assert outcome(SnapshotDecoder, [stream]) == outcome(SnapshotDecoder, pieces)


@given(st.sampled_from(list(CHATGLM.values())), st.lists(st.integers(0, 3000), max_size=20))
def test_cuts_do_not_matter(stream, places):
    """A stream cut anywhere ends as it does in one piece."""
    assert outcome(SnapshotDecoder, [stream]) == outcome(SnapshotDecoder, cut_at(stream, places))


# Growth


CUTS = st.lists(st.integers(0, 60), max_size=12)
# Few different characters, so that frames often look alike.
WORDS = st.text(st.sampled_from("ab哈 1"), min_size=1, max_size=40)
KINDS = {"text": text, "think": think}


def grow(item, words, cuts, *, adds, logic_id="L1"):
    """Return frames in which *words* grow at *cuts*, the last of which finishes with all of it."""
    ends = sorted({0, len(words), *(cut % (len(words) + 1) for cut in cuts)})
    pieces = [words[start:end] for start, end in pairwise(ends)]
    grown = pieces if adds else accumulate(pieces)
    frames = [frame(item(piece), logic_id=logic_id) for piece in grown]
    return [*frames, frame(item(words), logic_id=logic_id, part="finish")]


@given(WORDS, CUTS, st.booleans())
def test_text_is_exact(words, cuts, adds):
    """The text at the end is the last snapshot, in both modes and however it grew."""
    assert ("", words, "stop", []) == shown(*grow(text, words, cuts, adds=adds), END)


@given(st.lists(st.tuples(st.sampled_from(["text", "think"]), WORDS, CUTS)), st.booleans())
def test_parts_are_exact(parts, adds):
    """Many parts one after the other give all their texts, with a blank line between them."""
    frames = [
        one
        for number, (kind, words, cuts) in enumerate(parts)
        for one in grow(KINDS[kind], words, cuts, adds=adds, logic_id=f"L{-number}")
    ]
    texts = {kind: "\n\n".join(p[1] for p in parts if p[0] == kind) for kind in KINDS}
    assert (texts["think"], texts["text"], "stop", []) == shown(*frames, END)


@given(st.permutations("abcdefghijklmnopq你好世界"), CUTS, st.booleans())
def test_text_is_exact_without_its_end(letters, cuts, adds):
    """A truncated stream gives exactly what was received, if its frames admit no doubt."""
    words = "".join(letters)
    frames = grow(text, words, cuts, adds=adds)[:-1]
    assert ("", words, "truncated", [TRUNCATED]) == shown(*frames)


@given(st.permutations("abcdefghijklmnopqrs"), CUTS, st.booleans())
def test_nothing_is_doubled_on_the_way(letters, cuts, adds):
    """What is shown grows without being taken back, if the frames admit no doubt."""
    words = "".join(letters)
    decoder = SnapshotDecoder()
    seen = ""
    for one in grow(text, words, cuts, adds=adds):
        for delta in decoder.decode(event(json.dumps(one))):
            assert 0 == delta.retract
            seen += delta.content
        assert words.startswith(seen)


@given(WORDS, WORDS, CUTS, CUTS, st.booleans())
def test_parts_grow_side_by_side(first, second, cuts, others, adds):
    """Two parts that grow in turns stand in the order of their arrival."""
    ours = grow(text, first, cuts, adds=adds, logic_id="L9")
    theirs = grow(text, second, others, adds=adds, logic_id="L1")
    turns = [one for pair in zip(ours, theirs, strict=False) for one in pair]
    rest = ours[len(theirs) :] + theirs[len(ours) :]
    assert ("", f"{first}\n\n{second}", "stop", []) == shown(*turns, *rest, END)


LAUGH = (frame(text("哈")), frame(text("哈哈")))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([frame(text("哈哈,真好"))], "哈哈,真好"),
        ([frame(text(",真好"))], "哈哈哈,真好"),
        ([frame(text("哈哈"), part="finish")], "哈哈"),
        ([frame(text("哈哈哈"), part="finish")], "哈哈哈"),
    ],
    ids=["repeats", "adds", "repeats_to_the_end", "adds_to_the_end"],
)
def test_ambiguous_start(more, expected):
    """Frames that fit both modes are set right as soon as one fits only one."""
    assert expected == answer(*LAUGH, *more).text


LONG = "It was a dark night"


@pytest.mark.parametrize(
    "after",
    ["It was", "It was a bright day", "Well", LONG],
    ids=["shrinks", "edited", "restarts", "repeats"],
)
@pytest.mark.parametrize("part", ["init", "finish"])
def test_text_that_changes_its_mind(after, part):
    """A text that shrinks, is edited, restarts or repeats ends as its last snapshot."""
    frames = [frame(text(LONG[:12])), frame(text(LONG)), frame(text(after), part=part)]
    assert ("", after, "stop", []) == shown(*frames, END)


@pytest.mark.parametrize("after", [LONG[:12], "It was a bright day"], ids=["shrinks", "edited"])
def test_second_frame_that_changes_its_mind(after):
    """A text that keeps its beginning was edited, unless the next frames tell otherwise."""
    start = [frame(text(LONG)), frame(text(after))]
    assert ("", after, "stop", [DOUBT]) == shown(*start, END)
    assert ("", f"{after}!", "stop", []) == shown(*start, frame(text(f"{after}!")), END)
    assert ("", f"{LONG}{after}So", "stop", []) == shown(*start, frame(text("So")), END)


def test_full_text_goes_over_the_sum():
    """The finishing frame is right even if the fragments said otherwise."""
    frames = [frame(text("The")), frame(text(" sin")), frame(text("The sun"), part="finish")]
    assert "The sun" == answer(*frames, END).text


def test_empty_finish_takes_nothing_back():
    """A part that finishes with an empty text keeps what it has."""
    frames = [frame(text("The")), frame(text(" sum")), frame(text(""), part="finish")]
    assert "The sum" == answer(*frames, END).text


def test_finished_parts_come_again():
    """Frames that repeat finished parts change nothing."""
    done = frame(text("The sum"), part="finish")
    assert ("", "The sum", "stop", []) == shown(done, done, frame(text("The sum")), done, END)


@pytest.mark.parametrize("short", [LONG[:6], LONG[:12], "Well"])
def test_finished_part_is_long_again(short):
    """A part that finished shorter than it was, and then is as long again, ends as it is told."""
    frames = [frame(text(LONG)), frame(text(short), part="finish"), frame(text(LONG))]
    assert ("", LONG, "stop", []) == shown(*frames, END)
    more = f"{LONG}, and so on"
    assert ("", more, "stop", []) == shown(*frames, frame(text(more)), END)


def test_pieces_behind_a_finish():
    """Pieces of a part that had finished go on behind its text, but for what it has."""
    pieces = [frame(text("The")), frame(text(" sun")), frame(text("The sun"), part="finish")]
    more = [frame(text("The sun")), frame(text(" sun")), frame(text(" is")), frame(text(" up"))]
    assert ("", "The sun is up", "stop", []) == shown(*pieces, *more, END)


def test_text_that_was_doubtful():
    """What another item shows of the mode sets right a text that fitted both."""
    frames = [("哈", ""), ("哈哈", LONG), ("哈哈哈!", LONG)]
    decoder = SnapshotDecoder()
    told = [json.dumps(frame(text(words), think(thought))) for thought, words in frames]
    reply = reply_of(delta for one in told for delta in decoder.decode(event(one)))
    assert ("哈哈哈!", LONG) == (reply.reasoning, reply.text)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([frame(text("哈")), frame(text("哈哈"))], "哈哈"),
        ([frame(text("the ")), frame(text("toad "))], "the toad "),
    ],
    ids=["repeats", "adds"],
)
def test_frames_of_either_mode(frames, expected):
    """Of frames that fit both modes to the end one reading is shown, and the doubt is told."""
    assert ("", expected, "stop", [DOUBT]) == shown(*frames, END)
    assert ("", expected, "truncated", [DOUBT, TRUNCATED]) == shown(*frames)
    whole = frame(text(expected), part="finish")
    assert ("", expected, "stop", []) == shown(*frames, whole, END)


# Places


ONE, TWO = "First of all, this.", "And then that."


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([[ONE, TWO], [TWO, ONE]], f"{TWO}\n\n{ONE}"),
        ([[ONE, TWO], [TWO, ONE], [ONE, TWO]], f"{ONE}\n\n{TWO}"),
        ([[TWO], [ONE, TWO]], f"{ONE}\n\n{TWO}"),
        ([[ONE, TWO], [TWO]], TWO),
        ([[ONE, TWO], [ONE + "!"]], f"{ONE}!\n\n{TWO}"),
    ],
    ids=["swap", "swap_back", "one_comes_in_front", "one_goes", "one_alone_grows"],
)
@pytest.mark.parametrize("first", [[], [frame(think(LONG[:12])), frame(think(LONG))]])
def test_parts_without_names(first, frames, expected):
    """Parts without names end in the order of the last frame, with nothing double."""
    told = [nameless(*map(text, words)) for words in frames]
    assert (expected, "stop", []) == shown(*first, *told, END)[1:]


@pytest.mark.parametrize(
    "frames",
    [
        [[think("Hm"), text(ONE[:9])], [text(ONE)]],
        [[text(ONE[:9])], [think("Hm"), text(ONE)]],
        [[think("Hm"), text("First")], [text(" of all")], [text(", this.")]],
    ],
    ids=["goes", "comes", "goes_from_pieces"],
)
def test_thinking_in_front_of_a_part_without_a_name(frames):
    """A part without a name is the same one though a thinking came in front of it, or went."""
    assert ("Hm", ONE) == shown(*(nameless(*items) for items in frames), END)[:2]


def test_texts_of_a_part_without_a_name():
    """Texts of one part are one text, with a name or without."""
    part = {"content": [text("One "), text("text.")]}
    assert "One text.\n\nTwo" == answer({"parts": [part, {"content": [text("Two")]}]}, END).text


def code(words):
    """Return an item of code."""
    return {"type": "code", "code": words}


def old_think(words):
    """Return an item of thinking as it was called in 2024."""
    return {"type": "text_thinking", "text_thinking": words}


CODE = "import os\nprint(os.name)"
RETYPED = {
    "text to code": (text, code, ("", f"{FENCE}python\n{CODE}\n{FENCE}")),
    "code to text": (code, text, ("", CODE)),
    "text to thinking": (text, think, (CODE, "")),
    "thinking to text": (think, text, ("", CODE)),
    "old thinking to thinking": (old_think, think, (CODE, "")),
}


@pytest.mark.parametrize(("old", "new", "expected"), RETYPED.values(), ids=RETYPED)
@pytest.mark.parametrize("make", [frame, nameless])
def test_item_of_another_type(make, old, new, expected):
    """An item that changes its type in place is shown under the last one only."""
    for start in ([], [make(old(CODE[:6])), make(old(CODE[:15]))]):
        assert expected == shown(*start, make(old(CODE[:20])), make(new(CODE)), END)[:2]


def test_item_of_another_type_says_something_else():
    """What stands in the place of a text is told instead, but an answer hides no thinking."""
    start = [frame(text(LONG[:12])), frame(text(LONG))]
    assert f"{FENCE}python\n1\n{FENCE}" == answer(*start, frame(code("1")), END).text
    assert LONG == answer(*start, frame(code("1")), frame(text(LONG)), END).text
    start = [frame(think(LONG[:12])), frame(think(LONG))]
    assert (LONG, "Hi", "stop", []) == shown(*start, frame(text("Hi")), END)


def output(words):
    """Return an item of what code has printed."""
    return {"type": "execution_output", "content": words}


def images():
    """Return an item with an image."""
    return {"type": "image", "image": [{"image_url": "https://a.test/i.png"}]}


X, ONE_SHOWN = code("x=1\n"), "```\n1\n```"
IMAGE = "![image](https://a.test/i.png)"
IN_TURN = {
    "of one part": (
        [frame(X), frame(output("1")), frame(images(), part="finish"), frame(text("It "))],
        [frame(text("is 1.")), frame(X, output("1"), images(), text("It is 1."), part="finish")],
        f"```python\nx=1\n```\n\n{ONE_SHOWN}\n\n{IMAGE}\n\nIt is 1.",
    ),
    "between two parts": (
        [frame(X), frame(output("1"), part="finish", logic_id="M"), frame(text("It "))],
        [frame(text("is 1.")), frame(text("It is 1."), part="finish")],
        f"```python\nx=1\n```\n\n{ONE_SHOWN}\n\nIt is 1.",
    ),
    "each whole": (
        [frame(code("print(1)"), part="finish"), frame(output("1"), part="finish")],
        [frame(text("It is 1."), part="finish", logic_id="M")],
        f"```python\nprint(1)\n```\n\n{ONE_SHOWN}\n\nIt is 1.",
    ),
    "text, and code that is cut": (
        [frame(text("I compute."), part="finish"), frame(code("print(1)"))],
        [],
        "I compute.\n\n```python\nprint(1)\n```",
    ),
}


@pytest.mark.parametrize(("start", "rest", "expected"), IN_TURN.values(), ids=IN_TURN)
def test_types_in_turn(start, rest, expected):
    """What is told under one name in turn is all shown, in the order in which it came."""
    assert expected == answer(*start, *rest, END).text


@pytest.mark.parametrize(
    "pieces",
    [
        ["0,1,2,3\n", "0,1,2,3\n", "4,5,6,7\n", "done"],
        ["https://a.test/1\n", "https://a.test/2\n", "done"],
        ["import numpy as np\n", "import numpy.linalg as la\n", "x = 1\n"],
    ],
    ids=["equal", "addresses", "imports"],
)
@pytest.mark.parametrize("item", [text, think, code])
def test_pieces_that_begin_alike(item, pieces):
    """Pieces that are equal, or begin alike, are all there, with no frame that says all of it."""
    shown_there = "".join(shown(*(frame(item(piece)) for piece in pieces), END)[:2])
    assert "".join(pieces) in shown_there


@pytest.mark.parametrize("late", ["Hello world.", "\nHello world【1†source】.\n"])
def test_finished_text_told_again_otherwise(late):
    """A finished text that is told again without its marks, or with blanks, is told once."""
    pieces = [frame(text("Hello ")), frame(text("world【1†source】."))]
    whole = frame(text("Hello world【1†source】."), part="finish")
    assert "Hello world." == answer(*pieces, whole, frame(text(late)), END).text


@pytest.mark.parametrize("field", ["error", "last_error"])
@pytest.mark.parametrize("none", [{}, {"error_code": 0}, {"error_code": 0, "err_msg": ""}, ""])
def test_error_that_is_none(field, none):
    """An empty error, or one of the code 0, says that all is well, whatever frame it is in."""
    said = {"parts": [], field: none}
    frames = [frame(text("Hello"), part="finish"), said, {**END, field: none}]
    assert ("", "Hello", "stop", []) == shown(*frames)


def test_moderation_leaves_no_doubt():
    """Where moderation ends an answer, nothing else is said of its text."""
    end = {"status": "intervene", "last_error": {"intervene_text": "No."}, "parts": []}
    assert ["No."] == answer(frame(text("我")), frame(text("我想")), end).notices


def test_pieces_of_several_types():
    """Pieces of one part hide nothing that was told before under another type."""
    pieces = [frame(text("It is")), frame(text(" 1.")), frame(code("1")), frame(code("+1"))]
    expected = f"It is 1.\n\n{FENCE}python\n1+1\n{FENCE}"
    assert ("", expected, "stop", []) == shown(*pieces, END)
    assert ("", expected, "stop", []) == shown(pieces[0], pieces[2], *pieces[1::2], END)


def test_item_of_another_type_keeps_its_place():
    """Items of a part stand in the order of its last snapshot, and the part where it stood."""
    start = [frame(text(ONE), text(TWO)), frame(text("Bye"), logic_id="L2")]
    block = f"{FENCE}python\n{ONE}\n{FENCE}"
    last = frame(code(ONE), text(TWO))
    assert ("", f"{block}\n\n{TWO}\n\nBye", "stop", []) == shown(*start, last, END)
    swapped = [frame(text(ONE), code(CODE)), frame(code(CODE), text(ONE))]
    expected = f"{FENCE}python\n{CODE}\n{FENCE}\n\n{ONE}"
    assert ("", expected, "stop", []) == shown(*swapped, END)


def test_two_parts_of_one_name():
    """Two parts of one frame that have the same name hide nothing of each other."""
    both = frame(text(ONE))
    both["parts"] += frame(code(CODE))["parts"]
    assert f"{ONE}\n\n{FENCE}python\n{CODE}\n{FENCE}" == answer(both, both, END).text


def test_item_that_goes():
    """Where an item goes, the one behind it is not told twice."""
    assert TWO == answer(frame(text(ONE), text(TWO)), frame(text(TWO)), END).text


def test_last_item_of_another_place():
    """A last text that is said again is that of its own item, though others changed their type."""
    start = [frame(text(ONE), text(TWO), text("no")), frame(text(ONE), text(TWO), text("no!"))]
    end = frame(code(ONE), text(TWO), text("no!"), status="finish", part="finish")
    assert f"{FENCE}python\n{ONE}\n{FENCE}\n\n{TWO}no!" == answer(*start, end).text


def test_thinking_that_is_put_in_front_of_another():
    """That a text is said again shows that frames repeat, whatever else the frame has."""
    frames = [[think("a")], [think("a"), text(ONE)], [think("b"), think("a"), text(ONE)]]
    assert ("ba", ONE) == shown(*(frame(*items) for items in frames), END)[:2]


# Types


def test_thinking_of_2024():
    """Thinking is read under its older names."""
    items = [{"type": "think", "text": "a"}, {"type": "text_thinking", "text": "b"}]
    assert "a\n\nb" == answer(frame(*items), END).reasoning


CITED = st.text(st.sampled_from("【】†1a\n"), min_size=1, max_size=60)


@given(CITED, CUTS, st.booleans())
def test_citations(words, cuts, adds):
    """Citation marks are left out, wherever they are cut; other brackets stay."""
    expected = re.sub(r"【[^【】\n]{0,40}†[^【】\n]{0,40}】", "", words)
    assert expected == answer(*grow(text, words, cuts, adds=adds), END).text


@given(CITED, CUTS)
def test_citations_without_an_end(words, cuts):
    """A bracket that was never closed is text in the end."""
    lead = "0123456789"
    frames = [frame(text(lead[:9])), *grow(text, lead + words, cuts, adds=False)[-1:]]
    expected = re.sub(r"【[^【】\n]{0,40}†[^【】\n]{0,40}】", "", words)
    assert lead + expected == answer(*frames).text


def test_code_stays_open_while_it_grows():
    """A code block is closed once something follows it, and nothing is taken back."""
    decoder = SnapshotDecoder()
    frames = [
        frame({"type": "code", "code": "a ="}),
        frame({"type": "code", "code": "a = 1"}),
        frame(text("So"), logic_id="L2"),
    ]
    deltas = [d for one in frames for d in decoder.decode(event(json.dumps(one)))]
    assert [
        (0, "```python\na ="),
        (0, " 1"),
        (0, "\n```\n\nSo"),
    ] == [(delta.retract, delta.content) for delta in deltas]


def test_fence_is_long_enough():
    """Code that contains a fence stands in a longer one."""
    code = "print('````')"
    expected = f"`````python\n{code}\n`````"
    assert expected == answer(frame({"type": "code", "code": code}, part="finish"), END).text


def test_output_repeats():
    """The same output sent again is shown once."""
    output = {"type": "execution_output", "content": "2\n"}
    frames = [frame(output), frame(output), frame(output, logic_id="L2", part="finish")]
    assert "```\n2\n```" == answer(*frames, END).text


def test_output_shows_no_mode():
    """That an output is sent again does not say that texts are, and its words may be told again."""
    output = {"type": "execution_output", "content": LONG}
    told = [nameless(output)] * 2 + [nameless(text("It ")), nameless(text("was"))]
    assert f"{FENCE}\n{LONG}\n{FENCE}\n\nIt was" == answer(*told, END).text
    told = [nameless(output), nameless(text(f"{LONG}."))]
    assert f"{FENCE}\n{LONG}\n{FENCE}\n\n{LONG}." == answer(*told, END).text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/b?c=d&e=f", "![image](https://a.example/b?c=d&e=f)"),
        ("javascript:alert(1)", ""),
        ("data:image/png;base64,AA==", ""),
        ("https://a.example/x) [y](z", "![image](https://a.example/x%29%20%5By%5D%28z)"),
    ],
)
def test_images(url, expected):
    """Only pictures from the web are shown, and their address cannot break out."""
    item = {"type": "image", "image": [{"image_url": url}]}
    assert expected == answer(frame(item), frame(item, part="finish"), END).text


def test_image_waits():
    """A picture is shown once it is finished."""
    item = {"type": "image", "image": [{"image_url": "https://a.example/b"}]}
    assert "" == answer(frame(item)).text


def test_sources():
    """Sources are a list of links, without those that lead nowhere."""
    pages = [
        {"title": "A\n](x) <b>", "url": "https://a.example/"},
        {"title": "", "url": "https://b.example/"},
        {"title": "C", "url": "file:///c"},
        {},
    ]
    one = frame({"type": "quote_result"}, part="finish", meta_data={"metadata_list": pages})
    expected = (
        "- [A \\](x) \\<b\\>](https://a.example/)\n- [https://b.example/](https://b.example/)"
    )
    assert expected == answer(one, END).text


def test_unknown_types_are_counted():
    """Each piece of an unknown type is counted once, in one notice at the end."""
    odd = [{"type": "browser_result"}, {"type": "hologram"}, {"type": "hologram"}, {}]
    notice = "4 piece(s) of an unknown type left out: browser_result, hologram, without a type"
    assert ("", "", "stop", [notice]) == shown(frame(*odd), frame(*odd), END)


def test_own_tools_are_silent():
    """The server's own tools at work are not shown."""
    call = {"type": "tool_calls", "tool_calls": [{"name": "search"}]}
    result = {"type": "tool_result", "content": "42"}
    assert ("", "", "stop", []) == shown(frame(call, result, part="finish"), END)


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "init"},
        {"status": "init", "parts": None},
        {"status": "FINISH", "parts": []},
        {"status": 0, "parts": [], "message": "ok"},
        {"status": "init", "parts": [None, {}, {"content": None}, {"content": [None]}]},
        frame({"type": "text", "text": None}, logic_id="L8"),
        frame({"type": "image", "image": "x"}, {"type": "quote_result"}, part="finish"),
        {**frame(), "last_error": None, "conversation_id": 5},
    ],
    ids=range(8),
)
def test_odd_frame(odd):
    """A frame with missing or odd fields changes nothing."""
    assert ("", "Hi", "stop", []) == shown(frame(text("Hi")), odd, END)


# The end


def test_only_the_message_ends():
    """A part that has finished, or was stopped, does not end the answer."""
    decoder = SnapshotDecoder()
    for part in ("finish", "intervene"):
        decoder.decode(event(json.dumps(frame(text("Hi"), part=part))))
    assert (False, False) == (decoder.is_ending, decoder.is_done)


def test_last_delta():
    """The last delta comes at the end of the bytes, and knows the conversation and the model."""
    decoder = SnapshotDecoder()
    one = frame(text("Hi"), status="finish", part="finish")
    one["parts"][0]["model"] = "moe_zero"
    assert [None] == [delta.finish_reason for delta in decoder.decode(event(json.dumps(one)))]
    assert (True, False) == (decoder.is_ending, decoder.is_done)
    (last,) = decoder.close()
    assert ("stop", "k1", "moe_zero") == (last.finish_reason, last.conversation_id, last.model)
    assert (True, True) == (decoder.is_ending, decoder.is_done)
    assert [] == decoder.decode(event(json.dumps(frame(text("Ho"))))) + decoder.close()


@pytest.mark.parametrize(
    ("late", "notices"),
    [
        (frame(text("Hi"), part="finish"), 0),
        (frame(text("Hi")), 0),
        (frame({"type": "code", "code": "1"}, logic_id="L2"), 0),
        ({"status": "finish", "parts": []}, 0),
        (frame(text("Hi there")), 1),
        (frame(text("More"), logic_id="L3"), 1),
        ({"status": "intervene", "last_error": {"intervene_text": "No"}}, 1),
        ({"status": "error", "error": {"error_code": 99, "err_msg": "m"}}, 1),
        ({"status": "finish", "parts": [], "last_error": {"err_msg": "m"}}, 1),
    ],
    ids=range(9),
)
def test_behind_the_end(late, notices):
    """What comes behind the finish is left out, with a notice if it has not been said before."""
    code = frame({"type": "code", "code": "1"}, logic_id="L2", part="finish")
    reply = answer(frame(text("Hi")), code, frame(text("Hi"), part="finish"), END, late, late)
    assert ("Hi\n\n```python\n1\n```", "stop") == (reply.text, reply.finish_reason)
    assert [_LATE] * notices == reply.notices


@pytest.mark.parametrize("place", ["part", "last_error"])
def test_fault_inside_an_answer(place):
    """The words of a part that failed, or of an error beside a good status, are told once."""
    fault = {"error_code": 10024, "err_msg": "boom"}
    odd = {"status": "init", "parts": [{"logic_id": "L8", "status": "error", "error": fault}]}
    if place == "last_error":
        odd = {"status": "init", "parts": [], "last_error": fault}
    notice = "a part of the answer failed (code 10024): boom"
    assert ("", "Hi", "stop", [notice]) == shown(frame(text("Hi")), odd, odd, END)


BOOM = {"error_code": 10024, "err_msg": "boom"}


@pytest.mark.parametrize(
    "last",
    [
        {**END, "last_error": BOOM},
        {**END, "error": BOOM},
        {**END, "last_error": {"intervene_type": "sensitive", "intervene_text": "boom"}},
        {**END, "last_error": "boom"},
        {**frame(text("Hi"), part="finish"), **END, "error": BOOM},
    ],
    ids=range(5),
)
def test_fault_beside_the_finish(last):
    """An error that comes with a finish is told once, with its code and words."""
    code = " (code 10024)" if BOOM in last.values() else ""
    notice = f"a part of the answer failed{code}: boom"
    assert ("", "Hi", "stop", [notice]) == shown(frame(text("Hi")), last, last)


def test_fault_under_an_unknown_status():
    """An error is told under a status that nobody knows, and the answer goes on."""
    odd = {"status": "odd", "error": BOOM, "parts": []}
    notice = "a part of the answer failed (code 10024): boom"
    assert ("", "Hi", "stop", [notice]) == shown(frame(text("Hi")), odd, END)


def test_error_with_no_parts():
    """An error without a status is a failure, with an empty list of parts as without one."""
    with pytest.raises(OverloadError, match="boom"):
        answer(frame(text("Hi")), {"error": BOOM, "parts": []}, END)


@pytest.mark.parametrize("place", ["last_error", "error"])
def test_moderation(place):
    """The vendor's words about its moderation are shown, wherever they stand."""
    part = {"logic_id": "L1", "status": "intervene", "content": [], place: {"intervene_text": "No"}}
    last = {"status": "intervene", "parts": [part]}
    assert ("", "Well", "content_filter", ["No"]) == shown(frame(text("Well")), last)


def test_silent_moderation():
    """Moderation without words is told in ours."""
    assert ["the vendor's moderation ended the answer"] == shown({"status": "intervene"})[3]


def test_failure():
    """A message with the status error is raised, with its code and words."""
    with pytest.raises(OverloadError) as caught:
        play(SnapshotDecoder, CHATGLM["error"])
    assert ("10024", "generator exit") == (caught.value.code, caught.value.detail)


@pytest.mark.parametrize("stream", [b"", b": ping\n\n", DONE, sse({"status": 0}), sse({})])
def test_no_answer(stream):
    """A stream without any answer is an error that names other ways."""
    with pytest.raises(ProtocolError, match="GLM_BASE_URL"):
        play(SnapshotDecoder, stream)


@pytest.mark.parametrize(
    ("middle", "notice"),
    [(b"data: {nope\n\n", SKIPPED), (b'data: {"a":"bdata: {"status":"init"}\n\n', REPAIRED)],
)
def test_bad_event(middle, notice):
    """A bad event in the middle is reported, and the answer goes on."""
    reply = play(SnapshotDecoder, sse(frame(text("Hi"))), middle, sse(END))
    assert ("Hi", "stop", [notice]) == (reply.text, reply.finish_reason, reply.notices)


# Refusals


@pytest.mark.parametrize(
    ("payload", "expected", "code"),
    [
        ({"status": 40102, "message": "m"}, AuthenticationError, "40102"),
        ({"status": "40103", "message": "please login"}, AuthenticationError, "40103"),
        ({"status": 40012, "message": "m", "result": {}}, RateLimitError, "40012"),
        ({"status": 500, "message": "tried too many times, please log in"}, QuotaError, "500"),
        ({"status": 500, "message": "尝试次数过多,请登录"}, QuotaError, "500"),
        ({"status": 500, "message": "wait for the other one to finish"}, RateLimitError, "500"),
        ({"status": 500, "message": "oops"}, OverloadError, "500"),
        ({"status": 77, "message": "m 500"}, StatusError, "77"),
        ({"error": "FRONTEND_CAPTCHA_REQUIRED"}, AuthenticationError, ""),
        (
            {"type": "chat", "data": {"error": {"code": "FRONTEND_CAPTCHA_REQUIRED"}}},
            AuthenticationError,
            "FRONTEND_CAPTCHA_REQUIRED",
        ),
        ({"status": "error", "error": {"error_code": 99, "err_msg": "m"}}, StatusError, "99"),
        ({"status": 40012.0, "message": "m"}, RateLimitError, "40012"),
        ({"error_code": 10024, "error_msg": "login"}, QuotaError, "10024"),
    ],
    ids=range(13),
)
def test_refusal(payload, expected, code):
    """A refusal is told apart the same as a body of its own and inside a stream."""
    error = read_refusal(payload)
    assert (expected, code) == (type(error), error.code)
    with pytest.raises(expected, match=re.escape(str(error))):
        play(SnapshotDecoder, sse(frame(text("Hi")), payload))


@pytest.mark.parametrize("payload", [{}, {"status": 40103, "message": "m"}])
def test_other_ways(payload):
    """Every refusal names the three other ways."""
    remedy = read_refusal(payload).remedy
    ways = ("ZAI_API_KEY", "ZHIPUAI_API_KEY", "GLM_BASE_URL", "%glm -m local")
    assert [] == [way for way in ways if way not in remedy]


def test_error_event():
    """An event of the type error is raised, be it JSON or words."""
    with pytest.raises(StatusError, match="oops"):
        play(SnapshotDecoder, b"event: error\ndata: oops\n\n")


def test_talk_of_captchas():
    """An answer about captchas is an answer."""
    assert "FRONTEND_CAPTCHA_REQUIRED" == answer(frame(text("FRONTEND_CAPTCHA_REQUIRED")), END).text


# The request


def test_headers():
    """The headers are those of a guest, with the given device."""
    sent = headers("0" * 32)
    assert ("undefined", "0" * 32) == (sent["Authorization"], sent["X-Device-Id"])


HISTORY = [Message("system", "Be kind."), Message("user", "你好")]


@pytest.mark.parametrize(("conversation", "sent"), [(None, HISTORY), ("k1", HISTORY[1:])])
def test_request(conversation, sent):
    """Everything is sent until the server names a conversation, then only the newest message."""
    assert {
        "assistant_id": ASSISTANT_ID,
        "conversation_id": conversation or "",
        "meta_data": {
            "if_plus_model": False,
            "is_test": False,
            "input_question_type": "xxxx",
            "channel": "",
            "draft_id": "",
            "quote_log_id": "",
            "platform": "pc",
        },
        "messages": [
            {"role": one.role, "content": [{"type": "text", "text": one.content}]} for one in sent
        ],
    } == request_body(HISTORY, conversation_id=conversation)
