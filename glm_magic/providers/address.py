"""Addresses of far sides: cleaned, checked, and named for the user. No I/O."""

from __future__ import annotations

import ipaddress
import re
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..errors import ConfigError, NetworkError, shortened

#: What to do about an address that is plain http and not on this machine.
OVER_TLS = "Use https, or a port that SSH brings to this machine (ssh -L 8000:127.0.0.1:8000 …)"

_HOST = re.compile(r"([\w.-]+|\[[\w.:%]+\])(:\d+)?")
_TAILS = ("/chat/completions", "/completions", "/models")


def normalise(base_url: str, *, version: str = "") -> str:
    """Return *base_url* as the part in front of `/chat/completions`.

    A pasted full path loses its tail, a missing scheme becomes https (http on
    this machine), and an address without any path gets *version*, such as
    `/v1`. Raises ConfigError for what is no http address.
    """
    text = base_url.strip()
    parts = _split(text if "://" in text else f"//{text}")
    if parts is None or not parts.hostname or re.search(r"\s", parts.netloc):
        raise _no_address("", text, "http://127.0.0.1:8000/v1")
    scheme = parts.scheme or ("http" if is_loopback(parts.hostname) else "https")
    path = parts.path.rstrip("/")
    for tail in _TAILS:
        path = path.removesuffix(tail).rstrip("/")
    return urlunsplit((scheme, parts.netloc, path or version, "", ""))


def _split(url: str) -> SplitResult | None:
    """Return the parts of *url*, or None when it is no http address; `//host` will do."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        return None
    # Behind a password with a slash in it, the rest of the password would be a path to show.
    is_cut = "@" in parts.path + parts.query + parts.fragment
    is_cut = is_cut or "%40" in parts.netloc.rpartition("@")[2]  # all of it would be the host
    return parts if parts.scheme in ("http", "https", "") and not is_cut else None


def _no_address(what: str, text: str, example: str) -> ConfigError:
    hint = " (in a password, / is %2F and # is %23)" if "@" in text else ""
    what = f"{what}{_without_user(text)!r} is not an http address."
    return ConfigError(what, remedy=f"Write it like {example}{hint}")


def _without_user(url: str) -> str:
    """Return *url*, which may be no address at all, without the user:password in it."""
    return url.replace("%40", "@").rpartition("@")[2]


def host_of(url: str) -> str:
    """Return host and port of *url* for messages, without any user:password; "" for none."""
    try:
        return _without_user(urlsplit(url).netloc)
    except ValueError:  # where a redirect leads to may be anything
        return ""


def target_of(location: str) -> str:
    """Return the host that a redirect to *location* leads to, for messages; "" for none.

    Where a password, badly written, may pass for the host or its port, none is named.
    """
    host = host_of(location)
    is_cut = ":" in host and "@" in location.partition(host)[2]
    return shortened(host) if _HOST.fullmatch(host) and not is_cut else ""


def origin_of(url: str) -> tuple[str, str]:
    """Return scheme and host of *url*."""
    parts = urlsplit(url)
    return parts.scheme, host_of(url)


def is_local(url: str) -> bool:
    """Whether *url* is an address on this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether *host* (a name or an address, no port) is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    # Servers that listen on 0.0.0.0 print that address, and users paste it.
    return address.is_loopback or address.is_unspecified


def check_proxy(proxy: str) -> str:
    """Return *proxy* as an http address; raise ConfigError for SOCKS and for what is no address."""
    text = proxy if "://" in proxy else f"http://{proxy}"
    shown = _without_user(proxy)
    if text.lower().startswith("socks"):
        msg = f"the proxy {shown} is a SOCKS proxy, which is not supported."
        remedy = (
            "Name its HTTP port instead (Clash and V2Ray serve both): "
            'HTTPS_PROXY=http://127.0.0.1:7890 or %config GlmConfig.proxy = "http://127.0.0.1:7890"'
        )
        raise ConfigError(msg, remedy=remedy)
    parts = _split(text)
    if parts is None or not parts.hostname or re.search(r"\s", parts.netloc):
        raise _no_address("the proxy ", proxy, "http://127.0.0.1:7890")
    return text


def proxy_error(proxy: str, status: int) -> NetworkError:
    """Return the error for a *proxy* that refuses a request with an HTTP *status*."""
    remedy = "Change HTTP_PROXY, HTTPS_PROXY or GlmConfig.proxy."
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        remedy = "It wants a name and a password: http://name:password@host:port"
    error = NetworkError(f"the proxy {host_of(proxy)} refuses (HTTP {status})", remedy=remedy)
    error.passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return error
