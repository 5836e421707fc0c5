"""The values of a conversation: how they are read, how they add, and how a reply grows."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic import redact
from glm_magic.growing import GrowingText
from glm_magic.messages import Delta, Message, Reply, ToolCall, Usage, diff
from glm_magic.redact import Secret
from tests.planted import ONE, TWO, leaks

PNG = "data:image/png;base64,AAAA"
DELTAS = st.builds(
    Delta,
    content=st.text(max_size=6),
    reasoning=st.text(max_size=6),
    retract=st.integers(0, 8),
    retract_reasoning=st.integers(0, 8),
)


def grown(*deltas: Delta) -> Reply:
    reply = Reply()
    for delta in deltas:
        reply.add(delta)
    return reply


def cut(text: str, retract: int) -> str:
    return text[: max(0, len(text) - retract)]


# -- Messages ------------------------------------------------------------------------------------


def test_message_of_message():
    """A message is read as itself."""
    message = Message("user", "hi", (PNG,))
    assert Message.of(message) is message


@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
def test_message_of_dict(role: str):
    """The usual dict gives a message of the same role and content."""
    assert Message.of({"role": role, "content": "列表?"}) == Message(role, "列表?")


def test_message_of_parts():
    """Text parts are joined to the letter, and pictures keep their order."""
    parts = [
        {"type": "text", "text": "see "},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "text", "text": "\nthis"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    read = Message.of({"role": "user", "content": parts})
    assert Message("user", "see \nthis", (PNG, "https://example.org/a.png")) == read


def test_message_of_tool_answer():
    """The id of the call a tool answers is kept."""
    read = Message.of({"role": "tool", "content": "42", "tool_call_id": "c1"})
    assert read.tool_call_id == "c1"


def test_message_without_content():
    """No content, as beside tool calls, is empty text."""
    assert Message.of({"role": "assistant", "content": None}).content == ""
    assert Message.of({"role": "assistant"}).content == ""


def test_dict_is_not_changed():
    """What the caller passed stays as it was."""
    given_dict = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    before = copy.deepcopy(given_dict)
    Message.of(given_dict)
    assert before == given_dict


@pytest.mark.parametrize("role", [None, "", "User", "bot", 1])
def test_unknown_role(role: object):
    """A role the wire does not know is refused, and the error lists those it does."""
    with pytest.raises(ValueError, match="system, user, assistant or tool"):
        Message.of({"role": role, "content": "hi"})


@pytest.mark.parametrize(
    "content",
    [
        5,
        b"hi",
        {"type": "text", "text": "hi"},
        ["hi"],
        [{"type": "text"}],
        [{"type": "text", "text": 5}],
        [{"type": "image_url"}],
        [{"type": "image_url", "image_url": PNG}],
        [{"type": "input_audio", "input_audio": {}}],
    ],
    ids=repr,
)
def test_unreadable_content(content: object):
    """Content that would be lost, wholly or in part, is refused."""
    with pytest.raises(ValueError, match="message content"):
        Message.of({"role": "user", "content": content})


@pytest.mark.parametrize("value", [Message("user", ""), Delta(), Usage(), ToolCall("", "", "")])
def test_values_are_frozen(value: object):
    """Nobody changes a value that others hold."""
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(value, next(iter(type(value).__slots__)), "x")


# -- Usage ---------------------------------------------------------------------------------------

COUNTS = st.none() | st.integers(0, 10**6)
USAGES = st.builds(Usage, COUNTS, COUNTS)


def test_usage_adds():
    """Known numbers add."""
    assert Usage(1, 2) + Usage(10, 20) == Usage(11, 22)


@given(USAGES, USAGES, USAGES)
def test_usage_addition(a: Usage, b: Usage, c: Usage):
    """Unknown changes nothing, zero is a number, and the order does not matter."""
    assert a + Usage() == a == Usage() + a
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)


# -- diff ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "delta"),
    [
        ("", "", Delta()),
        ("", "ab", Delta(content="ab")),
        ("ab", "abc", Delta(content="c")),
        ("abc", "ab", Delta(retract=1)),
        ("abc", "axc", Delta(content="xc", retract=2)),
        ("哈", "哈哈", Delta(content="哈")),
    ],
)
def test_diff(old: str, new: str, delta: Delta):
    """What is shared at the start stays, the rest is taken back and sent anew."""
    assert delta == diff(old, new)


@given(st.integers(0, 600), st.text("ab列", max_size=12), st.text("ab列", max_size=12))
def test_diff_after_a_long_beginning(size: int, old: str, new: str):
    """However much is shared at the start, no letter more is taken back than must be."""
    assert diff("列" * size + "-" + old, "列" * size + "-" + new) == diff("-" + old, "-" + new)


@given(st.text("ab列", max_size=12), st.text("ab列", max_size=12))
def test_diff_turns_old_into_new(old: str, new: str):
    """A reply that holds the old text and takes in the difference holds the new text."""
    assert grown(Delta(content=old), diff(old, new)).text == new


# -- GrowingText ---------------------------------------------------------------------------------


def test_an_end_is_taken_back_without_the_rest():
    """To take back some letters only the pieces that held them are copied."""
    text, first = GrowingText(), "long " * 20
    for step in ((first, 0), ("dog", 0), ("t", 2), ("cat", 2)):
        text.add(*step)
    assert (first + "cat", True) == (text.read(), text._pieces[0] is first)


def test_pieces_stay_few():
    """Small pieces are joined, also where the end of each was taken back."""
    text = GrowingText()
    for _ in range(5_000):
        text.add("abc", 1)
    assert ("ab" * 4_999 + "abc", True) == (text.read(), len(text._pieces) < 1_010)


# -- Reply ---------------------------------------------------------------------------------------


@given(st.lists(DELTAS, max_size=20))
def test_reply_grows_by_deltas(deltas: list[Delta]):
    """Each delta takes back from the end and adds there, of text and of thinking."""
    reply, text, reasoning = Reply(), "", ""
    for delta in deltas:
        text = cut(text, delta.retract) + delta.content
        reasoning = cut(reasoning, delta.retract_reasoning) + delta.reasoning
        reply.add(delta)
    assert (text, reasoning) == (reply.text, reply.reasoning)


def test_reply_keeps_what_is_known():
    """Usage, model, id and tool calls stay when a later delta does not name them."""
    calls = (ToolCall("c1", "search", '{"q": 1}'),)
    first = Delta(usage=Usage(1, 2), model="glm", conversation_id="far", tool_calls=calls)
    reply = grown(first, Delta(content="x"))
    assert (Usage(1, 2), "glm", "far", calls) == (
        reply.usage,
        reply.model,
        reply.conversation_id,
        reply.tool_calls,
    )


def test_notices_stay_and_progress_passes():
    """A notice is kept, progress is worth showing only until the next step."""
    reply = grown(Delta(notice="clamped"), Delta(progress="3 s"))
    assert (["clamped"], "3 s") == (reply.notices, reply.progress)
    reply.add(Delta(content="x"))
    assert (["clamped"], "") == (reply.notices, reply.progress)


def test_first_finish_reason_stays():
    """How a reply ended is said once."""
    reply = grown(Delta(finish_reason="length"))
    ended = reply.ended
    reply.finish("cancelled")
    assert ("length", True, ended) == (reply.finish_reason, reply.done, reply.ended)


def test_elapsed_ends_with_the_reply():
    """The seconds are counted up to the end, or up to now."""
    assert Reply(started=10.0, ended=12.5).elapsed == 2.5
    reply = Reply(started=time.monotonic() - 100)
    assert reply.elapsed >= 100
    reply.finish("stop")
    assert reply.elapsed == reply.elapsed


def test_reply_as_text():
    """`str` is the text; `repr` is too, and shows when more is to come."""
    reply = grown(Delta(content="hel"))
    assert ("hel", "hel…") == (str(reply), repr(reply))
    reply.finish("stop")
    assert ("hel", "hel") == (str(reply), repr(reply))


def test_keys_in_tool_calls_are_masked(monkeypatch):
    """A key in a tool call is neither shown nor sent back; the arguments stay JSON."""
    monkeypatch.setattr(redact, "_live", set())
    Secret(ONE)
    Secret("search")
    arguments = json.dumps({"key": ONE, "ä": "search"})
    reply = grown(Delta(tool_calls=(ToolCall(f"c-{ONE}", f"f-{ONE}", arguments),)))
    [call] = reply.message().tool_calls
    assert ("c-***", "f-***") == (call.id, call.name)
    assert {"key": "***", "ä": "search"} == json.loads(call.arguments)
    assert leaks(f"{reply.tool_calls} {reply.message()}") == []


def test_conversation_id_that_is_a_key_is_not_kept(monkeypatch):
    """A name made of a key is none; any other is kept to the letter."""
    monkeypatch.setattr(redact, "_live", set())
    Secret(TWO)
    assert grown(Delta(conversation_id=f"c-{TWO}")).conversation_id is None
    assert grown(Delta(conversation_id=f"c-{TWO[:9]}")).conversation_id == f"c-{TWO[:9]}"


def test_reply_as_message():
    """In a history the reply is the assistant's, thinking and tool calls with it."""
    calls = (ToolCall("c1", "search", "{}"),)
    reply = grown(Delta(content="42", reasoning="sum", tool_calls=calls))
    expected = Message("assistant", "42", reasoning="sum", tool_calls=calls)
    assert expected == reply.message()


