"""What all providers over HTTP share: one POST, one stream back, and when to ask again."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from ..config import proxy_for
from ..errors import ProtocolError, ProviderError, StatusError
from ..messages import Delta, Message, Reply
from ..redact import MASK, Secret
from ..wire.sse import Event, SSEDecoder
from .address import check_proxy, host_of, is_local, origin_of
from .base import Clocks, Messages, Options, Request
from .bodies import BLANK, kind_of, page_error, read_json, words_of
from .http import Answer, Phase, Transport
from .retry import pause, read_retry_after

#: Bytes that are read of an error page, and of an answer that comes in one piece.
ERROR_BYTES = 64 * 2**10
ANSWER_BYTES = 16 * 2**20
#: What a notice counts for in that: a stream of nothing else must have an end as well.
NOTICE_SIZE = 1000

OK = 200
REDIRECTS = range(300, 400)

_KEY_HEADER = re.compile("auth|cookie|key|password|secret|token", re.IGNORECASE)


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

    def decode(self, event: Event) -> list[Delta]:
        """Return what *event* adds."""

    def close(self) -> list[Delta]:
        """Return what the end of the stream adds; raises what the far side reported."""

    def rest(self) -> list[Delta]:
        """Return what was kept back, when the stream has broken off."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its real headers, and the ways to read what comes back."""

    request: Request
    headers: dict[str, str]
    decoder: Decoder
    read_answer: Callable[[dict[str, Any]], list[Delta]]
    refusal: Callable[[int, object, float | None], ProviderError]


