"""What a refusal means: the vendor's business codes first, the HTTP status second. No I/O.

HTTP 429 stands for a busy minute as well as for an empty account, so the
status alone decides nothing that a code decides better. Codes: the "api-code"
pages of docs.z.ai and docs.bigmodel.cn; names of error types: OpenAI,
Anthropic, llama.cpp.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from ..errors import (
    AuthenticationError,
    FilterError,
    ModelError,
    OverloadError,
    QuotaError,
    RateLimitError,
    StatusError,
)
from .payload import JSON, object_in, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = (
    "Check the key, and that it belongs to this service: "
    "keys of z.ai and bigmodel.cn are not interchangeable."
)
_ACCOUNT = "Look at the account in the vendor's console."
_NAMES = "`%glmcmd models` lists the names on offer."
_WAIT = "Wait a little, or send fewer requests at once."
_BUSY = "Try again in a minute, or choose another model with -m."
_BALANCE = (
    "Top up the account; a coding-plan key has no balance on the general endpoint "
    "and needs the provider zai-coding or bigmodel-coding."
)
_PLAN = "Wait for the time the vendor names, or use another key or model."
_ADDRESS = "Check the base URL: it ends in /v4 or /v1, without /chat/completions."
_SHORTEN = "Shorten the conversation: `%glmcmd undo` takes back a turn, `%%glm -n` starts afresh."
_REQUEST = "Check the options of this request."
_REWORD = "Put the question another way."
_ODD = "Check the address and the model, or try again later."


_ERROR_STATUS = re.compile("[45][0-9][0-9]")
#: Statuses of a refusal that may be over a little later, beside those from 500 on.
_PASSING = (408, 409, 429)
#: Where the vendor's own words are.
_WORDS = ("message", "msg", "err_msg", "error_msg", "detail", "error")


class _Rule(NamedTuple):
    error: type[StatusError]
    what: str
    remedy: str = ""


_BAD_KEY = _Rule(AuthenticationError, "The key was not accepted", _KEY)
_BAD_ACCOUNT = _Rule(AuthenticationError, "The account cannot be used", _ACCOUNT)
_NO_BALANCE = _Rule(QuotaError, "The balance or resource package is used up", _BALANCE)
_NO_PLAN = _Rule(QuotaError, "The plan does not cover this request", _ACCOUNT)
_USED_UP = _Rule(QuotaError, "The allowance is used up", _PLAN)
_BAD_REQUEST = _Rule(ModelError, "The service does not take this request", _REQUEST)
_NO_PERMISSION = _Rule(ModelError, "This key may not use this model or function", _NAMES)
_NO_MODEL = _Rule(ModelError, "There is no such model", _NAMES)
_NO_ADDRESS = _Rule(ModelError, "There is nothing at this address", _ADDRESS)
_TOO_LONG = _Rule(ModelError, "The conversation is too long for the model", _SHORTEN)
_UNSAFE = _Rule(FilterError, "The vendor's moderation stopped the request", _REWORD)
_TOO_FAST = _Rule(RateLimitError, "Too many requests at once", _WAIT)
_OVERLOADED = _Rule(OverloadError, "The service is overloaded", _BUSY)
_BROKEN = _Rule(OverloadError, "The service failed", _BUSY)
_UNKNOWN = _Rule(StatusError, "The service reported an error", _ODD)

#: Lower-case business codes and error types.
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), _BAD_KEY),
    **dict.fromkeys(("1100", "1110", "1111", "1112", "1121"), _BAD_ACCOUNT),
    "1113": _NO_BALANCE,
    **dict.fromkeys(("1120", "1200", "1230", "1234"), _BROKEN),
    **dict.fromkeys(("1210", "1212", "1213", "1214", "1215", "1231"), _BAD_REQUEST),
    "1211": _NO_MODEL,
    **dict.fromkeys(("1220", "1221", "1222"), _NO_PERMISSION),
    "1261": _TOO_LONG,
    **dict.fromkeys(("1300", "1301"), _UNSAFE),
    **dict.fromkeys(("1302", "1303"), _TOO_FAST),
    **dict.fromkeys(("1304", "1308", "1310", "1316", "1317"), _USED_UP),
    **dict.fromkeys(("1305", "1312"), _OVERLOADED),
    **dict.fromkeys(("1309", "1311", "1313"), _NO_PLAN),
    # Error finish reasons of the official API.
    "network_error": _BROKEN,
    "model_context_window_exceeded": _TOO_LONG,
    # Codes and types of OpenAI, Anthropic and llama.cpp.
    **dict.fromkeys(("invalid_api_key", "authentication_error"), _BAD_KEY),
    "permission_error": _NO_PERMISSION,
    "insufficient_quota": _Rule(QuotaError, _NO_BALANCE.what, _ACCOUNT),
    "model_not_found": _NO_MODEL,
    **dict.fromkeys(("context_length_exceeded", "exceed_context_size_error"), _TOO_LONG),
    "content_filter": _UNSAFE,
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error"), _TOO_FAST),
    **dict.fromkeys(("overloaded_error", "unavailable_error"), _OVERLOADED),
    **dict.fromkeys(("server_error", "api_error"), _BROKEN),
}

_STATUS_RULES: dict[int, _Rule] = {
    **dict.fromkeys(range(500, 600), _BROKEN),
    **dict.fromkeys((400, 413, 422, 435), _BAD_REQUEST),
    401: _BAD_KEY,
    402: _NO_BALANCE,
    **dict.fromkeys((403, 434), _NO_PERMISSION._replace(error=AuthenticationError, remedy=_KEY)),
    404: _NO_ADDRESS,
    405: _NO_ADDRESS._replace(what="This address does not take questions"),
    **dict.fromkeys((408, 409), _BROKEN),
    429: _TOO_FAST,
    451: _UNSAFE,
    **dict.fromkeys((503, 529), _OVERLOADED),
}


def classify(
    status: int | None, payload: object, *, retry_after: float | None = None
) -> StatusError:
    """Return the error for an HTTP *status* (None inside a stream) and the body sent with it.

    *payload* is the parsed JSON in any of the shapes in use, or plain text.
    The vendor's own words are kept in `detail` and shown behind ours;
    *retry_after* is in seconds.
    """
    body = payload if isinstance(payload, dict) else {}
    code, kind, detail = _read(body) if body else ("", "", _plain(payload))
    rule = _find_rule(status, code, kind, body)
    what = f"The service answered with HTTP {status}" if rule is _UNKNOWN and status else rule.what
    error = rule.error(
        _sentence(what, code, detail),
        remedy=rule.remedy,
        status=status,
        code=code,
        detail=detail,
        retry_after=retry_after,
    )
    error.passing = error.passing and may_pass(status)
    return error


def may_pass(status: int | None) -> bool:
    """Whether HTTP's *status* (None inside a stream) lets a refusal be over a little later."""
    if status is None or status < HTTPStatus.BAD_REQUEST:
        return True
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def status_in(code: object) -> int | None:
    """Return the error status that a *code* is, or None when it is anything else."""
    text = str(code)
    return int(text) if _ERROR_STATUS.fullmatch(text) else None


