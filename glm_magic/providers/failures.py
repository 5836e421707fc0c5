"""Foreign exceptions made ours: the table of what can go wrong on the way to a far side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EMFILE
from typing import NamedTuple

import aiohttp
from aiohttp import http_exceptions

from ..errors import ConfigError, GlmError, NetworkError, ProtocolError, ProviderError, names
from .address import host_of, proxy_error
from .bodies import UNPACKED_REMEDY
from .headers import without_headers


@contextmanager
def translating(proxy: str) -> Iterator[None]:
    """Turn what aiohttp and the system raise into our errors, whatever it is."""
    try:
        yield
    except GlmError:
        raise
    except Exception as error:  # noqa: BLE001, what passed would show the key in its variables
        raise translate(error, proxy) from without_headers(error)


def translate(error: Exception, proxy: str) -> ProviderError | ConfigError:
    """Return our error for a foreign one; the first row that fits says it."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_error(proxy, error.status)
    cause = next((each for each in _causes(error) if isinstance(each, _UNPACKING)), error)
    row = next(row for row in _TABLE if isinstance(cause, row.kind))
    if getattr(getattr(error, "os_error", error), "errno", None) == EMFILE:
        row = _TOO_MANY
    what = row.what.format(why=_why(cause), proxy=host_of(proxy))
    ours = row.ours(through(what, proxy), remedy=row.remedy)
    if isinstance(ours, NetworkError):
        ours.passing = row.is_passing
    return ours


def through(what: str, proxy: str) -> str:
    """Return *what* went wrong with the *proxy* named that it was on the way, if there was one."""
    host = host_of(proxy)
    return f"{what} through the proxy {host}" if proxy and not names(what, host) else what


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _why(error: BaseException) -> str:
    """Return the reason in the words of whoever knows it best, in one line."""
    known = ("certificate_error", "os_error", "message")
    best = next((value for name in known if (value := getattr(error, name, None))), error)
    return next(iter(str(best).strip().splitlines()), "").rstrip(" :") or type(best).__name__


class _Row(NamedTuple):
    kind: type[BaseException]
    what: str
    remedy: str = "Try again."
    is_passing: bool = True
    ours: type[ProviderError | ConfigError] = NetworkError


_UNPACKING = http_exceptions.ContentEncodingError

_TOO_MANY = _Row(
    OSError,
    "this process has too many files and connections open",
    "Ask fewer questions at once, or raise its limit (ulimit -n).",
)
_TABLE = (
    _Row(
        _UNPACKING,
        "its answer cannot be unpacked ({why})",
        UNPACKED_REMEDY,
        ours=ProtocolError,
    ),
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
    _Row(BaseException, "the connection was cut ({why})"),
)
