"""When to ask again, and after how long. No I/O and no clock of its own."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime

from ..errors import ProviderError, StatusError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
#: A far side that asks for a longer pause than this is not waited for.
LONGEST_RETRY_AFTER = 60.0


def pause(error: ProviderError, tried: int) -> float | None:
    """Return the seconds to wait after *tried* retries, or None when asking again is no use.

    The pause doubles from 0.5 s up to 8 s, with up to 25 % on top; what the
    far side asks for by Retry-After goes first.
    """
    if not error.passing:
        return None
    asked = error.retry_after if isinstance(error, StatusError) else None
    if asked is not None:
        return asked if asked <= LONGEST_RETRY_AFTER else None
    length = min(FIRST_PAUSE * 2.0**tried, LONGEST_PAUSE)
    return length * random.uniform(1, 1.25)  # noqa: S311, nothing secret in a pause


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that Retry-After asks for (a number or an HTTP date), or None.

    *now* is the time in seconds since 1970. RFC 9110, section 10.2.3.
    """
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value, now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        if when.tzinfo is None:  # the oldest of the three forms names no zone; it is always UTC
            when = when.replace(tzinfo=timezone.utc)
        return max(0.0, when.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
