"""The question as the OpenAI wire format has it: options and messages as a JSON body. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .payload import JSON
from .shaping import shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..messages import Message, ToolCall
    from ..providers.base import Options


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
