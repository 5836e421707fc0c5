"""One OpenAI-style answer as it is gathered from `delta` objects. No I/O."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..errors import tidy
from ..growing import GrowingText
from ..messages import Delta, ToolCall
from .payload import JSON, object_of, odd_kind, read_object, text_of, texts_in
from .restart import says_something
from .think import BoxFilter, Pairs, ThinkSplitter, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a fragment of a tool call takes beside its arguments, in characters.
_FRAGMENT_SIZE = 100
#: So many characters of a type that nobody knows are kept.
_KIND_SIZE = 60
#: What thinking is called.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_WORDS = ("content", "refusal", *_THOUGHTS)
_CALLS = ("tool_calls", "function_call")
_INDEX = re.compile("[0-9]{1,9}")


class Answer:
    """Text, thinking and tool calls of one answer.

    Servers name the thinking `reasoning_content`, `reasoning` or `thinking`,
    or leave it in the content between tags; each character comes out once.
    """

    def __init__(self) -> None:
        self.calls = ToolCalls()
        #: The types of what was left out because nobody knows them.
        self.unknown: list[str] = []
        #: Whether its words are a refusal of the model's own.
        self.is_refusal = False
        self._content_pairs = Pairs()
        self._reasoning_pairs = Pairs()
        self._box = BoxFilter()
        self._splitter = ThinkSplitter()
        self._content = GrowingText()
        self._reasoning = GrowingText()
        self._is_empty = True

    @property
    def content(self) -> str:
        """The answer shown so far."""
        return self._content.read()

    @property
    def reasoning(self) -> str:
        """The thinking shown so far."""
        return self._reasoning.read()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come yet, shown or kept back."""
        return self._is_empty and not self.calls

    @property
    def kept(self) -> int:
        """About how many characters were taken in and not given out."""
        return self.calls.size + len(self.held) + _KIND_SIZE * len(self.unknown)

    @property
    def held(self) -> str:
        """The text that was kept back in case it was the start of a tag."""
        return self._splitter.held + self._box.held

    def add(self, delta: JSON) -> Delta:
        """Take in one `delta` (or `message`) object and return what it adds."""
        self._note(self.calls.add(delta))
        thought = ""
        for name in _THOUGHTS:
            if name in delta:
                thought = _both(thought, self._text(delta, name))
        reasoning = self._reasoning_pairs.feed(thought)
        if reasoning:
            self._splitter.may_close = False
        refusal = self._text(delta, "refusal")
        self.is_refusal = self.is_refusal or bool(refusal)
        content = self._content_pairs.feed(self._text(delta, "content") + refusal)
        self._is_empty = self._is_empty and not (content or reasoning)
        return self._keep(reasoning, self._splitter.feed(self._box.feed(content)))

    def news_in(self, message: JSON) -> JSON:
        """Return *message*, which is a whole one, without what its pieces have said before.

        Both are compared as they are shown, wherever their thinking stands.
        """
        whole = Answer()
        whole.add(message)
        news = dict(message)
        if self._content.added_in(whole.content) == "" and self.held == whole.held:
            news |= {**dict.fromkeys(_WORDS), "reasoning_content": whole.reasoning}
        if self._reasoning.added_in(whole.reasoning) == "":
            news |= dict.fromkeys(_THOUGHTS)
        if self.calls.say_as(whole.calls):
            news |= dict.fromkeys(_CALLS)
        return news

    def close(self) -> Delta:
        """Return the text that was kept back in case it was the start of a tag."""
        last = self._splitter.feed(self._box.feed(self._content_pairs.close()) + self._box.close())
        rest = self._splitter.close()
        return self._keep(
            self._reasoning_pairs.close() + last.reasoning,
            Delta(last.content + rest.content, rest.reasoning, last.retract),
        )

    def _keep(self, reasoning: str, split: Delta) -> Delta:
        thought = reasoning + split.reasoning
        self._content.add(split.content, split.retract)
        self._reasoning.add(thought)
        return Delta(split.content, thought, split.retract)

    def _text(self, delta: JSON, field: str) -> str:
        value = delta.get(field)
        if value is None or isinstance(value, str):  # as nearly always
            return value or ""
        text, odd = texts_in(value, field)
        self._note(odd)
        return text

    def _note(self, odd: list[str]) -> None:
        self.unknown += [tidy(kind, _KIND_SIZE) for kind in odd]


