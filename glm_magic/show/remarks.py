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

#: What a cell says of an answer that has more to come; the panel has a button for it.
GOES_ON = ": `%glm --continue` goes on"

_VERDICTS = {
    "length": "cut off at the token limit" + GOES_ON,
    "content_filter": "stopped by the vendor's moderation",
    "cancelled": "stopped before its end" + GOES_ON,
    "truncated": "the stream broke off before its end" + GOES_ON,
    "error": "broken off by an error" + GOES_ON,
    "tool_calls": "the model asks to call a tool, which %glm does not do",
}

#: Seconds of silence after which the time is shown.
PATIENCE = 2.0


def verdict(reply: Reply) -> str:
    """Return one line when *reply* is not a complete answer, else ""."""
    text = _VERDICTS.get(reply.finish_reason or "", "")
    if reply.finish_reason == "length" and not reply.text:
        return "the token limit was used up by thinking: raise --max-tokens, or --think off"
    if reply.finish_reason == "stop" and not reply.text:
        return "the answer is empty"
    return text


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


def waiting(reply: Reply, silence: float) -> str:
    """Return what to show while nothing comes; "" in the first two seconds of *silence*."""
    if reply.progress:
        return reply.progress
    if silence < PATIENCE:
        return ""
    doing = "thinking" if reply.reasoning and not reply.text else "waiting"
    return f"{doing} … {int(reply.elapsed)} s"


def request_text(request: Request) -> str:
    """Return *request* as people read it: where it goes, headers, body, and remarks."""
    where = f"POST {request.url}" if "://" in request.url else f"in this process: {request.url}"
    head = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    body = json.dumps(request.body, ensure_ascii=False, indent=2)
    notes = "\n".join(f"note: {note}" for note in request.notices)
    return clean(redact("\n".join(part for part in (where, head, body, notes) if part)))


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
    if reply.finish_reason == "error" and not reply.text:
        return told(reply.notices)
    lines = [*told(reply.notices), verdict(reply), footer(reply) if show_footer else ""]
    return [line for line in lines if line]


def told(notices: list[str]) -> list[str]:
    """Return each of *notices* once, with how often it was given if that was more."""
    times = Counter(notices)
    return [f"{notice} ({n} times)" if n > 1 else notice for notice, n in times.items()]
