"""A conversation: what was said, what of it goes with the next question, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from . import history
from .errors import ProviderError
from .history import Answering, Change, Exchange
from .loop import run_sync
from .messages import Delta, Message, Reply, Usage
from .providers.base import Options, Provider
from .redact import redact

#: Tokens of history that go with a question unless said otherwise.
CONTEXT_TOKENS = 32_000


class Conversation:
    """Questions and answers with one provider, which remembers what was said.

    *label* is the name it goes by, *system* the system prompt. `exchanges` is
    the history; `conversation_id` is the far side's name for it, where the far
    side keeps one; `reply` is the newest answer; `usage` adds up all of them.

    Questions that are asked at once are answered side by side. Each is sent
    with what had been answered when it was asked, and comes into the history
    when its own answer ends, after those that ended before it.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        system: str | None = None,
        label: str | None = None,
        context_tokens: int = CONTEXT_TOKENS,
    ) -> None:
        self._provider = provider
        self.system = system
        self.label = label
        self.context_tokens = context_tokens
        self.exchanges: tuple[Exchange, ...] = ()
        self.conversation_id: str | None = None
        self.reply: Reply | None = None
        self.usage = Usage()
        #: Questions that are being answered, oldest first.
        self.answering: tuple[Answering, ...] = ()
        #: Called, on any thread, after each change of what is said here.
        self.listeners: set[Callable[[], None]] = set()
        #: Whether the last question got no text, so that there is nothing to go on with.
        self.is_unanswered = False
        # What `undo` takes back, oldest first.
        self._changes: list[Change] = []

    @property
    def provider(self) -> Provider:
        """Who answers; a new one does not know the old one's conversation id."""
        return self._provider

    @provider.setter
    def provider(self, provider: Provider) -> None:
        if provider is not self._provider:
            self._provider = provider
            self.conversation_id = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history as messages, the system prompt first."""
        system = (Message("system", self.system),) if self.system else ()
        return system + history.flat(self.exchanges)

    async def stream(
        self,
        text: str,
        *,
        images: Sequence[str] = (),
        options: Options | None = None,
        reply: Reply | None = None,
        cell: str = "",
    ) -> AsyncGenerator[Delta, None]:
        """Ask *text* and yield the answer step by step; PromptError if a key is in it.

        The answer also goes into *reply* (a new one when None), and into the
        history as soon as the stream ends in whatever way, unless neither text
        nor a tool call came: thinking alone is not remembered. An exchange that
        *cell* asked before is replaced. Raises ProviderError with the reply so
        far as `partial`.

        The deltas are as they came. What is to be shown is `settled_text` of the
        reply, in which a key that the far side repeats is `***`.
        """
        history.check(text, self.system or "")
        reply = reply or Reply()
        question = Message("user", text, tuple(images))
        past, old = history.before(self.exchanges, cell)
        if old:  # the far side cannot answer from an earlier point
            self.conversation_id = None
        try:
            async with aclosing(self._answer((question,), past, options, reply)) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            self._record(Exchange(question, reply.message(), cell, reply), old, past, reply)
            self.is_unanswered = not reply.has_text

    def go_on(
        self, *, options: Options | None = None, reply: Reply | None = None
    ) -> AsyncGenerator[Delta, None]:
        """Ask for the rest of the newest answer and yield it; in the history the two become one.

        Raises ConfigError, at once, when the newest question got no text: then
        it is to be asked again, and an older answer is never gone on with.
        """
        return self._go_on(self._last(), options, reply or Reply())

    async def _go_on(
        self, last: Exchange, options: Options | None, reply: Reply
    ) -> AsyncGenerator[Delta, None]:
        past, asked = history.to_go_on(self.exchanges, last)
        try:
            async with aclosing(self._answer(asked, past, options, reply)) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            text = redact(last.answer.content + reply.text, with_words=False)
            whole = replace(last, answer=replace(last.answer, content=text), reply=reply)
            self._record(whole, last, past, reply)

    async def ask(
        self, text: str, *, images: Sequence[str] = (), options: Options | None = None
    ) -> Reply:
        """Ask *text* and return the whole reply. Raises ProviderError."""
        reply = Reply()
        stream = self.stream(text, images=images, options=options, reply=reply)
        async with aclosing(stream) as deltas:
            async for _ in deltas:
                pass
        return reply

    def ask_sync(
        self, text: str, *, images: Sequence[str] = (), options: Options | None = None
    ) -> Reply:
        """Ask as `ask` does, from plain code; Ctrl-C stops it."""
        return run_sync(self.ask(text, images=images, options=options))

    def preview(self, text: str, images: Sequence[str] = (), cell: str = "") -> list[Message]:
        """Return the messages that asking *text* would send, in *cell* as `stream` has it."""
        past, _ = history.before(self.exchanges, cell)
        return self._fit(past, (Message("user", text, tuple(images)),))[0]

    def preview_go_on(self) -> list[Message]:
        """Return the messages that `go_on` would send. Raises ConfigError as it does."""
        return self._fit(*history.to_go_on(self.exchanges, self._last()))[0]

    @property
    def newest(self) -> Exchange | None:
        """The exchange that was answered last, which `go_on` goes on with."""
        return history.newest(self.exchanges, self.reply)

    def _last(self) -> Exchange:
        return history.answered(self.newest, is_unanswered=self.is_unanswered)

    def fork(self, label: str | None = None) -> Conversation:
        """Return a conversation with the same past that goes its own way from here."""
        twin = Conversation(
            self.provider,
            system=self.system,
            label=label,
            context_tokens=self.context_tokens,
        )
        twin.exchanges = self.exchanges
        return twin

    def undo(self) -> bool:
        """Take back the last change to the history, a `clear` too; False when there is none.

        After a `clear` and a question, it brings back what was there before both.
        """
        if self._changes:
            last = self._changes.pop()
            self.exchanges = history.undone(last, self.exchanges)
            self.system = self.system if last.system is None else last.system or None
        elif self.exchanges:
            self.exchanges = self.exchanges[:-1]
        else:
            return False
        self.conversation_id, self.is_unanswered = None, False
        self.tell()
        return True

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return bool(self._changes or self.exchanges)

    def clear(self) -> None:
        """Forget all exchanges; `undo` brings them back."""
        self._change(())
        self.conversation_id = None

    def rewind(self, question: Message) -> None:
        """Take back *question* and all that came after it; `undo` brings it back."""
        for place, exchange in enumerate(self.exchanges):
            if exchange.question is question:
                self._change(self.exchanges[:place])
                self.conversation_id = None
                return

    def stop(self) -> None:
        """Cancel what is being answered, from any thread; what has come is kept."""
        for each in self.answering:
            if each.task is not None:
                each.task.get_loop().call_soon_threadsafe(each.task.cancel)

    def tell(self) -> None:
        """Let the listeners know that something has changed."""
        for listener in tuple(self.listeners):
            listener()

    def become(self, other: Conversation) -> None:
        """Go on as *other*, which was loaded; `undo` brings back what was here."""
        last = replace(history.change(self.exchanges, other.exchanges), system=self.system or "")
        self._changes.append(last)
        self.exchanges, self.system = other.exchanges, other.system
        self.conversation_id, self.is_unanswered = other.conversation_id, False
        self.tell()

    async def _answer(
        self,
        asked: Sequence[Message],
        past: Sequence[Exchange],
        options: Options | None,
        reply: Reply,
    ) -> AsyncGenerator[Delta, None]:
        """Send what *asked* adds to *past*, and fill *reply*."""
        self.reply = reply
        reply.host = self.provider.host
        reply.model = redact((options and options.model) or self.provider.model, with_words=False)
        sent, notice = self._fit(past, asked)
        far_id = self.conversation_id
        if notice and not far_id:  # else the far side remembers by itself
            yield _take(Delta(notice=notice), reply)
        stream = self.provider.stream(sent, options=options, conversation_id=far_id)
        current = Answering(asked[0], reply, asyncio.current_task())
        self.answering = (*self.answering, current)
        self.tell()
        try:
            async with aclosing(stream) as deltas:
                async for delta in deltas:
                    yield _take(delta, reply)
                    self.tell()
            if not reply.done:
                yield _take(Delta(finish_reason="truncated"), reply)
        except ProviderError as error:
            error.partial = reply
            raise
        except (asyncio.CancelledError, GeneratorExit):
            reply.finish("cancelled")
            raise
        finally:
            reply.finish("error")  # unless it has ended in another way
            self.answering = tuple(each for each in self.answering if each is not current)

    def _record(
        self, exchange: Exchange, old: Exchange | None, past: Sequence[Exchange], reply: Reply
    ) -> None:
        """Put *exchange* in the place of *old*, or at the end, unless nothing was answered."""
        self.usage = self.usage + (reply.usage or Usage())
        if not (reply.has_text or reply.tool_calls):
            self.tell()
            return
        # By identity and not by number: meanwhile another question may have been answered.
        if any(each is old for each in self.exchanges):
            self._change(tuple(exchange if each is old else each for each in self.exchanges))
        else:
            self._change((*self.exchanges, exchange))
        # The far side remembers *past* and this exchange; if more was said, it must be told anew.
        is_known = self.exchanges == (*past, exchange)
        self.conversation_id = (reply.conversation_id or self.conversation_id) if is_known else None

    def _change(self, exchanges: tuple[Exchange, ...]) -> None:
        if self.exchanges:
            self._changes.append(history.change(self.exchanges, exchanges))
        self.exchanges = exchanges
        self.is_unanswered = False
        self.tell()

    def _fit(
        self, exchanges: Sequence[Exchange], asked: Sequence[Message]
    ) -> tuple[list[Message], str]:
        return history.compose(self.system, exchanges, asked, self.context_tokens)


def _take(delta: Delta, reply: Reply) -> Delta:
    reply.add(delta)
    return delta
