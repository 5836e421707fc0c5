"""What `%glmcmd doctor` looks at: one check after another, each over within seconds.

A check that fails stops no other; one that depends on it says so. Nothing is asked of a model.
"""

from __future__ import annotations

import asyncio
import platform
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal
from urllib.parse import urlsplit

from .errors import ConfigError, GlmError, ProtocolError
from .messages import Message
from .providers import Preset, local_file, presets
from .providers.address import host_of, is_local
from .providers.base import Clocks
from .providers.models import name_of
from .providers.openai import OpenAIProvider
from .providers.reading import OK, REDIRECTS
from .providers.remote import RemoteProvider, check_plain
from .state import State

#: Seconds that a look-up, a connection or an answer may take.
PATIENCE = 5.0

Verdict = Literal["right", "wrong", "open"]

_LOADING, _BROKEN = 503, 500
_NO_PATH = (404, 405)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and the remedy where something is wrong.

    `open` is what could not be told, or need not be right for this provider.
    """

    name: str
    verdict: Verdict
    finding: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one request brought: the status of the answer, or why there is none."""

    status: int = 0
    error: GlmError | None = None
    unasked: str = ""


async def examine(state: State, wanted: str = "") -> AsyncGenerator[Check, None]:
    """Yield the checks of the provider that *wanted*, as `-m` names it, or the settings choose."""
    name, model, why = state.resolve(wanted or None)
    preset = presets()[name]
    yield Check("provider", "right", f"{'/'.join(filter(None, (name, model)))} ({why})")
    if preset.kind in ("local", "echo"):
        yield Check("key", "right", state.key_place(preset))
    else:
        async with aclosing(_far_side(state, preset, model)) as checks:
            async for check in checks:
                yield check
    yield _embedded(model or state.config.local_model, is_chosen=name == "local")
    yield _widgets()
    yield _versions()


# --- the far side --------------------------------------------------------------------------


async def _far_side(state: State, preset: Preset, model: str) -> AsyncGenerator[Check, None]:
    try:
        provider = state.make(preset.name, model, Clocks(PATIENCE, PATIENCE, PATIENCE))
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
    name = await _look_up(proxy or provider.base_url)
    yield name
    async with provider:
        sight = await _look(provider, preset, name)
        yield _proxy(state, provider.base_url, proxy, sight)
        yield _tls(provider.base_url, sight)
        server = _server(preset, proxy, sight)
        yield server
        yield await _model(provider, key, server)


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


async def _look_up(url: str) -> Check:
    host = urlsplit(url).hostname or ""
    asking = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    remedy = "Check the address for a typing error, and the network connection."
    try:
        found = await asyncio.wait_for(asking, PATIENCE)
    except asyncio.TimeoutError:
        return Check("name", "wrong", f"no answer about {host} within {PATIENCE:g} s", remedy)
    except (OSError, UnicodeError):  # the second: a name that no host can have
        return Check("name", "wrong", f"{host} is not known", remedy)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    if host in addresses:
        return Check("name", "right", f"{host} needs no look-up")
    return Check("name", "right", f"{host} is {', '.join([*addresses][:2])}")


async def _look(provider: RemoteProvider, preset: Preset, name: Check) -> _Sight:
    """Ask for something that costs nothing, without the key."""
    if name.verdict == "wrong":
        return _Sight(unasked=name.finding)
    paths = {"openai": "/health", "glm": "/models", "chatglm": "/"}
    base = provider.base_url
    root = base.removesuffix("/v1") if preset.kind == "openai" else base
    try:
        return _Sight(await provider.touch(root + paths[preset.kind]))
    except GlmError as error:
        return _Sight(error=error)


def _proxy(state: State, url: str, proxy: str, sight: _Sight) -> Check:
    if not proxy:
        return Check("proxy", "right", "none: loopback is direct" if is_local(url) else "none")
    if sight.error and _is_of_proxy(sight.error, proxy):
        return Check("proxy", "wrong", sight.error.what, sight.error.remedy)
    origin = "GlmConfig.proxy" if state.config.proxy else "the environment"
    return Check("proxy", "right", f"{host_of(proxy)}, from {origin}; loopback is direct")


def _is_of_proxy(error: GlmError, proxy: str) -> bool:
    return bool(proxy) and host_of(proxy) in error.what


def _tls(url: str, sight: _Sight) -> Check:
    if urlsplit(url).scheme == "http":
        return Check("TLS", "right", "none: plain http, over which a key goes to loopback only")
    if sight.status or isinstance(sight.error, ProtocolError):
        return Check("TLS", "right", "the certificate is trusted")
    if sight.error and isinstance(sight.error.__cause__, ssl.SSLError):
        return Check("TLS", "wrong", sight.error.what, sight.error.remedy)
    return Check("TLS", "open", "not checked: no connection")


