"""glm_magic: the deltas of `Provider.stream`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from measure import QUESTION, Ask, Take, main

from glm_magic import Provider, make_provider

NAMES = {"delta": "openai/bench", "snapshots": "chatglm"}


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Keep one provider, and so one pool, for each address."""
    async with AsyncExitStack() as stack:
        providers: dict[str, Provider] = {}

        async def ask(url: str, wire: str, take: Take) -> None:
            if url not in providers:
                providers[url] = make_provider(NAMES[wire], base_url=url)
                await stack.enter_async_context(providers[url])
            async with aclosing(providers[url].stream(QUESTION)) as deltas:
                async for delta in deltas:
                    take(delta.content)

        yield ask


if __name__ == "__main__":
    main(connect)
