"""A key goes out in one header, and stays in no exception and no variable of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

import glm_magic
from glm_magic.errors import GlmError
from glm_magic.providers import make_provider
from glm_magic.wire.sse import SSEDecoder
from tests.far_side import FarSide, Raw, Redirect, Status, refused_url
from tests.planted import ONE, basic, leaks
from tests.providers.asking import ask, deltas_of

OURS = str(Path(glm_magic.__file__).parent)
FAULTS = {
    "401": Status(401, {"error": {"message": "bad key"}}),
    "page": Status(200, "<html>", content_type="text/html"),
    "no HTTP": Raw(b"HTTP/9.9\r\n\r\n"),
    "huge header": Raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10**5 + b"\r\n\r\n"),
    "cut": Raw(b""),
    "redirect": Redirect("https://a.example/v1"),
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error*, what caused it, and what was going on."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__ if error.__context__ is not error.__cause__ else None)


def variables(trace: TracebackType | None) -> Iterator[str]:
    """Yield the variables of our functions in *trace* as a traceback shows them."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(OURS):
            yield from (f"{name} = {value!r}" for name, value in trace.tb_frame.f_locals.items())
        trace = trace.tb_next


def told(error: BaseException) -> str:
    """Everything that *error* and its causes tell somebody who looks closely."""
    facts = [
        [repr(each), str(each), repr(each.args), repr(vars(each)), *variables(each.__traceback__)]
        for each in chain(error)
    ]
    return "\n".join(fact for each in facts for fact in each)


@pytest.mark.parametrize("name", [*FAULTS, "refused", "unknown host", "bug", "bad header"])
async def test_no_key_in_an_exception(far_side: FarSide, monkeypatch, name: str):
    """Whatever goes wrong, the exception, its causes and our variables hold no key."""
    headers = {"X-Odd": 5} if name == "bad header" else {"X-Api-Key": ONE}
    urls = {"refused": refused_url(), "unknown host": "https://nonexistent.invalid/v1"}
    key = None if name == "unknown host" else ONE
    if name == "bug":
        monkeypatch.setattr(SSEDecoder, "feed", lambda *_: 1 / 0)
    far_side.queue(*filter(None, [FAULTS.get(name)]))
    provider = make_provider(
        "openai/glm-test",
        base_url=urls.get(name, far_side.url),
        api_key=key,
        headers=headers,
        retries=0,
    )
    with pytest.raises(ZeroDivisionError if name == "bug" else GlmError) as caught:
        await deltas_of(provider)
    assert leaks(told(caught.value)) == []


async def test_no_key_in_a_provider(far_side: FarSide):
    """A provider printed with all it holds shows no key; its request has it."""
    headers = {"X-Api-Key": ONE, "Authorization": f"Basic {basic(ONE)}", "X-Other": "plain"}
    provider = make_provider("openai/m", base_url=far_side.url, api_key=ONE, headers=headers)
    request = provider.prepare([{"role": "user", "content": "hi"}])
    assert leaks(f"{vars(provider)} {request}") == []
    assert request.headers["Authorization"] == "Basic ***"
    assert request.headers["X-Other"] == "plain"
    await ask(provider)
    sent = far_side.requests[0].headers
    assert {**sent, **headers} == dict(sent)


def test_password_of_an_address_is_not_prepared():
    """What would be sent shows no password of its address."""
    provider = make_provider("openai/m", base_url="https://me:pass-word-9@host.test/v1")
    assert provider.prepare([{"role": "user", "content": "hi"}]).url == (
        "https://me:***@host.test/v1/chat/completions"
    )


@pytest.mark.usefixtures("plain_http")
async def test_password_of_a_proxy(far_side: FarSide):
    """The password of a proxy is masked in what the proxy says of it."""
    far_side.queue(Status(502, f"no {ONE} here", content_type="text/plain"))
    address = far_side.url.replace("http://", f"http://user:{sys.intern('pass-word-1')}@")
    provider = make_provider("openai/m", base_url="http://glm.invalid/v1", proxy=address, retries=0)
    with pytest.raises(GlmError) as caught:
        await deltas_of(provider)
    assert "pass-word-1" not in told(caught.value)
