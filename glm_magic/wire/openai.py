"""The OpenAI wire format as GLM's own API and the usual servers speak it. No I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ProtocolError, StatusError, tidy
from ..messages import Delta, Finish, Usage
from .answer import Answer
from .codes import classify
from .payload import JSON, left_out, object_of, objects_of, read_event, read_object, text_of
from .restart import ChunkIds, says_something
from .runs import Runs
from .shaping import shape
from .think import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..messages import Message, ToolCall
    from ..providers.base import Options
    from .sse import Event

TRUNCATED = "the stream ended before the answer was complete"
_RESTARTED = "the service began the answer anew; what it had said before was taken back"
_RESUMED = "the service had not begun anew after all; its first words are back"
_OTHER_CHOICE = "the service sent more than one answer; only the first is shown"
_LATE = "the service went on after the end of its answer; that was left out"

#: Finish reasons, and what to say about them.
_FINISHES: dict[str, tuple[Finish, str]] = {
    "stop": ("stop", ""),
    "length": ("length", ""),
    "tool_calls": ("tool_calls", ""),
    "function_call": ("tool_calls", ""),
    "sensitive": ("content_filter", "the vendor's moderation ended the answer"),
    "content_filter": ("content_filter", "the vendor's moderation ended the answer"),
    "abort": ("truncated", "the server gave the answer up"),
}
_NOTHING = Delta()
_FAILURES = ("network_error", "model_context_window_exceeded")


def request_body(
    messages: Sequence[Message], options: Options, *, model: str, is_glm: bool
) -> tuple[JSON, list[str]]:
    """Return the JSON body that asks *model* to answer *messages*, and notices of what was changed.

    *is_glm* says that the official API is asked, whose limits are then kept;
    any other server gets the options as they are. `options.extra` goes on top.
    """
    fields, notices = shape(options, model) if is_glm else _plain_fields(options)
    common = {"max_tokens": options.max_tokens, "seed": options.seed}
    body = {
        "model": model,
        "messages": [_encode(message) for message in messages],
        "stream": True,
        **{name: value for name, value in common.items() if value is not None},
        **fields,
        **options.extra,
    }
    return body, notices


def _plain_fields(options: Options) -> tuple[JSON, list[str]]:
    stop = options.stop if isinstance(options.stop, str) else list(options.stop or ()) or None
    asked = {"temperature": options.temperature, "top_p": options.top_p, "stop": stop}
    fields: JSON = {name: value for name, value in asked.items() if value is not None}
    fields["stream_options"] = {"include_usage": True}
    notices = []
    if options.think:
        # vLLM, SGLang and llama.cpp read the first, Ollama the second.
        effort = {"off": "none", "max": "high"}.get(options.think, options.think)
        fields["chat_template_kwargs"] = {"enable_thinking": options.think != "off"}
        fields["reasoning_effort"] = effort
    if options.think == "max":
        notices.append("thinking set to high, the most such servers know")
    return fields, notices


def _encode(message: Message) -> JSON:
    encoded: JSON = {"role": message.role, "content": message.content}
    if message.images:
        images = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
        text = [{"type": "text", "text": message.content}] if message.content else []
        encoded["content"] = [*text, *images]
    if message.tool_call_id:
        encoded["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        encoded["tool_calls"] = [_encode_call(call) for call in message.tool_calls]
        # The thinking that led to a call is wanted back together with its result.
        encoded |= {"reasoning_content": message.reasoning} if message.reasoning else {}
    return encoded


def _encode_call(call: ToolCall) -> JSON:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def read_answer(payload: JSON, decoder: OpenAIDecoder) -> Iterator[Delta]:
    """Yield the deltas of a whole JSON answer, from a server that does not stream.

    Raises StatusError when it is a refusal, ProtocolError when it is no answer.
    """
    choices = [
        {**choice, "delta": choice.get("message")} for choice in objects_of(payload, "choices")
    ]
    if not choices and not _is_error(payload):
        raise ProtocolError("The service ended without an answer.")
    yield from decoder.read({**payload, "choices": choices} if choices else payload)
    yield from decoder.close()


class OpenAIDecoder:
    """Turns the events of one stream into deltas.

    `close` is to be called when the bytes end. The last delta carries the
    finish reason; `is_done` is True once it has been given out, or when the
    far side has reported a failure, and later events are ignored.
    """

    def __init__(self) -> None:
        self.join = Runs().join
        self._answer = Answer()
        self._failure: StatusError | None = None
        self._ids = ChunkIds()
        self._finish: Finish | None = None
        self._remark = ""
        self._usage: Usage | None = None
        self._model: str | None = None
        self._start = ""  # of the first event, for the error about a stream without an answer
        self._has_begun = False
        self._said: set[str] = set()  # the notices that are given once
        self._is_done = False

    @property
    def is_ending(self) -> bool:
        """Whether a finish reason was seen: only usage and `[DONE]` may still follow."""
        return self._finish is not None

    @property
    def is_done(self) -> bool:
        """Whether the last delta was given out, or a failure is to be raised."""
        return self._is_done

    @property
    def kept(self) -> int:
        """About how many characters were taken in and not given out."""
        return self._answer.kept

    def decode(self, event: Event) -> list[Delta]:
        """Return what *event* adds."""
        data = event.data.strip()
        if self._is_done or not data:
            return []
        if data == "[DONE]":
            return self._end()
        if event.event == "error":
            return self._fail(read_object(data) or data)
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
        """Return what one parsed *chunk* adds."""
        if self._is_done:
            return []
        if _is_error(chunk):
            return self._fail(chunk)
        self._has_begun = True
        usage = _read_usage(chunk)
        self._usage = usage or self._usage
        self._model = text_of(chunk, "model") or self._model
        choices = objects_of(chunk, "choices")
        deltas = [delta for choice in choices for delta in self._choose(choice, chunk)]
        is_last = usage and any(choice.get("finish_reason") for choice in choices)
        return deltas + self._end() if is_last and not self._is_done else deltas

    def _choose(self, choice: JSON, chunk: JSON) -> list[Delta]:
        if choice.get("index"):
            return self._say(_OTHER_CHOICE)
        delta = object_of(choice, "delta")
        if self._finish is not None:
            return self._say(_LATE) if says_something(delta) else []
        deltas = self._extend(delta, text_of(chunk, "id"))
        return deltas + self._note_finish(text_of(choice, "finish_reason"))

    def _say(self, notice: str) -> list[Delta]:
        is_news = notice not in self._said
        self._said.add(notice)
        return [Delta(notice=notice)] if is_news else []

    def _fail(self, payload: object) -> list[Delta]:
        """Keep the error for `close`, so that what has come with it is given out before."""
        if self._finish is not None:
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

    def _note_finish(self, reason: str) -> list[Delta]:
        if not reason:
            return []
        if reason in _FAILURES:
            return self._fail({"code": reason})
        remark = f"the answer ended for an unknown reason: {tidy(reason, 60)}"
        unknown: tuple[Finish, str] = ("stop", remark)
        self._finish, self._remark = _FINISHES.get(reason, unknown)
        return []

    def _end(self) -> list[Delta]:
        if not self._has_begun:
            raise ProtocolError("The service ended without an answer.", start=self._start)
        self._is_done = True
        is_complete = self._finish in ("stop", "tool_calls")
        calls, lost = self._answer.calls.finished(is_complete=is_complete)
        rest = self._answer.close()
        finish, remark = self._ending(has_calls=bool(calls))
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
        unknown = self._answer.unknown
        remarks = [f"{lost} incomplete tool call(s) left out"] if lost else []
        remarks += [left_out(unknown)] if unknown else []
        return [*(Delta(notice=tidy(remark)) for remark in remarks), last]

    def _ending(self, *, has_calls: bool) -> tuple[Finish, str]:
        if self._finish is None:  # `[DONE]` alone also follows errors and cuts
            return "truncated", TRUNCATED
        if self._finish == "stop" and has_calls:
            return "tool_calls", self._remark
        return self._finish, self._remark


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
    has_code = bool(chunk.get("code")) and bool(text_of(chunk, "message", "msg"))
    return "choices" not in chunk and (has_code or chunk.get("object") == "error")


def _read_usage(chunk: JSON) -> Usage | None:
    usage = object_of(chunk, "usage")
    counts = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
    return None if counts == (None, None) else Usage(*counts)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
