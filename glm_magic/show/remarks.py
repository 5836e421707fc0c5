"""What is said about a reply besides its text: how it ended, what it took. Strings only."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from ..messages import Reply
from ..redact import redact
from .terminal import clean

if TYPE_CHECKING:
    from ..providers.base import Request

_VERDICTS = {
    "length": "cut off at the token limit",
    "content_filter": "stopped by the vendor's moderation",
    "cancelled": "stopped before its end",
    "truncated": "the stream broke off before its end",
    "error": "broken off by an error",
    "tool_calls": "the model asks to call a tool, which %glm does not do",
}
#: The same where no text came.
_EMPTY = {
    "stop": "the answer is empty",
    "length": "the token limit was used up by thinking: raise --max-tokens, or --think off",
}
#: And where no text came to a new question: nothing of that is remembered.
_UNANSWERED = {
    "cancelled": "stopped before any word of the answer",
    "truncated": "the stream broke off before any word of the answer: ask again",
}
#: What a rest can be asked for after.
_CUT = [_VERDICTS[reason] for reason in ("length", "cancelled", "truncated", "error")]

#: Characters of a text that a browser is given: a page with more of them hardly moves any more.
MOST_SHOWN = 2**20

#: Seconds of silence after which the time is shown.
PATIENCE = 2.0


def verdict(reply: Reply) -> str:
    """Return one line when *reply* is not a complete answer, else ""."""
    verdicts = _VERDICTS
    if not reply.has_text:
        verdicts = verdicts | _EMPTY | ({} if reply.way_on else _UNANSWERED)
    return verdicts.get(reply.finish_reason or "", "")


def footer(reply: Reply) -> str:
    """Return one line with model, tokens, seconds and speed, as far as they are known."""
    parts = [reply.model] if reply.model else []
    tokens = reply.usage.completion_tokens if reply.usage else None
    if tokens is not None:
        parts.append(f"{tokens} tokens")
    parts.append(f"{reply.elapsed:.1f} s")
    if tokens and reply.elapsed > 0:
        parts.append(f"{tokens / reply.elapsed:.0f} tokens/s")
    return " · ".join(parts)


def beginning(text: str) -> str:
    """Return as much of *text* as a browser can show."""
    return text[:MOST_SHOWN]


def left_out(reply: Reply) -> str:
    """Return a remark when not all of *reply* is given to the browser, else ""."""
    size = len(reply.text)
    if size <= MOST_SHOWN:
        return ""
    return f"only the first {MOST_SHOWN:,} of {size:,} characters are shown; the reply has them all"


def waiting(reply: Reply, silence: float) -> str:
    """Return what to show while nothing comes; "" in the first two seconds of *silence*."""
    if reply.progress:
        return reply.progress
    if silence < PATIENCE:
        return ""
    doing = "thinking" if reply.has_words and not reply.has_text else "waiting"
    return f"{doing} … {int(reply.elapsed)} s"


def request_text(request: Request) -> str:
    """Return *request* as people read it: where it goes, headers, body, and remarks."""
    where = f"POST {request.url}" if "://" in request.url else f"in this process: {request.url}"
    head = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    body = redact(json.dumps(request.body, ensure_ascii=False, indent=2), with_words=False)
    notes = "\n".join(f"note: {note}" for note in request.notices)
    parts = (redact(where), redact(head), body, redact(notes))
    return clean("\n".join(part for part in parts if part))


def receipt(reply: Reply, prompt_hash: str) -> dict[str, object]:
    """Return what the notebook keeps of *reply* beside its text: no key, no prompt."""
    usage = reply.usage
    return {
        "model": reply.model,
        "host": reply.host,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "elapsed": round(reply.elapsed, 3),
        "prompt_sha256": prompt_hash,
    }


def ending(reply: Reply, *, show_footer: bool) -> list[str]:
    """Return the lines under a reply that is done; an error without any text needs no footer."""
    if reply.finish_reason == "error" and not reply.has_text:
        return told(reply.notices)
    end = verdict(reply)
    if reply.way_on and end in _CUT:
        end += f": `{reply.way_on}` goes on"
    lines = [*told(reply.notices), end, footer(reply) if show_footer else ""]
    return [line for line in lines if line]


def told(notices: list[str]) -> list[str]:
    """Return each of *notices* once, with how often it was given if that was more."""
    times = Counter(notices)
    return [f"{notice} ({n} times)" if n > 1 else notice for notice, n in times.items()]