def class_of(status: int | None, *named: object) -> type[StatusError]:
    """Return the class of error that the first of *named*, or else *status*, has in HTTP.

    The code of an account that is used up goes before that.
    """
    if any(_is_used_up(str(each)) for each in named):
        return QuotaError
    number = _number_of(status, *named, status)
    return StatusError if number is None else _STATUS_RULES.get(number, _UNKNOWN).error


def _read(body: JSON) -> tuple[str, str, str]:
    """Return code, type and message of an error body."""
    places = places_in(body)
    codes = [code_text(place.get(name)) for place in places for name in ("code", "error_code")]
    kinds = [text_of(place, "type") for place in places]
    details = (text_of(place, *_WORDS) for place in places)
    code, kind = foremost(codes), foremost(kinds)
    detail = next(filter(None, details), "")
    if path := text_of(body, "path"):  # the shape of the Spring framework
        detail = f"{detail} ({path})"
    return code, kind, detail


def places_in(body: JSON, depth: int = 5) -> list[JSON]:
    """Return the objects in *body* that tell of the error: it is behind its `error`.

    Details come last; so many levels are looked at.
    """
    error, detail = (object_in(body.get(name)) for name in ("error", "detail"))
    before, behind = (
        places_in(each, depth - 1) if each and depth else [] for each in (error, detail)
    )
    return [*before, body, *behind]


def foremost(codes: Sequence[str]) -> str:
    """Return the one of *codes* that says most: an account that is used up, else the first."""
    used_up = (code for code in codes if _is_used_up(code))
    return next(used_up, next(filter(None, codes), ""))


def _is_used_up(code: str) -> bool:
    rule = _RULES.get(code.lower())
    return rule is not None and rule.error is QuotaError


def code_text(code: object) -> str:
    """Return a business *code* as text, or "" for what is none; some gateways write 1113.0."""
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if code in (0, "0"):  # all is well, or it stands elsewhere
        return ""
    return str(code) if isinstance(code, (str, int)) and not isinstance(code, bool) else ""


def _plain(payload: object) -> str:
    text = payload.strip() if isinstance(payload, str) else ""
    return "a web page instead of an answer" if text.startswith("<") else text


def _number_of(status: int | None, *named: object) -> int | None:
    """Return the first of *named* that is an error status; none that passes, if *status* does not.

    Some bodies name a better status than HTTP has.
    """
    numbers = [number for each in named if (number := status_in(each))]
    return next((each for each in numbers if may_pass(status) or not may_pass(each)), None)


def _find_rule(status: int | None, code: str, kind: str, body: JSON) -> _Rule:
    known = _RULES.get(foremost([code, kind]).lower()) or _RULES.get(kind.lower())
    if known and (known.error is not OverloadError or may_pass(status)):
        return known
    number = _number_of(status, code, status, body.get("status"))
    if number is None:
        return _UNKNOWN
    if number == HTTPStatus.NOT_FOUND and "model" in _read(body)[2].lower():
        return _NO_MODEL
    return _STATUS_RULES.get(number, _UNKNOWN)


def _sentence(what: str, code: str, detail: str) -> str:
    numbered = f"{what} (code {code})" if code else what
    return f"{numbered}: {detail}" if detail else f"{numbered}."
