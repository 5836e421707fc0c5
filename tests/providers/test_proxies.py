"""Proxies: which requests go through one, and what is said when it fails."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

import pytest

from glm_magic.errors import ConfigError
from glm_magic.providers.failures import through
from tests.far_side import GREETING, FarSide, Status, refused_url
from tests.providers.asking import OPENAI, ask, fail, trust, tunnel

pytestmark = pytest.mark.usefixtures("short_pauses", "plain_http")

# Reached through a proxy only: a far side takes a request for another host as one for itself.
FAR = "http://glm.invalid/v1"
SAFE = "https://glm.invalid/v1"


@pytest.fixture(params=["option", "HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def named(request, monkeypatch):
    """Names a proxy, in each of the ways there are; returns the settings of the provider."""

    def name(proxy: str) -> dict[str, str]:
        if request.param == "option":
            return {"proxy": proxy}
        monkeypatch.setenv(request.param, proxy)
        return {}

    return name


async def test_through_a_proxy(far_side, named):
    """A request off this machine goes through the proxy."""
    reply = await ask(OPENAI.at(FAR, **named(far_side.url)))
    assert GREETING == reply.text
    assert "glm.invalid" == far_side.requests[0].headers["Host"]


async def test_proxy_without_a_scheme(far_side):
    """A proxy is usually written as host and port alone."""
    reply = await ask(OPENAI.at(FAR, proxy=urlsplit(far_side.url).netloc))
    assert GREETING == reply.text


async def test_this_machine_is_reached_directly(far_side, wire, named):
    """No proxy comes between us and a server on this machine."""
    assert GREETING == (await ask(wire.at(far_side.url, **named(refused_url())))).text


@pytest.mark.parametrize("way", ["NO_PROXY", "option"])
async def test_around_a_proxy(monkeypatch, way):
    """NO_PROXY and an empty option switch the environment's proxy off."""
    monkeypatch.setenv("HTTP_PROXY", refused_url())
    if way == "NO_PROXY":
        monkeypatch.setenv("NO_PROXY", "glm.invalid")
    proxy = "" if way == "option" else None
    error = await fail(OPENAI.at(FAR, proxy=proxy, retries=0))
    assert "this host name is not known" in str(error)


async def test_name_and_password_of_a_proxy(far_side):
    """Name and password reach the proxy and nobody else."""
    proxy = far_side.url.replace("http://", "http://ann:open-sesame@")
    await ask(OPENAI.at(FAR, proxy=proxy))
    far_side.queue(Status(407))
    error = await fail(OPENAI.at(FAR, proxy=proxy))
    assert (
        "Basic " + base64.b64encode(b"ann:open-sesame").decode()
        == far_side.requests[0].headers["Proxy-Authorization"]
    )
    assert "open-sesame" not in f"{error!r} {error._render_traceback_()}"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "SOCKS5H://u:p@127.0.0.1:1080"])
async def test_socks(named, proxy):
    """A SOCKS proxy is explained, before any request."""
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1080 is a SOCKS proxy") as caught:
        await ask(OPENAI.at(FAR, **named(proxy)))
    assert "HTTP port" in caught.value.remedy


async def test_socks_does_not_matter_on_this_machine(far_side, monkeypatch):
    """What is set for other machines is no obstacle on this one."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    assert GREETING == (await ask(OPENAI.at(far_side.url))).text


async def test_tls_through_a_proxy(monkeypatch):
    """TLS goes through the proxy unread, by a tunnel."""
    with FarSide(tls=True) as far_side:
        trust(far_side, monkeypatch)
        async with tunnel(far_side) as proxy:
            reply = await ask(OPENAI.at(SAFE, proxy=proxy, api_key="sk-0123456789"))
    assert GREETING == reply.text
    assert "Bearer sk-0123456789" == far_side.requests[0].headers["Authorization"]


def test_proxy_on_the_way_is_named():
    """A proxy is named once; a longer name with its own inside is another one."""
    proxy = "http://127.0.0.1:7890"
    assert "no proxy 127.0.0.1:7890" == through("no proxy 127.0.0.1:7890", proxy)
    longer = through("no way to 127.0.0.1:78901", proxy)
    assert "no way to 127.0.0.1:78901 through the proxy 127.0.0.1:7890" == longer
