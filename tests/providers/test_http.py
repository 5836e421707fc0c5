"""The way to the far side: what can fail on it, and what the user is told."""

from __future__ import annotations

import ssl

import aiohttp
import pytest
from aiohttp import client_exceptions

from glm_magic.errors import ConfigError, NetworkError, ProtocolError
from glm_magic.providers import failures
from tests.far_side import GREETING, FarSide, Raw, refused_url
from tests.providers.asking import OPENAI, ask, fail

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_nobody_listens(wire):
    """A refused connection names the address, and asks whether the server runs."""
    url = refused_url()
    error = await fail(wire.at(url))
    assert isinstance(error, NetworkError)
    assert url.rpartition("/")[2] == error.host
    assert "no connection" in str(error)
    assert "server running" in error.remedy
    assert error.passing


async def test_unknown_host(wire):
    """A host name that does not exist is a mistake in the address or no network at all."""
    error = await fail(wire.at("https://nonexistent.invalid", retries=0))
    assert isinstance(error, NetworkError)
    assert "nonexistent.invalid: this host name is not known" in str(error)


async def test_retried_until_it_is_there(far_side):
    """A far side that hangs up at first is asked again."""
    far_side.queue(Raw(b""), Raw(b"", end="abort"))
    assert GREETING == (await ask(OPENAI.at(far_side.url))).text
    assert 3 == len(far_side.requests)


@pytest.mark.parametrize("answer", [b"220 smtp.example ESMTP\r\n", b"\x16\x03\x01\x00\xff\x00"])
async def test_not_http(far_side, answer):
    """A server of another kind is recognised, and not asked again."""
    far_side.queue(Raw(answer))
    error = await fail(OPENAI.at(far_side.url))
    assert isinstance(error, ProtocolError)
    assert "not HTTP" in str(error)
    assert 1 == len(far_side.requests)


@pytest.mark.parametrize("url", ["https://glm..example/v1", f"https://{'a' * 70}.example"])
async def test_address_that_cannot_be(url):
    """An address that no host can have is a wrong setting."""
    with pytest.raises(ConfigError, match="Check GLM_BASE_URL"):
        await ask(OPENAI.at(url))


async def test_header_that_cannot_be(far_side, wire):
    """A header that HTTP cannot carry is a wrong setting, and is not sent."""
    with pytest.raises(ConfigError, match="headers") as caught:
        await ask(wire.at(far_side.url, headers={"X-Api-Key": "sk-0123456789\r\nX-Evil: 1"}))
    assert "sk-0123456789" not in repr(caught.value)
    await ask(wire.at(far_side.url))
    assert 1 == len(far_side.requests)


# -- TLS -----------------------------------------------------------------------------------------


async def test_certificate_of_a_stranger():
    """A certificate that nobody trusted signed is refused, once and for all."""
    with FarSide(tls=True) as far_side:
        error = await fail(OPENAI.at(far_side.url))
    assert isinstance(error, NetworkError)
    assert not error.passing
    assert "certificate is not trusted" in str(error)
    assert "SSL_CERT_FILE" in error.remedy
    assert [] == far_side.requests


async def test_certificate_that_is_trusted(monkeypatch):
    """With a trusted certificate the answer comes, and the key may go with the question."""
    with FarSide(tls=True) as far_side:
        assert far_side.ca is not None
        context = ssl.create_default_context()
        far_side.ca.configure_trust(context)
        monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)
        reply = await ask(OPENAI.at(far_side.url, api_key="sk-0123456789"))
    assert GREETING == reply.text


async def test_tls_where_there_is_none(far_side):
    """TLS to a plain server fails with a hint at http://."""
    error = await fail(OPENAI.at(far_side.url.replace("http:", "https:")))
    assert isinstance(error, NetworkError)
    assert not error.passing
    assert "TLS handshake failed" in str(error)
    assert "http://" in error.remedy


async def test_no_tls_where_there_is_some():
    """A plain question to a TLS server is a connection that was cut."""
    with FarSide(tls=True) as far_side:
        error = await fail(OPENAI.at(far_side.url.replace("https:", "http:"), retries=0))
    assert isinstance(error, NetworkError)
    assert "cut" in str(error)


# -- The table of foreign exceptions -------------------------------------------------------------

EXPLAINED = {
    "ClientConnectionError": "connection was cut",
    "ClientConnectionResetError": "connection was cut",
    "ClientConnectorCertificateError": "certificate is not trusted",
    "ClientConnectorDNSError": "host name is not known",
    "ClientConnectorError": "no connection",
    "ClientConnectorSSLError": "TLS handshake failed",
    "ClientError": "connection was cut",
    "ClientOSError": "connection was cut",
    "ClientPayloadError": "connection was cut",
    "ClientProxyConnectionError": "proxy {proxy} does not answer",
    "ClientResponseError": "answer is not HTTP",
    "ClientSSLError": "TLS handshake failed",
    "ConnectionTimeoutError": "no connection in time",
    "InvalidURL": "this address",
    "InvalidUrlClientError": "this address",
    "ServerConnectionError": "connection was cut",
    "ServerDisconnectedError": "connection was cut",
    "ServerTimeoutError": "no connection in time",
    "UploadAbortedError": "connection was cut",
}
#: What the request path does not raise, or what has words of its own.
ELSEWHERE = {
    "ClientHttpProxyError",  # explained by its status
    "ContentTypeError",  # of response.json()
    "InvalidUrlRedirectClientError",  # no redirect is followed
    "NonHttpUrlClientError",  # addresses are checked before
    "NonHttpUrlRedirectClientError",
    "RedirectClientError",
    "ServerFingerprintMismatch",  # of ssl=Fingerprint
    "SocketTimeoutError",  # of sock_read; the clocks are ours
    "WSMessageTypeError",
    "WSServerHandshakeError",
}


def test_every_exception_has_its_place():
    """Each exception of aiohttp is explained or known not to come."""
    assert EXPLAINED.keys() | ELSEWHERE == set(client_exceptions.__all__)


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_exception_is_explained(name):
    """The first row that fits an exception says what it means."""
    kind = getattr(client_exceptions, name)
    assert EXPLAINED[name] in next(
        row.what for row in failures._TABLE if issubclass(kind, row.kind)
    )
