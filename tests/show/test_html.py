"""Markdown becomes HTML that shows all of it and can do nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.show import html
from glm_magic.show.html import LARGEST_IMAGE, render
from glm_magic.show.sanitiser import sanitise
from tests.show.inspector import inspect

DATA = Path(__file__).parents[1] / "data"
HOSTILE = json.loads((DATA / "xss_payloads.json").read_text("utf-8"))
PAYLOADS = [payload["p"] for payload in HOSTILE["payloads"]]
WRAPPERS = HOSTILE["markdown_wrappers"] + HOSTILE["markdown_code_wrappers"]
NAUGHTY = json.loads((DATA / "blns.json").read_text("utf-8"))

PIXEL = "data:image/png;base64,iVBORw0KGgo="
LINK, DEAD = (
    'target="_blank" rel="noopener noreferrer nofollow"',
    'rel="noopener noreferrer nofollow" target="_blank"',
)


def faults(markdown: str) -> list[str]:
    """Return what must not be in the page that *markdown* becomes."""
    return inspect(render(markdown)).faults


def text_in(tag: str, markdown: str) -> str:
    """Return the text that *markdown* has in elements called *tag*; all of it for ""."""
    return inspect(render(markdown)).texts.get(tag, "")


# --- hostile text --------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_hostile_html_does_nothing(wrapper):
    """Nothing that acts comes out, wherever in Markdown hostile HTML stands."""
    assert [] == [p for p in PAYLOADS if faults(wrapper.replace("{P}", p))]


def test_the_sanitiser_alone_is_enough():
    """Hostile HTML that reached the last step as HTML would still lose what acts."""
    assert [] == [p for p in PAYLOADS if inspect(sanitise(p)).faults]


@pytest.mark.parametrize(
    "page",
    [
        '<p id="x" style="color:red" class="jp-Cell" onclick="a()">t</p>',
        '<p data-commandlinker-command="a" data-commandlinker-args="{}">t</p>',
        '<form action="https://h.example"></form><p>t</p>',
        '<p>t<iframe src="https://h.example"></iframe></p>',
        '<p>t<svg onload="a()"><use href="#x"></use></svg></p>',
        "<p>t</p><!-- c -->",
    ],
)
def test_what_the_sanitiser_takes_away(page):
    """Of a page only what our own renderer writes is left."""
    assert "<p>t</p>" == sanitise(page)


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ('<math href="https://h.example"><mi>x</mi></math>', "<math><mi>x</mi></math>"),
        ("<math><maction><mi>x</mi></maction></math>", "<math><mi>x</mi></math>"),
        ('<math><mspace width="999em"></mspace></math>', "<math><mspace></mspace></math>"),
        ('<a href="/lab/tree">t</a>', f"<a {DEAD}>t</a>"),
        ('<a href="data:text/html,x">t</a>', f"<a {DEAD}>t</a>"),
        ('<img src="data:image/svg+xml;base64,QUJD" alt="t">', '<img alt="t">'),
        ('<span class="jp-Cell k">t</span>', '<span class="k">t</span>'),
        ('<a href="https:h.example">t</a>', f"<a {DEAD}>t</a>"),
        ('<a href="https://h.example/a b">t</a>', f"<a {DEAD}>t</a>"),
        ('<a href="https://h.example/\u202e">t</a>', f"<a {DEAD}>t</a>"),
        ('<mark title="https://h.example">t</mark>', "<mark>t</mark>"),
        ('<ol start="1e9"><li>t</li></ol>', "<ol><li>t</li></ol>"),
        ('<figure class="glm-code glm-actions">t</figure>', '<figure class="glm-code">t</figure>'),
        (
            '<table><tbody><tr><td align="char">t</td></tr></tbody></table>',
            "<table><tbody><tr><td>t</td></tr></tbody></table>",
        ),
    ],
)
def test_what_the_sanitiser_leaves(page, kept):
    """Formulas cannot link or act, data is images only, links are absolute, classes our own."""
    assert kept == sanitise(page)


@pytest.mark.parametrize("start", range(0, 450, 30))
def test_every_beginning_is_safe(start):
    """A text that ends anywhere, as while it streams, is as safe as the whole."""
    text = "\n\n".join(
        wrapper.replace("{P}", payload[:80])
        for wrapper, payload in zip(WRAPPERS[start % 7 :: 7], PAYLOADS[start:], strict=False)
    )
    assert [] == [end for end in range(len(text)) if faults(text[:end])]


@given(st.lists(st.sampled_from(
    [*"[]()<>!*_`~$\\|&#:-\n \t\"'=", "a", "](", "](javascript:", "![", "https://h.example/", "\\(",
     "\\)", "\\[", "\\]", "\\text{", "}", "<img src=x onerror=a()>", "<br>", "```", "    ", "> ",
     "- [ ] ", "1. ", "data:image/png;base64,QUJD", "&lt;", "\u202e", "\x01", "\ud800", "中"]
)).map("".join))  # fmt: skip
def test_any_mixture_is_safe(markdown):
    """What Markdown is made of, in any order, becomes a page without faults."""
    assert [] == faults(markdown)


@pytest.mark.parametrize("wrapper", ["{P}", "# {P}", "- {P}", "[{P}](https://h.example)", "${P}$"])
def test_naughty_strings_are_safe(wrapper):
    """Strings that break programs break nothing here."""
    assert [] == [text for text in NAUGHTY if faults(wrapper.replace("{P}", text))]


def test_html_is_text():
    """Raw HTML is shown as it was written."""
    markdown = '<b class="glm-host" onclick="a()">x</b> <!-- y -->'
    assert markdown == text_in("", markdown).strip()


@pytest.mark.parametrize(
    "markdown",
    ['``` k" onclick="a()\nx\n```', "``` <b>\nx\n```", "# x {#id .class}", '[x](y "t" class=z)'],
)
def test_no_attribute_is_forged(markdown):
    """Neither a label of code nor anything after a text makes an attribute of it."""
    assert not re.search(r'<[^>]*(onclick|id=|class="(?!glm-)|title=)', render(markdown))


def test_half_a_character_is_replaced():
    """Half of a surrogate pair, which JSON can bring, does not stop the text."""
    assert "<p>a\ufffdb</p>\n" == render("a\ud83db")


# --- links and images ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "address", "host"),
    [
        ("[x](https://h.example/a?b=c&d)", "https://h.example/a?b=c&amp;d", "h.example"),
        ("[x](HTTP://[::1]:80)", "HTTP://[::1]:80", "[::1]"),
        ("[https://h.example](https://e.example)", "https://e.example", "e.example"),
        ("[x](mailto:a@h.example?subject=b)", "mailto:a@h.example?subject=b", "a@h.example"),
        ("<https://аpple.example>", "https://xn--pple-43d.example", "xn--pple-43d.example"),
        ("[x][r]\n\n[r]: https://h.example", "https://h.example", "h.example"),
        ("[a <https://b.example> c](https://h.example)", "https://h.example", "h.example"),
    ],
)
def test_link_says_where_it_leads(markdown, address, host):
    """The host stands after a link whose text is not its address."""
    page = render(markdown)
    assert page.startswith(f'<p><a href="{address}" {LINK}>')
    assert page.endswith(f'</a><bdi class="glm-host"> ({host})</bdi></p>\n')


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://h.example/a", "https://h.example/a"),
        ("h.example", "https://h.example/"),
        ("https://h.example/你好", "https://h.example/%E4%BD%A0%E5%A5%BD"),
        ("a@h.example", "mailto:a@h.example"),
    ],
)
def test_address_is_not_said_twice(text, address):
    """A link whose text is its address is that and no more."""
    assert f'<p><a href="{address}" {LINK}>{text}</a></p>\n' == render(f"[{text}]({address})")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/hosts",
        "//h.example/a",
        "/lab/tree",
        "#top",
        "https:h.example",
        "https://good.example@evil.example",
        "https://good.example%5C@evil.example",
        "jupyter:run",
    ],
)
def test_address_that_is_not_followed(address):
    """Anything but http, https and mailto is shown, and no link; nor is a host with a user."""
    page = render(f"[x]({address})")
    assert "<a" not in page
    assert page.startswith('<p>x<bdi class="glm-host"> (')


def test_control_characters_do_not_hide_a_scheme():
    """A scheme is not recognised by a browser either when it is encoded."""
    assert [] == faults("[x](java&#10;script:alert(1)) [y](&#1;javascript:a) [z](\tjavascript:a)")


def test_empty_link_shows_its_address():
    """A link without a text can be read."""
    page = f'<p><a href="https://h.example" {LINK}>https://h.example</a></p>\n'
    assert page == render("[](https://h.example)")


def test_text_cannot_turn_a_host_around():
    """What reverses the text after it is marked, and the host stands apart from it."""
    page = render("\u202e[x](https://h.example)")
    assert '<mark class="glm-hidden" title="U+202E">\u202e</mark>' in page
    assert '<bdi class="glm-host"> (h.example)</bdi>' in page


def test_image_is_not_fetched():
    """An image is a link that says what it was, with its whole address."""
    address = "https://h.example/i.png?a=b"
    assert (
        f'<p><a href="{address}" class="glm-image" {LINK}>image: a b ({address})</a></p>\n'
        == render(f"![a *b*]({address} 'title')")
    )


@pytest.mark.parametrize("address", ["i.png", "//h.example/i.png", "file:///i.png", "a:i.png"])
def test_image_without_an_address_on_the_web(address):
    """An image that cannot be fetched is a text."""
    page = render(f"![a]({address})")
    assert f'<p><span class="glm-image">image: a ({address})</span></p>\n' == page


def test_image_in_a_link():
    """There is no link in a link: the image becomes its text."""
    page = render("[![](https://h.example/i.png)](https://h.example)")
    assert '<span class="glm-image">image: (https://h.example/i.png)</span></a>' in page
    assert 1 == page.count("<a ")


def test_image_of_its_own_bytes():
    """A picture that is all in the text is shown."""
    assert f'<p><img src="{PIXEL}" alt="a &quot;b&quot;"></p>\n' == render(f'![a "b"]({PIXEL})')


@pytest.mark.parametrize(
    "address",
    [
        "data:image/svg+xml;base64,QUJD",
        "data:image/svg+xml,%3Csvg/%3E",
        "data:image/png,x",
        "data:text/html;base64,QUJD",
        "data:image/png;base64," + "A" * (LARGEST_IMAGE * 4 // 3 + 4),
    ],
    ids=lambda address: address[:30],
)
def test_data_that_is_no_picture(address):
    """SVG, other data, and more than two mebibytes are named, not shown."""
    kind = address.partition(",")[0]
    assert f'<p><span class="glm-image">image: a ({kind})</span></p>\n' == render(
        f"![a]({address})"
    )


# --- code ----------------------------------------------------------------------------------

CODE = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))
FRAGMENTS = st.lists(
    st.sampled_from(
        ['"""', "'", "def f(", "/*", "*/", "\n", "  ", "{", "<", "&", "#", "\u202e", "`"]
    )
).map("".join)


