"""A conversation as a file: the same when it comes back, and never half of it."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic import redact
from glm_magic.conversation import Conversation
from glm_magic.errors import ConfigError
from glm_magic.history import Exchange
from glm_magic.messages import Message, ToolCall
from glm_magic.providers.echo import EchoProvider
from glm_magic.redact import Secret
from glm_magic.saving import load, save
from tests.planted import TWO, leaks

#: What was saved before, as far as it matters.
OLD = b'{\n "glm_magic": 1, "old": true}'
PNG = "data:image/png;base64,AAAA"
TEXT = "列表 \"quoted\" 'x' \\n {{a}} 😀\r\n\tend\u2028"


@pytest.fixture
def conversation() -> Conversation:
    """A conversation with something of everything."""
    conversation = Conversation(EchoProvider(), system="Be brief.", label="main")
    call = ToolCall("c1", "search", '{"q": "x"}')
    conversation.exchanges = (
        Exchange(Message("user", TEXT, (PNG,)), Message("assistant", TEXT, reasoning="Hm.")),
        Exchange(Message("user", "two"), Message("assistant", "", tool_calls=(call,))),
    )
    conversation.conversation_id = "far"
    return conversation


@pytest.fixture
def file(tmp_path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "talk.json"


def content(folder: Path) -> dict[str, bytes]:
    """Return all files of *folder*, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_round_trip(conversation, file):
    """Everything that was said comes back, and the far side's name for it."""
    save(conversation, file)
    loaded = load(file, EchoProvider())
    assert conversation.exchanges == loaded.exchanges
    assert conversation.messages == loaded.messages
    assert ("Be brief.", "main", "far") == (loaded.system, loaded.label, loaded.conversation_id)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_any_text_comes_back(tmp_path_factory, texts):
    """Every character of every text is kept."""
    file = tmp_path_factory.mktemp("any") / "talk.json"
    conversation = Conversation(EchoProvider())
    conversation.exchanges = tuple(
        Exchange(Message("user", asked), Message("assistant", told)) for asked, told in texts
    )
    save(conversation, file)
    assert conversation.exchanges == load(file, EchoProvider()).exchanges


def test_character_that_no_file_takes(conversation, file):
    """Half an emoji cannot be written: it becomes a question mark, and the rest is kept."""
    conversation.exchanges = (Exchange(Message("user", "a\ud83db"), Message("assistant", "c")),)
    save(conversation, file)
    assert load(file, EchoProvider()).exchanges[0].question.content == "a?b"


def test_conversation_goes_on(conversation, file):
    """A loaded conversation asks with its whole past."""
    save(conversation, file)
    loaded = load(file, EchoProvider())
    assert loaded.ask_sync("and now?").text == "and now?"
    assert len(loaded.exchanges) == 3


def test_other_provider_does_not_know_the_id(conversation, file):
    """The far side's name is of no use to another provider."""
    save(conversation, file)
    assert load(file, EchoProvider(name="other")).conversation_id is None


def test_file_can_be_read(conversation, file):
    """The file is JSON with readable Chinese."""
    save(conversation, file)
    text = file.read_text("utf-8")
    assert "列表" in text
    assert json.loads(text)["exchanges"][1]["question"]["content"] == "two"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes")
