"""Errors that come inside a stream, or in its place with a good status."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from glm_magic.errors import (
    AuthenticationError,
    FilterError,
    GlmError,
    ModelError,
    OverloadError,
    QuotaError,
    RateLimitError,
    StatusError,
)
from tests.far_side import Status, Stream
from tests.far_side_data import chatglm_frame, chatglm_part, event, openai_chunk
from tests.faults.dialects import SNAPSHOTS, TEXT, fault, then
from tests.faults.fault import Fault, recovers, same
from tests.providers.asking import OPENAI, Wire

Shape = Callable[[dict[str, Any]], bytes]


def field(error: dict[str, Any]) -> bytes:
    """Return *error* as a field of an event."""
    return event({"error": error})


def named_event(error: dict[str, Any]) -> bytes:
    """Return *error* as an event of the type error."""
    return b"event: error\n" + event(error)


def bare_line(error: dict[str, Any]) -> bytes:
    """Return *error* as a line of its own, as llama.cpp sent it until 2025."""
    return f"error: {json.dumps(error)}\n\n".encode()


def bare_json(error: dict[str, Any]) -> bytes:
    """Return *error* as JSON that is no event, on a line that no blank one follows."""
    return json.dumps({"error": error}).encode() + b"\n"


def bare_lines(error: dict[str, Any]) -> bytes:
    """Return *error* as JSON that is no event, on many lines."""
    return json.dumps({"error": error}, indent=2).encode() + b"\n"


SHAPES: dict[str, Shape] = {
    "error": field,
    "event: error": named_event,
    "error: line": bare_line,
    "bare JSON": bare_json,
    "bare JSON on many lines": bare_lines,
}

#: What each code means, by wire format.
PASSING: dict[str, tuple[dict[str, Any], type[GlmError]]] = {
    "openai": ({"code": "1302", "message": "slow down"}, RateLimitError),
    "chatglm": ({"code": 40012, "message": "slow down"}, RateLimitError),
}
LASTING: dict[str, tuple[dict[str, Any], type[GlmError]]] = {
    "openai": ({"code": "1113", "message": "no balance"}, QuotaError),
    "chatglm": ({"code": 500, "message": "tried too often, please log in"}, QuotaError),
}
SLOW = PASSING["openai"][0]
FINISHED = event(openai_chunk({}, finish="stop"))
WIRES = {"openai": (OPENAI,), "chatglm": SNAPSHOTS}


def first(name: str, wires: tuple[Wire, ...], shown: bytes, error: type[GlmError] | None) -> Fault:
    """Return a fault whose stream begins with *shown*; without an *error* it is asked again."""
    scripts = same(Stream([shown]))
    if error is None:
        return recovers(f"{name} first", scripts, wires=wires)
    return fault(f"{name} first", scripts, text="", error=error, wires=wires)


def amid(name: str, wires: tuple[Wire, ...], shown: bytes, error: type[GlmError]) -> Fault:
    """Return a fault that keeps its text and is not asked again."""
    return fault(f"{name} in mid-stream", then(shown), error=error, wires=wires)


IN_EACH_SHAPE = tuple(
    row
    for name, shape in SHAPES.items()
    for kind, wires in WIRES.items()
    for row in (
        first(f"passing {name}", wires, shape(PASSING[kind][0]), None),
        amid(f"passing {name}", wires, shape(PASSING[kind][0]), PASSING[kind][1]),
        first(f"lasting {name}", wires, shape(LASTING[kind][0]), LASTING[kind][1]),
        amid(f"lasting {name}", wires, shape(LASTING[kind][0]), LASTING[kind][1]),
    )
)

STRINGS = (
    fault(
        "words first",
        same(Stream([event({"error": "no idea"})])),
        text="",
        error=StatusError,
        words=("no idea",),
    ),
    fault(
        "words in mid-stream",
        then(event({"error": "no idea"})),
        error=StatusError,
        words=("no idea",),
    ),
    fault(
        "event: error with words",
        then(b"event: error\ndata: no idea\n\n"),
        error=StatusError,
        words=("no idea",),
    ),
    fault(
        "bare JSON with words, held open",
        then(b'{"error": "no idea"}\n', end="hold"),
        error=StatusError,
        words=("no idea",),
    ),
    fault(
        "error: line with words", then(b"error: no idea\n\n"), error=StatusError, words=("no idea",)
    ),
)

FAILED = {"error_code": 10024, "err_msg": "generator exit"}


def failed(*parts: dict[str, Any]) -> bytes:
    """Return the chatglm.cn frame that ends an answer by a failure."""
    return event({**chatglm_frame({}, "error"), "parts": [*parts], "error": FAILED})


def one_line(shape: bytes) -> list[bytes]:
    """Return an OpenAI-type chunk and *shape* without the blank line between them."""
    return [event(openai_chunk({"content": " end"})).removesuffix(b"\n") + shape]


BY_FINISH = (
    fault(
        "refusal with no parts",
        then(event({"status": 500, "parts": [], "message": "boom"})),
        error=OverloadError,
        words=("boom",),
        wires=SNAPSHOTS,
    ),
    recovers(
        "network_error first",
        same(Stream([event(openai_chunk({}, finish="network_error"))])),
        wires=(OPENAI,),
    ),
    recovers("status error first", same(Stream([failed()])), wires=SNAPSHOTS),
    fault(
        "status error",
        then(failed()),
        error=OverloadError,
        words=("generator exit",),
        wires=SNAPSHOTS,
    ),
    fault(
        "error beside the finish",
        then(event({**chatglm_frame({}, "finish"), "parts": [], "last_error": FAILED})),
        words=("code 10024", "generator exit"),
        wires=SNAPSHOTS,
    ),
    fault(
        "error with an empty list of parts",
        then(event({"error": FAILED, "parts": []})),
        error=OverloadError,
        words=("generator exit",),
        wires=SNAPSHOTS,
    ),
    fault(
        "status error with the last text",
        then(
            failed({**chatglm_part("text", TEXT + " end", status="finish"), "logic_id": "L-text"})
        ),
        text=TEXT + " end",
        error=OverloadError,
        wires=SNAPSHOTS,
    ),
    fault(
        "error behind a chunk without a blank line",
        then(*one_line(field(PASSING["openai"][0]))),
        text=TEXT + " end",
        error=RateLimitError,
        wires=(OPENAI,),
    ),
    *(
        fault(
            f"error beside the last text{name}",
            then(event({**openai_chunk({"content": " end"}, finish=finish), "error": SLOW})),
            text=TEXT + " end",
            error=RateLimitError,
            words=("slow down",),
            wires=(OPENAI,),
        )
        for name, finish in {"": None, " and a finish": "stop"}.items()
    ),
    fault(
        "error as an event, beside the last text",
        then(
            b"event: error\n" + event({**openai_chunk({"content": " end"}), "error": SLOW}),
        ),
        text=TEXT + " end",
        error=RateLimitError,
        words=("slow down",),
        wires=(OPENAI,),
    ),
    fault(
        "error in the choice",
        then(
            event(
                {
                    "choices": [
                        {"delta": {"content": " end"}, "error": SLOW, "finish_reason": "error"}
                    ]
                }
            )
        ),
        text=TEXT + " end",
        error=RateLimitError,
        words=("slow down",),
        wires=(OPENAI,),
    ),
    fault(
        "error in a choice that is not shown",
        then(event({"choices": [{"index": 1, "error": SLOW}]}), FINISHED),
        words=("more than one answer",),
        wires=(OPENAI,),
    ),
    recovers(
        "error beside no text first",
        same(Stream([event({**openai_chunk({"content": ""}, finish="error"), "error": SLOW})])),
        wires=(OPENAI,),
    ),
    fault(
        "error after what may be a tag",
        then(field(PASSING["openai"][0]), text="a < b <"),
        text="a < b <",
        error=RateLimitError,
        wires=(OPENAI,),
    ),
    fault(
        "error after what may be a citation",
        then(failed(), text="as 【3†"),
        text="as 【3†",
        error=OverloadError,
        wires=SNAPSHOTS,
    ),
)


def answered(body: object, **how: Any) -> Any:
    """Return *body* in place of a stream, with a good status."""
    return same(Status(200, body, **how))


WITH_A_GOOD_STATUS = (
    fault(
        "login wanted",
        answered({"status": 500, "message": "please log in", "rid": "r"}),
        text="",
        error=QuotaError,
        words=("please log in", "ZAI_API_KEY"),
        wires=SNAPSHOTS[:1],
    ),
    fault(
        "login expired",
        answered({"status": 40102, "message": "expired"}),
        text="",
        error=AuthenticationError,
        words=("asks for a login",),
        wires=SNAPSHOTS[:1],
    ),
    recovers(
        "another answer runs",
        answered({"status": 500, "message": "wait for the other one"}),
        wires=SNAPSHOTS[:1],
    ),
    *(
        fault(
            f"{status} in the body: {words}",
            answered({"status": status, "message": words}),
            text="",
            error=error,
            words=(words, f"(code {status})"),
            wires=SNAPSHOTS[:1],
        )
        for status, words, error in (
            (400, "please wait", ModelError),
            (403, "please wait", AuthenticationError),
            (404, "await your turn", ModelError),
            (77, "await your turn", StatusError),
            (77, "you are on the waiting list", StatusError),
            (77, "the loginService has failed", StatusError),
        )
    ),
    fault(
        "no balance",
        answered({"error": {"code": "1113", "message": "no balance"}}),
        text="",
        error=QuotaError,
        words=("no balance",),
        wires=(OPENAI,),
    ),
    recovers(
        "overloaded", answered({"error": {"code": "1305", "message": "busy"}}), wires=(OPENAI,)
    ),
    fault(
        "no balance, under another name",
        same(Stream([event({"error_code": 1113, "error_msg": "no balance"})])),
        text="",
        error=QuotaError,
        words=("no balance", "(code 1113)"),
        wires=(OPENAI,),
    ),
    fault(
        "moderation",
        same(Stream([event({"error": {"code": "1301", "message": "no"}})])),
        text="",
        error=FilterError,
        wires=(OPENAI,),
    ),
    fault(
        "no such model",
        same(Stream([event({"error": {"code": "1211", "message": "no"}})])),
        text="",
        error=ModelError,
        wires=(OPENAI,),
    ),
    fault(
        "captcha",
        same(
            Stream(
                [event({"type": "chat", "data": {"error": {"code": "FRONTEND_CAPTCHA_REQUIRED"}}})]
            )
        ),
        text="",
        error=AuthenticationError,
        words=("captcha",),
        wires=SNAPSHOTS[:1],
    ),
)

FAULTS = (*IN_EACH_SHAPE, *STRINGS, *BY_FINISH, *WITH_A_GOOD_STATUS)
