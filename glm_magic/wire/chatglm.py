"""The event stream of chatglm.cn's web page: request, deltas and refusals. No I/O, no clock."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from ..errors import (
    AuthenticationError,
    FilterError,
    OverloadError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    StatusError,
    tidy,
)
from ..messages import Delta, Finish
from .codes import class_of, may_pass
from .parts import Transcript
from .payload import JSON, left_out, object_of, objects_of, read_event, read_object, text_of
from .prolonged import Prolonged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..messages import Message
    from .sse import Event

#: The general assistant of the site: a bot, not a model.
ASSISTANT_ID = "65940acff94777010aa6b796"
TRUNCATED = "the stream ended before the answer was complete"
_FILTERED = "the vendor's moderation ended the answer"
_NOTHING = Delta()
_CAPTCHA = "FRONTEND_CAPTCHA_REQUIRED"
_OTHER_WAYS = (
    "Other ways: an API key (ZAI_API_KEY or ZHIPUAI_API_KEY), a server of your own "
    "(GLM_BASE_URL), or the embedded model (`%glm -m local`)."
)


def headers(device_id: str) -> dict[str, str]:
    """Return the headers of a guest's request; *device_id* is 32 hexadecimal digits."""
    return {
        "Accept": "text/event-stream",
        "Accept-Language": "en-US,en;q=0.9",
        "App-Name": "chatglm",
        "Authorization": "undefined",  # the literal word: a guest has no token
        "Content-Type": "application/json",
        "Origin": "https://chatglm.cn",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "X-App-Platform": "pc",
        "X-App-Version": "0.0.1",
        "X-Device-Id": device_id,
    }


def request_body(
    messages: Sequence[Message], *, conversation_id: str | None, assistant_id: str = ASSISTANT_ID
) -> JSON:
    """Return the JSON body that asks *assistant_id* to answer *messages*.

    With a *conversation_id* the server remembers what came before, and only
    the newest message is sent. Images cannot be sent this way.
    """
    sent = messages[-1:] if conversation_id else messages
    return {
        "assistant_id": assistant_id,
        "conversation_id": conversation_id or "",
        "meta_data": {
            "if_plus_model": False,
            "is_test": False,
            "input_question_type": "xxxx",
            "channel": "",
            "draft_id": "",
            "quote_log_id": "",
            "platform": "pc",
        },
        "messages": [
            {"role": message.role, "content": [{"type": "text", "text": message.content}]}
            for message in sent
        ],
    }


