"""Refusals told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import (
    AuthenticationError,
    FilterError,
    ModelError,
    OverloadError,
    QuotaError,
    RateLimitError,
    StatusError,
)
from glm_magic.wire.codes import classify
from tests.wire.test_payload import OBJECTS

CODES = {
    AuthenticationError: "1000 1001 1002 1003 1004 1100 1110 1111 1112 1121",
    QuotaError: "1113 1304 1308 1309 1310 1311 1313 1316 1317 insufficient_quota",
    RateLimitError: "1302 1303 rate_limit_exceeded rate_limit_error 429",
    ModelError: "1210 1211 1212 1213 1214 1215 1220 1221 1222 1231 1261 model_not_found 400 404",
    FilterError: "1300 1301 content_filter",
    OverloadError: "500 1120 1200 1230 1234 1305 1312 network_error overloaded_error 503",
    StatusError: "9999 unheard_of",
}
PAIRS = [(code, kind) for kind, codes in CODES.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "expected"), PAIRS)
def test_code(code, expected):
    """The code decides the kind of error, inside a stream and with HTTP 200."""
    payload = {"error": {"code": code, "message": "words"}}
    assert [expected] * 2 == [type(classify(None, payload)), type(classify(200, payload))]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ModelError),
        (401, AuthenticationError),
        (402, QuotaError),
        (403, AuthenticationError),
        (404, ModelError),
        (408, OverloadError),
        (409, OverloadError),
        (422, ModelError),
        (429, RateLimitError),
        (434, AuthenticationError),
        (435, ModelError),
        (500, OverloadError),
        (502, OverloadError),
        (503, OverloadError),
        (529, OverloadError),
        (418, StatusError),
    ],
)
def test_status(status, expected):
    """Without a known code the HTTP status decides."""
    assert expected is type(classify(status, {"error": {"code": "9999"}}))
    assert expected is type(classify(status, "no JSON"))


@pytest.mark.parametrize(
    ("code", "status"), [("1113", 429), (1113, 429), ("500", 429), (1301, 400)]
)
def test_code_goes_before_status(code, status):
    """The vendor's code decides against the HTTP status, as text and as a number."""
    error = classify(status, {"error": {"code": code, "message": "words"}})
    expected = {"1113": QuotaError, "500": OverloadError, "1301": FilterError}[str(code)]
    assert (expected, str(code), status, "words") == (
        type(error),
        error.code,
        error.status,
        error.detail,
    )


@pytest.mark.parametrize("error", [{"code": "500"}, {"type": "server_error"}, {"code": 1200}])
@pytest.mark.parametrize(
    ("status", "expected"), [(400, ModelError), (401, AuthenticationError), (425, StatusError)]
)
def test_refusal_is_no_failure(error, status, expected):
    """A body that speaks of a failure does not make one of a refusal by HTTP status."""
    refused = classify(status, {"error": error})
    assert (expected, False) == (type(refused), refused.passing)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "1113", "message": "m", "detail": {"code": "abc"}}},
        {"code": "1113", "message": "m", "detail": [{"code": "x", "msg": "y"}]},
        {"error": {"code": "insufficient_quota", "message": "m", "error": {"code": 429}}},
        {"error": {"type": "insufficient_quota", "message": "m", "detail": {"type": "api_error"}}},
        {"error": {"type": "insufficient_quota", "message": "m", "code": "rate_limit_error"}},
        {"detail": {"error": {"code": "1113", "message": "m"}}},
        {"code": "1113", "message": "m", "detail": {"code": 429, "message": "x"}},
        {"code": 0, "error": {"code": 0, "error": {"code": 1113, "message": "m"}}},
    ],
)
def test_quota_among_other_codes(body):
    """An account that is used up is told as such, whatever stands around it or in it."""
    error = classify(429, body)
    assert (QuotaError, False, "m") == (type(error), error.passing, error.detail)


def test_words_before_details():
    """The words of an error go before its details."""
    body = {"error": {"message": "outer words", "detail": [{"msg": "inner"}]}}
    assert "outer words" == classify(400, body).detail


