"""Refusals by HTTP status: their class, whether they are asked again, and what the user sees."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from glm_magic.errors import (
    AuthenticationError,
    FilterError,
    ModelError,
    OverloadError,
    QuotaError,
    RateLimitError,
    StatusError,
)
from tests.far_side import Status, Stream, openai_stream
from tests.providers.asking import CHATGLM, OPENAI, QUESTION, ask, deltas_of, fail

pytestmark = pytest.mark.usefixtures("short_pauses")

KEY = "sk-0123456789abcdef"
WORDS = "the vendor's own words"
BODIES = {
    "json": ({"error": {"message": WORDS}}, "application/json"),
    "page": (f"<html><script>1</script><h1>{WORDS}</h1></html>", "text/html"),
    "plain": (WORDS, "text/plain"),
}
CLASSES = {
    **dict.fromkeys((400, 404, 413, 422), ModelError),
    **dict.fromkeys((401, 403), AuthenticationError),
    402: QuotaError,
    429: RateLimitError,
    451: FilterError,
    **dict.fromkeys((408, 409, 500, 502, 503, 504, 529), OverloadError),
}


def in_the_future(seconds: float) -> str:
    """Return the date in so many seconds, as HTTP writes it."""
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", CLASSES)
async def test_classes(far_side, status, body):
    """Each status has its class, the vendor's words and a remedy; what passes is asked again."""
    content, content_type = BODIES[body]
    far_side.queue(*[Status(status, content, content_type)] * 4)
    provider = OPENAI.at(far_side.url)
    error = await fail(provider)
    assert (CLASSES[status], provider.host) == (type(error), error.host)
    assert isinstance(error, StatusError)
    assert (status, WORDS) == (error.status, error.detail)
    assert error.remedy
    assert (3 if error.passing else 1) == len(far_side.requests)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (429, RateLimitError), (500, OverloadError), (504, OverloadError)],
)
async def test_classes_of_the_web_stream(far_side, status, kind):
    """The web stream's refusals are read in the same way."""
    far_side.queue(*[Status(status, {"message": WORDS})] * 4)
    error = await fail(CHATGLM.at(far_side.url))
    assert kind is type(error)
    assert isinstance(error, StatusError)
    assert (status, WORDS) == (error.status, error.detail)
    assert (3 if error.passing else 1) == len(far_side.requests)


@pytest.mark.parametrize(
    ("code", "kind", "tries"), [("1302", RateLimitError, 3), ("1113", QuotaError, 1)]
)
async def test_code_before_status(far_side, code, kind, tries):
    """HTTP 429 is a busy minute or an empty account; the vendor's code says which."""
    refusal = Status(429, {"error": {"code": code, "message": WORDS}})
    far_side.queue(*[refusal] * 4)
    error = await fail(OPENAI.at(far_side.url))
    assert (kind, tries) == (type(error), len(far_side.requests))


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


@pytest.mark.parametrize("asked", ["3600", in_the_future(7200)], ids=["3600", "date"])
async def test_pause_that_is_too_long(far_side, asked):
    """A far side that asks for a long pause is not waited for; the error says how long it is."""
    far_side.queue(Status(429, headers={"Retry-After": asked}))
    error = await fail(OPENAI.at(far_side.url))
    assert isinstance(error, RateLimitError)
    assert error.retry_after is not None
    assert error.retry_after >= 3600
    assert 1 == len(far_side.requests)


@pytest.mark.parametrize("asked", ["nan", "-1", "soon", "0", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_pause_that_makes_no_sense(far_side, asked):
    """A Retry-After in the past or without sense does not keep the retry from coming."""
    far_side.queue(Status(429, headers={"Retry-After": asked}))
    assert "stop" == (await ask(OPENAI.at(far_side.url))).finish_reason


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


@pytest.mark.parametrize("form", [KEY, f"Bearer {KEY}", "c2stMDEyMzQ1Njc4OWFiY2RlZg"])
async def test_echoed_key_is_masked(far_side, form):
    """A refusal that repeats the key shows it nowhere."""
    far_side.queue(Status(401, {"error": {"message": f"bad key {form}!"}}))
    error = await fail(OPENAI.at(far_side.url, api_key=KEY))
    assert isinstance(error, AuthenticationError)
    assert "***" in error.detail
    shown = [str(error), repr(error), error.what, error.detail, *error._render_traceback_()]
    assert not [text for text in [*shown, *map(str, error.args)] if form in text]
