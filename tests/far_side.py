"""A far side on loopback: a real server in a thread of its own that does what a test scripts.

    with FarSide() as far_side:
        far_side.queue(Stream(openai_stream("Hi"), end="abort"))
        ...  # the code under test talks to far_side.url
        assert far_side.requests[0].json["model"] == "glm-test"

Tests hold a stream with a `Gate` and wait with `received` and `Recorded.closed`,
so that none of them sleeps.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, Protocol

import trustme
from aiohttp import web
from multidict import CIMultiDict

from tests.far_side_data import (
    MODELS,
    TIMEOUT,
    Cut,
    Encoding,
    Recorded,
    chatglm_stream,
    cut_anew,
    encoded,
    openai_stream,
)

GREETING = "Hello from the far side."

End = Literal["done", "close", "abort", "hold"]


@dataclass(frozen=True)
class Gate:
    """Among the chunks of a stream: what follows is sent once the test opens the gate."""

    event: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Let the stream go on."""
        self.event.set()

    async def passed(self) -> None:
        """Wait on the server's loop, where a threading event cannot be awaited."""
        while not self.event.is_set():  # noqa: ASYNC110, see above
            await asyncio.sleep(0.002)


class Script(Protocol):
    """What the server does with one request."""

    async def play(self, request: web.BaseRequest, recorded: Recorded) -> web.StreamResponse:
        """Answer *request*, or end its connection."""


@dataclass(frozen=True)
class Stream:
    """An answer in pieces.

    *cut* says what is written at once: `whole` a chunk, `bytes` one byte, a
    number so many bytes, a list these numbers of bytes and then the rest (both
    across chunks, from gate to gate). *pace* is the pause after each in
    seconds. *end* `done` ends the answer and keeps the connection, `close` and
    `abort` (by RST) leave it without an end, `hold` says nothing more. A client
    may lose what it had not read at an abort, unless a gate comes before it.
    *encoding* is the Content-Encoding.
    """

    chunks: Sequence[bytes | Gate]
    pace: float = 0
    cut: Cut = "whole"
    end: End = "done"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream;charset=UTF-8"
    encoding: Encoding = ""

    async def play(self, request: web.BaseRequest, recorded: Recorded) -> web.StreamResponse:
        """Send the chunks, then end as asked."""
        response = web.StreamResponse(status=self.status, headers=self._all_headers())
        await response.prepare(request)
        for piece in encoded(cut_anew(self.chunks, self.cut), self.encoding):
            if isinstance(piece, Gate):
                await piece.passed()
            else:
                await response.write(piece)
                await asyncio.sleep(self.pace)
        if self.end != "done":
            await _leave(request, recorded, self.end)
        await response.write_eof()
        return response

    def _all_headers(self) -> dict[str, str]:
        encoding = {"Content-Encoding": self.encoding} if self.encoding else {}
        return {"Content-Type": self.content_type, **encoding, **self.headers}


@dataclass(frozen=True)
class Status:
    """An answer in one piece: JSON unless *body* is text or bytes and *content_type* says what."""

    status: int
    body: Any = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    async def play(self, _request: web.BaseRequest, _recorded: Recorded) -> web.StreamResponse:
        """Answer at once."""
        raw = self.body if isinstance(self.body, str | bytes) else json.dumps(self.body)
        body = raw.encode() if isinstance(raw, str) else raw
        headers = {"Content-Type": self.content_type, **self.headers}
        return web.Response(status=self.status, body=body, headers=headers)


@dataclass(frozen=True)
class Redirect:
    """Another address to ask instead; 307 has the client send its request again."""

    location: str
    status: int = 307

    async def play(self, _request: web.BaseRequest, _recorded: Recorded) -> web.StreamResponse:
        """Answer at once."""
        return web.Response(status=self.status, headers={"Location": self.location})


@dataclass(frozen=True)
class Silence:
    """The request is taken and never answered."""

    async def play(self, request: web.BaseRequest, recorded: Recorded) -> web.StreamResponse:
        """Wait until the client goes away."""
        return await _leave(request, recorded, "hold")


@dataclass(frozen=True)
class Raw:
    """Bytes sent as they are in place of an HTTP answer, then *end* (`done` is `close`).

    *cut* and *pace* are those of `Stream`, and so is a gate among the *data*.
    """

    data: bytes | Sequence[bytes | Gate]
    end: End = "close"
    cut: Cut = "whole"
    pace: float = 0

    async def play(self, request: web.BaseRequest, recorded: Recorded) -> web.StreamResponse:
        """Write past the server's own HTTP."""
        assert request.transport is not None
        chunks = [self.data] if isinstance(self.data, bytes) else self.data
        for piece in cut_anew(chunks, self.cut):
            if isinstance(piece, Gate):
                await piece.passed()
            else:
                request.transport.write(piece)
                await asyncio.sleep(self.pace)
        return await _leave(request, recorded, self.end)


