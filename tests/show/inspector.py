"""The elements and attributes that the panel may be given, and what in a page is none of them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

ELEMENTS = (
    "a bdi blockquote br code div em figcaption figure h1 h2 h3 h4 h5 h6 hr img li mark ol p pre s "
    "span strong table tbody td th thead tr ul math menclose mfrac mi mn mo mover mpadded mphantom "
    "mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"
)
#: What an attribute may be; any other of an element outside formulas is a fault.
VALUES = {
    "href": r"(?i:https?://|mailto:)[^\s\\]+",
    "rel": "noopener noreferrer nofollow",
    "target": "_blank",
    "src": r"data:image/(png|jpeg|gif|webp);base64,[\w+/=]+",
    "alt": r"(?s).*",
    "title": r"U\+[0-9A-F]{4,6}",
    "class": r"glm-[a-z]+|[a-z][a-z0-9]{0,2}|",
    "align": "left|center|right",
    "start": r"\d{1,9}",
}
FORMULA_NAMES = (
    "accent columnalign columnlines columnspacing depth display displaystyle fence form height "
    "largeop linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize "
    "movablelimits notation rowlines rowspacing rspace scriptlevel separator stretchy voffset "
    "width"
)


class Inspector(HTMLParser):
    """Lists what must not be in a page, and collects its text, by the elements around it."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.texts: dict[str, str] = {"": ""}
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Check a tag and its attributes."""
        self.faults += [tag] if tag not in ELEMENTS.split() else []
        self.faults += [f"{tag} {name}={value}" for name, value in attrs if not fits(name, value)]
        if tag not in {"br", "hr", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag):
        """Check that elements are properly nested."""
        self.faults += [f"/{tag}"] if not self._open or tag != self._open.pop() else []

    def handle_data(self, data):
        """Take the text."""
        for tag in {"", *self._open}:
            self.texts[tag] = self.texts.get(tag, "") + data

    def handle_comment(self, data):
        """Count it as a fault, like declarations and all else that HTML has."""
        self.faults.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def fits(name: str, value: str | None) -> bool:
    """Say whether the attribute *name* may be there with *value*."""
    if name in FORMULA_NAMES.split():
        return re.fullmatch(r"[\w#.% +-]{1,60}", value or "", re.A) is not None
    return re.fullmatch(VALUES.get(name, "(?!)"), value or "") is not None


def inspect(page: str) -> Inspector:
    """Return what is to be said about *page*."""
    inspector = Inspector()
    inspector.feed(page)
    inspector.close()
    return inspector
