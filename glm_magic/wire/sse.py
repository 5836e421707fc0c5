"""Server-sent events: bytes in, events out. No I/O and no JSON.

The grammar is the event stream of the WHATWG HTML standard, section 9.2,
without reconnection (`retry:` is ignored). Of the lines that it has one ignore,
those are read that a server or a gateway wrote without making them an event:
JSON, and the first line of a web page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ProtocolError

MIB = 2**20
_BOM = b"\xef\xbb\xbf"
#: Fields that say nothing here, comments being those without a name.
_SILENT = (b"", b"id", b"retry")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its data lines joined by newlines, its type and the last id seen.

    *raw* is the data as it came, *is_whole* False for an event that the end of
    the stream cut short of its blank line.
    """

    raw: bytes
    event: str = "message"
    id: str = ""
    is_whole: bool = True

    @property
    def data(self) -> str:
        """The data as text; bytes that are not UTF-8 become U+FFFD."""
        return self.raw.decode("utf-8", "replace")


class SSEDecoder:
    """Turns the bytes of a stream, cut anywhere, into events.

    An event is given out as soon as its blank line is complete. No event may
    be larger than *limit* bytes. Lines end at CR, LF or CRLF and nowhere else.
    """

    # Everything stays bytes until an event is complete: CR and LF occur in no
    # multi-byte character, so neither a character nor the BOM is ever split.

    def __init__(self, limit: int = 16 * MIB) -> None:
        self._limit = limit
        self._line: list[bytes] = []  # an unfinished line, joined once when it ends
        self._line_size = 0
        self._is_first_line = True
        self._is_after_cr = False
        self._data: list[bytes] = []
        self._data_size = 0
        self._type = b""
        self._id = ""
        self._is_bare = False  # whether the event is JSON that came without `data:`
        self._has_page = False  # whether a web page came, the lines of which may look like anything

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that *chunk* completes.

        Raises ProtocolError when an event outgrows the limit.
        """
        block, newline, rest = self._unify(chunk).rpartition(b"\n")
        events = self._read_lines(block) if newline else []
        self._line.append(rest)
        self._line_size += len(rest)
        self._check(self._line_size)
        return events

    def close(self) -> list[Event]:
        """Return what the end of the stream leaves over: at most one event, not whole."""
        bare = self._read_lines(b"") if any(self._line) else []
        event = self._dispatch(is_whole=False)
        return [event] if event else [replace(each, is_whole=False) for each in bare]

    def _unify(self, chunk: bytes) -> bytes:
        """Turn every line end into LF; the LF of a split CRLF has been counted already."""
        text = chunk[1:] if self._is_after_cr and chunk.startswith(b"\n") else chunk
        if chunk:
            self._is_after_cr = chunk.endswith(b"\r")
        return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text

    def _read_lines(self, block: bytes) -> list[Event]:
        """Read whole lines, the first of which ends the line kept so far."""
        self._line.append(block)
        text = b"".join(self._line)
        self._line, self._line_size = [], 0
        if self._is_first_line:
            text, self._is_first_line = text.removeprefix(_BOM), False
        lines = text.split(b"\n")
        del text  # a long line is held in one copy while another is made
        found = (self._read_line(line) for line in lines)
        return [event for event in found if event]

    def _read_line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch(is_whole=True)
        self._check(len(line))
        if line.startswith(b"data: "):  # the usual one, without copies of a long line
            self._add(line[6:])
            return None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add(value)
        elif name == b"event":
            self._type = value
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"error":  # llama.cpp until 2025 names the field itself so
            self._type = b"error"
            self._add(value)
        elif name not in _SILENT and not self._has_page:
            return self._read_bare(line)
        return None

    def _read_bare(self, line: bytes) -> Event | None:
        """Read a *line* that is no field."""
        if not (self._is_bare or (line.startswith((b"{", b"<")) and not self._data)):
            return None
        self._has_page = not self._is_bare and line.startswith(b"<")
        self._is_bare = True
        self._add(line)
        is_end = self._has_page or (line[:1] in (b"{", b"}") and line.endswith(b"}"))
        return self._dispatch(is_whole=True) if is_end else None

    def _add(self, value: bytes) -> None:
        self._data.append(value)
        self._data_size += len(value) + 1

    def _dispatch(self, *, is_whole: bool) -> Event | None:
        data, kind = self._data, self._type
        self._data, self._data_size, self._type, self._is_bare = [], 0, b"", False
        if not data:
            return None
        name = kind.decode("utf-8", "replace") or "message"
        return Event(b"\n".join(data), name, self._id, is_whole)

    def _check(self, size: int) -> None:
        if self._data_size + size > self._limit:
            msg = f"One event of the stream is larger than {self._limit / MIB:g} MiB."
            raise ProtocolError(msg, remedy="Ask for a shorter answer.")
