"""What HTML may be shown: the last step before the panel, whatever came before. No I/O."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nh3 import Cleaner

_TEXT_TAGS = (
    "a bdi blockquote br code div em figcaption figure h1 h2 h3 h4 h5 h6 hr img li mark ol p pre s"
    " span strong table tbody td th thead tr ul"
)
# Elements that only draw: none that links, acts, embeds, or switches back to HTML.
_MATH_TAGS = (
    "math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub"
    " msubsup msup mtable mtd mtext mtr munder munderover"
)
_MATH_ATTRIBUTES = (
    "accent columnalign columnlines columnspacing depth display displaystyle fence form height"
    " largeop linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize"
    " movablelimits notation rowlines rowspacing rspace scriptlevel separator stretchy voffset"
    " width"
)
_ATTRIBUTES = {
    "a": {"href"},
    "img": {"alt", "src"},
    "mark": {"title"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
    **{tag: set(_MATH_ATTRIBUTES.split()) for tag in _MATH_TAGS.split()},
}
_CLASSES = {
    "a": {"glm-image"},
    "bdi": {"glm-host"},
    "code": {"glm-tex"},
    "div": {"glm-formula"},
    "figure": {"glm-code"},
    "mark": {"glm-hidden"},
}

# Words, colours, and lengths of less than a hundred of whatever it is.
_MEASURE = r"(?:[a-z][a-z-]*|[+-]?(?:\d{1,2}(?:\.\d{0,4})?|\.\d{1,4})[a-z%]{0,5})"
_MATH_VALUE = re.compile(rf"#[\da-f]{{3,8}}|{_MEASURE}(?: {_MEASURE})*", re.I | re.A)
_ANY = re.compile(r".*", re.S)
_VALUES = {
    **dict.fromkeys(("alt", "class", "rel", "target"), _ANY),  # nh3 sees to the last three
    "href": re.compile(r"(?:https?://|mailto:)[!-~]+", re.I),
    "src": re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+"),
    "title": re.compile(r"U\+[0-9A-F]{4,6}"),
    "start": re.compile(r"\d{1,9}"),
    "align": re.compile(r"left|center|right"),
}


def sanitise(html: str) -> str:
    """Return *html* with nothing in it but what our own renderer writes.

    Other tags lose themselves and keep their text, other attributes and
    classes go. Links open a new page that learns nothing of this one.
    """
    return _cleaner().clean(html)


@cache
def _cleaner() -> Cleaner:
    from nh3 import Cleaner  # these two: 20 ms that only the panel needs
    from pygments.token import STANDARD_TYPES

    return Cleaner(
        tags={*_TEXT_TAGS.split(), *_MATH_TAGS.split()},
        attributes=_ATTRIBUTES,
        attribute_filter=_checked,
        allowed_classes={**_CLASSES, "span": {"glm-image", *STANDARD_TYPES.values()}},
        url_schemes={"http", "https", "mailto", "data"},  # data only in src, see _VALUES
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _checked(_tag: str, name: str, value: str) -> str | None:
    return value if _VALUES.get(name, _MATH_VALUE).fullmatch(value) else None
