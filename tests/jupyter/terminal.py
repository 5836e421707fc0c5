"""A real IPython in a pseudo-terminal: keys in, the text of the screen out."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pexpect

#: Colours, cursor movements, window titles and modes: what a terminal obeys and does not show.
CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[@-Z\\-_=>]"
    r"|\x1b[\[\]]?[0-?]*[ -/]*\Z"  # the beginning of one whose end has yet to come
    r"|[\x00-\x08\x0b-\x1f\x7f]"
)
CTRL_C = "\x03"


class Terminal:
    """An IPython session 100 columns wide; *env* is added to its environment."""

    def __init__(self, home: Path, env: Mapping[str, str] | None = None) -> None:
        own = {"IPYTHONDIR": str(home), "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._raw = ""
        self._seen = 0
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-banner", "--no-confirm-exit"],
            env={**os.environ, **own, **(env or {})},
            cwd=str(home),
            dimensions=(30, 100),
            encoding="utf-8",
            codec_errors="replace",
        )

    @property
    def raw(self) -> str:
        """Everything the terminal was sent, control sequences included."""
        return self._raw

    @property
    def transcript(self) -> str:
        """Everything the terminal was sent, without control sequences.

        What was drawn again (the line being typed, a live block) is there again.
        """
        return CONTROL.sub("", self._raw)

    def send(self, line: str) -> None:
        """Type *line* and press Enter; what `expect` has yet to find comes after it."""
        self._read(0)
        self._seen = len(self.transcript)
        self._child.send(line + "\r")

    def expect(self, text: str, timeout: float = 60) -> str:
        """Wait until *text* is shown and return what was shown from the last one up to its end.

        Raises TimeoutError with the transcript after *timeout* seconds, or when IPython ends.
        """
        end = time.monotonic() + timeout
        while (found := self.transcript.find(text, self._seen)) < 0:
            if not self._read(0.1) or time.monotonic() > end:
                raise TimeoutError(f"{text!r} is not in {self.transcript[self._seen :]!r}")
        start, self._seen = self._seen, found + len(text)
        return self.transcript[start : self._seen]

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._child.send(CTRL_C)

    def close(self) -> None:
        """End the session; may be called again."""
        self._child.close(force=True)

    def _read(self, wait: float) -> bool:
        """Take in what has come within *wait* seconds; False when the session has ended."""
        try:
            self._raw += self._child.read_nonblocking(65536, wait)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True