def _both(text: str, other: str) -> str:
    """Return *text* and *other*, or the one that has the other in it."""
    # Nearly always they are the same; where not, to show too much is better than to lose some.
    if other in text:
        return text
    return other if text in other else text + other


def delta_of(choice: JSON, places: Sequence[str] = ("delta", "message", "text")) -> JSON:
    """Return what *choice* adds: of its *places*, the first that says something."""
    first: JSON = {}
    for place in places:
        given: Any = choice.get(place)  # Any: a JSON value of any type
        if given is not None:
            delta = given if isinstance(given, dict) else {"content": given}
            if says_something(delta):
                return delta
            first = first or delta
    return first


def whole_of(choice: JSON) -> JSON:
    """Return all that *choice* says, where it is one of an answer in one piece."""
    return delta_of(choice, ("message", "delta", "text"))


def number_of(choice: JSON) -> int:
    """Return which of several answers *choice* belongs to."""
    given = choice.get("index")
    if not given:  # as in nearly every chunk
        return 0
    index = str(given)
    return int(index) if _INDEX.fullmatch(index) else 0


class ToolCalls:
    """Tool calls merged from their fragments by index; the first id of each is kept.

    (The GLM-4 reference server sends a new id with every fragment.)
    """

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        #: About how many characters the fragments take.
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, delta: JSON) -> list[str]:
        """Take in the fragments of one `delta` object and return what cannot be read of it."""
        calls: Any = delta.get("tool_calls")  # Any: a JSON value of any type
        field = "tool_calls"
        if not calls and (calls := delta.get("function_call")):  # the old way, for one call
            field = "function_call"
            calls = {"index": 0, "function": calls} if isinstance(calls, dict) else calls
        if not calls:
            return []
        fragments = calls if isinstance(calls, list) else [calls]
        for fragment in fragments:
            if isinstance(fragment, dict):
                call = self._calls.setdefault(self._index_of(fragment), _Call())
                self.size += _FRAGMENT_SIZE + call.add(fragment)
        odd = [each for each in fragments if each and not isinstance(each, dict)]
        return [odd_kind(each, field) for each in odd]

    def say_as(self, other: ToolCalls) -> bool:
        """Say whether these call the same as *other*, whatever their ids are."""
        both = (calls.finished(is_complete=True) for calls in (self, other))
        mine, theirs = (
            [(call.name, read_object(call.arguments) or call.arguments) for call in calls]
            for calls, _ in both
        )
        return mine == theirs

    def _index_of(self, fragment: JSON) -> int:
        index = fragment.get("index")
        if isinstance(index, int):
            return index
        # Without an index, a fragment that names something begins a new call.
        is_new = bool(fragment.get("id") or object_of(fragment, "function").get("name"))
        last = max(self._calls, default=-1)
        return last + 1 if is_new else max(last, 0)

    def finished(self, *, is_complete: bool) -> tuple[tuple[ToolCall, ...], int]:
        """Return the calls with whole arguments, and how many had to be left out.

        *is_complete* says that the server ended the calls itself; only then
        may a call have no arguments at all.
        """
        calls = [call for _, call in sorted(self._calls.items())]
        whole = [call.value() for call in calls if call.is_whole(may_be_empty=is_complete)]
        return tuple(whole), len(calls) - len(whole)


class _Call:
    def __init__(self) -> None:
        self._id = ""
        self._name = ""
        self._arguments: list[str] = []

    def add(self, fragment: JSON) -> int:
        """Take in *fragment* and return how many characters of it are kept."""
        function = object_of(fragment, "function")
        arguments: Any = function.get("arguments")  # Any: a JSON value of any type
        before = len(self._id) + len(self._name)
        self._id = self._id or text_of(fragment, "id")
        self._name = self._name or text_of(function, "name")
        named = len(self._id) + len(self._name) - before
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(arguments, str):
            return named
        self._arguments.append(arguments)
        return named + len(arguments)

    def is_whole(self, *, may_be_empty: bool) -> bool:
        text = "".join(self._arguments)
        is_readable = read_object(text) is not None if text.strip() else may_be_empty
        return bool(self._name) and is_readable

    def value(self) -> ToolCall:
        return ToolCall(whole(self._id), whole(self._name), whole("".join(self._arguments)))
