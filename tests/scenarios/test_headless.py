"""Without a terminal: standard output closed, a pipe, a dumb terminal; and without a home."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from glm_magic import config
from glm_magic.providers import choose
from tests.far_side import FarSide, Gate, Stream, openai_stream
from tests.processes import STRICT, python

#: Asks by the magic in IPython; the file that is named gets the reply.
SCRIPT = """
import sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "glm_magic")
try:
    reply = shell.run_line_magic("glm", "Hi")
finally:
    conversation = shell.find_line_magic("glm").__self__.state.conversation("")
    Path(sys.argv[1]).write_text(f"{conversation.reply} {conversation.reply.finish_reason}")
"""


@pytest.fixture
def asking(far_side: FarSide, tmp_path: Path) -> dict[str, object]:
    """How to run the script against the far side; its file is `reply`."""
    own = {"GLM_BASE_URL": far_side.url, "GLM_MODEL": "openai/glm-test"}
    env = {**os.environ, "IPYTHONDIR": str(tmp_path), **own}
    far_side.queue(Stream(openai_stream("**Half** and half.")))
    return {"args": (str(tmp_path / "reply"),), "env": env}


def answer(tmp_path: Path) -> str:
    """Return what the script wrote."""
    return (tmp_path / "reply").read_text()


@pytest.mark.parametrize("streams", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_closed(asking, tmp_path, streams: str):
    """Where there is nothing to write to, nothing is shown, and the reply is there."""
    command = f'exec "$@" {streams}'
    script = [sys.executable, *STRICT, "-c", SCRIPT, *asking["args"]]
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *script], env=asking["env"], timeout=60, check=False
    )
    assert (0, "**Half** and half. stop") == (done.returncode, answer(tmp_path))


def test_pipe(asking, tmp_path):
    """A pipe gets the text as it is, and standard error the remarks."""
    done = python(SCRIPT, *STRICT, **asking)
    assert (0, "**Half** and half.\n") == (done.returncode, done.stdout)
    assert done.stderr.startswith("glm-test · 5 tokens")


def test_dumb_terminal(asking, tmp_path):
    """A terminal that obeys nothing is sent nothing to obey."""
    asking["env"]["TERM"] = "dumb"
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "wb") as end:
        done = python(SCRIPT, *STRICT, capture_output=False, stdout=end, stderr=end, **asking)
        shown = screen.read(65536)
    assert 0 == done.returncode
    assert b"**Half** and half.\r\n" in shown
    assert b"\x1b" not in shown


def test_nobody_reads(far_side: FarSide, asking, tmp_path):
    """When the reader of a pipe has gone, the error says so once, and the stream is closed."""
    far_side._queues.clear()
    far_side.queue(Stream([*openai_stream("Half", finish=None, done=False), Gate()]))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = python(SCRIPT, capture_output=False, stdout=pipe, stderr=subprocess.PIPE, **asking)
    assert 1 == done.stderr.count("BrokenPipeError: ")
    assert "Half cancelled" == answer(tmp_path)
    assert far_side.requests[0].closed()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_full_disk(far_side: FarSide, asking, tmp_path):
    """When the file that is written to cannot grow, the error says so once, and the text stays."""
    with Path("/dev/full").open("wb") as full:
        done = python(SCRIPT, capture_output=False, stdout=full, stderr=subprocess.PIPE, **asking)
    assert 1 == done.stderr.count("OSError: [Errno 28] No space left on device")
    assert answer(tmp_path).startswith("**Half")


def test_bare_environment(asking, tmp_path):
    """Without a single variable but ours the magic works."""
    env = {name: value for name, value in asking["env"].items() if name.startswith(("GLM", "IPY"))}
    done = python(SCRIPT, *STRICT, **{**asking, "env": env})
    assert (0, "**Half** and half. stop") == (done.returncode, answer(tmp_path))


def test_user_without_a_home(monkeypatch):
    """An account that the system does not know has no home, and needs none."""
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    assert choose().provider in ("local", "chatglm")
    assert config.data_dir().parts