class RemoteProvider(ABC):
    """A far side that answers one POST with a stream of server-sent events.

    *headers* go on top of our own. *proxy* is the proxy's address; None takes
    the environment's. The far side on this machine is always reached directly.
    """

    def __init__(  # noqa: PLR0913, the settings of a connection
        self,
        *,
        name: str,
        model: str,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        clocks: Clocks | None = None,
        retries: int = 2,
    ) -> None:
        self.name = name
        self.model = model
        self.base_url = base_url
        self.retries = retries
        self._extra_headers = dict(headers or {})
        for secret in filter(_KEY_HEADER.search, self._extra_headers):
            # From now on it is masked in every text.
            Secret(self._extra_headers[secret].rpartition(" ")[2])
        self._proxy = proxy
        self._transport = Transport(clocks or Clocks(), self._proxy_for)

    @property
    def host(self) -> str:
        """Host and port of the far side."""
        return host_of(self.base_url)

    @abstractmethod
    def _call(
        self, messages: Sequence[Message], options: Options, conversation_id: str | None
    ) -> Call:
        """Return the request for *messages*; raises ConfigError when a setting is missing."""

    async def _get_ready(self, options: Options) -> None:  # noqa: B027, most need nothing
        """Learn from the far side what the request needs, where there is something to learn."""

    def prepare(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> Request:
        """Return what `stream` would send, with the key masked; sends nothing."""
        history = [Message.of(message) for message in messages]
        return self._call(history, options or Options(), conversation_id).request

    async def stream(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer step by step; asks again only while nothing was answered yet.

        Raises ProviderError (its `partial` is the reply so far) and ConfigError.
        """
        history = [Message.of(message) for message in messages]
        wanted = options or Options()
        reply = Reply(host=self.host)
        tried = 0
        while True:
            try:
                await self._get_ready(wanted)
                call = self._call(history, wanted, conversation_id)
                async with aclosing(self._exchange(call, reply)) as deltas:
                    async for delta in deltas:
                        reply.add(delta)
                        yield delta
            except ProviderError as error:
                error.host = error.host or self.host
                error.partial = reply
                seconds = self._pause(error, tried)
                if seconds is None:
                    raise
                why = f"{self.host}: {error.what}"
            else:
                return
            tried += 1
            async with aclosing(_count_down(why, seconds)) as remarks:
                async for delta in remarks:
                    reply.add(delta)
                    yield delta

    def _pause(self, error: ProviderError, tried: int) -> float | None:
        was_heard = error.partial is not None and _is_heard(error.partial)
        return None if was_heard or tried >= self.retries else pause(error, tried)

    async def _exchange(self, call: Call, reply: Reply) -> AsyncGenerator[Delta, None]:
        for notice in call.request.notices:
            if notice not in reply.notices:
                yield Delta(notice=notice)
        body = json.dumps(call.request.body).encode()
        url = call.request.url
        async with self._transport.request("POST", url, call.headers, body) as answer:
            if answer.status != OK:
                raise await _refusal(call, answer)
            async with aclosing(_read(call, answer)) as deltas:
                try:
                    async for delta in deltas:
                        if delta.finish_reason and not _is_heard(reply):
                            answer.check_whole()
                        yield delta
                except ProviderError:
                    for delta in call.decoder.rest() if _is_heard(reply) else ():
                        yield delta
                    raise

    def _shown_headers(self) -> dict[str, str]:
        """Return the user's own headers with keys masked."""
        headers = self._extra_headers.items()
        return {name: MASK if _KEY_HEADER.search(name) else value for name, value in headers}

    def _proxy_for(self, url: str) -> str:
        if is_local(url):
            return ""
        scheme, host = origin_of(url)
        proxy = proxy_for(scheme, host) if self._proxy is None else self._proxy
        return check_proxy(proxy) if proxy else ""

    async def __aenter__(self) -> RemoteProvider:
        self._transport.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the provider can be used again."""
        await self._transport.aclose()


def _is_heard(reply: Reply) -> bool:
    return bool(reply.text or reply.reasoning)


async def _count_down(why: str, seconds: float) -> AsyncGenerator[Delta, None]:
    yield Delta(notice=f"{why}; asked again")
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        yield Delta(progress=f"{why}; asking again in {math.ceil(left)} s")
        await asyncio.sleep(min(left, 1.0))


async def _read(call: Call, answer: Answer) -> AsyncGenerator[Delta, None]:
    """Yield the deltas of a response that is no refusal by its status."""
    head = await answer.read()
    while (kind := kind_of(head, answer.content_type)) is None and (more := await answer.read()):
        head = (head + more).lstrip(BLANK)  # else blanks without end would fill the memory
    if kind == "json":
        body = head + await answer.read_rest(ANSWER_BYTES)
        answer.check_whole()
        for delta in call.read_answer(_object(body)):
            yield delta
    elif kind == "page":
        raise page_error(head + await answer.read_rest(ERROR_BYTES))
    else:
        async with aclosing(_read_events(call.decoder, answer, head)) as deltas:
            async for delta in deltas:
                yield delta


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
    size = 0
    chunk = head
    while chunk:
        events = sse.feed(chunk)
        for delta in (delta for event in events for delta in decoder.decode(event)):
            size += len(delta.content) + len(delta.reasoning) - delta.retract
            size += NOTICE_SIZE if delta.notice else 0
            yield delta
        _check_size(size + decoder.kept)
        answer.phase = _phase(decoder, answer.phase, is_heard=bool(events))
        chunk = b"" if decoder.is_done else await answer.read()
    if answer.phase == "waiting":
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


async def _refusal(call: Call, answer: Answer) -> ProviderError:
    """Return the error for a status other than 200."""
    if answer.status in REDIRECTS:
        target = host_of(answer.headers.get("Location", "")) or "another address"
        what = f"it points to {target} (HTTP {answer.status}), which is not followed."
        remedy = "If you trust that address, name it as the base URL."
        return StatusError(what, remedy=remedy, status=answer.status)
    answer.phase = "ending"
    body = await answer.read_rest(ERROR_BYTES)
    payload = read_json(body)
    retry_after = read_retry_after(answer.headers, time.time())
    return call.refusal(answer.status, words_of(body) if payload is None else payload, retry_after)
