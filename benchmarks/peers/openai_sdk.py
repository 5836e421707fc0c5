"""The openai package, asynchronous."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from measure import QUESTION, Ask, Take, main
from openai import AsyncOpenAI


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Keep one client, and so one pool, for all addresses."""
    async with AsyncOpenAI(api_key="none", base_url="http://127.0.0.1") as client:

        async def ask(url: str, _wire: str, take: Take) -> None:
            there = client.with_options(base_url=url + "/v1")
            async with await there.chat.completions.create(
                model="bench", messages=QUESTION, stream=True
            ) as stream:
                async for chunk in stream:
                    take(chunk.choices[0].delta.content or "")

        yield ask


if __name__ == "__main__":
    main(connect)
