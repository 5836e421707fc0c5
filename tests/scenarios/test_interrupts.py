"""Stop in a real kernel, in every phase of an answer; and a kernel that is killed in one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.far_side import FarSide, Silence, Status
from tests.jupyter.cells import held, markdown
from tests.jupyter.kernel import Cell, Kernel


def stopped(kernel: Kernel, cell: Cell) -> str:
    """Wait for *cell*, check that it was stopped in one line, and return that."""
    kernel.wait(cell)
    assert cell.error is not None
    assert "Interrupted" == cell.error["ename"]
    assert "" == cell.stream
    (line,) = cell.error["traceback"]
    return line


def stop(kernel: Kernel, cell: Cell) -> str:
    """Press Stop and return what *cell* says."""
    kernel.interrupt()
    return stopped(kernel, cell)


def test_while_it_connects(loaded: Kernel, far_side: FarSide):
    """A handshake that the server does not answer is given up, and the next cell works."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        silent = f"https://127.0.0.1:{server.getsockname()[1]}"
        loaded.run(f"%config GlmConfig.base_url = {silent!r}")
        cell = loaded.start("%glm hello?")
        there, _ = server.accept()
        with there:
            there.settimeout(60)
            assert there.recv(4096)  # the handshake has begun
            assert "nothing had come yet" in stop(loaded, cell)
            assert b"" == there.recv(4096)
    loaded.run(f"%config GlmConfig.base_url = {far_side.url!r}")
    assert "ok" == loaded.run("%glm again").status


def test_before_the_head(loaded: Kernel, far_side: FarSide):
    """A far side that is silent can be stopped, and the next cell works."""
    far_side.queue(Silence())
    cell = loaded.start("%glm hello?")
    (request,) = far_side.received()
    assert "nothing had come yet" in stop(loaded, cell)
    assert request.closed()
    assert "ok" == loaded.run("%glm again").status


def test_in_a_command(loaded: Kernel, far_side: FarSide):
    """A command that waits is stopped in one line too."""
    far_side.queue(Silence(), method="GET")
    cell = loaded.start("%glmcmd models")
    (request,) = far_side.received()
    assert "%glmcmd models was stopped" in stop(loaded, cell)
    assert request.closed()


def test_in_an_expression(loaded: Kernel, far_side: FarSide):
    """An expression that takes long can be stopped, and nothing is sent."""
    loaded.run("import time")
    wait = "(print('begun', flush=True), time.sleep(600))"
    cell = loaded.start(f"%glm hello {{{{{wait}}}}}")
    loaded.until(lambda: "begun" in cell.stream)
    loaded.interrupt()
    loaded.wait(cell)
    assert "nothing was sent" in "".join(cell.error["traceback"])
    assert 1 == len(cell.error["traceback"])
    assert [] == far_side.requests


def test_between_two_tries(loaded: Kernel, far_side: FarSide):
    """A pause before a retry ends at once, and nothing more is asked."""
    far_side.queue(Status(503, {"message": "busy"}, headers={"Retry-After": "50"}))
    cell = loaded.start("%glm hello?")
    loaded.until(lambda: "asking again in" in markdown(cell))
    assert "nothing had come yet" in stop(loaded, cell)
    assert 1 == len(far_side.requests)
    assert "ok" == loaded.run("%glm again").status


#: Ctrl-C while an output is on its way to the front end, when *is_it* of its content.
STRIKE = """
import os, signal, time
def strike(message):
    if not struck and is_it(message["content"]):
        struck.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    return message
struck = []
get_ipython().display_pub.register_hook(strike)
"""


@pytest.mark.parametrize("where", ["text/markdown", "text/plain"])
def test_while_it_is_shown(loaded: Kernel, far_side: FarSide, where: str):
    """An interrupt in the middle of drawing, the last time too, leaves the whole text on screen."""
    script, gate = held("Some **text**")
    far_side.queue(script)
    if where == "text/plain":  # only the last output has that
        gate.open()
    loaded.run(f"is_it = lambda content: {where!r} in content['data']\n{STRIKE}")
    cell = loaded.start("%glm hello?")
    assert "the text so far is kept" in stopped(loaded, cell)
    assert "Some **text**" == cell.data[0]["text/plain"]
    assert "Some **text**" in loaded.run("%glmcmd history").stream
    assert "ok" == loaded.run("%glm again").status


def test_kernel_killed_in_mid_answer(loaded: Kernel, far_side: FarSide, tmp_path: Path):
    """The server sees the connection close, and no temporary file is left."""
    script, _ = held("Some text")
    far_side.queue(script)
    cell = loaded.start("%glm hello?")
    loaded.until(lambda: "Some text" in markdown(cell))
    loaded.kill()
    assert far_side.requests[0].closed()
    assert [] == list((tmp_path / "temporary").iterdir())
