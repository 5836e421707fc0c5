"""Where a question may go wrong before it arrives: addresses, listeners, TLS and proxies."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from glm_magic.providers.address import host_of
from tests.far_side import FarSide, refused_url
from tests.faults.fault import Site
from tests.providers.asking import Wire

#: A host off this machine: no name server knows it, but a proxy takes it for itself. It may be
#: asked over plain http, the other may not.
FAR = "http://glm.invalid"
NOT_TRUSTED = "http://glm-too.invalid"
SAFE = "https://glm.invalid"


@contextmanager
def nowhere(wire: Wire) -> Iterator[Site]:
    """An address on loopback where nobody listens."""
    yield Site(wire, refused_url())


@contextmanager
def unknown(wire: Wire) -> Iterator[Site]:
    """A host name that does not exist."""
    yield Site(wire, SAFE)


@contextmanager
def blackhole(wire: Wire) -> Iterator[Site]:
    """An address that takes no connection and refuses none: its queue is full."""
    with ExitStack() as sockets:
        server = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            filler = sockets.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(server.getsockname())
        yield Site(wire, _url(server))


@contextmanager
def mute(wire: Wire) -> Iterator[Site]:
    """A listener that takes connections and never says a word, nor reads one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Site(wire, _url(server), count=lambda: _count(server))


@contextmanager
def mute_tls(wire: Wire) -> Iterator[Site]:
    """The same where TLS is expected: the handshake never comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Site(wire, _url(server).replace("http:", "https:"), count=lambda: _count(server))


def _url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def _count(server: socket.socket) -> int:
    """Return how many connections wait at *server*, and drop them."""
    server.settimeout(0)
    connections = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return connections
        connections += 1


@contextmanager
def strange_certificate(wire: Wire) -> Iterator[Site]:
    """A server with a certificate that nobody trusted has signed."""
    with FarSide(tls=True) as server:
        yield Site(wire, server.url, neighbour=server)


@contextmanager
def plain_port(wire: Wire) -> Iterator[Site]:
    """A server without TLS at an https address."""
    with FarSide() as server:
        yield Site(wire, server.url.replace("http:", "https:"), neighbour=server)


@contextmanager
def tls_port(wire: Wire) -> Iterator[Site]:
    """A server with TLS at an http address."""
    with FarSide(tls=True) as server:
        yield Site(wire, server.url.replace("https:", "http:"), neighbour=server)


@contextmanager
def with_neighbour(wire: Wire) -> Iterator[Site]:
    """A server, and another one that it may point to."""
    with FarSide() as server, FarSide() as neighbour:
        yield Site(wire, server.url, server, neighbour=neighbour, named=host_of(neighbour.url))


@contextmanager
def proxy(wire: Wire) -> Iterator[Site]:
    """A far side behind a proxy, which is the server that does what the scripts say."""
    with FarSide() as server:
        yield Site(wire, FAR, server, {"proxy": server.url}, named=host_of(server.url))


@contextmanager
def proxy_as_neighbour(wire: Wire) -> Iterator[Site]:
    """The same, but nothing may be sent."""
    with FarSide() as server:
        yield Site(wire, FAR, neighbour=server, settings={"proxy": server.url})


@contextmanager
def not_trusted(wire: Wire) -> Iterator[Site]:
    """A far side that may not be asked over plain http, behind a proxy."""
    with FarSide() as server:
        yield Site(wire, NOT_TRUSTED, neighbour=server, settings={"proxy": server.url})


@contextmanager
def tunnel(wire: Wire) -> Iterator[Site]:
    """A far side with TLS behind a proxy, which is asked for a tunnel."""
    with FarSide() as server:
        settings = {"proxy": server.url}
        named = host_of(server.url)
        yield Site(wire, SAFE, server, settings, named=named, method="CONNECT")


@contextmanager
def no_proxy(wire: Wire) -> Iterator[Site]:
    """A far side behind a proxy that is not there."""
    proxy = refused_url()
    yield Site(wire, FAR, settings={"proxy": proxy}, named=host_of(proxy))


@contextmanager
def no_tunnel(wire: Wire) -> Iterator[Site]:
    """A far side with TLS behind a proxy that is not there."""
    proxy = refused_url()
    yield Site(wire, SAFE, settings={"proxy": proxy}, named=host_of(proxy))


@contextmanager
def mute_proxy(wire: Wire) -> Iterator[Site]:
    """A far side behind a proxy that never says a word."""
    with mute(wire) as site:
        settings = {"proxy": site.url}
        yield Site(wire, FAR, settings=settings, named=host_of(site.url), count=site.count)


@contextmanager
def mute_tunnel(wire: Wire) -> Iterator[Site]:
    """A far side with TLS behind a proxy that never says a word."""
    with mute(wire) as site:
        settings = {"proxy": site.url}
        yield Site(wire, SAFE, settings=settings, named=host_of(site.url), count=site.count)
