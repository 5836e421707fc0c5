"""Bodies that are not the stream that was expected: pages, JSON, types, charsets, encodings."""

from __future__ import annotations

import json
from typing import Any

from glm_magic.errors import (
    AuthenticationError,
    NetworkError,
    OverloadError,
    ProtocolError,
    QuotaError,
    StatusError,
)
from glm_magic.providers.base import Clocks
from tests.far_side import Raw, Status, Stream
from tests.faults.fault import WORLD, Fault, lasts, same, saying
from tests.providers.asking import CHATGLM, OPENAI

CAPTCHA = (
    "<!doctype html><html><head><title>One moment</title><script>alert(1)</script></head>"
    "<body><h1>Prove that you are human</h1><img src=x onerror=alert(1)></body></html>"
)


def page(name: str, body: str, content_type: str) -> Fault:
    """Return a fault for a web page in place of an answer."""
    return Fault(
        name,
        same(Status(200, body, content_type)),
        error=ProtocolError,
        words=("a web page instead of an answer", "Prove that you are human"),
    )


def held(body: str | bytes, content_type: str) -> Any:
    """Return scripts of *body*, with a good status, on a connection that stays open."""
    data = body.encode() if isinstance(body, str) else body
    return same(Stream([data], content_type=content_type, end="hold"))


PAGES = (
    Fault(
        "captcha page with 200, held open",
        held(CAPTCHA, "text/html"),
        error=ProtocolError,
        words=("a web page instead of an answer", "Prove that you are human"),
    ),
    page("captcha page with 200", CAPTCHA, "text/html; charset=utf-8"),
    page("HTML as event-stream", CAPTCHA, "text/event-stream"),
    page("HTML as JSON", CAPTCHA, "application/json"),
    page("HTML with a BOM and blanks", f"\ufeff\r\n  {CAPTCHA}", "text/event-stream"),
    page("HTML of 5 MB", CAPTCHA + "." * 5_000_000, "text/html"),
)


TOP_UP = {"error": {"code": "1113", "message": "top up"}}
#: What a choice holds, under whatever name.
WHOLE = {"role": "assistant", "content": "Whole answer"}


def answer(content: str, finish: str = "stop") -> dict[str, Any]:
    """Return a whole answer of OpenAI's format as JSON."""
    message = {"role": "assistant", "content": content}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def dribbled(start: bytes) -> Any:
    """Return scripts of a whole answer that takes longer than the first event may."""
    body = json.dumps(answer("Whole answer")).encode()
    pieces = [start + body[:1], *(body[at : at + 9] for at in range(1, len(body), 9))]
    return same(Stream(pieces, pace=0.05, content_type="application/json"))


