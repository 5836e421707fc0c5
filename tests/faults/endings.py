"""Faults of how a stream ends: too late, too early, twice, or not at all."""

from __future__ import annotations

from glm_magic.errors import (
    ModelError,
    NetworkError,
    OverloadError,
    ProtocolError,
    RateLimitError,
)
from glm_magic.providers.base import Clocks
from glm_magic.wire.chatglm import TRUNCATED
from glm_magic.wire.payload import CUT, SKIPPED
from tests.far_side import End, Stream, openai_stream
from tests.far_side_data import chatglm_frame, chatglm_part, event, openai_chunk, words
from tests.faults.dialects import DIALECTS, SNAPSHOTS, TEXT, changed, fault, then
from tests.faults.fault import Fault, Scripts, recovers, same, saying, unfinished
from tests.providers.asking import OPENAI

DONE = b"data: [DONE]\n\n"
#: A clock for each silence that runs out soon.
QUICK_FIRST = Clocks(30.0, 0.3, 30.0)
QUICK_IDLE = Clocks(30.0, 30.0, 0.5)
#: Longer than each pause of a slow stream, shorter than all of them.
STEADY = Clocks(30.0, 0.8, 0.8)

#: All in one write, for what follows a finish: it is waited for only a moment.
AT_ONCE = 2**20

