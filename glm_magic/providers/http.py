"""Requests under clocks, and foreign exceptions made ours. The only file that names aiohttp."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Literal
from weakref import WeakKeyDictionary

import aiohttp

from ..errors import ConfigError, NetworkError, ProtocolError, ProviderError
from ..loop import background
from .address import host_of
from .base import Clocks

if sys.version_info >= (3, 11):
    from asyncio import timeout, timeout_at
else:
    from async_timeout import timeout, timeout_at

#: Seconds that an error page may take, and the rest of a stream after its finish signal.
LAST_SECONDS = 2.0
#: Seconds to wait for the end of the body, so that the connection can serve the next request.
SETTLE_SECONDS = 0.1

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
        self.content_type = (
            response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        )
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
        pieces: list[bytes] = []
        size = 0
        while size < limit and (piece := await self.read()):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)[:limit]

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
        remedy = "Try again, or wait longer: %config GlmConfig.idle_timeout = 600"
        return NetworkError(f"silent for {self._clocks.idle:g} s in mid-answer", remedy=remedy)

    def _left_over(self) -> bytes:
        # aiohttp refuses to hand out what it had received before a framing error; nothing that
        # came may be lost, so its buffer is emptied by hand (once: it is empty at the next call).
        buffer = getattr(self._content, "_buffer", None)
        offset = getattr(self._content, "_buffer_offset", 0)
        if not buffer:
            return b""
        left = b"".join(buffer)[offset:]
        buffer.clear()
        return left


def _unanswered(clocks: Clocks) -> NetworkError:
    remedy = "Try again, or wait longer: %config GlmConfig.first_event_timeout = 600"
    return NetworkError(f"no answer within {clocks.first_event:g} s", remedy=remedy)


class Transport:
    """Connections to one far side, kept open between requests.

    *proxy_for* gives the proxy of an address, or "". Sessions belong to the
    loop they are made in: the background loop lives as long as the process and
    keeps its session, `enter` keeps one on another loop until `aclose`, and
    anywhere else, where nobody would close it, each request has its own.
    """

    def __init__(self, clocks: Clocks, proxy_for: Callable[[str], str]) -> None:
        self.clocks = clocks
        self._proxy_for = proxy_for
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            WeakKeyDictionary()
        )
        self._entered: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[Answer]:
        """Send one request and give its answer; the connection is closed unless it was read whole.

        Raises NetworkError or ProtocolError; redirects are not followed.
        """
        proxy = self._proxy_for(url)
        async with self._session() as session:
            begun = asyncio.get_running_loop().time()
            with translating(proxy):
                try:
                    async with timeout(self.clocks.first_event):
                        response = await session.request(
                            method,
                            url,
                            data=body,
                            headers=headers,
                            proxy=proxy or None,
                            allow_redirects=False,
                        )
                except aiohttp.ConnectionTimeoutError:
                    raise
                except asyncio.TimeoutError:
                    raise _unanswered(self.clocks) from None
            try:
                if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    raise _refused_by_proxy(response.status, host_of(proxy))
                yield Answer(response, self.clocks, begun)
            finally:
                # Gives a connection whose body was read to its end back to the pool.
                response.release() if response.content.is_eof() else response.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        loop = asyncio.get_running_loop()
        if not (background.is_current() or self._entered is loop):
            async with self._new_session() as session:
                yield session
            return
        if loop not in self._sessions:
            self._sessions[loop] = self._new_session()
            if background.is_current():
                background.closers.add(self._sessions[loop].close)
        yield self._sessions[loop]

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.clocks.connect),
            trust_env=False,
        )

    def enter(self) -> None:
        """Keep connections open on the running loop until `aclose`."""
        self._entered = asyncio.get_running_loop()

    async def aclose(self) -> None:
        """Close all connections; the transport can be used again."""
        self._entered = None
        sessions, self._sessions = dict(self._sessions), WeakKeyDictionary()
        for loop, session in sessions.items():
            background.closers.discard(session.close)
            if loop is asyncio.get_running_loop():
                await session.close()
            elif not loop.is_closed():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))


@contextmanager
def translating(proxy: str) -> Iterator[None]:
    """Turn what aiohttp and the system raise into our errors."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _translate(error, proxy) from error


