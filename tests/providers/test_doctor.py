"""What `%glmcmd doctor` finds, against far sides that fail in one place at a time."""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper
from urllib.parse import urlsplit

import pytest

from glm_magic.config import GlmConfig
from glm_magic.doctor.check import Check
from glm_magic.magic.commands import run
from glm_magic.state import State
from tests.far_side import FarSide, Redirect, Silence, Status, refused_url
from tests.providers.checking import checks

KEY = "sk-of-the-doctor-0123456789"


def open_ones(found: dict[str, Check]) -> list[str]:
    """Return the names of the checks that were not made, or are of no consequence."""
    return [check.name for check in found.values() if check.verdict == "open"]


async def test_healthy(far_side):
    """Where all is well every line says so, two requests are made, and no question is asked."""
    far_side.queue(Status(200, {"status": "ok"}), method="GET")
    found = await checks(base_url=far_side.url)
    assert {"right"} == {found[name].verdict for name in found.keys() - {"embedded"}}
    assert "healthy" in found["server"].finding
    assert "glm-test, the first of the server's 2" == found["model"].finding
    assert ["/health", "/v1/models"] == [request.path for request in far_side.requests]
    assert "loopback is direct" in found["proxy"].finding


async def test_refused():
    """Where nobody listens, the server is at fault and its models are not asked for."""
    found = await checks(base_url=refused_url())
    assert "wrong" == found["server"].verdict
    assert "Is the server running" in found["server"].remedy
    assert "not checked" in found["model"].finding


async def test_key_is_refused(far_side, monkeypatch):
    """A key that the server does not take is told apart from a server that does not answer."""
    monkeypatch.setenv("GLM_API_KEY", KEY)
    far_side.queue(Status(200), Status(401, {"error": {"message": "bad key"}}), method="GET")
    found = await checks(base_url=far_side.url)
    assert ("right", "wrong") == (found["server"].verdict, found["model"].verdict)
    assert "from GLM_API_KEY" == found["key"].finding
    assert found["model"].remedy
    assert "Authorization" not in far_side.requests[0].headers
    assert f"Bearer {KEY}" == far_side.requests[1].headers["Authorization"]


async def test_loading(far_side):
    """A server that still loads its model is to be waited for."""
    far_side.queue(Status(503, {"error": {"message": "Loading model"}}), method="GET")
    found = await checks(base_url=far_side.url)
    assert "loading its model (HTTP 503" in found["server"].finding
    assert "Wait" in found["server"].remedy
    assert "open" == found["model"].verdict


async def test_model_is_missing(far_side):
    """A model that the server does not list is named, with some that it does."""
    found = await checks("openai/glm-9", base_url=far_side.url)
    assert "right" == found["server"].verdict  # a server without /health answers all the same
    assert "the server does not list glm-9" == found["model"].finding
    assert "It has glm-test, glm-test-flash" == found["model"].remedy


async def test_models_are_not_said(far_side):
    """A server that lists nothing leaves the question of the model open."""
    far_side.queue(Status(200), Status(404), method="GET")
    found = await checks("openai/glm-9", base_url=far_side.url)
    assert "open" == found["model"].verdict
    assert "whether it has glm-9 is not known" in found["model"].finding


async def test_certificate():
    """A certificate that nobody vouches for is the fault of TLS alone."""
    with FarSide(tls=True) as far_side:
        found = await checks(base_url=far_side.url)
    assert "wrong" == found["TLS"].verdict
    assert "SSL_CERT_FILE" in found["TLS"].remedy
    assert {"server", "model"} <= set(open_ones(found))


async def test_proxy_is_down():
    """A proxy that does not answer is at fault, and nothing behind it."""
    proxy = refused_url()
    found = await checks(base_url="https://glm.invalid/v1", proxy=proxy)
    assert "wrong" == found["proxy"].verdict
    assert urlsplit(proxy).netloc in found["proxy"].finding
    assert {"TLS", "server", "model"} <= set(open_ones(found))


@pytest.mark.usefixtures("plain_http")
async def test_through_a_proxy(far_side):
    """A proxy that works is named, and looked up in place of the server behind it."""
    found = await checks(base_url="http://glm.invalid/v1", proxy=far_side.url)
    assert f"{urlsplit(far_side.url).netloc}, from GlmConfig.proxy" in found["proxy"].finding
    assert "127.0.0.1 needs no look-up" == found["name"].finding
    assert "right" == found["model"].verdict


async def test_plain_http():
    """An address off this machine without TLS is at fault, and nothing is asked there."""
    found = await checks(base_url="http://glm.invalid/v1")
    assert "wrong" == found["address"].verdict
    assert 'GlmConfig.plain_http = "glm.invalid"' in found["address"].remedy
    assert "open" == found["server"].verdict


async def test_socks():
    """A SOCKS proxy is explained, and nothing is asked through it."""
    found = await checks(base_url="https://glm.invalid/v1", proxy="socks5://127.0.0.1:1080")
    assert "HTTP port" in found["proxy"].remedy
    assert "open" == found["server"].verdict


