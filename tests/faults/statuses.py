"""Refusals: every status with every body, business codes, pauses, redirects, cookies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from glm_magic.errors import (
    AuthenticationError,
    FilterError,
    ModelError,
    OverloadError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    StatusError,
)
from glm_magic.providers.address import host_of
from tests.far_side import Raw, Redirect, Script, Status, Stream
from tests.faults import places
from tests.faults.fault import Fault, Scripts, Site, lasts, recovers, same, saying
from tests.providers.asking import CHATGLM, OPENAI

WORDS = "the vendor's own words"
PAGE = f"<html><script>alert(1)</script><h1>{WORDS}</h1><img src=x onerror=alert(1)></html>"

#: What the error of each status is; those that are asked again, and those that only
#: OpenAI's format tells apart.
PASSING = {
    **dict.fromkeys((408, 409, 500, 502, 503, 504, 529), OverloadError),
    429: RateLimitError,
}
FINAL = {
    **dict.fromkeys((400, 404, 413, 422), ModelError),
    **dict.fromkeys((401, 403), AuthenticationError),
    402: QuotaError,
    451: FilterError,
}
STATUSES = {**FINAL, **PASSING}

#: The bodies that each status comes with.
BODIES: Mapping[str, Callable[[int], Script]] = {
    "JSON": lambda status: Status(status, {"error": {"message": WORDS}}),
    "HTML": lambda status: Status(status, PAGE, "text/html"),
    "5 MB": lambda status: Status(status, WORDS + "." * 5_000_000, "text/plain"),
    "stalled": lambda status: Stream(
        [WORDS.encode()], status=status, content_type="text/plain", end="hold"
    ),
}


def refused(status: int, body: str) -> Fault:
    """Return the fault of *status* with *body*, for good."""
    requests = 3 if status in PASSING else 1
    return Fault(
        f"{status}, {body}",
        same(*[BODIES[body](status)] * requests),
        error=STATUSES[status],
        words=(WORDS,),
        requests=requests,
    )


#: Of the vendor's words only so many are shown, and the remedy behind them.
LONG = (
    Fault(
        "400, JSON of 10,000 characters",
        same(Status(400, {"error": {"message": WORDS + "." * 10_000}})),
        error=ModelError,
        words=(WORDS, "…"),
    ),
    Fault(
        "401, JSON of 100 lines",
        same(Status(401, {"error": {"message": f"{WORDS}\n\n" * 100}})),
        error=AuthenticationError,
        words=(WORDS,),
    ),
    lasts(
        "520, which only gateways know",
        Status(520, {"error": {"message": WORDS}}),
        error=OverloadError,
        words=(WORDS,),
    ),
)


#: Words that name the far side, in a line that is not shown.
NAMING = Fault(
    "400, words that name the host in their last line",
    lambda at: [Status(400, {"error": {"message": f"{WORDS}\n" * 9 + host_of(at.url)}})],
    error=ModelError,
    words=(WORDS,),
)

#: What speaks of other refusals: of a pause, a login, a failure of the service, a missing model.
HOSTILE = f"{WORDS}: Just a moment, please wait, or log in; intervene, 500 server_error, no model"
MISLEADING: Mapping[str, Any] = {
    "a page": f"<html><title>{HOSTILE}</title></html>",
    "JSON": {"error": {"message": HOSTILE}},
    "JSON of a failure": {"error": {"code": 500, "type": "server_error", "message": HOSTILE}},
    "JSON with a type": {"error": {"type": "server_error", "message": HOSTILE}},
}


def misled(status: int, kind: str) -> Fault:
    """Return the fault of *status* with words, of that *kind*, that speak of other refusals."""
    passes = status in PASSING
    body = MISLEADING[kind]
    script = Status(status, body, "text/html" if isinstance(body, str) else "application/json")
    return Fault(
        f"{status}, hostile words in {kind}",
        same(*[script] * (3 if passes else 1)),
        error=STATUSES[status],
        words=(WORDS,),
        requests=3 if passes else 1,
    )


#: Words, and a code that is a status, count for nothing against the status of a refusal. What has
#: its own row is left out: a 429 of chatglm.cn is told by its words, a 404 by the word model.
MISLED = (
    *(
        misled(status, kind)
        for status in (*range(400, 405), 409, 413, 422, 451, 500, 502, 503, 504, 529)
        for kind in MISLEADING
        if status in STATUSES and (status != HTTPStatus.NOT_FOUND or kind == "a page")
    ),
    misled(429, "a page"),
    Fault(
        "425, too early",
        same(Status(425, {"error": {"message": WORDS}})),
        error=StatusError,
        words=(WORDS, "425"),
    ),
    Fault(
        "400 with the code of a busy minute",
        same(Status(400, {"error": {"code": "1302", "message": WORDS}})),
        error=RateLimitError,
        words=(WORDS, "1302"),
        wires=(OPENAI,),
    ),
    *(
        Fault(
            f"{status} with words of a pause",
            same(Status(status, {"message": f"{WORDS}: await your turn on the waiting list"})),
            error=ModelError,
            words=(WORDS,),
            wires=(CHATGLM,),
        )
        for status in (400, 404)
    ),
    Fault(
        "400 with the code of risk control",
        same(Status(400, {"status": 40012, "message": WORDS})),
        error=RateLimitError,
        words=(WORDS, "40012"),
        wires=(CHATGLM,),
    ),
)


#: Statuses that nobody expects: with a whole stream all that is good is an answer.
ODD = (
    *(
        Fault(
            f"a whole stream with {status}",
            saying("Whole answer", status=status),
            text="Whole answer",
        )
        for status in (201, 202, 203, 206, 226, 299)
    ),
    *(
        Fault(
            f"{status} and no more",
            same(Raw(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)),
            error=ProtocolError,
            words=("without an answer",),
        )
        for status in (204, 205)
    ),
    *(
        Fault(
            f"{status} and no more",
            same(Raw(b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status)),
            error=StatusError,
            words=(str(status),),
        )
        for status in (300, 304, 418)
    ),
    Fault(
        "405", same(Status(405, {"error": {"message": WORDS}})), error=ModelError, words=(WORDS,)
    ),
)


def coded(code: str) -> Script:
    """Return a 429 with the vendor's business *code*."""
    return Status(429, {"error": {"code": code, "message": WORDS}})


