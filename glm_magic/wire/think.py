"""Text with markers in it, cut anywhere: thinking told from the answer, marks taken out. No I/O."""

from __future__ import annotations

import re

from ..growing import GrowingText
from ..messages import Delta

_OPEN = "<think>"
_CLOSE = "</think>"
_BOX = re.compile(r"<\|(?:begin|end)_of_box\|>")
_BOX_MARKS = ("<|begin_of_box|>", "<|end_of_box|>")
_HALVES = re.compile("[\ud800-\udfff]")
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_QUOTES = ("`", '"', "'", "“", "‘", "「", "『")


def _held(text: str, *tags: str) -> int:
    """Return how many characters at the end of *text* may be the start of one of *tags*."""
    start = text.rfind("<")  # every tag has one, at its start
    tail = text[start:]
    is_start = start >= 0 and any(tag != tail and tag.startswith(tail) for tag in tags)
    return len(tail) if is_start else 0


def whole(text: str) -> str:
    """Return *text* with each character whole; half a surrogate pair alone becomes U+FFFD."""
    if not _HALVES.search(text):  # as nearly always; the codec is a file that may have to be opened
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Pairs:
    """Puts together the characters whose halves came in two events."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return *text* with whole characters, less the first half of one at its end."""
        if not (self._half or _is_half(text[:1]) or _is_half(text[-1:])):
            return text
        text = self._half + text
        cut = len(text) - ("\ud800" <= text[-1:] < "\udc00")
        self._half = text[cut:]
        return whole(text[:cut])

    def close(self) -> str:
        """Return what was kept back."""
        half, self._half = self._half, ""
        return whole(half)


def _is_half(character: str) -> bool:
    return "\ud800" <= character < "\ue000"


class BoxFilter:
    """Takes out the markers that GLM-4.5V puts around its final answer."""

    def __init__(self) -> None:
        #: What was kept back.
        self.held = ""

    def feed(self, text: str) -> str:
        """Return *text* without markers, less what may be the start of one."""
        text = self.held + text
        cut = len(text) - _held(text, *_BOX_MARKS)
        self.held = text[cut:]
        return _BOX.sub("", text[:cut])

    def close(self) -> str:
        """Return what was kept back."""
        held, self.held = self.held, ""
        return held


class ThinkSplitter:
    """Tells `<think>` text from the answer, in servers that leave the tags in.

    Tags count before the answer has begun. After that only a first lone
    `</think>` does, outside code and quotes: some chat templates give the
    opening tag beforehand, so that what was shown as the answer was thinking
    and is taken back. Set *may_close* to False when thinking is known to come
    another way.
    """

    def __init__(self) -> None:
        self.may_close = True
        self._read = self._read_start
        self._held = ""
        self._shown = GrowingText()  # all content of earlier feeds while may_close
        self._has_thought = False
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._retract = 0

    @property
    def held(self) -> str:
        """What was kept back."""
        return self._held

    def feed(self, text: str) -> Delta:
        """Return what *text* adds; a retraction always takes back all the content."""
        rest, self._held = self._held + text, ""
        while rest:
            rest = self._read(rest)
        return self._take()

    def close(self) -> Delta:
        """Return what was kept back in case it was the start of a tag."""
        is_thinking = self._read == self._read_thinking
        held, self._held = self._held, ""
        if held.strip() or not self._has_thought:
            (self._reasoning if is_thinking else self._content).append(held)
        return self._take()

    def _take(self) -> Delta:
        content, reasoning = "".join(self._content), "".join(self._reasoning)
        if self.may_close and content:
            self._shown.add(content)
        delta = Delta(content=content, reasoning=reasoning, retract=self._retract)
        self._content, self._reasoning, self._retract = [], [], 0
        return delta

    # Each reader uses up the start of the text and returns the rest.

    def _read_start(self, text: str) -> str:
        body = text.lstrip()
        if body.startswith(_OPEN):
            self._read, self.may_close = self._read_thinking, False
            return body[len(_OPEN) :]
        if body.startswith(_CLOSE):
            self._has_thought, self.may_close = True, False
            return body[len(_CLOSE) :]
        if _OPEN.startswith(body) or _CLOSE.startswith(body):
            self._held = text
            return ""
        self._read = self._read_answer
        return body if self._has_thought else text

    def _read_thinking(self, text: str) -> str:
        thought, tag, rest = text.partition(_CLOSE)
        if tag:
            self._read, self._has_thought = self._read_start, True
            self._reasoning.append(thought)
        else:
            self._keep(text, self._reasoning)
        return rest

    def _read_answer(self, text: str) -> str:
        if not self.may_close:
            self._content.append(text)
            return ""
        before, tag, rest = text.partition(_CLOSE)
        if not tag:
            self._keep(text, self._content)
            return ""
        self._content.append(before)
        self._close_lone_tag()
        return rest

    def _keep(self, text: str, target: list[str]) -> None:
        cut = len(text) - _held(text, _CLOSE)
        target.append(text[:cut])
        self._held = text[cut:]

    def _close_lone_tag(self) -> None:
        sent = self._shown.read()
        thought = sent + "".join(self._content)
        self.may_close = False
        if _is_quoting(thought):
            self._content.append(_CLOSE)
            return
        self._retract, self._content = len(sent), []
        self._reasoning.append(thought)
        self._read, self._has_thought = self._read_start, True


def _is_quoting(text: str) -> bool:
    """Whether *text* ends inside code or with an opening quotation mark."""
    last_line = text.rpartition("\n")[2]
    in_fence = len(_FENCE.findall(text)) % 2 == 1
    return in_fence or last_line.count("`") % 2 == 1 or text.endswith(_QUOTES)
