r"""A growing Markdown text cut into blocks that will not change any more. No I/O.

A block is finished when the next one has begun with a whole line: until then a list may go on
after an empty line, a paragraph may turn out a heading or the head of a table. An open formula
(`$$`, `\[`, `\begin`) keeps its block open, whatever its lines look like. A link whose address
is defined elsewhere (`[text][name]`) is not looked up across blocks, and raw HTML is text.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from .bounds import bound
from .grammar import LONGEST_FORMULA, OPENING, closing_of, read_formula

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock

#: Characters of a tail that is looked at again at each new line.
SHORT = 2000

_LINE_END = re.compile(r"\r\n?|\n")
_OPEN = "open_formula"


class BlockSplitter:
    """Cuts one growing text; all blocks and the `tail`, joined, are the text fed so far.

    For a text whose end was taken back, make a new one.
    """

    __slots__ = ("_next", "tail")

    def __init__(self) -> None:
        #: The text that is not in a finished block yet.
        self.tail = ""
        self._next = 0

    def feed(self, text: str) -> list[str]:
        """Add *text* and return the blocks it finished, with the empty lines behind them.

        The work depends on the length of the tail, not of the whole text. A
        tail of many kB is looked at again when it has grown by a sixteenth.
        """
        self.tail += text
        if len(self.tail) < self._next or not ("\n" in text or "\r" in text):
            return []
        blocks, self.tail = split(self.tail)
        self._next = len(self.tail) + max(0, len(self.tail) - SHORT) // 16
        return blocks


def split(markdown: str) -> tuple[list[str], str]:
    """Return the finished blocks of *markdown* and the open rest."""
    line_ends = [0, *(found.end() for found in _LINE_END.finditer(markdown))]
    lines = [markdown[start:end] for start, end in pairwise(line_ends)]
    if markdown.endswith("\r"):
        lines.pop()  # its \n may be on the way
    ends = [0, *_starts(lines)[1:]]
    blocks = ["".join(lines[start:end]) for start, end in pairwise(ends)]
    return blocks, markdown[sum(map(len, blocks)) :]


def _starts(lines: list[str]) -> list[int]:
    """Return the lines on which the top-level blocks begin."""
    tokens = _parser().parse("".join(lines))
    starts = [token.map[0] for token in tokens if token.map and not token.level]
    if tokens and tokens[-1].type == _OPEN and lines[starts[-1] - 1].strip():
        starts.pop()  # if the formula never ends, it is text and goes on from the line before
    return starts


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # 20 ms that only shown text needs

    parser = MarkdownIt("commonmark", {"html": False})
    parser.enable("table")
    bound(parser)
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.block.ruler.before("fence", "formula", _formula, {"alt": ["paragraph"]})
    return parser


def _formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001, the parser's interface
    """Take a top-level formula as one block, up to the end of the text if it is still open."""
    opening = OPENING.match(state.src, state.bMarks[start] + state.tShift[start])
    is_nested = state.level > 0 or state.is_code_block(start)
    if is_nested or not opening or opening[0] in {"$", "\\("}:
        return False
    found = read_formula(state, opening, start, end)
    is_near_end = len(state.src) - opening.end() < LONGEST_FORMULA  # or the search has no bound
    is_open = not found and is_near_end and closing_of(opening) not in state.src[opening.end() :]
    if not found and not is_open:
        return False
    last = found[1] if found else end
    if not silent:
        state.line = last
        state.push(_OPEN if is_open else "formula", "", 0).map = [start, last]
    return True
