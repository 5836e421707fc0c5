"""A question cancelled wherever it waits: nothing stays open, nothing that came is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from glm_magic.conversation import Conversation
from glm_magic.providers import make_provider
from glm_magic.providers.base import Provider
from tests.far_side import FarSide, Recorded, Script, Status, Stream
from tests.processes import STRICT
from tests.providers.asking import CHATGLM, OPENAI, Wire, trust
from tests.scenarios.stepping import each_place

WORDS = ["One ", "two ", "three."]


class Questions:
    """Questions, each to a provider that *make* makes, and refused at first."""

    def __init__(self, far_side: FarSide, wire: Wire, make: Callable[[], Provider]) -> None:
        self._far_side = far_side
        self._wire = wire
        self._make = make
        self._begin = 0
        self.conversation = Conversation(make())

    async def ask(self) -> None:
        """Ask one."""
        self._begin = len(self._far_side.requests)
        self._far_side.queue(self._script, self._script)
        self.conversation = Conversation(self._make())
        await self.conversation.ask("Hi")

    @property
    def requests(self) -> list[Recorded]:
        """Those that came for the newest question, the list of models left aside."""
        newest = self._far_side.requests[self._begin :]
        return [request for request in newest if request.method == "POST"]

    def _script(self, _: Recorded) -> Script:
        if len(self.requests) == 1:
            return Status(503, {"message": "busy"})
        return Stream(self._wire.stream(WORDS), cut=60, pace=0.001)


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_cancelled_at_every_suspension(far_side: FarSide, wire: Wire, host: str):
    """From the first look for the host to the last byte, a cancel keeps the text and closes all."""
    provider = wire.at(far_side.url.replace("127.0.0.1", host), retries=1)
    questions = Questions(far_side, wire, lambda: provider)
    await check_each_place(questions)


@pytest.mark.usefixtures("short_pauses")
async def test_cancelled_at_every_suspension_of_tls(wire: Wire, monkeypatch: pytest.MonkeyPatch):
    """The same through a handshake, and where the model has to be asked for first."""
    with FarSide(tls=True) as far_side:
        trust(far_side, monkeypatch)
        model = "openai" if wire is OPENAI else wire.model
        await check_each_place(
            Questions(
                far_side, wire, lambda: make_provider(model, base_url=far_side.url, retries=1)
            )
        )


async def check_each_place(questions: Questions) -> None:
    """Cancel a question at each of its suspensions; the text stays, and all is closed."""
    ends, asked = [], set()
    async for _ in each_place(questions.ask):
        assert {asyncio.current_task()} == asyncio.all_tasks()
        asked.add(len(questions.requests))
        for request in questions.requests:
            assert await asyncio.to_thread(request.closed)
        if reply := questions.conversation.reply:
            ends.append(reply.finish_reason)
            assert "".join(WORDS).startswith(reply.text)
            assert [reply.text] * bool(reply.text) == [
                exchange.answer.content for exchange in questions.conversation.exchanges
            ]
    assert {"cancelled", "stop"} == set(ends)
    assert {0, 1, 2} == asked  # before the first try, in it and behind it, in the second


@pytest.mark.parametrize("wire", [OPENAI.name, CHATGLM.name])
def test_no_warning(wire: str):
    """The same in development mode, where every warning is an error."""
    here = f"{__file__}::test_cancelled_at_every_suspension"
    command = [sys.executable, *STRICT, "-m", "pytest", "-q", "-p", "no:cacheprovider", here]
    done = subprocess.run(
        [*command, "-k", wire], capture_output=True, text=True, timeout=100, check=False
    )
    assert (0, "") == (done.returncode, done.stderr), done.stdout
