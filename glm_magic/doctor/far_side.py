"""The doctor's checks of a far side: key, address, name, proxy, TLS, server, model."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from urllib.parse import urlsplit

from ..config import secret
from ..errors import ConfigError, GlmError
from ..messages import Message
from ..providers import Preset
from ..providers.address import host_of, is_local
from ..providers.base import Clocks
from ..providers.headers import Headers
from ..providers.http import Transport
from ..providers.openai import OpenAIProvider
from ..providers.reading import OK, REDIRECTS
from ..providers.remote import RemoteProvider, check_plain
from ..state import State
from .check import CONNECTING, Check, Sight, look, remedy_of, timeout
from .models import judge, place_of

_NO_PATH = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_PATHS = {"openai": "/health", "glm": "/models", "chatglm": "/"}
_NAME_REMEDY = "Check the address for a typing error, and the network connection."
_PROXY_REMEDY = "Change HTTP_PROXY, HTTPS_PROXY or GlmConfig.proxy."


async def far_side(
    state: State, preset: Preset, model: str, seconds: float
) -> AsyncGenerator[Check, None]:
    """Yield the checks of a provider that is reached over HTTP, each over within *seconds*."""
    try:
        provider = state.make(preset.name, model)
        assert isinstance(provider, RemoteProvider)  # noqa: S101, the others have no far side
        check_plain(provider.base_url)
    except ConfigError as error:
        yield Check("address", "wrong", error.what, error.remedy)
        yield Check("server", "open", "not checked: there is no address to ask")
        return
    key = _key(state, preset, provider)
    yield key
    yield Check("address", "right", _shown(provider.base_url))
    try:
        proxy = provider.proxy_to(provider.base_url)
    except ConfigError as error:
        yield Check("proxy", "wrong", error.what, error.remedy)
        yield Check("server", "open", "not checked: there is no way to it")
        return
    async with aclosing(_way(state, provider, preset, key, proxy, seconds)) as checks:
        async for check in checks:
            yield check


async def _way(  # noqa: PLR0913, PLR0917, what was found before
    state: State,
    provider: RemoteProvider,
    preset: Preset,
    key: Check,
    proxy: str,
    seconds: float,
) -> AsyncGenerator[Check, None]:
    name = await _look_up(provider.base_url, proxy, seconds)
    yield name
    # No clock but of the connection: the others would have settings as their remedy.
    transport = Transport(Clocks(CONNECTING * seconds, None, None), provider.proxy_to)
    transport.sessions.enter()
    try:
        sight = await _touch(transport, provider.base_url, preset, name, seconds)
        if name.name != "proxy":
            yield _proxy(state, provider.base_url, proxy, sight)
        yield _tls(provider.base_url, sight)
        server = _server(provider.base_url, preset, sight)
        yield server
        yield await _model(transport, provider, preset, (key, server), seconds)
    finally:
        await transport.sessions.aclose()


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{host_of(url)}{parts.path}"


def _key(state: State, preset: Preset, provider: RemoteProvider) -> Check:
    try:
        provider.prepare([Message("user", "")])  # sends nothing, but wants a key that can be sent
    except ConfigError as error:
        return Check("key", "wrong", error.what, error.remedy)
    place = state.key_place(preset)
    is_optional = preset.kind == "openai" and place.startswith("none")
    return Check("key", "right", f"{place} if the server wants one" if is_optional else place)


async def _look_up(url: str, proxy: str, seconds: float) -> Check:
    """Return whether the name of whom to connect to is known; a proxy's is the proxy's fault."""
    host = urlsplit(proxy or url).hostname or ""
    asking = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    part = "proxy" if proxy else "name"
    remedy = _PROXY_REMEDY if proxy else _NAME_REMEDY
    try:
        async with timeout(seconds):
            found = await asking
    except asyncio.TimeoutError:
        return Check(part, "wrong", f"no answer about {host} within {seconds:g} s", remedy)
    except (OSError, UnicodeError):  # the second: a name that no host can have
        return Check(part, "wrong", f"{host} is not known", remedy)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    if host in addresses:
        return Check("name", "right", f"{host} needs no look-up")
    return Check("name", "right", f"{host} is {', '.join([*addresses][:2])}")


async def _touch(
    transport: Transport, url: str, preset: Preset, name: Check, seconds: float
) -> Sight:
    """Ask for something that costs nothing, without the key."""
    if name.verdict == "wrong":
        return Sight(unasked=name.finding)
    root = url.removesuffix("/v1") if preset.kind == "openai" else url
    place = root + _PATHS[preset.kind]
    return await look(transport, place, {}, seconds, read=(HTTPStatus.SERVICE_UNAVAILABLE,))


def _proxy(state: State, url: str, proxy: str, sight: Sight) -> Check:
    if not proxy:
        return Check("proxy", "right", "none: loopback is direct" if is_local(url) else "none")
    if sight.error and _is_of_proxy(sight.error):
        return Check("proxy", "wrong", sight.error.what, sight.error.remedy)
    origin = "GlmConfig.proxy" if state.config.proxy else "the environment"
    return Check("proxy", "right", f"{host_of(proxy)}, from {origin}; loopback is direct")


def _is_of_proxy(error: GlmError) -> bool:
    """Say whether the proxy itself is at fault: what fails behind it names it at its end."""
    return error.what.startswith("the proxy ")


def _tls(url: str, sight: Sight) -> Check:
    if urlsplit(url).scheme == "http":
        return Check("TLS", "right", "none: plain http, over which a key goes to loopback only")
    if sight.is_connected:
        return Check("TLS", "right", "the certificate is trusted")
    if sight.error and isinstance(sight.error.__cause__, ssl.SSLError):
        return Check("TLS", "wrong", sight.error.what, sight.error.remedy)
    return Check("TLS", "open", "not checked: no connection")


def _server(url: str, preset: Preset, sight: Sight) -> Check:
    error = sight.error
    if sight.unasked:
        return Check("server", "open", f"not checked: {sight.unasked}")
    if error is None:
        return _health(preset, sight)
    if _is_of_proxy(error):
        return Check("server", "open", "not checked: the proxy is in the way")
    if isinstance(error.__cause__, ssl.SSLError):
        return Check("server", "open", "not checked: TLS failed")
    return Check("server", "wrong", error.what, remedy_of(url, error))


def _health(preset: Preset, sight: Sight) -> Check:
    """Judge what the server says of itself, at a path that no question needs."""
    status, path, is_own = sight.status, _PATHS[preset.kind], preset.kind == "openai"
    if status in REDIRECTS:
        finding = f"{path} points elsewhere: to {place_of(sight)} (HTTP {status})"
        return Check("server", "open", finding)
    if is_own and b"loading" in sight.body.lower():
        finding = f"it is still loading its model (HTTP {status} for /health)"
        return Check("server", "wrong", finding, "Wait until it has; large models take minutes.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Check("server", "open", f"it fails (HTTP {status}) for {path}", "Try again later.")
    if is_own and status in _NO_PATH:
        return Check("server", "right", f"it answers (HTTP {status}: it has no /health)")
    if is_own and sight.is_page:
        return Check("server", "open", f"it answers {path} with a web page (HTTP {status})")
    healthy = "it is healthy" if is_own and status == OK else "it answers"
    return Check("server", "right", f"{healthy} (HTTP {status}, asked without a key)")


async def _model(
    transport: Transport,
    provider: RemoteProvider,
    preset: Preset,
    before: tuple[Check, Check],
    seconds: float,
) -> Check:
    key, server = before
    if not isinstance(provider, OpenAIProvider):
        return _web(provider)
    if server.verdict == "wrong" or server.finding.startswith("not checked"):
        return Check("model", "open", "not checked: the server is not ready")
    if key.verdict != "right":
        return Check("model", "open", "not checked: there is no key to ask with")
    sent, _ = secret(preset.keys)
    headers: Headers = {"Authorization": sent.with_prefix("Bearer ")} if sent else {}
    sight = await look(transport, f"{provider.base_url}/models", headers, seconds, read=range(1000))
    return judge(provider, preset, sight, has_key=sent is not None)


def _web(provider: RemoteProvider) -> Check:
    if host_of(provider.base_url) != "chatglm.cn":
        return Check("web", "open", "a gateway of your own: whether it answers shows a question")
    finding = "its stream for guests is known to have been closed in spring 2025: expect a refusal"
    remedy = "Set a vendor's key or GLM_BASE_URL, take -m local, or name a gateway: GLM_CHATGLM_URL"
    return Check("web", "open", finding, remedy)
