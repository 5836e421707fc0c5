"""The viewers that show Markdown from a notebook, and what in their HTML could act."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import escape
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

ELEMENTS = (
    "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr input li ol p pre s span strong "
    "table tbody td th thead tr ul"
)
VALUES = {
    ("a", "href"): r"(?i:https?://|mailto:)[^\s\"<>]*",
    ("code", "class"): r"language-[\w+#.-]+",
    ("div", "class"): r"highlight",  # Pygments, as nbconvert uses it
    ("span", "class"): r"\w*",
    ("input", "type"): r"checkbox",
    ("input", "class"): r"task-list-item-checkbox",
    ("input", "checked"): r"",
    ("input", "disabled"): r"",
    ("li", "class"): r"task-list-item",
    ("ol", "start"): r"\d+",
    ("td", "style"): r"text-align: ?\w+",
    ("th", "style"): r"text-align: ?\w+",
}
# How JupyterLab finds formulas in Markdown before anything else is looked at.
PIECES = re.compile(
    r"(\$\$?|\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]|(?:\n\s*)+|@@\d+@@|\\\\[()\[\]])", re.I
)
FENCED = re.compile(r"^(`{3,}|~{3,})[^`\n]*\n(?s:.*?)^\1`*$", re.M)
SPAN = re.compile(r"(^|[^\\])(`+)([^\n]*?[^`\n])\2(?!`)", re.M)


class Actor(HTMLParser):
    """Collects from HTML what is not known to be harmless, and the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        """Note an element, or an attribute of one, that is not known."""
        if tag not in ELEMENTS.split():
            self.found.append((tag, attrs))
        for name, value in attrs:
            if not re.fullmatch(VALUES.get((tag, name), r"(?!)"), value or ""):
                self.found.append((tag, name, value))

    def handle_data(self, data):
        """Take the text."""
        self.text += data

    def handle_comment(self, data):
        """Note a comment, and what a browser takes for one."""
        self.found.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def actors(html: str) -> list[object]:
    """Return what in *html* is neither text nor an element and attribute known as harmless."""
    actor = Actor()
    actor.feed(html)
    actor.close()
    return actor.found


def visible(html: str) -> str:
    """Return the text of *html* as it looks: single blanks, no joiners."""
    actor = Actor()
    actor.feed(html)
    actor.close()
    return " ".join(actor.text.replace("\u2060", "").split())


@cache
def plain() -> MarkdownIt:
    """Return a CommonMark parser with tables and `~~` that lets all HTML and links through."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda _address: True
    return parser


def commonmark(markdown: str) -> str:
    """Return *markdown* as HTML by CommonMark."""
    return plain().render(markdown)


def nbconvert(markdown: str) -> str:
    """Return *markdown* as HTML by mistune, the way nbconvert sets it up, without its anchors."""
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(markdown)


def jupyterlab(markdown: str) -> str:
    """Return *markdown* as HTML with the formulas cut out first and put back last, as in Lab."""
    text, formulas = cut_formulas(markdown)
    return re.sub(r"@@(\d+)@@", lambda m: formulas[int(m[1])], plain().render(text))


def cut_formulas(markdown: str) -> tuple[str, list[str]]:
    """Return *markdown* with numbers for formulas, and the formulas."""
    for code in (FENCED, SPAN):
        markdown = code.sub(lambda m: m[0].replace("$", "\ue000"), markdown)
    pieces, formulas, at = PIECES.split(markdown), [], 1
    while at < len(pieces):
        if pieces[at].startswith("@"):
            formulas.append(pieces[at])
            pieces[at] = f"@@{len(formulas) - 1}@@"
        end = end_of_formula(pieces, at)
        if end:
            formulas.append(escape("".join(pieces[at : end + 1]), quote=False))
            pieces[at : end + 1] = [f"@@{len(formulas) - 1}@@"]
        at += 2
    back = [formula.replace("\ue000", "$") for formula in formulas]
    return "".join(pieces).replace("\ue000", "$"), back


def end_of_formula(pieces: list[str], start: int) -> int:
    """Return where the formula ends that *start* of *pieces* opens, or 0 if it opens none."""
    opening, depth, last = pieces[start], 0, 0
    closing = {"$": "$", "$$": "$$", "\\\\(": "\\\\)", "\\\\[": "\\\\]"}.get(opening, "")
    if opening[:6].lower() == "\\begin":
        closing = "\\end" + opening[6:]
    for at in range(start + 2, len(pieces) if closing else 0, 2):
        piece = pieces[at]
        if piece == closing and not depth:
            return at
        last = at if piece == closing else last
        depth = max(0, depth + (piece == "{") - (piece == "}"))
        if piece.count("\n") > 1:
            break
    return last


VIEWERS: tuple[Callable[[str], str], ...] = (commonmark, nbconvert, jupyterlab)
