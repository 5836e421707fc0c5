"""Streams as the far sides send them, and requests as they came: values, without I/O."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, groupby, repeat
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Cut = Literal["whole", "bytes"] | int | Sequence[int]
Encoding = Literal["", "gzip", "deflate"]

TIMEOUT = 10.0  # seconds a test waits for what should have happened at once
#: The usage that goes with an answer unless a test says otherwise.
USAGE: Mapping[str, int] = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
#: What both lists of models answer.
MODELS: Mapping[str, Any] = {
    "object": "list",
    "data": [{"id": name, "object": "model"} for name in ("glm-test", "glm-test-flash")],
}

ASSISTANT = "65940acff94777010aa6b796"


@dataclass(eq=False)
class Recorded:
    """A request as it arrived; those with the same *connection* came over one connection.

    The names of *headers* are found in any case.
    *closed_by_client* is set, and *closed_at* (seconds of the monotonic clock)
    known, when the client has closed that connection.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    closed_by_client: threading.Event = field(default_factory=threading.Event, repr=False)
    closed_at: float | None = None
    #: Whether this server ended the connection, so that its end says nothing about the client.
    ended_here: bool = False

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def closed(self, timeout: float = TIMEOUT) -> bool:
        """Wait until the client has closed the connection; False when it has not."""
        return self.closed_by_client.wait(timeout)


def event(content: object) -> bytes:
    """Return one server-sent event with *content* as JSON; characters stay unescaped UTF-8."""
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def words(text: str | Sequence[str]) -> list[str]:
    """Return the pieces *text* is sent in: a list as it is, a string word by word."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text) if isinstance(text, str) else list(text)


def openai_stream(  # noqa: PLR0913, each is one feature of the format
    text: str | Sequence[str],
    *,
    reasoning: str | Sequence[str] = "",
    usage: Mapping[str, int] | None = USAGE,
    finish: str | None = "stop",
    done: bool = True,
    model: str = "glm-test",
) -> list[bytes]:
    """Return the events of an OpenAI-type stream, one piece of *reasoning* or *text* in each.

    *usage* rides on the chunk with the finish reason. Without *finish* that
    chunk is missing, without *done* the last line of the stream is.
    """
    deltas = [{"reasoning_content": piece} for piece in words(reasoning)]
    deltas += [{"content": piece} for piece in words(text)]
    events = [event(openai_chunk(delta, model=model)) for delta in deltas]
    if finish is not None:
        last = openai_chunk({"content": ""}, model=model, finish=finish)
        events.append(event(last if usage is None else last | {"usage": dict(usage)}))
    return [*events, b"data: [DONE]\n\n"] if done else events


def openai_chunk(
    delta: Mapping[str, Any], *, model: str = "glm-test", finish: str | None = None
) -> dict[str, Any]:
    """Return one chunk of an OpenAI-type stream, before it is made into an event."""
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return {"id": "r1", "created": 1700000000, "model": model, "choices": [choice]}


def chatglm_stream(
    text: str | Sequence[str],
    *,
    mode: Literal["cumulative", "delta"] = "cumulative",
    think: str | Sequence[str] = "",
    conversation_id: str = "c1",
    finish: bool = True,
) -> list[bytes]:
    """Return the events of a chatglm.cn stream: one part of thinking, one of text.

    While it grows a part shows all of itself or, in *mode* `delta`, only what
    is new; its last event shows all of it in both. Without *finish* the last
    event of the text, which is the end of the stream, is missing.
    """
    frames: list[tuple[str, dict[str, Any]]] = []
    if think:
        grown = [chatglm_part("think", shown) for shown in _grown(words(think), mode)]
        whole = chatglm_part("think", "".join(think), status="finish")
        frames += [("init", part) for part in (*grown, whole)]
    frames += [("init", chatglm_part("text", shown)) for shown in _grown(words(text), mode)]
    if finish:
        frames.append(("finish", chatglm_part("text", "".join(text), status="finish")))
    return [event(chatglm_frame(part, status, conversation_id)) for status, part in frames]


def _grown(pieces: Sequence[str], mode: str) -> Iterable[str]:
    return accumulate(pieces) if mode == "cumulative" else pieces


def chatglm_part(
    kind: Literal["text", "think"], shown: str, *, status: str = "init"
) -> dict[str, Any]:
    """Return a part of a chatglm.cn event that shows *shown*."""
    return {
        "id": "m1",
        "logic_id": f"L-{kind}",
        "role": "assistant",
        "content": [{"type": kind, kind: shown, "status": status}],
        "model": "chatglm-all-tools",
        "meta_data": {},
        "status": status,
    }


def chatglm_frame(
    part: Mapping[str, Any], status: str = "init", conversation_id: str = "c1"
) -> dict[str, Any]:
    """Return what one chatglm.cn event holds; only its own *status* ends the stream."""
    return {
        "id": "m1",
        "conversation_id": conversation_id,
        "assistant_id": ASSISTANT,
        "parts": [part],
        "created_at": "2025-01-12 10:00:00",
        "meta_data": {},
        "status": status,
        "last_error": {},
    }


def cut_anew(chunks: Sequence[bytes | T], cut: Cut) -> Iterable[bytes | T]:
    """Yield *chunks* in other pieces: of one byte, or of so many; none of those is empty.

    A list of sizes is followed by the rest. What is not bytes stays where it
    is, and the cutting begins anew after it.
    """
    if cut == "whole":
        return chunks
    runs = groupby(chunks, lambda chunk: isinstance(chunk, bytes))
    return chain.from_iterable(
        _slices(b"".join(run), cut) if is_bytes else run  # type: ignore[arg-type]  # by the key
        for is_bytes, run in runs
    )


def _slices(body: bytes, cut: Cut) -> Iterator[bytes]:
    size = 1 if cut == "bytes" else cut
    sizes = repeat(size) if isinstance(size, int) else chain(size, [len(body)])
    at = 0
    while at < len(body):
        end = at + next(sizes)
        yield body[at:end]
        at = end


def encoded(pieces: Iterable[bytes | T], encoding: Encoding) -> Iterator[bytes | T]:
    """Yield *pieces* compressed, each so that it can be read as soon as it is there."""
    if not encoding:
        yield from pieces
        return
    squeeze = zlib.compressobj(wbits={"gzip": 31, "deflate": 15}[encoding])
    for piece in pieces:
        if isinstance(piece, bytes):
            yield squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        else:
            yield piece
    yield squeeze.flush()
