"""Requests under clocks: connections, and answers read piece by piece."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD

from ..errors import ConfigError, NetworkError, ProtocolError, ProviderError
from .address import proxy_error
from .base import Clocks
from .failures import through, translate, translating
from .headers import Headers, bare
from .sessions import Sessions

if sys.version_info >= (3, 11):
    from asyncio import timeout, timeout_at
else:
    from async_timeout import timeout, timeout_at

#: Seconds that an error page may take, and the rest of a stream after its finish signal.
LAST_SECONDS = 2.0
#: Seconds to wait for the end of the body, so that the connection can serve the next request.
SETTLE_SECONDS = 0.1

#: Bytes that the headers of an answer may have; the library reads 128 of them at most.
HEADER_BYTES = 64 * 2**10

_WAIT = "Try again, or wait longer: %config GlmConfig.{} = 600"
Phase = Literal["waiting", "speaking", "ending"]


class Answer:
    """The response to one request: its head, and its body read piece by piece.

    The reader says in *phase* how far the answer has come, and so which clock
    runs: `waiting` for the first event, `speaking`, or `ending` after the
    finish signal. Leaving its `async with` closes it. That is no generator: a
    loop that ends would close it on its own, before those that read from it.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        clocks: Clocks,
        begun: float,
        proxy: str,
        held: AsyncExitStack,
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        content_type = response.headers.get("Content-Type", "")
        self.content_type = content_type.partition(";")[0].strip().lower()
        self.phase: Phase = "waiting"
        #: How the connection broke, when it did; reading then ends as at the end of the body.
        self.cut: ProviderError | ConfigError | None = None
        self._content = response.content
        self._clocks = clocks
        self._proxy = proxy
        self._held = held
        self._last: float | None = None
        self._first = None if clocks.first_event is None else begun + clocks.first_event

    async def __aenter__(self) -> Answer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        closing = self._held.__aexit__(kind, error, trace)
        if kind in {GeneratorExit, asyncio.CancelledError}:
            _hasten(closing)
        else:
            await closing

    async def read(self) -> bytes:
        """Return the bytes that have come, waiting for some; b"" at the end.

        Raises NetworkError when a clock runs out.
        """
        try:
            async with timeout_at(self._deadline()):
                return await self._content.readany()
        except asyncio.TimeoutError:
            if self.phase == "ending":
                return b""
            raise self._silence() from None
        except (aiohttp.ClientError, OSError) as error:
            self.cut = translate(error, self._proxy)
            return self._left_over()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self.cut is not None or self._content.at_eof()

    def expect(self, phase: Phase) -> None:
        """Be in *phase* from now on; its clock starts anew."""
        self.phase, self._last = phase, None

    async def read_rest(self, limit: int) -> bytes:
        """Return the rest of the body, at most *limit* bytes of it."""
        body = bytearray()
        while len(body) < limit and (piece := await self.read()):
            body += piece
        return bytes(body[:limit])

    def check_whole(self) -> None:
        """Raise NetworkError when the connection broke before the end of the body.

        A body that cannot be unpacked is a ProtocolError.
        """
        if self.cut is not None:
            raise self.cut

    async def settle(self) -> None:
        """Wait a moment for the end of the body; what still comes is dropped."""
        self._last = asyncio.get_running_loop().time() + SETTLE_SECONDS
        self.phase = "ending"
        while await self.read():
            pass

    def _deadline(self) -> float | None:
        now = asyncio.get_running_loop().time()
        if self.phase == "waiting":
            return self._first
        if self.phase == "ending":
            self._last = self._last or now + LAST_SECONDS
            return self._last
        return None if self._clocks.idle is None else now + self._clocks.idle

    def _silence(self) -> NetworkError:
        if self.phase == "waiting":
            return _unanswered(self._clocks, self._proxy)
        remedy = _WAIT.format("idle_timeout")
        what = f"silent for {self._clocks.idle:g} s in mid-answer"
        return NetworkError(through(what, self._proxy), remedy=remedy)

    def _left_over(self) -> bytes:
        # aiohttp refuses to hand out what it had received before a framing error; nothing that
        # came may be lost, so its buffer is emptied by hand (once: it is empty at the next call).
        buffer = getattr(self._content, "_buffer", None) or []
        offset = getattr(self._content, "_buffer_offset", 0)
        left = b"".join(buffer)[offset:]
        buffer.clear()
        return left


