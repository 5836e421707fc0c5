"""Questions to a far side, and the two wire formats they go out in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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


@asynccontextmanager
async def tunnel(far_side: FarSide) -> AsyncIterator[str]:
    """A proxy that connects whoever asks to *far_side*; it ends with the last connection."""
    open_ones: list[asyncio.Task[None] | None] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", urlsplit(far_side.url).port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*filter(None, open_ones), return_exceptions=True)