NO_BALANCE = {"code": "1113", "message": WORDS}
QUOTA = json.dumps({"error": NO_BALANCE})
#: How a refusal is wrapped by what stands in front of the vendor, or is cut by it.
WRAPPED: Mapping[str, Script] = {
    "in a stream": Status(429, f": hm\n\ndata: {QUOTA}\n\ndata: [DONE]\n\n", "text/event-stream"),
    "in an event of its own": Status(429, f"event: error\ndata: {QUOTA}", "text/event-stream"),
    "in a line of its own": Status(
        429, f"error: {json.dumps(NO_BALANCE)}\n\n", "text/event-stream"
    ),
    "in a list": Status(429, f"[{QUOTA}]"),
    "in a text": Status(429, json.dumps(QUOTA)),
    "in a text in its field": Status(429, {"error": QUOTA}),
    "in a list in its field": Status(429, {"error": [NO_BALANCE]}),
    "in details": Status(429, {"detail": {"error": NO_BALANCE}}),
    "beside the words": Status(429, {"code": 1113, "error": {"message": WORDS}}),
    "under another name": Status(429, {"error_code": 1113, "error_msg": WORDS}),
    "with a fraction": Status(429, {"error": {"code": 1113.0, "message": WORDS}}),
    "with a raw line end": Status(429, QUOTA.replace("own", "own\n")),
    "of 5 MB": Status(429, {"error": {"code": "1113", "message": WORDS + "." * 5_000_000}}),
    "of 5 MB in a list": Status(429, [{"code": "1113", "message": WORDS + "." * 5_000_000}]),
    "of 5 MB in a stream": Status(429, f"data: {QUOTA[:-3]}{'.' * 5_000_000}"),
    "stalled": Stream([QUOTA[:-3].encode()], status=429, end="hold"),
}

CODES = (
    *(
        Fault(
            f"429 with a quota code {place}",
            same(script),
            error=QuotaError,
            words=("vendor's own", "(code 1113)"),
        )
        for place, script in WRAPPED.items()
    ),
    *(
        Fault(
            f"429 with the quota code {code}",
            same(coded(code)),
            error=QuotaError,
            words=(WORDS, code),
        )
        for code in ("1113", "1304", "1308", "1309", "insufficient_quota")
    ),
    lasts(
        "429 with the code of a busy minute",
        coded("1302"),
        error=RateLimitError,
        words=(WORDS,),
    ),
    Fault(
        "429 with no more answers for guests",
        same(Status(429, {"status": 500, "message": "Too many, please log in"})),
        error=QuotaError,
        words=("please log in", "ZAI_API_KEY"),
        wires=(CHATGLM,),
    ),
)


