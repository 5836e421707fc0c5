"""What one check of the doctor comes to, and the request that some of them make. No verdicts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from ..errors import GlmError, NetworkError
from ..providers.headers import Headers
from ..providers.http import Answer, Transport
from ..providers.reading import GOOD, read_page, read_whole

if sys.version_info >= (3, 11):
    from asyncio import timeout as timeout  # noqa: PLC0414, for the other checks
else:
    from async_timeout import timeout as timeout  # noqa: PLC0414

#: Seconds that a check may take in all.
PATIENCE = 5.0
#: The part of them that a connection may take: what fails later fails on an open one.
CONNECTING = 0.8

#: What to do where nothing comes. The clocks are the doctor's own: no setting makes them longer.
_REACH = "Check that the server is up, and that the way to it is open (firewall, VPN, proxy)."

Verdict = Literal["right", "wrong", "open"]


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
class Sight:
    """What one request brought: the answer, or why there is none."""

    status: int = 0
    location: str = ""
    content_type: str = ""
    body: bytes = b""
    error: GlmError | None = None
    unasked: str = ""

    @property
    def is_connected(self) -> bool:
        """Whether there was a connection, with all that TLS asks for."""
        what = self.error.what if self.error else ""
        ends = ("no answer within", "the connection was cut", "its answer ")
        return bool(self.status) or what.startswith(ends)

    @property
    def is_page(self) -> bool:
        """Whether the answer is a web page, where none is of use."""
        return self.content_type == "text/html" or self.body.lstrip()[:1] == b"<"


async def look(
    transport: Transport, url: str, headers: Headers, seconds: float, *, read: Container[int]
) -> Sight:
    """Return what a GET of *url* brings within *seconds* in all; the body of a status in *read*."""
    asked = headers | {"User-Agent": "glm_magic", "Accept-Encoding": "identity"}
    try:
        async with timeout(seconds), await transport.request("GET", url, asked) as answer:
            reader = read_whole if answer.status in GOOD else read_page
            return _sight(answer, await reader(answer) if answer.status in read else b"")
    except asyncio.TimeoutError:
        return Sight(error=NetworkError(f"no answer within {seconds:g} s", remedy=_REACH))
    except GlmError as error:
        return Sight(error=error)


def _sight(answer: Answer, body: bytes) -> Sight:
    return Sight(answer.status, answer.headers.get("Location", ""), answer.content_type, body)


def remedy_of(url: str, error: GlmError) -> str:
    """Return what to do about an *error* of the doctor's own request to *url*."""
    if error.what.startswith("no connection in time"):
        return _REACH
    if url.startswith("http:") and Sight(error=error).is_connected and error.remedy != _REACH:
        return "Does the server want TLS? Then its address begins with https://"
    return error.remedy
