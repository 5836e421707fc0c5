"""From the bytes of one response to deltas, or to the error that it means."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import ProtocolError, ProviderError, StatusError
from ..messages import Delta
from ..wire.sse import Event, SSEDecoder
from .address import target_of
from .base import Request
from .bodies import BLANK, error_in, kind_of, packed_error, page_error, read_json, words_of
from .headers import Headers
from .http import Answer, Phase
from .retry import read_retry_after

#: Bytes that are read of an error page, and of an answer that comes in one piece.
ERROR_BYTES = 64 * 2**10
ANSWER_BYTES = 16 * 2**20
#: What a notice counts for in that: a stream of nothing else must have an end as well.
NOTICE_SIZE = 1000

OK = 200
GOOD = range(200, 300)
#: The statuses that name another address.
REDIRECTS = (300, 301, 302, 303, 305, 307, 308)


#: What makes an error of a status, the body that came with it, and the pause that is asked for.
Refusal = Callable[[int, object, float | None], ProviderError]


class Decoder(Protocol):
    """What both wires have: events in, deltas out."""

    @property
    def is_ending(self) -> bool:
        """Whether the finish signal has come; usage may follow."""

    @property
    def is_done(self) -> bool:
        """Whether the last delta was given out."""

    @property
    def kept(self) -> int:
        """About how many characters were taken in and not given out."""

    def join(self, chunk: bytes) -> bytes:
        """Return *chunk* of the stream, to be framed, in as few events as say the same."""

    def decode(self, event: Event) -> list[Delta]:
        """Return what *event* adds."""

    def close(self) -> list[Delta]:
        """Return what the end of the stream adds; raises what the far side reported."""

    def rest(self) -> list[Delta]:
        """Return what was kept back, when the stream has broken off."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its headers, the key still hidden, and the ways to read what comes back."""

    request: Request
    headers: Headers
    decoder: Decoder
    read_answer: Callable[[dict[str, Any]], Iterable[Delta]]
    refusal: Refusal


async def read(call: Call, answer: Answer) -> AsyncGenerator[Delta, None]:
    """Yield the deltas of a response that is no refusal by its status."""
    head = await answer.read()
    while (kind := kind_of(head, answer.content_type)) is None and (more := await answer.read()):
        head = (head + more).lstrip(BLANK)  # else blanks without end would fill the memory
    if kind == "json":
        for delta in call.read_answer(_object(await read_whole(answer, head))):
            yield delta
    elif kind == "packed":
        raise packed_error()
    elif kind == "page":
        raise page_error(head + await read_page(answer))
    else:
        async with aclosing(_read_events(call.decoder, answer, head)) as deltas:
            async for delta in deltas:
                yield delta


async def read_whole(answer: Answer, head: bytes = b"") -> bytes:
    """Return the JSON body that begins with *head*, where the connection stays open as well.

    What may be all of it is waited for no longer than the rest of a stream, if it is all of it.
    A web page in its place is read like any error page.
    """
    body, may_be_all = bytearray(head), True
    while len(body) < ANSWER_BYTES:
        if body.startswith(b"<"):
            return bytes(body) + await read_page(answer)
        is_end = may_be_all and body[-8:].rstrip().endswith(b"}")
        answer.expect("ending" if is_end else "speaking" if body else "waiting")
        piece = await answer.read()
        if not piece and (answer.is_over or read_json(bytes(body)) is not None):
            break
        body += piece if body else piece.lstrip(BLANK)
        may_be_all = bool(piece)
    answer.check_whole()
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    payload = read_json(body)
    if payload is None:
        what = "it sent something that is no JSON object."
        raise ProtocolError(what, remedy="Check the address.", start=words_of(body))
    return payload


async def _read_events(
    decoder: Decoder, answer: Answer, head: bytes
) -> AsyncGenerator[Delta, None]:
    sse = SSEDecoder()
    size = notices = 0
    was_heard = False
    chunk = head
    while chunk:
        events = sse.feed(decoder.join(chunk))
        for delta in (delta for event in events for delta in decoder.decode(event)):
            size += len(delta.content) - delta.retract
            size += len(delta.reasoning) - delta.retract_reasoning
            notices += bool(delta.notice)
            was_heard = was_heard or bool(delta.content or delta.reasoning)
            yield delta
        _check_size(size + NOTICE_SIZE * notices + decoder.kept)
        answer.phase = _phase(decoder, answer.phase, is_heard=bool(events))
        events.clear()  # they may be large, and more are read before the next ones
        chunk = b"" if decoder.is_done else await answer.read()
    if not (was_heard or decoder.is_ending):  # a cut before any word: it may be asked again
        answer.check_whole()
    for delta in (delta for event in sse.close() for delta in decoder.decode(event)):
        yield delta
    for delta in decoder.close():
        yield delta
    await answer.settle()


def _phase(decoder: Decoder, phase: Phase, *, is_heard: bool) -> Phase:
    return "ending" if decoder.is_ending else "speaking" if is_heard else phase


def _check_size(size: int) -> None:
    if size > ANSWER_BYTES:
        msg = f"the answer is longer than {ANSWER_BYTES // 2**20} MiB and was cut off."
        raise ProtocolError(msg, remedy="Ask for less at a time.")


def _redirected(answer: Answer) -> StatusError:
    """Return the error for an answer that points somewhere else."""
    target = target_of(answer.headers.get("Location", "")) or "another address"
    what = f"it points to {target} (HTTP {answer.status}), which is not followed."
    remedy = "If you trust that address, name it as the base URL."
    return StatusError(what, remedy=remedy, status=answer.status)


async def read_page(answer: Answer) -> bytes:
    """Return the start of an error page, for which the rest of a stream would be waited as long."""
    answer.expect("ending")
    return await answer.read_rest(ERROR_BYTES)


async def refusal(answer: Answer, classify: Refusal) -> ProviderError:
    """Return the error for a status that is not good, as *classify* tells it from the body."""
    if answer.status in REDIRECTS:
        return _redirected(answer)
    body = await read_page(answer)
    found = error_in(body)
    retry_after = read_retry_after(answer.headers, time.time())
    return classify(answer.status, words_of(body) if found is None else found, retry_after)
