"""Where the finished blocks of a growing Markdown text end. No I/O.

Links whose definition stands further down are not looked for: a block is shown
before its text is complete.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

#: A formula that is not closed within so many characters is none.
LONGEST_FORMULA = 8000

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")
_OPENING = re.compile(r"^ {0,3}(\$\$|\\\[|\\begin\{([A-Za-z]+\*?)\})", re.MULTILINE)


class BlockSplitter:
    """Takes a text piece by piece and gives its top-level blocks as they become final.

    All blocks and the `tail` together are the text to the letter. A text that
    is taken back needs a new splitter.
    """

    def __init__(self) -> None:
        self.tail = ""

    def feed(self, text: str) -> list[str]:
        """Add *text* and return the blocks that no later text can change."""
        self.tail += text
        if "\n" not in text:
            return []
        blocks = _finished(self.tail)
        self.tail = self.tail[sum(map(len, blocks)) :]
        return blocks


def split(markdown: str) -> tuple[list[str], str]:
    """Return the finished blocks of *markdown* and the rest, which is still open."""
    splitter = BlockSplitter()
    return splitter.feed(markdown), splitter.tail


def _finished(text: str) -> list[str]:
    """Return all blocks but the last of the complete lines of *text*."""
    complete = text[: text.rfind("\n") + 1]
    lines = _LINE.findall(complete)
    tops = [token for token in _parser().parse(complete) if token.level == 0 and token.map]
    starts = [token.map[0] for token in tops if token.map and token.nesting >= 0]
    blocks: list[str] = []
    held = ""
    for start, end in zip([0, *starts[1:]], starts[1:], strict=False):
        held += "".join(lines[start:end])
        if not _is_open_formula(held):
            blocks.append(held)
            held = ""
    return blocks


def _is_open_formula(block: str) -> bool:
    """Whether *block* begins a displayed formula whose end, maybe after blank lines, is to come."""
    opening = _OPENING.search(block)
    if opening is None or len(block) > LONGEST_FORMULA:
        return False
    closing = {"$$": "$$", "\\[": "\\]"}.get(opening[1], f"\\end{{{opening[2]}}}")
    return closing not in block[opening.end() :]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # 20 ms that only shown text needs

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser
