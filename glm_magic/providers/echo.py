"""A provider that says what it is told: for documents, lessons and tests. No I/O."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from ..errors import ModelError, OverloadError, ProviderError
from ..messages import Delta, Message, Reply, Usage
from .base import Messages, Options, Request

#: What a script is made of: a delta to yield, an error to raise, or seconds to wait.
Step = Delta | Exception | float

#: Seconds that `slow` takes for a word.
PAUSE = 0.05


def _code(told: str) -> str:
    return f"Run this:\n\n```python\ntext = {told!r}\nprint(text)\n```\n\nIt prints your text.\n"


def _latex(told: str) -> str:
    return (
        f"{told}\n\nInline: $e^{{i\\pi}} + 1 = 0$. On its own:\n\n"
        "$$\n\\int_0^1 x^2 \\, dx = \\frac{1}{3}\n$$\n"
    )


def _markdown(told: str) -> str:
    quote = "\n".join(f"> {line}" for line in told.split("\n"))
    return (
        f"## You said\n\n{quote}\n\n"
        f"| what | count |\n|:-----|------:|\n| words | {len(told.split())} |\n"
        f"| characters | {len(told)} |\n\n- a list\n- with **bold** and `code`\n"
    )


#: The models, and what each makes of the user's last message.
MODELS: dict[str, Callable[[str], str]] = {
    "echo": str,
    "slow": str,
    "fail": str,
    "think": str,
    "code": _code,
    "latex": _latex,
    "markdown": _markdown,
}


class EchoProvider:
    """Answers with the user's last message, or plays *script* at every question.

    The models: `echo`, word by word; `slow`, 0.05 s a word; `fail`, half of it
    and then an OverloadError; `think`, a thought first; `code`, `latex` and
    `markdown`, the message within an example of each. A script is played as it
    is: its finish reason, too, is its own affair.
    """

    def __init__(
        self, script: Sequence[Step] | None = None, *, name: str = "echo", model: str = "echo"
    ) -> None:
        self.name = name
        self.model = model
        self._script = script

    @property
    def host(self) -> str:
        """Where the answers come from."""
        return "this process"

    async def stream(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer word by word; the last delta has the usage, counted in words.

        Raises ModelError for a model that is not one of ours, and whatever the
        script says; a ProviderError has the reply so far in `partial`.
        """
        reply = Reply(host=self.host)
        try:
            for step in self._steps(messages, options or Options()):
                if isinstance(step, Delta):
                    reply.add(step)
                    yield step
                elif isinstance(step, Exception):
                    raise step
                else:
                    await asyncio.sleep(step)
        except ProviderError as error:
            error.partial = reply
            raise

    def prepare(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> Request:
        """Return what is answered, and by which model."""
        history = [Message.of(message) for message in messages]
        told = [{"role": message.role, "content": message.content} for message in history]
        return Request(self.host, {"model": self._model(options or Options()), "messages": told})

    async def models(self) -> list[str]:
        """Return the names of the models."""
        return list(MODELS)

    async def __aenter__(self) -> EchoProvider:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _steps(self, messages: Messages, options: Options) -> Iterator[Step]:
        if self._script is not None:
            return iter(self._script)
        history = [Message.of(message) for message in messages]
        return _perform(self._model(options), history, options.max_tokens)

    def _model(self, options: Options) -> str:
        model = (options.model or self.model).removeprefix("echo/")
        if model not in MODELS:
            msg = f"echo has no model {model!r}."
            raise ModelError(msg, remedy=f"There are {', '.join(MODELS)}.", host=self.host)
        return model


def _perform(model: str, history: Sequence[Message], limit: int | None) -> Iterator[Step]:
    told = next((m.content for m in reversed(history) if m.role == "user"), "")
    thoughts = split_words(f"The user says {told!r}. I say it back.") if model == "think" else []
    words = split_words(MODELS[model](told))
    kept = words[: len(words) // 2 if model == "fail" else limit]
    yield from (Delta(reasoning=thought) for thought in thoughts)
    for word in kept:
        if model == "slow":
            yield PAUSE
        yield Delta(content=word)
    if model == "fail":
        yield OverloadError("broke off in mid-answer, as asked.", remedy="Ask another model.")
    asked = sum(len(message.content.split()) for message in history)
    yield Delta(
        finish_reason="length" if len(kept) < len(words) else "stop",
        usage=Usage(asked, len(thoughts) + len(kept)),
        model=model,
    )


def split_words(text: str) -> list[str]:
    """Cut *text* into words, each with the blanks before it; joined they are *text* again."""
    return re.findall(r"\s*\S+|\s+\Z", text)
