"""A provider that plays what a test wrote down, and remembers what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from glm_magic.messages import Delta, Message
from glm_magic.providers.base import Messages, Options, Request

#: A delta to yield, an error to raise, or an event to wait for.
Step = Delta | Exception | asyncio.Event


def says(*words: str, **last: object) -> list[Step]:
    """Return the script of an answer in *words*; *last* goes into the delta that ends it."""
    end = Delta(**{"finish_reason": "stop", **last})
    return [*(Delta(content=word) for word in words), end]


class ScriptedProvider:
    """Plays the next of *scripts* at every question, or says `ok` when none is left."""

    name = "scripted"
    model = "parrot"
    host = "nowhere"

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self.scripts = list(scripts)
        self.sent: list[list[Message]] = []
        self.ids: list[str | None] = []
        self.options: list[Options | None] = []
        self.closed = 0

    async def stream(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """Note what is asked, then play the script; `closed` counts the streams that are over."""
        self.sent.append([Message.of(message) for message in messages])
        self.ids.append(conversation_id)
        self.options.append(options)
        try:
            for step in self.scripts.pop(0) if self.scripts else says("ok"):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        finally:
            self.closed += 1

    def prepare(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> Request:
        """Return how many messages would be sent."""
        return Request(self.host, {"count": len(messages)})

    async def models(self) -> list[str]:
        """Return the one model."""
        return [self.model]

    async def aclose(self) -> None:
        """Hold nothing, let go of nothing."""
