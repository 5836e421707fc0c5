"""A conversation as the panel draws it: items of rendered blocks, and what changed in them.

Nothing is sent from here. A block of Markdown is rendered once, when it is
finished; only the open end of a growing answer is rendered again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..conversation import Conversation
from ..errors import tidy
from ..messages import Message, Reply
from ..redact import redact
from ..show.blocks import BlockSplitter
from ..show.html import render
from ..show.remarks import beginning, footer, left_out, told, verdict
from ..wire.think import whole

#: What goes over the wire: JSON.
JSON = dict[str, Any]


class Rendered:
    """A text that grows, as a list of rendered blocks."""

    def __init__(self, draw: Callable[[str], str] = render) -> None:
        self._draw = draw
        self._begin()

    def _begin(self) -> None:
        self.text = ""
        self.blocks: list[str] = []
        self._finished: list[str] = []
        self._splitter = BlockSplitter()

    def update(self, text: str) -> int | None:
        """Take *text* for the text so far; return the first block that changed, or None."""
        if text == self.text:
            return None
        before = self.blocks
        if not text.startswith(self.text):
            self._begin()
        self._finished += map(self._draw, self._splitter.feed(text[len(self.text) :]))
        self.text = text
        tail = self._splitter.tail
        self.blocks = [*self._finished, *([self._draw(tail)] if tail.strip() else [])]
        return _first_difference(before, self.blocks)


def _first_difference(old: Sequence[str], new: Sequence[str]) -> int | None:
    for place, (a, b) in enumerate(zip(old, new, strict=False)):
        if a is not b and a != b:
            return place
    return min(len(old), len(new)) if len(old) != len(new) else None


@dataclass
class Item:
    """A question or an answer on the panel; *head* is all of it but its text."""

    id: str
    role: str
    head: JSON = field(default_factory=dict)
    body: Rendered = field(default_factory=Rendered)
    reasoning: Rendered = field(default_factory=Rendered)

    def whole(self) -> JSON:
        """Return the item for a view that knows nothing of it."""
        parts = {"blocks": self.body.blocks, "reasoning": self.reasoning.blocks}
        return {**self.head, **parts, "text": self.body.text}

    def update(self, text: str, reasoning: str, head: JSON) -> JSON | None:
        """Take in what the item says now; return the patch for the views, or None."""
        old, known = self.body.text, self.head
        start, thought = self.body.update(text), self.reasoning.update(reasoning)
        self.head = {"id": self.id, "role": self.role, **head}
        if start is None and thought is None and self.head == known:
            return None
        kept = len(old) if text.startswith(old) else 0
        news = {name: value for name, value in self.head.items() if known.get(name) != value}
        start = len(self.body.blocks) if start is None else start
        patch = {
            "op": "patch",
            "item": {"id": self.id, **news, "text_tail": {"start": kept, "text": text[kept:]}},
            "start": start,
            "blocks": self.body.blocks[start:],
        }
        if thought is not None:
            patch["reasoning"] = {"start": thought, "blocks": self.reasoning.blocks[thought:]}
        return patch


def has_words(message: JSON) -> bool:
    """Whether *message* tells the views of a question, or of words that have come."""
    tail = message.get("item", {}).get("text_tail", {})
    return bool(tail.get("text")) or "reasoning" in message


def size_of(message: JSON) -> int:
    """Return how many characters of blocks *message* has."""
    blocks = (*message.get("blocks", ()), *message.get("reasoning", {}).get("blocks", ()))
    return sum(map(len, blocks))


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that got no answer at all, and why."""

    question: Message
    words: str


