"""The way to the far side: what can fail on it, and what the user is told."""

from __future__ import annotations

import ssl

import aiohttp
import pytest
from aiohttp import client_exceptions

from glm_magic.errors import ConfigError
from glm_magic.providers import failures
from tests.far_side import GREETING, FarSide
from tests.providers.asking import OPENAI, ask

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.mark.parametrize("url", ["https://glm..example/v1", f"https://{'a' * 70}.example"])
async def test_address_that_cannot_be(url):
    """An address that no host can have is a wrong setting."""
    with pytest.raises(ConfigError, match="Check GLM_BASE_URL"):
        await ask(OPENAI.at(url))


@pytest.mark.parametrize("end", ["\r\nX-Evil: 1", "\u043a\u043b\u044e\u0447", "\ud800", "\0"])
async def test_header_that_cannot_be(far_side, wire, end):
    """A header that HTTP cannot carry is a wrong setting, and is not sent."""
    with pytest.raises(ConfigError, match=r"headers.*X-Api-Key") as caught:
        await ask(wire.at(far_side.url, headers={"X-Api-Key": f"sk-0123456789{end}"}))
    assert "sk-0123456789" not in repr(caught.value)
    await ask(wire.at(far_side.url))
    assert 1 == len(far_side.requests)


# -- TLS -----------------------------------------------------------------------------------------


async def test_certificate_that_is_trusted(monkeypatch):
    """With a trusted certificate the answer comes, and the key may go with the question."""
    with FarSide(tls=True) as far_side:
        assert far_side.ca is not None
        context = ssl.create_default_context()
        far_side.ca.configure_trust(context)
        monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)
        reply = await ask(OPENAI.at(far_side.url, api_key="sk-0123456789"))
    assert GREETING == reply.text


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
