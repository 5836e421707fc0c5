"""What a body is, before it is read as a stream: JSON, a web page, or events. No I/O."""

from __future__ import annotations

import html
import json
import re
from typing import Any, Literal

from ..errors import ProtocolError
from ..redact import redact
from ..wire.payload import JSON, is_swarm, object_in
from ..wire.sse import SSEDecoder

Kind = Literal["json", "page", "events", "packed"]

#: What may stand before any kind of body: the BOM, and blanks.
BLANK = b"\xef\xbb\xbf \t\r\n"
#: How gzip and zstd begin, where the library does not know the name for them.
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
UNPACKED_REMEDY = "Something on the way packs what should come as it is: a proxy, a gateway?"
#: What may be missing from an error that is cut off, mostly in words that are too long.
_ENDS = ("", "}", '"}', '"}}', '"}]', '"}}]')
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


def kind_of(head: bytes, content_type: str) -> Kind | None:
    """Say what a body is by its first bytes and its type; None while too few bytes have come.

    The bytes go first: gateways send JSON errors and login pages, and scripts
    send events, under any type.
    """
    start = head.lstrip(BLANK)
    if start.startswith(_PACKED):
        return "packed"
    if start.startswith(_FIELDS):
        return "events"
    if any(sign.startswith(start) for sign in (*_FIELDS, *_PACKED)):
        return None
    if start[:1] == b"<":
        return "page"
    if start[:1] == b"{" or content_type == "application/json":
        return "json"
    return "page" if content_type == "text/html" else "events"


def read_json(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *body*, or None when it is anything else."""
    text = body.decode("utf-8-sig", "replace")
    if is_swarm(text):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def error_in(body: bytes) -> JSON | None:
    """Return the JSON object of an error page, out of what gateways put it in, or None.

    It may be in events, lists and JSON texts, and its end may be missing.
    """
    sse = SSEDecoder()
    events = [event.raw for event in (*sse.feed(body), *sse.close())]
    texts = [raw.decode("utf-8-sig", "replace") for raw in (body, *events)]
    found = (object_in(text + end) for text in texts for end in _ENDS)
    return next((each for each in found if each is not None), None)


def words_of(body: bytes, limit: int = 200) -> str:
    """Return the visible words at the start of an error page or text."""
    text = "" if body.startswith(_PACKED) else body.decode("utf-8", "replace")
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1>|$)", " ", text[: 64 * limit])
    text = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    return redact(" ".join(text.split()))[:limit]  # a key cut in two would not be known


def packed_error() -> ProtocolError:
    """Return the error for a body that is still packed."""
    return ProtocolError("its answer cannot be unpacked.", remedy=UNPACKED_REMEDY)


def page_error(body: bytes) -> ProtocolError:
    """Return the error for a web page where a stream was expected."""
    return ProtocolError(
        "it sent a web page instead of an answer.",
        remedy="A login, captcha or proxy page? Check the address and open it in a browser.",
        start=words_of(body),
    )
