"""Faults of single events: what is in them is broken, missing, unknown, or was not asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from glm_magic.wire.chatglm import TRUNCATED
from glm_magic.wire.payload import CUT, REPAIRED, SKIPPED, WEB_PAGE
from tests.far_side import Stream
from tests.far_side_data import chatglm_frame, event, openai_chunk
from tests.faults.dialects import SNAPSHOTS, TEXT, amid, changed, fault, then
from tests.faults.fault import Fault, same
from tests.providers.asking import OPENAI

BOOM = {"error_code": 7, "err_msg": "boom"}
FINISHED = event(openai_chunk({}, finish="stop"))
#: A call of a tool in two pieces, each with its finish reason.
CALL = (
    ({"index": 0, "id": "t1", "function": {"name": "add", "arguments": '{"a":'}}, None),
    ({"index": 0, "id": "t2", "function": {"arguments": " 1}"}}, "tool_calls"),
)
#: The same call in one piece, as a message has it.
WHOLE_CALL = {"tool_calls": [{"id": "t1", "function": {"name": "add", "arguments": {"a": 1}}}]}
#: Two calls, their pieces one after the other's.
IN_TURNS = (
    CALL[0][0],
    {"index": 1, "id": "t3", "function": {"name": "sub", "arguments": "{"}},
    CALL[1][0],
    {"index": 1, "function": {"arguments": "}"}},
)


def data(raw: str) -> bytes:
    """Return an event with *raw* data."""
    return f"data: {raw}\n\n".encode()


def openai(name: str, *odd: Any, **seen: Any) -> Fault:
    """Return a fault with *odd* chunks amid good ones."""
    return fault(name, changed(amid(*map(event, odd))), **{"wires": (OPENAI,), **seen})


def chatglm(name: str, *odd: Any, **seen: Any) -> Fault:
    """Return a fault with *odd* frames amid good ones."""
    return fault(name, changed(amid(*map(event, odd))), **{"wires": SNAPSHOTS, **seen})


def choice(delta: object, index: int = 0, finish: str | None = None) -> dict[str, Any]:
    """Return a chunk with one choice, whatever its *delta* is."""
    return {"id": "r1", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def part(*items: Any, **more: Any) -> dict[str, Any]:
    """Return a frame with one finished part that holds *items*."""
    return chatglm_frame({"logic_id": "L-odd", "status": "finish", "content": [*items], **more})


def said(name: str, odd: Any, *, text: str, **seen: Any) -> Fault:
    """Return a fault that says *text* by one *odd* chunk, and then finishes."""
    scripts = same(Stream([event(odd), FINISHED]))
    return fault(name, scripts, text=text, wires=(OPENAI,), **seen)


def only_choice(name: str, index: object) -> Fault:
    """Return a fault whose one answer is numbered *index*."""
    chunks = [{"content": "The only"}, {"content": " one."}]
    events = [
        event({"id": "r1", "choices": [{"index": index, "delta": delta}]}) for delta in chunks
    ]
    last = {"index": index, "delta": {}, "finish_reason": "stop"}
    scripts = same(Stream([*events, event({"id": "r1", "choices": [last]})]))
    return fault(name, scripts, text="The only one.", wires=(OPENAI,))


def framed(content: object) -> bytes:
    """Return an event of chatglm.cn with a finished part whose content is *content*."""
    return event(chatglm_frame({"logic_id": "L-odd", "status": "finish", "content": content}))


def cut_short(events: list[bytes]) -> list[bytes]:
    """Return *events* up to the finish signal, and half of that."""
    *rest, last = [event for event in events if event != b"data: [DONE]\n\n"]
    return [*rest, last[: len(last) // 2]]


def undressed(event: bytes) -> bytes:
    """Return *event* without the name of its field."""
    return event.removeprefix(b"data: ")


def glued(first: bytes, second: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Return a change that puts *first* before the second event and *second* between both."""
    return lambda events: [events[0], first + second + events[1], *events[2:]]


