"""What a cell says of an answer that is not whole, and where `--continue` then leads."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from glm_magic import redact
from glm_magic.config import GlmConfig
from glm_magic.conversation import Conversation
from glm_magic.errors import ConfigError, GlmError, Interrupted, NetworkError
from glm_magic.magic.cell import ask
from glm_magic.magic.commands import run
from glm_magic.magic.flags import parse
from glm_magic.messages import Delta, Reply
from glm_magic.providers.base import Request
from glm_magic.redact import Secret
from glm_magic.show.remarks import request_text
from glm_magic.state import State
from tests.planted import TWO
from tests.scripted import ScriptedProvider, Step, says

HALF = [Delta(content="Half")]
ONLY_THINKING = [Delta(reasoning="Hm.")]


class Talk:
    """A shell without a front end in which *scripts* answer, one after the other."""

    def __init__(self, *scripts: list[Step]) -> None:
        self.provider = ScriptedProvider(*scripts)
        self.state = State(GlmConfig(model="echo"))
        self.state._providers["echo", ""] = self.provider
        self.shell = SimpleNamespace(user_ns={}, execution_count=1)

    @property
    def conversation(self) -> Conversation:
        """The conversation that %glm has without a label."""
        return self.state.conversation("")

    def glm(self, line: str) -> Reply:
        """Ask as the cell `%glm line` does."""
        return ask(self.state, self.shell, parse(line), self.shell.user_ns)

    def glm_in(self, cell: str, line: str) -> Reply:
        """Ask as the notebook cell that is called *cell* does."""
        kernel = SimpleNamespace(get_parent=lambda: {"metadata": {"cellId": cell}})
        self.shell = SimpleNamespace(user_ns={}, execution_count=1, kernel=kernel)
        self.state._asked = (0, 0)
        return self.glm(f"-q {line}")

    def stop_when(self, is_time) -> None:
        """Press Stop as soon as *is_time* of the reply."""
        talk = self.conversation
        talk.listeners.add(lambda: is_time(talk.reply) and talk.stop())


@pytest.mark.parametrize(
    ("flags", "command"),
    [
        ("", "%glm --continue"),
        ("-l main", "%glm --continue"),
        ("-l talk", "%glm -l talk --continue"),
        ("-l 'my talk'", '%glm -l "my talk" --continue'),
    ],
)
def test_hint_goes_on_with_that_answer(capsys, flags: str, command: str):
    """The command under a cut answer is the one that brings its rest."""
    talk = Talk(HALF, says(" and the rest."))
    reply = talk.glm(f"{flags} question")
    assert f"broke off before its end: `{command}` goes on" in capsys.readouterr().err
    talk.glm(reply.way_on.removeprefix("%glm "))
    [label] = talk.state.conversations
    [exchange] = talk.state.conversations[label].exchanges
    assert "Half and the rest." == exchange.answer.content


@pytest.mark.parametrize(
    ("flags", "script", "said"),
    [
        ("--once", HALF, "the stream broke off before its end"),
        ("", ONLY_THINKING, "the stream broke off before any word of the answer: ask again"),
        ("", says(reasoning="Hm.", finish_reason="length"), "used up by thinking"),
        ("", says("Half", finish_reason="content_filter"), "moderation"),
        ("", says("Whole"), "parrot"),
    ],
)
def test_no_hint_where_nothing_goes_on(capsys, flags: str, script: list[Step], said: str):
    """Without memory, without text or without a rest, no command is offered."""
    talk = Talk(says("First answer."), script)
    talk.glm("-q one")
    talk.glm(f"{flags} two")
    shown = capsys.readouterr().err
    assert said in shown
    assert "--continue" not in shown


def test_continue_in_the_middle():
    """A cell that ran again and was cut off is gone on with, not the answer below it."""
    talk = Talk(says("One"), says("Two"), HALF, says(" and the rest."))
    talk.glm_in("a", "one")
    talk.glm_in("b", "two")
    assert "%glm --continue" == talk.glm_in("a", "one again").way_on
    talk.glm("-q --continue")
    told = [each.answer.content for each in talk.conversation.exchanges]
    assert ["Half and the rest.", "Two"] == told
    sent = [message.content for message in talk.provider.sent[-1]]
    assert ["one again", "Half"] == sent[:-1]


def test_continue_after_undo():
    """When the newest answer was taken back, the one before it is gone on with."""
    talk = Talk(HALF, says("Two"), says(" and the rest."))
    talk.glm("-q one")
    talk.glm("-q two")
    run(talk.state, "undo")
    talk.glm("-q --continue")
    assert "Half and the rest." == talk.conversation.exchanges[0].answer.content


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-n", "no question"),
        ("-s pirate", "no question"),
        ("-n --continue", "which -n and --once leave out"),
        ("--once --continue", "which -n and --once leave out"),
        ("-l typo --continue", "no conversation 'typo'"),
        ("-s pirate --continue", "Ask it again"),
        (f"-n -s 'a {TWO}' hi", "a key in this prompt"),
    ],
)
def test_refused_line_does_nothing(line: str, said: str):
    """What a line that is refused would have changed stays as it was."""
    talk = Talk(says("One"), ONLY_THINKING)
    talk.glm("-q one")
    talk.glm("-q two")
    Secret(TWO)
    with pytest.raises(GlmError, match=said):
        talk.glm(f"-q {line}")
    assert ["main"] == list(talk.state.conversations)
    assert 1 == len(talk.conversation.exchanges)
    assert talk.conversation.system is None


@pytest.mark.parametrize("flags", ["-n", "-s pirate", "-l other", "-m echo/slow", "--continue"])
def test_dry_changes_nothing(capsys, flags: str):
    """A look at the request leaves the conversation, its prompt and its provider alone."""
    talk = Talk(says("One", conversation_id="far"))
    talk.glm("-q one")
    talk.glm(f"--dry {flags}" + ("" if "continue" in flags else " two"))
    assert ["main"] == list(talk.state.conversations)
    real = talk.state.conversations["main"]
    seen = (len(real.exchanges), real.system, real.provider, real.conversation_id)
    assert seen == (1, None, talk.provider, "far")
    assert 1 == len(talk.provider.sent)


def test_continue_takes_no_question():
    """Words behind it are not dropped: the way to ask them is told."""
    talk = Talk(HALF)
    talk.glm("-q one")
    with pytest.raises(ConfigError, match="takes no question"):
        talk.glm("--continue and in French?")
    assert 1 == len(talk.conversation.exchanges)


def test_continue_is_refused_after_thinking_alone():
    """The older answer stays as it is, nothing is sent, and the user is told to ask again."""
    talk = Talk(says("First answer."), ONLY_THINKING)
    talk.glm("-q one")
    talk.glm("-q two")
    with pytest.raises(ConfigError, match="Ask it again"):
        talk.glm("-q --continue")
    assert 2 == len(talk.provider.sent)
    assert ["First answer."] == [each.answer.content for each in talk.conversation.exchanges]


def test_continue_that_brings_nothing_can_be_repeated(capsys):
    """When the rest did not come, the answer is still the one to go on with."""
    talk = Talk(HALF, [], says(" and the rest."))
    talk.glm("-q one")
    talk.glm("--continue")
    assert "before its end: `%glm --continue` goes on" in capsys.readouterr().err
    talk.glm("--continue")
    assert "Half and the rest." == talk.conversation.exchanges[0].answer.content


@pytest.mark.parametrize(
    ("reason", "said"), [("stop", "the answer is empty"), ("length", "used up by thinking")]
)
def test_rest_that_is_empty(capsys, reason: str, said: str):
    """A rest that ended without a word is not offered once more."""
    talk = Talk(HALF, says(reasoning="Hm.", finish_reason=reason))
    talk.glm("-q one")
    talk.glm("--continue")
    shown = capsys.readouterr().err
    assert said in shown
    assert "goes on" not in shown


@pytest.mark.parametrize(
    ("script", "said", "remark"),
    [
        (HALF, "the text so far is kept", "stopped before its end: `%glm --continue` goes on"),
        (ONLY_THINKING, "only thinking had come", "stopped before any word of the answer"),
        ([], "nothing had come yet", "stopped before any word of the answer"),
    ],
)
def test_stop_says_what_is_kept(capsys, script: list[Step], said: str, remark: str):
    """Stop tells whether there is something to go on with."""
    talk = Talk([*script, asyncio.Event()])
    is_there = bool(script)
    talk.stop_when(lambda reply: bool(reply.text or reply.reasoning) is is_there)
    with pytest.raises(Interrupted, match=said):
        talk.glm("question")
    shown = capsys.readouterr().err
    assert remark in shown
    assert ("--continue" in shown) is ("--continue" in remark)


@pytest.mark.parametrize(
    ("flags", "script", "said"),
    [
        ("", HALF, "the text so far is kept. `%glm --continue` goes on."),
        ("-l talk", HALF, "the text so far is kept. `%glm -l talk --continue` goes on."),
        ("--once", HALF, "the text so far is kept. Ask again with a longer --timeout."),
        ("", ONLY_THINKING, "only thinking had come. Ask again with a longer --timeout."),
        ("", [], "nothing had come yet. Ask again with a longer --timeout."),
    ],
)
def test_timeout_says_what_is_kept(flags: str, script: list[Step], said: str):
    """An answer that took too long is gone on with where there is one, else asked for again."""
    talk = Talk([*script, asyncio.Event()])
    with pytest.raises(NetworkError) as caught:
        talk.glm(f"{flags} --timeout 0.2 question")
    assert said in str(caught.value)
    assert "cancelled" == caught.value.partial.finish_reason


# -- Words that stand for keys -------------------------------------------------------------------


def test_words_are_shown_as_typed(monkeypatch, capsys):
    """What is told to a server without keys is a word in the history and in what would be sent."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("ollama")
    talk = Talk(says("ollama serve"))
    talk.glm("-q how do I run ollama?")
    run(talk.state, "history")
    assert "[1] how do I run ollama?\nollama serve\n" in capsys.readouterr().out
    request = Request("http://u:ollama@a.example", {"content": "ollama?"}, {"X-Key": "ollama"})
    shown = request_text(request)
    assert '"content": "ollama?"' in shown
    assert ("u:***@", "X-Key: ***") == (shown[12:18], shown.splitlines()[1])
