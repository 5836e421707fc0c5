r"""Runs of text written again as Markdown in which nothing runs or loads; for `disarm`. No I/O.

A mark is written only where it was read, and everything in text that some viewer might take for
one is escaped. Three finds shape the rest. Viewers cut formulas out before they look for code,
and MathJax looks for them once more in what is displayed. A bare address, linked by the viewer,
takes the backquote behind it along. And marked can lose sight of code that stands near emphasis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from .grammar import is_link

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode as Node

_JOINER = "\u2060"
#: Struck-through nothing: MathJax looks for formulas within one text node, and this ends it.
BREAK = f"~~{_JOINER}~~"

#: So many dollar signs of one text are told apart by a break: each makes marked slower for all.
_MOST_BREAKS = 1000

_SPECIAL = re.compile(
    r"<(?![\s\d=])|&(?=#?\w+;)|[`$]"
    r"|\\(?:(?=[(\[]|begin\{)|(?=[!-/:-@[-`{-~])|\Z)"
    r"|(?<!\s)\*|\*(?!\s)|(?<!\w)_+|(?<!_)_+(?!\w)|(?<!\s)~|~(?!\s)"
    r"|\](?=[(\[:])|!(?=\[)"
)
_ENTITIES = {"<": "&lt;", "&": "&amp;", "`": "&#96;"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONG_GAP = re.compile(" {100,}")  # mistune reads these again from each of their blanks
_TICKS = re.compile(r"`+")
_TEX_GAPS = re.compile(r"(?<=<)(?=\S)|(?<=\])(?=[\[(:])|(?<=!)(?=\[)|(?<=:)(?=//)|(?<=www)(?=\.)")

_LINK_CHARS = "-._~:/?#@%&=+,;"
_BARE_LINK = re.compile(
    r"((?:https?|ftp)://|www\.)([\w.~:/?#@%=+,&-]*[\w/#=&+-])?(\s|;)?", re.I | re.A
)

# What starts a formula even inside code, in nbconvert and JupyterLab.
_OPENS_FORMULA = re.compile(r"\$\$|\\begin\{|\\\\[(\[]")
# What would run, load or link if a viewer did not see that it stands in code ...
_RAW = re.compile(r"<[A-Za-z/!?]|!\[|\]\(|ftp://", re.I)
# ... and what makes some of them misjudge, after emphasis or a link, where code ends.
_TANGLES = re.compile(r"[*~`]|(?<!\w)_|_(?!\w)")
_MARKS = {"em", "strong", "s", "link", "image"}
# What must not touch: `$x$5` is a price, `$x$$y$` another formula, marked reads ~` and $` as text.
_CLASH = re.compile(r"\$[$\d`]|[~`]`|~~")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where text stands: near unruly code, in a link; how its dollar signs and line ends are."""

    dollar: str
    is_tangled: bool
    hard: str
    soft: str
    in_link: bool = False


def write_text(node: Node, *, hard: str = "\\\n", soft: str = "\n") -> str:
    """Return the text of *node*, a block, with *hard* and *soft* for its two kinds of line end."""
    nodes = list(node.walk())
    is_tangled = _is_tangled(nodes)
    text = "".join(n.content for n in nodes if _is_text(n, is_tangled=is_tangled))
    dollar = _dollar(text.count("$"), sum(n.type == "formula" for n in nodes))
    written = _spans(node.children[0].children, _Place(dollar, is_tangled, hard, soft))
    while written.endswith("\\\n"):
        written = written[:-2]
    return "\n".join(line.strip(" ") for line in written.split("\n"))


def _dollar(count: int, formulas: int) -> str:
    """Return how a dollar sign in text is written, of which there are *count* beside *formulas*."""
    if count > _MOST_BREAKS:
        return "\uff04"  # its wide form, which starts no formula
    return "\\$" + BREAK if count + formulas > 1 else "\\$"


def write_tex(tex: str) -> str:
    """Return *tex* meaning the same, and safe where a viewer does not take it for a formula."""
    text = "\n".join(filter(None, (line.strip() for line in tex.split("\n"))))
    text = re.sub(r"\n(?![\\&({A-Za-z])", " ", text)  # a line such as `= b` would make a heading
    return _TEX_GAPS.sub(" ", text.replace('"', "\u201d"))


def _is_tangled(nodes: list[Node]) -> bool:
    code = [n.content for n in nodes if n.type == "code_inline"]
    text = "".join(n.content for n in nodes if _is_text(n, is_tangled=False))
    is_marked = any(n.type in _MARKS for n in nodes) or re.search(r"[$\\]", text)
    return any("](" in part or (is_marked and _TANGLES.search(part)) for part in code)


