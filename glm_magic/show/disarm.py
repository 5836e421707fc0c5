r"""Markdown in, the same Markdown out, with nothing in it that runs or loads. No I/O.

An answer is hostile until shown otherwise, and whoever shows it parses it anew: marked in
JupyterLab, mistune in nbconvert, cmark on GitHub. So it is not filtered but parsed to a tree
and written again in one plain dialect those parsers agree on (CommonMark, tables, `~~`, `$`
formulas). What may not stay (HTML, images, links to anything but http, https and mailto,
formulas with commands that act) becomes visible text, links or code.

Parsers differ most in formulas, which JupyterLab and nbconvert cut out of the source before
they look for code: a `$` here and a `$` there can hide the fence between them and lay open the
code behind it. Every rule about `$` below is there to rule that out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.tree import SyntaxTreeNode as Node

#: A longer formula is text: this bounds the search for the end of one that has none.
LONGEST_FORMULA = 8000
#: Levels of lists and quotes that are parsed; what is nested deeper is left out.
DEEPEST = 100

_JOINER = "\u2060"
# Struck-through nothing: MathJax looks for formulas within one text node, and this ends it.
_BREAK = f"~~{_JOINER}~~"
_LISTS = {"bullet_list", "ordered_list"}
_CODE = {"fence", "code_block"}

_LINK = re.compile(r"https?://[^\s/?#]|mailto:[^\s]", re.I)
_LINK_CHARS = "-._~:/?#@%&=+,;"
# Viewers make a link of a bare address and take all up to the next blank for it, a backquote too.
_BARE_LINK = re.compile(r"((?:https?|ftp)://|www\.)([\w.~:/?#@%=+,&-]*[\w/#=&+-])?(\s|;)?", re.I | re.A)
_INFO = re.compile(r"(?!mermaid)[\w+#.-]{1,40}", re.I | re.A)  # nbconvert runs mermaid
_LINE_BREAK = re.compile(r"<br\s*/?>\s*", re.I)
_TICKS = re.compile(r"`+")

_OPENING = re.compile(r"\$\$?|\\\(|\\\[|\\begin\{([A-Za-z]+\*?)\}")
_CLOSINGS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
# What starts a formula even inside code: in nbconvert, and in JupyterLab within lists and quotes.
_OPENS_IN_SPAN = re.compile(r"\$\$|\\begin\{|\\\\[(\[]")
_OPENS_IN_FENCE = re.compile(r"\$|\\begin\{|\\\\[(\[]")
# Commands that link, style, load, or change the meaning of others.
_ACTS = re.compile(
    r"\\(?:href|url|require|loadlib|style|class|cssId|data|html\w*|includegraphics|unicode"
    r"|mmlToken|bbox|texttip|mathtip|toggle|enclose|tooltip|csname|expandafter|catcode|input"
    r"|[gex]?def|let|futurelet|(?:re)?new(?:command|environment)|provide\w+|Declare\w+"
    r"|Newextarrow)(?![A-Za-z])"
)
# JupyterLab counts braces without these, and reads on to another `$` while one is open.
_NO_BRACE = re.compile(r"\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]", re.I)
_TEX_GAPS = re.compile(r"(?<=<)(?=\S)|(?<=\])(?=[\[(:])|(?<=!)(?=\[)|(?<=:)(?=//)|(?<=www)(?=\.)")

_SPECIAL = re.compile(
    r"<(?![\s\d=])|&(?=#?\w+;)|[`$]"
    r"|\\(?:(?=[(\[]|begin\{)|(?=[!-/:-@[-`{-~])|\Z)"
    r"|(?<!\s)\*|\*(?!\s)|(?<!\w)_+|_+(?!\w)|(?<!\s)~|~(?!\s)"
    r"|\](?=[(\[:])|!(?=\[)"
)
# What would run, load or link if a viewer did not see that it stands in code ...
_RAW = re.compile(r"<[A-Za-z/!?]|!\[|\]\(")
# ... and what makes some of them misjudge, after emphasis or a link, where code ends.
_TANGLES = re.compile(r"[*~`]|(?<!\w)_|_(?!\w)")
_MARKS = {"em", "strong", "s", "link", "image"}
_ENTITIES = {"<": "&lt;", "&": "&amp;", "`": "&#96;"}
# What must not touch: `$x$5` is a price, `$x$$y$` another formula, marked reads ~` as text.
_CLASH = re.compile(r"\$[$\d]|[~`]`")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# A line that would be a list, a definition, a heading, a quote, a rule or part of a table.
_STARTS_BLOCK = re.compile(
    r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+*:](?:\s|$)|#|>|[-=:|][-=:| ]*$))", re.M
)


def disarm(markdown: str) -> str:
    """Return *markdown* written so that no Markdown viewer runs or loads anything from it.

    Visible text, code and formulas stay; blank text gives "". Any beginning
    of a text is as safe as the whole, and what is disarmed already stays the
    same to the eye. Lists and quotes are followed `DEEPEST` levels down.
    """
    if not markdown.strip():
        return ""
    tree = _parse(markdown.replace(_BREAK, ""))
    longest = max((len(run) for node in _code(tree) for run in _TICKS.findall(node.content)), default=0)
    # One length for all fences: where a viewer loses one, the next still ends the code.
    return _blocks(tree.children, "`" * max(3, longest + 1))


def _code(node: Node) -> Iterator[Node]:
    return (inner for inner in node.walk() if inner.type in _CODE)


# --- reading -------------------------------------------------------------------------------


def _parse(markdown: str) -> Node:
    from markdown_it.tree import SyntaxTreeNode  # 20 ms that only shown text needs

    return SyntaxTreeNode(_parser().parse(markdown))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # see above

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = _is_link  # type: ignore[method-assign]  # its documented hook
    parser.block.ruler.before("fence", "formula", _formula_block, {"alt": ["paragraph"]})
    parser.inline.ruler.before("escape", "formula", _formula_inline)
    parser.inline.ruler.before("autolink", "line_break", _line_break)
    return parser


def _is_link(address: str) -> bool:
    return _LINK.match(address) is not None


def _line_break(state: StateInline, silent: bool) -> bool:  # noqa: FBT001, the parser's interface
    """Keep `<br>`, the one tag that models need (in tables) and that can do nothing."""
    found = _LINE_BREAK.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _formula_inline(state: StateInline, silent: bool) -> bool:  # noqa: FBT001, as above
    opening = _OPENING.match(state.src, state.pos)
    if not opening:
        return False
    closing = _closing(opening)
    end = _find(state.src, closing, opening.end())
    tex = _trim(state.src[opening.end() : end], opening)
    if end < 0 or not tex or "`" in tex:
        return False
    if closing == "$" and not _is_formula(state.src[opening.end() : end], state.src[end + 1 : end + 2]):
        return False
    if not silent:
        _push(state, opening, tex, "formula", "code_inline")
    state.pos = end + len(closing)
    return True


def _formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    opening = _OPENING.match(state.src, state.bMarks[start] + state.tShift[start])
    if state.is_code_block(start) or not opening or opening[0] in {"$", "\\("}:
        return False
    found = _formula_lines(state, opening, start, end)
    if found is None:
        return False
    if not silent:
        tex, state.line = found
        _push(state, opening, tex, "formula_block", "code_block")
    return True


def _formula_lines(
    state: StateBlock, opening: re.Match[str], start: int, end: int
) -> tuple[str, int] | None:
    """Return the formula after *opening* and the line behind it, if a line ends with it."""
    tex, at = "", opening.end()
    for line in range(start, end):
        body, closed, rest = state.src[at : state.eMarks[line]].partition(_closing(opening))
        tex += body + "\n"
        if closed:
            tex = _trim(tex, opening)
            return None if rest.strip() or not tex else (tex, line + 1)
        at = state.bMarks[line + 1] + state.tShift[line + 1]
        is_outside = state.sCount[line + 1] < state.blkIndent and at < state.eMarks[line + 1]
        if is_outside or len(tex) > LONGEST_FORMULA:
            break
    return None


def _closing(opening: re.Match[str]) -> str:
    return f"\\end{{{opening[1]}}}" if opening[1] else _CLOSINGS[opening[0]]


def _find(text: str, closing: str, start: int) -> int:
    end = text.find(closing, start, start + LONGEST_FORMULA)
    while closing == "$" and end > 0 and text[end - 1] == "\\":
        end = text.find(closing, end + 1, start + LONGEST_FORMULA)
    return end


def _is_formula(tex: str, following: str) -> bool:
    """Tell `$x$` from the prices in `$5 and $10`."""
    if following.isdigit():
        return False
    padded = tex[0].isspace() + tex[-1].isspace()
    return not padded or (padded > 1 and re.search(r"[\\^_=]", tex) is not None)


def _trim(tex: str, opening: re.Match[str]) -> str:
    if opening[1]:
        return f"{opening[0]}{tex}{_closing(opening)}"
    return tex.strip().rstrip("\\ \t\n")


def _push(  # the last two are the kinds of token
    state: StateInline | StateBlock, opening: re.Match[str], tex: str, formula: str, code: str
) -> None:
    """Add a formula, or the code of one that acts or whose end JupyterLab would not see."""
    mark = "$" if opening[0] in {"$", "\\("} else "$$"
    token = state.push(formula if _is_harmless(tex) else code, "", 0)
    token.content, token.markup = tex.replace("\n", " ") if token.type == "code_inline" else tex, mark


def _is_harmless(tex: str) -> bool:
    rest, depth = _NO_BRACE.sub("", tex), 0
    for brace in re.findall(r"[{}]", rest):
        depth = depth + 1 if brace == "{" else max(0, depth - 1)
    is_closed = not depth and "$" not in rest and not tex.endswith("$")
    return is_closed and "`" not in tex and not _ACTS.search(tex)


# --- writing blocks ------------------------------------------------------------------------


def _blocks(nodes: Iterable[Node], fence: str) -> str:
    return "\n\n".join(filter(None, (_BLOCKS[node.type](node, fence) for node in nodes)))


def _paragraph(node: Node, _fence: str) -> str:
    return _STARTS_BLOCK.sub(r"\1\\", _inline(node))


def _heading(node: Node, _fence: str) -> str:
    text = re.sub(r"(^|\s)(#+)$", r"\1\\\2", _inline(node, hard=" ", soft=" "))
    return f"{'#' * int(node.tag[1])} {text}".rstrip()


def _rule(node: Node, _fence: str) -> str:
    return "___" if node.level else "---"  # `- ---` would be a rule, not an item


def _code_block(node: Node, fence: str) -> str:
    info = _INFO.match(node.info.strip())
    return f"{fence}{info[0] if info else ''}\n{node.content.removesuffix(chr(10))}\n{fence}"


def _formula_lines_out(node: Node, _fence: str) -> str:
    tex = _tex(node.content)
    return f"$$\n{tex}\n$$" if "\n" in tex and not node.level else f"$${' '.join(tex.split(chr(10)))}$$"


def _quote(node: Node, fence: str) -> str:
    body = _blocks(node.children, fence)
    if _opens_formula(node):
        return body  # only an empty line keeps JupyterLab from reading on, and a quote has none
    return "\n".join(f"> {line}" if line else ">" for line in body.split("\n"))


def _list(node: Node, fence: str) -> str:
    is_loose = _opens_formula(node) or any(
        child.type == "paragraph" and not child.hidden for item in node.children for child in item.children
    )
    first = int(node.attrs.get("start", 1))
    markers = [
        f"{first + n}{item.markup}" if node.type == "ordered_list" else item.markup
        for n, item in enumerate(node.children)
    ]
    items = [_item(item, marker, fence, is_loose) for item, marker in zip(node.children, markers)]
    return ("\n\n" if is_loose else "\n").join(items)


def _item(node: Node, marker: str, fence: str, is_loose: bool) -> str:
    body = ""
    for child in node.children:
        is_close = not is_loose and child.type in _LISTS | _CODE
        body += ("\n" if is_close else "\n\n") + _BLOCKS[child.type](child, fence)
    indent = " " * (len(marker) + 1)
    return re.sub(r"\n(?!\n)", "\n" + indent, f"{marker} {body.strip(chr(10))}").rstrip(" ")


def _opens_formula(node: Node) -> bool:
    return any(_OPENS_IN_FENCE.search(code.content) for code in _code(node))


def _table(node: Node, _fence: str) -> str:
    rows = [row.children for part in node.children for row in part.children]
    lines = [[_cell(cell) for cell in row] for row in rows]
    lines.insert(1, [_ALIGN[str(cell.attrs.get("style", ""))] for cell in rows[0]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(node: Node) -> str:
    return _inline(node, hard="<br>", soft=" ").replace("|", "\\|")


_ALIGN = {"": "---", "text-align:left": ":--", "text-align:center": ":-:", "text-align:right": "--:"}
_BLOCKS: dict[str, Callable[[Node, str], str]] = {
    "paragraph": _paragraph, "heading": _heading, "hr": _rule, "fence": _code_block,
    "code_block": _code_block, "formula_block": _formula_lines_out, "blockquote": _quote,
    "bullet_list": _list, "ordered_list": _list, "table": _table,
}


# --- writing text --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where text stands: beside other dollar signs, in a link, and how its lines break."""

    is_crowded: bool
    is_tangled: bool
    hard: str
    soft: str
    in_link: bool = False


