"""Thinking told from the answer, and markers taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.wire.think import BoxFilter, ThinkSplitter
from tests.wire.streams import reply_of


def split(*pieces):
    """Return (thinking, answer) of a text that comes in *pieces*."""
    splitter = ThinkSplitter()
    reply = reply_of([*map(splitter.feed, pieces), splitter.close()])
    return reply.reasoning, reply.text


TEXTS = {
    "plain": ("Hello <b>world</b>", ("", "Hello <b>world</b>")),
    "tagged": ("<think>a\nb</think>\n\nHello", ("a\nb", "Hello")),
    "blank_first": ("\n<think>a</think>b", ("a", "b")),
    "twice": ("<think>a</think>\n<think>b</think>c", ("ab", "c")),
    "empty": ("<think></think>\nHello", ("", "Hello")),
    "unclosed": ("<think>a</thi", ("a</thi", "")),
    "only_start": ("<thin", ("", "<thin")),
    "lone_close": ("6 x 7, hm.\n</think>\n42", ("6 x 7, hm.\n", "42")),
    "close_first": ("</think>\n42", ("", "42")),
    "later": ("An answer. <think>a</thinker>", ("", "An answer. <think>a</thinker>")),
    "after_thought": ("<think>a</think>b</think>c", ("a", "b</think>c")),
    "fenced": ("```\n</think>\n```", ("", "```\n</think>\n```")),
    "inline": ("Write `a </think> b`.", ("", "Write `a </think> b`.")),
    "quoted": ('It is "</think>".', ("", 'It is "</think>".')),
    "code_first": ("`<think>`", ("", "`<think>`")),
    "leading_blanks": ("\n  Hello", ("", "\n  Hello")),
    "only_blanks": ("\n", ("", "\n")),
    "blanks_after_thought": ("<think>a</think>\n\n", ("a", "")),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_split(text, expected):
    """The text is split so, whole and character by character."""
    assert [expected] * 2 == [split(text), split(*text)]


_BITS = ["<think>", "</think>", "<", "think", ">", "</", "`", "```\n", "\n", " ", "a", "“"]


@given(st.lists(st.sampled_from(_BITS)))
def test_cuts_do_not_matter(bits):
    """Any text is split the same, however it is cut."""
    text = "".join(bits)
    assert split(text) == split(*bits) == split(*text)


@given(st.text(alphabet="ab <>/`\n"))
def test_text_without_tags_is_kept(text):
    """A text without tags comes out letter for letter."""
    assert ("", text) == split(*text)


def test_thinking_known_elsewhere():
    """A closing tag means nothing when the thinking came in a field of its own."""
    splitter = ThinkSplitter()
    splitter.may_close = False
    assert "a</think>b" == splitter.feed("a</think>b").content


def unbox(*pieces):
    """Return what is left of *pieces* without markers."""
    box = BoxFilter()
    return "".join([*map(box.feed, pieces), box.close()])


@given(st.lists(st.sampled_from(["<|begin_of_box|>", "<|end_of_box|>", "<|", "<", "begin", "a"])))
def test_box(bits):
    """Markers go, all else stays, however the text is cut."""
    text = "".join(bits)
    expected = text.replace("<|begin_of_box|>", "\0").replace("<|end_of_box|>", "\0")
    assert expected.replace("\0", "") == unbox(text) == unbox(*bits) == unbox(*text)
