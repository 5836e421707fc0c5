"""What the doctor makes of a server's list of models, or of what comes in its place. No I/O."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..errors import AuthenticationError, shortened
from ..providers import Preset
from ..providers.address import host_of, target_of
from ..providers.bodies import error_in
from ..providers.openai import OpenAIProvider, model_names
from ..providers.reading import OK, REDIRECTS
from ..wire.codes import classify
from .check import Check, Sight, remedy_of

_BAD_REQUEST = 400


def judge(provider: OpenAIProvider, preset: Preset, sight: Sight, *, has_key: bool) -> Check:
    """Return whether the server has the model, by what it answered for its list."""
    url = provider.base_url
    if sight.error:
        return Check("model", "wrong", sight.error.what, remedy_of(url, sight.error))
    names = model_names(sight.body) if sight.status == OK else None
    if names is not None:
        return _listed(provider.model, names, provider.name)
    if sight.status == OK:
        return _no_list(url, sight)
    refused = classify(sight.status, error_in(sight.body))
    if isinstance(refused, AuthenticationError) and not (has_key or "@" in url):
        finding = f"the server wants a key (HTTP {sight.status}). {refused.detail}"
        return Check("model", "wrong", finding, f"Set {' or '.join(preset.keys)} to its key.")
    if isinstance(refused, AuthenticationError) or (refused.passing and not preset.models):
        return Check("model", "wrong", refused.what, refused.remedy)
    return _unsaid(provider.model, _no_list(url, sight), is_known=bool(preset.models))


def _listed(model: str, names: list[str], provider: str) -> Check:
    if not names and model:
        return Check("model", "open", f"the server does not say whether it has {model}")
    if not names:
        return Check("model", "wrong", "the server lists no models", f"Name one: {provider}/MODEL")
    if not model:
        return Check("model", "right", f"{names[0]}, the first of the server's {len(names)}")
    if model in names or f"{model}:latest" in names:  # Ollama's tag for a name without one
        return Check("model", "right", f"{model} is one of the server's {len(names)}")
    have = ", ".join(names[:3]) + (", …" if names[3:] else "")
    return Check("model", "wrong", f"the server does not list {model}", f"It has {have}")


def _unsaid(model: str, check: Check, *, is_known: bool) -> Check:
    """Return *check*, which is no fault where the model is named: a server needs no list."""
    if not model:
        return check
    finding = f"whether it has {model} is not known: {check.finding}"
    return Check("model", "open", finding, "" if is_known else check.remedy)


def _no_list(url: str, sight: Sight) -> Check:
    path, status = f"{urlsplit(url).path}/models", sight.status
    if status in REDIRECTS:
        finding = f"{path} points to {place_of(sight)} (HTTP {status})"
        return Check("model", "wrong", finding, "If you trust that, name it as the address.")
    if status == OK and sight.is_page:
        finding = f"{path} is a web page (HTTP {status}): a login page, another program?"
    elif status == OK:
        finding = f"what comes for {path} is no list of models"
    else:
        finding = f"there is no list at {path} (HTTP {status})"
    return Check("model", "wrong", finding, _advice(url, status))


def _advice(url: str, status: int) -> str:
    if status == _BAD_REQUEST and url.startswith("http:"):
        return "Check the address: does it begin with https://, and end in /v1?"
    if not re.search(r"/v\d+$", url):
        return f"The address probably lacks /v1: {host_of(url)}{urlsplit(url).path}/v1"
    return "Check the address, and open it in a browser."


def place_of(sight: Sight) -> str:
    """Return where a redirect points: a host, or a path of the same one."""
    is_path = sight.location.startswith("/") and not sight.location.startswith("//")
    path = shortened(sight.location.partition("?")[0]) if is_path else ""
    return path or target_of(sight.location) or "another address"