def _inline(node: Node, *, hard: str = "\\\n", soft: str = "\n") -> str:
    nodes = list(node.walk())
    is_tangled = _is_tangled(nodes)
    text = "".join(n.content for n in nodes if _is_text(n, is_tangled=is_tangled))
    formulas = sum(n.type == "formula" for n in nodes)
    is_crowded = "$" in text and text.count("$") + formulas > 1
    written = _spans(node.children[0].children, _Place(is_crowded, is_tangled, hard, soft))
    while written.endswith("\\\n"):
        written = written[:-2]
    return "\n".join(line.strip(" ") for line in written.split("\n"))


def _is_tangled(nodes: list[Node]) -> bool:
    code = [n.content for n in nodes if n.type == "code_inline"]
    is_marked = any(n.type in _MARKS or re.search(r"[$\\]", n.content) for n in nodes if n.type != "inline")
    return any("](" in part or (is_marked and _TANGLES.search(part)) for part in code)


def _is_text(node: Node, *, is_tangled: bool) -> bool:
    if node.type != "code_inline":
        return node.type == "text"
    return bool(_OPENS_IN_SPAN.search(node.content) or (is_tangled and _RAW.search(node.content)))


def _spans(nodes: Iterable[Node], place: _Place) -> str:
    pieces: list[str] = [""]
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
    text = _CONTROL.sub(" ", node.content)
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
    if _is_link(start + rest) and not is_entity and not place.in_link:
        return f"<{start}{rest}>{end}"
    return re.sub(r":(?=//)|(?<=www)\.", lambda sign: f"&#{ord(sign[0])};", text, flags=re.I)


