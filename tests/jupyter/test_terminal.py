"""`%glm` in real terminal IPython, in a pseudo-terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.far_side import FarSide, Gate, Raw, Status, Stream, openai_stream
from tests.far_side_data import event
from tests.jupyter.terminal import Terminal

#: What rich and IPython may send to a terminal: colours, cursor moves, erasing, modes, titles.
OURS = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\[>[0-9;]*[A-Za-z]|\][0-9]+;[^\x07]*\x07|[=>78M])")

#: A colour that neither IPython nor rich would think of.
COLOUR = "\x1b[31;5;8m"

DATA = Path(__file__).parents[1] / "data"
NAUGHTY = json.loads((DATA / "blns.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """One OpenAI-compatible server for all terminals."""
    with FarSide() as server:
        yield server


@pytest.fixture
def kernel_env(far_side: FarSide) -> dict[str, str]:
    """The server as the default provider."""
    return {"GLM_BASE_URL": far_side.url + "/v1", "GLM_MODEL": "openai/glm-test"}


@pytest.fixture
def loaded(terminal: Terminal) -> Terminal:
    """A terminal with the extension loaded."""
    terminal.send("%load_ext glm_magic")
    terminal.expect("In [2]: ")
    return terminal


def test_a_question_mark_is_a_question(loaded: Terminal, far_side: FarSide):
    """`%glm what is x?` asks the model, and the answer stands once above the next prompt."""
    far_side.queue(Stream(openai_stream("Here **it** is.")))
    loaded.send("%glm what is x?")
    loaded.expect("Here it is.")
    loaded.expect("In [3]: ")
    assert far_side.requests[-1].json["messages"][-1]["content"] == "what is x?"


def test_text_is_shown_before_the_answer_ends(loaded: Terminal, far_side: FarSide):
    """The first words are on screen while the far side holds the rest."""
    gate = Gate()
    *start, finish, done = openai_stream(["First words.\n\n", "More"])
    far_side.queue(Stream([*start, gate, finish, done]))
    loaded.send("%glm go")
    loaded.expect("First words.")
    gate.open()
    loaded.expect("In [3]: ")


def test_ctrl_c_keeps_the_text_and_gives_the_prompt_back(loaded: Terminal, far_side: FarSide):
    """Ctrl-C: one line, connection closed, the next question works."""
    *start, _, _ = openai_stream(["kept words"])
    far_side.queue(Stream([*start, Gate()]))
    loaded.send("%glm go")
    loaded.expect("kept words")
    loaded.interrupt()
    shown = loaded.expect("In [3]: ")
    assert "Stopped after" in shown
    assert "Traceback" not in shown
    assert far_side.requests[-1].closed()
    far_side.queue(Stream(openai_stream("second answer")))
    loaded.send("%glm again")
    loaded.expect("second answer")


def test_a_cell_magic_waits_for_its_body(loaded: Terminal, far_side: FarSide):
    """`%%glm question` and Enter wait for a body; a blank line sends it."""
    far_side.queue(Stream(openai_stream("cell answer")))
    loaded.send("%%glm explain")
    loaded.expect("...: ")
    loaded.send("the body")
    loaded.send("")
    loaded.send("")
    loaded.expect("cell answer")
    assert far_side.requests[-1].json["messages"][-1]["content"] == "explain\n\nthe body"


def test_no_control_byte_of_the_models_reaches_the_terminal(loaded: Terminal, far_side: FarSide):
    """Escape sequences in an answer, raw or as entities, are shown and not obeyed."""
    hostile = f"a{COLOUR}red\x1b]0;title\x07 &#27;[2J b\x9b1m c\x08 d\u202e e"
    far_side.queue(Stream(openai_stream([*hostile, "\n\nthe end"])))
    loaded.send("%glm attack")
    loaded.expect("the end")
    loaded.expect("In [3]: ")
    loaded.send("_")
    loaded.expect("the end")
    loaded.expect("In [4]: ")
    loaded.send("repr(_)[:50], [_]")
    loaded.expect("the end")
    loaded.expect("In [5]: ")
    assert foreign(loaded) == []


def test_naughty_strings_are_shown(loaded: Terminal, far_side: FarSide):
    """The naughty strings as an answer leave the terminal as it was."""
    far_side.queue(Stream(openai_stream(["\n\n".join(NAUGHTY), "\n\nthe end"])))
    loaded.send("%glm attack")
    loaded.expect("the end")
    loaded.expect("In [3]: ")
    assert foreign(loaded) == []


EVIL = f"{COLOUR}red\x1b]0;evil\x07\x1b[2J \x9b1m \x08\u202e&#27;[2J"
MODELS = {"object": "list", "data": [{"id": f"m{EVIL}", "object": "model"}]}
SAID = {
    "error": Status(400, {"error": {"message": EVIL, "code": EVIL}}),
    "page": Status(200, f"<html>{EVIL}</html>", content_type="text/html"),
    "no HTTP": Raw(f"{EVIL}\r\n\r\n".encode()),
    "model": Stream(openai_stream("Hi", model=EVIL)),
    "notice": Stream([f"data: {{{EVIL}\n\n".encode(), *openai_stream("Hi")]),
    "finish": Stream(openai_stream("Hi", finish=EVIL)),
    "error in the stream": Stream([event({"error": {"message": EVIL, "code": EVIL}})]),
    "thinking": Stream(openai_stream("Hi", reasoning=EVIL)),
}


@pytest.mark.parametrize("render", ["auto", "plain"])
def test_no_control_byte_of_a_servers_reaches_the_terminal(
    loaded: Terminal, far_side: FarSide, render: str
):
    """Errors, model names, notices and names of files are shown and not obeyed either."""
    count = enter(loaded, f"%config GlmConfig.render = {render!r}", 2)
    count = enter(loaded, "%config GlmConfig.retries = 0", count)
    for script in SAID.values():
        far_side.queue(script)
        count = enter(loaded, "%glm --once attack", count)
    far_side.queue(Status(200, MODELS), method="GET")
    count = enter(loaded, "%glmcmd models", count)
    count = enter(
        loaded, "get_ipython().run_line_magic('glmcmd', 'load no\\x1b]0;evil\\x07')", count
    )
    enter(loaded, "get_ipython().run_line_magic('glm', '--bad\\x1b]0;evil\\x07')", count)
    assert foreign(loaded) == []
    assert loaded.transcript.count("evil") >= len(SAID)


def enter(terminal: Terminal, line: str, count: int) -> int:
    """Type *line* at the prompt with the number *count*; return the next prompt's."""
    terminal.send(line)
    terminal.expect(f"In [{count + 1}]: ")
    return count + 1


def foreign(terminal: Terminal) -> list[str]:
    """What the terminal was sent that neither IPython nor rich may send."""
    rest = OURS.sub("", terminal.raw)
    return [
        *re.findall(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e].{9}", rest, re.DOTALL),
        *re.findall(r"\x1b\]0;(?:evil|title)|\x1b\[2J", terminal.raw),
        *re.findall(re.escape(COLOUR), terminal.raw),
    ]


def test_an_error_is_short(loaded: Terminal):
    """A missing name says what to do in a few lines."""
    loaded.send("%glm {{nothing_here}}")
    shown = loaded.expect("In [3]: ")
    assert "PromptError" in shown
    assert "Traceback" not in shown
