"""Requests under clocks, and foreign exceptions made ours. The only file that names aiohttp."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from errno import EMFILE
from http import HTTPStatus
from typing import Literal, NamedTuple

import aiohttp

from ..errors import ConfigError, GlmError, NetworkError, ProtocolError, ProviderError
from .address import host_of, proxy_error
from .base import Clocks
from .headers import Headers, bare, without_headers
from .sessions import Sessions

if sys.version_info >= (3, 11):
    from asyncio import timeout, timeout_at
else:
    from async_timeout import timeout, timeout_at

#: Seconds that an error page may take, and the rest of a stream after its finish signal.
LAST_SECONDS = 2.0
#: Seconds to wait for the end of the body, so that the connection can serve the next request.
SETTLE_SECONDS = 0.1

_WAIT = "Try again, or wait longer: %config GlmConfig.{} = 600"
Phase = Literal["waiting", "speaking", "ending"]


class Answer:
    """The response to one request: its head, and its body read piece by piece.

    The reader says in *phase* how far the answer has come, and so which clock
    runs: `waiting` for the first event, `speaking`, or `ending` after the
    finish signal.
    """

    def __init__(self, response: aiohttp.ClientResponse, clocks: Clocks, begun: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        content_type = response.headers.get("Content-Type", "")
        self.content_type = content_type.partition(";")[0].strip().lower()
        self.phase: Phase = "waiting"
        #: How the connection broke, when it did; reading then ends as at the end of the body.
        self.cut = ""
        self._content = response.content
        self._clocks = clocks
        self._last: float | None = None
        self._first = None if clocks.first_event is None else begun + clocks.first_event

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
            self.cut = str(_translate(error, "").what)
            return self._left_over()

    async def read_rest(self, limit: int) -> bytes:
        """Return the rest of the body, at most *limit* bytes of it."""
        body = bytearray()
        while len(body) < limit and (piece := await self.read()):
            body += piece
        return bytes(body[:limit])

    def check_whole(self) -> None:
        """Raise NetworkError when the connection broke before the end of the body."""
        if self.cut:
            raise NetworkError(self.cut, remedy="Try again.")

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
            return _unanswered(self._clocks)
        remedy = _WAIT.format("idle_timeout")
        return NetworkError(f"silent for {self._clocks.idle:g} s in mid-answer", remedy=remedy)

    def _left_over(self) -> bytes:
        # aiohttp refuses to hand out what it had received before a framing error; nothing that
        # came may be lost, so its buffer is emptied by hand (once: it is empty at the next call).
        buffer = getattr(self._content, "_buffer", None) or []
        offset = getattr(self._content, "_buffer_offset", 0)
        left = b"".join(buffer)[offset:]
        buffer.clear()
        return left


def _unanswered(clocks: Clocks) -> NetworkError:
    what = f"no answer within {clocks.first_event:g} s"
    return NetworkError(what, remedy=_WAIT.format("first_event_timeout"))


class Transport:
    """Connections to one far side, kept open between requests.

    *proxy_for* gives the proxy of an address, or "".
    """

    def __init__(self, clocks: Clocks, proxy_for: Callable[[str], str]) -> None:
        self.clocks = clocks
        self._proxy_for = proxy_for
        self.sessions = Sessions(self._new_session)

    @asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Headers, body: bytes | None = None
    ) -> AsyncIterator[Answer]:
        """Send one request and give its answer; the connection is closed unless it was read whole.

        Raises NetworkError or ProtocolError; redirects are not followed.
        """
        proxy = self._proxy_for(url)
        async with self.sessions.use() as session:
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
                    raise _unanswered(self.clocks) from None
            try:
                if proxy and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    raise proxy_error(proxy, response.status)
                with _ending_with_connection(response):
                    yield Answer(response, self.clocks, begun)
            finally:
                # Gives a connection whose body was read to its end back to the pool.
                response.release() if response.content.is_eof() else response.close()

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.clocks.connect),
        )


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


@contextmanager
def translating(proxy: str) -> Iterator[None]:
    """Turn what aiohttp and the system raise into our errors, whatever it is."""
    try:
        yield
    except GlmError:
        raise
    except Exception as error:  # noqa: BLE001, what passed would show the key in its variables
        raise _translate(error, proxy) from without_headers(error)


def _translate(error: Exception, proxy: str) -> ProviderError | ConfigError:
    """Return our error for a foreign one; the first row that fits says it."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_error(proxy, error.status)
    why = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    row = next(row for row in _TABLE if isinstance(error, row.kind))
    if getattr(why, "errno", None) == EMFILE:
        row = _TOO_MANY
    what = row.what.format(why=str(why) or type(why).__name__, proxy=host_of(proxy))
    ours = row.ours(what, remedy=row.remedy)
    if isinstance(ours, NetworkError):
        ours.passing = row.is_passing
    return ours


class _Row(NamedTuple):
    kind: type[Exception]
    what: str
    remedy: str = "Try again."
    is_passing: bool = True
    ours: type[ProviderError | ConfigError] = NetworkError


_TOO_MANY = _Row(
    OSError,
    "this process has too many files and connections open",
    "Ask fewer questions at once, or raise its limit (ulimit -n).",
)
_TABLE = (
    _Row(
        aiohttp.ClientProxyConnectionError,
        "the proxy {proxy} does not answer",
        "Start it, or change HTTP_PROXY, HTTPS_PROXY or GlmConfig.proxy.",
    ),
    _Row(
        aiohttp.ClientConnectorCertificateError,
        "its TLS certificate is not trusted ({why})",
        "Check the address; behind a company proxy, name its certificate in SSL_CERT_FILE.",
        is_passing=False,
    ),
    _Row(
        aiohttp.ClientSSLError,
        "the TLS handshake failed ({why})",
        "Check the address: a server on this machine or in the house often speaks http://.",
        is_passing=False,
    ),
    _Row(
        aiohttp.ClientConnectorDNSError,
        "this host name is not known",
        "Check the address for a typing error, and the network connection.",
    ),
    _Row(
        aiohttp.ServerTimeoutError,
        "no connection in time",
        "Check the address and the network, or raise %config GlmConfig.connect_timeout.",
    ),
    _Row(
        aiohttp.ClientConnectorError,
        "no connection ({why})",
        "Is the server running, and is the port right?",
    ),
    _Row(
        aiohttp.ClientResponseError,
        "its answer is not HTTP ({why})",
        "Is this an HTTP server of the right kind?",
        ours=ProtocolError,
    ),
    _Row(
        ValueError,  # InvalidURL is one, and what is raised for a header that cannot be
        "this address, or one of the headers, cannot be used ({why}).",
        "Check GLM_BASE_URL and the headers.",
        ours=ConfigError,
    ),
    _Row(Exception, "the connection was cut ({why})"),
)
