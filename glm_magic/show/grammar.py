r"""What `disarm` reads as Markdown: CommonMark, tables, `~~`, formulas and `<br>`. No I/O.

Formulas are `$…$`, `\(…\)`, `$$…$$`, `\[…\]` and `\begin{…}…\end{…}`. One with commands that act,
or whose end JupyterLab would not see, is read as code. Raw HTML is text, and so is a link to
anything but http, https and mailto.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from .bounds import bound

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode as Node

#: A longer formula is text: this bounds the search for the end of one that has none.
LONGEST_FORMULA = 8000
#: Levels of emphasis and links in one text.
DEEPEST_SPAN = 50

OPENING = re.compile(r"\$\$?|\\\(|\\\[|\\begin\{([A-Za-z]+\*?)\}")
_DOLLAR = re.compile(r"(?<!\\)\$")
_CLOSINGS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_LINK = re.compile(r"https?://[^\s/?#]|mailto:[^\s]", re.I)
_LINE_BREAK = re.compile(r"<br\s*/?>\s*", re.I)
# Commands that link, style, load, or change the meaning of others.
_ACTS = re.compile(
    r"\\(?:href|url|require|loadlib|style|class|cssId|data|html\w*|includegraphics|unicode"
    r"|mmlToken|bbox|texttip|mathtip|toggle|enclose|tooltip|csname|expandafter|catcode|input"
    r"|[gex]?def|let|futurelet|(?:re)?new(?:command|environment)|provide\w+|Declare\w+"
    r"|Newextarrow)(?![A-Za-z])"
)
# A backslash that is itself escaped leaves the percent sign alone.
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
# JupyterLab counts braces without these, and reads on to another `$` while one is open.
_NO_BRACE = re.compile(r"\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]", re.I)


def parse(markdown: str) -> Node:
    """Return *markdown* as a tree, with nodes `formula` and `formula_block` for formulas.

    Their `content` is TeX, their `markup` `$$` for one that is displayed, else `$`.
    """
    from markdown_it.tree import SyntaxTreeNode  # 20 ms that only shown text needs

    tokens = _parser().parse(markdown)
    for token in tokens:
        token.children = _shallow(token.children or [], 0) or token.children
    return SyntaxTreeNode(tokens)


def _shallow(tokens: list[Token], depth: int) -> list[Token]:
    """Return the *tokens* of a text at *depth* without the marks that are nested too deep."""
    kept: list[Token] = []
    for token in tokens:
        depth -= token.nesting < 0
        inner = _shallow(token.children or [], depth + 1)  # of an image
        token.children = inner or token.children
        is_deep = depth >= DEEPEST_SPAN and bool(token.nesting or inner)
        kept += inner if is_deep else [token]
        depth += token.nesting > 0
    return kept


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # see above

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 100})
    parser.enable(["table", "strikethrough"])
    bound(parser)
    # Its documented hook: what is no link is left in the text as it was written.
    parser.validateLink = is_link  # type: ignore[method-assign, assignment]
    parser.block.ruler.before("fence", "formula", _formula_block, {"alt": ["paragraph"]})
    parser.inline.ruler.before("escape", "formula", _formula_inline)
    parser.inline.ruler.before("autolink", "line_break", _line_break)
    return parser


def is_link(address: str) -> bool:
    """Say whether *address* may be linked to: absolute http and https, and mailto."""
    return _LINK.match(address) is not None


def closing_of(opening: re.Match[str]) -> str:
    """Return what ends the formula that begins with *opening*, a match of `OPENING`."""
    return f"\\end{{{opening[1]}}}" if opening[1] else _CLOSINGS[opening[0]]


def read_formula(
    state: StateBlock, opening: re.Match[str], start: int, end: int
) -> tuple[str, int] | None:
    """Return the TeX of a formula and the line behind it, or None if no line ends with its end.

    It begins with *opening*, a match of `OPENING` in the line *start*, and
    ends before the line *end* of *state*.
    """
    lines: list[str] = []
    at, closing = opening.end(), closing_of(opening)
    if not _ends_a_line(state.src, closing, at):  # most cannot be one, and are not looked at again
        return None
    for line in range(start, end):
        body, closed, rest = state.src[at : state.eMarks[line]].partition(closing)
        lines.append(body)
        if closed:
            tex = _trim("\n".join(lines), opening)
            return (tex, line + 1) if tex and not rest.strip() else None
        at = state.bMarks[line + 1] + state.tShift[line + 1]
        is_outside = state.sCount[line + 1] < state.blkIndent and at < state.eMarks[line + 1]
        if is_outside or at - opening.end() > LONGEST_FORMULA:
            break
    return None


def _ends_a_line(text: str, closing: str, start: int) -> bool:
    """Whether the next *closing* after *start* is near, and the last thing in its line."""
    end = text.find(closing, start, start + LONGEST_FORMULA)
    if end < 0:
        return False
    line_end = text.find("\n", end)
    return not text[end + len(closing) : line_end if line_end >= 0 else None].strip()


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
    opening = OPENING.match(state.src, state.pos)
    end = _find_end(state.src, opening) if opening else -1
    if not opening or end < 0:
        return False
    inner = state.src[opening.end() : end]
    tex = _trim(inner, opening)
    is_price = opening[0] == "$" and not _is_formula(inner, state.src[end + 1 : end + 2])
    if not tex or "`" in tex or is_price:
        return False
    if not silent:
        _push(state, opening, tex, ("formula", "code_inline"))
    state.pos = end + len(closing_of(opening))
    return True


def _find_end(text: str, opening: re.Match[str]) -> int:
    start, last = opening.end(), opening.end() + LONGEST_FORMULA
    if opening[0] != "$":
        return text.find(closing_of(opening), start, last)
    found = _DOLLAR.search(text, start, last)
    return found.start() if found else -1


def _is_formula(inner: str, following: str) -> bool:
    """Tell `$x$` from the prices in `$5 and $10`."""
    if not inner or following.isdigit():
        return False
    padded = inner[0].isspace(), inner[-1].isspace()
    return not any(padded) or (all(padded) and re.search(r"[\\^_=]", inner) is not None)


def _formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001, as above
    opening = OPENING.match(state.src, state.bMarks[start] + state.tShift[start])
    if state.is_code_block(start) or not opening or opening[0] in {"$", "\\("}:
        return False
    found = read_formula(state, opening, start, end)
    if found is None:
        return False
    if not silent:
        tex, state.line = found
        _push(state, opening, tex, ("formula_block", "code_block"))
    return True


def _trim(tex: str, opening: re.Match[str]) -> str:
    """Return the formula without the blanks and line ends around it; a named one with its name."""
    if opening[1]:
        return f"{opening[0]}{tex}{closing_of(opening)}"
    return tex.strip().rstrip("\\ \t\n")


def _push(
    state: StateInline | StateBlock, opening: re.Match[str], tex: str, kinds: tuple[str, str]
) -> None:
    """Add a token of the first of *kinds* for a formula, or of the second for one shown as code."""
    formula, code = kinds
    bare = _without_comments(tex)  # what is written is what has to be harmless
    is_formula = bare != "" and _is_harmless(tex) and _is_harmless(bare)
    token = state.push(formula if is_formula else code, "", 0)
    token.markup = "$" if opening[0] in {"$", "\\("} else "$$"
    shown = bare if is_formula else tex
    token.content = shown.replace("\n", " ") if token.type == "code_inline" else shown


def _without_comments(tex: str) -> str:
    return _COMMENT.sub(r"\1", tex).strip().rstrip("\\ \t\n")


def _is_harmless(tex: str) -> bool:
    rest, depth = _NO_BRACE.sub("", tex), 0
    for brace in re.findall(r"[{}]", rest):
        depth = depth + 1 if brace == "{" else max(0, depth - 1)
    is_closed = not depth and "$" not in rest and not tex.endswith("$")
    return is_closed and "`" not in tex and not _ACTS.search(tex)
