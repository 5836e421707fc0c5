"""Frames that repeat, frames that add."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.wire.growth import Growth


def mode_of(*frames):
    """Return the mode that *frames* of one item show."""
    growth = Growth()
    for old, new in pairwise(frames):
        growth.weigh(old, new)
    return growth.mode


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (("哈", "哈哈"), None),
        (("哈", "哈", "哈"), None),
        (("\n", "\n\n"), None),
        (("1", "12"), None),
        (("----------", "--------------------"), None),
        (("The sum is", "The sum is 42"), "cumulative"),
        (("T", "The", "The sum", "The sum is", "The sum is 42"), "cumulative"),
        (("The sum is 42", "The sum is not 42"), None),
        (("The sum is 42", "The sum is"), None),
        (("The sum is 42", "The sum is 43", "So"), "delta"),
        (("The sum is 42", "The sum is 4!", "The sum is 4!!"), "cumulative"),
        (("The sum", "The sun"), None),
        (("The", " sum"), "delta"),
        (("1", "12", "3"), "delta"),
        (("the ", "toad"), None),
        (("the ", "toad ", "thinks ", "that "), "delta"),
        (("", "a"), None),
    ],
)
def test_mode(frames, expected):
    """Frames decide the mode only if they admit no doubt."""
    assert expected == mode_of(*frames)


@pytest.mark.parametrize(
    ("frames", "full", "expected"),
    [
        (["哈", "哈哈"], "哈哈哈!", None),
        (["哈", "哈哈"], "哈哈", "cumulative"),
        (["ab", "ac"], "abac", "delta"),
        (["哈"], "哈", None),
    ],
)
def test_full_text_decides(frames, full, expected):
    """The full text of an item decides if it fits one mode only."""
    growth = Growth()
    growth.settle(frames[-1], "".join(frames), full)
    assert expected == growth.mode


def test_decision_stays():
    """Once decided, the mode does not change."""
    growth = Growth()
    growth.weigh("The", " sum")
    growth.weigh("The sum is", "The sum is 42")
    growth.settle("The sum", "TheThe sum", "The sum")
    assert "delta" == growth.mode


@given(st.text(min_size=1), st.lists(st.text(min_size=1)))
def test_growing_text_is_no_sum(first, rest):
    """A text that only grows is never taken for frames that add."""
    frames = [first]
    for piece in rest:
        frames.append(frames[-1] + piece)
    assert "delta" != mode_of(*frames)
