"""How an OpenAI-style answer ended, told by its finish reasons. No I/O."""

from __future__ import annotations

from ..errors import tidy
from ..messages import Finish

TRUNCATED = "the stream ended before the answer was complete"
#: Finish reasons that are errors.
FAILURES = ("network_error", "model_context_window_exceeded")

#: Finish reasons, and what to say about them.
_FINISHES: dict[str, tuple[Finish, str]] = {
    "stop": ("stop", ""),
    "length": ("length", ""),
    "tool_calls": ("tool_calls", ""),
    "function_call": ("tool_calls", ""),
    "sensitive": ("content_filter", "the vendor's moderation ended the answer"),
    "content_filter": ("content_filter", "the vendor's moderation ended the answer"),
    "abort": ("truncated", "the server gave the answer up"),
}
#: What some servers write for no reason at all.
_NONE = ("", "null", "none")


class Finishing:
    """The finish reason of one answer, as far as it can be believed.

    Some servers put one on each chunk. A reason that came with text is taken
    back when more text follows under the same id; from then on such a reason
    needs `[DONE]` behind the last one, as a cut would look the same.
    """

    def __init__(self) -> None:
        self._finish: Finish | None = None
        self._remark = ""
        self._id = ""  # of the chunk that had the reason
        self._came_with_text = False
        self._is_doubtful = False  # whether a reason was taken back

    @property
    def is_over(self) -> bool:
        """Whether the answer has ended, so that no more of it is waited for."""
        return self._finish is not None and not (self._is_doubtful and self._came_with_text)

    @property
    def has_reason(self) -> bool:
        """Whether a finish reason was seen and not taken back."""
        return self._finish is not None

    @property
    def is_complete(self) -> bool:
        """Whether the service says that it said all it wanted to."""
        return self._finish in ("stop", "tool_calls")

    def goes_on(self, chunk_id: str) -> bool:
        """Whether text under *chunk_id* is part of the answer; a reason before it then was none."""
        if self._finish is None:
            return True
        if not self._came_with_text or chunk_id != self._id:
            return False
        self._finish, self._remark, self._is_doubtful = None, "", True
        return True

    def note(self, reason: str, chunk_id: str, *, with_text: bool) -> None:
        """Take in the *reason* of a chunk; the first one that can be believed counts."""
        if self.is_over or reason.lower() in _NONE:
            return
        remark = f"the answer ended for an unknown reason: {tidy(reason, 60)}"
        unknown: tuple[Finish, str] = ("stop", remark)
        self._finish, self._remark = _FINISHES.get(reason, unknown)
        self._id, self._came_with_text = chunk_id, with_text

    def result(self, *, has_calls: bool, is_done: bool) -> tuple[Finish, str]:
        """Return how the answer ended and what to say of it; *is_done* says `[DONE]` came last."""
        # `[DONE]` alone also follows errors and cuts.
        if self._finish is None or not (self.is_over or is_done):
            return "truncated", TRUNCATED
        if self._finish == "stop" and has_calls:
            return "tool_calls", self._remark
        return self._finish, self._remark
