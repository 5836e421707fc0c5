"""What is disarmed looks as it did before."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from glm_magic.show.disarm import disarm
from tests.show.viewers import commonmark, visible

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "commonmark.json").read_text("utf-8"))
PROSE = """Heading-free prose: a_b, snake_case_name, 5 * 3 = 15, C#, AT&T, x < y, 1. here, ~ 5 km,
a [1] citation (see [2]), "quoted" text, e.g. https://a.example/b_c?d=1 in it, 10% off, #h, -1."""
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def texts_as_code() -> st.SearchStrategy[str]:
    """Return texts with the characters that end code or start something else."""
    return st.text(st.sampled_from("`~$<>|\\*_ab[](){}!&;\n\t -#"), max_size=60)


def same_html(markdown: str) -> str:
    """Return *markdown* as HTML with the links that are kept, and raw HTML as text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = lambda address: bool(
        re.match(r"https?://[^\s/?#]|mailto:\S", address, re.I)
    )
    parser.add_render_rule("image", lambda _s, tokens, at, *_: tokens[at].content)
    return parser.render(markdown)


def test_specification_keeps_its_text():
    """At least 99 of 100 examples of the CommonMark specification read as before."""
    sources = [example["markdown"] for example in EXAMPLES]
    wrong = [
        text for text in sources if visible(same_html(text)) != visible(commonmark(disarm(text)))
    ]
    assert len(wrong) * 100 <= len(sources), wrong


def test_prose_stays_as_it_is():
    """Text without markup gets no backslashes."""
    assert PROSE == disarm(PROSE)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t\n"])
def test_blank_text_is_empty(text):
    """Nothing to show is the empty text."""
    assert "" == disarm(text)


@given(TEXTS)
def test_disarming_twice_looks_the_same(text):
    """A text that is disarmed already does not change to the eye."""
    once = disarm(text)
    assert visible(commonmark(once)) == visible(commonmark(disarm(once)))


@given(texts_as_code())
def test_code_blocks_are_exact(code):
    """Every character of a code block comes through, at the top and in a list."""
    fence = "`" * 70
    for indent in ("", "   "):
        lines = "".join(f"{indent if line else ''}{line}\n" for line in code.split("\n"))
        source = f"1. a\n\n{indent}{fence}py\n{lines}{indent}{fence}\n"
        assert [f"{code}\n"] == code_of(disarm(source))


def code_of(markdown: str) -> list[str]:
    """Return the code blocks in *markdown*."""
    return [token.content for token in MarkdownIt().parse(markdown) if token.type == "fence"]


@given(texts_as_code())
def test_code_spans_are_exact(code):
    """Every character of a code span comes through."""
    code = code.replace("\n", " ").strip(" ")
    assume(code and not re.search(r"\$\$|\]\(|\\\\[(\[]", code))  # see the next test
    html = commonmark(disarm(f"x {'`' * 61} {code} {'`' * 61} y"))
    assert f"x <code>{escaped(code)}</code> y" in html.replace("\u2060", "")


def escaped(text: str) -> str:
    """Return *text* as a CommonMark renderer writes it in HTML."""
    return escape(text, quote=False).replace('"', "&quot;")


@pytest.mark.parametrize("code", ["$$", "a](b) <i>", r"\begin{a}", r"\\["])
def test_risky_code_spans_become_text(code):
    """Code that a viewer would take for a formula, or lose sight of, keeps every character."""
    assert code == visible(commonmark(disarm(f"`{code}`")))


@pytest.mark.parametrize(
    "markdown",
    [
        "# A *heading*\n\ntext",
        "- a\n- b\n  - c\n  - d\n\n    e",
        "3. a\n4. b\n   ```py\n   x = 1\n   ```\n5. c",
        "- [ ] todo\n- [x] done",
        "> a\n>\n> > b\n>\n> - c",
        "| a | b |\n|:--|--:|\n| `x\\|y` | **c** |",
        "a\\\nb  \nc",
        "**a *b* c** ~~d~~ ***e***",
        "a\n===\n\nb\n---",
        "***\n\n- ***\n- a",
        "![alt](http://a.example/i.png)",
        "```\n```\n\n```py\n\n\n```",
        "1986\\. A great year, 1) and \\- more",
    ],
)
def test_constructs_look_the_same(markdown):
    """Each construct reads as it did."""
    assert visible(same_html(markdown)) == visible(commonmark(disarm(markdown)))


@pytest.mark.parametrize(
    "piece", ["$5 ", "\\(", "[", "![", "`` ` ", "*a ", "a**", "<", "[a](", "~~a", "\\begin{a}"]
)
def test_long_nonsense_ends(piece):
    """A text made to confuse parsers is done, and stays about as long as it was."""
    assert len(disarm(piece * 2000)) <= 20 * 2000 * len(piece)
