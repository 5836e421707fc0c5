"""Answers as bytes, rendered before they are sent: both wires, framed as HTTP chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cache
from itertools import accumulate

#: What one event is sent as, in buffers that need no copying.
Frame = tuple[bytes | memoryview, ...]

#: Stands in an answer for the time it is sent at: microseconds since 1970, in as many digits.
STAMP = "0" * 16
#: What the last event of an answer says, so that its reader knows when it was sent.
END = f"\n\nThe very end {STAMP}.\n"

SECTION = """### Step {n}: 第 {n} 步

Take the *mean* of the values, $\\bar x_{n} = \\frac{{1}}{{n}} \\sum_i x_i$, and compare it with
the one before; `None` stands for a missing value. 这一段是中文，和英文混在一起，像真的答案。

1. read the table, and drop what is empty
2. 算平均值，再看它有没有变化

> A remark on step {n}, with **emphasis** and a [link](https://example.org/{n}).

```python
mean_{n} = sum(x for x in column if x is not None) / len(column)
assert abs(mean_{n} - before) < 1e-{n}, "changed"
```

| step | mean | changed |
|-----:|-----:|:-------:|
| {n} | 0.{n} | no |

"""


@dataclass(frozen=True, slots=True)
class Answer:
    """*events* pieces of *size* characters on *wire*; with size 0 each is the time it is sent at.

    *rate* is how many are sent in a second, 0 as fast as they are taken; *cut*
    the bytes of one write, wherever that cuts, 0 as many as there are.
    """

    wire: str = "delta"
    events: int = 10_000
    size: int = 4
    rate: int = 0
    cut: int = 0

    @property
    def path(self) -> str:
        """The answer as the first part of an address."""
        return "/" + "-".join(map(str, astuple(self)))

    @classmethod
    def of(cls, path: str) -> Answer:
        """Return the answer that *path* asks for."""
        wire, *numbers = path.split("/")[1].split("-")
        return cls(wire, *map(int, numbers))

    def pieces(self) -> list[str]:
        """Return the text of each event."""
        if not self.size:
            return [f"{STAMP} "] * self.events
        sections = self.events * self.size // len(SECTION) + 1
        text = "".join(SECTION.format(n=n) for n in range(1, sections + 1))
        starts = range(0, self.events * self.size, self.size)
        return [*(text[at : at + self.size] for at in starts[:-1]), END]


@cache
def rendered(answer: Answer) -> list[Frame]:
    """Return the frames of *answer*, one for each event."""
    frames = _deltas(answer) if answer.wire == "delta" else _snapshots(answer)
    return [*frames, (b"0\r\n\r\n",)]


def _deltas(answer: Answer) -> Iterator[Frame]:
    chunk = {"id": "r1", "object": "chat.completion.chunk", "created": 1700000000, "model": "bench"}
    usage = {"prompt_tokens": 7, "completion_tokens": answer.events, "total_tokens": 7}

    def event(delta: dict[str, str], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = json.dumps({**chunk, "choices": [choice], **more}, ensure_ascii=False)
        return b"".join(_framed(f"data: {body}\n\n".encode()))

    for piece in answer.pieces():
        yield (event({"role": "assistant", "content": piece}),)
    yield (event({"content": ""}, "stop", usage=usage),)
    yield (b"".join(_framed(b"data: [DONE]\n\n")),)


def _snapshots(answer: Answer) -> Iterator[Frame]:
    """Yield a frame for each piece, with all pieces up to it, and the last one as finished."""
    escaped = [json.dumps(piece, ensure_ascii=False)[1:-1].encode() for piece in answer.pieces()]
    whole = memoryview(b"".join(escaped))
    for end in accumulate(map(len, escaped)):
        yield _framed(*_snapshot("init", whole[:end]))
    yield _framed(*_snapshot("finish", whole))


def _snapshot(status: str, text: memoryview) -> Frame:
    content = {"type": "text", "text": "@", "status": status}
    part = {"id": "m1", "logic_id": "L1", "role": "assistant", "content": [content]}
    part |= {"model": "chatglm-all-tools", "meta_data": {}, "status": status}
    frame = {"id": "m1", "conversation_id": "c1", "parts": [part], "status": status}
    head, _, tail = json.dumps({**frame, "last_error": {}}).partition("@")
    return f"data: {head}".encode(), text, f"{tail}\n\n".encode()


def _framed(*event: bytes | memoryview) -> Frame:
    return (b"%x\r\n" % sum(map(len, event)), *event, b"\r\n")
