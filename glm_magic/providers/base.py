"""The one seam: what a provider is, and the values that cross it. No I/O."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ..messages import Delta, Message

Think = Literal["off", "low", "high", "max"]
#: What `stream` takes: our own values, or the usual role/content dicts.
Messages = Sequence["Message | Mapping[str, Any]"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks for besides its messages; None leaves it to the far side.

    *extra* goes into the request body as it is.
    """

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | Sequence[str] | None = None
    think: Think | None = None
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clocks:
    """How long to wait, in seconds; None switches one off. There is no total limit.

    *connect* bounds the connection with its TLS handshake, *first_event* the
    time from the start of the request to the first event (comments do not
    count), *idle* any silence after it.
    """

    connect: float | None = 10.0
    first_event: float | None = 300.0
    idle: float | None = 300.0


@dataclass(frozen=True, slots=True)
class Request:
    """What would be sent and where; the key in *headers* is shown as `***`."""

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


@runtime_checkable
class Provider(Protocol):
    """A far side that answers messages with a stream of deltas."""

    #: The name it goes by, such as `zai`.
    name: str
    #: The model asked for when options name none; may be empty until the far side is asked.
    model: str

    @property
    def host(self) -> str:
        """Where it is, for messages to the user."""

    def stream(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer to *messages* step by step; the last delta has a finish reason.

        Raises ProviderError, whose `partial` is the reply so far, when the
        stream cannot go on. The deltas are as they came: what is shown goes
        through a `Reply`, which masks keys that the far side repeats.
        """

    def prepare(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> Request:
        """Return what `stream` would send, without sending it."""

    async def models(self) -> list[str]:
        """Return the names of the models on offer, or an empty list when it does not say."""

    async def aclose(self) -> None:
        """Let go of connections and memory; the provider can be used again."""
