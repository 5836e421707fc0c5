"""A question cancelled wherever it waits: nothing stays open, nothing that came is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from glm_magic.conversation import Conversation
from glm_magic.providers.base import Provider
from tests.far_side import FarSide, Recorded, Script, Status, Stream
from tests.processes import STRICT
from tests.providers.asking import CHATGLM, OPENAI, Wire
from tests.scenarios.stepping import each_place

WORDS = ["One ", "two ", "three."]


class Questions:
    """Questions to one provider, each in a conversation of its own and refused at first."""

    def __init__(self, far_side: FarSide, wire: Wire, provider: Provider) -> None:
        self._far_side = far_side
        self._wire = wire
        self._provider = provider
        self._begin = 0
        self.conversation = Conversation(provider)

    async def ask(self) -> None:
        """Ask one."""
        self._begin = len(self._far_side.requests)
        self._far_side.queue(self._script, self._script)
        self.conversation = Conversation(self._provider)
        await self.conversation.ask("Hi")

    @property
    def requests(self) -> list[Recorded]:
        """Those that came for the newest question."""
        return self._far_side.requests[self._begin :]

    def _script(self, _: Recorded) -> Script:
        if len(self.requests) == 1:
            return Status(503, {"message": "busy"})
        return Stream(self._wire.stream(WORDS), cut=60, pace=0.001)


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_cancelled_at_every_suspension(far_side: FarSide, wire: Wire, host: str):
    """From the first look for the host to the last byte, a cancel keeps the text and closes all."""
    provider = wire.at(far_side.url.replace("127.0.0.1", host), retries=1)
    questions = Questions(far_side, wire, provider)
    ends = []
    async for _ in each_place(questions.ask):
        assert {asyncio.current_task()} == asyncio.all_tasks()
        for request in questions.requests:
            assert await asyncio.to_thread(request.closed)
        if reply := questions.conversation.reply:
            ends.append(reply.finish_reason)
            assert "".join(WORDS).startswith(reply.text)
            assert [reply.text] * bool(reply.text) == [
                exchange.answer.content for exchange in questions.conversation.exchanges
            ]
    assert {"cancelled", "stop"} == set(ends)
    assert len(ends) > 20


@pytest.mark.parametrize("wire", [OPENAI.name, CHATGLM.name])
def test_no_warning(wire: str):
    """The same in development mode, where every warning is an error."""
    here = f"{__file__}::test_cancelled_at_every_suspension"
    command = [sys.executable, *STRICT, "-m", "pytest", "-q", "-p", "no:cacheprovider", here]
    done = subprocess.run(
        [*command, "-k", wire], capture_output=True, text=True, timeout=100, check=False
    )
    assert (0, "") == (done.returncode, done.stderr), done.stdout
