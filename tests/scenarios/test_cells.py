"""Cells and tasks that ask in one conversation at once: their order, and their outputs."""

from __future__ import annotations

import asyncio

from glm_magic.conversation import Conversation
from tests.far_side import FarSide
from tests.jupyter.cells import held, markdown
from tests.jupyter.kernel import Kernel
from tests.providers.asking import OPENAI


def sent(far_side: FarSide, number: int) -> list[str]:
    """Return the contents of the messages of request *number*."""
    return [message["content"] for message in far_side.requests[number].json["messages"]]


def test_two_cells_side_by_side(loaded: Kernel, far_side: FarSide):
    """Each cell shows its own answer; the history has them in the order in which they ended."""
    (first, open_first), (second, open_second) = held("First", " one"), held("Second", " one")
    far_side.queue(first, second)
    one = loaded.start("%glm one?")
    far_side.received(1)
    two = loaded.start("%glm two?", loaded.subshell())
    loaded.until(lambda: "First one" in markdown(one) and "Second one" in markdown(two))
    open_second.open()
    assert "ok" == loaded.wait(two).status
    open_first.open()
    assert "ok" == loaded.wait(one).status
    assert ["First one"] == [data["text/plain"] for data in one.data]
    assert ["Second one"] == [data["text/plain"] for data in two.data]
    assert ["two?"] == sent(far_side, 1)
    loaded.run("%glm three?")
    assert ["two?", "Second one", "one?", "First one", "three?"] == sent(far_side, 2)


def test_two_threads_of_a_cell(loaded: Kernel, far_side: FarSide):
    """Two threads that ask at once get an output and a reply each, and both are under the cell."""
    (first, open_first), (second, open_second) = held("First", " one"), held("Second", " one")
    far_side.queue(first, second)
    cell = loaded.start(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor() as pool:\n"
        "    ask = get_ipython().run_line_magic\n"
        "    replies = pool.map(lambda text: ask('glm', text), ['Hi', 'Hi'])\n"
        "print(sorted(reply.text for reply in replies))"
    )
    loaded.until(lambda: "First one" in markdown(cell) and "Second one" in markdown(cell))
    open_first.open()
    open_second.open()
    assert "['First one', 'Second one']\n" == loaded.wait(cell).stream
    assert {"First one", "Second one"} == {data["text/plain"] for data in cell.data}


async def test_a_task_that_asks_while_another_is_answered(far_side: FarSide):
    """It is sent what was answered by then, and not half an answer."""
    script, gate = held("First", " one")
    conversation = Conversation(OPENAI.at(far_side.url))
    await conversation.ask("zero?")
    far_side.queue(script)
    one = asyncio.create_task(conversation.ask("one?"))
    await asyncio.to_thread(far_side.received, 2)
    await conversation.ask("two?")
    gate.open()
    await one
    assert ["zero?", sent(far_side, 1)[1], "two?"] == sent(far_side, 2)
    assert ["zero?", "two?", "one?"] == [
        exchange.question.content for exchange in conversation.exchanges
    ]
