"""The parts of a chatglm.cn message, gathered and written as Markdown. No I/O."""

from __future__ import annotations

from itertools import starmap, takewhile
from typing import TYPE_CHECKING, NamedTuple

from ..messages import Delta
from .blocks import BlockText, Key
from .entries import FIELDS, NAME_SIZE, numbered, odd_text
from .growth import Growth
from .items import Item
from .markdown import fenced, images, sources, strip_citations
from .payload import JSON, object_of, objects_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINAL = ("finish", "done")
#: The server's own tools at work: nothing to show.
_SILENT = ("tool_calls", "tool_result")
#: What an item takes beside its text, in characters.
_ITEM_SIZE = 1000
#: Characters that may be written anew for each that comes: where the end of a long text is to be
#: taken back at every frame, the changes of several frames are written at once.
_WORTH = 16


class _Change(NamedTuple):
    key: Key
    #: What was put at the end of the item; None when it must be written anew.
    added: str | None


class Transcript:
    """The message so far as two texts, answer and thinking, and how they change.

    Items stand in the order of their first arrival. What changes elsewhere than at the end is
    given out at once unless that has become too much to be taken back and said again each time.
    """

    def __init__(self) -> None:
        self._growth = Growth()
        self._items: dict[Key, Item] = {}
        self._finished: dict[Key, str] = {}  # Markdown that came whole
        self._places: dict[Key, int] = {}
        self._texts = {True: BlockText(), False: BlockText()}  # the thinking, and the answer
        self._unknown: dict[Key, None] = {}
        self._growing: Key | None = None  # the last item of the last frame, if only that grew
        self._is_late = False  # whether something is not written yet as it should be
        self._earned = 0  # how many characters may have been written anew by now

    @property
    def unknown(self) -> list[str]:
        """The types, one for each item, that were left out because nobody knows them."""
        return [key.kind or "without a type" for key in self._unknown]

    @property
    def is_doubtful(self) -> bool:
        """Whether what is shown is but one of two ways to read the frames that came."""
        return any(item.is_doubtful(self._growth) for item in self._items.values())

    @property
    def kept(self) -> int:
        """About how many characters the items take beside their texts."""
        return _ITEM_SIZE * (len(self._places) + len(self._unknown))

    def add(self, parts: list[JSON]) -> Delta:
        """Take in the *parts* of one frame and return what they change."""
        was_delta = self._growth.is_delta
        every = [change for entry in enumerate(parts) for change in self._take(*entry)]
        changes = [change for change in every if change.added != ""]
        is_turned = was_delta != self._growth.is_delta
        # Nearly every frame only prolongs the newest text; the others have it written anew, or
        # kept for later what is not at an end.
        is_plain = not self._is_late and all(starmap(self._is_at_end, changes))
        is_last = len(changes) == 1 and [c for c in every if c.key == changes[0].key] == every[-1:]
        is_repeating = self._growth.mode == "cumulative"
        self._growing = every[-1].key if is_plain and is_last and is_repeating else None
        is_due = not is_plain and (is_turned or self._is_due())
        added: dict[bool, str] = {True: "", False: ""}
        for key, text in changes:
            if is_plain or (not is_due and self._is_at_end(key, text)):
                added[key.is_thinking] += self._append(key, text or "")
            else:
                self._change(key)
        if is_due:
            return self.write(is_end=False, is_all=is_turned)
        return Delta(added[False], added[True])

    def prolong(self, added: str) -> Delta | None:
        """Take in the last frame once more, with *added* behind the text of its last item.

        Returns what that changes, or None, with nothing taken in, when it has to be looked at.
        """
        key = self._growing
        if key is None or not self._is_at_end(key, added) or self._items[key].outgrows(added):
            return None
        self._items[key].prolong(added)
        self._earned += _WORTH * len(added)
        added = self._append(key, added)
        return Delta(reasoning=added) if key.is_thinking else Delta(added)

    @property
    def is_growing(self) -> bool:
        """Whether the last frame did nothing but prolong its last text."""
        return self._growing is not None

    @property
    def shown(self) -> tuple[str, str]:
        """The answer and the thinking, as they were given out."""
        return self._texts[False].read(), self._texts[True].read()

    def write(self, *, is_end: bool, is_all: bool = True) -> Delta:
        """Write anew what has changed, or all; at the end nothing is left open."""
        self._is_late = False
        for text in self._texts.values() if is_all else ():
            closed = takewhile(self._is_closed, text.keys) if is_end else ()
            text.change(sum(1 for _ in closed))
        content = self._rewrite(is_thinking=False, is_end=is_end)
        reasoning = self._rewrite(is_thinking=True, is_end=is_end)
        return Delta(content.content, reasoning.content, content.retract, reasoning.retract)

    def _take(self, position: int, part: JSON) -> Iterator[_Change]:
        segment = text_of(part, "logic_id")[:NAME_SIZE] or f"#{position}"
        for kind, number, entry in numbered(part):
            key = Key(segment, number, kind)
            is_final = part.get("status") in _FINAL or entry.get("status") in _FINAL
            if key.kind in FIELDS:
                yield _Change(key, self._take_text(key, entry, is_final=is_final))
            elif key.kind in ("image", "quote_result"):
                yield _Change(key, self._take_whole(key, part, entry) if is_final else "")
            else:
                self._unknown |= {} if key.kind in _SILENT else {key: None}
                yield _Change(key, "")

    def _is_closed(self, key: Key) -> bool:
        """Whether the end of the answer changes nothing about what was written for *key*."""
        item = self._items.get(key)
        return item is None or item.is_final or item.is_huge

    def _is_due(self) -> bool:
        return self._texts[False].cost + self._texts[True].cost <= self._earned

    def _change(self, key: Key) -> None:
        self._is_late = True
        self._texts[key.is_thinking].change(self._places[key])
        if key in self._items:
            self._items[key].is_shown = False  # nothing can be put behind what is to change

    def _take_text(self, key: Key, entry: JSON, *, is_final: bool) -> str | None:
        if key not in self._items:
            self._items[key] = Item(repeats=key.kind == "execution_output")
            self._place(key)
        item, text = self._items[key], text_of(entry, *FIELDS[key.kind])
        if not text and (odd := odd_text(entry, key.kind)):
            self._unknown[key._replace(kind=odd[:NAME_SIZE])] = None
        was_huge = item.is_huge
        take = item.finish if is_final else item.grow
        added = take(text, self._growth)
        added = added if item.is_huge == was_huge else None
        self._earned += _WORTH * (_ITEM_SIZE + len(text if added is None else added))
        return added

    def _take_whole(self, key: Key, part: JSON, entry: JSON) -> str | None:
        if key.kind == "image":
            urls = [text_of(image, "image_url") for image in objects_of(entry, "image")]
            markdown = images(urls)
        else:
            found = objects_of(object_of(part, "meta_data"), "metadata_list")
            markdown = sources([(text_of(page, "title"), text_of(page, "url")) for page in found])
        if self._finished.get(key, "") == markdown:
            return ""
        self._place(key)
        self._finished[key] = markdown
        self._earned += _WORTH * (_ITEM_SIZE + len(markdown))
        return None

    def _place(self, key: Key) -> None:
        if key not in self._places:
            self._is_late = True
            self._places[key] = self._texts[key.is_thinking].place(key)

    def _is_at_end(self, key: Key, added: str | None) -> bool:
        # Code that grows goes on inside its fence, unless it holds what makes that longer.
        is_code = key.kind == "code" and "`" not in (added or "`")
        is_running = key.kind == "text" or key.is_thinking or is_code
        is_newest = self._texts[key.is_thinking].keys[-1] == key
        return added is not None and is_running and is_newest and self._items[key].is_shown

    def _append(self, key: Key, added: str) -> str:
        item = self._items[key]
        if key.kind == "text" and not item.is_huge:
            added, item.held = strip_citations(item.held + added, is_open=True)
        self._texts[key.is_thinking].append(added)
        return added

    def _rewrite(self, *, is_thinking: bool, is_end: bool) -> Delta:
        text = self._texts[is_thinking]
        keys = text.keys[text.first_changed :]
        return text.rewrite(
            [(key.segment, key.kind, self._block(key, is_end=is_end)) for key in keys]
        )

    def _block(self, key: Key, *, is_end: bool) -> str:
        if key in self._finished:
            return self._finished[key]
        item = self._items[key]
        text, is_open = item.text(self._growth), not (item.is_final or is_end)
        if item.is_huge:
            item.held = ""
        elif key.kind == "text":
            text, item.held = strip_citations(text, is_open=is_open)
        elif not key.is_thinking:
            is_open = is_open and key == self._texts[False].keys[-1]
            text = fenced(text, "python" if key.kind == "code" else "", is_open=is_open)
        item.is_shown = bool(text)
        return text