def _escape(text: str, place: _Place) -> str:
    def escaped(found: re.Match[str]) -> str:
        char, following = found[0], text[found.end() : found.end() + 1]
        if char == "\\" and following in {"(", "[", "b"}:
            return "\\\\" + _BREAK
        if char == "\\" and not following:
            return "&#92;"
        if char == "$" and place.is_crowded:
            return "\\$" + _BREAK
        return _ENTITIES.get(char) or "\\" + "\\".join(char)

    return _SPECIAL.sub(escaped, text)


def _break(node: Node, place: _Place) -> str:
    if place.in_link:
        return " "
    return place.hard if node.type == "hardbreak" else place.soft


def _code_span(node: Node, place: _Place) -> str:
    if _is_text(node, is_tangled=place.is_tangled):
        return _text(node, place)
    code, runs = node.content, set(_TICKS.findall(node.content))
    ticks = "`"
    while ticks in runs:
        ticks += "`"
    is_padded = code[:1] == code[-1:] == " " and code.strip(" ")
    pad = " " if "`" in code[:1] + code[-1:] or is_padded else ""
    return f"{_JOINER if len(ticks) > 2 else ''}{ticks}{pad}{code}{pad}{ticks}"


def _marked(node: Node, place: _Place) -> str:
    text = _spans(node.children, place)
    return f"{node.markup}{text}{node.markup}" if text else ""


