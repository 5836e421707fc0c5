"""The end of the process, in an answer and after one: no warning, no hang, the right status."""

from __future__ import annotations

from itertools import product

import pytest

from tests.far_side import FarSide, Gate, Stream
from tests.processes import STRICT, output, python
from tests.providers.asking import CHATGLM, WIRES, Wire

BEGIN = """
import asyncio, os, signal, sys, threading
from contextlib import aclosing
from glm_magic import Conversation, make_provider, run_sync
from glm_magic.loop import background

name, address = sys.argv[1:]
conversation = Conversation(make_provider(name, base_url=address))

def batches():
    for batch in background.iterate(conversation.stream("Hi")):
        if conversation.reply.text:
            yield batch

async def first():
    async with aclosing(conversation.stream("Hi")) as deltas:
        async for delta in deltas:
            if delta.content:
                return delta.content
"""
#: What the script does while the answer is half there, and the status it ends with.
IN_MID_ANSWER = {
    "runs to its end": ("got = batches(); next(got)", 0),
    "forgets it": ("next(batches())", 0),
    "sys.exit": ("for _ in batches(): sys.exit(3)", 3),
    "an error": ("for _ in batches(): raise SystemExit('no more')", 1),
    "on a loop of its own": ("asyncio.run(first())", 0),
    "on a loop that is closed by hand": (
        "loop = asyncio.new_event_loop(); loop.run_until_complete(first()); loop.close()",
        0,
    ),
    "on the background loop": ("run_sync(first())", 0),
    "in a daemon thread": (
        "threading.Thread(target=conversation.ask_sync, args=['Hi'], daemon=True).start()\n"
        "while not (conversation.reply and conversation.reply.text): pass",
        0,
    ),
    "Ctrl-C": (
        "try:\n    for _ in batches(): os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt: sys.exit(130)",
        130,
    ),
    "Ctrl-C on a loop of its own": (
        "async def main():\n    await first(); os.kill(os.getpid(), signal.SIGINT)\n"
        "    await asyncio.sleep(60)\n"
        "try: asyncio.run(main())\nexcept KeyboardInterrupt: sys.exit(130)",
        130,
    ),
}


@pytest.mark.parametrize("flags", [(), STRICT], ids=["plain", "strict"])
@pytest.mark.parametrize("case", IN_MID_ANSWER)
def test_exit_in_mid_answer(far_side: FarSide, case: str, flags: tuple[str, ...]):
    """Whatever the script does then, the connection closes and nothing is said about it."""
    wire: Wire = WIRES[len(case) % 2]
    script, status = IN_MID_ANSWER[case]
    far_side.queue(Stream([*wire.unfinished("Half "), Gate()]))
    done = python(BEGIN + script, *flags, args=(wire.model, far_side.url))
    said = "no more\n" if status == 1 else ""
    assert (status, "", said) == (done.returncode, done.stdout, done.stderr)
    assert far_side.requests[0].closed()


@pytest.mark.parametrize("flags", [(), STRICT], ids=["plain", "strict"])
def test_exit_after_an_answer(far_side: FarSide, flags: tuple[str, ...]):
    """Connections that were kept for more questions are closed in silence."""
    script = "print(conversation.ask_sync('Hi').finish_reason)"
    done = python(BEGIN + script, *flags, args=("openai/glm-test", far_side.url))
    assert (0, "stop\n", "") == (done.returncode, done.stdout, done.stderr)
    assert far_side.requests[0].closed()


def test_terminated(far_side: FarSide):
    """SIGTERM ends the process at once, and the server sees the connection close."""
    far_side.queue(Stream([*WIRES[0].unfinished("Half "), Gate()]))
    script = "for _ in batches(): os.kill(os.getpid(), signal.SIGTERM)"
    done = python(BEGIN + script, args=("openai/glm-test", far_side.url))
    assert (-15, "", "") == (done.returncode, done.stdout, done.stderr)
    assert far_side.requests[0].closed()


HANGING = """
import socket, threading
from glm_magic import GlmError, run_sync
from glm_magic.providers.base import Clocks
from glm_magic.providers.openai import OpenAIProvider
from tests.providers.asking import ask

socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
provider = OpenAIProvider("https://far.invalid", model="m", clocks=Clocks(connect=0.1), retries=0)
try:
    run_sync(ask(provider))
except GlmError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("flags", [(), STRICT], ids=["plain", "strict"])
def test_exit_while_a_name_is_looked_up(flags: tuple[str, ...]):
    """A look-up that never ends, as where a resolver is silent, does not hold the end up."""
    assert ["NetworkError"] == output(HANGING, *flags)


#: Iterating with no `aclosing`, and whether the stream is dropped or kept when the loop ends.
BROKEN_OFF = """
import asyncio, sys
from glm_magic import Conversation, make_provider
from glm_magic.providers.chatglm import ChatGLM

way, name, address = sys.argv[1:]
provider = make_provider(name, base_url=address)
question = [{{"role": "user", "content": "Hi"}}]
kept = []

async def main():
    stream = {stream}
    if way == "kept":
        kept.append(stream)
    async for piece in stream:
        if isinstance(piece, str) or piece.content:
            break

asyncio.run(main())
"""
STREAMS = {
    "provider": "provider.stream(question)",
    "conversation": "Conversation(provider).stream('Hi')",
    "text": "ChatGLM.create_async_generator('glm-4', question, base_url=address)",
}
ANSWERS = {
    "half": lambda wire: Stream([*wire.unfinished("Half "), Gate()]),
    "whole": lambda wire: Stream([b"".join(wire.stream(["Half ", "and half"]))]),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("way", ["dropped", "kept"])
@pytest.mark.parametrize(
    ("wire", "stream"), [*product(WIRES, ["provider", "conversation"]), (CHATGLM, "text")]
)
def test_exit_after_breaking_off(far_side: FarSide, wire: Wire, stream: str, way: str, answer: str):
    """A stream that its reader just left is closed by the end of the loop, in silence."""
    far_side.queue(ANSWERS[answer](wire))
    script = BROKEN_OFF.format(stream=STREAMS[stream])
    assert [] == output(script, *STRICT, args=(way, wire.model, far_side.url))
    assert far_side.requests[0].closed()
