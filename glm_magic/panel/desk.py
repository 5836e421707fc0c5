"""The kernel's side of a panel: messages from its views in, messages to its views out.

Everything happens on the background loop, so an answer grows while a cell
keeps the kernel busy; only a prompt's `{{expressions}}` are evaluated where the
message came in, as they are the user's own code.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, cast

from ..conversation import Conversation
from ..errors import ConfigError, GlmError
from ..keys import refuse_text
from ..loop import background
from ..messages import Delta, Message, Reply
from ..prompt import Filled, fill
from ..providers.base import Options, Think
from ..show.remarks import waiting
from ..state import DEFAULT_LABEL, State
from .items import JSON, Failure, Items, has_words, size_of, words_of
from .operations import OPERATIONS

#: Seconds between two patches: fifteen a second look like a flow, and any front end keeps up ...
PAUSE = 1 / 15
#: ... and what each 1,000 characters of the last one add: an open block is sent whole each time.
PAUSE_PER_KILO = 0.015


class Desk:
    """One panel's work on a conversation; *send* takes messages to its views, from any thread.

    *namespace* gives the user's variables; *keep* is called with the
    conversation after each change that is complete.
    """

    def __init__(  # noqa: PLR0913, what a panel is made of
        self,
        state: State,
        send: Callable[[JSON], None],
        *,
        label: str = "",
        model: str = "",
        namespace: Callable[[], Mapping[str, Any]] = dict,
        keep: Callable[[Conversation], None] = lambda _: None,
    ) -> None:
        self.state = state
        self.model = model
        self.think = ""
        self.temperature: float | None = None
        self.namespace = namespace
        self.failure: Failure | None = None
        self._send = send
        self._keep = keep
        self._tasks: set[asyncio.Future[None]] = set()
        self._status: JSON = {}
        self._heard = self._flushed = 0.0
        self._pause = PAUSE
        self._error = ""
        self._timer: asyncio.TimerHandle | None = None
        self._begin(label or DEFAULT_LABEL)

    def _begin(self, label: str) -> None:
        self.failure = None
        self.conversation = self.state.conversation(label, self.model or None)
        self.conversation.listeners.add(self._on_change)
        self.items = Items()
        self._kept: object = self.conversation.exchanges

    def attach(self, label: str) -> None:
        """Turn to the conversation *label*."""
        self.conversation.listeners.discard(self._on_change)
        self._begin(label or DEFAULT_LABEL)
        self.flush()

    def close(self) -> None:
        """Stop what this panel asked and let go of the conversation; from any thread."""
        self.conversation.listeners.discard(self._on_change)
        background.loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def receive(self, message: JSON) -> None:
        """Take one message of a view, on whatever thread it comes."""
        try:
            filled = _fill(message, self.namespace)
        except GlmError as error:
            self._respond(message, error=str(error))
            return
        background.loop.call_soon_threadsafe(self._carry_out, message, filled)

    def _carry_out(self, message: JSON, filled: Filled) -> None:
        task = asyncio.ensure_future(self._perform(message, filled))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, message: JSON, filled: Filled) -> None:
        operation = OPERATIONS.get(str(message.get("op")))
        value: object = None
        error = "" if operation else f"the panel does not know {message.get('op')!r}."
        try:
            if operation:
                value = operation(self, message, filled)
            if inspect.isawaitable(value):
                value = await cast("Awaitable[object]", value)
        except GlmError as failed:
            error = str(failed)
        except Exception as failed:  # noqa: BLE001, a rim: nothing else would show it
            error = words_of(failed)
        self._respond(message, None if error else value, error)
        self._schedule()

    def _respond(self, message: JSON, value: object = None, error: str = "") -> None:
        if "id" not in message:
            return
        answer = {"op": "answer", "id": message["id"], "value": value, "error": error}
        try:
            self._send({**answer, "ok": not error})
        except Exception as failed:  # noqa: BLE001, a rim: whoever asked would wait for ever
            said = words_of(failed)
            with suppress(Exception):  # where nothing can be sent, nobody can be told
                self._send({**answer, "ok": False, "value": None, "error": said})

    # --- asking ----------------------------------------------------------------------------

    def ask(self, filled: Filled, *, instead: Message | None = None) -> None:
        """Ask a question; in the place of *instead*, which can be brought back."""
        self.check_idle()
        conversation = self.get_ready()
        if instead is not None:
            conversation.rewind(instead)
        reply = Reply()
        stream = conversation.stream(
            filled.text, images=filled.images, options=self.options(), reply=reply
        )
        self._start(stream, Message("user", filled.text, filled.images), reply)

    def go_on(self) -> None:
        """Ask for the rest of the last answer."""
        self.check_idle()
        conversation = self.get_ready()
        reply = Reply()
        stream = conversation.go_on(options=self.options(), reply=reply)
        self._start(stream, None, reply)

    def check_idle(self) -> None:
        """Raise ConfigError while an answer is coming."""
        if self._is_busy():
            raise ConfigError("an answer is still coming: stop it first.")

    def get_ready(self) -> Conversation:
        """Return the conversation with the provider of the model that is chosen."""
        label = self.conversation.label or DEFAULT_LABEL
        return self.state.conversation(label, self.model or None)

    def options(self) -> Options:
        """Return what the panel's settings ask for."""
        config = self.state.config
        return Options(
            temperature=config.temperature if self.temperature is None else self.temperature,
            max_tokens=config.max_tokens,
            think=cast("Think | None", self.think or config.think),
        )

    def _is_busy(self) -> bool:
        return bool(self.conversation.answering)

    def _start(
        self, stream: AsyncGenerator[Delta, None], question: Message | None, reply: Reply
    ) -> None:
        self.failure = None
        task = asyncio.ensure_future(self._run(stream, question, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(
        self, stream: AsyncGenerator[Delta, None], question: Message | None, reply: Reply
    ) -> None:
        words = ""
        try:
            async with aclosing(stream) as deltas:
                async for _ in deltas:
                    pass  # the conversation tells its listeners
        except asyncio.CancelledError:
            words = "" if reply.has_text else "stopped before an answer came"
        except GlmError as error:
            words = str(error)
        except Exception as error:  # noqa: BLE001, a rim: nothing else would show it
            words = words_of(error)
        if words and (reply.has_text or question is None):
            reply.add(Delta(notice=words))
        elif words and question is not None:
            self.failure = Failure(question, words)
        self._schedule()

    # --- telling the views -----------------------------------------------------------------

    def _on_change(self) -> None:
        if background.is_current():
            self._schedule(self._pause)
        else:
            background.loop.call_soon_threadsafe(self._schedule, self._pause)

    def _schedule(self, wait: float = PAUSE) -> None:
        """See to it that the views are told *wait* seconds after the last time, or before."""
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._flushed + wait)
        if self._timer is not None and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._flush_due)

    def _flush_due(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Tell the views what has changed since the last time."""
        self._flushed = time.monotonic()
        self._pause = PAUSE
        before, self._error = self._error, self._draw()
        status = self._describe()
        if status != self._status:
            self._status = status
            self._send({"op": "status", **status})
        if status["busy"] or self._error != before:
            self._schedule(1.0)  # the seconds go on in silence; what failed is tried once more
        elif self._kept is not self.conversation.exchanges:
            self._kept = self.conversation.exchanges
            self._keep(self.conversation)

    def _draw(self) -> str:
        """Tell the views what is new in the items; return what went wrong, or ""."""
        try:
            for message in self.items.update(self.conversation, self.failure):
                self._send(message)
                self._pause += PAUSE_PER_KILO * size_of(message) / 1000
                if has_words(message):
                    self._heard = self._flushed
            if self._error:  # what failed the last time may be missing in the views
                self.send_state("")
        except Exception as error:  # noqa: BLE001, a rim: the panel would stay busy for ever
            return f"not all could be shown: {words_of(error)}"
        return ""

    def _progress(self) -> str:
        if not self._is_busy():
            return ""
        reply = self.conversation.answering[-1].reply
        return waiting(reply, min(time.monotonic() - self._heard, reply.elapsed))

    def _describe(self) -> JSON:
        return {
            "busy": self._is_busy(),
            "progress": self._progress(),
            "error": self._error,
            "can_undo": self.conversation.can_undo or self.failure is not None,
            "waiting": "",
        }

    def send_state(self, view: str) -> None:
        """Tell the view *view*, or all of them, everything."""
        provider = self.conversation.provider
        temperature = "" if self.temperature is None else self.temperature
        settings = {
            "label": self.conversation.label,
            "labels": list(self.state.conversations),
            "model": self.model or f"{provider.name}/{provider.model}",
            "system": self.conversation.system or "",
            "think": self.think,
            "temperature": temperature,
        }
        state = {"op": "state", "view": view, "items": self.items.whole()}
        self._send({**state, **settings, **self._describe()})


def _fill(message: JSON, namespace: Callable[[], Mapping[str, Any]]) -> Filled:
    """Return the text of *message*, its expressions filled in where it is to be sent."""
    text = str(message.get("text", ""))
    is_prompt = message.get("op") in ("send", "edit", "preview")
    if is_prompt:
        refuse_text(text, "in this question")
    return fill(text, namespace()) if is_prompt else Filled(text)
