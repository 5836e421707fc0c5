"""One OpenAI-style answer as it is gathered from `delta` objects. No I/O."""

from __future__ import annotations

import json
from typing import Any

from ..growing import GrowingText
from ..messages import Delta, ToolCall
from .payload import JSON, object_of, objects_of, read_object, text_of
from .think import BoxFilter, Pairs, ThinkSplitter, whole

#: What a fragment of a tool call takes beside its arguments, in characters.
_FRAGMENT_SIZE = 100


class Answer:
    """Text, thinking and tool calls of one answer.

    Servers name the thinking `reasoning_content` or `reasoning`, or leave it
    in the content between tags; each character comes out once.
    """

    def __init__(self) -> None:
        self.calls = ToolCalls()
        #: The types of what was left out because nobody knows them.
        self.unknown: list[str] = []
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
        return self.calls.size + self._splitter.kept

    def add(self, delta: JSON) -> Delta:
        """Take in one `delta` (or `message`) object and return what it adds."""
        self.calls.add(delta)
        reasoning = self._reasoning_pairs.feed(text_of(delta, "reasoning_content", "reasoning"))
        if reasoning:
            self._splitter.may_close = False
        content = self._content_pairs.feed(self._content_of(delta))
        self._is_empty = self._is_empty and not (content or reasoning)
        return self._keep(reasoning, self._splitter.feed(self._box.feed(content)))

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

    def _content_of(self, delta: JSON) -> str:
        content = delta.get("content")
        if isinstance(content, list):
            parts = objects_of(delta, "content")
            strange = [part for part in parts if not isinstance(part.get("text"), str)]
            self.unknown += [text_of(part, "type") or "without a type" for part in strange]
            return "".join(text_of(part, "text") for part in parts)
        return content if isinstance(content, str) else ""


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

    def add(self, delta: JSON) -> None:
        """Take in the fragments of one `delta` object."""
        for fragment in objects_of(delta, "tool_calls"):
            call = self._calls.setdefault(self._index_of(fragment), _Call())
            self.size += _FRAGMENT_SIZE + call.add(fragment)

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
        """Take in *fragment* and return the length of its arguments."""
        function = object_of(fragment, "function")
        arguments: Any = function.get("arguments")  # Any: a JSON value of any type
        self._id = self._id or text_of(fragment, "id")
        self._name = self._name or text_of(function, "name")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(arguments, str):
            return 0
        self._arguments.append(arguments)
        return len(arguments)

    def is_whole(self, *, may_be_empty: bool) -> bool:
        text = "".join(self._arguments)
        is_readable = read_object(text) is not None if text.strip() else may_be_empty
        return bool(self._name) and is_readable

    def value(self) -> ToolCall:
        return ToolCall(whole(self._id), whole(self._name), whole("".join(self._arguments)))
