"""Questions to a far side, and the two wire formats they go out in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from glm_magic.errors import ProviderError
from glm_magic.messages import Delta, Message, Reply
from glm_magic.providers import make_provider
from glm_magic.providers.base import Messages, Provider
from tests.far_side import FarSide, chatglm_stream, openai_stream

QUESTION = (Message("user", "Hi"),)


@dataclass(frozen=True)
class Wire:
    """A wire format: the *model* that speaks it and a *stream* of it that says a text.

    *unfinished* is the same stream without its end.
    """

    name: str
    model: str
    stream: Callable[[str | Sequence[str]], list[bytes]]
    unfinished: Callable[[str | Sequence[str]], list[bytes]]

    def at(self, url: str, **settings: Any) -> Provider:
        """Return the provider for this wire at *url*."""
        return make_provider(self.model, base_url=url, **settings)


OPENAI = Wire(
    "openai",
    "openai/glm-test",
    openai_stream,
    lambda text: openai_stream(text, finish=None, done=False),
)
CHATGLM = Wire(
    "chatglm", "chatglm", chatglm_stream, lambda text: chatglm_stream(text, finish=False)
)
WIRES = (OPENAI, CHATGLM)


async def deltas_of(provider: Provider, messages: Messages = QUESTION, **asked: Any) -> list[Delta]:
    """Return all deltas of the answer to *messages*."""
    async with aclosing(provider.stream(messages, **asked)) as deltas:
        return [delta async for delta in deltas]


async def ask(provider: Provider, messages: Messages = QUESTION, **asked: Any) -> Reply:
    """Return the whole reply to *messages*."""
    reply = Reply()
    for delta in await deltas_of(provider, messages, **asked):
        reply.add(delta)
    return reply


async def fail(provider: Provider, messages: Messages = QUESTION, **asked: Any) -> ProviderError:
    """Return the error that answers *messages*."""
    with pytest.raises(ProviderError) as caught:
        await deltas_of(provider, messages, **asked)
    return caught.value


def trust(far_side: FarSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the certificate of *far_side*, whatever it is called."""
    assert far_side.ca is not None
    context = ssl.create_default_context()
    far_side.ca.configure_trust(context)
    context.check_hostname = False  # the certificate is for 127.0.0.1
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)
