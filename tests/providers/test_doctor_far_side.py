"""What the doctor says of servers that mislead, and of proxies that are not at fault."""

from __future__ import annotations

import socket

import pytest

from glm_magic.doctor.check import PATIENCE
from glm_magic.providers import http
from tests.far_side import FarSide, Raw, Redirect, Silence, Status, Stream
from tests.providers.asking import trust, tunnel
from tests.providers.checking import checks

PAGE = Status(200, "<html><title>Login</title>Please log in</html>", "text/html")
SAFE = "https://glm.invalid/v1"


async def test_dribbled_list(far_side):
    """A list that seems over at each piece and never ends is given up like silence."""
    braces = Stream([b"{}"] * 400, pace=0.02, content_type="application/json")
    far_side.queue(Status(200), braces, method="GET")
    found = await checks(base_url=far_side.url, patience=0.3)
    assert "no answer within 0.3 s" == found["model"].finding
    assert "server is up" in found["model"].remedy
    assert "right" == found["versions"].verdict


async def test_error_page_that_stalls(far_side, monkeypatch):
    """What an error page says counts, also when the page has no end."""
    monkeypatch.setattr(http, "LAST_SECONDS", 0.05)
    loading = Stream([b"Loading model"], status=503, content_type="text/plain", end="hold")
    refused = Stream([b'[{"error": {"code": "1000"}}'], status=401, end="hold")
    far_side.queue(loading, method="GET")
    assert "still loading" in (await checks(base_url=far_side.url))["server"].finding
    far_side.queue(Status(200), refused, method="GET")
    assert "wants a key (HTTP 401)" in (await checks(base_url=far_side.url))["model"].finding


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "unix:///x"])
async def test_bad_address(address):
    """An address of no use is at fault for the server there, and for no other provider."""
    found = await checks(base_url=address)
    assert "wrong" == found["address"].verdict
    assert {"widgets", "versions"} <= found.keys()
    assert "wrong" == (await checks("", base_url=address))["address"].verdict
    assert "address" not in await checks("echo", base_url=address)


async def test_key_is_missing(far_side):
    """A server that wants a key, where none is set, is no reason to check the key."""
    refused = Status(401, {"error": {"message": "Missing API key"}})
    far_side.queue(Status(200), refused, method="GET")
    model = (await checks(base_url=far_side.url))["model"]
    assert "the server wants a key (HTTP 401). Missing API key" == model.finding
    assert "Set GLM_API_KEY to its key." == model.remedy


@pytest.mark.parametrize("wanted", ["openai", "openai/glm-9"])
async def test_login_page(far_side, wanted):
    """A login page is neither health nor a list of models."""
    far_side.queue(PAGE, PAGE, method="GET")
    found = await checks(wanted, base_url=far_side.url)
    assert "open" == found["server"].verdict
    assert "wrong" == found["model"].verdict
    assert "a login page" in found["model"].finding


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (Status(404), "there is no list at /api/models (HTTP 404)"),
        (Status(405), "there is no list at /api/models (HTTP 405)"),
        (Status(200, {"models": []}), "no list of models"),
        (Status(200, "yes"), "no list of models"),
        (Status(200, [{"id": "a"}]), "a, the first of the server's 1"),
        (Status(200, {"data": None}), "the server lists no models"),
        (Redirect("https://a.example/login"), "points to a.example (HTTP 307)"),
        (Redirect("https://a.example/login", 300), "points to a.example (HTTP 300)"),
        (Redirect("/login?next=/"), "points to /login (HTTP 307)"),
        (Redirect("https://ann:sesame/"), "points to another address (HTTP 307)"),
        (Redirect("/x" * 500), "x…x/x"),
    ],
)
async def test_no_list(far_side, answer, finding):
    """What comes in place of a list is told; the list alone, without an object, is one."""
    far_side.queue(Status(200), answer, method="GET")
    assert finding in (await checks(base_url=f"{far_side.url}/api"))["model"].finding


