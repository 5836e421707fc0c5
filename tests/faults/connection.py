"""Faults of the connection: getting one, and keeping it to the end of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from glm_magic.errors import AuthenticationError, NetworkError, ProtocolError
from tests.far_side import End, Gate, Raw, Script, Silence, Stream
from tests.faults import places
from tests.faults.fault import (
    CONNECT_SOON,
    HASTY,
    Fault,
    Scripts,
    Site,
    lasts,
    recovers,
    same,
    saying,
    unfinished,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
HALF = "Half of it"
HEADERS_OF_80_KIB = b"".join(b"X-%d: %b\r\n" % (n, b"." * 2**13) for n in range(10))
#: What is said of an answer that breaks off.
BROKEN = ("ended before",)


def chunks(pieces: Sequence[bytes | Gate], extension: bytes = b"") -> list[bytes | Gate]:
    """Return each of *pieces* as a chunk of a body; gates stay."""
    return [
        piece if isinstance(piece, Gate) else b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)
        for piece in pieces
    ]


def whole(head: bytes, extension: bytes = b"", tail: bytes = b"0\r\n\r\n") -> Scripts:
    """Return scripts of a chunked answer under *head*, with *extension* on each chunk."""

    def scripts(at: Site) -> Sequence[Script]:
        body = chunks(at.wire.stream("Whole answer"), extension)
        return [Raw([head + b"\r\n", *body, tail])]

    return scripts


def sized(more: int, end: End = "close") -> Scripts:
    """Return scripts of an answer with a Content-Length that is *more* bytes than there are."""

    def scripts(at: Site) -> Sequence[Script]:
        body = b"".join(at.wire.stream("Whole answer"))
        head = HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + more)
        return [Raw([head + body, at.gate], end=end)]

    return scripts


def damaged(at: Site) -> Sequence[Script]:
    """Return an answer with something that is no chunk behind its first half."""
    head, *body = CHUNKED + b"\r\n", *chunks(at.wire.unfinished(HALF))
    return [Raw([head, *body, at.gate, b"ZZZ\r\nmore\r\n"], end="hold")]


def at_once(head: bytes = CHUNKED, broken: bytes = b"ZZZ\r\nmore\r\n") -> Scripts:
    """Return half an answer with *head* before it and what is *broken* behind it, in one packet."""

    def scripts(at: Site) -> Sequence[Script]:
        body = [piece for piece in chunks(at.wire.unfinished(HALF)) if isinstance(piece, bytes)]
        return [Raw([b"".join([head, b"\r\n", *body, broken])], end="hold")]

    return scripts


def refused(status: bytes, words: bytes) -> Raw:
    """Return a refusal that says *words* and breaks off, in one packet."""
    head = b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    return Raw([b"".join([head, *chunks([words]), b"ZZZ\r\n"])], end="hold")  # type: ignore[list-item]


def trailing(at: Site) -> Sequence[Script]:
    """Return half an answer, and when it was seen 3 MiB of trailers behind its end."""
    head, *body = CHUNKED + b"\r\n", *chunks(at.wire.unfinished(HALF))
    trailers = b"X-Trailer: %b\r\n" % (b"." * 4000) * 800
    return [Raw([head, *body, at.gate, b"0\r\n", trailers], end="hold")]


def short(at: Site) -> Sequence[Script]:
    """Return half an answer of which more was promised."""
    body = b"".join(at.wire.unfinished(HALF))
    return [Raw([HEAD + b"Content-Length: 100000\r\n\r\n", body])]


def not_http(name: str, answer: bytes, *words: str) -> Fault:
    """Return a fault for bytes that are no HTTP answer: one request, and an error that says so."""
    return Fault(
        name, same(Raw(answer)), error=ProtocolError, words=words or ("its answer is not HTTP",)
    )


GETTING_ONE = (
    Fault("none", saying("Whole answer"), text="Whole answer"),
    lasts(
        "refused",
        place=places.nowhere,
        error=NetworkError,
        words=("no connection", "Is the server running"),
    ),
    lasts(
        "unknown host name",
        place=places.unknown,
        error=NetworkError,
        words=("this host name is not known", "typing error"),
    ),
    lasts(
        "blackholed",
        place=places.blackhole,
        error=NetworkError,
        words=("no connection in time", "connect_timeout"),
        clocks=CONNECT_SOON,
    ),
    lasts(
        "nobody reads",
        place=places.mute,
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        clocks=HASTY,
    ),
    Fault(
        "TLS: certificate of a stranger",
        place=places.strange_certificate,
        error=NetworkError,
        words=("its TLS certificate is not trusted", "SSL_CERT_FILE"),
    ),
    Fault(
        "TLS: to a plain port",
        place=places.plain_port,
        error=NetworkError,
        words=("the TLS handshake failed", "http://"),
    ),
    lasts(
        "TLS: none to a port of TLS",
        place=places.tls_port,
        error=NetworkError,
        words=("cut",),
    ),
    lasts(
        "TLS: silent handshake",
        place=places.mute_tls,
        error=NetworkError,
        words=("no connection in time", "connect_timeout"),
        clocks=CONNECT_SOON,
    ),
)

BEFORE_A_WORD = (
    lasts(
        "silent",
        Silence(),
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        clocks=HASTY,
    ),
    lasts(
        "silent after the headers",
        Stream([], end="hold"),
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        clocks=HASTY,
    ),
    recovers("FIN before a byte", same(Raw(b""))),
    recovers("RST before a byte", same(Raw(b"", end="abort"))),
    recovers("FIN after the headers", same(Stream([], end="close"))),
    recovers("RST after the headers", same(Stream([], end="abort"))),
    recovers("FIN before a byte, twice", same(Raw(b""), Raw(b"")), requests=3),
    lasts(
        "FIN before a byte, every time",
        Raw(b""),
        error=NetworkError,
        words=("the connection was cut",),
    ),
    lasts(
        "RST after the headers, every time",
        Stream([], end="abort"),
        error=NetworkError,
        words=("the connection was cut",),
    ),
    recovers("FIN after a comment", same(Stream([b": ping\n\n"], end="close"))),
    recovers("FIN in the first event", same(Stream([b"data: {"], end="close"))),
    recovers("short Content-Length, no word yet", same(Raw(HEAD + b"Content-Length: 99\r\n\r\n"))),
    recovers(
        "short Content-Length of a JSON answer",
        same(Raw(HEAD + b'Content-Length: 99\r\n\r\n{"choices": [')),
    ),
)

#: Here the connection breaks behind a whole answer: the runner's next question finds it dead.
KEPT = (
    Fault(
        "dead kept-alive connection",
        lambda at: [Stream(at.wire.stream("Whole answer")), Raw(b"")],
        text="Whole answer",
    ),
    Fault(
        "reset kept-alive connection",
        lambda at: [Stream(at.wire.stream("Whole answer")), Raw(b"", end="abort")],
        text="Whole answer",
    ),
    Fault("FIN behind the answer", sized(0), text="Whole answer"),
    Fault("RST behind the answer", sized(0, "abort"), text="Whole answer"),
)

HEADERS = (
    Fault(
        "header dribble",
        lambda at: [
            Raw(
                HEAD + b"Connection: close\r\n\r\n" + b"".join(at.wire.stream("Whole answer")),
                cut="bytes",
            )
        ],
        text="Whole answer",
    ),
    lasts(
        "header dribble without end",
        Raw(HEAD + b"X-Slow: " + b"." * 2000, end="hold", cut="bytes", pace=0.01),
        error=NetworkError,
        words=("no answer within 0.3 s", "first_event_timeout"),
        clocks=HASTY,
    ),
    recovers("half a header block, FIN", same(Raw(HEAD))),
    recovers("half a header block, RST", same(Raw(HEAD, end="abort"))),
    lasts(
        "half a header block, silence",
        Raw(HEAD, end="hold"),
        error=NetworkError,
        words=("no answer within 0.3 s",),
        clocks=HASTY,
    ),
    Fault(
        "many headers",
        whole(CHUNKED + b"".join(b"X-%d: some value\r\n" % number for number in range(100))),
        text="Whole answer",
    ),
    Fault(
        "one header of 40 KiB",
        whole(CHUNKED + b"X-Policy: " + b"." * 40 * 2**10 + b"\r\n"),
        text="Whole answer",
    ),
    not_http("headers of 80 KiB", HEAD + HEADERS_OF_80_KIB + b"\r\n", "more than 64 KiB"),
    not_http("one header of 100 KiB", HEAD + b"X-Huge: " + b"." * 100 * 2**10 + b"\r\n\r\n"),
    not_http("10,000 headers", HEAD + b"X-Huge: ................\r\n" * 10_000 + b"\r\n"),
    not_http("headers without end", HEAD + b"X-Huge: ................\r\n" * 100_000),
    not_http("header without a colon", HEAD + b"no colon\r\n\r\n"),
    not_http("header with NUL", HEAD + b"X-Nul: \0\r\n\r\n"),
    not_http("header with ESC and HTML", b"HTTP/1.1 \x1b[31m<script>alert(1)</script>\r\n\r\n"),
    not_http("two Content-Lengths", HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    not_http("negative Content-Length", HEAD + b"Content-Length: -1\r\n\r\n"),
    not_http("status that is no number", b"HTTP/1.1 OK\r\n\r\n"),
    recovers("bad chunk behind the headers", same(Raw(CHUNKED + b"\r\nZZZ\r\n"))),
    recovers(
        "bad chunk behind the headers, in a packet of its own",
        same(Raw([CHUNKED + b"\r\n", b"ZZZ\r\n"])),
    ),
    not_http("mail server", b"220 smtp.example ESMTP\r\n"),
    not_http("TLS alert", b"\x15\x03\x01\x00\x02\x02\x28"),
)

FRAMING = (
    Fault("trailers", whole(CHUNKED, tail=b"0\r\nX-Sum: 1\r\n\r\n"), text="Whole answer"),
    Fault("chunk extensions", whole(CHUNKED, b";a=b;c"), text="Whole answer"),
    Fault(
        "103 early hints",
        whole(HINTS + CHUNKED),
        text="Whole answer",
    ),
    Fault("a thousand early hints", whole(HINTS * 1000 + CHUNKED), text="Whole answer"),
    Fault(
        "HTTP/1.0",
        lambda at: [Raw([HEAD.replace(b"1.1", b"1.0") + b"\r\n", *at.wire.stream("Whole answer")])],
        text="Whole answer",
    ),
    Fault("short Content-Length", short, text=HALF, finish="truncated", words=BROKEN),
    Fault("trailers without end", trailing, text=HALF, finish="truncated", words=BROKEN),
    Fault("bad chunk in mid-stream", damaged, text=HALF, finish="truncated", words=BROKEN),
    Fault("bad chunk, in one packet", at_once(), text=HALF, finish="truncated", words=BROKEN),
    Fault(
        "bad chunk, in one packet with 103 early hints",
        at_once(HINTS + CHUNKED),
        text=HALF,
        finish="truncated",
        words=BROKEN,
    ),
    Fault(
        "huge trailers, in one packet",
        at_once(broken=b"0\r\nX-Huge: %b\r\n\r\n" % (b"." * 2**17)),
        text=HALF,
        finish="truncated",
        words=BROKEN,
    ),
    Fault(
        "401 and a bad chunk, in one packet",
        same(refused(b"401 Unauthorized", b"who are you?")),
        error=AuthenticationError,
        words=("who are you?",),
    ),
    recovers("503 and a bad chunk, in one packet", same(refused(b"503 Busy", b"later"))),
    Fault(
        "FIN in mid-stream",
        unfinished(HALF, end="close"),
        text=HALF,
        finish="truncated",
        words=BROKEN,
    ),
    Fault(
        "RST in mid-stream",
        unfinished(HALF, end="abort"),
        text=HALF,
        finish="truncated",
        words=BROKEN,
    ),
    Fault("more bytes than Content-Length", sized(-2), text="Whole answer"),
)

FAULTS = (*GETTING_ONE, *BEFORE_A_WORD, *KEPT, *HEADERS, *FRAMING)