def test_only_the_owner_reads(conversation, file):
    """The file is the owner's alone, also where another one was before."""
    file.write_bytes(OLD)
    file.chmod(0o644)
    save(conversation, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_nothing_else_is_left(conversation, file):
    """Saving, twice, leaves one file."""
    save(conversation, file)
    save(conversation, file)
    assert list(content(file.parent)) == ["talk.json"]


@pytest.mark.parametrize("step", ["fsync", "fdopen"])
def test_full_disk(monkeypatch, conversation, file, step):
    """When writing fails, the old file stays, no other is left, and the error says which."""
    file.write_bytes(OLD)

    def fail(handle: int, *_: object) -> None:
        if step == "fdopen":
            os.close(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ConfigError, match=r"talk\.json could not be written \(No space left"):
        save(conversation, file)
    assert content(file.parent) == {"talk.json": OLD}


def test_interrupt_in_mid_write(monkeypatch, conversation, file):
    """Ctrl-C while writing keeps the old file as well."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    file.write_bytes(OLD)
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(conversation, file)
    assert content(file.parent) == {"talk.json": OLD}


@pytest.mark.parametrize("place", ["missing/talk.json", "."])
def test_place_that_takes_no_file(conversation, tmp_path, place):
    """A folder that is not there, or a folder itself, is an error with a remedy."""
    with pytest.raises(ConfigError, match="Name another file"):
        save(conversation, tmp_path / place)
    assert content(tmp_path) == {}


def test_another_file_is_not_replaced(conversation, file):
    """A notebook whose name was given by mistake is still there; an empty file may be filled."""
    file.write_text('{"cells": []}')
    with pytest.raises(ConfigError, match=r"is another file, and was not replaced"):
        save(conversation, file)
    assert content(file.parent) == {"talk.json": b'{"cells": []}'}
    file.write_bytes(b"")
    save(conversation, file)
    assert conversation.exchanges == load(file, EchoProvider()).exchanges


@pytest.mark.skipif(sys.platform == "win32", reason="there are none")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_stays(conversation, file, make):
    """A pipe is neither replaced nor waited for, and neither is a folder."""
    make(file)
    kind = stat.S_IFMT(file.stat().st_mode)
    with pytest.raises(ConfigError, match=r"no regular file"):
        save(conversation, file)
    with pytest.raises(ConfigError, match=r"no regular file"):
        load(file, EchoProvider())
    assert kind == stat.S_IFMT(file.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_link_leads_to_what_was_saved(conversation, file, tmp_path):
    """The file behind a link is written, and the link stays, also where there is no file yet."""
    link = tmp_path / "link.json"
    link.symlink_to(file)
    save(conversation, link)
    save(conversation, link)
    assert link.is_symlink()
    assert conversation.exchanges == load(file, EchoProvider()).exchanges


@pytest.mark.parametrize("name", ["a\0b.json", "a\ud800b.json", "x" * 300])
def test_name_that_no_file_can_have(conversation, tmp_path, name):
    """It is an error of six lines like any other."""
    with pytest.raises(ConfigError, match="Name another file"):
        save(conversation, tmp_path / name)
    with pytest.raises(ConfigError):
        load(tmp_path / name, EchoProvider())


def test_longest_name(conversation, tmp_path):
    """A name as long as names may be is one."""
    save(conversation, tmp_path / f"{'x' * 250}.json")


def test_keys_are_masked(monkeypatch, conversation, file):
    """A live key that somebody pasted into a question is not written."""
    monkeypatch.setattr(redact, "_live", set())
    key = 'sk-"quoted"-列-key'
    Secret(key)
    question = Message("user", f"my key is {key}")
    conversation.exchanges = (Exchange(question, Message("assistant", f"{key}?")),)
    save(conversation, file)
    [exchange] = load(file, EchoProvider()).exchanges
    assert ("my key is ***", "***?") == (exchange.question.content, exchange.answer.content)
    assert "quoted" not in file.read_text("utf-8")


@pytest.mark.parametrize("word", ["ollama", "content", "assistant", "exchanges", "tool_calls"])
def test_words_that_stand_for_keys_are_written(monkeypatch, conversation, file, word):
    """A word told to a server that checks no key is no secret: what was said comes back whole."""
    monkeypatch.setattr(redact, "_live", set())
    Secret(word)
    asked, told = Message("user", f"How do I run {word}?"), Message("assistant", f"So: {word}")
    conversation.exchanges = (*conversation.exchanges, Exchange(asked, told))
    save(conversation, file)
    assert conversation.exchanges == load(file, EchoProvider()).exchanges


@pytest.mark.parametrize("key", ["assistant-key-9", "content-9", '": "user", "9', "echo-echo-9"])
def test_only_values_are_masked(monkeypatch, conversation, file, key):
    """No field, role or provider becomes a mask, though it is most of a key."""
    monkeypatch.setattr(redact, "_live", set())
    Secret(key)
    save(conversation, file)
    loaded = load(file, EchoProvider())
    assert (conversation.exchanges, "far") == (loaded.exchanges, loaded.conversation_id)


def test_keys_are_masked_in_every_value(monkeypatch, conversation, file):
    """A key that came to be known later is masked wherever it stands; an id of it is no name."""
    monkeypatch.setattr(redact, "_live", set())
    call = ToolCall(TWO, f"f{TWO}", f'{{"q": "{TWO}"}}')
    asked = Message("user", TWO, (f"https://a.example/?{TWO}",))
    told = Message("assistant", TWO, reasoning=TWO, tool_calls=(call,))
    conversation.exchanges = (Exchange(asked, told),)
    conversation.system = conversation.label = conversation.conversation_id = f"my {TWO}"
    conversation.provider.model = TWO
    Secret(TWO)
    save(conversation, file)
    assert leaks(file.read_text("utf-8")) == []
    loaded = load(file, EchoProvider())
    assert (loaded.label, loaded.conversation_id) == ("my ***", None)
    assert loaded.messages[-1].tool_calls == (ToolCall("***", "f***", '{"q": "***"}'),)


# -- Files that are not as they were written -----------------------------------------------------


def test_missing_file(file):
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"talk\.json could not be read"):
        load(file, EchoProvider())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["glm_magic"], 2),
        (["exchanges"], None),
        (["exchanges", 0], "x"),
        (["exchanges", 0, "question"], None),
        (["exchanges", 0, "question", "role"], "tool"),
        (["exchanges", 0, "question", "content"], 5),
        (["exchanges", 0, "question", "images"], None),
        (["exchanges", 0, "question", "colour"], "red"),
        (["exchanges", 1, "answer", "tool_calls"], [{"id": "x"}]),
        (["exchanges", 1, "answer", "tool_calls", 0, "arguments"], 5),
        (["exchanges", 0, "question", "images"], [5]),
        (["exchanges", 0, "answer", "reasoning"], 5),
        (["exchanges", 0, "answer", "tool_call_id"], 5),
        (["exchanges", 0, "answer", "role"], "user"),
        (["exchanges"], {}),
        (["system"], 5),
        (["label"], ["x"]),
        (["conversation_id"], 5),
    ],
)
def test_damaged_value(conversation, file, path, value):
    """A value of another kind in any place is damage, not a crash."""
    save(conversation, file)
    state = place = json.loads(file.read_text("utf-8"))
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(state), "utf-8")
    with pytest.raises(ConfigError, match="damaged"):
        load(file, EchoProvider())


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"5", b"{}", b"[" * 10**5, b"\x00" * 9])
def test_foreign_file(file, data):
    """A file of something else is refused, whatever is in it."""
    file.write_bytes(data)
    with pytest.raises(ConfigError, match="not a conversation saved by glm_magic"):
        load(file, EchoProvider())


@given(st.binary(max_size=40), st.integers(0, 2000), st.integers(0, 40))
def test_any_damage(tmp_path_factory, junk, at, removed):
    """Whatever is written over part of a file, it loads or it is damaged; nothing else happens."""
    file = tmp_path_factory.mktemp("damage") / "talk.json"
    conversation = Conversation(EchoProvider(), system="Be brief.", label="main")
    conversation.exchanges = (Exchange(Message("user", TEXT), Message("assistant", TEXT)),)
    save(conversation, file)
    whole = file.read_bytes()
    at %= len(whole)
    file.write_bytes(whole[:at] + junk + whole[at + removed :])
    try:
        loaded = load(file, EchoProvider())
    except ConfigError:
        return
    assert all(isinstance(message.content, str) for message in loaded.messages)
