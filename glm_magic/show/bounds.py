"""What a small text could make a parser of Markdown write without end, bounded. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock

#: Levels of quotes that are read, or twice those of lists: what stands deeper is text with its
#: marks. Each level is read and written line by line, so that the work grows with the square.
DEEPEST = 30
#: Characters of addresses that the links of a short text may write out; a long one has its length.
FEWEST = 100_000


class References(dict[str, dict[str, Any]]):  # Any: what the parser keeps of a definition
    """The definitions of links in a text of *size* characters, for the parser's `references`.

    A definition can be used again and again, so that what is written out could
    grow with the square of the text. Once the bound is reached, what would be
    a link is text, as in CommonMark's reference implementation.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = max(FEWEST, size)

    def get(self, label: str, default: Any = None) -> Any:  # Any: as above
        """Return the definition of *label*, unless too much was written out already."""
        found = super().get(label, default)
        if found:
            self._left -= len(found["href"])
        return found if self._left >= 0 else default


def bound_nesting(parser: MarkdownIt) -> None:
    """Have *parser* read no quote and no list below the level `DEEPEST`."""
    from markdown_it.rules_block import blockquote, list_block  # 20 ms that only shown text needs

    ruler = parser.block.ruler
    ruler.at(
        "blockquote",
        _bounded(blockquote),
        {"alt": ["paragraph", "reference", "blockquote", "list"]},
    )
    ruler.at("list", _bounded(list_block), {"alt": ["paragraph", "reference", "blockquote"]})


_Rule = Callable[["StateBlock", int, int, bool], bool]


def _bounded(rule: _Rule) -> _Rule:
    return lambda state, *where: state.level < DEEPEST and rule(state, *where)
