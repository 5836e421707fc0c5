"""The vendor's packages, which have no asynchronous client: zai-sdk, or zhipuai before it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from measure import QUESTION, Ask, Take, main

try:
    from zai import ZaiClient as Client
except ImportError:
    from zhipuai import ZhipuAI as Client


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Make a client for each address, as its base address is fixed."""

    async def ask(url: str, _wire: str, take: Take) -> None:
        client = Client(api_key="a-key-of.no-meaning", base_url=url + "/v1")
        for chunk in client.chat.completions.create(model="bench", messages=QUESTION, stream=True):
            take(chunk.choices[0].delta.content or "")

    yield ask


if __name__ == "__main__":
    main(connect)
