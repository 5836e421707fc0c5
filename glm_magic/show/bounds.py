"""What a small text could have a parser of Markdown write without end, bounded. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline

#: Levels of quotes that are read, or twice those of lists: what stands deeper are paragraphs that
#: begin with its marks. Each level is read and written line by line: the work grows by the square.
DEEPEST = 30
#: Cells that a table may lack: each row has as many as the first, so that a short one is filled up.
MOST_LACKING = 500
#: Characters of addresses that links may write out, beside twice those of the whole text.
FEWEST = 100_000


class References(dict[str, dict[str, Any]]):  # Any: what the parser keeps of a definition
    """The definitions of links in a text of *size* characters, for the parser's `references`.

    A definition can be used again and again, so that what is written out could
    grow with the square of the text. Where a use is too much, what would be
    a link is text, as in CommonMark's reference implementation.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = FEWEST + 2 * size
        #: Whether a link that is found is written, and not only looked for.
        self.is_used = True

    def get(self, label: str, default: Any = None) -> Any:  # Any: as above
        """Return the definition of *label*, unless with it too much would be written out."""
        found = super().get(label)
        cost = len(found["href"]) if found else 0
        if found is None or cost > self._left:
            return default
        self._left -= cost if self.is_used else 0
        return found


def bound(parser: MarkdownIt) -> None:
    """Have *parser* keep to the bounds above."""
    from markdown_it.rules_block import blockquote, list_block, table
    from markdown_it.rules_inline import image, link  # 20 ms that only shown text needs

    in_text = ["paragraph", "reference"]
    at = parser.block.ruler.at
    at("blockquote", _unless_deep(blockquote), {"alt": [*in_text, "blockquote", "list"]})
    at("list", _unless_deep(list_block), {"alt": [*in_text, "blockquote"]})
    at("table", _unless_ragged(table), {"alt": in_text})
    parser.core.ruler.before("normalize", "bounds", _begin)
    parser.inline.ruler.at("link", _counted(link))
    parser.inline.ruler.at("image", _counted(image))


def _begin(state: StateCore) -> None:
    state.env["references"] = References(len(state.src))


_BlockRule = Callable[["StateBlock", int, int, bool], bool]
_InlineRule = Callable[["StateInline", bool], bool]


def _unless_deep(rule: _BlockRule) -> _BlockRule:
    return lambda state, *where: state.level < DEEPEST and rule(state, *where)


def _unless_ragged(rule: _BlockRule) -> _BlockRule:
    def bounded(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001, the parser's interface
        is_table = rule(state, start, end, True)  # noqa: FBT003, as above
        if silent or not is_table:
            return is_table
        return rule(state, start, _last_row(state, start, end), silent)

    return bounded


def _last_row(state: StateBlock, start: int, end: int) -> int:
    """Return the line up to which the table that begins at *start* lacks few enough cells."""
    columns, lacking = _bars(state, start) + 1, 0
    for line in range(start + 2, end):
        lacking += max(0, columns - 1 - _bars(state, line))
        if lacking > MOST_LACKING:
            return line
        if state.isEmpty(line):
            break
    return end


def _bars(state: StateBlock, line: int) -> int:
    return state.src.count("|", state.bMarks[line], state.eMarks[line])


def _counted(rule: _InlineRule) -> _InlineRule:
    def counted(state: StateInline, silent: bool) -> bool:  # noqa: FBT001, the parser's interface
        references = state.env["references"]
        before, references.is_used = references.is_used, not silent
        try:
            return rule(state, silent)
        finally:
            references.is_used = before

    return counted
