"""litellm, asynchronous."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import litellm
from measure import QUESTION, Ask, Take, main


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Leave the connections to litellm, which keeps its own."""

    async def ask(url: str, _wire: str, take: Take) -> None:
        stream = await litellm.acompletion(
            "openai/bench", QUESTION, stream=True, api_base=url + "/v1", api_key="none"
        )
        async for chunk in stream:
            take(chunk.choices[0].delta.content or "")

    yield ask


if __name__ == "__main__":
    main(connect)