@pytest.mark.parametrize(
    "language", ["", "python", "js", "html", "bash", "sql", "make", "c++", "x"]
)
@given(code=CODE | FRAGMENTS)
def test_code_is_kept_to_the_letter(language, code):
    """The text of a code block is the code, whatever is in it and whatever colours it."""
    fence = "`" * (max(map(len, re.findall("`+", code)), default=2) + 3)
    assert f"{code}\n" == text_in("code", f"{fence}{language}\n{code}\n{fence}")


@given(CODE.filter(lambda code: code.strip() and not set(code) & set("`\n")))
def test_code_span_is_kept_to_the_letter(code):
    """The text of a code span is the code."""
    assert code == text_in("code", f"a ``` {code} ```")


def test_code_has_a_label_and_colours():
    """Code stands in a figure with its language, and its words in Pygments' classes."""
    assert (
        '<figure class="glm-code"><figcaption>Python</figcaption><pre><code>'
        '<span class="k">def</span> <span class="nf">f</span>(): <span class="k">pass</span>\n'
        "</code></pre></figure>\n"
    ) == render("```Python title=x\ndef f(): pass\n```")


@pytest.mark.parametrize("markdown", ["```\n<b>\n```", "    <b>", "~~~\n<b>"])
def test_code_without_a_language(markdown):
    """Code that names no language, indented or still open, is plain and has no label."""
    page = render(markdown)
    assert page.replace("\n", "") == (
        '<figure class="glm-code"><pre><code>&lt;b&gt;</code></pre></figure>'
    )


