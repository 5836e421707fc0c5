"""How chatglm.cn says no: refusals in place of an answer, and faults inside one. No I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from ..errors import (
    AuthenticationError,
    FilterError,
    OverloadError,
    QuotaError,
    RateLimitError,
    StatusError,
    tidy,
)
from .codes import class_of, code_text, foremost, may_pass, places_in, status_in
from .payload import JSON, object_of, objects_of, text_of

_CAPTCHA = "FRONTEND_CAPTCHA_REQUIRED"
_PART_FAILED = "a part of the answer failed"
#: Where the words of an error stand, or it is words itself.
_WORDS = (
    *("err_msg", "error_msg", "message", "msg", "error", "last_error", "detail"),
    "intervene_text",
)
OTHER_WAYS = (
    "Other ways: an API key (ZAI_API_KEY or ZHIPUAI_API_KEY), a server of your own "
    "(GLM_BASE_URL), or the embedded model (`%glm -m local`)."
)


def is_refusal(frame: JSON) -> bool:
    """Whether *frame* says that there is no answer, or no more of it."""
    # A healthy frame has `last_error: {}`; a refusal has a number for its status, or none.
    if frame.get("status") in ("init", "finish", "intervene"):
        return False
    code, message = _facts_of(frame)
    if "parts" in frame:  # where a status that nobody knows is no reason to give the answer up
        is_numbered = str(frame.get("status")).isdecimal() and bool(code and message)
        is_bare = frame.get("status") is None and _is_told(frame.get("error"))
        is_no = (is_numbered or is_bare) and not frame["parts"]
        return frame.get("status") == "error" or is_no
    return frame.get("status") == "error" or bool(frame.get("error") or code)


def complaints(frame: JSON) -> list[str]:
    """Return what *frame*, which is no refusal, says of faults in the answer or its parts."""
    faulty = [
        place
        for place in (frame, *objects_of(frame, "parts"))
        if any(_is_told(place.get(name)) for name in ("last_error", "error"))
        or place.get("status") == "error"
    ]
    return [_complaint(*_facts_of(place)) for place in faulty]


def _is_told(error: object) -> bool:
    """Whether *error* is one: where all is well, one may be empty, or have the code 0."""
    if not isinstance(error, dict):
        return bool(error)
    codes = [error[name] for name in ("error_code", "code") if error.get(name) is not None]
    return not any(code in (0, "0") for code in codes) and any(error.values())


def _complaint(code: str, message: str) -> str:
    what = f"{_PART_FAILED} (code {code})" if code else _PART_FAILED
    return tidy(f"{what}: {message}" if message else what)


class _Refusal(NamedTuple):
    error: type[StatusError]
    what: str
    signs: tuple[str, ...]


# Signs are codes, or whole words of the service's own message; the first that fits counts.
_REFUSALS = (
    _Refusal(AuthenticationError, "chatglm.cn asks for a captcha", (_CAPTCHA,)),
    _Refusal(AuthenticationError, "chatglm.cn asks for a login", ("40102", "40103", "401")),
    _Refusal(RateLimitError, "chatglm.cn holds this request back for a while", ("40012", "429")),
    _Refusal(FilterError, "chatglm.cn's moderation stopped the request", ("intervene",)),
    _Refusal(QuotaError, "chatglm.cn has no more answers for guests", ("log in", "login", "登录")),
    _Refusal(RateLimitError, "chatglm.cn is busy with another answer", ("wait", "等待", "稍后")),
    _Refusal(OverloadError, "chatglm.cn failed", ("500", "502", "503", "504", "529", "10024")),
)


def read_refusal(
    payload: object, *, status: int | None = None, retry_after: float | None = None
) -> StatusError:
    """Return the error for a refusal, which chatglm.cn sends as JSON with HTTP 200 or as an event.

    *status* is that of HTTP, if it is another one, and *payload* then may be
    the text of a page, whose words tell nothing. The remedy names the other
    ways to a GLM model.
    """
    found = _facts_of(payload) if isinstance(payload, dict) else ("", str(payload or ""))
    code, message = found[0] or str(status or ""), found[1]
    is_told = isinstance(payload, dict) and status in (None, HTTPStatus.TOO_MANY_REQUESTS)
    rule = _find_rule(code, message if is_told else "", status)
    numbered = f"{rule.what} (code {code})" if code else rule.what
    error = rule.error(
        f"{numbered}: {message}" if message else f"{numbered}.",
        remedy=OTHER_WAYS,
        status=status,
        code=code,
        detail=message,
        retry_after=retry_after,
    )
    error.passing = error.passing and may_pass(status)
    return error


def _find_rule(code: str, message: str, status: int | None) -> _Refusal:
    fitting = (rule for rule in _REFUSALS if any(_fits(sign, code, message) for sign in rule.signs))
    rule = next(fitting, None)
    if (
        rule is None
        or (rule.error.passing and not may_pass(status_in(code)))
        or (rule.error is OverloadError and not may_pass(status))
    ):
        return _Refusal(class_of(status, code), "chatglm.cn refused", ())
    return rule


def _fits(sign: str, code: str, message: str) -> bool:
    if sign.isdecimal():
        return sign == code
    return sign == code or bool(re.search(rf"(?<![a-z]){sign}(?![a-z])", message, re.IGNORECASE))


def _facts_of(payload: JSON) -> tuple[str, str]:
    """Find code and message in *payload*, its `error`, `detail`, `last_error` or `data.error`."""
    data = object_of(payload, "data")
    told = next(
        filter(None, (payload.get("error"), payload.get("last_error"), data.get("error"))), ""
    )
    places = places_in({**payload, "error": told})
    codes = [place.get(name) for place in places for name in ("error_code", "code")]
    numbers = [text for text in map(code_text, (*codes, payload.get("status"))) if _is_code(text)]
    messages = [text_of(place, *_WORDS) for place in places]
    return foremost(numbers), next(filter(None, messages), "")


def _is_code(text: str) -> bool:
    return text not in ("", "init", "finish", "intervene", "error")
