"""Whatever an answer says, its Markdown runs and loads nothing in any viewer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.show.disarm import disarm
from glm_magic.show.html import render
from tests.show.viewers import VIEWERS, actors, commonmark, jupyterlab, nbconvert

DATA = Path(__file__).parents[1] / "data"
HOSTILE = json.loads((DATA / "xss_payloads.json").read_text("utf-8"))
NAUGHTY = json.loads((DATA / "blns.json").read_text("utf-8"))
PAYLOADS = [payload["p"] for payload in HOSTILE["payloads"]]
WRAPPERS = HOSTILE["markdown_wrappers"] + HOSTILE["markdown_code_wrappers"]
WORDS = r"""
$ $$ \$ ` `` ``` ~~~ ```` \( \) \[ \] \\( \\[ \begin{a} \end{a} { } \ $x$ $a|b$ * ** _ ~~ ~ [a](
](http://a) ](javascript:1) [x] ![i](http://b) ! [ ) < > &lt; &#96; &#10; &#36; <br> <!-- --> <?
<![CDATA[ @@0@@ <http://a`b> == ^ [^1] http://a.b/ www.a.b ftp://x` https://x.y/$ a@b.c 5 a `$` `$$`
`\begin{a}` `\` `*` `<a` <script>x</script> $\href{javascript:1}{x}$ *a b* **a b** ~~a b~~
"""
#: Pieces of Markdown whose combinations have shown holes in one viewer or another.
PIECES = (
    *WORDS.split(),
    *("\n", "\n\n", "\n  ", "\n    ", "  \n", "\\\n", "\r", "\t", " ", "\u2028", "\x0b", "\u00a0"),
    *("- ", "1. ", "> ", "# ", "\n: ", "[x]: http://a\n", "[^1]: ", "| a | b |\n|---|---|\n| "),
    *("<img src=x onerror=a>", "`<img src=x>`", "``<img src=y>``", '$x" onclick="y$'),
    *("`a* <img src=k>`", "`a~~ <img src=k>`", "``b`~~ <img src=l>``", "` <img src=p>`"),
    *("`a](http://x) <img src=u>`", "``a`](http://x) <img src=u>``", "`\\end{a}<img src=m>`"),
    *("%", "$%a$", "\\(%\\)", "$\\$%a$", "$a\\ %b$", "\\\\%", "`$a <img src=x>`"),
    *("`$ <img src=s>`", "``` a``b <img src=v>```", "`` ` <img src=o> ``", "`| <img src=q>`"),
    *("\n```html\n<img src=z>\n```\n", "\n> ```\n> $\n> ```\n", '](http://a "t`")'),
    *(
        "\n- ```\n  <img src=q>$\n  ```\n",
        "```mermaid\n<img src=x>\n```\n",
        "\n  ```\n  $\n  ```\n",
    ),
)


def answers() -> st.SearchStrategy[str]:
    """Return answers made of the pieces above."""
    return st.lists(st.sampled_from(PIECES), min_size=2, max_size=20).map("".join)


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("markdown", ["<img src=x>", "![i](http://a)", "[x](javascript:y)"])
def test_viewers_do_act(viewer, markdown):
    """What is not disarmed does act, so that the tests below can fail."""
    assert actors(viewer(markdown))


def test_a_formula_in_an_address_would_act():
    """JupyterLab puts a formula back into the attribute it stood in, quotes and all."""
    assert actors(jupyterlab('[x](<http://a.example/$" onclick="y$>)'))


@pytest.mark.parametrize(
    "text",
    [
        "$%x$ `$a <img src=x onerror=alert(1)>`",
        "\\(%\\)`$ <img src=http://fetch.example/q>`",
        "$\\$%b$`$ <img src=x>`",
        "$a\\ %b$ `$ <img src=x>`",
        "$\\\\%x$ `$ <img src=x>`",
    ],
)
@pytest.mark.parametrize("viewer", VIEWERS)
def test_comment_in_a_formula(viewer, text):
    """A formula that is one only with its comment is none: its dollar signs would meet others."""
    assert [] == actors(viewer(disarm(text)))


def test_commands_between_comments():
    """What stands between two formulas of nothing but a comment is no formula either."""
    text = disarm(r"$%x$ \href{http://evil.example/}{click} \def\a{b} $%x$")
    assert "$" not in text


def test_comment_behind_a_line_end():
    """The two backslashes that end a line of a formula are not what escapes a percent sign."""
    text = disarm("$$\n\\begin{align}\na &= b \\\\% first\n= c\n\\end{align}\n$$")
    assert "first" not in text
    assert "= c" in text


@pytest.mark.parametrize(
    "text",
    [
        "*a " * 300 + "b" + " c*" * 300,
        "*" * 1000 + "b" + "*" * 1000,
        "[*a " * 300 + "b" + "*](http://x)" * 300,
        "![" * 300 + "b" + "](http://x)" * 300,
        "![*a " * 300 + "b" + "*](http://x)" * 300,
        "> " * 99 + "*a " * 300 + "b" + " c*" * 300,
    ],
)
def test_marks_nested_without_end(text: str):
    """However deep they are nested, the words are shown."""
    assert "b" in disarm(text)


@pytest.mark.parametrize("do", [disarm, render])
@pytest.mark.parametrize("text", ["> " * 500 + "b", "- " * 500 + "b", "1. > " * 500 + "b"])
def test_blocks_nested_without_end(do, text: str):
    """Quotes and lists that are nested too deep are text, and nothing in them is left out."""
    assert "b" in re.sub(r"</?[a-z][^>]*>", "", do(text))


@pytest.mark.parametrize(
    "text",
    [
        "$~~`<img src=x>`~~$",
        "costs $~~`<img src=x>`~~ or $5",
        "~~`a`~~`<img src=x>`",
        "~~`<img src=x>`http://b~~w",
        "**``**~~`<img src=x>`~~`",
    ],
)
def test_struck_code(text: str):
    """No tilde touches the backquotes of code: marked would take both for text."""
    shown = disarm(text)
    assert "`<img src=x>`" in shown
    assert "~`" not in shown
    assert "`~" not in shown
    assert "~~~" not in shown


def test_longest_number():
    """No item has a number that is too long for one, which would lay open what is in it."""
    items = "\n1. ~~~\n   b\n\n   <img src=x>" * 3
    for viewer in (commonmark, nbconvert):
        assert [] == actors(viewer(disarm(f"999999998. a{items}")))


def test_most_dollars():
    """Past a thousand dollar signs in one text, none starts a formula, or slows a viewer down."""
    shown = disarm("it costs $5 " * 1001)
    assert "$" not in shown
    assert shown.count("\uff045") == 1001
    assert disarm("it costs $5 " * 1000).count("$") == 1000


def test_longest_fence():
    """Code of nothing but backquotes does not have all other code take as many."""
    ticks, blocks = "`" * 20_000, "~~~\nx\n~~~\n" * 2_000
    shown = disarm(f"~~~\n{ticks}\n~~~\n{blocks}")
    assert ticks == shown.split("\n")[1].replace("\u2060", "")
    assert len(shown) < 500_000


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_hostile_html_is_inert(wrapper):
    """No known attack acts, bare or inside any construct of Markdown."""
    texts = [disarm(wrapper.replace("{P}", payload)) for payload in PAYLOADS]
    for viewer in (commonmark, nbconvert):
        assert [] == [text for text in texts if actors(viewer(text))]


@pytest.mark.parametrize("text", [PAYLOADS, NAUGHTY], ids=["attacks", "naughty strings"])
def test_jupyterlab_puts_formulas_back_unharmed(text):
    """What JupyterLab cuts out as a formula does not act when it is put back."""
    assert [] == [part for part in text if actors(jupyterlab(disarm(f"${part}$ {part} $$ {part}")))]


@given(answers())
def test_mixed_markdown_is_inert(answer):
    """However Markdown is mixed, all viewers agree that nothing in it acts."""
    text = disarm(answer)
    assert [] == [actors(viewer(text)) for viewer in VIEWERS if actors(viewer(text))]


@pytest.mark.parametrize("number", range(0, len(PAYLOADS), 90))
def test_every_beginning_is_inert(number):
    """While an answer grows, each state of it is as safe as the last."""
    payload = PAYLOADS[number]
    answer = f"[{payload}](http://a)\n\n- `{payload}`\n  ```\n  {payload}$\n  ```\n$${payload}"[
        :400
    ]
    texts = [disarm(answer[:end]) for end in range(len(answer) + 1)]
    for viewer in VIEWERS:
        assert [] == [text for text in texts if actors(viewer(text))]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("<b onclick=x>hi</b>", "&lt;b onclick=x>hi&lt;/b>"),
        ("<!-- c --> <? p ?>", "&lt;!-- c --> &lt;? p ?>"),
        ("![a cat](http://a.example/c.png)", "[a cat](http://a.example/c.png)"),
        ("![](http://a.example/c.png)", "<http://a.example/c.png>"),
        ("[![a](http://b.example/i)](http://c.example)", "[a](http://c.example)"),
        ("\\![a](http://b.example)", "\\![a](http://b.example)"),
        ("[x](javascript:alert)", "[x\\](javascript:alert)"),
        ("[x](&#106;avascript:alert)", "[x\\](javascript:alert)"),
        ("[x](//a.example)", "[x\\](//a.example)"),
        ("[x](page.html)", "[x\\](page.html)"),
        ("[x](http://a.example 'title')", "[x](http://a.example)"),
        ("[x][r]\n\n[r]: http://a.example", "[x](http://a.example)"),
        ("[r]: javascript:alert\n\n[r]", "[r\\]: javascript:alert\n\n[r]"),
        ("<https://a.example/b_c>", "<https://a.example/b_c>"),
        ("<javascript:alert>", "&lt;javascript:alert>"),
        (
            '[x](<http://a.example/$" onclick="y$>)',
            "[x](http://a.example/%24%22%20onclick=%22y%24)",
        ),
        ("a<br>b", "a\\\nb"),
        ("```mermaid\nx\n```", "```\nx\n```"),
        ("```Mermaid\nx\n```", "```\nx\n```"),
        ("- ***", "- ___"),
        ("- \n- a", "-\n- a"),
        ("# a \\#", "# a \\#"),
        ("~~\u2060~~x", "x"),
        ("``` {=html}\nx\n```", "```\nx\n```"),
    ],
)
def test_what_becomes_of(markdown, expected):
    """Markup turns into the text or the link that says the same."""
    assert expected == disarm(markdown)


@pytest.mark.parametrize(
    "command", ["href{javascript:x}{y}", "def\\frac{x}", "style{a}{b}", "htmlId{a}{b}"]
)
def test_formulas_that_act_are_code(command):
    """A command that links, styles or redefines is shown, and not typeset."""
    assert f"`\\{command}`" == disarm(f"$\\{command}$")


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        (r"\(x^2\)", "$x^2$"),
        (r"\[x^2\]", "$$x^2$$"),
        ("$a<b$", "$a< b$"),
        ("$$\na &= b \\\\\n= c\n$$", "$$a &= b \\\\ = c$$"),
        ("$$\nx\n\n- y\n$$", "$$x - y$$"),
        ("$$\na &= b \\\\\nc\n$$", "$$\na &= b \\\\\nc\n$$"),
        ("> $$\n> a\n> b\n> $$", "> $$a b$$"),
        ("$x$5", "\\$~~\u2060~~x\\$~~\u2060~~5"),
        (r"\(x\)5", "$x$\u20605"),
        (r"\begin{align}a\end{align}", r"$$\begin{align}a\end{align}$$"),
        ("| a |\n|---|\n| \\(\\|x\\|\\) |", "| a |\n| --- |\n| $\\vert x\\vert $ |"),
    ],
)
def test_formulas_stay(markdown, expected):
    """A formula keeps its meaning in the one notation that every viewer knows."""
    assert expected == disarm(markdown)


