"""Where a question is asked: on any loop or none, in any thread, in any kind of child process."""

from __future__ import annotations

import sys

import pytest

from tests.far_side import FarSide
from tests.processes import STRICT, output

BEGIN = """
import asyncio, multiprocessing, os, sys, threading
from glm_magic import Conversation, make_provider, run_sync

provider = make_provider("openai/glm-test", base_url=sys.argv[1])
conversation = Conversation(provider)

async def ask():
    return (await conversation.ask("Hi")).finish_reason

def show():
    print(conversation.ask_sync("Hi").finish_reason, flush=True)
"""

PLACES = {
    "no loop": "show()",
    "a running loop": """
async def main():
    print(await ask())
    show()
asyncio.run(main())
""",
    "a closed loop": """
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
print(loop.run_until_complete(ask()))
loop.close()
show()
print(asyncio.run(ask()))
""",
    "two loops, one after the other": "print(asyncio.run(ask()), asyncio.run(ask()))",
    "another thread": """
for work in (show, lambda: print(asyncio.run(ask()))):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
""",
    "a thread that outlives the main one": "show(); threading.Thread(target=show).start()",
    "a thread pool": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    print(*pool.map(lambda _: conversation.ask_sync("Hi").finish_reason, range(20)))
""",
    "a gathering": """
async def main():
    print(*await asyncio.gather(*(ask() for _ in range(20))))
asyncio.run(main())
""",
}


@pytest.mark.parametrize("place", PLACES)
def test_asking_in(far_side: FarSide, place: str):
    """Asking works there, and the process ends without a warning."""
    answers = output(BEGIN + PLACES[place], *STRICT, args=(far_side.url,))
    assert ({"stop"}, len(answers)) == (set(answers), len(far_side.requests))


def test_first_use_behind_the_main_thread(far_side: FarSide):
    """Asking works there, or where Python starts no more threads, says so and leaves nothing."""
    script = """
def ask_late():
    try:
        show()
    except RuntimeError as error:
        print("thread" in str(error), flush=True)
threading.Thread(target=ask_late).start()
"""
    seen = output(BEGIN + script, *STRICT, args=(far_side.url,))
    assert seen == ["stop"] or (sys.version_info >= (3, 12) and seen == ["True"])


#: A fork beside a thread is warned of since Python 3.12.
FORKS = (*STRICT, "-W", "ignore::DeprecationWarning")
FORK = """
show()
child = os.fork()
if not child:
    {in_child}
print("child", os.waitpid(child, 0)[1], flush=True)
show()
"""


@pytest.mark.parametrize(
    ("in_child", "said"),
    [
        ("show(); sys.exit()", ["stop"]),
        ("print(asyncio.run(ask()), flush=True); sys.exit()", ["stop"]),
        ("run_sync(provider.aclose()); show(); sys.exit()", ["stop"]),
        ("del provider, conversation; import gc; gc.collect(); sys.exit()", []),
        ("show(); os._exit(0)", ["stop"]),
    ],
)
def test_forked_child(far_side: FarSide, in_child: str, said: list[str]):
    """Whatever a child does, and however it ends, its parent goes on over its own connection."""
    answers = output(BEGIN + FORK.format(in_child=in_child), *FORKS, args=(far_side.url,))
    assert ["stop", *said, "child", "0", "stop"] == answers
    assert far_side.requests[0].connection == far_side.requests[-1].connection


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_multiprocessing(far_side: FarSide, way: str, tmp_path):
    """Children of multiprocessing ask with the parent's provider, or with a new one."""
    script = tmp_path / "parent.py"
    body = f"""
if __name__ == "__main__":
    show()
    context = multiprocessing.get_context("{way}")
    children = [context.Process(target=show) for _ in range(3)]
    for child in children:  # one after the other, as they print to one pipe
        child.start()
        child.join()
    print(*(child.exitcode for child in children))
    show()
"""
    script.write_text(BEGIN + body)
    run = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    answers = output(run, *FORKS, args=(str(script), far_side.url))
    assert ["0"] * 3 + ["stop"] * 5 == sorted(answers)