JSON = (
    Fault(
        "JSON answer, held open",
        held(json.dumps(answer("Whole answer")) + "\r\n", "application/json"),
        text="Whole answer",
        wires=(OPENAI,),
    ),
    Fault(
        "JSON answer, byte by byte and held open",
        lambda _: [
            Stream(
                [json.dumps(answer("Whole } answer")).encode()],
                content_type="application/json",
                cut="bytes",
                end="hold",
            )
        ],
        text="Whole } answer",
        wires=(OPENAI,),
    ),
    *(
        Fault(
            f"JSON answer that comes slowly, {name}",
            dribbled(start),
            text="Whole answer",
            clocks=Clocks(30.0, 0.3, 30.0),
            wires=(OPENAI,),
        )
        for name, start in (("at once", b""), ("behind blanks", b"\r\n "))
    ),
    lasts(
        "JSON answer that stops in its middle",
        Stream([b'{"choices": [{"mess'], content_type="application/json", end="hold"),
        error=NetworkError,
        words=("silent for 0.3 s in mid-answer", "idle_timeout"),
        clocks=Clocks(30.0, 30.0, 0.3),
        wires=(OPENAI,),
    ),
    lasts(
        "blanks and no JSON answer",
        Stream([b"\r\n" * 9], content_type="application/json", end="hold"),
        error=NetworkError,
        words=("no answer within 0.3 s",),
        clocks=Clocks(30.0, 0.3, 30.0),
    ),
    Fault(
        "JSON error with 200, held open",
        held('{"error": {"code": "1113", "message": "top up"}}', "application/json"),
        error=QuotaError,
        words=("1113", "top up"),
        wires=(OPENAI,),
    ),
    Fault(
        "JSON error with 200, held open",
        held('{"status": 40103, "message": "who are you?", "rid": "1"}', "application/json"),
        error=AuthenticationError,
        words=("40103", "who are you?"),
        wires=(CHATGLM,),
    ),
    *(
        Fault(
            f"JSON answer as {name}",
            same(Status(200, answer("Whole answer"), content_type)),
            text="Whole answer",
            wires=(OPENAI,),
        )
        for name, content_type in (
            ("JSON", "application/json"),
            ("event-stream", "text/event-stream"),
        )
    ),
    Fault(
        "JSON answer where snapshots were expected",
        same(Status(200, answer("Whole answer"))),
        error=StatusError,
        words=("chatglm.cn refused",),
        wires=(CHATGLM,),
    ),
    *(
        Fault(
            f"JSON answer in {name}",
            same(Status(200, {"choices": [{"index": 0, "finish_reason": "stop", **choice}]})),
            text="Whole answer",
            wires=(OPENAI,),
        )
        for name, choice in {
            "delta": {"delta": WHOLE},
            "delta beside an empty message": {"delta": WHOLE, "message": {}},
            "message beside its last piece": {"delta": {"content": "answer"}, "message": WHOLE},
            "text beside an empty message": {"text": "Whole answer", "message": {"content": ""}},
        }.items()
    ),
    lasts(
        "JSON error with 200 that passes",
        Status(200, {"error": {"message": "died", "type": "server_error"}}),
        error=OverloadError,
        words=("died",),
        wires=(OPENAI,),
    ),
    *(
        Fault(
            f"JSON answer with an error {place}",
            same(Status(200, body)),
            text="Whole answer",
            error=QuotaError,
            words=("1113", "top up"),
            wires=(OPENAI,),
        )
        for place, body in {
            "beside it": {**answer("Whole answer"), **TOP_UP},
            "in its choice": {"choices": [{"message": WHOLE, **TOP_UP, "finish_reason": "error"}]},
        }.items()
    ),
    Fault(
        "JSON answer that ended by a failure",
        same(Status(200, answer("a < b <", finish="network_error"))),
        text="a < b <",
        error=OverloadError,
        words=("The service failed",),
        wires=(OPENAI,),
    ),
    Fault(
        "JSON error with 200",
        same(Status(200, {"error": {"code": "1113", "message": "top up"}})),
        error=QuotaError,
        words=("1113", "top up"),
        wires=(OPENAI,),
    ),
    Fault(
        "JSON error with 200",
        same(Status(200, {"status": 40103, "message": "who are you?", "result": None, "rid": "1"})),
        error=AuthenticationError,
        words=("40103", "who are you?"),
        wires=(CHATGLM,),
    ),
    Fault(
        "JSON error with HTML and ESC in its words",
        same(Status(200, {"error": {"message": "\x1b[2J<script>alert(1)</script>\u202egpj"}})),
        error=StatusError,
        words=("\\x1b[2J", "\\u202egpj"),
    ),
    *(
        Fault(
            f"{name} as JSON",
            same(Status(200, body, "application/json")),
            error=ProtocolError,
            words=(words,),
        )
        for name, body, words in (
            ("nothing", b"", "without an answer"),
            ("blank lines", b"\n\n", "without an answer"),
            ("a comment", b": ping\n\n", "without an answer"),
            ("null", b"null", "no JSON object"),
            ("a word", b"OK", "no JSON object"),
        )
    ),
    Fault(
        "JSON list",
        same(Status(200, [1, 2, 3])),
        error=ProtocolError,
        words=("no JSON object", "[1, 2, 3]"),
    ),
    Fault(
        "JSON cut short",
        same(Status(200, '{"choices": [{"mess')),
        error=ProtocolError,
        words=("no JSON object",),
    ),
    Fault(
        "empty object",
        same(Status(200, {})),
        error=ProtocolError,
        words=("without an answer",),
        wires=(OPENAI,),
    ),
    Fault(
        "empty object",
        same(Status(200, {})),
        error=StatusError,
        words=("chatglm.cn refused",),
        wires=(CHATGLM,),
    ),
)

TYPES = (
    *(
        Fault(
            f"stream as {content_type}",
            saying("Whole answer", content_type=content_type),
            text="Whole answer",
        )
        for content_type in (
            "text/plain",
            "text/html",
            "application/json",
            "application/octet-stream",
            "TEXT/EVENT-STREAM",
            "nonsense;;;=",
        )
    ),
    Fault(
        "stream as JSON, byte by byte",
        saying("Whole answer", content_type="application/json", cut="bytes"),
        text="Whole answer",
    ),
    Fault(
        "stream of no type",
        lambda at: [Raw([b"HTTP/1.1 200 OK\r\n\r\n", *at.wire.stream("Whole answer")])],
        text="Whole answer",
    ),
    *(
        Fault(
            f"UTF-8 called {charset}",
            saying(WORLD, content_type=f"text/event-stream; charset={charset}"),
            text=WORLD,
        )
        for charset in ("latin-1", "gbk", "utf-16", "no-such-charset")
    ),
)


FAULTS = (*PAGES, *JSON, *TYPES)