def _translate(error: Exception, proxy: str) -> ProviderError | ConfigError:
    """Return our error for a foreign one; the first row that fits says it."""
    explain = next(explain for kind, explain in _TABLE if isinstance(error, kind))
    return explain(error, host_of(proxy))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _final(error: NetworkError) -> NetworkError:
    error.passing = False
    return error


def _cut(error: Exception, _: str) -> ProviderError:
    return NetworkError(f"the connection was cut ({_words(error)})", remedy="Try again.")


def _certificate(error: Exception, _: str) -> ProviderError:
    detail = _words(getattr(error, "certificate_error", error))
    remedy = "Check the address; behind a company proxy, name its certificate in SSL_CERT_FILE."
    return _final(NetworkError(f"its TLS certificate is not trusted ({detail})", remedy=remedy))


def _tls(error: Exception, _: str) -> ProviderError:
    remedy = "Check the address: a server on this machine or in the house often speaks http://."
    detail = _words(getattr(error, "os_error", error))
    return _final(NetworkError(f"the TLS handshake failed ({detail})", remedy=remedy))


def _name_unknown(_: Exception, __: str) -> ProviderError:
    remedy = "Check the address for a typing error, and the network connection."
    return NetworkError("this host name is not known", remedy=remedy)


def _refused(error: Exception, _: str) -> ProviderError:
    remedy = "Is the server running, and is the port right?"
    detail = getattr(error, "strerror", None) or _words(error)
    return NetworkError(f"no connection ({detail})", remedy=remedy)


def _slow(_: Exception, __: str) -> ProviderError:
    remedy = "Check the address and the network, or raise %config GlmConfig.connect_timeout."
    return NetworkError("no connection in time", remedy=remedy)


def _proxy_down(_: Exception, proxy: str) -> ProviderError:
    remedy = "Start it, or change HTTP_PROXY, HTTPS_PROXY or GlmConfig.proxy."
    return NetworkError(f"the proxy {proxy} does not answer", remedy=remedy)


def _proxy_refuses(error: Exception, proxy: str) -> ProviderError:
    return _refused_by_proxy(getattr(error, "status", 0), proxy)


def _refused_by_proxy(status: int, proxy: str) -> NetworkError:
    error = NetworkError(f"the proxy {proxy} refuses (HTTP {status})", remedy="Try without it.")
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        error.remedy = "It wants a name and a password: http://name:password@host:port"
    return error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _final(error)


def _unreadable(error: Exception, _: str) -> ProviderError:
    remedy = "Is this an HTTP server of the right kind?"
    return ProtocolError(f"its answer is not HTTP ({_words(error)})", remedy=remedy)


def _bad_setting(error: Exception, _: str) -> ConfigError:
    what = f"this address, or one of the headers, cannot be used ({_words(error)})."
    return ConfigError(what, remedy="Check GLM_BASE_URL and the headers.")


_TABLE: tuple[
    tuple[type[Exception], Callable[[Exception, str], ProviderError | ConfigError]], ...
] = (
    (ValueError, _bad_setting),  # InvalidURL is one
    (aiohttp.ClientHttpProxyError, _proxy_refuses),
    (aiohttp.ClientProxyConnectionError, _proxy_down),
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (aiohttp.ClientSSLError, _tls),
    (aiohttp.ClientConnectorDNSError, _name_unknown),
    (aiohttp.ServerTimeoutError, _slow),
    (aiohttp.ClientConnectorError, _refused),
    (aiohttp.ServerFingerprintMismatch, _certificate),
    (aiohttp.ClientResponseError, _unreadable),
    (aiohttp.ClientError, _cut),
    (OSError, _cut),
)