FINISHED = event(openai_chunk({}, finish="stop"))
LATE = event(openai_chunk({"content": " and more"}))
USAGE = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}
SPENT = event({**openai_chunk({}, finish="stop"), **USAGE})
OTHER = event({"id": "r1", "choices": [{"index": 1, "delta": {"content": "no"}}]})
SECOND_FIRST = (
    {"id": "r1", "choices": [{"index": 1, "delta": {"content": "The second."}}]},
    {"id": "r1", "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}], **USAGE},
)
LATE_FRAME = event(chatglm_frame(chatglm_part("text", "And more."), "init"))
INTERVENED = event(
    {
        "status": "intervene",
        "last_error": {"intervene_type": "output_sensitive", "intervene_text": "Something else?"},
    }
)


def broken_off(name: str, last: bytes, **seen: object) -> tuple[Fault, ...]:
    """Return the two ways to hang up after *last*, with all before it kept."""
    marked = {"finish": "truncated", "words": (TRUNCATED,), **seen}
    return (
        fault(f"FIN {name}", then(last, end="close"), **marked),
        fault(f"RST {name}", then(last, end="abort"), **marked),
    )


def held_open(*events: bytes) -> Scripts:
    """Return a stream of TEXT and *events* on a connection that stays open."""
    return then(*events, end="hold")


def left(end: End) -> Scripts:
    """Return a whole stream, and a connection that ends when its text was seen."""
    return lambda at: [Stream([*at.wire.stream(TEXT), at.gate], end=end)]


def finishing(reason: str) -> Scripts:
    """Return an OpenAI-type stream that ends for *reason*."""
    return lambda _: [Stream(openai_stream(TEXT, finish=reason))]


def each_with(reason: str, *last: bytes) -> Scripts:
    """Return an OpenAI-type stream with *reason* for an end on each chunk, and then *last*."""
    chunks = (openai_chunk({"content": piece}, finish=reason) for piece in words(TEXT))
    events = [*map(event, chunks), *last]
    return lambda _: [Stream(events, cut=AT_ONCE)]


SILENCES = (
    fault(
        "stall before the first event",
        same(*[Stream([], end="hold")] * 3),
        text="",
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        requests=3,
        clocks=QUICK_FIRST,
    ),
    recovers(
        "stall before the first event, once",
        same(Stream([b": ping\n\n"], end="hold")),
        clocks=Clocks(30.0, 1.0, 30.0),
        wires=DIALECTS,
    ),
    fault(
        "stall in mid-stream",
        held_open(),
        error=NetworkError,
        words=("silent for 0.5 s in mid-answer", "idle_timeout"),
        clocks=QUICK_IDLE,
    ),
    fault(
        "stall in mid-event",
        held_open(b'data: {"id": "'),
        error=NetworkError,
        words=("silent for 0.5 s in mid-answer",),
        clocks=QUICK_IDLE,
    ),
    fault(
        "stall after what may be a tag",
        then(text="a < b <", end="hold"),
        text="a < b <",
        error=NetworkError,
        clocks=QUICK_IDLE,
    ),
    fault("slow but alive", saying(TEXT, pace=0.12), clocks=STEADY),
    fault(
        "alive by comments",
        changed(lambda events: [events[0], *[b": ping\n\n"] * 10, *events[1:]], pace=0.08),
        clocks=STEADY,
    ),
)

BREAKS = (
    *broken_off("in mid-event", b'data: {"id": "m1', words=(CUT, TRUNCATED)),
    *broken_off("between events", b": ping\n\n"),
    fault("no finish signal", unfinished(TEXT), finish="truncated", words=(TRUNCATED,)),
    fault("[DONE] alone", then(DONE), finish="truncated", words=(TRUNCATED,), wires=(OPENAI,)),
    fault(
        "ends after what may be a tag",
        then(text="a < b <"),
        text="a < b <",
        finish="truncated",
        words=(TRUNCATED,),
    ),
    fault(
        "ends after what may be a citation",
        then(text="as 【3†"),
        text="as 【3†",
        finish="truncated",
        words=(TRUNCATED,),
        wires=SNAPSHOTS,
    ),
)

EMPTY = (
    fault("finish without text", saying([""]), text=""),
    *(
        fault(
            name, same(Stream(chunks)), text="", error=ProtocolError, words=("without an answer",)
        )
        for name, chunks in {
            "empty stream": [],
            "comment and no more": [b": ping\n\n"],
            "[DONE] and no more": [DONE],
            "event without data": [b"event: ping\n\n"],
        }.items()
    ),
)

AFTERWARDS = (
    fault("held open", saying(TEXT, end="hold")),
    fault("held open without [DONE]", held_open(FINISHED), wires=(OPENAI,)),
    fault(
        "events after the finish",
        then(FINISHED, LATE, LATE, DONE, LATE, cut=AT_ONCE),
        words=("went on after the end",),
        wires=(OPENAI,),
    ),
    *(
        fault(
            f"{name} after a finish with usage",
            then(SPENT, *late, cut=AT_ONCE),
            words=words,
            wires=(OPENAI,),
        )
        for name, late, words in (
            ("events", [LATE, LATE, DONE, LATE], ("went on after the end",)),
            ("an error", [event({"error": "boom"}), DONE], ("went on after the end",)),
            ("another answer", [OTHER, DONE], ("more than one answer",)),
            ("broken JSON", [b"data: {nope\n\n", DONE], (SKIPPED,)),
            ("nothing new", [FINISHED, SPENT, DONE, DONE, LATE], ()),
            ("half an event", [LATE[:-9]], ()),
        )
    ),
    fault(
        "text under the id of a reason that came with text, after a finish with usage",
        then(
            event(openai_chunk({"content": " end"}, finish="stop")), SPENT, LATE, DONE, cut=AT_ONCE
        ),
        text=TEXT + " end",
        words=("went on after the end",),
        wires=(OPENAI,),
    ),
    fault(
        "first choice after the finish of the second, with usage",
        then(*map(event, SECOND_FIRST), LATE, DONE, text="", cut=AT_ONCE),
        text="The second.",
        words=("more than one answer",),
        wires=(OPENAI,),
    ),
    fault(
        "events after the finish",
        changed(lambda events: [*events, LATE_FRAME, INTERVENED], cut=AT_ONCE),
        words=("went on after the end",),
        wires=SNAPSHOTS,
    ),
    fault(
        "the last events again after the finish",
        changed(
            lambda events: [*events, *events[-2:], event({"status": "init", "parts": []})],
            cut=AT_ONCE,
        ),
        wires=SNAPSHOTS,
    ),
    fault(
        "error after the finish",
        changed(lambda events: [*events, event({"status": 500, "message": "boom"})], cut=AT_ONCE),
        words=("went on after the end",),
        wires=SNAPSHOTS,
    ),
    fault(
        "error after the finish",
        then(FINISHED, event({"error": {"code": "1302", "message": "m"}}), DONE, cut=AT_ONCE),
        words=("went on after the end",),
        wires=(OPENAI,),
    ),
    fault(
        "two finishes",
        then(FINISHED, event(openai_chunk({}, finish="length")), DONE, cut=AT_ONCE),
        wires=(OPENAI,),
    ),
    fault(
        "two finishes", changed(lambda events: [*events, events[-1]], cut=AT_ONCE), wires=SNAPSHOTS
    ),
    fault(
        "[DONE] first",
        lambda at: [Stream([DONE, *at.wire.stream(TEXT)], cut=AT_ONCE)],
        wires=(OPENAI,),
    ),
    fault(
        "[DONE] first, and no finish",
        lambda at: [Stream([DONE, *at.wire.unfinished(TEXT)], cut=AT_ONCE)],
        finish="truncated",
        words=(TRUNCATED,),
        wires=(OPENAI,),
    ),
    fault(
        "[DONE] in mid-stream",
        then(DONE, event(openai_chunk({"content": " end"})), FINISHED, DONE, cut=AT_ONCE),
        text=TEXT + " end",
        wires=(OPENAI,),
    ),
    fault("FIN after the finish", left("close")),
    fault("RST after the finish", left("abort")),
    *(
        fault(
            f"FIN after the finish {reason}, with nothing said",
            same(Stream([event(openai_chunk({"content": ""}, finish=reason))], end="close")),
            text="",
            finish=finish,
            words=words,
            wires=(OPENAI,),
        )
        for reason, finish, words in (
            ("stop", "stop", ()),
            ("length", "length", ()),
            ("sensitive", "content_filter", ("moderation ended the answer",)),
        )
    ),
)

REASONS = (
    *(
        fault(f"{reason!r} on each chunk", each_with(reason, FINISHED, DONE), wires=(OPENAI,))
        for reason in ("null", "None", "", "stop", "length")
    ),
    fault("stop on each chunk, and [DONE]", each_with("stop", DONE), wires=(OPENAI,)),
    *(
        fault(
            f"{reason!r} on each chunk, and no more",
            each_with(reason),
            finish="truncated",
            words=(TRUNCATED,),
            wires=(OPENAI,),
        )
        for reason in ("null", "stop")
    ),
    fault(
        "error behind stop on each chunk",
        each_with("stop", event({"error": {"code": "1302", "message": "slow down"}})),
        error=RateLimitError,
        words=("slow down",),
        wires=(OPENAI,),
    ),
    fault(
        "text under another id behind the finish",
        then(
            event(openai_chunk({"content": " end"}, finish="stop")),
            event({**openai_chunk({"content": "no"}), "id": "r2"}),
            cut=AT_ONCE,
        ),
        text=TEXT + " end",
        words=("went on after the end",),
        wires=(OPENAI,),
    ),
    fault("length", finishing("length"), finish="length", wires=(OPENAI,)),
    fault(
        "sensitive",
        finishing("sensitive"),
        finish="content_filter",
        words=("moderation ended the answer",),
        wires=(OPENAI,),
    ),
    fault(
        "unknown reason",
        finishing("moonshine"),
        words=("ended for an unknown reason: moonshine",),
        wires=(OPENAI,),
    ),
    fault(
        "network_error",
        finishing("network_error"),
        error=OverloadError,
        words=("The service failed",),
        wires=(OPENAI,),
    ),
    fault(
        "model_context_window_exceeded",
        finishing("model_context_window_exceeded"),
        error=ModelError,
        words=("too long for the model",),
        wires=(OPENAI,),
    ),
    fault(
        "failure with the last text",
        then(event(openai_chunk({"content": " end"}, finish="network_error"))),
        text=TEXT + " end",
        error=OverloadError,
        wires=(OPENAI,),
    ),
    fault(
        "intervene",
        then(INTERVENED),
        finish="content_filter",
        words=("Something else?",),
        wires=SNAPSHOTS,
    ),
    fault(
        "intervene with nothing said",
        then(event({"status": "intervene", "last_error": {}})),
        finish="content_filter",
        words=("moderation ended the answer",),
        wires=SNAPSHOTS,
    ),
    fault(
        "intervene first",
        same(Stream([INTERVENED])),
        text="",
        finish="content_filter",
        words=("Something else?",),
        wires=SNAPSHOTS,
    ),
)

FAULTS = (*SILENCES, *BREAKS, *EMPTY, *AFTERWARDS, *REASONS)
