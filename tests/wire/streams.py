"""Streams as servers send them, written after their documented shapes, and a way to play them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from glm_magic.errors import ProviderError
from glm_magic.messages import Delta, Reply
from glm_magic.wire.chatglm import SnapshotDecoder
from glm_magic.wire.openai import OpenAIDecoder
from glm_magic.wire.sse import Event, SSEDecoder

DONE = b"data: [DONE]\n\n"


def sse(*payloads: Any) -> bytes:
    """Return *payloads* as events with JSON data."""
    return b"".join(
        f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode() for payload in payloads
    )


def chunk(content: str | None = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return one OpenAI-style chunk; what is not a field of the chunk goes into its delta."""
    top = {name: more.pop(name) for name in ("id", "usage", "model") if name in more}
    choice = {"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}
    return {"id": "c1", "model": "glm-4.6", "choices": [choice], **top}


def frame(*items: dict[str, Any], status: str = "init", part: str = "init", **more: Any) -> Any:
    """Return one chatglm.cn frame with all *items* in one part."""
    logic = more.pop("logic_id", "L1")
    meta = more.pop("meta_data", {})
    content = {"logic_id": logic, "status": part, "meta_data": meta, "content": list(items)}
    return {"conversation_id": "k1", "status": status, "last_error": {}, "parts": [content], **more}


def nameless(*items: dict[str, Any]) -> Any:
    """Return one chatglm.cn frame with a part without a name for each of *items*."""
    parts = [{"status": "init", "content": [item]} for item in items]
    return {"conversation_id": "k1", "status": "init", "last_error": {}, "parts": parts}


def text(words: str) -> dict[str, Any]:
    """Return a text item."""
    return {"type": "text", "text": words}


def think(words: str) -> dict[str, Any]:
    """Return an item of thinking."""
    return {"type": "think", "think": words}


def event(data: str, name: str = "message", **more: Any) -> Event:
    """Return an event with *data*."""
    return Event(data.encode(), name, **more)


def cut_at(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Return *stream* in pieces that begin at *places*."""
    ends = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in pairwise(ends)]


def events_of(pieces: Iterable[bytes]) -> list[Event]:
    """Return the events of a stream that comes in *pieces*."""
    decoder = SSEDecoder()
    return [*(event for piece in pieces for event in decoder.feed(piece)), *decoder.close()]


Maker = Callable[[], "OpenAIDecoder | SnapshotDecoder"]


def deltas_of(make: Maker, pieces: Iterable[bytes]) -> list[Delta]:
    """Return the deltas of a stream that comes in *pieces*, to its end."""
    decoder = make()
    deltas = [delta for event in events_of(pieces) for delta in decoder.decode(event)]
    return [*deltas, *decoder.close()]


def reply_of(deltas: Iterable[Delta]) -> Reply:
    """Return the reply that *deltas* add up to; nothing that was never shown is taken back."""
    reply = Reply()
    for delta in deltas:
        assert delta.retract <= len(reply.text)
        assert delta.retract_reasoning <= len(reply.reasoning)
        reply.add(delta)
    return reply


def play(make: Maker, *pieces: bytes) -> Reply:
    """Return the reply to a stream that comes in *pieces*."""
    return reply_of(deltas_of(make, pieces))


def outcome(make: Maker, pieces: Iterable[bytes]) -> tuple[object, ...]:
    """Return all that a user learns from a stream, be it a reply or an error."""
    try:
        reply = play(make, *pieces)
    except ProviderError as error:
        return type(error), str(error)
    return (
        reply.text,
        reply.reasoning,
        reply.finish_reason,
        reply.usage,
        reply.tool_calls,
        reply.notices,
        reply.model,
        reply.conversation_id,
    )


_USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
_CALL = {"index": 0, "id": "t1", "type": "function"}

OPENAI: dict[str, bytes] = {
    "official": sse(
        chunk(role="assistant", reasoning_content="想一"),
        chunk(role="assistant", reasoning_content="想。"),
        chunk("你好,"),
        chunk("世界 😀"),
        chunk("", "stop", usage=_USAGE),
    )
    + DONE,
    "vllm": sse(
        chunk("", role="assistant"),
        chunk(None, reasoning="Hm."),
        chunk("Hello", stop_reason=None),
        chunk("", "stop"),
        {"id": "c1", "choices": [], "usage": _USAGE},
    )
    + DONE,
    "llamacpp": b": ping\n\n"
    + sse(chunk(None, role="assistant"), chunk("<thi"), chunk("nk>a"), chunk("b</th"))
    + b":\n\n"
    + sse(chunk("ink>\n\nc"), {**chunk("", "stop"), "timings": {"predicted_n": 3}})
    + DONE,
    "llamacpp_error_line": sse(chunk("Hel")) + b'error: {"code":500,"message":"slot"}\n\n' + DONE,
    "ollama_cut": sse(chunk("Hel"), chunk("")),
    "crlf_bom": b"\xef\xbb\xbf" + sse(chunk("ä"), chunk("", "length")).replace(b"\n", b"\r\n"),
    "cut_frame": b'data: {"id":"c0","choices":[{"index":0,"delta":{"role":"assis'
    + sse(chunk("Hello"), chunk("", "stop")),
    "sensitive": sse(chunk("Hel"), chunk("", "sensitive")) + DONE,
    "network_error": sse(chunk("Hel"), chunk("", "network_error")) + DONE,
    "tools": sse(
        chunk(None, tool_calls=[{**_CALL, "function": {"name": "add", "arguments": '{"a":'}}]),
        chunk(None, tool_calls=[{**_CALL, "id": "t2", "function": {"arguments": " 1}"}}]),
        chunk("", "tool_calls", usage=_USAGE),
    )
    + DONE,
    "box": sse(chunk("It is <|begin_"), chunk("of_box|>42<|end_of_box|>"), chunk(".", "stop")),
    "lone_close": sse(chunk("Hm, 6"), chunk(" x 7.</think"), chunk(">\n42", "stop")) + DONE,
    "restart": sse(chunk("Hel", id="a"), chunk("Good ", id="b"), chunk("day", "stop", id="b")),
    "error_frame": sse(chunk("Hel"), {"error": {"code": "1302", "message": "slow down"}}) + DONE,
}

_QUOTES = {"metadata_list": [{"title": "A [page]", "url": "https://example.org/a"}]}

CHATGLM: dict[str, bytes] = {
    "cumulative": sse(
        frame(think("The user wants")),
        frame(think("The user wants a sum.")),
        frame(think("The user wants a sum."), part="finish"),
        frame(text("The"), logic_id="L0"),
        frame(text("The sum"), logic_id="L0"),
        frame(text("The sum is 42【3†source】."), logic_id="L0"),
        frame(text("The sum is 42【3†source】."), logic_id="L0", part="finish", status="finish"),
    ),
    "delta": sse(
        frame(think("哈")),
        frame(think("哈")),
        frame(think("!")),
        frame(think("哈哈!"), part="finish"),
        frame(text("The sum"), logic_id="L0"),
        frame(text(" is 【3†"), logic_id="L0"),
        frame(text("source】42."), logic_id="L0"),
        frame(text("The sum is 【3†source】42."), logic_id="L0", part="finish", status="finish"),
    ),
    "tools": sse(
        frame({"type": "tool_calls", "tool_calls": {"name": "search"}}, part="finish"),
        frame({"type": "quote_result"}, logic_id="L2", part="finish", meta_data=_QUOTES),
        frame({"type": "code", "code": "1+"}, logic_id="L3"),
        frame({"type": "code", "code": "1+1"}, logic_id="L3", part="finish"),
        frame({"type": "execution_output", "content": "2"}, logic_id="L4"),
        frame({"type": "execution_output", "content": "2"}, logic_id="L4", part="finish"),
        frame(text("It is 2."), logic_id="L5", part="finish"),
        frame(
            {"type": "image", "image": [{"image_url": "https://example.org/a (1).png"}]},
            {"type": "hologram"},
            logic_id="L6",
            part="finish",
            status="finish",
        ),
    ),
    "intervene": sse(
        frame(text("Well")),
        {"status": "intervene", "last_error": {"intervene_text": "Try another topic."}},
    ),
    "error": sse(
        frame(text("Well")),
        {"status": "error", "error": {"error_code": 10024, "err_msg": "generator exit"}},
    ),
    "truncated": sse(frame(text("Hello there")), frame(text("Hello there, you"))),
    "refused": sse({"status": 500, "message": "tried too many times, please log in", "rid": "r"}),
}
