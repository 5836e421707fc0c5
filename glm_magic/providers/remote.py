"""What all providers over HTTP share: one POST, one stream back, and when to ask again."""

from __future__ import annotations

import asyncio
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from ..config import may_be_plain, proxy_for
from ..errors import ConfigError, ProviderError, StatusError
from ..messages import Delta, Message, Reply
from ..redact import hide_password, redact
from .address import OVER_TLS, check_proxy, host_of, is_local, origin_of
from .base import Clocks, Messages, Options, Request
from .headers import hidden
from .http import Transport
from .reading import GOOD, Call, read, refusal
from .retry import pause, read_retry_after


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
        self._extra_headers = hidden(headers or {})
        self._proxy = proxy
        hide_password(base_url)
        self._transport = Transport(clocks or Clocks(), self.proxy_to)

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
        """Return what `stream` would send, with keys and passwords masked; sends nothing."""
        history = [Message.of(message) for message in messages]
        request = self._call(history, options or Options(), conversation_id).request
        return replace(request, url=redact(request.url))

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
        tried, was_heard = 0, False  # also what was taken back was heard
        while True:
            try:
                await self._get_ready(wanted)
                call = self._call(history, wanted, conversation_id)
                async with aclosing(self._exchange(call, reply)) as deltas:
                    async for delta in deltas:
                        was_heard = was_heard or bool(delta.content or delta.reasoning)
                        reply.add(delta)
                        yield delta
            except ProviderError as error:
                error.host = error.host or self.host
                error.partial = reply
                is_over = was_heard or tried >= self.retries
                seconds = None if is_over else pause(error, tried)
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

    async def _exchange(self, call: Call, reply: Reply) -> AsyncGenerator[Delta, None]:
        for notice in call.request.notices:
            if notice not in reply.notices:
                yield Delta(notice=notice)
        body = json.dumps(call.request.body).encode()
        url = call.request.url
        async with await self._transport.request("POST", url, call.headers, body) as answer:
            if answer.status not in GOOD:
                raise await refusal(answer, call.refusal)
            yield Delta(rest=call.decoder.rest)
            async with aclosing(read(call, answer)) as deltas:
                try:
                    async for delta in deltas:
                        yield delta
                except ProviderError as error:
                    for delta in call.decoder.rest() if reply.has_words else ():
                        yield delta
                    if isinstance(error, StatusError):
                        error.wait(read_retry_after(answer.headers, time.time()))
                    raise

    def proxy_to(self, url: str) -> str:
        """Return the proxy in the way to *url*, or "".

        Raises ConfigError where there is no good way: for a proxy of no use, and for plain http.
        """
        if is_local(url):
            return ""
        check_plain(url)
        scheme, host = origin_of(url)
        proxy = proxy_for(scheme, host) if self._proxy is None else self._proxy
        hide_password(proxy)
        return check_proxy(proxy) if proxy else ""

    async def __aenter__(self) -> RemoteProvider:
        self._transport.sessions.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, those in use when their answer ends; it can be used again."""
        await self._transport.sessions.aclose()


def check_plain(url: str) -> None:
    """Raise ConfigError where *url* would be asked without TLS and the user did not say so."""
    scheme, host = origin_of(url)
    if scheme == "http" and not is_local(url) and not may_be_plain(host):
        what = f"nothing is sent to {host} over plain http, where others can read along."
        remedy = (
            f"{OVER_TLS}; or, if you trust the network: "
            f'%config GlmConfig.plain_http = "{host}" (GLM_PLAIN_HTTP={host})'
        )
        raise ConfigError(what, remedy=remedy)


async def _count_down(why: str, seconds: float) -> AsyncGenerator[Delta, None]:
    yield Delta(notice=f"{why}; asked again")
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        yield Delta(progress=f"{why}; asking again in {math.ceil(left)} s")
        await asyncio.sleep(min(left, 1.0))
    yield Delta()  # else the countdown would stand there while the next try is silent
