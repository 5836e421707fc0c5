"""The OpenAI wire format as GLM's own API and the usual servers speak it. No I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ProtocolError, StatusError, tidy
from ..messages import Delta, Usage
from .answer import Answer, delta_of, number_of, whole_of
from .codes import classify
from .finishing import FAILURES, Finishing
from .payload import JSON, left_out, object_of, objects_of, read_event, read_object, text_of
from .restart import ChunkIds, says_something
from .runs import Runs
from .think import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sse import Event

_RESTARTED = "the service began the answer anew; what it had said before was taken back"
_RESUMED = "the service had not begun anew after all; its first words are back"
_OTHER_CHOICE = "the service sent more than one answer; only the first is shown"
_REFUSED = "the model refused to answer; the words are its own"
_LATE = "the service went on after the end of its answer; that was left out"

_NOTHING = Delta()
_MOST_TOKENS = 2**53
_NO_ANSWER = "The service ended without an answer."
_REMEDY = "Ask again; if that is no use, check the address and the model."


def read_answer(payload: JSON, decoder: OpenAIDecoder) -> Iterator[Delta]:
    """Yield the deltas of a whole JSON answer, from a server that does not stream.

    Raises StatusError when it is a refusal, ProtocolError when it is no answer.
    """
    choices = [{**each, "delta": whole_of(each)} for each in objects_of(payload, "choices")]
    if not choices and not _is_error(payload):
        raise ProtocolError(_NO_ANSWER, remedy=_REMEDY)
    yield from decoder.read({**payload, "choices": choices} if choices else payload)
    yield from decoder.close()


class OpenAIDecoder:
    """Turns the events of one stream into deltas.

    `close` is to be called when the bytes end. The last delta carries the
    finish reason; `is_done` is True once it has been given out, or when the
    far side has reported a failure. Later events add no more than notices.
    """

    def __init__(self) -> None:
        self.join = Runs().join
        self._failure: StatusError | None = None
        self._choice: int | None = None  # the number of the answer that is shown
        self._begin()
        self._usage: Usage | None = None
        self._model: str | None = None
        self._start = ""  # of the first event, for the error about a stream without an answer
        self._has_begun = False
        self._has_pieces = False  # whether the last chunk was one
        self._said: set[str] = set()  # the notices that are given once
        self._was_done = False  # whether `[DONE]` was the last event
        self._is_done = False

    def _begin(self) -> None:
        self._answer = Answer()
        self._ids = ChunkIds()
        self._finishing = Finishing()

    @property
    def is_ending(self) -> bool:
        """Whether a finish reason or `[DONE]` was seen: little may still follow."""
        return self._finishing.is_over or self._was_done

    @property
    def is_done(self) -> bool:
        """Whether the last delta was given out, or a failure is to be raised."""
        return self._is_done

    @property
    def _is_closed(self) -> bool:
        """Whether nothing more is looked at: behind a failure, and behind an end with `[DONE]`."""
        return self._failure is not None or (self._is_done and self._was_done)

    @property
    def kept(self) -> int:
        """About how many characters were taken in and not given out."""
        return self._answer.kept

    def decode(self, event: Event) -> list[Delta]:
        """Return what *event* adds."""
        data = event.data.strip()
        if not data or (self._is_done and (self._is_closed or not event.is_whole)):
            return []
        self._was_done = data == "[DONE]"
        if self._was_done:  # before the end it may come by mistake, and more behind it
            return self._end() if self._finishing.has_reason and not self._is_done else []
        if event.event == "error":
            payload = read_object(data)
            return self._break_off(payload) if payload else self._fail(data)
        self._start = self._start or data[:200]  # all of it would be kept
        del data  # it may be large, and is read from its bytes
        reading = read_event(event, goes_on=True)
        deltas = [Delta(notice=reading.notice)] if reading.notice else []
        for chunk in reading.objects:
            deltas += self.read(chunk)
        return deltas

    def close(self) -> list[Delta]:
        """Return what the end of the stream leaves over: the last delta, unless it is out.

        Raises the failure that the far side reported, as a StatusError, and
        ProtocolError when there was no answer at all.
        """
        if self._failure is not None:
            raise self._failure
        return [] if self._is_done else self._end()

    def rest(self) -> list[Delta]:
        """Return what was kept back, when the stream has broken off."""
        rest = self._answer.close()
        return [rest] if rest != _NOTHING else []

    def read(self, chunk: JSON) -> list[Delta]:
        """Return what one parsed *chunk* adds; behind the last delta, only what to say of it."""
        if self._is_closed:
            return []
        if _is_error(chunk):
            return self._break_off(chunk)
        self._has_begun = True
        usage = _read_usage(chunk)
        self._usage = usage or self._usage
        self._model = text_of(chunk, "model") or self._model
        choices = [(choice, delta_of(choice)) for choice in objects_of(chunk, "choices")]
        id_ = text_of(chunk, "id")
        deltas = [delta for one in choices for delta in self._choose(*one, id_)]
        if usage is None or any(says_something(delta) for _, delta in choices):
            return deltas
        ours = (each for each, _ in choices if number_of(each) == self._choice)
        is_last = self._finishing.has_reason and any(each.get("finish_reason") for each in ours)
        return deltas + self._end() if is_last and not self._is_done else deltas

    def _break_off(self, chunk: JSON) -> list[Delta]:
        """Return the text of a *chunk* that is an error; what reason it names for that is none."""
        id_ = text_of(chunk, "id")
        choices = [
            {**each, "finish_reason": None, "error": None} for each in objects_of(chunk, "choices")
        ]
        deltas = [delta for each in choices for delta in self._choose(each, delta_of(each), id_)]
        return deltas + self._fail(chunk)

    def _choose(self, choice: JSON, delta: JSON, chunk_id: str) -> list[Delta]:
        number = number_of(choice)
        deltas = []
        if self._choice is None:
            self._choice = number
        elif number != self._choice:
            if number or self._is_done:
                return self._say(_OTHER_CHOICE)
            deltas = self._change_to(number)
        delta = self._news_in(choice, delta)
        has_text = says_something(delta)
        if has_text and (self._is_done or not self._finishing.goes_on(chunk_id)):
            return deltas + self._say(_LATE)
        if has_text or not self._finishing.has_reason:
            deltas += self._extend(delta, chunk_id)
        if choice.get("error"):
            return deltas + self._fail({"error": choice["error"]})
        return deltas + self._note_finish(
            text_of(choice, "finish_reason"), chunk_id, with_text=has_text
        )

    def _news_in(self, choice: JSON, delta: JSON) -> JSON:
        """Return *delta* of *choice*, or what is new in it if it is a message behind its pieces."""
        given = choice.get("delta")
        if given and (given is delta or not isinstance(given, dict)):  # as nearly always
            self._has_pieces = True
        elif self._has_pieces and says_something(delta):
            delta = self._answer.news_in(delta)
            # Where it says something else, messages may be the pieces from here on.
            self._has_pieces = not says_something(delta)
        return delta

    def _change_to(self, number: int) -> list[Delta]:
        """Take the answer back that came under another number: the first one is this."""
        old, self._choice = self._answer, number
        self._begin()
        return [*self._say(_OTHER_CHOICE), _replace(old, self._answer, "")]

    def _say(self, notice: str) -> list[Delta]:
        is_news = notice not in self._said
        self._said.add(notice)
        return [Delta(notice=notice)] if is_news else []

    def _fail(self, payload: object) -> list[Delta]:
        """Keep the error for `close`, so that what has come with it is given out before."""
        if self._is_done or self._finishing.is_over:
            return self._say(_LATE)
        self._failure, self._is_done = classify(None, payload), True
        return []

    def _extend(self, delta: JSON, chunk_id: str) -> list[Delta]:
        """Add *delta* to the answer, or to a new one if the service began anew."""
        replay = self._ids.follow(chunk_id, delta, is_shown=not self._answer.is_empty)
        if replay is None:
            added = self._answer.add(delta)
            return [added] if added != _NOTHING else []
        old, self._answer = self._answer, Answer()
        for earlier in replay:
            self._answer.add(earlier)
        notice = _RESUMED if len(replay) > 1 else _RESTARTED
        return [_replace(old, self._answer, notice)]

    def _note_finish(self, reason: str, chunk_id: str, *, with_text: bool) -> list[Delta]:
        if reason in FAILURES and not self._finishing.has_reason:
            return self._fail({"code": reason})
        self._finishing.note(reason, chunk_id, with_text=with_text)
        return []

    def _end(self) -> list[Delta]:
        if not self._has_begun:
            raise ProtocolError(_NO_ANSWER, remedy=_REMEDY, start=self._start)
        self._is_done = True
        answer = self._answer
        is_complete = self._finishing.is_complete
        calls, lost = answer.calls.finished(is_complete=is_complete)
        rest = answer.close()
        finish, remark = self._finishing.result(has_calls=bool(calls), is_done=self._was_done)
        last = Delta(
            content=rest.content,
            reasoning=rest.reasoning,
            retract=rest.retract,
            tool_calls=calls,
            notice=remark,
            finish_reason=finish,
            usage=self._usage,
            model=whole(self._model) if self._model else None,
        )
        remarks = [f"{lost} incomplete tool call(s) left out"] if lost else []
        remarks += [left_out(answer.unknown)] if answer.unknown else []
        remarks += [_REFUSED] if answer.is_refusal else []
        return [*(Delta(notice=tidy(remark)) for remark in remarks), last]


def _replace(old: Answer, new: Answer, notice: str) -> Delta:
    return Delta(
        content=new.content,
        reasoning=new.reasoning,
        retract=len(old.content),
        retract_reasoning=len(old.reasoning),
        notice=notice,
    )


def _is_error(chunk: JSON) -> bool:
    if chunk.get("error"):
        return True
    code = chunk.get("code") or chunk.get("error_code")
    has_code = bool(code) and bool(text_of(chunk, "message", "msg", "error_msg"))
    return "choices" not in chunk and (has_code or chunk.get("object") == "error")


def _read_usage(chunk: JSON) -> Usage | None:
    usage = object_of(chunk, "usage")
    counts = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
    return None if counts == (None, None) else Usage(*counts)


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None
