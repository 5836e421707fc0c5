"""The entries in a part of a chatglm.cn message, whatever shape they have. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

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


def entries_of(part: JSON) -> list[JSON]:
    """Return the entries of a part's content; what is no object becomes one."""
    content: Any = part.get("content")  # Any: a JSON value of any type
    entries = content if isinstance(content, list) else [content]
    return [
        entry if isinstance(entry, dict) else _entry_of(entry, part)
        for entry in entries
        if entry is not None
    ]


def numbered(part: JSON) -> Iterator[tuple[str, int, JSON]]:
    """Yield each entry with its type and its place among those of that type.

    By the place among all of them it would be another one as soon as a
    thinking comes in front of it, or goes.
    """
    counts: Counter[str] = Counter()
    for entry in entries_of(part):
        kind = text_of(entry, "type")[:NAME_SIZE]
        yield kind, counts[kind], entry
        counts[kind] += 1


def _entry_of(entry: object, part: JSON) -> JSON:
    if not isinstance(entry, str):
        return {"type": odd_kind(entry, "content")}
    return {"type": "tool_result" if part.get("role") == "tool" else "text", "text": entry}


def odd_text(entry: JSON, kind: str) -> str:
    """Return what to call the text of *entry* if it is none, or the empty string."""
    values = [(entry[name], name) for name in FIELDS[kind] if entry.get(name)]
    return next((odd_kind(value, name) for value, name in values), "")