async def _leave(request: web.BaseRequest, recorded: Recorded, end: End) -> web.StreamResponse:
    """Stop answering; return never, as the end of the connection cancels whoever waits here."""
    transport = request.transport
    recorded.ended_here = end != "hold"
    if transport is not None and end == "abort":
        # Lingering for no time is how a socket is told to send RST.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    elif transport is not None and end != "hold":
        transport.close()
    await asyncio.Event().wait()
    raise AssertionError  # not reached


#: A function that makes the script from the request.
Answering = Callable[[Recorded], Script]


class _Server(web.Server):
    """Numbers the connections and says when one has ended."""

    def __init__(self, answer: Callable[..., Any], ended: Callable[[int], None]) -> None:
        super().__init__(answer, handler_cancellation=True, access_log=None)
        self._ended = ended
        self._numbers = count(1)
        self.open: dict[web.RequestHandler, int] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.open[handler] = next(self._numbers)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._ended(self.open.pop(handler))


class FarSide:
    """The server, running inside its `with` block; *tls* gives it a certificate of its own *ca*.

    It answers each POST with the next script of its queue, or else with a
    short friendly stream, and each GET of models with a list of two.
    """

    def __init__(self, *, tls: bool = False) -> None:
        #: Who signed the certificate: `far_side.ca.configure_trust(context)` trusts it.
        self.ca = trustme.CA() if tls else None
        self.url = ""
        self.requests: list[Recorded] = []
        self._arrived = threading.Condition()
        self._queues: dict[str, deque[Script | Answering]] = defaultdict(deque)
        self._started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="far side")

    def __enter__(self) -> FarSide:
        self._thread.start()
        scheme = "https" if self.ca else "http"
        self.url = f"{scheme}://127.0.0.1:{self._started.result(TIMEOUT)}"
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(TIMEOUT)

    def queue(self, *scripts: Script | Answering, method: str = "POST") -> None:
        """Answer the next requests by *scripts*; a function makes its script from the request."""
        self._queues[method].extend(scripts)

    def received(self, number: int = 1, timeout: float = TIMEOUT) -> list[Recorded]:
        """Wait until *number* requests have come in all, and return them; TimeoutError if not."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= number, timeout):
                raise TimeoutError(f"{len(self.requests)} requests came, not {number}")
            return list(self.requests)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._server = _Server(self._answer, self._connection_ended)
        runner = web.ServerRunner(self._server, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._certificate()).start()
        self._started.set_result(runner.addresses[0][1])
        await self._stop.wait()
        for _ in range(3):  # a server that is closed as somebody connects leaves a socket open
            await asyncio.sleep(0)
        for recorded in self.requests:
            recorded.ended_here = True
        await runner.cleanup()

    def _certificate(self) -> ssl.SSLContext | None:
        if self.ca is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        number = self._server.open[request.protocol]
        headers, body = CIMultiDict(request.headers), await request.read()
        recorded = Recorded(request.method, request.path_qs, headers, body, number)
        with self._arrived:
            self.requests.append(recorded)
            self._arrived.notify_all()
        return await self._script(recorded).play(request, recorded)

    def _script(self, recorded: Recorded) -> Script:
        queue = self._queues[recorded.method]
        if not queue:
            return _USUAL.get((recorded.method, recorded.path), Status(404, {"error": "no path"}))
        script = queue.popleft()
        return script(recorded) if callable(script) else script

    def _connection_ended(self, number: int) -> None:
        for recorded in self.requests:
            if recorded.connection == number and not recorded.ended_here:
                recorded.closed_at = time.monotonic()
                recorded.closed_by_client.set()


#: What is answered when a test has queued nothing.
_USUAL: Mapping[tuple[str, str], Script] = {
    ("POST", "/v1/chat/completions"): Stream(openai_stream(GREETING)),
    ("POST", "/api/paas/v4/chat/completions"): Stream(openai_stream(GREETING)),
    ("POST", "/chatglm/mainchat-api/guest/stream"): Stream(chatglm_stream(GREETING)),
    ("GET", "/v1/models"): Status(200, MODELS),
    ("GET", "/api/paas/v4/models"): Status(200, MODELS),
}


def refused_url() -> str:
    """Return an address on loopback where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"