def test_reply_in_a_notebook_is_disarmed():
    """The Markdown of a reply has no HTML and loads nothing; its text is as received."""
    text = "**a** <img src=x onerror=y> ![b](https://example.org/b.png)"
    reply = grown(Delta(content=text))
    shown = reply._repr_markdown_()
    assert "**a**" in shown
    assert "<img" not in shown
    assert "![" not in shown
    assert reply.text == text


@pytest.mark.parametrize("is_shown", [True, False, None])
def test_reply_is_shown_once(monkeypatch, is_shown):
    """Displaying a reply adds an output, Markdown and text, only when none is on screen already."""
    outputs = []
    monkeypatch.setattr(
        "IPython.display.display", lambda bundle, raw: outputs.append((bundle, raw))
    )
    reply = grown(Delta(content="<b>", finish_reason="stop"))
    reply.is_shown = None if is_shown is None else lambda: is_shown
    reply._ipython_display_()
    bundle = {"text/markdown": reply._repr_markdown_(), "text/plain": "<b>"}
    assert outputs == ([] if is_shown else [(bundle, True)])


@pytest.mark.parametrize(
    "twin",
    [
        copy.copy,
        copy.deepcopy,
        lambda reply: pickle.loads(pickle.dumps(reply)),  # noqa: S301, our own
    ],
)
def test_reply_can_be_copied(twin: Callable[[Reply], Reply]):
    """A copy has all that was said; that the screen shows the reply is not said of it."""
    reply = Reply(is_shown=lambda: True)
    reply.add(Delta(content="Hi", reasoning="Hm.", rest=list))
    reply.finish("stop")
    other = twin(reply)
    assert (other.text, other.reasoning, other.finish_reason) == ("Hi", "Hm.", "stop")
    assert other.is_shown is None
    assert reply.is_shown is not None


