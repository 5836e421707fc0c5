"""Many streams at once: each has its own answer, also where few files may be open."""

from __future__ import annotations

import pytest

from tests.far_side import FarSide, Gate, Recorded, Stream
from tests.processes import STRICT, output
from tests.providers.asking import OPENAI, Wire

#: Asks 200 questions at once with no more than so many open files, and counts what came of them.
SCRIPT = """
import asyncio, resource, sys
from collections import Counter
from glm_magic import Conversation, NetworkError, make_provider, run_sync

address, model, where, files, retries = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
provider = make_provider(model, base_url=address, retries=int(retries))

async def ask(number):
    try:
        reply = await Conversation(provider).ask(f"question {number}")
    except NetworkError as error:
        return "advised" if "ulimit" in error.remedy else str(error)
    return "own" if reply.text == f"answer to question {number}" else reply.text

async def ask_all():
    return Counter(await asyncio.gather(*map(ask, range(200))))

async def entered():
    async with provider:
        return await ask_all()

ways = {"background": lambda: run_sync(ask_all()), "foreign": lambda: asyncio.run(ask_all()),
        "entered": lambda: asyncio.run(entered())}
print(*sorted(f"{name}={count}" for name, count in ways[where]().items()))
"""

OPEN = Gate()
OPEN.open()


def held_until(number: int, far_side: FarSide, wire: Wire, gate: Gate):
    """Return a script: an answer to its own question, once *number* requests are there."""

    def script(recorded: Recorded) -> Stream:
        if len(far_side.requests) == number:
            gate.open()
        content = recorded.json["messages"][-1]["content"]
        question = content if isinstance(content, str) else content[0]["text"]
        start, *rest = wire.stream(f"answer to {question}")
        return Stream([start, gate, *rest])

    return script


@pytest.mark.parametrize("where", ["background", "foreign", "entered"])
def test_two_hundred_at_once(far_side: FarSide, wire: Wire, where: str):
    """All 200 are open at the same time, with 256 files, and each gets the answer to its own."""
    far_side.queue(*[held_until(200, far_side, wire, Gate())] * 200)
    asked = (far_side.url, wire.model, where, "256", "0")
    assert ["own=200"] == output(SCRIPT, *STRICT, args=asked)
    assert 200 == len(far_side.requests)


@pytest.mark.parametrize(("retries", "outcomes"), [("0", {"advised", "own"}), ("2", {"own"})])
def test_too_few_files(far_side: FarSide, retries: str, outcomes: set[str]):
    """Where 64 may be open, those left over are asked again, or say what to do; none is lost."""
    far_side.queue(*[held_until(0, far_side, OPENAI, OPEN)] * 600)
    asked = (far_side.url, OPENAI.model, "entered", "64", retries)
    counts = output(SCRIPT, *STRICT, args=asked)
    assert outcomes == {count.partition("=")[0] for count in counts}