@pytest.mark.parametrize(
    "sign", ["\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\x1b", "\U000e0041"]
)
def test_hidden_characters_of_code_are_marked(sign):
    """What one cannot see in code has a mark with its name around it, and is still there."""
    mark = f'<mark class="glm-hidden" title="U+{ord(sign):04X}">{sign}</mark>'
    assert f"<p><code>a{mark}b</code></p>\n" == render(f"`a{sign}b`")


def test_prose_keeps_its_joiners():
    """Emoji and scripts that need invisible characters are left alone outside code."""
    assert "<p>👩\u200d💻 می\u200cخواهم ❤\ufe0f</p>\n" == render("👩\u200d💻 می\u200cخواهم ❤\ufe0f")


def test_slow_colours_stop(monkeypatch):
    """Where colours would take too long, the rest of the code is plain and still all there."""
    monkeypatch.setattr(html, "PATIENCE", -1.0)
    assert "<pre><code>def f(): ...\n</code></pre>" in render("```python\ndef f(): ...\n```")


def test_long_code_ends_plain(monkeypatch):
    """Only the beginning of long code has colours."""
    monkeypatch.setattr(html, "LONGEST_CODE", 4)
    assert '<span class="k">def</span> def' in render("```python\ndef def\n```")


# --- formulas ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "closing", "display"),
    [
        ("$", "$", "inline"),
        ("\\(", "\\)", "inline"),
        ("$$", "$$", "block"),
        ("\\[", "\\]", "block"),
    ],
)
def test_formula_becomes_mathml(opening, closing, display):
    """Each way to write a formula is known, within a text as well."""
    math = f'<math display="{display}"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    assert f"<p>a {math} b</p>\n" == render(f"a {opening}x^2{closing} b")


