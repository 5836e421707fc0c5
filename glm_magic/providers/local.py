"""The embedded model as a provider: requests for llama.cpp, and deltas from what it streams."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from ..config import path_of
from ..errors import ConfigError, ModelError, ProviderError
from ..messages import Delta, Finish, Message, Reply, Usage
from .base import Messages, Options, Request
from .llama import Chunk, Run, Setup, engine_for
from .models import find_gguf, name_of

#: Tokens of prompt and answer together, where the model itself allows as many.
CONTEXT = 8192
#: Tokens of a prompt from which on it is worth telling how far the reading is.
LONG_PROMPT = 256
#: Tried on the small model, which rambles when it is warmer and repeats itself without the penalty.
DEFAULTS = {"temperature": 0.2, "top_p": 0.9, "repeat_penalty": 1.1, "max_tokens": 1024}

FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


class LocalProvider:
    """Answers from a model in this process: the GGUF file at *path*, or the small one.

    *threads* are for computing, by default one less than there are cores;
    *context* is in tokens. The file is loaded at the first question, once for
    all providers with the same settings, and questions are answered one after
    another.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        name: str = "local",
        threads: int | None = None,
        context: int = CONTEXT,
    ) -> None:
        self.name = name
        self._file = path_of(path).absolute() if path else find_gguf(None)
        self.model = name_of(self._file) if self._file else ""
        self._threads = threads or max(1, _count_cores() - 1)
        self._context = context
        self._used: set[Setup] = set()

    @property
    def host(self) -> str:
        """Where the model runs."""
        return "this process"

    async def stream(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer token by token; closing the generator stops the engine.

        Raises ConfigError when the engine or the file is missing or cannot be
        loaded, and ProviderError (its `partial` is the reply so far).
        """
        wanted = options or Options()
        reply = Reply(host=self.host)
        try:
            async with self._ask(messages, wanted) as run:
                async for item in run:
                    delta = item if isinstance(item, Delta) else _read(item)
                    reply.add(delta)
                    if delta.content or delta.reasoning or delta.notice or delta.progress:
                        yield delta
        except ProviderError as error:
            error.host = self.host
            error.partial = reply
            raise
        # The reason to end comes before the usage: both go into one last delta.
        ended = reply.finish_reason or "truncated"
        yield Delta(finish_reason=ended, usage=reply.usage, model=name_of(self._find(wanted.model)))

    def prepare(
        self,
        messages: Messages,
        *,
        options: Options | None = None,
        conversation_id: str | None = None,
    ) -> Request:
        """Return what llama.cpp would be asked; loads nothing."""
        wanted = options or Options()
        return Request(str(self._find(wanted.model)), _write(messages, wanted))

    async def models(self) -> list[str]:
        """Return the name of the one model that needs no path."""
        return [self.model] if self.model else []

    async def __aenter__(self) -> LocalProvider:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the model's memory, once it has answered; the next question loads it again."""
        for setup in self._used:
            engine_for(setup).unload()
        self._used.clear()

    def _ask(self, messages: Messages, options: Options) -> Run:
        setup = Setup(self._find(options.model), self._threads, self._context)
        self._used.add(setup)
        return Run(engine_for(setup), _write(messages, options))

    def _find(self, model: str | None) -> Path:
        file = self._file if model in (None, "", self.model) else path_of(str(model))
        if file is None:
            raise ConfigError(
                "there is no model file for the embedded model.",
                remedy="Run %glmcmd pull, or set GLM_LOCAL_MODEL to the path of a GGUF file.",
            )
        if file.suffix != ".gguf":
            msg = f"there is no model {str(file)!r} in this process."
            raise ModelError(msg, remedy="Name a GGUF file by its path: local//path/model.gguf")
        return file.absolute()


def _count_cores() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _write(messages: Messages, options: Options) -> dict[str, Any]:
    history = [Message.of(message) for message in messages]
    if any(message.images for message in history):
        raise ModelError("the embedded model cannot see images.", remedy="Ask without the image.")
    asked = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_tokens": options.max_tokens,
        "seed": options.seed,
        "stop": [options.stop] if isinstance(options.stop, str) else options.stop,
        "chat_template_kwargs": options.think and {"enable_thinking": options.think != "off"},
    }
    return {
        **DEFAULTS,
        **{key: value for key, value in asked.items() if value is not None},
        **options.extra,
        "messages": [{"role": message.role, "content": message.content} for message in history],
        "stream": True,
        "stream_options": {"include_usage": True},
        # One chunk after each batch of the prompt: without these, reading it could not be stopped.
        "return_progress": True,
    }


def _read(chunk: Chunk) -> Delta:
    if "error" in chunk:
        raise _refusal(chunk["error"])
    choice: Chunk = next(iter(chunk.get("choices") or ()), {})
    said = choice.get("delta") or {}
    reason, spent = choice.get("finish_reason"), chunk.get("usage")
    return Delta(
        content=said.get("content") or "",
        reasoning=said.get("reasoning_content") or "",
        progress=_say_progress(chunk.get("prompt_progress") or {}),
        finish_reason=FINISH.get(reason, "stop") if reason else None,
        usage=Usage(spent["prompt_tokens"], spent["completion_tokens"]) if spent else None,
    )


def _say_progress(done: Chunk) -> str:
    total = done.get("total", 0)
    return f"reading the prompt: {done['processed']}/{total} tokens" if total > LONG_PROMPT else ""


def _refusal(error: Chunk) -> ModelError:
    if error.get("type") == "exceed_context_size_error":
        return ModelError(
            f"the prompt has {error['n_prompt_tokens']} tokens and the model takes "
            f"{error['n_ctx']}, its answer included.",
            remedy="Send less, begin a new conversation, or run a model with a larger context.",
        )
    detail = str(error.get("message", ""))
    return ModelError(f"the embedded model refused the request: {detail}", detail=detail)
