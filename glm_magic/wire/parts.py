"""The parts of a chatglm.cn message, gathered and written as Markdown. No I/O."""

from __future__ import annotations

from itertools import islice, starmap, takewhile
from typing import TYPE_CHECKING, NamedTuple

from ..messages import Delta
from .blocks import BlockText
from .entries import FIELDS, NAME_SIZE, Entry, Key, keyed, odd_text
from .growth import Growth
from .items import Item
from .markdown import fenced, images, sources, strip_citations
from .payload import JSON, object_of, objects_of, text_of

if TYPE_CHECKING:
    from .markdown import Block

#: The server's own tools at work: nothing to show.
_SILENT = ("tool_calls", "tool_result")
#: What an item takes beside its text, in characters.
_ITEM_SIZE = 1000
#: So many items of a part are looked at for one that is gone.
_FEW = 16
#: Characters that may be written anew for each that comes: where the end of a long text is to be
#: taken back at every frame, the changes of several frames are written at once.
_WORTH = 16


class _Change(NamedTuple):
    key: Key
    #: What was put at the end of the item; None when it must be written anew.
    added: str | None


class Transcript:
    """The message so far as two texts, answer and thinking, and how they change.

    Items stand in the order of their first arrival, those of a part in that of its last snapshot,
    which also tells what is gone. What changes elsewhere than at the end is given out at once
    unless that has become too much to be taken back and said again each time.
    """

    def __init__(self) -> None:
        self._growth = Growth()
        self._items: dict[Key, Item] = {}
        self._known: dict[str, dict[Key, int]] = {}  # the first of each part, and their places
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
        entries = list(keyed(parts))
        self._weigh(entries)
        every = [self._take(entry) for entry in entries]
        self._replace(entries)
        changes = [change for change in every if change.added != ""]
        is_turned = was_delta != self._growth.is_delta
        if is_turned and not was_delta:
            self._rearrange()
        # Nearly every frame only prolongs the newest text; the others have it written anew, or
        # kept for later what is not at an end.
        is_odd = self._is_late or is_turned
        is_plain = not is_odd and all(starmap(self._is_at_end, changes))
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

    def _take(self, one: Entry) -> _Change:
        if one.key.kind in FIELDS:
            return _Change(one.key, self._take_text(one))
        if one.key.kind in ("image", "quote_result"):
            return _Change(one.key, self._take_whole(one) if one.is_final else "")
        self._unknown |= {} if one.key.kind in _SILENT else {one.key: None}
        return _Change(one.key, "")

    def _weigh(self, entries: list[Entry]) -> None:
        """See that frames repeat, where a growing text comes once more, be it in another place."""
        for one in entries if self._growth.mode is None else ():
            known = self._known.get(one.key.segment, {})
            items = [self._items[key] for key in known if key.kind == one.key.kind]
            own = self._items.get(one.key) if len(entries) == 1 else None
            if not one.is_final and any(item.grows_to(one.text, own) for item in items):
                self._growth.mode = "cumulative"
                return

    def _replace(self, entries: list[Entry]) -> None:
        """Find what is gone from these parts: something else stands there, or says the same."""
        if self._growth.is_delta:
            return
        parts: dict[str, dict[Key, int]] = {}
        for key, place, *_ in entries:
            if key in self._items:
                parts.setdefault(key.segment, {})[key] = place
        for segment, present in parts.items():
            known = self._known.setdefault(segment, {})
            absent = [key for key in known if key not in present]
            for key in absent:
                self._forget(key, present)
                self._show(key, is_gone=self._is_replaced(key, known[key], present))
            for key, place in islice(present.items(), _FEW):
                self._show(key, is_gone=False)
                known |= {key: place} if key in known or len(known) < _FEW else {}
            self._arrange(list(present), [key for key in absent if self._items[key].is_absent])

    def _forget(self, old: Key, present: dict[Key, int]) -> None:
        """Take *old*, if not whole, for nothing where an item that is *present* says the same."""
        item = self._items[old]
        if not item.is_final and any(item.is_in(self._items[key]) for key in islice(present, _FEW)):
            item.clear()
            self._change(old)

    def _is_replaced(self, old: Key, place: int, present: dict[Key, int]) -> bool:
        """Whether an item that is *present* has the *place* of *old*."""
        # A frame without names may have only one of the parts, and thinking gives way to text.
        is_whole = bool(old.segment) or len(present) > 1
        # As long as frames may be pieces, what is whole stays, and code has an output behind it.
        is_open = self._growth.mode == "cumulative" or not self._items[old].is_final
        others = [key for key in present if present[key] == place and self._items[key].size]
        kinds = [key.kind for key in others if key.is_thinking >= old.is_thinking]
        return is_whole and is_open and any(kind != "execution_output" for kind in kinds)

    def _show(self, key: Key, *, is_gone: bool) -> None:
        if self._items[key].is_gone != is_gone:
            self._items[key].is_gone = is_gone
            self._change(key)

    def _arrange(self, present: list[Key], gone: list[Key]) -> None:
        """Have what is *present* of a part stand in this order, what is *gone* out of the way."""
        for is_thinking, text in self._texts.items():
            keys = [key for key in present if key.is_thinking == is_thinking]
            rest = [key for key in gone if key.is_thinking == is_thinking]
            places = sorted(self._places[key] for key in (*keys, *rest))
            # The last block can grow: if that is of this part, it is none that is gone.
            is_apart = bool(places) and places[-1] - places[0] >= len(places)
            for key, place in zip(
                [*keys, *rest] if is_apart else [*rest, *keys], places, strict=True
            ):
                if self._places[key] != place:
                    self._places[key], text.keys[place] = place, key
                    self._change(key)

    def _rearrange(self) -> None:
        """Have all items stand in the order of their arrival again."""
        for is_thinking, text in self._texts.items():
            text.keys = [key for key in self._places if key.is_thinking == is_thinking]
            self._places |= {key: place for place, key in enumerate(text.keys)}
            text.change(0)

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

    def _take_text(self, one: Entry) -> str | None:
        key, text = one.key, one.text
        if key not in self._items:
            self._items[key] = Item(one.segment, repeats=key.kind == "execution_output")
            self._place(key)
        item = self._items[key]
        if not text and (odd := odd_text(one.entry, key.kind)):
            self._unknown[key._replace(kind=odd[:NAME_SIZE])] = None
        was_huge = item.is_huge
        take = item.finish if one.is_final else item.grow
        added = take(text, self._growth)
        added = added if item.is_huge == was_huge else None
        self._earned += _WORTH * (_ITEM_SIZE + len(text if added is None else added))
        return added

    def _take_whole(self, one: Entry) -> str | None:
        key = one.key
        if key.kind == "image":
            urls = [text_of(image, "image_url") for image in objects_of(one.entry, "image")]
            markdown = images(urls)
        else:
            found = objects_of(object_of(one.part, "meta_data"), "metadata_list")
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
        return text.rewrite([self._block(key, is_end=is_end) for key in keys])

    def _block(self, key: Key, *, is_end: bool) -> Block:
        if key in self._finished:
            return key.segment, key.kind, self._finished[key]
        item = self._items[key]
        is_gone = item.is_gone and not self._growth.is_delta
        text = "" if is_gone else self._text(key, item, is_end=is_end)
        item.is_shown = bool(text)
        return item.segment, key.kind, text

    def _text(self, key: Key, item: Item, *, is_end: bool) -> str:
        text, is_open = item.text(self._growth), not (item.is_final or is_end)
        if item.is_huge:
            item.held = ""
        elif key.kind == "text":
            text, item.held = strip_citations(text, is_open=is_open)
        elif not key.is_thinking:
            is_open = is_open and key == self._texts[False].keys[-1]
            text = fenced(text, "python" if key.kind == "code" else "", is_open=is_open)
        return text
