"""Whether a service began its answer anew inside one stream, told by chunk ids. No I/O."""

from __future__ import annotations

from .payload import JSON

_FIELDS = (
    *("content", "reasoning_content", "reasoning", "thinking", "tool_calls"),
    *("refusal", "function_call"),
)


class ChunkIds:
    """Follows the chunk ids of one stream.

    A changed id after text was shown means that the service began anew (seen
    at z.ai). Some servers number every chunk instead: two ids in a row that
    came only once tell them apart, and the first of those chunks is kept until
    then.
    """

    def __init__(self) -> None:
        self._id = ""
        self._uses = 0
        self._latest: JSON = {}
        self._dropped: JSON | None = None
        self._is_numbering = False

    def follow(self, chunk_id: str, delta: JSON, *, is_shown: bool) -> list[JSON] | None:
        """Return the `delta` objects to begin the answer anew with, or None to go on.

        *is_shown* says that the present answer has something to take back.
        """
        if self._is_numbering:
            return None
        if chunk_id in ("", self._id):
            self._uses, self._latest = self._uses + 1, delta
            return None
        replay = self._replay(delta) if is_shown else None
        if replay or not is_shown:
            self._id, self._uses, self._latest = chunk_id, 1, delta
        return replay

    def _replay(self, delta: JSON) -> list[JSON] | None:
        if self._dropped is not None and self._uses == 1:
            self._is_numbering = True
            return [self._dropped, self._latest, delta]
        if not says_something(delta):
            return None
        self._dropped = self._latest if self._uses == 1 else None
        return [delta]


def says_something(delta: JSON) -> bool:
    """Whether *delta* has any text, thinking or tool call in it."""
    return any(delta.get(name) for name in _FIELDS)
