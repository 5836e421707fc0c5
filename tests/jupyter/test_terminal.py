"""`%glm` in real terminal IPython, in a pseudo-terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.far_side import FarSide, Gate, Stream, openai_stream
from tests.jupyter.terminal import Terminal

#: What rich and IPython may send to a terminal: colours, cursor moves, erasing, modes, titles.
OURS = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\[>[0-9;]*[A-Za-z]|\][0-9]+;[^\x07]*\x07|[=>78M])")


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
    hostile = "a\x1b[31mred\x1b]0;title\x07 &#27;[2J b\x9b1m c\x08 d\u202e e"
    far_side.queue(Stream(openai_stream([*hostile, "\n\nthe end"])))
    loaded.send("%glm attack")
    loaded.expect("the end")
    loaded.expect("In [3]: ")
    answer = loaded.raw[loaded.raw.index("attack") :]
    rest = OURS.sub("", answer)
    assert re.findall(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", rest) == []
    assert "\x1b]0;title" not in answer
    assert "\x1b[2J" not in answer


def test_an_error_is_short(loaded: Terminal):
    """A missing name says what to do in a few lines."""
    loaded.send("%glm {{nothing_here}}")
    shown = loaded.expect("In [3]: ")
    assert "PromptError" in shown
    assert "Traceback" not in shown
