"""What is fuzzed: a plain function for each target, which raises where a promise is broken.

    TARGETS["sse"](b"any bytes")

Hypothesis calls them in `test_fuzz.py`, atheris in `atheris_run.py`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from markdown_it.tree import SyntaxTreeNode

from glm_magic import redact as redaction
from glm_magic.messages import Delta, Reply, ToolCall
from glm_magic.redact import Secret, redact
from glm_magic.show import grammar, html
from glm_magic.show.disarm import disarm
from glm_magic.show.terminal import clean
from glm_magic.wire.chatglm import SnapshotDecoder
from glm_magic.wire.openai import OpenAIDecoder
from glm_magic.wire.parts import Transcript
from glm_magic.wire.sse import Event
from tests.fuzz.dice import Dice
from tests.fuzz.oracles import (
    LateTranscript,
    SlowTranscript,
    events_slowly,
    forms_of,
    joined,
    without_citations,
)
from tests.show.inspector import inspect
from tests.show.viewers import VIEWERS, actors, commonmark, visible
from tests.wire.streams import chunk, cut_at, events_of, frame, outcome, play, sse

PLAIN = ("a", "哈", "ab", " ", "\n", "\n\n", "`", "😀", "1", '"', "</")
TAGGED = (*PLAIN, "<think>", "</think>", "<", "think>", "<|begin_of_box|>", "<|")
MARKED = ("a", "哈", "【", "1†b", "】", "【1†b】", "†", "\n", "【3†source】", "x y ")
_READY = re.compile(
    r"\n*(`{3,})?\Z"
)  # nobody misses the end of a code block that is the last thing
SCRAPS = ("text", "think", "code", "execution_output", "image", "tool_calls", "hologram")


# --- bytes and events ----------------------------------------------------------------------


def fuzz_sse(data: bytes) -> None:
    """A stream has the events that the standard's text gives it, however it is cut."""
    dice = Dice(data)
    places = [dice.number(256) for _ in range(3)]
    stream = dice.rest()
    seen = [_facts(events) for events in (events_slowly(stream), events_of([stream]))]
    assert [*seen, _facts(events_of(cut_at(stream, places)))] == [seen[0]] * 3


def _facts(events: list[Event]) -> list[tuple[object, ...]]:
    return [(event.data, event.event, event.id, event.is_whole) for event in events]


def fuzz_wires(data: bytes) -> None:
    """Any bytes are an answer or one of our errors to both decoders, however they are cut."""
    for make in (OpenAIDecoder, SnapshotDecoder):
        assert outcome(make, [data]) == outcome(make, cut_at(data, data[-4:]))


def fuzz_openai(data: bytes) -> None:
    """Text in pieces ends as it does in one, and calls have the arguments that were sent."""
    dice = Dice(data)
    thought, said = ([dice.text(words) for _ in range(dice.number(9))] for words in (PLAIN, TAGGED))
    calls = [_call(dice, number) for number in range(dice.number(3))]
    pieces = [chunk(None, reasoning_content=piece) for piece in thought]
    pieces += [chunk(piece) for piece in said]
    ends = [*(part for call in calls for part in _parts_of(dice, call)), chunk("", "stop")]
    reply = play(OpenAIDecoder, sse(*pieces, *ends))
    whole = chunk("".join(said), reasoning_content="".join(thought))
    expected = play(OpenAIDecoder, sse(whole, *ends))
    assert (expected.text, expected.reasoning) == (reply.text, reply.reasoning)
    assert tuple(call for _, call in calls) == reply.tool_calls
    if "<" not in "".join(said):
        assert ("".join(said), "".join(thought)) == (reply.text, reply.reasoning)


def _call(dice: Dice, number: int) -> tuple[int, ToolCall]:
    arguments = json.dumps({"x": dice.text(PLAIN)}, ensure_ascii=False)
    return number, ToolCall(f"t{number}", f"f{number}", arguments)


def _parts_of(dice: Dice, numbered: tuple[int, ToolCall]) -> Iterator[dict[str, Any]]:
    """Yield the two chunks in which a call comes."""
    index, call = numbered
    cut = dice.number(len(call.arguments) + 1)
    for part in (call.arguments[:cut], call.arguments[cut:]):
        function = {"name": call.name, "arguments": part}
        yield chunk(None, tool_calls=[{"index": index, "id": call.id, "function": function}])


def fuzz_restarts(data: bytes) -> None:
    """Of an answer that is begun anew under another id, the last beginning is what stays."""
    dice = Dice(data)
    tries = [
        ["a" + dice.text(PLAIN) for _ in range(2 + dice.number(3))]
        for _ in range(1 + dice.number(4))
    ]
    chunks = [chunk(piece, id=f"c{n}") for n, pieces in enumerate(tries) for piece in pieces]
    reply = play(OpenAIDecoder, sse(*chunks, chunk("", "stop", id=f"c{len(tries) - 1}")))
    assert "".join(tries[-1]) == reply.text


