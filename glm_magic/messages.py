"""The values of a conversation: `Message`, `Delta`, `Reply`, `Usage`. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any, Literal

from .growing import GrowingText
from .redact import has_key, redact, settle
from .show.disarm import disarm
from .show.terminal import clean

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal[
    "stop", "length", "tool_calls", "content_filter", "cancelled", "truncated", "error"
]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for: *arguments* is the JSON text exactly as sent."""

    id: str
    name: str
    arguments: str


def mask_call(call: ToolCall) -> ToolCall:
    """Return *call* with `***` for each live key in it; any other stays to the letter."""
    shown = (redact(text, with_words=False) for text in (call.id, call.name, call.arguments))
    return ToolCall(*shown)


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the history.

    *images* are `data:` URIs (or http addresses) that go with a user message;
    *reasoning* and *tool_calls* belong to an assistant message, *tool_call_id*
    to a tool message.
    """

    role: Role
    content: str
    images: tuple[str, ...] = ()
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    @classmethod
    def of(cls, message: Message | Mapping[str, Any]) -> Message:
        """Read *message*, which may be the usual `{"role", "content"}` dict (not changed).

        Raises ValueError for a dict without a known role or with unreadable content.
        """
        if isinstance(message, Message):
            return message
        role = message.get("role")
        if role not in ("system", "user", "assistant", "tool"):
            msg = f"a message needs a role of system, user, assistant or tool, not {role!r}"
            raise ValueError(msg)
        text, images = _read_content(message.get("content"))
        return cls(role, text, images, tool_call_id=str(message.get("tool_call_id") or ""))


def _read_content(content: object) -> tuple[str, tuple[str, ...]]:
    match content:
        case None:
            return "", ()
        case str():
            return content, ()
        case [*parts]:
            read = [_read_part(part) for part in parts]
            return "".join(text for text, _ in read), tuple(image for _, image in read if image)
    msg = f"message content must be text or a list of parts, not {type(content).__name__}"
    raise ValueError(msg)


def _read_part(part: object) -> tuple[str, str]:
    match part:
        case {"type": "text", "text": str(text)}:
            return text, ""
        case {"type": "image_url", "image_url": {"url": str(image)}}:
            return "", image
    msg = "a part of message content must have the type text or image_url, and what goes with it"
    raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent; what the far side did not say is None. Usages add."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _add(self.prompt_tokens, other.prompt_tokens),
            _add(self.completion_tokens, other.completion_tokens),
        )


def _add(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else a + b


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step of a stream adds.

    First *retract* characters are taken off the end of the content (and
    *retract_reasoning* off the reasoning), then *content* and *reasoning* are
    added. *notice* is a remark in the user's words, *progress* one that is worth
    showing only until the next step. The last delta carries
    *finish_reason*, and *usage* and *conversation_id* where known. *rest* gives
    what was kept back so far, as it may be a mark and no text: for whoever stops
    the stream before its end.
    """

    content: str = ""
    reasoning: str = ""
    retract: int = 0
    retract_reasoning: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    notice: str = ""
    progress: str = ""
    finish_reason: Finish | None = None
    usage: Usage | None = None
    conversation_id: str | None = None
    model: str | None = None
    rest: Callable[[], Sequence[Delta]] | None = field(default=None, repr=False, compare=False)


#: Characters that are compared at once; one by one they take a hundred times as long.
_STEP = 256


def diff(old: str, new: str) -> Delta:
    """Say what turns the content *old* into *new*."""
    if new.startswith(old):
        return Delta(content=new[len(old) :])
    kept = 0
    while old[kept : kept + _STEP] == new[kept : kept + _STEP]:  # they differ somewhere
        kept += _STEP
    rest = [old[kept : kept + _STEP], new[kept : kept + _STEP]]
    kept += len(commonprefix(rest))  # noqa: RUF071, letters are meant, not folders
    return Delta(content=new[kept:], retract=len(old) - kept)


@dataclass(frozen=True, slots=True)
class FinishReason:
    """The last item of `ChatGLM.create_async_generator`: why the text ended."""

    reason: str


