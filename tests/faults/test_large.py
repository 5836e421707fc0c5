"""Faults of size, in a process of its own each, so that the memory they take can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any

import pytest

from tests.far_side import GREETING, FarSide, Stream
from tests.far_side_data import chatglm_frame, chatglm_part, event, openai_chunk
from tests.faults.dialects import DELTA, DIALECTS, SNAPSHOTS
from tests.faults.test_bombs import MOST, measured
from tests.jupyter.cells import markdown
from tests.jupyter.kernel import Kernel
from tests.providers.asking import CHATGLM, OPENAI, WIRES, Wire

ROOT = Path(__file__).parents[2]
PIECE = "word " * 2**14
NAME = "n" * 2**20
ASCII = "0123456789" * 10**6
#: One character has Python take four bytes for each of them; an event may have 16 MiB.
WIDE = "😀" + "0123456789" * 1_677_000
#: With citation marks, which are taken out of a text that is not as huge.
CITED = ("😀" + "0123456789" * 100 + "【3†source】") * 16_000


def openai_events(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield the chunks of an OpenAI-type stream."""
    return (event(openai_chunk({"content": piece})) for piece in pieces)


def frames(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield the frames of a chatglm.cn text."""
    return (event(chatglm_frame(chatglm_part("text", piece))) for piece in pieces)


def in_code(wire: Wire) -> list[bytes]:
    """Return the frames of WIDE as the code of a chatglm.cn message."""
    parts = (chatglm_part("code", WIDE, status=status) for status in ("init", "finish"))
    code, whole = (chatglm_frame(part, status=part["status"]) for part in parts)
    return [event(code), event(whole)]


def growing(wire: Wire) -> list[bytes]:
    """Return a stream of WIDE in eight steps."""
    step = len(WIDE) // 8
    return wire.stream([WIDE[at : at + step] for at in range(0, len(WIDE), step)])


def named(wire: Wire) -> Iterator[bytes]:
    """Yield frames in which each part has a name and a type of its own, of a mebibyte."""
    for n in range(100):
        name = f"{n}{NAME}"
        odd = {"type": name, "status": "init"}
        part = chatglm_part("text", "Hi")
        yield event(chatglm_frame({**part, "logic_id": name, "content": [*part["content"], odd]}))
    yield event(chatglm_frame(chatglm_part("text", "Hi", status="finish"), "finish"))


def endless(wire: Wire) -> Iterator[bytes]:
    """Yield the events of an answer in *wire* that goes on for ever."""
    if wire is OPENAI:
        return openai_events(repeat(PIECE))
    grown = repeat(PIECE) if wire is DELTA else (PIECE * (10 * n) for n in count(1))
    return frames(chain(["Some words to begin with. "], grown))


def batched(events: list[bytes]) -> Iterator[bytes]:
    """Yield *events* many at a time."""
    return (b"".join(events[at : at + 500]) for at in range(0, len(events), 500))


@dataclass(frozen=True)
class Large:
    """A fault of size: the *chunks* of its stream, and what is seen of it."""

    name: str
    chunks: Callable[[Wire], Iterable[bytes]]
    text: str | None = None
    finish: str = "stop"
    error: str | None = None
    words: str = ""
    wires: tuple[Wire, ...] = WIRES
    most: int = MOST


def cut_off(name: str, chunks: Callable[[Wire], Iterable[bytes]], words: str, **more: Any) -> Large:
    """Return a fault that is given up as too large."""
    return Large(name, chunks, finish="error", error="ProtocolError", words=words, **more)


ENDLESS = cut_off("events without end", endless, "16 MiB", wires=DIALECTS)

ONE_LINE = Large(
    "line of 16 MiB, wide", lambda wire: wire.stream([WIDE]), text=WIDE, wires=DIALECTS
)

LARGE = (
    Large(
        "line of 16 MiB, cited",
        lambda wire: wire.stream([CITED]),
        text=CITED,
        wires=SNAPSHOTS,
    ),
    Large("text of 16 MiB that grows, wide", growing, text=WIDE, wires=DIALECTS),
    Large("code of 16 MiB", in_code, text=WIDE, wires=(CHATGLM,)),
    Large("line of 10 MB", lambda wire: wire.stream([ASCII]), text=ASCII, wires=DIALECTS),
    ONE_LINE,
    Large(
        "tiny pieces",
        lambda wire: batched(wire.stream(["text"] * 2**17)),
        text="text" * 2**17,
        wires=(OPENAI, DELTA),
        most=MOST // 32,  # an answer may be 32 times as long
    ),
    Large(
        "blank lines first",
        lambda wire: chain(repeat(b"\r\n" * 2**15, 2**11), wire.stream("Hi")),
        text="Hi",
    ),
    cut_off(
        "line without end",
        lambda wire: chain(wire.unfinished("Hi"), [b"data: "], repeat(b"x" * 2**16)),
        "larger than 16 MiB",
        text="Hi",
    ),
    cut_off(
        "comment without end",
        lambda wire: chain([b": "], repeat(b"x" * 2**16)),
        "larger than 16 MiB",
        text="",
    ),
    cut_off(
        "data lines without end",
        lambda wire: repeat(b"data: %s\n" % (b"x" * 2**12)),
        "larger than 16 MiB",
        text="",
    ),
    ENDLESS,
    cut_off(
        "broken events without end",
        lambda wire: chain(wire.unfinished("Hi"), repeat(b"data: {nope\n\n" * 2**12)),
        "16 MiB",
        text="Hi",
    ),
    cut_off(
        "blanks without end",
        lambda wire: openai_events(repeat("\n" * 2**20)),
        "16 MiB",
        wires=(OPENAI,),
    ),
    Large("names of 1 MiB", named, wires=(CHATGLM,)),
    cut_off(
        "names of tool calls without end",
        lambda wire: (
            event(openai_chunk({"tool_calls": [{"index": n, "function": {"name": NAME}}]}))
            for n in count()
        ),
        "16 MiB",
        text="",
        wires=(OPENAI,),
    ),
    cut_off(
        "tool call without end",
        lambda wire: (
            event(openai_chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
            for piece in repeat(PIECE)
        ),
        "16 MiB",
        text="",
        wires=(OPENAI,),
    ),
)


@pytest.mark.parametrize(
    ("large", "wire"),
    [
        pytest.param(large, wire, id=f"{large.name}, {wire.name}")
        for large in LARGE
        for wire in large.wires
    ],
)
async def test_large(large: Large, wire: Wire):
    """It ends as its row says, in one request, and takes at most 200 MiB."""
    with FarSide() as server:
        server.queue(Stream(wire.stream(GREETING)), Stream(large.chunks(wire)))  # type: ignore[arg-type]
        seen = await measured(server.url, wire)
        assert (large.finish, large.error, 2) == (
            seen["finish"],
            seen["error"],
            len(server.requests),
        )
    assert large.words in seen["what"]
    assert large.text is None or hash_of(large.text) == seen["text"]
    assert seen["growth"] <= large.most


#: Prints the most memory that the kernel has had, in bytes.
PEAK = "import tests.faults.measure; print(tests.faults.measure.peak())"


@pytest.mark.parametrize("wire", DIALECTS, ids=lambda wire: wire.name)
@pytest.mark.parametrize("large", [ONE_LINE, ENDLESS], ids=lambda large: large.name)
def test_large_in_a_cell(tmp_path: Path, large: Large, wire: Wire):
    """A cell takes no more; it shows as much as a browser can, and the reply has all of it."""
    with FarSide() as server:
        server.queue(Stream(wire.stream(GREETING)), Stream(large.chunks(wire)))  # type: ignore[arg-type]
        where = {"GLM_BASE_URL": server.url, "GLM_CHATGLM_URL": server.url}
        kernel = Kernel(tmp_path, {**where, "GLM_MODEL": wire.model, "PYTHONPATH": str(ROOT)})
        try:
            kernel.run("%load_ext glm_magic\n%glm --once Hi")
            before = int(kernel.run(PEAK).stream)
            cell = kernel.run("%glm --once -o reply Hi")
            after = int(kernel.run(PEAK).stream)
            length = kernel.run("print(len(reply.text))").stream
        finally:
            kernel.close()
    assert large.error == (cell.error and cell.error["ename"])
    assert 2**20 == len(cell.data[0]["text/plain"])
    assert f"only the first 1,048,576 of {int(length):,} characters" in markdown(cell)
    assert after - before <= MOST


def hash_of(text: str) -> str:
    """Return what the process prints in place of *text*."""
    return hashlib.sha256(text.encode()).hexdigest()