DAMAGED = (
    fault("broken JSON", changed(amid(data('{"id": nope}'))), words=(SKIPPED,)),
    fault("JSON cut short", changed(amid(data('{"choices": [{"delta": {"co'))), words=(SKIPPED,)),
    fault("JSON cut at the end", changed(cut_short), finish="truncated", words=(CUT, TRUNCATED)),
    fault(
        "cut event before a good one", changed(glued(b'data: {"id": "x', b"")), words=(REPAIRED,)
    ),
    fault("100,000 brackets", changed(amid(data("[" * 100_000))), words=(SKIPPED,)),
    fault("100,000 braces", changed(amid(data('{"a":' * 100_000))), words=(SKIPPED,)),
    fault(
        "integer of 6,000 digits", changed(amid(data('{"a":%s}' % ("9" * 6000)))), words=(SKIPPED,)
    ),
    fault("NaN and infinities", changed(amid(data('{"a": [NaN, Infinity, -Infinity, 1e999]}')))),
    *(
        fault(f"{raw} for an event", changed(amid(data(raw))), words=(SKIPPED,))
        for raw in ("[1, 2]", "5", "null", "true", '"words"', "words")
    ),
    fault(
        "empty events",
        changed(amid(data(""), data(" "), b"data\n\n", b"event: ping\ndata: {}\n\n")),
    ),
    fault("first event broken", changed(lambda events: [data("{nope"), *events]), words=(SKIPPED,)),
)

PAGE = b"<!doctype html>\n<html>\n<h1>502 Bad Gateway</h1>\n\n<style>\n{}\n</style>\n</html>\n\n"

BARE = (
    fault("events without data:", changed(lambda events: [events[0], *map(undressed, events[1:])])),
    fault(
        "events without data: and blank lines",
        changed(lambda events: [events[0], *(undressed(each)[:-1] for each in events[1:])]),
    ),
    fault("line of broken JSON", changed(amid(b'{"id": nope}\n')), words=(SKIPPED,)),
    fault(
        "line of JSON cut at the end",
        then(b'{"id": "x'),
        finish="truncated",
        words=(CUT, TRUNCATED),
    ),
    fault("web page in mid-stream", changed(amid(PAGE)), words=(WEB_PAGE,)),
    fault(
        "web page at the end",
        then(PAGE),
        finish="truncated",
        words=(WEB_PAGE, TRUNCATED),
    ),
    fault("web page as an event", changed(amid(b"data: <html></html>\n\n")), words=(WEB_PAGE,)),
)

