"""The examples of the CommonMark specification say the same in the panel."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

from glm_magic.show.html import render

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "commonmark.json").read_text("utf-8"))
#: What we add to a text: where links lead, what images were, the language of code.
OURS = {"glm-host", "glm-image", "figcaption"}
VOID = {"br", "hr", "img"}


class Reader(HTMLParser):
    """Collects the text a reader sees, save what is in elements of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._outer: list[bool] = [True]

    def handle_starttag(self, tag, attrs):
        """Begin an element, which is left out if it or one around it is ours."""
        self.text += " " if tag not in {"a", "bdi", "code", "em", "span", "strong"} else ""
        if tag not in VOID:
            self._outer.append(self._outer[-1] and not OURS & {tag, dict(attrs).get("class")})

    def handle_endtag(self, tag):
        """End the element."""
        if tag not in VOID:
            self._outer.pop()

    def handle_data(self, data):
        """Take the text, unless it is ours."""
        self.text += data if self._outer[-1] else ""


def visible(html: str) -> str:
    """Return the visible text of *html*, with single blanks."""
    reader = Reader()
    reader.feed(html)
    return " ".join(reader.text.split())


def has_html(markdown: str) -> bool:
    """Say whether *markdown* has raw HTML, which is text to us."""
    blocks = MarkdownIt("commonmark").parse(markdown)
    tokens = [token for block in blocks for token in (block, *(block.children or ()))]
    return any(token.type.startswith("html_") for token in tokens)


def test_same_text():
    """At least 99 of 100 examples without raw HTML have the text the specification asks for."""
    plain = [example for example in EXAMPLES if not has_html(example["markdown"])]
    wrong = [
        example["example"]
        for example in plain
        if visible(render(example["markdown"])) != visible(example["html"])
    ]
    assert 550 < len(plain)
    assert len(wrong) <= len(plain) // 100, wrong
