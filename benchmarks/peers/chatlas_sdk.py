"""chatlas, asynchronous, over the openai package."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlas import ChatOpenAICompletions
from measure import Ask, Take, main


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Make a chat for each answer, as a chat remembers the earlier ones."""

    async def ask(url: str, _wire: str, take: Take) -> None:
        chat = ChatOpenAICompletions(base_url=url + "/v1", model="bench", api_key="none")
        async for text in await chat.stream_async("go"):
            take(text)

    yield ask


if __name__ == "__main__":
    main(connect)