def _hasten(closing: Coroutine[object, None, object]) -> None:
    """Run *closing* without giving way, up to where it waits for something, and leave it there.

    The connection of an answer that is closed in its middle is closed by then.
    Were the generators around suspended once more, a loop that ends would close
    those that close already, which is an error; and Python 3.11 tears them
    apart when it cancels such a close.
    """
    try:
        while closing.send(None) is None:  # this only lets others go first
            pass
    except StopIteration:
        return
    closing.close()


class _HeadFirst(ResponseHandler):
    """Reads the head of an answer before what came with it in one packet.

    The library gives up both where the framing behind the head is broken. And
    it would take what comes between two questions for the answer to the next.
    """

    def set_response_params(self, **params: Any) -> None:  # Any: the library's own
        self._payload = None  # that of the question before
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        # A head without a body has the same body each time, also before the answer itself.
        is_answered = self._payload not in {None, EMPTY_PAYLOAD} and self._payload.is_eof()
        if data and is_answered and self.transport is not None:
            self.transport.close()  # nobody asked for this: the next question has its own
            return
        start = 0
        while (blank := data.find(b"\r\n\r\n", start)) >= 0:
            super().data_received(data[start : blank + 4])
            start = blank + 4
            if not data.startswith(b"HTTP/", start):  # as it does behind early hints
                break
        if start < len(data) or not data:  # without data the library goes on unpacking
            super().data_received(data[start:])


def _unanswered(clocks: Clocks, proxy: str) -> NetworkError:
    what = through(f"no answer within {clocks.first_event:g} s", proxy)
    return NetworkError(what, remedy=_WAIT.format("first_event_timeout"))


class Transport:
    """Connections to one far side, kept open between requests.

    *proxy_for* gives the proxy of an address, or "".
    """

    def __init__(self, clocks: Clocks, proxy_for: Callable[[str], str]) -> None:
        self.clocks = clocks
        self._proxy_for = proxy_for
        self.sessions = Sessions(self._new_session)

    async def request(
        self, method: str, url: str, headers: Headers, body: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer, to be closed by `async with`.

        The connection is closed as well unless the answer was read whole.
        Raises NetworkError or ProtocolError; redirects are not followed.
        """
        proxy = self._proxy_for(url)
        async with AsyncExitStack() as held:
            session = self.sessions.take()
            held.push_async_callback(self.sessions.give_back, session)
            begun = asyncio.get_running_loop().time()
            with translating(proxy):
                try:
                    async with timeout(self.clocks.first_event):
                        response = await session.request(
                            method,
                            url,
                            data=body,
                            headers=bare(headers),
                            proxy=proxy or None,
                            allow_redirects=False,
                        )
                except aiohttp.ConnectionTimeoutError:
                    raise
                except asyncio.TimeoutError:
                    raise _unanswered(self.clocks, proxy) from None
            held.callback(_let_go, response)
            if proxy and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                raise proxy_error(proxy, response.status)
            _check_headers(response)
            held.enter_context(_ending_with_connection(response))
            return Answer(response, self.clocks, begun, proxy, held.pop_all())

    def _new_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        # There is no public way to name the protocol of its connections.
        protocol = partial(_HeadFirst, asyncio.get_running_loop())
        connector._factory = protocol  # type: ignore[assignment]  # noqa: SLF001
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.clocks.connect),
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )


def _check_headers(response: aiohttp.ClientResponse) -> None:
    size = sum(len(name) + len(value) for name, value in response.raw_headers)
    if size > HEADER_BYTES:
        what = f"its answer is not HTTP (more than {HEADER_BYTES // 2**10} KiB of headers)."
        raise ProtocolError(what, remedy="Is this an HTTP server of the right kind?")


def _let_go(response: aiohttp.ClientResponse) -> None:
    # Gives a connection whose body was read to its end back to the pool.
    response.release() if response.content.is_eof() else response.close()


@contextmanager
def _ending_with_connection(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Have the body end with its connection: broken framing leaves a reader waiting for ever."""
    content = response.content
    protocol = response.connection.protocol if response.connection else None
    closed = None if protocol is None else protocol.closed

    def end(closed: asyncio.Future[None] | None = None) -> None:
        why = closed.exception() if closed and not closed.cancelled() else None
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError(str(why or "broken framing")))

    closed.add_done_callback(end) if closed else end()
    try:
        yield
    finally:
        if closed:  # a connection that is kept would keep what it has brought
            closed.remove_done_callback(end)