def _is_text(node: Node, *, is_tangled: bool) -> bool:
    if node.type != "code_inline":
        return node.type == "text"
    return bool(_OPENS_FORMULA.search(node.content) or (is_tangled and _RAW.search(node.content)))


def _spans(nodes: Iterable[Node], place: _Place) -> str:
    pieces = [""]
    for node in nodes:
        piece = _SPANS[node.type](node, place)
        if piece.startswith("[") and pieces[-1].endswith("!"):
            pieces[-1] = pieces[-1][:-1] + "\\!"  # or the link would be an image
        if _CLASH.fullmatch(pieces[-1][-1:] + piece[:1]):
            pieces.append(_JOINER)
        if piece:
            pieces.append(piece)
    return "".join(pieces)


def _text(node: Node, place: _Place) -> str:
    text = _LONG_GAP.sub(" ", _CONTROL.sub(" ", node.content))
    pieces, at = [], 0
    for found in _BARE_LINK.finditer(text):
        pieces += [_escape(text[at : found.start()], place), _bare_link(found, place)]
        at = found.end()
    whole = "".join([*pieces, _escape(text[at:], place)])
    if place.in_link:
        return whole.replace("\\]", "]").replace("[", "&#91;").replace("]", "&#93;")
    return whole


def _bare_link(found: re.Match[str], place: _Place) -> str:
    start, rest, end = found[1], found[2] or "", found[3] or ""
    text = start + "&amp;".join(_escape(part, place) for part in rest.split("&")) + end
    if end.isspace() and text == found[0]:
        return text
    is_entity = "&" in rest and end == ";"
    if is_link(start + rest) and not is_entity and not place.in_link:
        return f"<{start}{rest}>{end}"
    return re.sub(r":(?=//)|(?<=www)\.", lambda sign: f"&#{ord(sign[0])};", text, flags=re.I)


def _escape(text: str, place: _Place) -> str:
    def escaped(found: re.Match[str]) -> str:
        char, following = found[0], text[found.end() : found.end() + 1]
        if char == "\\" and following in {"(", "[", "b"}:
            return "\\\\" + BREAK
        if char == "\\" and not following:
            return "&#92;"
        if char == "$":
            return place.dollar
        return _ENTITIES.get(char) or "\\" + "\\".join(char)

    return _SPECIAL.sub(escaped, text)


def _line_end(node: Node, place: _Place) -> str:
    if place.in_link:
        return " "
    return place.hard if node.type == "hardbreak" else place.soft


def _code(node: Node, place: _Place) -> str:
    if _is_text(node, is_tangled=place.is_tangled):
        return _text(node, place)
    code, runs = node.content, set(_TICKS.findall(node.content))
    ticks = "`"
    while ticks in runs:
        ticks += "`"
    is_padded = code[:1] == code[-1:] == " " and code.strip(" ")
    pad = " " if "`" in code[:1] + code[-1:] or is_padded else ""
    fence_guard = _JOINER if ticks.startswith("```") else ""
    return f"{fence_guard}{ticks}{pad}{code}{pad}{ticks}"


def _emphasis(node: Node, place: _Place) -> str:
    text = _spans(node.children, place)
    return f"{node.markup}{text}{node.markup}" if text else ""


def _struck(node: Node, place: _Place) -> str:
    text = _spans(node.children, place)
    if "~~" in text:
        return text
    start, end = (_JOINER if side in ("`", "~") else "" for side in (text[:1], text[-1:]))
    return f"~~{start}{text}{end}~~"


def _link(node: Node, place: _Place) -> str:
    """Write a link, or an image as one."""
    address = str(node.attrs.get("href") or node.attrs.get("src", ""))
    address = quote(address, safe=_LINK_CHARS).replace("@@", "%40%40").replace("&", "&amp;")
    label = _spans(node.children, replace(place, in_link=True))
    if place.in_link or not is_link(address):
        return label
    is_bare = not label or (node.info == "auto" and node.children[0].content == address)
    return f"<{address}>" if is_bare else f"[{label}]({address})"


def _formula(node: Node, place: _Place) -> str:
    tex = write_tex(node.content).replace("\n", " ")
    if place.hard == "<br>":  # in a table, where `|` ends the cell
        tex = tex.replace("\\|", "\\Vert ").replace("|", "\\vert ")
    return f"{node.markup}{tex}{node.markup}"


_SPANS: dict[str, Callable[[Node, _Place], str]] = {
    "text": _text,
    "softbreak": _line_end,
    "hardbreak": _line_end,
    "code_inline": _code,
    "em": _emphasis,
    "strong": _emphasis,
    "s": _struck,
    "link": _link,
    "image": _link,
    "formula": _formula,
}
