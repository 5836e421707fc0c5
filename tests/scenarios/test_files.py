"""Saved conversations where the disk is full, the file damaged, or somebody else writes it too."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from glm_magic.config import GlmConfig
from glm_magic.errors import ConfigError
from glm_magic.magic.commands import run
from glm_magic.saving import load
from glm_magic.state import State
from tests.far_side import FarSide
from tests.processes import STRICT, output


@pytest.fixture
def state() -> State:
    """A shell's state in which two questions were answered."""
    state = State(GlmConfig(model="echo"))
    for text in ("列表 is what?", "and now?"):
        state.conversation("").ask_sync(text)
    return state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "talk.json"


def test_file_cut_anywhere(state, file):
    """A file cut at whatever byte is damaged, says so, and what is in memory is not touched."""
    run(state, f"save {file}")
    conversation = state.conversation("")
    before, whole = conversation.exchanges, file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ConfigError, match="damaged"):
            run(state, f"load {file}")
        assert (conversation, before) == (state.conversation(""), conversation.exchanges)


#: Saves an answer of so many letters where a file may have so many bytes.
LIMITED = """
import resource, sys
from pathlib import Path
from glm_magic import ConfigError, Conversation, make_provider
from glm_magic.saving import load, save

file, limit, letters = Path(sys.argv[1]), *map(int, sys.argv[2:])
conversation = Conversation(make_provider("echo"))
conversation.ask_sync("x" * letters)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    save(conversation, file)
except ConfigError as error:
    print("refused" if "could not be written" in str(error) else error)
print(len(conversation.exchanges), len(list(file.parent.iterdir())))
"""


@pytest.mark.parametrize(("letters", "said"), [(10, []), (10_000, ["refused"])])
def test_full_disk(file, letters: int, said: list[str]):
    """A file that cannot grow is refused: the old one stays whole, and nothing lies beside it."""
    old = '{\n "glm_magic": 1, "old": true}'
    file.write_text(old)
    answers = output(LIMITED, *STRICT, args=(str(file), "4096", str(letters)))
    assert [*said, "1", "1"] == answers
    assert bool(said) == (file.read_text() == old)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder that is read-only")
def test_read_only_home(far_side: FarSide):
    """Where the home takes no file, asking works, and saving says what to do."""
    script = """
import sys
from glm_magic import ConfigError, make_provider
from glm_magic.config import GlmConfig
from glm_magic.magic.commands import run
from glm_magic.state import State

state = State(GlmConfig(model="openai/glm-test", base_url=sys.argv[1]))
print(state.conversation("").ask_sync("Hi").finish_reason)
try:
    run(state, "save ~/talk.json")
except ConfigError as error:
    print(error.remedy)
"""
    env = {**os.environ, "HOME": "/proc/self"}  # where not even root writes
    answers = output(script, *STRICT, args=(far_side.url,), env=env)
    assert "stop Name another file." == " ".join(answers)


#: Saves a conversation of its own many times.
WRITER = """
import sys
from pathlib import Path
from glm_magic import Conversation, make_provider
from glm_magic.saving import load, save

conversation = Conversation(make_provider("echo"), label=sys.argv[2])
conversation.ask_sync(sys.argv[2] * 20_000)
for _ in range(100):
    save(conversation, Path(sys.argv[1]))
    assert load(Path(sys.argv[1]), conversation.provider).label in ("a", "b")
"""


def test_two_writers(file):
    """Two processes that save to one file leave the whole of one, at any time."""
    script = f"""
import subprocess, sys
writers = [subprocess.Popen([sys.executable, "-c", {WRITER!r}, {str(file)!r}, name])
           for name in "ab"]
print(*(writer.wait() for writer in writers))
"""
    assert ["0", "0"] == output(script)
    last = load(file, State(GlmConfig(model="echo")).provider())
    assert last.label * 20_000 == last.exchanges[0].answer.content
    assert [file] == list(file.parent.iterdir())
    assert json.loads(file.read_text("utf-8"))
