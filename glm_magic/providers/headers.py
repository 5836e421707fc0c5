"""Headers of a request: the keys in them stay hidden until the moment they are sent. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from ..errors import ConfigError
from ..redact import Secret

Headers = dict[str, str | Secret]

_VALUE = re.compile(r"[\t -~\xa0-\xff]*")
_KEY_HEADER = re.compile("auth|cookie|key|password|secret|token", re.IGNORECASE)


def hidden(headers: Mapping[str, str]) -> Headers:
    """Return the user's *headers*, those that look like one with a key as secrets.

    Raises ConfigError for one with characters that HTTP does not carry.
    """
    for name, value in headers.items():
        if not _VALUE.fullmatch(str(value)):
            what = f"one of the headers, {name!r}, holds characters that HTTP does not carry."
            raise ConfigError(what, remedy="Write it in plain ASCII, on one line.")
    return {name: _hide(v) if _KEY_HEADER.search(name) else v for name, v in headers.items()}


def _hide(value: str) -> Secret:
    scheme, blank, key = value.rpartition(" ")
    return Secret(key, prefix=scheme + blank)


def shown(headers: Headers) -> dict[str, str]:
    """Return *headers* with `***` for each key."""
    return {name: str(value) for name, value in headers.items()}


def bare(headers: Headers) -> dict[str, str]:
    """Return *headers* as they are sent, for no variable: tracebacks may show variables."""
    values = headers.items()
    return {name: v.reveal() if isinstance(v, Secret) else v for name, v in values}


def without_headers(error: Any) -> Exception:  # Any: of some errors, by what they have
    """Return *error* of the HTTP library rid of the request headers that it keeps."""
    if info := getattr(error, "request_info", None):
        error.request_info = info._replace(headers={})
        error.args = ()  # they are in there as well
    return cast("Exception", error)
