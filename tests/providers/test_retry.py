"""When a request is sent again, and after how long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import (
    AuthenticationError,
    NetworkError,
    OverloadError,
    ProtocolError,
    ProviderError,
    QuotaError,
    RateLimitError,
)
from glm_magic.providers.retry import pause, read_retry_after

#: 2026-11-01 00:00:00 UTC
NOW = 1793491200.0


@pytest.mark.parametrize(
    ("tried", "least"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (10, 8.0)]
)
@pytest.mark.parametrize("error", [NetworkError(), OverloadError(), RateLimitError()])
def test_pause_doubles(error: ProviderError, tried: int, least: float):
    """Each pause is twice the one before, up to 8 s, and up to a quarter longer."""
    pauses = {pause(error, tried) for _ in range(50)}
    assert len(pauses) > 1
    assert all(least <= seconds <= 1.25 * least for seconds in pauses)


@pytest.mark.parametrize(
    "error", [QuotaError(retry_after=1.0), AuthenticationError(), ProtocolError(), ProviderError()]
)
def test_no_use(error: ProviderError):
    """What does not pass by itself is not asked again, whatever the far side says."""
    assert pause(error, 0) is None


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.0, 0.0), (3.0, 3.0), (60.0, 60.0), (60.1, None), (1e9, None)]
)
def test_far_side_asks(asked: float, seconds: float | None):
    """What the far side asks for is kept to, up to a minute; longer is not waited for."""
    assert seconds == pause(RateLimitError(retry_after=asked), 3)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 0.5 ", 0.5),
        ("0", 0.0),
        ("Sun, 01 Nov 2026 00:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 01:00:30 +0100", 30.0),
        ("Sat, 31 Oct 2026 23:59:00 GMT", 0.0),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sun, 99 Nov 2026 00:00:30 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None):
    """The header holds seconds or a date; anything else is as if it were not there."""
    assert seconds == read_retry_after({"Retry-After": value}, NOW)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone cannot be changed there")
def test_date_without_a_zone(monkeypatch):
    """The oldest form of a date, which names no zone, is UTC wherever the user is."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert 30.0 == read_retry_after({"Retry-After": "Sun Nov  1 00:00:30 2026"}, NOW)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_no_retry_after():
    """A far side that asks for nothing is not waited for."""
    assert read_retry_after({}, NOW) is None


@given(st.text() | st.from_regex(r"\A\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ .*\Z"))
def test_any_retry_after(value: str):
    """Any header gives seconds that can be waited, or nothing."""
    seconds = read_retry_after({"Retry-After": value}, NOW)
    assert seconds is None or 0 <= seconds < float("inf")
