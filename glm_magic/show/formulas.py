r"""Formulas in Markdown: where they begin and end, and what they are in MathML. No I/O.

Known are `$…$`, `\(…\)`, `$$…$$`, `\[…\]` and `\begin{…}…\end{…}`; all but the first two may go
over blank lines.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

#: A longer formula is text: this bounds the search for the end of one that has none.
LONGEST = 8000

_OPENING = re.compile(r"\$\$?|\\[(\[]|\\begin\{([A-Za-z]+\*?)\}")
_DOLLAR = re.compile(r"(?<!\\)\$")
_CLOSINGS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_REST = re.compile(r"[^\S\n]*(?:\n|\Z)")
# Commands that make commands: a few of them can grow into megabytes.
_MACRO = re.compile(r"\\(?:[gex]?def|let|(?:re)?new|provide|Declare)")
# What the converter does not know, it takes for a variable.
_COMMAND = re.compile(r"\\[A-Za-z]")
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([A-Za-z]+)\*?\}")
# What the converter calls them; "" for those that only say "displayed".
_ENVIRONMENTS = {
    **{name: name for name in ("array", "cases", "matrix", "smallmatrix")},
    **{name: name for name in ("pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix")},
    **dict.fromkeys(("align", "aligned", "eqnarray", "flalign", "split"), "align*"),
    **dict.fromkeys(("gather", "gathered", "multline"), "matrix"),
    **dict.fromkeys(("equation", "displaymath", "math"), ""),
    "dcases": "cases",
}


def add_formulas(parser: MarkdownIt) -> None:
    """Make *parser* find formulas.

    They become tokens of the types `formula` (within text) and `formula_block`,
    with the TeX as `content`, and as `markup` `$$` for one that is displayed, else `$`.
    """
    parser.inline.ruler.before("escape", "formula", _within_text)
    parser.block.ruler.before("fence", "formula", _on_lines, {"alt": ["paragraph"]})


@lru_cache(maxsize=256)  # while a block grows, its formulas are asked for again and again
def mathml(tex: str, *, is_displayed: bool) -> str | None:
    """Return *tex* as a `<math>` element, or None when not all of it can be read."""
    if len(tex) > LONGEST or _MACRO.search(tex):
        return None
    try:
        return _converted(_ENVIRONMENT.sub(_renamed, tex), "block" if is_displayed else "inline")
    except Exception:  # noqa: BLE001, bad TeX ends in the converter's errors and in any other
        return None


def _renamed(found: re.Match[str]) -> str:
    name = _ENVIRONMENTS[found[2]]
    return f"\\{found[1]}{{{name}}}" if name else ""


def _converted(tex: str, display: str) -> str | None:
    from xml.etree.ElementTree import tostring  # these two: 30 ms that only formulas need

    from latex2mathml.converter import convert_to_element

    math = convert_to_element(tex, display=display)
    for element in math.iter():
        element.text = unescape(element.text or "")  # its signs are written as entities
        if _COMMAND.match(element.text):
            return None
    return tostring(math, encoding="unicode", short_empty_elements=False)


def _within_text(state: StateInline, silent: bool) -> bool:  # noqa: FBT001, the parser's interface
    opening = _OPENING.match(state.src, state.pos)
    if opening is None:
        return False
    closing = _closing(opening)
    end = _find(state.src, closing, opening.end())
    inner = state.src[opening.end() : end]
    if end < 0 or not inner.strip() or "`" in inner:
        return False
    if closing == "$" and not _is_formula(inner, state.src[end + 1 : end + 2]):
        return False
    if not silent:
        _push(state, "formula", opening, inner)
    state.pos = end + len(closing)
    return True


def _on_lines(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    opening = _OPENING.match(state.src, state.bMarks[start] + state.tShift[start])
    if opening is None or opening[0] in {"$", "\\("} or state.is_code_block(start):
        return False
    found = _read_lines(state, opening, start, end)
    if found is None:
        return False
    if not silent:
        inner, state.line = found
        _push(state, "formula_block", opening, inner)
    return True


def _read_lines(
    state: StateBlock, opening: re.Match[str], start: int, end: int
) -> tuple[str, int] | None:
    """Return what *opening* opens and the line behind it, if nothing more is on its last line."""
    closing, at = _closing(opening), opening.end()
    close = state.src.find(closing, at, at + LONGEST)
    if close < 0 or not _REST.match(state.src, close + len(closing)):
        return None
    lines = []
    for line in range(start, end):
        if close <= state.eMarks[line]:
            lines.append(state.src[at:close])
            return "\n".join(lines), line + 1
        lines.append(state.src[at : state.eMarks[line]])
        at = state.bMarks[line + 1] + state.tShift[line + 1]
        if state.sCount[line + 1] < state.blkIndent and at < state.eMarks[line + 1]:
            break  # the list item that it stands in ends first
    return None


def _closing(opening: re.Match[str]) -> str:
    return f"\\end{{{opening[1]}}}" if opening[1] else _CLOSINGS[opening[0]]


def _find(text: str, closing: str, start: int) -> int:
    if closing != "$":
        return text.find(closing, start, start + LONGEST)
    found = _DOLLAR.search(text, start, start + LONGEST)
    return found.start() if found else -1


def _is_formula(inner: str, following: str) -> bool:
    """Tell `$x$` from the prices in `$5 and $10`."""
    if following.isdigit():
        return False
    blanks = inner[0].isspace() + inner[-1].isspace()
    return not blanks or (blanks > 1 and re.search(r"[\\^_=]", inner) is not None)


def _push(state: StateInline | StateBlock, kind: str, opening: re.Match[str], inner: str) -> None:
    token = state.push(kind, "math", 0)
    token.markup = "$" if opening[0] in {"$", "\\("} else "$$"
    token.content = f"{opening[0]}{inner}{_closing(opening)}" if opening[1] else inner.strip()
