"""A growing text is cut where it will not change any more."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from glm_magic.show.blocks import BlockSplitter, split
from glm_magic.show.disarm import disarm
from glm_magic.show.grammar import LONGEST_FORMULA
from tests.show.viewers import commonmark, visible

SHORT = "a;- a;  b;    c;1. x;2) y;> q;lazy;```;~~~;   ```;# h;===;---;-;+ ;* * *;  - n; s"
LINES = [
    *SHORT.split(";"),
    *("   t", "\ttab", "<div>", "| a | b |", "|---|---|", "", "", "", "  "),
]
FORMULAS = ["$$", "\\[", "\\]", "\\begin{align}", "\\end{align}", "- x", "= y", "", "a", "```"]


def documents(lines: list[str]) -> st.SearchStrategy[str]:
    """Return documents of such *lines*."""
    return st.lists(st.sampled_from(lines), max_size=14).map(lambda some: "\n".join(some) + "\n")


def fed(text: str, cuts: list[int]) -> list[str]:
    """Return the blocks of *text*, fed in pieces, and its tail."""
    splitter = BlockSplitter()
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    blocks = [block for a, b in pairwise(places) for block in splitter.feed(text[a:b])]
    return [*blocks, splitter.tail]


@given(st.text(st.sampled_from("a-> #`$\\[]\r\n\t|1."), max_size=80), st.lists(st.integers(0, 99)))
def test_nothing_is_lost(text, cuts):
    """All blocks and the tail, joined, are the text, however it came in."""
    assert text == "".join(fed(text, cuts))


@given(documents(LINES), st.lists(st.integers(0, 99)))
def test_blocks_render_like_the_whole(text, cuts):
    """Rendered one by one, blocks give the HTML of the whole text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    assert parser.render(text) == "".join(map(parser.render, fed(text, cuts)))


@given(documents(FORMULAS))
def test_blocks_disarm_like_the_whole(text):
    """Disarmed one by one, blocks with formulas read like the whole text."""
    apart = "\n\n".join(map(disarm, fed(text, list(range(len(text))))))
    assert visible(commonmark(disarm(text))) == visible(commonmark(apart))


@pytest.mark.parametrize(
    ("markdown", "blocks", "tail"),
    [
        ("", [], ""),
        ("a", [], "a"),
        ("a\n\n", [], "a\n\n"),
        ("a\n\nb", [], "a\n\nb"),
        ("a\n\nb\n", ["a\n\n"], "b\n"),
        ("- a\n\n- b\n", [], "- a\n\n- b\n"),
        ("- a\n\n  b\n\nc\n", ["- a\n\n  b\n\n"], "c\n"),
        ("```\na\n\n# b\n", [], "```\na\n\n# b\n"),
        ("```\na\n```\nb\n", ["```\na\n```\n"], "b\n"),
        ("> a\nlazy\n\n> b\n", ["> a\nlazy\n\n"], "> b\n"),
        ("a\n===\nb\n", ["a\n===\n"], "b\n"),
        ("$$\nx\n\n- y\n", [], "$$\nx\n\n- y\n"),
        ("$$\nx\n\n- y\n$$\nb\n", ["$$\nx\n\n- y\n$$\n"], "b\n"),
        ("a:\n\\[\nx\n\ny\n", [], "a:\n\\[\nx\n\ny\n"),
        ("a\n\n$$\nx\n\ny\n", ["a\n\n"], "$$\nx\n\ny\n"),
        ("a\n| b |\n|---|\n| c |\n\nd\n", ["a\n", "| b |\n|---|\n| c |\n\n"], "d\n"),
        ("a\r\n\r\nb\r", [], "a\r\n\r\nb\r"),  # the end of the line may still be on its way
    ],
)
def test_split(markdown, blocks, tail):
    """A block is finished when the next one has a whole line."""
    assert (blocks, tail) == split(markdown)


@pytest.mark.parametrize(
    "opening",
    [
        "$x",
        "\\(",
        "    $$",
        "    \\[",
        "- $$",
        "> \\[",
        "\\\\[",
        "x \\[",
        "$$" + "x" * LONGEST_FORMULA,
    ],
    ids=lambda opening: opening[:8],
)
def test_what_opens_no_formula(opening):
    """What is no opening, stands in something else or goes on for long holds no text back."""
    assert ([f"{opening}\n\n"], "b\n") == split(f"{opening}\n\nb\n")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("$$", "$$"), ("\\[", "\\]"), ("\\begin{align*}", "\\end{align*}")],
)
def test_an_end_within_a_line_ends_no_formula(opening, closing):
    """What has its end before other words is text, and is not held back for another end."""
    text, more = f"{opening}\nx\n\n", f"y {closing} z\n\n"
    assert ([text, more], "b\n") == split(f"{text}{more}b\n")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("$$", "$$"), ("\\[", "\\]"), ("\\begin{align*}", "\\end{align*}")],
)
def test_a_formula_ends_with_its_own_end(opening, closing):
    """Blank lines, rules and the ends of other formulas are in it up to then."""
    others = "\\) \\end{a}\n\n---\n\n"
    text = f"{opening}\nx\n{others}"
    assert ([], text) == split(text)
    assert ([f"{text}{closing}\n"], "b\n") == split(f"{text}{closing}\nb\n")


def test_lines_may_end_in_carriage_returns():
    """A text without a single newline comes in blocks as well."""
    assert ["a\r\r"] == BlockSplitter().feed("a\r\rb\r\r")


def test_an_endless_formula_is_given_up():
    """An opening without an end holds the text back for a while only."""
    splitter = BlockSplitter()
    blocks = [block for _ in range(3000) for block in splitter.feed("$$ a\n\n")]
    assert len(blocks) > 1500


def test_a_long_tail_is_looked_at_seldom(monkeypatch):
    """The number of looks at one long list grows with the logarithm of its length."""
    looks = []
    monkeypatch.setattr("glm_magic.show.blocks.split", lambda text: looks.append(1) or ([], text))
    splitter = BlockSplitter()
    for _ in range(4000):
        splitter.feed("- an item\n")
    assert 250 < len(looks) < 350
