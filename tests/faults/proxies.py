"""Proxies that are not there, say nothing, or refuse."""

from __future__ import annotations

from glm_magic.errors import NetworkError
from tests.far_side import GREETING, Status
from tests.faults import places
from tests.faults.fault import CONNECT_SOON, HASTY, Fault, same

FAULTS = (
    Fault("good", same(), text=GREETING, place=places.proxy, key=None),
    Fault(
        "refused",
        place=places.no_proxy,
        error=NetworkError,
        words=("the proxy", "does not answer", "HTTPS_PROXY"),
        requests=3,
        key=None,
    ),
    Fault(
        "refused, for TLS",
        place=places.no_tunnel,
        error=NetworkError,
        words=("the proxy", "does not answer", "HTTPS_PROXY"),
        requests=3,
    ),
    Fault(
        "silent",
        place=places.mute_proxy,
        error=NetworkError,
        words=("no answer within 0.3 s through the proxy",),
        requests=3,
        clocks=HASTY,
        key=None,
    ),
    Fault(
        "silent, for TLS",
        place=places.mute_tunnel,
        error=NetworkError,
        words=("no connection in time through the proxy", "connect_timeout"),
        requests=3,
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
    Fault(
        "502, for TLS",
        same(*[Status(502, "no route", "text/plain")] * 3),
        error=NetworkError,
        words=("the proxy", "HTTP 502"),
        requests=3,
        place=places.tunnel,
    ),
)
