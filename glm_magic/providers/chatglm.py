"""The chatglm.cn web stream for guests, as it was documented; no key, no signature, no tricks."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from ..errors import ProviderError
from ..messages import Delta, FinishReason, Message
from ..wire.chatglm import SnapshotDecoder, headers, request_body
from ..wire.refusals import read_refusal
from .address import normalise
from .base import Clocks, Messages, Options, Request
from .headers import Headers, shown
from .reading import Call
from .remote import RemoteProvider

PATH = "/chatglm/mainchat-api/guest/stream"

# One identity for this process: the far side may know us again, as it knows a browser.
_DEVICE = uuid.uuid4().hex


class ChatGLM(RemoteProvider):
    """The web stream of chatglm.cn, or of your own gateway at *base_url*.

    The far side remembers a conversation by its id, so only the newest message
    goes out once it has named one. It takes no options but messages.
    """

    def __init__(  # noqa: PLR0913, the settings of a connection
        self,
        base_url: str = "https://chatglm.cn",
        *,
        model: str = "glm-4",
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        clocks: Clocks | None = None,
        retries: int = 2,
    ) -> None:
        super().__init__(
            name="chatglm",
            model=model,
            base_url=normalise(base_url),
            headers=headers,
            proxy=proxy,
            clocks=clocks,
            retries=retries,
        )

    async def models(self) -> list[str]:
        """Return the one name this provider goes by; the web stream offers no choice."""
        return [self.model]

    def _call(
        self, messages: Sequence[Message], options: Options, conversation_id: str | None
    ) -> Call:
        body = request_body(messages, conversation_id=conversation_id)
        ours: Headers = {**headers(_DEVICE), "Accept-Encoding": "identity"}
        sent = ours | self._extra_headers
        request = Request(self.base_url + PATH, body, shown(sent), _left_out(options))
        return Call(request, sent, SnapshotDecoder(), _read_answer, _refusal)

    @classmethod
    async def create_async_generator(
        cls, model: str, messages: Messages, proxy: str | None = None, **options: Any
    ) -> AsyncGenerator[str | FinishReason, None]:
        """Yield the answer in pieces of text, and a `FinishReason` as the last item.

        Text that the far side takes back afterwards cannot be taken back here;
        use `stream` for that. Raises ProviderError.
        """
        provider = cls(model=model, proxy=proxy, **options)
        async with provider, aclosing(provider.stream(messages)) as deltas:
            async for delta in deltas:
                if delta.content:
                    yield delta.content
                if delta.finish_reason:
                    yield FinishReason(delta.finish_reason)


def _read_answer(payload: dict[str, Any]) -> list[Delta]:
    raise read_refusal(payload)  # it never answers in one piece


def _refusal(status: int, payload: object, retry_after: float | None) -> ProviderError:
    return read_refusal(payload, status=status, retry_after=retry_after)


def _left_out(options: Options) -> tuple[str, ...]:
    wanted = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_tokens": options.max_tokens,
        "stop": options.stop,
        "think": options.think,
        "seed": options.seed,
    }
    names = [name for name, value in wanted.items() if value is not None] + list(options.extra)
    return (f"the web stream does not take {', '.join(names)}",) if names else ()