def _struck(node: Node, place: _Place) -> str:
    text = _spans(node.children, place)
    return text if "~~" in text else f"~~{text}~~"


def _link(node: Node, place: _Place) -> str:
    address = str(node.attrs.get("href") or node.attrs.get("src", ""))
    address = quote(address, safe=_LINK_CHARS).replace("@@", "%40%40").replace("&", "&amp;")
    label = _spans(node.children, replace(place, in_link=True))
    if place.in_link or not _is_link(address):
        return label
    is_bare = not label or (node.info == "auto" and node.children[0].content == address)
    return f"<{address}>" if is_bare else f"[{label}]({address})"


def _formula(node: Node, place: _Place) -> str:
    tex = _tex(node.content).replace("\n", " ")
    if place.hard == "<br>":
        tex = tex.replace("\\|", "\\Vert ").replace("|", "\\vert ")
    return f"{node.markup}{tex}{node.markup}"


def _tex(tex: str) -> str:
    """Return *tex* meaning the same, and safe where a viewer does not take it for a formula."""
    lines = [line.strip() for line in re.sub(r"(?<!\\)%.*", "", tex).split("\n")]
    text = "\n".join(filter(None, lines))
    text = re.sub(r"\n(?![\\&({A-Za-z])", " ", text)  # a line such as `= b` would make a heading
    return _TEX_GAPS.sub(" ", text.replace('"', "\u201d"))


_SPANS: dict[str, Callable[[Node, _Place], str]] = {
    "text": _text, "softbreak": _break, "hardbreak": _break, "code_inline": _code_span,
    "em": _marked, "strong": _marked, "s": _struck, "link": _link, "image": _link,
    "formula": _formula,
}
