"""What each GLM model of the official API takes, and requests brought within that. No I/O.

The limits are the vendor's (chat completion reference of docs.z.ai and
docs.bigmodel.cn); an id that is not in the table passes as a current model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .payload import JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..providers.base import Options, Think


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model can do about thinking and tools.

    *thinks* is whether it does at all, *stops* whether that can be switched
    off, *levels* whether it knows degrees; *streams_tools* whether arguments
    of tool calls come piece by piece.
    """

    thinks: bool = True
    stops: bool = True
    levels: bool = False
    streams_tools: bool = True


# The first prefix that fits counts.
_TRAITS: tuple[tuple[str, Traits], ...] = (
    ("glm-5.3", Traits(stops=False, levels=True)),
    ("glm-5.2", Traits(levels=True)),
    ("glm-4.5", Traits(streams_tools=False)),
    ("glm-4.6", Traits()),
    ("glm-4.7", Traits()),
    ("glm-4.1v-thinking", Traits(stops=False, streams_tools=False)),
    ("glm-z1", Traits(stops=False, streams_tools=False)),
    ("glm-4", Traits(thinks=False, streams_tools=False)),
)


def traits_of(model: str) -> Traits:
    """Return what *model* can do; an unknown one can do what most current ones can."""
    name = model.lower()
    return next((traits for prefix, traits in _TRAITS if name.startswith(prefix)), Traits())


def shape(options: Options, model: str) -> tuple[JSON, list[str]]:
    """Return *options* as fields the official API takes, and a notice for each change."""
    traits = traits_of(model)
    shaped = [
        _temperature(options.temperature),
        _top_p(options.top_p),
        _stop(options.stop),
        _think(options.think, traits, model),
    ]
    body: JSON = {}
    for fields, _ in shaped:
        body |= fields
    if options.extra.get("tools") and traits.streams_tools:
        body["tool_stream"] = True
    return body, [notice for _, notice in shaped if notice]


def _temperature(value: float | None) -> tuple[JSON, str]:
    if value is None:
        return {}, ""
    if value <= 0:  # the vendor's SDK sends the same: greedy, and a value that is allowed
        notice = f"temperature raised from {value:g} to 0, the lowest" if value < 0 else ""
        return {"do_sample": False, "temperature": 0.01}, notice
    if value > 1:
        return {"temperature": 1.0}, f"temperature lowered from {value:g} to 1, the highest"
    return {"temperature": value}, ""


def _top_p(value: float | None) -> tuple[JSON, str]:
    if value is None:
        return {}, ""
    clamped = min(max(value, 0.01), 1.0)
    notice = "" if clamped == value else f"top_p changed from {value:g} to {clamped:g}"
    return {"top_p": clamped}, notice


def _stop(stop: str | Sequence[str] | None) -> tuple[JSON, str]:
    words = [stop] if isinstance(stop, str) else list(stop or ())
    if not words:
        return {}, ""
    notice = f"only the first stop word was sent, {words[0]!r}: the service takes one"
    return {"stop": words[:1]}, notice if len(words) > 1 else ""


def _think(think: Think | None, traits: Traits, model: str) -> tuple[JSON, str]:
    if think is None:
        return {}, ""
    if not traits.thinks:
        return {}, "" if think == "off" else f"{model} does not think before it answers"
    if think == "off":
        return _no_thinking(traits, model)
    fields: JSON = {"thinking": {"type": "enabled"}} if traits.stops else {}
    if traits.levels:
        return fields | {"reasoning_effort": think}, ""
    return fields, "" if think == "high" else f"{model} knows no degrees of thinking: it is on"


def _no_thinking(traits: Traits, model: str) -> tuple[JSON, str]:
    if traits.stops:
        return {"thinking": {"type": "disabled"}}, ""
    if traits.levels:
        return {"reasoning_effort": "low"}, f"{model} always thinks: asked for little of it"
    return {}, f"{model} always thinks"
