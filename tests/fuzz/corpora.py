"""Inputs to begin with: streams as servers send them, hostile answers, the CommonMark examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.wire.streams import CHATGLM, OPENAI
from tests.wire.test_sse import STREAMS

DATA = Path(__file__).parents[1] / "data"


def corpus_of(target: str) -> list[bytes]:
    """Return the inputs to begin with for *target*."""
    if target == "sse":
        return [b"\7\3\20" + stream for stream, _ in STREAMS.values()]
    if target == "wires":
        return [*OPENAI.values(), *CHATGLM.values()]
    if target in ("disarm", "html", "terminal"):
        return [text.encode("utf-8", "replace") for text in answers()]
    return [bytes(range(step, 256, step)) for step in (1, 3, 7, 31)]


def answers() -> Iterator[str]:
    """Yield hostile and harmless answers."""
    yield from json.loads((DATA / "blns.json").read_text("utf-8"))
    hostile = json.loads((DATA / "xss_payloads.json").read_text("utf-8"))
    yield from (payload["p"] for payload in hostile["payloads"][::8])
    yield from (wrapper.replace("{P}", "<img src=x>") for wrapper in hostile["markdown_wrappers"])
    yield from (
        example["markdown"] for example in json.loads((DATA / "commonmark.json").read_text("utf-8"))
    )