def test_busy_minute_of_a_refusal():
    """A busy minute is told as such, but asked again only if the status may pass."""
    errors = [classify(status, {"error": {"code": "1302"}}) for status in (None, 400, 429)]
    assert [RateLimitError] * 3 == [type(error) for error in errors]
    assert [True, False, True] == [error.passing for error in errors]


def test_page_about_models():
    """The word model counts only where the service says it, not on a web page."""
    assert "There is nothing at this address" in classify(404, "our business model").what


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"error": {"code": "1302", "message": "m"}}, (RateLimitError, "1302", "m")),
        ({"error": "out of memory"}, (StatusError, "", "out of memory")),
        ({"code": 1302, "msg": "m", "success": False}, (RateLimitError, "1302", "m")),
        ("plain words", (StatusError, "", "plain words")),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            (OverloadError, "", "m"),
        ),
        (
            {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
            (ModelError, "400", "m"),
        ),
        (
            {"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_api_key"}},
            (AuthenticationError, "invalid_api_key", "m"),
        ),
        (
            {"error": {"code": 400, "message": "m", "type": "exceed_context_size_error"}},
            (ModelError, "400", "m"),
        ),
        ({"detail": [{"msg": "m", "loc": []}]}, (StatusError, "", "m")),
        ({"detail": "m"}, (StatusError, "", "m")),
        (
            {"timestamp": "t", "status": 404, "error": "Not Found", "path": "/v4/v4"},
            (ModelError, "", "Not Found (/v4/v4)"),
        ),
        ({"detail": {"code": 1302.0, "msg": "m"}}, (RateLimitError, "1302", "m")),
        ({"error": {"error_code": "1302"}, "message": "m"}, (RateLimitError, "1302", "m")),
        (
            {"error": '[{"error": {"code": 1302}}]'},
            (RateLimitError, "1302", '[{"error": {"code": 1302}}]'),
        ),
        ("<html>Nope</html>", (StatusError, "", "a web page instead of an answer")),
        (None, (StatusError, "", "")),
        ([], (StatusError, "", "")),
    ],
    ids=range(17),
)
def test_shapes(payload, expected):
    """Every shape of error body in use is read."""
    error = classify(None, payload)
    assert expected == (type(error), error.code, error.detail)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("1113", "zai-coding"),
        ("1000", "not interchangeable"),
        ("1211", "%glmcmd models"),
        ("1261", "Shorten the conversation"),
        ("1302", "fewer requests"),
        ("1305", "another model"),
        ("1308", "back at 18:00"),
    ],
)
def test_hints(code, hint):
    """The text says what to do, and what the vendor said."""
    assert hint in str(classify(429, {"error": {"code": code, "message": "back at 18:00"}}))


def test_base_url_hint():
    """A doubled path points at the base URL."""
    payload = {"timestamp": "t", "status": 404, "error": "Not Found", "path": "/x"}
    assert "Check the base URL" in str(classify(404, payload))


def test_missing_model_is_no_wrong_address():
    """A 404 that speaks of a model is about the model."""
    error = classify(404, {"error": "model 'glm' not found, try pulling it first"})
    assert "There is no such model: model 'glm' not found, try pulling it first" == error.what


def test_sentence_without_words():
    """An error without words from the vendor is still a sentence."""
    assert "Too many requests at once." == classify(429, None).what


def test_retry_after():
    """The seconds to wait are kept."""
    assert 2.5 == classify(429, None, retry_after=2.5).retry_after


def test_passing():
    """Only crowds and failures pass; an empty account does not."""
    passing = {kind for code, kind in PAIRS if classify(None, {"code": code}).passing}
    assert {RateLimitError, OverloadError} == passing


@given(OBJECTS, st.none() | st.integers(100, 599))
def test_any_payload(payload, status):
    """No body at all makes the reading of an error fail."""
    assert isinstance(classify(status, {"error": payload}), StatusError)
    assert isinstance(classify(status, payload), StatusError)