class SnapshotDecoder:
    """Turns the events of one stream into deltas.

    `close` is to be called when the bytes end. The last delta carries the
    finish reason; `is_done` is True once it has been given out, or when the
    far side has reported a failure, and later events are ignored. Only the
    status of the message itself ends it: parts finish before the answer does.
    """

    def __init__(self) -> None:
        self._transcript = Transcript()
        self._prolonged = Prolonged()
        self._failure: StatusError | None = None
        self._conversation_id: str | None = None
        self._model: str | None = None
        self._start = ""  # of the first event, for the error about a stream without an answer
        self._has_begun = False
        self._is_done = False

    @property
    def is_ending(self) -> bool:
        """Whether the answer has finished; the last delta goes with that at once."""
        return self._is_done

    @property
    def is_done(self) -> bool:
        """Whether the last delta was given out, or a failure is to be raised."""
        return self._is_done

    def join(self, chunk: bytes) -> bytes:
        """Return *chunk* as it is: snapshots are told apart one by one."""
        return chunk

    @property
    def kept(self) -> int:
        """About how many characters were taken in and not given out."""
        return self._transcript.kept

    def decode(self, event: Event) -> list[Delta]:
        """Return what *event* adds."""
        if self._is_done:
            return []
        added = self._prolonged.read(event.raw) if event.event != "error" else None
        if added is None:
            return self._decode(event)
        delta = self._transcript.prolong(added)
        if delta is None:
            return self._read(self._prolonged.frame)
        return [delta] if delta != _NOTHING else []

    def _decode(self, event: Event) -> list[Delta]:
        data = event.data.strip()
        if not data or data == "[DONE]":
            return []
        if event.event == "error":
            return self._fail(read_object(data) or {"message": data})
        self._start = self._start or data[:200]  # all of it would be kept
        reading = read_event(event)
        deltas = [Delta(notice=reading.notice)] if reading.notice else []
        for frame in reading.objects:
            deltas += self._read(frame)
        if not reading.notice:
            self._prolonged.learn(event.raw, reading.objects[0])
        return deltas

    def close(self) -> list[Delta]:
        """Return what the end of the stream leaves over: the last delta, unless it is out.

        Raises the failure that the far side reported, as a StatusError, and
        ProtocolError when there was no answer at all.
        """
        if self._failure is not None:
            raise self._failure
        if self._is_done:
            return []
        if not self._has_begun:
            msg = "The service ended without an answer."
            raise ProtocolError(msg, remedy=_OTHER_WAYS, start=self._start)
        return self._end("truncated", TRUNCATED)

    def rest(self) -> list[Delta]:
        """Return what was kept back, when the stream has broken off."""
        rest = self._transcript.write(is_end=True)
        return [rest] if rest != _NOTHING else []

    def _read(self, frame: JSON) -> list[Delta]:
        if self._is_done:
            return []
        self._has_begun = self._has_begun or "parts" in frame
        parts = objects_of(frame, "parts")
        models = (text_of(part, "model") for part in parts)
        self._conversation_id = text_of(frame, "conversation_id") or self._conversation_id
        self._model = next(filter(None, models), self._model)
        delta = self._transcript.add(parts)
        deltas = [delta] if delta != _NOTHING else []
        if _is_refusal(frame):
            return deltas + self._fail(frame)
        if frame.get("status") == "finish":
            return deltas + self._end("stop")
        if frame.get("status") == "intervene":
            return deltas + self._end("content_filter", _intervention(frame) or _FILTERED)
        return deltas

    def _fail(self, frame: JSON) -> list[Delta]:
        """Keep the error for `close`, so that what has come with it is given out before."""
        self._failure, self._is_done = read_refusal(frame), True
        return []

    def _end(self, finish: Finish, notice: str = "") -> list[Delta]:
        self._is_done = True
        rest = self._transcript.write(is_end=True)
        last = Delta(
            content=rest.content,
            reasoning=rest.reasoning,
            retract=rest.retract,
            retract_reasoning=rest.retract_reasoning,
            notice=notice,
            finish_reason=finish,
            conversation_id=self._conversation_id,
            model=self._model,
        )
        unknown = self._transcript.unknown
        return [Delta(notice=tidy(left_out(unknown), 150)), last] if unknown else [last]


def _intervention(frame: JSON) -> str:
    """Return the vendor's words about its moderation, wherever this build of it puts them."""
    places = [frame, *objects_of(frame, "parts")]
    errors = [object_of(place, name) for place in places for name in ("last_error", "error")]
    return tidy(next((text for error in errors if (text := text_of(error, "intervene_text"))), ""))


def _is_refusal(frame: JSON) -> bool:
    # A healthy frame has `last_error: {}`; a refusal has a number for its status, or none.
    if frame.get("status") in ("init", "finish", "intervene"):
        return False
    has_fault = bool(frame.get("error") or _facts_of(frame)[0])
    return frame.get("status") == "error" or ("parts" not in frame and has_fault)


class _Refusal(NamedTuple):
    error: type[StatusError]
    what: str
    signs: tuple[str, ...]


# Signs are codes, or words of the service's own message; the first that fits counts.
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
        remedy=_OTHER_WAYS,
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
    if rule is None or (rule.error is OverloadError and not may_pass(status)):
        return _Refusal(class_of(status, code), "chatglm.cn refused", ())
    return rule


def _fits(sign: str, code: str, message: str) -> bool:
    return sign == code or (not sign.isdecimal() and sign.lower() in message.lower())


def _facts_of(payload: JSON) -> tuple[str, str]:
    """Find code and message in the payload itself, its `error`, `last_error` or `data.error`."""
    inner = object_of(object_of(payload, "data"), "error")
    places = [object_of(payload, "error"), object_of(payload, "last_error"), inner, payload]
    codes = [place.get(name) for place in places for name in ("error_code", "code")]
    numbers = [value for value in (*codes, payload.get("status")) if _is_code(value)]
    messages = [text_of(place, "err_msg", "message", "msg", "error", "detail") for place in places]
    return next(map(str, numbers), ""), next(filter(None, messages), "")


def _is_code(value: object) -> bool:
    is_status_word = value in ("init", "finish", "intervene", "error")
    return isinstance(value, (int, str)) and value not in (0, "", "0") and not is_status_word
