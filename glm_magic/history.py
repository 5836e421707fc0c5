"""What was said, and what of it goes with the next question. No I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from .config import KEY_REMEDY, know_keys
from .errors import ConfigError, PromptError
from .messages import Message, Reply, mask_call
from .redact import has_key, redact

_GO_ON = "Go on exactly where your last answer stopped. Repeat nothing of it."
_GO_ON_CHINESE = "请从上一条回答中断的地方继续，不要重复已有内容。"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer; *cell* names the notebook cell that asked, or is empty.

    *reply* is how the answer came, as long as the process lives.
    """

    question: Message
    answer: Message
    cell: str = ""
    reply: Reply | None = field(default=None, compare=False, repr=False)

    @property
    def messages(self) -> tuple[Message, Message]:
        """Both, in order."""
        return self.question, self.answer


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """A question whose answer still grows in *reply*; *task* is what fills it."""

    question: Message
    reply: Reply
    task: asyncio.Task[Any] | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a change took away: *taken*, between the first *head* exchanges and the last *tail*.

    *system* is the system prompt that went with it, None if that stayed.
    """

    head: int
    taken: tuple[Exchange, ...]
    tail: int
    system: str | None = None


def change(old: Sequence[Exchange], new: Sequence[Exchange]) -> Change:
    """Say what brings *old* back from *new*, and keep nothing else."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    return Change(head, tuple(old[head : len(old) - tail]), tail)


def _alike(some: Sequence[Exchange], others: Sequence[Exchange]) -> int:
    """Return how many exchanges both begin with, the very same ones."""
    pairs = zip(some, others, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a is not b), min(len(some), len(others)))


def undone(change: Change, new: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    """Return what was there before *change*, which led to *new*."""
    return new[: change.head] + change.taken + new[len(new) - change.tail :]


def flat(exchanges: Iterable[Exchange]) -> tuple[Message, ...]:
    """Return the messages of *exchanges*, in order."""
    return tuple(message for exchange in exchanges for message in exchange.messages)


def check(*texts: str) -> None:
    """Raise PromptError when one of *texts*, which are to be sent, holds a key."""
    know_keys()
    if any(map(has_key, texts)):
        raise PromptError("there is a key in this prompt; nothing was sent.", remedy=KEY_REMEDY)


def before(
    exchanges: tuple[Exchange, ...], cell: str
) -> tuple[tuple[Exchange, ...], Exchange | None]:
    """Return what was said before *cell* asked, and the exchange it asked before, if any."""
    for place, exchange in enumerate(exchanges):
        if cell and exchange.cell == cell:
            return exchanges[:place], exchange
    return exchanges, None


def newest(exchanges: Sequence[Exchange], reply: Reply | None) -> Exchange | None:
    """Return the exchange that *reply*, the newest one, answered; else the last, if any.

    It stands in the middle where the cell of an older question was run again.
    """
    asked = (each for each in exchanges if reply is not None and each.reply is reply)
    return next(asked, exchanges[-1] if exchanges else None)


def answered(exchange: Exchange | None, *, is_unanswered: bool) -> Exchange:
    """Return *exchange*, to go on with it, unless a question after it *is_unanswered*.

    Raises ConfigError when there is none, or no text in it.
    """
    if is_unanswered or (exchange and not exchange.answer.content):
        what = "the last question got no answer to go on with: thinking alone is not remembered."
        raise ConfigError(what, remedy="Ask it again.")
    if not exchange:
        what = "this conversation has no answer to go on with."
        raise ConfigError(what, remedy="%glmcmd status lists those there are.")
    return exchange


def masked(message: Message) -> Message:
    """Return *message* with `***` for each live key in its texts, as when it is shown."""
    return replace(
        message,
        content=redact(message.content, with_words=False),
        images=tuple(redact(image, with_words=False) for image in message.images),
        reasoning=redact(message.reasoning, with_words=False),
        tool_calls=tuple(map(mask_call, message.tool_calls)),
        tool_call_id=redact(message.tool_call_id, with_words=False),
    )


def go_on_after(exchange: Exchange) -> Message:
    """Return the request for the rest of an answer, in the language of its question."""
    is_chinese = any("\u4e00" <= char <= "\u9fff" for char in exchange.question.content)
    return Message("user", _GO_ON_CHINESE if is_chinese else _GO_ON)


def to_go_on(
    exchanges: Sequence[Exchange], last: Exchange
) -> tuple[Sequence[Exchange], Sequence[Message]]:
    """Return what was said before *last*, and what is sent to have its answer go on."""
    place = next((n for n, each in enumerate(exchanges) if each is last), None)
    return exchanges[:place], (*last.messages, go_on_after(last))


def compose(
    system: str | None, exchanges: Sequence[Exchange], asked: Sequence[Message], budget: int
) -> tuple[list[Message], str]:
    """Return what to send to have *asked* answered after *exchanges*, and a notice.

    The oldest exchanges are left out as *budget* asks.
    """
    head = [Message("system", system)] if system else []
    kept, notice = fit(exchanges, [*head, *asked], budget)
    return sendable([*head, *flat(kept), *asked]), notice


def sendable(messages: Sequence[Message]) -> list[Message]:
    """Return *messages* without the tool calls that no result follows: strict servers refuse those.

    An answer that was nothing but such calls is left out.
    """
    kept = (_with_results(messages, place) for place in range(len(messages)))
    return [message for message in kept if message is not None]


def _with_results(messages: Sequence[Message], place: int) -> Message | None:
    message = messages[place]
    if not message.tool_calls:
        return message
    results = takewhile(lambda each: each.role == "tool", messages[place + 1 :])
    ids = {result.tool_call_id for result in results}
    calls = tuple(call for call in message.tool_calls if call.id in ids)
    return replace(message, tool_calls=calls) if calls or message.content else None


def fit(
    exchanges: Sequence[Exchange], fixed: Iterable[Message], budget: int
) -> tuple[Sequence[Exchange], str]:
    """Return the newest *exchanges* that fit *budget* tokens beside *fixed*, and a notice.

    Tokens are estimated; the notice is "" when nothing was left out.
    """
    left = budget - sum(map(_tokens, fixed))
    kept = 0
    for exchange in reversed(exchanges):
        left -= sum(map(_tokens, exchange.messages))
        if left < 0:
            break
        kept += 1
    dropped = len(exchanges) - kept
    return exchanges[dropped:], _left_out(dropped, budget) if dropped else ""


def _left_out(count: int, budget: int) -> str:
    what = "the oldest question" if count == 1 else f"the {count} oldest questions"
    return f"{what} of this conversation stayed out: the history is kept to {budget} tokens"


def _tokens(message: Message) -> int:
    """Estimate the tokens of *message*: about four letters each, or one Chinese character."""
    wide = sum(1 for char in message.content if char > "\u2e7f")
    return (len(message.content) - wide) // 4 + wide + 800 * len(message.images) + 4