@pytest.mark.parametrize(
    "line",
    [
        *("\\# x", "\\> x", "\\* x", "\\- x", "\\+ x", "1\\. x", "1\\) x", "\\: x"),
        *("\\===", "\\---", "\\|---|", "\\:--|--:"),
    ],
)
def test_a_line_that_starts_no_block_stays_text(line):
    """What was escaped, as it would be a heading, a list, a table and so on, is so again."""
    assert f"a | b\n{line}" == disarm(f"a | b\n{line}")


def test_prices_are_no_formula():
    """Two dollar signs in a paragraph are parted, or MathJax would typeset what is between."""
    assert "\\$~~\u2060~~5 and \\$~~\u2060~~10" == disarm("$5 and $10")


def test_a_single_price_is_only_escaped():
    """One dollar sign cannot be half of a formula for MathJax."""
    assert "It costs \\$5." == disarm("It costs $5.")


@pytest.mark.parametrize("code", ["a$", r"\begin{a}", r"\\(", r"\\["])
def test_code_that_opens_a_formula_stands_alone(code):
    """JupyterLab reads on from a formula in code up to an empty line: there must be one."""
    block = f"```\n{code}\n```"
    item = block.replace("\n", "\n  ")
    assert block == disarm(block.replace("```", "> ```").replace(code, f"> {code}"))
    assert f"- a\n\n- {item}\n\n- b" == disarm(f"- a\n- {item}\n- b")
