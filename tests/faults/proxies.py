"""Proxies that are not there, say nothing, or refuse."""

from __future__ import annotations

from glm_magic.errors import ConfigError, NetworkError
from tests.far_side import GREETING, Status
from tests.faults import places
from tests.faults.fault import CONNECT_SOON, HASTY, Fault, lasts, same

FAULTS = (
    Fault(
        "good, to a host over plain http that nobody said to trust",
        place=places.not_trusted,
        error=ConfigError,
        words=("nothing is sent to glm-too.invalid over plain http", "GLM_PLAIN_HTTP"),
        requests=0,
        key=None,
    ),
    Fault("good", same(), text=GREETING, place=places.proxy, key=None),
    lasts(
        "refused",
        place=places.no_proxy,
        error=NetworkError,
        words=("the proxy", "does not answer", "HTTPS_PROXY"),
        key=None,
    ),
    lasts(
        "refused, for TLS",
        place=places.no_tunnel,
        error=NetworkError,
        words=("the proxy", "does not answer", "HTTPS_PROXY"),
    ),
    lasts(
        "silent",
        place=places.mute_proxy,
        error=NetworkError,
        words=("no answer within 0.3 s through the proxy",),
        clocks=HASTY,
        key=None,
    ),
    lasts(
        "silent, for TLS",
        place=places.mute_tunnel,
        error=NetworkError,
        words=("no connection in time through the proxy", "connect_timeout"),
        clocks=CONNECT_SOON,
    ),
    Fault(
        "407",
        same(Status(407, "who?", "text/plain")),
        error=NetworkError,
        words=("the proxy", "HTTP 407", "http://name:password@host:port"),
        place=places.proxy,
        key=None,
    ),
    Fault(
        "407, for TLS",
        same(Status(407, "who?", "text/plain")),
        error=NetworkError,
        words=("the proxy", "HTTP 407", "http://name:password@host:port"),
        place=places.tunnel,
    ),
    lasts(
        "502, for TLS",
        Status(502, "no route", "text/plain"),
        error=NetworkError,
        words=("the proxy", "HTTP 502"),
        place=places.tunnel,
    ),
)
