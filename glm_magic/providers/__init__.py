"""From a name such as `zai/glm-4.6` to a provider. The table of names is catalogue.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..config import data_dir, environment, path_of, secret
from ..errors import ConfigError
from .address import host_of, normalise
from .base import Clocks, Provider


@dataclass(frozen=True, slots=True)
class Preset:
    """One row of the table: a provider's name, where it is, and what it needs."""

    name: str
    kind: str
    base_url: str
    keys: Sequence[str]
    model: str
    models: Sequence[str]


@cache
def presets() -> dict[str, Preset]:
    """Return all providers by name."""
    text = Path(__file__).with_name("catalogue.json").read_text("utf-8")
    return {name: Preset(name=name, **row) for name, row in json.loads(text).items()}


@dataclass(frozen=True, slots=True)
class Choice:
    """What `auto` comes to, and why, in the user's words."""

    provider: str
    why: str


def choose(base_url: str = "") -> Choice:
    """Return who answers when nobody was named.

    That is the server at *base_url* or GLM_BASE_URL, else a vendor whose key is set, else
    the embedded model if it is installed, else the chatglm.cn web stream.
    """
    if url := base_url or environment("GLM_BASE_URL"):
        return Choice("openai", f"the server is set to {_place(url)}")
    for name in ("zai", "bigmodel"):
        key, variable = secret(presets()[name].keys)
        if key is not None:
            return Choice(name, f"{variable} is set")
    if find_spec("xllamacpp") and local_file() is not None:
        return Choice("local", "no server or key is set, and the embedded model is installed")
    return Choice("chatglm", "no server, key or embedded model was found")


def _place(url: str) -> str:
    """Return where *url* leads; that it leads nowhere is an error where it is asked, not here."""
    try:
        return host_of(normalise(url))
    except ConfigError:
        return "what is no http address"


def split_name(model: str) -> tuple[str, str]:
    """Split `provider/model` at the first slash; the provider is "" when the name has none.

    `zai` alone names a provider; what stands before a slash counts only when
    it is a known one, so `THUDM/glm-4-9b-chat` is a model.
    """
    head, _, tail = model.partition("/")
    if head in presets():
        return head, tail
    return "", model


def make_provider(  # noqa: PLR0913, the settings of a connection
    model: str = "auto",
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    clocks: Clocks | None = None,
    retries: int = 2,
) -> Provider:
    """Return the provider that *model* names as `provider/model`, `provider`, `model` or `auto`.

    *base_url* and *api_key* replace what the table and the environment say;
    a missing key is only an error when a request is made. *proxy* None takes
    the environment's, "" none. Raises ConfigError for a name or an address
    that cannot be used.
    """
    name, wanted = split_name("" if model == "auto" else model)
    if not name:
        name = "openai" if base_url else choose().provider
    preset = presets()[name]
    connection: dict[str, Any] = {
        "headers": headers,
        "proxy": proxy,
        "clocks": clocks,
        "retries": retries,
    }
    if preset.kind == "local":
        return _local(wanted)
    if preset.kind == "echo":
        from .echo import EchoProvider

        return EchoProvider(model=wanted or preset.model)
    if preset.kind == "chatglm":
        from .chatglm import ChatGLM  # aiohttp: 100 ms that only a request needs

        return ChatGLM(base_url or preset.base_url, model=wanted or preset.model, **connection)
    return _openai(preset, wanted, base_url, api_key, connection)


def models_dir() -> Path:
    """Return the folder where pulled models are; it need not exist."""
    folder = environment("GLM_MODELS_DIR")
    return path_of(folder) if folder else data_dir() / "models"


def local_file(name: str = "") -> Path | None:
    """Return the GGUF file that `local/name` means, or None when there is none.

    *name* is a path, the name of a pulled file, or empty for GLM_LOCAL_MODEL,
    else the newest pulled file, else the installed small model.
    """
    from .models import find_gguf

    name = name or environment("GLM_LOCAL_MODEL")
    if "/" in name or name.endswith(".gguf"):
        return path_of(name)
    pulled = models_dir() / f"{name}.gguf"
    is_there = bool(name) and os.path.lexists(pulled)  # no error for a name that is too long
    return pulled if is_there else find_gguf(models_dir())


def _local(name: str) -> Provider:
    from .local import LocalProvider

    file = local_file(name)
    provider = LocalProvider(str(file) if file else None)
    if name and file and "/" not in name and name not in (file.stem, file.name, provider.model):
        what = f"there is no model {name!r} in {models_dir()}."
        raise ConfigError(what, remedy="Name a file, local//path/model.gguf, or run %glmcmd pull.")
    return provider


def _openai(
    preset: Preset,
    model: str,
    base_url: str | None,
    api_key: str | None,
    connection: dict[str, Any],
) -> Provider:
    from .openai import OpenAIProvider  # aiohttp: 100 ms that only a request needs

    address = base_url or preset.base_url or environment("GLM_BASE_URL")
    if not address:
        what = f"the provider {preset.name} needs the address of a server."
        raise ConfigError(what, remedy="Set GLM_BASE_URL, such as http://127.0.0.1:8000/v1")
    return OpenAIProvider(
        address,
        name=preset.name,
        model=model or preset.model,
        api_key=api_key,
        key_names=preset.keys,
        is_glm=preset.kind == "glm",
        known_models=preset.models,
        **connection,
    )
