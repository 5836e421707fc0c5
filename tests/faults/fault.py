"""A fault as a value: what the far side does, what the user must see, and how often it is asked.

    Fault(
        "hangs up in mid-stream",
        unfinished("Half of it", end="close"),
        text="Half of it",
        finish="truncated",
        words=("ended before",),
    )

is played in both wire formats, by `test_api.py` through the public API and by
`test_magic.py` in a real kernel. A table of faults is a module of this folder,
entered in `tables.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from glm_magic.errors import GlmError
from glm_magic.messages import Finish
from glm_magic.providers.base import Clocks
from tests.far_side import GREETING, Answering, FarSide, Gate, Script, Stream
from tests.providers.asking import WIRES, Wire

#: Goes with every question that may have one, and must be seen nowhere. Its form changes when it
#: is URL-encoded.
KEY = "sk-planted/0123+4567890abcdef"
#: Text of two, three and four bytes a character.
WORLD = "naïve 世界 🌍"
#: Long enough never to run out: only a fault about time has shorter ones.
PATIENT = Clocks(30.0, 30.0, 30.0)
#: The clocks of such faults.
HASTY = Clocks(0.3, 0.3, 0.3)
CONNECT_SOON = Clocks(0.3, 30.0, 30.0)


@dataclass(frozen=True)
class Site:
    """Where a question in *wire* goes: an address, and the server behind it if there is one.

    *settings* are what must be set to get there. The scripts answer requests
    of *method*. Nothing may be asked of *neighbour*, another server. An error
    must name *named* besides the far side. *count* gives the requests that came
    where no server counts them. A stream stops at *gate* until its text was
    seen.
    """

    wire: Wire
    url: str
    server: FarSide | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    neighbour: FarSide | None = None
    named: str = ""
    count: Callable[[], int] | None = None
    method: str = "POST"
    gate: Gate = field(default_factory=Gate)

    def play(self, fault: Fault) -> None:
        """Have the server do what *fault* says."""
        if self.server is not None:
            self.server.queue(*fault.scripts(self), method=self.method)

    @property
    def greets(self) -> bool:
        """Whether the server answers what no script answers."""
        return self.server is not None and self.method == "POST"

    @property
    def requests(self) -> int | None:
        """How many requests the server has seen; None where that cannot be said."""
        if self.count is not None:
            return self.count()
        return None if self.server is None else len(self.server.requests)


Scripts = Callable[[Site], Sequence[Script | Answering]]
Place = Callable[[Wire], AbstractContextManager[Site]]


@contextmanager
def far_side(wire: Wire) -> Iterator[Site]:
    """The usual place: a server that does what the scripts say, and greets when they are over."""
    with FarSide() as server:
        yield Site(wire, server.url, server)


def same(*scripts: Script | Answering) -> Scripts:
    """Return *scripts*, which are the same in both wire formats."""
    return lambda _: scripts


#: No script: the server greets.
GREETS = same()


def saying(text: str | Sequence[str], **how: Any) -> Scripts:
    """Return a whole stream that says *text*; *how* is what `Stream` takes."""
    return lambda at: [Stream(at.wire.stream(text), **how)]


def unfinished(text: str | Sequence[str], **how: Any) -> Scripts:
    """Return a stream that says *text* and has no finish signal.

    With the *end* `close` or `abort` it breaks off when the text was seen.
    """

    def scripts(at: Site) -> Sequence[Script]:
        gate = [at.gate] if how.get("end") in ("close", "abort") else []
        return [Stream([*at.wire.unfinished(text), *gate], **how)]

    return scripts


def either(openai: Sequence[bytes | Gate], chatglm: Sequence[bytes | Gate], **how: Any) -> Scripts:
    """Return a stream of the chunks that stand here for each wire format."""
    chunks = {"openai": openai, "chatglm": chatglm}
    return lambda at: [Stream(chunks[at.wire.name], **how)]


@dataclass(frozen=True)
class Fault:
    """One fault: *scripts* are played for successive requests at *place*.

    The user must see *text*, then either *error* or an answer that ended by
    *finish*, with these *calls* (names and arguments); *words* must stand in
    the error, or else in the notices, and without words there are no notices.
    *requests* are made in all, each one after the first with a remark. The
    scripts over, the far side greets, so that a fault which is retried with
    success has the text `GREETING`. A key
    of None sends none, *settings* go to the provider.
    """

    name: str
    scripts: Scripts = GREETS
    text: str = ""
    calls: Sequence[tuple[str, str]] = ()
    finish: Finish = "stop"
    error: type[GlmError] | None = None
    words: Sequence[str] = ()
    requests: int = 1
    place: Place = far_side
    clocks: Clocks = PATIENT
    key: str | None = KEY
    settings: Mapping[str, Any] = field(default_factory=dict)
    wires: Sequence[Wire] = WIRES

    @property
    def outcome(self) -> str:
        """What the user sees, in a few words."""
        if self.error is not None:
            return "partial text and error" if self.text else "error"
        if self.finish != "stop":
            return "partial text, marked"
        return "whole text and notice" if self.words else "whole text"


def recovers(name: str, scripts: Scripts, *, requests: int = 2, **more: Any) -> Fault:
    """Return a fault that is over when it is asked again, visibly, and costs nothing more."""
    return Fault(name, scripts, text=GREETING, requests=requests, **more)


def lasts(name: str, script: Script | None = None, **more: Any) -> Fault:
    """Return a fault that is still there when it is asked for the third and last time."""
    scripts = GREETS if script is None else same(*[script] * 3)
    return Fault(name, scripts, requests=3, **more)


def holds_key(text: str, key: str | None) -> bool:
    """Whether *text* has *key* in it, as it is or in an encoding."""
    if key is None:
        return False
    forms = (key, quote(key, safe=""), base64.b64encode(key.encode()).decode().rstrip("="))
    return any(form in text for form in forms)
