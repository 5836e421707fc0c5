"""Settings changed, the extension reloaded or unloaded, while an answer comes: it goes on."""

from __future__ import annotations

import asyncio

import pytest

from glm_magic.loop import background
from tests.far_side import FarSide
from tests.jupyter.cells import held, markdown
from tests.jupyter.kernel import Kernel
from tests.providers.asking import OPENAI, ask

CHANGES = ["%reload_ext glm_magic", "%unload_ext glm_magic", "%config GlmConfig.retries = 1"]
PANEL = """
from glm_magic import ChatPanel
panel = ChatPanel()
panel._desk.receive({"op": "send", "id": "1", "text": "Hi"})
"""


@pytest.mark.parametrize("change", CHANGES)
def test_while_a_cell_is_answered(loaded: Kernel, far_side: FarSide, change: str):
    """The answer comes to its end over its connection, which then closes; the next has another."""
    script, gate = held("All", " of it")
    far_side.queue(script)
    cell = loaded.start("%glm Hi", loaded.subshell())
    loaded.until(lambda: "All of it" in markdown(cell))
    assert [] == loaded.run(change).outputs
    gate.open()
    loaded.wait(cell)
    assert ("ok", "All of it") == (cell.status, cell.data[0]["text/plain"])
    assert far_side.requests[0].closed()
    assert [] == loaded.run("%reload_ext glm_magic").outputs
    assert "ok" == loaded.run("%glm Hi").status
    assert ["Hi", "All of it", "Hi"] == [
        message["content"] for message in far_side.requests[1].json["messages"]
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_while_a_panel_is_answered(loaded: Kernel, far_side: FarSide, change: str):
    """The panel's answer goes on as well, and the panel can ask again."""
    script, gate = held("All", " of it")
    far_side.queue(script)
    loaded.run(PANEL)
    far_side.received(1)
    assert [] == loaded.run(change).outputs
    gate.open()
    loaded.run("while panel._desk.conversation.answering: pass")
    cell = loaded.run("reply = panel._desk.conversation.reply; print(reply, reply.finish_reason)")
    assert "All of it stop\n" == cell.stream
    loaded.run(PANEL.splitlines()[-1])
    assert "Hi" == far_side.received(2)[1].json["messages"][-1]["content"]


async def test_closed_while_it_answers(far_side: FarSide):
    """A provider that is closed lets its answers end, and closes each connection after its own."""
    script, gate = held("All", " of it")
    far_side.queue(script)
    provider = OPENAI.at(far_side.url)
    job = background.start(ask(provider))
    await asyncio.to_thread(far_side.received)
    await provider.aclose()
    gate.open()
    reply = await asyncio.wrap_future(job.future)
    assert ("All of it", "stop") == (reply.text, reply.finish_reason)
    assert await asyncio.to_thread(far_side.requests[0].closed)