ODD = (
    openai("null content", choice({"content": None, "reasoning_content": None})),
    openai("no choices", {"id": "r1"}, {"choices": None}, {"choices": []}, {"choices": [None]}),
    openai("no delta", choice(None), {"choices": [{"index": 0}]}, {"choices": {"delta": {}}}),
    openai("odd fields", {"id": 5, "usage": "much", "model": None, "error": None, "choices": []}),
    openai(
        "unknown part types",
        choice({"content": [{"type": "text", "text": ""}, {"type": "hologram", "hologram": 1}]}),
        words=("1 piece(s) of an unknown type left out: hologram",),
    ),
    openai(
        "second choice",
        choice({"content": "no"}, 1),
        choice({"content": " no"}, 1, "stop"),
        words=("more than one answer",),
    ),
    fault(
        "tool call",
        then(
            *(event(choice({"tool_calls": [piece]}, finish=finish)) for piece, finish in CALL),
            cut=2**20,  # what follows a finish is waited for only a moment
        ),
        finish="tool_calls",
        calls=[("add", '{"a": 1}')],
        wires=(OPENAI,),
    ),
    fault(
        "two tool calls in turns",
        then(
            *(event(choice({"tool_calls": [piece]})) for piece in IN_TURNS),
            event(choice({}, finish="tool_calls")),
        ),
        finish="tool_calls",
        calls=[("add", '{"a": 1}'), ("sub", "{}")],
        wires=(OPENAI,),
    ),
    fault(
        "tool call of the old kind",
        then(
            event(choice({"function_call": {"name": "add", "arguments": '{"a":'}})),
            event(choice({"function_call": {"arguments": " 1}"}}, finish="function_call")),
        ),
        finish="tool_calls",
        calls=[("add", '{"a": 1}')],
        wires=(OPENAI,),
    ),
    openai(
        "tool call cut short",
        choice({"tool_calls": [CALL[0][0]]}),
        words=("1 incomplete tool call(s) left out",),
    ),
    *(
        said(f"content that is {name}", choice({"content": content}), text="In pieces.")
        for name, content in {
            "a list of strings": ["In ", "pieces."],
            "a list of texts": [{"type": "text", "text": "In "}, "pieces."],
            "an object": {"type": "text", "text": "In pieces."},
        }.items()
    ),
    said("delta that is text", choice("In pieces."), text="In pieces."),
    *(
        said(
            f"{name} in place of delta",
            {"id": "r1", "choices": [{"index": 0, name: value}]},
            text="In pieces.",
        )
        for name, value in {"message": {"content": "In pieces."}, "text": "In pieces."}.items()
    ),
    *(
        said(
            f"{name} beside a delta of {json.dumps(delta)}",
            {"id": "r1", "choices": [{"index": 0, "delta": delta, name: value}]},
            text="In pieces.",
        )
        for name, value in {"message": {"content": "In pieces."}, "text": "In pieces."}.items()
        for delta in ({}, {"role": "assistant", "content": ""}, "")
    ),
    fault(
        "message behind its pieces",
        then(event({"id": "r1", "choices": [{"message": {"content": TEXT}}]}), FINISHED),
        wires=(OPENAI,),
    ),
    fault(
        "message behind its pieces, beside an empty delta",
        then(
            event({"id": "r1", "choices": [{"delta": {}, "message": {"content": TEXT}}]}), FINISHED
        ),
        wires=(OPENAI,),
    ),
    fault(
        "message behind its pieces, twice",
        then(*[event({"id": "r1", "choices": [{"message": {"content": TEXT}}]})] * 2, FINISHED),
        wires=(OPENAI,),
    ),
    *(
        fault(
            f"message behind its pieces, with thinking {name}",
            then(event({"id": "r1", "choices": [{"message": message}]}), FINISHED, text=pieces),
            wires=(OPENAI,),
        )
        for name, message, pieces in (
            ("in tags", {"content": f"<think>Hm.</think>{TEXT}"}, ["<think>Hm.", "</think>", TEXT]),
            ("beside it", {"content": TEXT, "reasoning": "Hm."}, ["<think>Hm.", "</think>", TEXT]),
            ("left out", {"content": TEXT}, ["<think>Hm.</think>", TEXT]),
            ("that is new", {"content": TEXT, "reasoning_content": "Hm."}, [TEXT]),
        )
    ),
    fault(
        "message behind its pieces, which may end in a tag",
        then(
            event({"id": "r1", "choices": [{"message": {"content": "a < b <"}}]}),
            FINISHED,
            text="a < b <",
        ),
        text="a < b <",
        wires=(OPENAI,),
    ),
    *(
        fault(
            f"calls in a message behind {name}",
            then(
                *map(event, pieces),
                event({"id": "r1", "choices": [{"message": {"content": TEXT, **WHOLE_CALL}}]}),
                event(choice({}, finish="tool_calls")),
            ),
            finish="tool_calls",
            calls=[("add", '{"a": 1}')],
            wires=(OPENAI,),
        )
        for name, pieces in (
            ("their pieces", [choice({"tool_calls": [piece]}) for piece, _ in CALL]),
            ("its text", []),
        )
    ),
    fault(
        "calls without text in a message behind their pieces",
        same(
            Stream(
                [
                    *(event(choice({"tool_calls": [piece]})) for piece, _ in CALL),
                    event({"id": "r1", "choices": [{"message": {"content": None, **WHOLE_CALL}}]}),
                    event(choice({}, finish="tool_calls")),
                ]
            )
        ),
        text="",
        finish="tool_calls",
        calls=[("add", '{"a": 1}')],
        wires=(OPENAI,),
    ),
    fault(
        "calls in a message behind an empty piece",
        same(
            Stream(
                [
                    event(choice({"role": "assistant", "content": ""})),
                    event({"id": "r1", "choices": [{"message": {"content": "", **WHOLE_CALL}}]}),
                    event(choice({}, finish="tool_calls")),
                ]
            )
        ),
        text="",
        finish="tool_calls",
        calls=[("add", '{"a": 1}')],
        wires=(OPENAI,),
    ),
    fault(
        "pieces that are messages beside empty deltas",
        same(
            Stream(
                [
                    event(choice({"role": "assistant", "content": ""})),
                    *(
                        event(
                            {"id": "r1", "choices": [{"delta": {}, "message": {"content": each}}]}
                        )
                        for each in ("ha", "ha", "!")
                    ),
                    FINISHED,
                ]
            )
        ),
        text="haha!",
        wires=(OPENAI,),
    ),
    said(
        "refusal of the model",
        choice({"refusal": "I will not."}),
        text="I will not.",
        words=("the model refused",),
    ),
    *(
        openai(f"{name} as text", choice({field: value}), words=(f"{kind} as {field}",))
        for name, field, value, kind in (
            ("a number", "content", 42, "number"),
            ("zero", "content", 0, "number"),
            ("true", "content", True, "truth value"),
            ("a list in a list", "content", [["a"]], "list"),
            ("a number of thinking", "reasoning_content", 4.2, "number"),
            ("a word for tool calls", "tool_calls", "add", "text"),
            ("numbers for tool calls", "tool_calls", [1, None], "number"),
            ("a word for a call", "function_call", "add", "text"),
        )
    ),
    openai(
        "an object without text",
        choice({"content": {"words": "a"}}),
        words=("1 piece(s) of an unknown type left out: without a type",),
    ),
    *(
        only_choice(f"the only choice is number {index!r}", index)
        for index in (1, "0", "7", -1, True, None, 10**400)
    ),
    fault(
        "first choice comes second",
        then(
            event(choice({"content": "no"}, 1)),
            event(choice({"content": "The first."})),
            event(choice({"content": "no"}, 1, "stop")),
            FINISHED,
            text="",
        ),
        text="The first.",
        words=("more than one answer",),
        wires=(OPENAI,),
    ),
    *(
        openai(
            f"usage of {name}",
            {"choices": [], "usage": {"prompt_tokens": count, "completion_tokens": count}},
            {"created": count, "choices": []},
        )
        for name, count in {"400 digits": 10**400, "less than nothing": -5}.items()
    ),
    chatglm("null content", part({"type": "text", "text": None}), part(None)),
    chatglm("no parts", {"status": "init"}, {"status": "init", "parts": None}),
    chatglm("no content", {"parts": [None, {}, {"content": None}, {"content": [None]}]}),
    chatglm("odd fields", {"id": 5, "last_error": None, "conversation_id": 5, "parts": {}}),
    chatglm(
        "unknown part types",
        part({"type": "hologram"}, {"type": "browser_result"}, {}),
        words=("3 piece(s) of an unknown type left out: hologram, browser_result, without a type",),
    ),
    *(
        fault(
            f"content that is {name}",
            changed(lambda events, content=content: [framed(content), *events]),
            text=f"In pieces.\n\n{TEXT}",
            wires=SNAPSHOTS,
        )
        for name, content in {"text": "In pieces.", "a list of texts": ["In pieces."]}.items()
    ),
    *(
        chatglm(f"{name} as text", part(entry), words=(words,))
        for name, entry, words in (
            ("a number", {"type": "text", "text": 42}, "number as text"),
            ("a list", {"type": "think", "think": ["a"]}, "list as think"),
            ("an object", {"type": "execution_output", "content": {"a": 1}}, "object as content"),
            ("content that is a number", 5, "number as content"),
        )
    ),
    chatglm(
        "a part that failed",
        chatglm_frame({"logic_id": "L-odd", "status": "error", "error": BOOM, "content": []}),
        words=("a part of the answer failed (code 7): boom",),
    ),
    chatglm(
        "an error beside a good status",
        {"status": "init", "parts": [], "last_error": BOOM},
        words=("a part of the answer failed (code 7): boom",),
    ),
    chatglm(
        "its own tools",
        chatglm_frame({"logic_id": "L-42", "role": "tool", "content": "42"}),
        part({"type": "tool_calls", "tool_calls": {"name": "search"}}),
        part({"type": "tool_result", "content": "42"}, role="tool"),
    ),
)

FAULTS = (*DAMAGED, *BARE, *ODD)
