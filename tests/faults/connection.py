"""Faults of the connection: getting one, and keeping it to the end of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glm_magic.errors import NetworkError
from tests.far_side import Raw, Silence, refused_url
from tests.faults.fault import HASTY, Fault, Site, recovers, same, saying, unfinished
from tests.providers.asking import Wire


@contextmanager
def nowhere(wire: Wire) -> Iterator[Site]:
    """An address on loopback where nobody listens."""
    yield Site(wire, refused_url())


FAULTS = (
    Fault("none", saying("Whole answer"), text="Whole answer"),
    Fault(
        "refused",
        place=nowhere,
        error=NetworkError,
        words=("no connection", "Is the server running"),
        requests=3,
    ),
    Fault(
        "silent",
        same(*[Silence()] * 3),
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        requests=3,
        clocks=HASTY,
    ),
    recovers("closed before a byte", same(Raw(b""))),
    Fault(
        "FIN in mid-stream",
        unfinished("Half of it", end="close"),
        text="Half of it",
        finish="truncated",
        words=("ended before",),
    ),
)