@pytest.mark.parametrize(
    "markdown",
    [
        "$$\nx\n\n+y\n$$",
        "\\[\nx\n+y\n\\]",
        "$$ x + y $$",
        "\\begin{equation}\nx+y\n\\end{equation}",
    ],
)
def test_formula_on_its_own_lines(markdown):
    """A displayed formula is a block, and goes over blank lines."""
    mathml = '<math display="block"><mrow><mi>x</mi><mo>+</mo><mi>y</mi></mrow></math>'
    assert f'<div class="glm-formula">{mathml}</div>\n' == render(markdown)


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{a}{b}",
        r"\sum_{i=1}^{n} i^2 = \frac{n(n+1)(2n+1)}{6}",
        r"\int_0^\infty e^{-x^2}\,\mathrm{d}x = \frac{\sqrt{\pi}}{2}",
        r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}",
        r"\begin{aligned}a &= b\\c &= d\end{aligned}",
        r"f(x) = \begin{cases}1 & x > 0\\0 & \text{otherwise}\end{cases}",
        r"\left\{\begin{align*}a &= b\end{align*}\right.",
        r"\mathbb{E}[X] \le \hat{y} \approx \operatorname{softmax}(z)",
        r"\text{若 } x \in \mathbb{R}",
        r"\underbrace{a+b}_{c} \xrightarrow{n \to \infty} \boxed{42}",
    ],
)
def test_usual_tex_is_read(tex):
    """What models usually write becomes a formula, with none of its commands left."""
    page = inspect(render(f"$${tex}$$"))
    assert "\\" not in page.texts["math"]
    assert [] == page.faults


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{a}{",
        r"\unknown{x}",
        r"\begin{foo}x\end{foo}",
        r"x_1_2",
        r"\left( x",
        r"\def\a{xx}\def\b{\a\a}\b",
        r"\newcommand{\a}{\a\a}\a",
        "{" * 3000,
    ],
    ids=lambda tex: tex[:20],
)
def test_bad_tex_is_code(tex):
    """A formula that cannot be read, or would grow, is shown as it was written."""
    assert f'<code class="glm-tex">{tex}</code>' in render(f"$${tex}$$")


@pytest.mark.parametrize(
    "tex",
    [r"\href{javascript:a()}{x}", r"\class{k}{x}", r"\style{color:red}{x}", r"\text{<img src=x>}"],
)
def test_tex_cannot_act(tex):
    """Commands that link, style or write HTML do none of it."""
    page = render(f"${tex}$")
    assert [] == inspect(page).faults
    assert not re.search(r"<(?!/?(p|math|m[a-z]+)\b)|href|class|style", page)


@pytest.mark.parametrize("text", ["$5 and $10", "a $ b", r"\$x\$", "`$x$`", "$`x`$"])
def test_money_is_no_formula(text):
    """A dollar sign that begins no formula is a dollar sign."""
    assert "<math" not in render(text)


def test_half_a_formula_is_text():
    """A formula that has no end yet does not swallow what follows."""
    assert "<p>$$\nx</p>\n<p>y</p>\n" == render("$$\nx\n\ny")


# --- the rest of Markdown ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "page"),
    [
        ("", ""),
        ("# 标题", "<h1>标题</h1>"),
        ("**你好**，世界", "<p><strong>你好</strong>，世界</p>"),
        ("*a* ~~b~~ `c`\\\nd", "<p><em>a</em> <s>b</s> <code>c</code><br>d</p>"),
        ("> a\n\n---", "<blockquote><p>a</p></blockquote><hr>"),
        ("- a\n  1. b\n     - c", "<ul><li>a<ol><li>b<ul><li>c</li></ul></li></ol></li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>"),
        ("- a [ ] b\n\n[ ] c", "<ul><li>a [ ] b</li></ul><p>[ ] c</p>"),
        ("a<br>b<br/>\nc", "<p>a<br>b<br>c</p>"),
    ],
)
def test_markdown(markdown, page):
    """Texts, lists, quotes and boxes become what one expects."""
    assert page == render(markdown).replace("\n", "")


def test_table():
    """A table keeps the sides to which its columns are set."""
    assert (
        '<table><thead><tr><th align="right">a</th><th>b</th></tr></thead>'
        '<tbody><tr><td align="right">1<br>2</td><td>|</td></tr></tbody></table>'
    ) == render("| a | b |\n|--:|---|\n| 1<br>2 | \\| |").replace("\n", "")


def test_importing_is_light():
    """The libraries are loaded when the first block is rendered, and not before."""
    heavy = {"nh3", "markdown_it", "pygments", "latex2mathml"}
    script = f"import glm_magic.show.html, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "set()\n" == done.stdout
