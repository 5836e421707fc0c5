"""The ways to tell an answer, and streams in each of them that are changed somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.far_side import Gate, Stream, chatglm_stream
from tests.faults.fault import Fault, Scripts, Site
from tests.providers.asking import CHATGLM, OPENAI, Wire

#: What each stream says unless its row says otherwise.
TEXT = "Grüße, 你好 😀 and “data: [DONE]” \\n\n\n- at last\n"

#: chatglm.cn since 2026: a frame holds only what is new, but the last one of a part.
DELTA = Wire(
    "chatglm delta",
    "chatglm",
    partial(chatglm_stream, mode="delta"),
    partial(chatglm_stream, mode="delta", finish=False),
)
SNAPSHOTS = (CHATGLM, DELTA)
DIALECTS = (OPENAI, *SNAPSHOTS)

Chunks = Sequence[bytes | Gate]
Change = Callable[[list[bytes]], Chunks]


def changed(change: Change, text: str | Sequence[str] = TEXT, **how: Any) -> Scripts:
    """Return a whole stream that says *text*, its events changed; *how* is what `Stream` takes."""
    return lambda at: [Stream(change(at.wire.stream(text)), **how)]


def amid(*odd: bytes) -> Change:
    """Return a change that puts *odd* events behind the first one."""
    return lambda events: [events[0], *odd, *events[1:]]


def every(change: Callable[[bytes], bytes]) -> Change:
    """Return *change* made to each event."""
    return lambda events: [change(event) for event in events]


def then(*odd: bytes, text: str | Sequence[str] = TEXT, **how: Any) -> Scripts:
    """Return a stream that says *text* and in place of its finish has *odd* events.

    It breaks off, where *how* has it do so, when the text was seen.
    """

    def scripts(at: Site) -> Sequence[Stream]:
        gate = [at.gate] if how.get("end") in ("close", "abort") else []
        return [Stream([*at.wire.unfinished(text), *odd, *gate], **how)]

    return scripts


def fault(name: str, scripts: Scripts, **seen: Any) -> Fault:
    """Return a fault that is played in each dialect and, unless *seen* says so, costs nothing."""
    return Fault(name, scripts, **{"text": TEXT, "wires": DIALECTS, **seen})