@pytest.mark.parametrize("wanted", ["openai", "openai/glm-9"])
async def test_wrong_path(far_side, wanted):
    """An address with a path that is no version is said to lack one."""
    model = (await checks(wanted, base_url=f"{far_side.url}/api"))["model"]
    assert "there is no list at /api/models (HTTP 404)" in model.finding
    assert "probably lacks /v1" in model.remedy


async def test_tag_of_a_name(far_side):
    """A model without a tag is the latest one, as it is for Ollama."""
    listed = Status(200, {"data": [{"id": "glm4:latest"}]})
    far_side.queue(Status(200), listed, method="GET")
    found = await checks("openai/glm4", base_url=far_side.url)
    assert "right" == found["model"].verdict


async def test_tls_is_expected():
    """A server that speaks TLS, asked without it, is to be asked by https."""
    with FarSide(tls=True) as far_side:
        url = far_side.url.replace("https:", "http:")
        assert "https://" in (await checks(base_url=url))["server"].remedy


async def test_silence_behind_tls(monkeypatch):
    """A certificate that was taken is trusted, whatever comes after it."""
    with FarSide(tls=True) as far_side:
        trust(far_side, monkeypatch)
        far_side.queue(Silence(), method="GET")
        found = await checks(base_url=far_side.url, patience=1.5)
    assert ("right", "wrong") == (found["TLS"].verdict, found["server"].verdict)
    assert "no answer within 1.5 s" == found["server"].finding


async def test_no_handshake():
    """A certificate that never came is not judged."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        found = await checks(base_url=url, patience=0.2)
    assert ("open", "wrong") == (found["TLS"].verdict, found["server"].verdict)
    assert "server is up" in found["server"].remedy


@pytest.mark.parametrize(
    ("script", "patience"),
    [(Silence(), 1.5), (Raw(b"SSH-2.0-x\r\n\r\n"), PATIENCE), (Raw(b""), PATIENCE)],
)
async def test_fault_behind_a_proxy(monkeypatch, script, patience):
    """What fails behind a proxy that works is not the fault of the proxy."""
    with FarSide(tls=True) as far_side:
        trust(far_side, monkeypatch)
        far_side.queue(script, script, method="GET")  # a cut connection is tried once more
        async with tunnel(far_side) as proxy:
            found = await checks(base_url=SAFE, proxy=proxy, patience=patience)
    verdicts = [found[name].verdict for name in ("proxy", "TLS", "server")]
    assert ["right", "right", "wrong"] == verdicts


async def test_certificate_behind_a_proxy():
    """A certificate that nobody vouches for is not the fault of the proxy it came through."""
    with FarSide(tls=True) as far_side:
        async with tunnel(far_side) as proxy:
            found = await checks(base_url=SAFE, proxy=proxy)
    assert ("right", "wrong") == (found["proxy"].verdict, found["TLS"].verdict)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_proxy_refuses(far_side, status):
    """A proxy that makes no connection is at fault."""
    far_side.queue(Status(status), method="CONNECT")
    found = await checks(base_url=SAFE, proxy=far_side.url)
    assert f"refuses (HTTP {status})" in found["proxy"].finding
    assert ("wrong", "open") == (found["proxy"].verdict, found["server"].verdict)


async def test_unknown_proxy():
    """A proxy that nobody knows is at fault, and is to be changed."""
    found = await checks(base_url=SAFE, proxy="http://proxy.invalid:3128")
    assert ("wrong", "open") == (found["proxy"].verdict, found["server"].verdict)
    assert "GlmConfig.proxy" in found["proxy"].remedy
    assert "name" not in found


@pytest.mark.parametrize("script", [Redirect("/docs"), Status(503, "no", "text/plain")])
async def test_root_of_a_gateway(far_side, script):
    """What a gateway says at its root, where no question goes, is no fault."""
    far_side.queue(script, method="GET")
    found = await checks("chatglm", chatglm_url=far_side.url)
    assert "open" == found["server"].verdict