@dataclass(eq=False)
class Reply:
    """An answer, as it grows and when it is done.

    `str(reply)` is the text. `elapsed` counts seconds from the first use until
    the reply is done. In a notebook it shows as Markdown that neither runs nor
    loads anything, in a terminal as text that it does not obey. A live key that
    the far side repeats is `***` in all of it, tool calls too; as the name of a
    conversation it is not taken.
    """

    model: str = ""
    host: str = ""
    finish_reason: Finish | None = None
    usage: Usage | None = None
    conversation_id: str | None = None
    notices: list[str] = field(default_factory=list)
    progress: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    started: float = field(default_factory=time.monotonic, repr=False)
    ended: float | None = field(default=None, repr=False)
    #: True while the reply is on screen already, so that showing it once more is not wanted.
    is_shown: Callable[[], bool] | None = field(default=None, repr=False)
    #: The command that goes on with the reply, where it has ended in a cell and there is one.
    way_on: str = field(default="", repr=False)
    #: Seconds from the start to the first word of the answer.
    thought: float | None = field(default=None, repr=False)
    _rest: Callable[[], Sequence[Delta]] | None = field(default=None, repr=False)
    _content: GrowingText = field(default_factory=GrowingText, repr=False)
    _reasoning: GrowingText = field(default_factory=GrowingText, repr=False)

    @property
    def text(self) -> str:
        """The answer so far, exactly as received but for keys."""
        return redact(self._content.read(), with_words=False)

    @property
    def reasoning(self) -> str:
        """The model's thinking so far; not part of the answer."""
        return redact(self._reasoning.read(), with_words=False)

    @property
    def has_text(self) -> bool:
        """Whether anything of the answer has come; the `text`, which may be long, is not joined."""
        return bool(self._content)

    @property
    def has_words(self) -> bool:
        """Whether anything of the answer or the thinking has come."""
        return bool(self._content or self._reasoning)

    @property
    def settled_text(self) -> str:
        """The answer as far as it can be shown: an end that may become a key is held back."""
        return self.text if self.done else settle(self._content.read())

    @property
    def settled_reasoning(self) -> str:
        """The thinking as far as it can be shown."""
        return self.reasoning if self.done else settle(self._reasoning.read())

    @property
    def done(self) -> bool:
        """Whether a finish reason, good or bad, is known."""
        return self.finish_reason is not None

    @property
    def elapsed(self) -> float:
        """Seconds from the start to the end, or to now."""
        return (self.ended if self.ended is not None else time.monotonic()) - self.started

    def add(self, delta: Delta) -> None:
        """Take in one step of the stream."""
        if delta.content and self.thought is None:
            self.thought = self.elapsed
        if delta.content or delta.retract:
            self._content.add(delta.content, delta.retract)
        if delta.reasoning or delta.retract_reasoning:
            self._reasoning.add(delta.reasoning, delta.retract_reasoning)
        if delta.notice:
            self.notices.append(redact(delta.notice))
        self.progress = delta.progress
        self._rest = delta.rest or self._rest
        if delta.tool_calls:
            self.tool_calls = tuple(map(mask_call, delta.tool_calls))
        self.usage = delta.usage or self.usage
        named = delta.conversation_id
        self.conversation_id = named if named and not has_key(named) else self.conversation_id
        if delta.model and delta.model != self.model:
            self.model = redact(delta.model)
        if delta.finish_reason:
            self.finish(delta.finish_reason)

    def finish(self, reason: Finish) -> None:
        """Mark the reply as ended; the first reason stays."""
        if self.finish_reason is None:
            for delta in self._rest() if self._rest and reason == "cancelled" else ():
                self.add(delta)
            self._rest = None  # it holds all that was read
            self.finish_reason = reason
            self.ended = time.monotonic()

    def message(self) -> Message:
        """Return the reply as the assistant's entry of a history."""
        return Message("assistant", self.text, reasoning=self.reasoning, tool_calls=self.tool_calls)

    def __getstate__(self) -> dict[str, Any]:
        # A copy, in memory or in a pickle, is of the answer, not of the screen it is on.
        return {**vars(self), "is_shown": None, "_rest": None}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return clean(self.text) if self.done else f"{clean(self.text)}…"

    def _repr_markdown_(self) -> str:
        return disarm(self.text)

    def _ipython_display_(self) -> None:
        if self.is_shown is not None and self.is_shown():
            return
        from IPython.display import display  # only reached inside IPython

        display({"text/markdown": self._repr_markdown_(), "text/plain": repr(self)}, raw=True)