class Items:
    """The items of one conversation, in order."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        # A question keeps its number from being asked to the end; held here, its id is not reused.
        self._numbers: dict[int, tuple[Message, int]] = {}
        self._order: list[str] = []
        # Why items are shown as plain text that could not be drawn as they should be.
        self._undrawn: dict[str, str] = {}

    def whole(self) -> list[JSON]:
        """Return everything, for a view that knows nothing."""
        return [self._items[name].whole() for name in self._order]

    def question(self, item: str) -> Message | None:
        """Return the question that is shown as *item*, or None."""
        return next((q for q, number in self._numbers.values() if f"q{number}" == item), None)

    def update(self, conversation: Conversation, failure: Failure | None) -> Iterator[JSON]:
        """Yield what the views must be told to show *conversation* as it is now."""
        order: list[str] = []
        for question, answer in _rows(conversation, failure):
            number = self._number(question)
            order += [f"q{number}", f"a{number}"]
            # As it would have to be typed: what was filled in is not to be filled in once more.
            typed = whole(redact(question.content, with_words=False)).replace("{{", "\\{{")
            yield from self._set(f"q{number}", "user", _Said(typed))
            yield from self._set(f"a{number}", "assistant", answer)
        if order != self._order:
            self._order = order
            self._items = {name: self._items[name] for name in order}
            yield {"op": "items", "ids": order}

    def _number(self, question: Message) -> int:
        if id(question) not in self._numbers:
            self._numbers[id(question)] = (question, len(self._numbers) + 1)
        return self._numbers[id(question)][1]

    def _set(self, name: str, role: str, said: _Said) -> Iterator[JSON]:
        if name not in self._items:
            draw = render if role == "assistant" else _draw_plain
            self._items[name] = Item(name, role, body=Rendered(draw))
        patch = self._update(self._items[name], said)
        if patch is not None:
            yield patch

    def _update(self, item: Item, said: _Said) -> JSON | None:
        if item.id not in self._undrawn:
            try:
                return item.update(beginning(said.text), beginning(said.reasoning), said.head())
            except Exception as error:  # noqa: BLE001, a rim: all else is still to be shown
                why = words_of(error)
                self._undrawn[item.id] = f"shown as plain text, as it cannot be drawn: {why}"
            item = Item(item.id, item.role, body=Rendered(_escape), reasoning=Rendered(_escape))
            self._items[item.id] = item
        head = {**_QUIET, "verdict": self._undrawn[item.id], "done": said.is_done}
        return item.update(said.text, said.reasoning, head)


@dataclass(frozen=True, slots=True)
class _Said:
    """What an item says: its text, and the reply that tells how it came."""

    text: str
    reasoning: str = ""
    reply: Reply | None = None
    failure: str = ""

    def head(self) -> JSON:
        reply = self.reply
        if reply is None:
            return {**_QUIET, "verdict": self.failure}
        return {
            "footer": footer(reply) if reply.done else "",
            "notes": list(filter(None, [left_out(reply), *told(reply.notices)])),
            "verdict": verdict(reply) if reply.done else "",
            "thought_seconds": self._thought_seconds(reply),
            "done": reply.done,
        }

    @property
    def is_done(self) -> bool:
        return self.reply is None or self.reply.done

    def _thought_seconds(self, reply: Reply) -> int:
        if not self.reasoning:  # an answer that changes each second would never be silent
            return 0
        return round(reply.elapsed if reply.thought is None else reply.thought)


_QUIET: JSON = {"footer": "", "notes": [], "verdict": "", "thought_seconds": 0, "done": True}


def _rows(conversation: Conversation, failure: Failure | None) -> Iterator[tuple[Message, _Said]]:
    """Yield each question with its answer: the history, what is being answered, what failed."""
    growing = {id(each.question): each.reply for each in conversation.answering}
    for exchange in conversation.exchanges:
        answer = exchange.answer
        rest = growing.pop(id(exchange.question), None)  # it is being continued
        text = answer.content + (rest.settled_text if rest else "")
        yield exchange.question, _Said(text, answer.reasoning, rest or exchange.reply)
    for each in conversation.answering:
        if id(each.question) in growing:
            reply = each.reply
            yield each.question, _Said(reply.settled_text, reply.settled_reasoning, reply)
    if failure is not None:
        yield failure.question, _Said("", failure=failure.words)


def words_of(error: Exception) -> str:
    """Return what a panel says of an *error* that nobody foresaw."""
    return tidy(f"{type(error).__name__}: {error}")


def _draw_plain(text: str) -> str:
    return _escape(text.strip("\n").replace("\\{{", "{{"))


def _escape(text: str) -> str:
    return f'<div class="glm-plain">{escape(text)}</div>'
