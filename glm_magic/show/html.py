"""A block of Markdown as HTML that a page may insert as it is: for the panel. No I/O.

There is one way through: markdown-it-py reads the block, to which HTML is text; the functions
below write its tokens; and nh3 keeps only those tags, attributes and classes that they write.
So nothing in the result runs, loads or submits anything, and no class or link can be forged.

For the style sheet of the page: `figure.glm-code` with Pygments' own classes, `mark.glm-hidden`
(a character one cannot see, its name in `title`; as an `inline-block` it cannot turn the text
around it), `.glm-image` (an image that was not fetched: a link, or a `span` without address),
`bdi.glm-host` (where a link leads), `div.glm-formula`, `code.glm-tex` (an unreadable formula).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from html import escape
from time import thread_time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .bounds import bound
from .formulas import add_formulas, mathml
from .sanitiser import sanitise

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

#: Bytes of an image that stands in the text itself; a larger one is not shown.
LARGEST_IMAGE = 2 * 1024 * 1024
#: Characters of a piece of code that get colours ...
LONGEST_CODE = 20_000
#: ... and seconds of computing that these may take; the rest stays plain.
PATIENCE = 0.05

_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile(r"<br\s*/?>[ \t]*\n?", re.I)
_BOX = re.compile(r"^\[([ xX])\](?=\s)")
_LANGUAGE = re.compile(r"\s*([\w+#.-]{1,40})", re.A)

# Languages in colours: those whose lexers cannot be made to think for seconds about one token.
_LANGUAGES = (
    "bash c c# c++ clojure cmake cpp cs csharp css dart diff docker dockerfile elixir fortran go"
    " golang graphql haskell html java javascript js json jsx julia kotlin latex lua make makefile"
    " nginx octave perl php powershell ps1 py python python3 r rb rs ruby rust scala scss sh shell"
    " sql swift tex toml ts tsx typescript xml yaml yml zig zsh"
)

# The one form of address that is followed: without a user's name, which could pass for a host.
_ADDRESS = re.compile(
    r"https?://([\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?(?:[/?#][!-~]*)?"
    r"|mailto:([\w.+-]+@[\w.-]+)(?:\?[!-~]*)?",
    re.I | re.A,
)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
_FRAME = re.compile(r"^(?:https?://|mailto:)|/$")

# What turns around the text after it ...
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# ... and whatever else cannot be seen, which prose needs for joined letters and emoji.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def render(markdown: str) -> str:
    """Return *markdown* as safe HTML.

    Any beginning of a text is as safe as the whole. What is in a `code`
    element is the code to the letter, apart from what CommonMark replaces
    (carriage returns, U+0000) and halves of surrogate pairs.
    """
    tokens = _parser().parse(_SURROGATE.sub("\ufffd", markdown))
    _tick_boxes(tokens)
    return sanitise(_write(tokens))


# --- reading -------------------------------------------------------------------------------


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # 20 ms that only shown text needs

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 50})
    parser.enable(["table", "strikethrough"])
    bound(parser)
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # see _link
    parser.inline.ruler.before("autolink", "line_break", _line_break)
    add_formulas(parser)
    return parser


def _line_break(state: StateInline, silent: bool) -> bool:  # noqa: FBT001, the parser's interface
    """Keep `<br>`, the one tag that models need (in tables) and that can do nothing."""
    found = _LINE_BREAK.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _tick_boxes(tokens: list[Token]) -> None:
    """Make signs of the `[ ]` and `[x]` that items of a list begin with."""
    for item, text in zip(tokens, tokens[2:], strict=False):  # between them opens a paragraph
        if item.type == "list_item_open" and text.children:
            first = text.children[0]
            first.content = _BOX.sub(lambda box: "☐☑"[box[1] != " "], first.content)


# --- writing text --------------------------------------------------------------------------


def _write(tokens: Iterable[Token]) -> str:
    return "".join(_WRITERS.get(token.type, _tag)(token) for token in tokens)


def _tag(token: Token) -> str:
    if token.hidden:
        return ""
    if token.nesting < 0:
        return f"</{token.tag}>" + "\n" * token.block
    return f"<{token.tag}{''.join(_attribute(*pair) for pair in token.attrs.items())}>"


def _attribute(name: str, value: str | float) -> str:
    """Write one of the two that the parser makes: `start` of a list, `style` of a cell."""
    if name == "style":
        name, value = "align", str(value).removeprefix("text-align:")
    return f' {name}="{value}"'


def _mark(text: str, unseen: re.Pattern[str] = _UNSEEN) -> str:
    """Escape *text*, and put a mark around each *unseen* character."""
    return unseen.sub(_marked, escape(text, quote=False))


def _marked(sign: re.Match[str]) -> str:
    return f'<mark class="glm-hidden" title="U+{ord(sign[0]):04X}">{sign[0]}</mark>'


def _plain(tokens: Iterable[Token] | None) -> str:
    """Return what *tokens* say, without their marks."""
    return "".join(
        token.content or ("\n" if token.type.endswith("break") else "") for token in tokens or ()
    )


# --- writing links and images --------------------------------------------------------------


def _inline(token: Token) -> str:
    pieces: list[str] = []
    label: list[Token] = []
    opening: Token | None = None
    for child in token.children or ():
        if opening is None and child.type != "link_open":
            pieces.append(_write([child]))
        elif opening is None:
            opening, label = child, []
        elif child.type == "link_close" and child.level == opening.level:
            pieces.append(_link(str(opening.attrs["href"]), label))
            opening = None
        else:
            label.append(child)
    return "".join(pieces)


def _link(address: str, label: list[Token]) -> str:
    """Write *label* as a link, and where it leads unless it says just that.

    One that is not to be followed is no link, but still says what it was.
    """
    text = _plain(label) if label else address
    shown = "".join(map(_in_label, label)) if label else _mark(address)
    found = _ADDRESS.fullmatch(address)
    if found:
        shown = f'<a href="{escape(address)}">{shown}</a>'
    if _bare(text) == _bare(unquote(address)):
        return shown
    where = found[1] or found[2] if found else _short(address)
    return f'{shown}<bdi class="glm-host"> ({_mark(where)})</bdi>'


def _in_label(token: Token) -> str:
    """Write a part of a link, in which there can be no other."""
    if token.type in {"link_open", "link_close"}:
        return ""
    return f"<span{_caption(token)}</span>" if token.type == "image" else _write([token])


def _image(token: Token) -> str:
    """Write an image that brings its bytes along, and instead of any other a link to it."""
    address = str(token.attrs["src"])
    if len(address) * 3 // 4 <= LARGEST_IMAGE and _PICTURE.fullmatch(address):
        return f'<img src="{address}" alt="{escape(_plain(token.children))}">'
    if _ADDRESS.fullmatch(address):
        return f'<a href="{escape(address)}"{_caption(token)}</a>'
    return f"<span{_caption(token)}</span>"


def _caption(token: Token) -> str:
    alt, address = _plain(token.children), _short(str(token.attrs["src"]))
    return f' class="glm-image">image: {_mark(f"{alt} ({address})".lstrip())}'


def _short(address: str) -> str:
    """Return *address*, or of one that is data only what kind of data it is."""
    return address.partition(",")[0] if address.lower().startswith("data:") else address


def _bare(address: str) -> str:
    return _FRAME.sub("", address)


# --- writing code and formulas -------------------------------------------------------------


def _code_span(token: Token) -> str:
    return f"<code>{_mark(token.content)}</code>"


def _code_block(token: Token) -> str:
    language = _LANGUAGE.match(token.info)
    label = f"<figcaption>{language[1]}</figcaption>" if language else ""
    code = _highlight(token.content, language[1] if language else "")
    return f'<figure class="glm-code">{label}<pre><code>{code}</code></pre></figure>\n'


def _highlight(code: str, language: str) -> str:
    from pygments.lexers import get_lexer_by_name  # 20 ms that only shown code needs
    from pygments.util import ClassNotFound

    if language.lower() not in _LANGUAGES.split():
        return _mark(code)
    try:
        return "".join(_spans(code, get_lexer_by_name(language)))
    except ClassNotFound:
        return _mark(code)


def _spans(code: str, lexer: Lexer) -> Iterator[str]:
    """Yield all of *code*, in colours as far as *lexer* follows it letter by letter, and quickly.

    Every lexer has texts for which it takes the square of their length.
    """
    end, at = thread_time() + PATIENCE, 0
    for _, kind, text in lexer.get_tokens_unprocessed(code[:LONGEST_CODE]):
        if thread_time() > end or not code.startswith(text, at):
            break
        name = _class_of(kind)
        yield f'<span class="{name}">{_mark(text)}</span>' if name else _mark(text)
        at += len(text)
    yield _mark(code[at:])


@cache
def _class_of(kind: _TokenType) -> str:
    """Return Pygments' name for *kind*, or "" for what has the colour of other text."""
    from pygments.token import STANDARD_TYPES

    while kind not in STANDARD_TYPES:
        kind = kind.parent
    name: str = STANDARD_TYPES[kind]
    return "" if name in {"n", "p", "w"} else name


def _formula(token: Token) -> str:
    is_displayed = token.markup == "$$"
    math = mathml(token.content, is_displayed=is_displayed)
    return math or f'<code class="glm-tex">{_mark(token.content)}</code>'


def _formula_block(token: Token) -> str:
    return f'<div class="glm-formula">{_formula(token)}</div>\n'


_WRITERS: dict[str, Callable[[Token], str]] = {
    "inline": _inline,
    "text": lambda token: _mark(token.content, _TURNING),
    "softbreak": lambda _: "\n",
    "image": _image,
    "code_inline": _code_span,
    "code_block": _code_block,
    "fence": _code_block,
    "formula": _formula,
    "formula_block": _formula_block,
}