async def test_unknown_name():
    """A host name that nobody knows is at fault, and what depends on it says so."""
    found = await checks(base_url="https://glm.invalid/v1")
    assert "wrong" == found["name"].verdict
    assert "not checked: glm.invalid is not known" == found["server"].finding
    assert {"TLS", "server", "model"} <= set(open_ones(found))


async def test_no_key():
    """A missing key is named and stops no other check."""
    found = await checks("zai", proxy=refused_url())
    assert "wrong" == found["key"].verdict
    assert "ZAI_API_KEY" in found["key"].remedy
    assert {"address", "proxy", "server", "model", "versions"} <= found.keys()


async def test_no_address():
    """A provider without an address says which variable is missing."""
    found = await checks()
    assert "GLM_BASE_URL" in found["address"].remedy
    assert "open" == found["server"].verdict
    assert "right" == found["versions"].verdict


async def test_silence(far_side):
    """A server that says nothing is given up soon, and no setting is said to help."""
    far_side.queue(Silence(), method="GET")
    found = await checks(base_url=far_side.url, patience=0.05)
    assert "server is up" in found["server"].remedy
    assert "no answer within 0.05 s" == found["server"].finding
    assert "right" == found["versions"].verdict


@pytest.mark.parametrize(
    ("script", "finding"),
    [
        (Redirect("http://a.example/"), "points elsewhere: to a.example"),
        (Status(500), "it fails (HTTP 500)"),
    ],
)
async def test_wrong_answer(far_side, script, finding):
    """A server that points elsewhere or fails where no question goes is asked for its models."""
    far_side.queue(script, method="GET")
    found = await checks(base_url=far_side.url)
    assert finding in found["server"].finding
    assert ("open", "right") == (found["server"].verdict, found["model"].verdict)


async def test_web_stream(far_side):
    """The web stream is called what it is, a gateway a gateway, and neither is asked a question."""
    found = await checks("chatglm", proxy=refused_url())
    assert "closed in spring 2025" in found["web"].finding
    assert (
        "gateway of your own" in (await checks("chatglm", chatglm_url=far_side.url))["web"].finding
    )
    assert ["/"] == [request.path for request in far_side.requests]


async def test_embedded_model(tmp_path):
    """A missing model file is at fault only where it is the one that answers."""
    missing = {"local_model": str(tmp_path / "none.gguf")}
    assert "wrong" == (await checks("local", **missing))["embedded"].verdict
    assert "wrong" != (await checks("echo", **missing))["embedded"].verdict
    assert ["provider", "key", "embedded", "widgets", "versions"] == [*await checks("echo")]


def test_printed(far_side, monkeypatch, capsys):
    """It is a line for each check and one for each remedy, at most 15, and no key is in them."""
    monkeypatch.setenv("GLM_API_KEY", KEY)
    said = {"error": {"message": f"{KEY} is no key"}}
    far_side.queue(Status(200), Status(401, said), method="GET")
    run(State(GlmConfig(base_url=far_side.url)), "doctor")
    lines = capsys.readouterr().out.splitlines()
    assert "✓ provider openai" == lines[0][:17]
    assert "✗ model" in [line[:7] for line in lines]
    assert len(lines) <= 15
    assert KEY not in "\n".join(lines)


def test_printed_plainly(capsys):
    """Where signs cannot be shown there are words."""
    run(State(GlmConfig(base_url=refused_url(), render="plain")), "doctor")
    lines = capsys.readouterr().out.splitlines()
    assert {"ok", "!!", "--", "  "} == {line[:2] for line in lines}
    assert "\n".join(lines).isascii()


def test_no_forged_lines(far_side, monkeypatch, capsys):
    """What a server says stays in the line it belongs to, in a finding and in a remedy."""
    monkeypatch.setenv("GLM_API_KEY", KEY)
    forged = "glm\n✓ model all fine\r\n✗ widgets none\v\f\x85\u2028✓ end"
    refused = Status(401, {"error": {"message": forged}})
    listed = Status(200, {"data": [{"id": forged}]})
    far_side.queue(Status(200), refused, Status(200), listed, method="GET")
    for wanted in ("openai", "openai/glm-9"):
        run(State(GlmConfig(base_url=far_side.url)), f"doctor {wanted}")
    lines = capsys.readouterr().out.splitlines()
    assert {"✗ model"} == {line[:7] for line in lines if line[0] == "✗"}
    assert not [line for line in lines if line.startswith(("✓ model", "✓ end"))]
    assert {"✓", "✗", "–", " "} >= {line[0] for line in lines}


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii", "utf-8"])
def test_printed_in_any_encoding(far_side, monkeypatch, encoding):
    """What the output cannot take is replaced, and the rest of the report is there."""
    names = [{"id": f"m{number}-🦙é"} for number in range(9)]
    far_side.queue(Status(200), Status(200, {"data": names}), method="GET")
    raw = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(raw, encoding, write_through=True))
    run(State(GlmConfig(base_url=far_side.url)), "doctor openai/glm-9")
    lines = raw.getvalue().decode(encoding).splitlines()
    assert "versions" in lines[-1]
    assert "It has m0-" in "".join(lines)
