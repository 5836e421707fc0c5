"""Markdown in, the same Markdown out, with nothing in it that runs or loads. No I/O.

An answer is hostile until shown otherwise, and whoever shows it parses it anew: marked in
JupyterLab, mistune in nbconvert, cmark on GitHub. So it is not filtered but parsed to a tree
(`grammar`) and written again in one plain dialect those parsers agree on. What may not stay
(HTML, images, links to anything but http, https and mailto, formulas with commands that act)
becomes visible text, links or code. The parsers differ most in formulas: where a `$` here and a
`$` there hide a fence between them, the code behind it lies open. Much below rules that out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from .grammar import parse
from .spans import BREAK, write_tex, write_text

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode as Node

_LISTS = {"bullet_list", "ordered_list"}
_CODE = {"fence", "code_block"}
_INFO = re.compile(r"(?!mermaid)[\w+#.-]{1,40}", re.I | re.A)  # mermaid is run by its viewers
_LONG_RUN = re.compile("`{100}(?=`)")
# What starts a formula for JupyterLab even in code, if the code stands in a list or a quote.
_OPENS_FORMULA = re.compile(r"\$|\\begin\{|\\\\[(\[]")
# A line that would be a list, a definition, a heading, a quote, a rule or part of a table.
_STARTS_BLOCK = re.compile(
    r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+*:](?:\s|$)|#|>|[-=:|][-=:| ]*$))", re.M
)
_LAST = 999_999_999  # a longer number starts no item: what is in it would be read anew
_ALIGN = {
    "": "---",
    "text-align:left": ":--",
    "text-align:center": ":-:",
    "text-align:right": "--:",
}


def disarm(markdown: str) -> str:
    """Return *markdown* written so that no Markdown viewer runs or loads anything from it.

    Visible text, code and formulas stay; blank text gives "". Any beginning
    of a text is as safe as the whole, and what is disarmed already stays the
    same to the eye.
    """
    if not markdown.strip():
        return ""
    tree = parse(markdown.replace(BREAK, ""))
    code = "\n".join(_calm(node.content) for node in _code_in(tree))
    # One length for all fences: where a viewer loses one, the next still ends the code.
    fence = max(["``", *re.findall("`+", code)], key=len) + "`"
    return _blocks(tree.children, fence)


def _code_in(node: Node) -> Iterator[Node]:
    return (inner for inner in node.walk() if inner.type in _CODE)


def _blocks(nodes: Iterable[Node], fence: str) -> str:
    return "\n\n".join(filter(None, (_BLOCKS[node.type](node, fence) for node in nodes)))


def _paragraph(node: Node, _fence: str) -> str:
    return _STARTS_BLOCK.sub(r"\1\\", write_text(node))


def _heading(node: Node, _fence: str) -> str:
    text = re.sub(r"(^|\s)(#+)$", r"\1\\\2", write_text(node, hard=" ", soft=" "))
    return f"{'#' * int(node.tag[1])} {text}".rstrip()


def _rule(node: Node, _fence: str) -> str:
    return "___" if node.level else "---"  # `- ---` would be a rule, not an item


def _code(node: Node, fence: str) -> str:
    info = _INFO.match(node.info.strip())
    return f"{fence}{info[0] if info else ''}\n{_calm(node.content.removesuffix(chr(10)))}\n{fence}"


def _calm(code: str) -> str:
    """Return *code* with a joiner in runs of backquotes that no code has: all fences are longer."""
    return _LONG_RUN.sub("\\g<0>\u2060", code)


def _formula(node: Node, _fence: str) -> str:
    tex = write_tex(node.content)
    if "\n" in tex and not node.level:
        return f"$$\n{tex}\n$$"
    return f"$${tex.replace(chr(10), ' ')}$$"  # in a quote, each line would begin with `>`


def _quote(node: Node, fence: str) -> str:
    body = _blocks(node.children, fence)
    if _opens_formula(node):
        return body  # only an empty line keeps JupyterLab from reading on, and a quote has none
    return "\n".join(f"> {line}" if line else ">" for line in body.split("\n"))


def _list(node: Node, fence: str) -> str:
    is_loose = _opens_formula(node) or any(
        child.type == "paragraph" and not child.hidden
        for item in node.children
        for child in item.children
    )
    gap = "\n\n" if is_loose else "\n"
    return gap.join(
        _item(item, f"{number}{item.markup}", fence, gap)
        for item, number in zip(node.children, _numbers(node), strict=True)
    )


def _numbers(node: Node) -> list[int] | list[str]:
    if node.type == "bullet_list":
        return [""] * len(node.children)
    count = len(node.children)
    first = min(int(node.attrs.get("start", 1)), _LAST - count + 1)
    return list(range(first, first + count))


def _item(node: Node, marker: str, fence: str, gap: str) -> str:
    body = ""
    for child in node.children:
        before = gap if child.type in _LISTS | _CODE else "\n\n"
        body += before + _BLOCKS[child.type](child, fence)
    indent = "\n" + " " * (len(marker) + 1)
    return re.sub(r"\n(?!\n)", indent, f"{marker} {body.strip(chr(10))}").rstrip(" ")


def _opens_formula(node: Node) -> bool:
    return any(_OPENS_FORMULA.search(code.content) for code in _code_in(node))


def _table(node: Node, _fence: str) -> str:
    rows = [row.children for part in node.children for row in part.children]
    lines = [[_cell(cell) for cell in row] for row in rows]
    lines.insert(1, [_ALIGN[str(cell.attrs.get("style", ""))] for cell in rows[0]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(node: Node) -> str:
    return write_text(node, hard="<br>", soft=" ").replace("|", "\\|")


_BLOCKS: dict[str, Callable[[Node, str], str]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "hr": _rule,
    "fence": _code,
    "code_block": _code,
    "formula_block": _formula,
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
}
