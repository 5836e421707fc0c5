"""A thousand questions in a row: nothing grows, neither in this process nor at the server.

In one conversation, what was said is kept and nothing else: it grows evenly.
"""

from __future__ import annotations

import pytest

from tests.far_side import FarSide
from tests.processes import output

#: Asks so many questions in one of two ways, and counts what there is after a tenth and at the end.
SCRIPT = """
import gc, os, sys, threading, tracemalloc
from glm_magic import Conversation, Reply, make_provider

address, way, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
provider = make_provider("openai/glm-test", base_url=address)

def plainly():
    return Conversation(provider).ask_sync("Hi")

def by_magic():
    return shell.run_line_magic("glm", "--once -q Hi")

if way == "by_magic":
    from IPython.core.interactiveshell import InteractiveShell
    os.environ.update(GLM_BASE_URL=address, GLM_MODEL="openai/glm-test")
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "glm_magic")
ask = globals()[way]

def counts():
    gc.collect()
    replies = sum(isinstance(thing, Reply) for thing in gc.get_objects())
    return len(os.listdir("/proc/self/fd")), threading.active_count(), replies

for _ in range(number // 10):
    assert ask().finish_reason == "stop"
before = counts()
tracemalloc.start()
for _ in range(number // 10):
    ask()
gc.collect()
start, _ = tracemalloc.get_traced_memory()
for _ in range(number - 2 * (number // 10)):
    ask()
assert counts() == before, (before, counts())
end, _ = tracemalloc.get_traced_memory()
print(before[-1], end - start < 50_000 or end - start)
"""


@pytest.mark.parametrize(("way", "number"), [("plainly", 1000), ("by_magic", 300)])
def test_a_thousand_questions(far_side: FarSide, way: str, number: int):
    """Descriptors, threads and memory stay as they were, and no reply outlives its use."""
    answers = output(SCRIPT, args=(far_side.url, way, str(number)))
    assert ["0", "True"] == answers
    assert {1} == {request.connection for request in far_side.requests}
    assert number == len(far_side.requests)


#: Asks one conversation so many questions, and measures what each half of them left in memory.
ONE_TALK = """
import gc, sys, tracemalloc
from glm_magic import Conversation, make_provider

address, half = sys.argv[1], int(sys.argv[2]) // 2
talk = Conversation(make_provider("openai/glm-test", base_url=address), context_tokens=256)

def grown_by():
    gc.collect()
    start, _ = tracemalloc.get_traced_memory()
    for _ in range(half):
        assert talk.ask_sync("Hi").finish_reason == "stop"
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - start

talk.ask_sync("Hi")
tracemalloc.start()
first, second = grown_by(), grown_by()
print(len(talk.exchanges), second < 1.1 * first or (first, second))
"""


def test_a_thousand_questions_in_one_conversation(far_side: FarSide):
    """The second half of them takes no more memory than the first, and the context stays short."""
    answers = output(ONE_TALK, args=(far_side.url, "1000"))
    assert ["1001", "True"] == answers
    sizes = [len(request.json["messages"]) for request in far_side.requests]
    assert max(sizes) == sizes[-1] < 60