def _server(preset: Preset, proxy: str, sight: _Sight) -> Check:
    error = sight.error
    if sight.unasked:
        return Check("server", "open", f"not checked: {sight.unasked}")
    if error is None:
        return _health(preset, sight.status)
    if _is_of_proxy(error, proxy):
        return Check("server", "open", "not checked: the proxy is in the way")
    if isinstance(error.__cause__, ssl.SSLError):
        return Check("server", "open", "not checked: TLS failed")
    return Check("server", "wrong", error.what, error.remedy)


def _health(preset: Preset, status: int) -> Check:
    if status in REDIRECTS:
        remedy = "If you trust where it points to, name that as the address."
        return Check("server", "wrong", f"it points elsewhere (HTTP {status})", remedy)
    is_own = preset.kind == "openai"
    if is_own and status == _LOADING:
        finding = f"it is still loading its model (HTTP {status} for /health)"
        return Check("server", "wrong", finding, "Wait until it has; large models take minutes.")
    if status >= _BROKEN:
        return Check("server", "wrong", f"it fails (HTTP {status})", "Try again later.")
    if is_own and status in _NO_PATH:
        return Check("server", "right", f"it answers (HTTP {status}: it has no /health)")
    healthy = "it is healthy" if is_own and status == OK else "it answers"
    return Check("server", "right", f"{healthy} (HTTP {status}, asked without a key)")


async def _model(provider: RemoteProvider, key: Check, server: Check) -> Check:
    if not isinstance(provider, OpenAIProvider):
        return _web(provider)
    if server.verdict != "right":
        return Check("model", "open", "not checked: the server is not ready")
    if key.verdict != "right":
        return Check("model", "open", "not checked: there is no key to ask with")
    try:
        return _listed(provider.model, await provider.listed_models(), provider.name)
    except GlmError as error:
        return Check("model", "wrong", error.what, error.remedy)


def _listed(model: str, names: list[str], provider: str) -> Check:
    if not names and model:
        return Check("model", "open", f"the server does not say whether it has {model}")
    if not names:
        return Check("model", "wrong", "the server lists no models", f"Name one: {provider}/MODEL")
    if not model:
        return Check("model", "right", f"{names[0]}, the first of the server's {len(names)}")
    if model in names:
        return Check("model", "right", f"{model} is one of the server's {len(names)}")
    have = ", ".join(names[:3]) + (", …" if names[3:] else "")
    return Check("model", "wrong", f"the server does not list {model}", f"It has {have}")


def _web(provider: RemoteProvider) -> Check:
    if host_of(provider.base_url) != "chatglm.cn":
        return Check("web", "open", "a gateway of your own: whether it answers shows a question")
    finding = "its stream for guests is known to have been closed in spring 2025: expect a refusal"
    remedy = "Set a vendor's key or GLM_BASE_URL, take -m local, or name a gateway: GLM_CHATGLM_URL"
    return Check("web", "open", finding, remedy)


# --- this machine --------------------------------------------------------------------------


def _embedded(model: str, *, is_chosen: bool) -> Check:
    file, engine = local_file(model if is_chosen else ""), _version("xllamacpp")
    if engine and file and file.exists():
        return Check("embedded", "right", f"{name_of(file)}, run by xllamacpp {engine}")
    if engine:
        finding = f"there is no file {file}" if file else "there is no model file"
        remedy = "Run %glmcmd pull, or set GLM_LOCAL_MODEL to the path of a GGUF file."
    else:
        finding = "its engine, xllamacpp, is not installed"
        remedy = 'pip install "glm_magic[local]"'
    return Check("embedded", "wrong", finding, remedy) if is_chosen else _unneeded(finding)


def _unneeded(finding: str) -> Check:
    return Check("embedded", "open", f"{finding}; only the provider local needs it")


def _widgets() -> Check:
    from IPython import get_ipython  # loaded already wherever there are magics

    names = ("anywidget", "ipywidgets", "jupyterlab_widgets")
    found = ", ".join(f"{name} {_version(name) or 'missing'}" for name in names)
    is_kernel = getattr(get_ipython(), "kernel", None) is not None
    where = "in a kernel" if is_kernel else "in a terminal, which shows no panel"
    if missing := [name for name in names if not _version(name)]:
        remedy = f"pip install {' '.join(missing)} where Jupyter runs, then reload its page."
        return Check("widgets", "wrong", f"{found}; {where}", remedy)
    return Check("widgets", "right", f"{found}; {where}")


def _versions() -> Check:
    names = ("glm_magic", "ipython", "ipykernel", "aiohttp")
    found = [f"{name} {_version(name) or 'missing'}" for name in names]
    return Check("versions", "right", f"Python {platform.python_version()}, {', '.join(found)}")


def _version(project: str) -> str:
    try:
        return version(project)
    except PackageNotFoundError:
        return ""