def in_seconds(seconds: float) -> str:
    """Return the date in so many seconds, as HTTP writes it."""
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


def asks_to_wait(value: str) -> Scripts:
    """Return a 429 with Retry-After."""
    return same(Status(429, {"error": {"message": WORDS}}, headers={"Retry-After": value}))


PAUSES = (
    recovers("Retry-After: 1", asks_to_wait("1")),
    recovers("Retry-After: a date that is over", asks_to_wait("Wed, 21 Oct 2015 07:28:00 GMT")),
    *(
        recovers(f"Retry-After: {value}", asks_to_wait(value))
        for value in ("0", "nan", "inf", "-1", "soon")
    ),
    Fault(
        "Retry-After: 3600",
        asks_to_wait("3600"),
        error=RateLimitError,
        words=(WORDS, "3600 s"),
    ),
    Fault(
        "Retry-After: a date far off",
        asks_to_wait(in_seconds(10_000)),
        error=RateLimitError,
        words=(WORDS, " s"),
    ),
    Fault(
        "503 with Retry-After: 3600",
        same(Status(503, {"error": {"message": WORDS}}, headers={"Retry-After": "3600"})),
        error=OverloadError,
        words=(WORDS, "3600 s"),
    ),
)


def elsewhere(status: int) -> Scripts:
    """Return a redirect to the neighbour."""

    def scripts(at: Site) -> Sequence[Script]:
        assert at.neighbour is not None
        return [Redirect(at.neighbour.url + "/v1/chat/completions", status)]

    return scripts


REDIRECTS = (
    *(
        Fault(
            f"redirect to another origin, {status}",
            elsewhere(status),
            error=StatusError,
            words=("it points to", f"HTTP {status}", "which is not followed"),
            place=places.with_neighbour,
        )
        for status in (300, 301, 302, 303, 305, 307, 308)
    ),
    Fault(
        "redirect to the same origin",
        lambda at: [Redirect(f"{at.url}/v2/chat/completions")],
        error=StatusError,
        words=("it points to", "which is not followed"),
    ),
    Fault(
        "redirect to the same path, in a loop",
        lambda at: [lambda request: Redirect(at.url + request.path)],
        error=StatusError,
        words=("it points to", "which is not followed"),
    ),
    Fault(
        "redirect to a path",
        same(Redirect("/login?next=/v1")),
        error=StatusError,
        words=("which is not followed",),
    ),
    Fault(
        "redirect to what is no address",
        same(Redirect("http://[")),
        error=StatusError,
        words=("it points to another address", "which is not followed"),
    ),
    Fault(
        "redirect to a script",
        same(Redirect("javascript:alert(document.cookie)")),
        error=StatusError,
        words=("which is not followed",),
    ),
    Fault(
        "redirect with a name and a password",
        same(Redirect("https://ann:open-sesame@glm.invalid/")),
        error=StatusError,
        words=("it points to glm.invalid (",),
    ),
    Fault(
        "redirect to a host of 600 characters",
        same(Redirect(f"https://start{'.x' * 300}.end.example:8443/")),
        error=StatusError,
        words=("it points to start.x", ".end.example:8443 (HTTP 307), which is not followed"),
    ),
    *(
        Fault(
            f"redirect with a password in which {what}",
            same(Redirect(location)),
            error=StatusError,
            words=(f"it points to {named} (HTTP 307)",),
        )
        for what, location, named in (
            ("@ is escaped", "https://ann:open-sesame%40glm.invalid/", "glm.invalid"),
            ("@ is escaped twice", "https://ann:open-sesame%2540glm.invalid/", "another address"),
            ("/ is not escaped", "https://ann:open-sesame/@glm.invalid/", "another address"),
            ("the host is missing", "https://ann:open-sesame/", "another address"),
        )
    ),
    Fault("redirect without an address", same(Status(302)), error=StatusError, words=("HTTP 302",)),
)

_COOKIES = {"Set-Cookie": "session=0123456789; Path=/"}

#: The runner sees to it that no request holds a cookie.
COOKIES = (
    Fault(
        "cookie with an answer",
        lambda at: [Stream(at.wire.stream("Whole answer"), headers=_COOKIES)],
        text="Whole answer",
    ),
    recovers("cookie with a refusal", same(Status(503, headers=_COOKIES))),
)

FAULTS = (
    *(refused(status, body) for status in STATUSES for body in BODIES),
    *LONG,
    NAMING,
    *MISLED,
    *ODD,
    *CODES,
    *PAUSES,
    *REDIRECTS,
    *COOKIES,
)
