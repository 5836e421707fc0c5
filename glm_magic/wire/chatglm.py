"""The event stream of chatglm.cn's web page: request, deltas and refusals. No I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ProtocolError, StatusError, tidy
from ..messages import Delta, Finish
from .entries import entries_of
from .markdown import strip_citations
from .parts import Transcript
from .payload import JSON, left_out, object_of, objects_of, read_event, read_object, text_of
from .prolonged import Prolonged
from .refusals import OTHER_WAYS, complaints, is_refusal, read_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..messages import Message
    from .sse import Event

#: The general assistant of the site: a bot, not a model.
ASSISTANT_ID = "65940acff94777010aa6b796"
TRUNCATED = "the stream ended before the answer was complete"
#: Said where frames can be read in both modes to the end.
DOUBT = "no event told whether they repeat the text or add to it: some may be missing or double"
_TEXTS = ("text", "think", "text_thinking")
_LATE = "the service went on after the end of its answer; that was left out"
_FILTERED = "the vendor's moderation ended the answer"
_NOTHING = Delta()


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

    `close` is to be called when the bytes end. The last delta, which that gives
    out, carries the finish reason; `is_done` is True from then on, or when the
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
        self._said: set[str] = set()  # the notices that are given once
        self._finish: Finish | None = None
        self._remark = ""
        self._is_done = False

    @property
    def is_ending(self) -> bool:
        """Whether the answer has finished, so that no more of it is waited for."""
        return self._is_done or self._finish is not None

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
        is_plain = self._finish is None and event.event != "error"
        added = self._prolonged.read(event.raw) if is_plain else None
        if added is None:
            if is_plain and self._transcript.is_growing:
                event = self._prolonged.without_text(event)
            self._prolonged.forget()
            return self._decode(event)
        delta = self._transcript.prolong(added)
        if delta is None:
            return self._read(self._prolonged.frame)
        return [delta] if delta != _NOTHING else []

    def _decode(self, event: Event) -> list[Delta]:
        data = event.raw.strip()
        if not data or data == b"[DONE]":
            return []
        if event.event == "error":
            return self._fail(read_object(event.data) or {"message": event.data.strip()})
        self._start = self._start or event.raw[:800].decode("utf-8", "replace")[:200]
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
            raise ProtocolError(msg, remedy=OTHER_WAYS, start=self._start)
        return self._end()

    def rest(self) -> list[Delta]:
        """Return what was kept back, when the stream has broken off."""
        rest = self._transcript.write(is_end=True)
        return [rest] if rest != _NOTHING else []

    def _read(self, frame: JSON) -> list[Delta]:
        if self._is_done:
            return []
        if self._finish is not None:
            return self._say(_LATE) if self._is_news(frame) else []
        self._has_begun = self._has_begun or "parts" in frame
        parts = objects_of(frame, "parts")
        models = (text_of(part, "model") for part in parts)
        self._conversation_id = text_of(frame, "conversation_id") or self._conversation_id
        self._model = next(filter(None, models), self._model)
        delta = self._transcript.add(parts)
        deltas = [delta] if delta != _NOTHING else []
        if is_refusal(frame):
            return deltas + self._fail(frame)
        if frame.get("status") == "intervene":
            return deltas + self._note_finish("content_filter", _intervention(frame) or _FILTERED)
        deltas += [said for words in complaints(frame) for said in self._say(words)]
        return deltas + self._note_finish("stop") if frame.get("status") == "finish" else deltas

    def _is_news(self, frame: JSON) -> bool:
        """Whether *frame*, behind the finish, says what was not said: often it is said again."""
        if is_refusal(frame) or frame.get("status") == "intervene":
            return True
        if any(words not in self._said for words in complaints(frame)):
            return True
        if _LATE in self._said:
            return False
        before = self._transcript.shown
        parts = objects_of(frame, "parts")
        self._transcript.add(parts)
        self._transcript.write(is_end=True)
        # A late piece of a finished text changes nothing, but may be new all the same.
        texts = (text_of(entry, *_TEXTS) for part in parts for entry in entries_of(part))
        plain = (strip_citations(text, is_open=False)[0] for text in texts)
        is_new = any(text not in before[0] and text not in before[1] for text in plain)
        return is_new or before != self._transcript.shown

    def _say(self, notice: str) -> list[Delta]:
        is_news = notice not in self._said
        self._said.add(notice)
        return [Delta(notice=notice)] if is_news else []

    def _fail(self, frame: JSON) -> list[Delta]:
        """Keep the error for `close`, so that what has come with it is given out before."""
        if self._finish is not None:
            return self._say(_LATE)
        self._failure, self._is_done = read_refusal(frame), True
        return []

    def _note_finish(self, finish: Finish, remark: str = "") -> list[Delta]:
        """Give out all of the answer, but for the last delta."""
        self._has_begun = True
        self._finish, self._remark = finish, remark
        unknown = self._transcript.unknown
        notice = [Delta(notice=tidy(left_out(unknown), 150))] if unknown else []
        is_doubtful = finish != "content_filter" and self._transcript.is_doubtful
        doubt = [Delta(notice=DOUBT)] if is_doubtful else []
        return self.rest() + notice + doubt

    def _end(self) -> list[Delta]:
        rest = [] if self._finish else self._note_finish("truncated", TRUNCATED)
        self._is_done = True
        last = Delta(
            notice=self._remark,
            finish_reason=self._finish,
            conversation_id=self._conversation_id,
            model=self._model,
        )
        return [*rest, last]


def _intervention(frame: JSON) -> str:
    """Return the vendor's words about its moderation, wherever this build of it puts them."""
    places = [frame, *objects_of(frame, "parts")]
    errors = [object_of(place, name) for place in places for name in ("last_error", "error")]
    return tidy(next((text for error in errors if (text := text_of(error, "intervene_text"))), ""))
