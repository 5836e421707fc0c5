"""What a terminal is given, it shows and does not obey."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.show.terminal import clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\n", "a\tb\n"),
        ("\x1b[31mred\x1b]8;;http://a\x07", "\\x1b[31mred\\x1b]8;;http://a\\x07"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
    ],
)
def test_hidden_characters_are_shown(text, expected):
    """Controls, marks of direction and invisible characters are escapes."""
    assert expected == clean(text)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0x202A, 0x202E),  # direction of writing
        (0x2066, 0x2069),
        (0x200E, 0x200F),
        (0x061C, 0x061C),
        (0x00AD, 0x00AD),  # soft hyphens, joiners that no script needs, fillers, separators
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180E, 0x180E),
        (0x2028, 0x2029),
        (0x2061, 0x2065),
        (0x206A, 0x206F),
        (0x3164, 0x3164),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFFB),
        (0x13430, 0x1343F),  # the joints of hieroglyphs, shorthand and music
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE00FF),  # tags and what is not assigned beside them
        (0xE01F0, 0xE0FFF),
    ],
    ids=hex,
)
def test_no_character_hides(first, last):
    """Each character that Unicode has for not being seen is an escape that is."""
    hidden = "".join(map(chr, range(first, last + 1)))
    assert hidden.encode("unicode_escape").decode() == clean(hidden)


@pytest.mark.parametrize(
    "text", ["👩\u200d💻 ❤\ufe0f", "می\u200cخواهم", "क्\u200dष", "日本語", "e\u0301", "⠀⠁"]
)
def test_scripts_survive(text):
    """Emoji and the scripts that need joiners stay as they are."""
    assert text == clean(text)


@given(st.text(st.characters(exclude_categories=[])))
def test_nothing_to_obey_is_left(text):
    """Whatever comes in, no control goes out but tab and newline, and it can be encoded."""
    shown = clean(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert shown.encode().decode() == shown


@given(st.text())
def test_clean_text_stays(text):
    """What is clean already does not change."""
    assert clean(text) == clean(clean(text))
