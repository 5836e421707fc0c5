"""What the right answer is, by straight and slow readings of the same input."""

from __future__ import annotations

import base64
import json
import re
from itertools import groupby
from urllib.parse import quote

from glm_magic.messages import Delta
from glm_magic.wire.parts import Transcript
from glm_magic.wire.sse import Event

#: What the standard reads; `error` is ours.
FIELDS = ("", "data", "event", "id", "retry", "error")


def events_slowly(stream: bytes) -> list[Event]:
    """Return the events of *stream* by the steps of section 9.2.6 of the HTML standard.

    Three things are ours: a field `error` is data of that type, what the end of
    the stream cuts short is given out as not whole, and some of the lines that
    the standard ignores are read: JSON that lacks its `data:` is an event of
    its own, and so is the first line of the first web page.
    """
    *lines, rest = re.split(r"\r\n|\r|\n", stream.decode("utf-8", "replace").removeprefix("\ufeff"))
    events, fields, last_id, had_page = [], [], "", False
    for number, line in enumerate(lines + [rest] * bool(rest)):
        bare = "" if had_page else bare_of(line, fields)
        had_page = had_page or bare == "<"
        if bare:
            fields.append((bare, line))
        elif line and field_of(line)[0] in FIELDS:
            fields.append(field_of(line))
            last_id = id_of(*fields[-1], last_id)
        is_json = bare == "{" and line[:1] in ("{", "}") and line[-1] == "}"
        if not line or bare == "<" or is_json:
            events += event_of(fields, last_id, is_whole=number < len(lines))
            fields = []
    return events + event_of(fields, last_id, is_whole=False)


def bare_of(line: str, fields: list[tuple[str, str]]) -> str:
    """Return how JSON or a page begins that *line*, which is no field, is of; else nothing."""
    names = {name for name, _ in fields}
    if field_of(line)[0] in FIELDS:
        return ""
    if "{" in names:
        return "{"
    return line[0] if line[0] in "{<" and not names & {"data", "error"} else ""


def field_of(line: str) -> tuple[str, str]:
    """Return the name and the value of the field on *line*; a comment has no name."""
    name, value = line.split(":", 1) if ":" in line else (line, "")
    return name, value[1:] if value[:1] == " " else value


def id_of(name: str, value: str, before: str) -> str:
    """Return the last event id after a field."""
    return value if name == "id" and "\0" not in value else before


def event_of(fields: list[tuple[str, str]], last_id: str, *, is_whole: bool) -> list[Event]:
    """Return the event that *fields* make, if they have any data."""
    kind, data = "", ""
    for name, value in fields:
        kind = value if name == "event" else "error" if name == "error" else kind
        data += value + "\n" if name in ("data", "error", "{", "<") else ""
    return [Event(data[:-1].encode(), kind or "message", last_id, is_whole)] if data else []


class SlowTranscript(Transcript):
    """Writes the whole message anew at each frame, and never only what was added."""

    def _is_at_end(self, *_: object) -> bool:
        return False

    def write(self, *, is_end: bool, is_all: bool = True) -> Delta:
        """Write all of it."""
        return super().write(is_end=is_end, is_all=True)

    def _is_due(self) -> bool:
        return True


class LateTranscript(Transcript):
    """Writes what belongs elsewhere than at the end only when it must."""

    def _is_due(self) -> bool:
        return False


def without_citations(text: str) -> str:
    """Return *text* without marks such as 【3†source】."""
    return re.sub(r"【[^【】\n]{0,40}†[^【】\n]{0,40}】", "", text)


def joined(texts: list[tuple[str, str]]) -> str:
    """Return the *texts*, each behind the name of its segment, as one text.

    Texts of one segment follow each other, others are parted by a blank line.
    """
    whole = ""
    for _, group in groupby([pair for pair in texts if pair[1]], lambda pair: pair[0]):
        ends = len(whole) - len(whole.rstrip("\n"))
        whole += "\n" * max(0, 2 - ends) * bool(whole) + "".join(text for _, text in group)
    return whole


def forms_of(key: str) -> list[str]:
    """Return what would give *key* away: itself, and the usual encodings, also as a password."""
    raw = key.encode("utf-8", "surrogatepass")
    plain = [key, quote(raw, safe=""), json.dumps(key)[1:-1], repr(key)[1:-1]]
    plain.append(json.dumps(key, ensure_ascii=False)[1:-1])
    packed = []
    for before, start in enumerate((0, 2, 3)):
        letters = base64.b64encode(b"u" * before + raw).decode()
        # The last letters depend on what follows the key, the first ones on what stands before it.
        packed.append(letters[start : (before + len(raw)) * 8 // 6])
    return plain + packed + [code.replace("+", "-").replace("/", "_") for code in packed]