def fuzz_snapshots(data: bytes) -> None:
    """However a message grew, shrank or was edited, its last snapshots are what is shown."""
    dice = Dice(data)
    parts = [(f"L{number}", dice.pick(("text", "think"))) for number in range(1 + dice.number(3))]
    grown = [(dice.pick(parts), dice.text(MARKED)) for _ in range(dice.number(16))]
    last = {part: "x" + dice.text(MARKED) for part in dict(grown) | dict.fromkeys(parts)}
    frames = [_frame(*part, text) for part, text in grown]
    frames += [_frame(*part, text, part="finish") for part, text in last.items()]
    reply = play(SnapshotDecoder, sse(*frames, {"status": "finish", "parts": []}))
    said = [
        (name, without_citations(text)) for (name, kind), text in last.items() if kind == "text"
    ]
    thought = [(name, text) for (name, kind), text in last.items() if kind == "think"]
    assert (joined(said), joined(thought)) == (reply.text, reply.reasoning)


def _frame(name: str, kind: str, text: str, part: str = "init") -> Any:
    return frame({"type": kind, kind: text}, logic_id=name, part=part)


def fuzz_parts(data: bytes) -> None:
    """After each frame the changes add up to what writing the whole message anew shows."""
    dice = Dice(data)
    both = [(Transcript(), Reply()), (SlowTranscript(), Reply())]
    while not dice.is_over:
        parts = [_part(dice) for _ in range(1 + dice.number(2))]
        for transcript, reply in both:
            reply.add(transcript.add(parts))
        fast, slow = (_READY.sub("", reply.text) for _, reply in both)
        assert (slow, both[1][1].reasoning) == (fast, both[0][1].reasoning)
    for transcript, reply in both:
        reply.add(transcript.write(is_end=True))
    assert both[0][1].text == both[1][1].text


def fuzz_late_parts(data: bytes) -> None:
    """What is not given out at once is in the end, and nothing is taken back that was not shown."""
    dice = Dice(data)
    both = [(LateTranscript(), Reply()), (SlowTranscript(), Reply())]
    while not dice.is_over:
        parts = [_part(dice) for _ in range(1 + dice.number(2))]
        for transcript, reply in both:
            _take(reply, transcript.add(parts))
    for transcript, reply in both:
        _take(reply, transcript.write(is_end=True))
    late, slow = ((reply.text, reply.reasoning) for _, reply in both)
    assert slow == late


def _take(reply: Reply, delta: Delta) -> None:
    assert delta.retract <= len(reply.text)
    assert delta.retract_reasoning <= len(reply.reasoning)
    reply.add(delta)


def _part(dice: Dice) -> dict[str, Any]:
    kind = dice.pick(SCRAPS)
    field = "content" if kind == "execution_output" else kind
    value: object = dice.text(MARKED)
    if kind == "image":
        value = [{"image_url": f"https://a.example/{value}"}]
    status = dice.pick(("init", "init", "init", "finish"))
    item = {"type": kind, field: value, "status": status}
    return {"logic_id": dice.pick(("L1", "L2", "")), "status": "init", "content": [item]}


# --- what is shown -------------------------------------------------------------------------


def fuzz_disarm(data: bytes) -> None:
    """No viewer finds anything that acts, and the letters of the text are all there."""
    text = data.decode("utf-8", "replace")
    safe = disarm(text)
    assert [] == [found for viewer in VIEWERS if (found := actors(viewer(safe)))]
    _check_kept(grammar.parse(text), visible(commonmark(safe)))


def fuzz_html(data: bytes) -> None:
    """The panel gets only elements and attributes that do nothing, with all letters in them."""
    text = data.decode("utf-8", "replace")
    page = inspect(html.render(text))
    assert [] == page.faults
    _check_kept(SyntaxTreeNode(html._parser().parse(text)), page.texts[""])


def _check_kept(tree: SyntaxTreeNode, shown: str) -> None:
    """Check that the letters of text and code in *tree* are all *shown*, in their order."""
    kinds = {"text", "code_inline", "fence", "code_block"}
    said = "".join(node.content for node in tree.walk() if node.type in kinds)
    said = re.sub(r"%[\w%]*", "", said)  # viewers decode them in addresses
    rest = iter(shown)
    assert [] == [letter for letter in re.findall(r"[^\W_]", said) if letter not in rest]


def fuzz_terminal(data: bytes) -> None:
    """No control is left but tab and newline, and what is clean stays as it is."""
    shown = clean(data.decode("utf-8", "surrogateescape"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert clean(shown) == shown == shown.encode().decode()


# --- secrets -------------------------------------------------------------------------------


def fuzz_redact(data: bytes) -> None:
    """No form of a live key is left in a text, whatever it stands beside."""
    dice = Dice(data)
    live, redaction._live = redaction._live, set()
    try:
        keys = [dice.text(("k", "7", "B", "/", "+", "é", '"', "\\", "."), 12) for _ in range(3)]
        keys = [key for key in keys if len(Secret(key).reveal()) >= redaction.SHORTEST]
        disguises = [form for key in keys for form in _disguises(key)]
        masked = redact(dice.text((*disguises, " ", "=", ":", "x")))
        assert [] == [form for key in keys for form in forms_of(key) if form in masked]
    finally:
        redaction._live = live


def _disguises(key: str) -> list[str]:
    """Return *key* as it turns up in texts: also encoded together with what stands beside it."""
    raw = key.encode()
    texts = [key, quote(key), quote(key, safe=""), json.dumps([key]), repr((key,))]
    codes = (b"user:" + raw + b":", raw, raw + b"\n", b":" + raw, b"Bearer " + raw)
    texts += [base64.b64encode(code).decode() for code in codes]
    return texts + [base64.urlsafe_b64encode(code).decode() for code in codes]


TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("fuzz_"): target
    for name, target in list(globals().items())
    if name.startswith("fuzz_")
}