def test_key_in_a_reply(monkeypatch):
    """A live key is masked in all that a reply gives out, and not begun while it grows."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("sk-12345")
    reply = grown(
        Delta(content="a sk-1", reasoning="b sk-1", notice="n sk-12345", model="sk-12345"),
        Delta(content="23", reasoning="23"),
    )
    assert ("a ", "b ") == (reply.settled_text, reply.settled_reasoning)
    reply.add(Delta(content="45.", reasoning="45."))
    assert ("a ***.", "b ***.") == (reply.settled_text, reply.settled_reasoning)
    reply.add(Delta(retract=1, finish_reason="stop"))
    assert "a ***" == reply.settled_text == reply.text == repr(reply)
    assert (["n ***"], "***") == (reply.notices, reply.model)
    assert Message("assistant", "a ***", reasoning="b ***.") == reply.message()


def test_reply_shown_to_a_terminal_is_cleaned():
    """What a prompt shows of a reply is text that no terminal obeys; the text is as it came."""
    reply = grown(Delta(content="a\x1b[31m", finish_reason="stop"))
    assert ("a\\x1b[31m", "a\x1b[31m") == (repr(reply), reply.text)


def test_reply_is_read_while_it_grows():
    """Readers on other threads take nothing from a reply that grows."""
    count, reply = 20_000, Reply()
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            _ = reply.text

    readers = [threading.Thread(target=read) for _ in range(3)]
    pause = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for reader in readers:
            reader.start()
        for _ in range(count):
            reply.add(Delta(content="x"))
    finally:
        is_over.set()
        sys.setswitchinterval(pause)
        for reader in readers:
            reader.join()
    assert count == len(reply.text)
