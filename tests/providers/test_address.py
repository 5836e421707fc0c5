"""Addresses: what a user may write, what comes of it, and what a message shows of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glm_magic.errors import ConfigError
from glm_magic.providers.address import (
    check_proxy,
    host_of,
    is_local,
    is_loopback,
    normalise,
    origin_of,
    proxy_error,
    target_of,
)
from glm_magic.redact import Secret


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://api.z.ai/api/paas/v4", "https://api.z.ai/api/paas/v4"),
        (" https://api.z.ai/api/paas/v4/ \n", "https://api.z.ai/api/paas/v4"),
        ("https://api.z.ai/api/paas/v4/chat/completions", "https://api.z.ai/api/paas/v4"),
        ("https://api.z.ai/api/paas/v4/chat/completions/", "https://api.z.ai/api/paas/v4"),
        ("https://a.example/v1/completions", "https://a.example/v1"),
        ("https://a.example/v1/models", "https://a.example/v1"),
        ("https://a.example/v1?x=1#y", "https://a.example/v1"),
        ("https://a.example", "https://a.example/v9"),
        ("https://a.example/", "https://a.example/v9"),
        ("https://a.example/chat/completions", "https://a.example/v9"),
        ("a.example", "https://a.example/v9"),
        ("a.example:8000/v1", "https://a.example:8000/v1"),
        ("localhost:8000", "http://localhost:8000/v9"),
        ("127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000/v9"),
        ("HTTP://A.example/V1", "http://A.example/V1"),
        ("http://me:word@a.example/v1", "http://me:word@a.example/v1"),
        ("列表.example", "https://列表.example/v9"),
    ],
)
def test_normalise(written: str, address: str):
    """An address is what stands before `/chat/completions`, however much was pasted."""
    assert address == normalise(written, version="/v9")
    assert address == normalise(address, version="/v9")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "  ",
        "/",
        "http://",
        "http:///v1",
        "ftp://a.example",
        "file:///etc/passwd",
        "http://a.example:port",
        "http://a.example:99999",
        "[::1",
        "http://[::1",
        "http://me:word@a.example:port/v1",
        "me:word@",
        "https://me:/word@a.example/v1",
        "https://me:1234/word@a.example/v1",
        "https://me:#word@a.example/v1",
        "https://me:word%40a.example/v1",
        "https://word%40a.example/v1",
        "https://me:?word@a.example/v1",
    ],
)
def test_no_address(written: str):
    """What is no http address is refused, with an example and without a password."""
    with pytest.raises(ConfigError, match="is not an http address") as caught:
        normalise(written)
    assert "http://127.0.0.1:8000/v1" in str(caught.value)
    assert not re.search("word(@|%40)", str(caught.value))


@given(st.text())
@example("0 #")  # a blank would be at the end when the rest is gone
def test_any_address(written: str):
    """Any text gives an http address with a host, the same when read again, or is refused."""
    try:
        address = normalise(written)
    except ConfigError:
        return
    assert address.startswith(("http://", "https://"))
    assert host_of(address)
    assert address == normalise(address)


@pytest.mark.parametrize(
    ("url", "scheme", "host"),
    [
        ("https://api.z.ai/api/paas/v4", "https", "api.z.ai"),
        ("http://127.0.0.1:8000/v1", "http", "127.0.0.1:8000"),
        ("http://me:wo@rd@a.example:1/x@y", "http", "a.example:1"),
        ("https://[::1]:8000", "https", "[::1]:8000"),
        ("/only/a/path", "", ""),
    ],
)
def test_host_and_origin(url: str, scheme: str, host: str):
    """Messages name host and port, without user, password and path."""
    assert host == host_of(url)
    assert (scheme, host) == origin_of(url)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://a.example/x?mail=me@b.example", "a.example"),
        ("//a.example:8443/", "a.example:8443"),
        ("https://[fe80::1%25eth0]:8443/", "[fe80::1%25eth0]:8443"),
        ("https://例子.example", "例子.example"),
        ("https://me:wo%40rd%40a.example/", "a.example"),
        ("https://me:word/", ""),
        ("https://me:word/x@a.example/", ""),
        ("https://me:80/word@a.example/", ""),
        ("https://me%2540a.example/", ""),
        ("http://[", ""),
        ("javascript:alert(1)", ""),
        ("/login", ""),
        ("", ""),
    ],
)
def test_target(location: str, host: str):
    """Of an address that comes from elsewhere the host is named, and nothing of a password."""
    assert host == target_of(location)


def test_long_target():
    """Of a long name both ends are left, and no half of a key."""
    Secret("key-of-test-address")
    assert "key-of" not in target_of(f"//{'x.' * 10}key-of-test-address{'.x' * 300}")
    assert re.fullmatch(r"start\.x.{1,50}x\.end:8443", target_of(f"//start{'.x' * 300}.end:8443"))


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]
)
def test_this_machine(host: str):
    """These names and addresses are this machine."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a.example",
        "localhost.a.example",
        "notlocalhost",
        "127.0.0.1.a.example",
        "128.0.0.1",
        "10.0.0.1",
        "::2",
        "127.1",
    ],
)
def test_another_machine(host: str):
    """A name that only looks like it is not this machine."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000/v1", True),
        ("http://LOCALHOST", True),
        ("http://[::1]/v1", True),
        ("http://me@127.0.0.1:1", True),
        ("http://127.0.0.1@a.example/v1", False),
        ("https://a.example/127.0.0.1", False),
    ],
)
def test_local_address(url: str, *, local: bool):
    """Whether an address is on this machine is decided by its host alone."""
    assert local is is_local(url)


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("http://127.0.0.1:7890", "http://127.0.0.1:7890"),
        ("127.0.0.1:7890", "http://127.0.0.1:7890"),
        ("https://me:word@p.example:1", "https://me:word@p.example:1"),
        ("socks.example:1080", "http://socks.example:1080"),
    ],
)
def test_proxy(written: str, proxy: str):
    """A proxy may be written without its scheme."""
    assert proxy == check_proxy(written)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS", "socks"])
def test_socks_proxy(scheme: str):
    """A SOCKS proxy is refused with the way out, and without its password."""
    with pytest.raises(ConfigError, match="SOCKS proxy") as caught:
        check_proxy(f"{scheme}://me:word@127.0.0.1:7890")
    assert "the proxy 127.0.0.1:7890 is" in str(caught.value)
    assert "HTTPS_PROXY=http://127.0.0.1:7890" in str(caught.value)
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "ftp://p.example",
        "http://",
        "http://me:word@p.example:port",
        "http://me:/word@p",
        "http://[::1",
    ],
)
def test_no_proxy_address(written: str):
    """What is no http address is refused as a proxy as well."""
    with pytest.raises(ConfigError, match=r"the proxy .* is not an http address") as caught:
        check_proxy(written)
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "passing", "remedy"),
    [
        (407, False, "a name and a password"),
        (403, False, "HTTPS_PROXY"),
        (502, True, "HTTPS_PROXY"),
    ],
)
def test_proxy_that_refuses(status: int, *, passing: bool, remedy: str):
    """The proxy is named without its password; only its own troubles pass by themselves."""
    error = proxy_error("http://me:word@p.example:1", status)
    assert error.what == f"the proxy p.example:1 refuses (HTTP {status})"
    assert passing is error.passing
    assert remedy in error.remedy
