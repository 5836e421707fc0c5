"""Refusals by HTTP status: their class, whether they are asked again, and what the user sees."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from glm_magic.errors import (
    OverloadError,
    RateLimitError,
)
from glm_magic.messages import Delta
from tests.far_side import Status, Stream, openai_stream
from tests.providers.asking import OPENAI, QUESTION, ask, deltas_of, fail

pytestmark = pytest.mark.usefixtures("short_pauses")


def in_the_future(seconds: float) -> str:
    """Return the date in so many seconds, as HTTP writes it."""
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


async def test_facts_of_a_refusal(far_side, wire):
    """A refusal knows its status, the vendor's own words and the pause that was asked for."""
    far_side.queue(Status(429, {"message": "slow down"}, headers={"Retry-After": "90"}))
    error = await fail(wire.at(far_side.url))
    assert isinstance(error, RateLimitError)
    assert (429, "slow down", 90.0) == (error.status, error.detail, error.retry_after)


@pytest.mark.parametrize("retries", [0, 1, 4])
async def test_number_of_retries(far_side, retries):
    """It is asked again as often as wanted, and not once more."""
    far_side.queue(*[Status(503)] * 9)
    await fail(OPENAI.at(far_side.url, retries=retries))
    assert 1 + retries == len(far_side.requests)


async def test_retry_is_visible(far_side, wire):
    """A retry is remarked for good, and its countdown until the next step."""
    far_side.queue(Status(503, {"message": "busy"}))
    provider = wire.at(far_side.url)
    notice, countdown, *rest = await deltas_of(provider)
    assert provider.host in notice.notice
    assert "asked again" in notice.notice
    assert countdown.progress.endswith("asking again in 1 s")
    assert "stop" == rest[-1].finish_reason
    assert "" == rest[-1].progress


async def test_countdown_ends_with_the_pause(far_side):
    """When the question is sent again the countdown is over, before anything is answered."""
    far_side.queue(Status(503))
    _, countdown, sent, *_ = await deltas_of(OPENAI.at(far_side.url))
    assert countdown.progress
    assert Delta() == sent


async def test_countdown_counts(far_side):
    """The countdown shows each second."""
    far_side.queue(Status(503, headers={"Retry-After": "1.05"}))
    deltas = await deltas_of(OPENAI.at(far_side.url))
    shown = [delta.progress.rpartition("; ")[2] for delta in deltas if delta.progress]
    assert ["asking again in 2 s", "asking again in 1 s"] == shown


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("1", ["in 1 s"]), ("30", ["in 30 s"]), ("date", ["in 40 s", "in 39 s"])],
)
async def test_pause_that_is_asked_for(far_side, asked, shown):
    """Retry-After says how long the pause is, in seconds or by a date."""
    header = in_the_future(40) if asked == "date" else asked
    far_side.queue(Status(429, headers={"Retry-After": header}))
    async with aclosing(OPENAI.at(far_side.url).stream(QUESTION)) as deltas:
        assert "asked again" in (await anext(deltas)).notice
        assert (await anext(deltas)).progress.rpartition("again ")[2] in shown
    assert 1 == len(far_side.requests)


async def test_no_retry_after_text(far_side):
    """What fails after the first word is not asked again, and keeps the words."""
    busy = b'data: {"error": {"code": "1305", "message": "overloaded"}}\n\n'
    far_side.queue(Stream([*openai_stream("Half", finish=None, done=False), busy]))
    error = await fail(OPENAI.at(far_side.url))
    assert isinstance(error, OverloadError)
    assert error.partial is not None
    assert "Half" == error.partial.text
    assert 1 == len(far_side.requests)


async def test_failure_in_a_stream_before_text(far_side):
    """What fails inside a stream but before the first word is asked again."""
    busy = b'data: {"error": {"code": "1305", "message": "overloaded"}}\n\n'
    far_side.queue(Stream([busy]))
    assert "stop" == (await ask(OPENAI.at(far_side.url))).finish_reason
    assert 2 == len(far_side.requests)
