"""Texts that change while they are told: what is shown at the end is the last snapshot."""

from __future__ import annotations

from typing import Any

from tests.far_side import Stream
from tests.far_side_data import chatglm_frame, chatglm_part, event, openai_chunk
from tests.faults.dialects import DELTA, SNAPSHOTS, fault, then
from tests.faults.fault import Fault, either, same
from tests.providers.asking import CHATGLM, OPENAI

LONG = "It was a dark night, and nobody was about."
#: What LONG turns into.
CHANGES = {
    "shrinks": "It was a dark night",
    "is edited": "It was a bright day, and nobody was about.",
    "is edited at its start": "That was a dark night, and nobody was about.",
    "restarts": "Well, there was a storm.",
    "repeats": LONG,
    "doubles": LONG + LONG,
}


def part(kind: str, shown: str, name: str, status: str = "init") -> dict[str, Any]:
    """Return the part *name*, which shows *shown*."""
    return {**chatglm_part(kind, shown, status=status), "logic_id": name}  # type: ignore[arg-type]


def frame(*parts: dict[str, Any], status: str = "init") -> bytes:
    """Return an event with all these *parts*."""
    return event({**chatglm_frame({}, status), "parts": parts})


def told(*pieces: str) -> list[bytes]:
    """Return the events of a text part that shows *pieces*, one after the other."""
    return [frame(part("text", piece, "L1")) for piece in pieces]


def cumulative(name: str, *shown: str, last: str, **seen: Any) -> Fault:
    """Return a fault whose snapshots are *shown* and then *last*, by which nothing is finished."""
    events = [*told("It was", LONG[:20], LONG, *shown, last), frame(status="finish")]
    return Fault(name, same(Stream(events)), text=last, wires=(CHATGLM,), **seen)


def finishing(name: str, last: str) -> Fault:
    """Return a fault of both modes whose last frame has another text than all before."""
    end = frame(part("text", last, "L1", "finish"), status="finish")
    grown = {
        CHATGLM.name: told("It was", LONG[:20], LONG),
        DELTA.name: told("It was", LONG[6:20], LONG[20:]),
    }
    return Fault(name, lambda at: [Stream([*grown[at.wire.name], end])], text=last, wires=SNAPSHOTS)


def parts(name: str, *frames: bytes, text: str) -> Fault:
    """Return a fault of these *frames* and a finish signal."""
    return Fault(name, same(Stream([*frames, frame(status="finish")])), text=text, wires=(CHATGLM,))


def restarted(first: str, second: str) -> list[bytes]:
    """Return an OpenAI-type stream that begins anew under another id."""
    chunks = [
        {**openai_chunk({"content": piece}), "id": id_}
        for id_, text in (("a", first), ("b", second))
        for piece in (text[:4], text[4:])
    ]
    return [*map(event, chunks), event({**openai_chunk({}, finish="stop"), "id": "b"})]


def numbered(text: str) -> list[bytes]:
    """Return an OpenAI-type chunk for each letter of *text*, each with an id of its own."""
    return [
        event({**openai_chunk({"content": letter}), "id": f"id{number}"})
        for number, letter in enumerate(text)
    ]


def nameless(*parts: dict[str, Any]) -> bytes:
    """Return an event with all these *parts*, which have no name in it."""
    return frame(*({**part, "logic_id": None} for part in parts))


ONE, TWO = "First of all, this.", "And then that."
BOTH = f"{ONE}\n\n{TWO}"
A, B = part("text", ONE, "A"), part("text", TWO, "B")

FAULTS = (
    *(cumulative(f"text {name}", last=last) for name, last in CHANGES.items()),
    *(finishing(f"text {name} at the end", last) for name, last in CHANGES.items()),
    cumulative("text comes and goes", LONG[:20], LONG, LONG[:7], last=LONG),
    Fault(
        "text comes with the finish signal",
        either(
            [event(openai_chunk({"content": LONG}, finish="stop"))],
            [frame(part("text", LONG, "L1", "finish"), status="finish")],
        ),
        text=LONG,
    ),
    Fault(
        "text restarts",
        same(Stream(restarted(LONG, "Well, there was a storm."))),
        text="Well, there was a storm.",
        words=("began the answer anew",),
        wires=(OPENAI,),
    ),
    Fault(
        "every chunk has an id of its own",
        same(Stream([*numbered(LONG), event(openai_chunk({}, finish="stop"))])),
        text=LONG,
        words=("not begun anew after all",),
        wires=(OPENAI,),
    ),
    parts("parts vanish", frame(A, B), frame(B), text=BOTH),
    parts("parts change order", frame(A, B), frame(B, A), frame(A, B), frame(B, A), text=BOTH),
    parts("a part comes late", frame(B), frame(A, B), text=f"{TWO}\n\n{ONE}"),
    parts("a part goes empty", frame(A, B), frame(A, part("text", "", "B", "finish")), text=BOTH),
    parts(
        "finished parts come again",
        frame(part("text", ONE, "A", "finish"), B),
        frame(A),
        frame(part("text", ONE, "A", "finish"), B),
        text=BOTH,
    ),
    parts(
        "parts without a name",
        *(nameless(chatglm_part("text", text)) for text in (ONE, ONE + TWO)),
        text=ONE + TWO,
    ),
    parts(
        "parts without a name change order",
        *(nameless(*both) for both in ((A, B), (B, A))),
        text=f"{TWO}\n\n{ONE}",
    ),
    parts("a part without a name vanishes", nameless(A, B), nameless(B), text=TWO),
    parts(
        "thinking before a part without a name vanishes",
        nameless(part("think", "Hm", "T"), part("text", ONE[:9], "A")),
        nameless(A),
        text=ONE,
    ),
    parts(
        "text turns out to be code",
        frame(part("text", "x = 1", "A"), B),
        frame(part("code", "x = 1\nprint(x)", "A"), B),
        text=f"```python\nx = 1\nprint(x)\n```\n\n{TWO}",
    ),
    parts(
        "text turns out to be thinking",
        frame(part("text", "Hm", "A"), B),
        frame(part("think", "Hm, well", "A"), B),
        text=TWO,
    ),
    parts(
        "a part is long again behind its finish",
        frame(A),
        frame(part("text", ONE[:5], "A", "finish")),
        frame(A),
        text=ONE,
    ),
    Fault(
        "text that fits both modes",
        same(Stream([*told("哈", "哈哈"), frame(status="finish")])),
        text="哈哈",
        words=("no event told whether",),
        wires=(CHATGLM,),
    ),
    fault("finish without parts", then(frame(status="finish")), wires=SNAPSHOTS),
)
