"""The entries in a part of a chatglm.cn message, whatever shape they have. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from .payload import JSON, odd_kind, text_of

#: So many characters of a name are looked at: any is far shorter.
NAME_SIZE = 200

#: The types with a text that grows, and where it stands.
FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "think": ("think", "text"),
    "text_thinking": ("text_thinking", "think", "text"),
    "code": ("code",),
    "execution_output": ("content",),
}
_FINAL = ("finish", "done")


class Key(NamedTuple):
    """Where a block comes from: an item of a chatglm.cn message."""

    segment: str
    position: int
    kind: str

    @property
    def is_thinking(self) -> bool:
        """Whether the block belongs to the thinking, not to the answer."""
        return self.kind in ("think", "text_thinking")


class Entry(NamedTuple):
    """An *entry* of a *part*, and where it stands there; what is of one *segment* is one text."""

    key: Key
    place: int
    segment: str
    part: JSON
    entry: JSON

    @property
    def is_final(self) -> bool:
        """Whether it is whole, by itself or by its part."""
        return self.part.get("status") in _FINAL or self.entry.get("status") in _FINAL

    @property
    def text(self) -> str:
        """The text of a type that has one."""
        return text_of(self.entry, *FIELDS.get(self.key.kind, ()))


def entries_of(part: JSON) -> list[JSON]:
    """Return the entries of a part's content; what is no object becomes one."""
    content: Any = part.get("content")  # Any: a JSON value of any type
    entries = content if isinstance(content, list) else [content]
    return [
        entry if isinstance(entry, dict) else _entry_of(entry, part)
        for entry in entries
        if entry is not None
    ]


def keyed(parts: list[JSON]) -> Iterator[Entry]:
    """Yield each entry of *parts* with its key: its part, and its place among those of its type.

    By the place among all of them it would be another one as soon as a
    thinking comes in front of it, or goes. Parts without a name count as one.
    """
    nameless: Counter[str] = Counter()
    passed = 0
    for part in parts:
        segment = text_of(part, "logic_id")[:NAME_SIZE]
        counts = Counter() if segment else nameless
        starts: dict[str, int] = {}
        entries = entries_of(part)
        for place, entry in enumerate(entries, 0 if segment else passed):
            kind = text_of(entry, "type")[:NAME_SIZE]
            key = Key(segment, counts[kind], kind)
            text = segment or f"#{starts.setdefault(kind, counts[kind])}"
            yield Entry(key, place, text, part, entry)
            counts[kind] += 1
        passed += 0 if segment else len(entries)


def _entry_of(entry: object, part: JSON) -> JSON:
    if not isinstance(entry, str):
        return {"type": odd_kind(entry, "content")}
    return {"type": "tool_result" if part.get("role") == "tool" else "text", "text": entry}


def odd_text(entry: JSON, kind: str) -> str:
    """Return what to call the text of *entry* if it is none, or the empty string."""
    values = [(entry[name], name) for name in FIELDS[kind] if entry.get(name)]
    return next((odd_kind(value, name) for value, name in values), "")
