"""Text that is safe for a terminal: it can say anything and do nothing."""

from __future__ import annotations

import re

# Line ends of other systems; then what a terminal obeys (C0, DEL, C1), what turns or hides text
# (bidi, zero-width, tags), and halves of characters. ZWJ, ZWNJ and variation selectors stay:
# emoji and several scripts are written with them.
_LINE_END = re.compile(r"\r\n?")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_HALF = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return *text* with every character that a terminal would obey, or hide, made visible."""
    text = _LINE_END.sub("\n", text)
    return _HALF.sub("\ufffd", _UNSAFE.sub(_escape, text))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004, one byte
