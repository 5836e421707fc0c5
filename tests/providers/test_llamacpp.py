"""The OpenAI provider against a server none of us wrote: llama.cpp's own, with a small model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager

import pytest

from glm_magic.errors import AuthenticationError, ModelError
from glm_magic.messages import Message, Usage
from glm_magic.providers import make_provider
from glm_magic.providers.base import Options
from glm_magic.providers.models import find_gguf
from tests.providers.asking import ask, fail

MODEL = find_gguf(None)
# In CI a missing model is a failure.
pytestmark = pytest.mark.skipif(
    MODEL is None and not os.environ.get("CI"), reason="the small model is not installed"
)

SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.port = sys.argv[1], 512, 1, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.verbosity = 0
params.api_keys = sys.argv[2:]
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
KEY = "sk-0123456789abcdef"
QUESTION = [Message("user", "What is the capital of France?")]
SHORT = Options(max_tokens=8, temperature=0)


@contextmanager
def served(*keys: str) -> Iterator[str]:
    """Run the server in a process of its own, and give its address."""
    command = [sys.executable, "-c", SERVER, str(MODEL), *keys]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        yield next(line.strip() for line in lines if line.startswith("http"))
        process.kill()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., str]]:
    """A function that gives the address of a server with certain keys, started once for each."""
    urls: dict[tuple[str, ...], str] = {}
    with ExitStack() as stack:

        def url(*keys: str) -> str:
            if keys not in urls:
                urls[keys] = stack.enter_context(served(*keys))
            return urls[keys]

        yield url


async def test_answer_streams(serve):
    """An answer comes word by word, with its usage and its model."""
    provider = make_provider("openai", base_url=serve())
    deltas = []
    async with aclosing(provider.stream(QUESTION, options=SHORT)) as stream:
        deltas = [delta async for delta in stream]
    assert len([delta for delta in deltas if delta.content]) > 3
    assert "length" == deltas[-1].finish_reason
    usage = deltas[-1].usage
    assert isinstance(usage, Usage)
    assert 8 == usage.completion_tokens
    assert deltas[-1].model


async def test_models(serve):
    """The server lists the one model it has."""
    models = await make_provider("openai", base_url=serve()).models()
    assert 1 == len(models)


async def test_connection_is_kept(serve):
    """Two questions in a row are answered inside one `async with`."""
    async with make_provider("openai/any", base_url=serve()) as provider:
        first = await ask(provider, QUESTION, options=SHORT)
        assert first.text == (await ask(provider, QUESTION, options=SHORT)).text


async def test_answers_after_a_stop(serve):
    """After a stop the server, which has one slot, answers the next question."""
    provider = make_provider("openai/any", base_url=serve())
    endless = Options(max_tokens=400, temperature=0, extra={"ignore_eos": True})
    stream = provider.stream(QUESTION, options=endless)
    async for delta in stream:
        if delta.content:
            break
    await stream.aclose()
    assert "length" == (await ask(provider, QUESTION, options=SHORT)).finish_reason


async def test_prompt_too_long(serve):
    """A prompt longer than the context is refused in the user's words, and not asked again."""
    error = await fail(
        make_provider("openai/any", base_url=serve()), [Message("user", "word " * 2000)]
    )
    assert isinstance(error, ModelError)
    assert "too long for the model" in str(error)
    assert "undo" in error.remedy


async def test_request_it_does_not_take(serve):
    """A refusal of an option carries the server's own words."""
    provider = make_provider("openai/any", base_url=serve())
    error = await fail(provider, QUESTION, options=Options(extra={"messages": 5}))
    assert isinstance(error, ModelError)
    assert "messages" in error.detail


async def test_wrong_address(serve):
    """A path that the server does not have is a mistake in the base URL."""
    error = await fail(make_provider("openai/any", base_url=f"{serve()}/api/v9"))
    assert isinstance(error, ModelError)
    assert "base URL" in error.remedy


async def test_key(serve):
    """A server with a key answers those who have it."""
    provider = make_provider("openai/any", base_url=serve(KEY), api_key=KEY)
    assert (await ask(provider, QUESTION, options=SHORT)).text


@pytest.mark.parametrize("key", [None, "sk-wrong-wrong"])
async def test_wrong_key(serve, key):
    """A server with a key refuses those who have none or another."""
    error = await fail(make_provider("openai/any", base_url=serve(KEY), api_key=key))
    assert isinstance(error, AuthenticationError)
    assert "key" in error.remedy
