r"""Text that a terminal shows and does not obey. No I/O.

What is invisible or turns the direction of writing is shown as an escape such as `\u202e`, so
that a line reads as it was written. Joiners and variation selectors stay: emoji, Persian and the
scripts of India are misspelt without them, and `disarm` puts in word joiners.
"""

from __future__ import annotations

import re

_NEWLINE = re.compile(r"\r\n?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HIDDEN = re.compile(
    "["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but for tab and newline
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2028\u2029\u2061-\u2065\u206a-\u206f"
    r"\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\U00013430-\U0001343f"  # how hieroglyphs are joined
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    "]"
)


def clean(text: str) -> str:
    r"""Return *text* safe to print: no control but tab and newline, and nothing hidden.

    Line ends become `\n`, lone surrogates U+FFFD, and controls, marks of
    direction and invisible characters their escapes.
    """
    text = _SURROGATE.sub("\ufffd", _NEWLINE.sub("\n", text))
    return _HIDDEN.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
