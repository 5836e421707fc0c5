"""glm_magic as a cell has it: the background loop reads, the main thread takes what has come."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from measure import Ask, Take, main
from ours import NAMES

from glm_magic import Conversation, make_provider
from glm_magic.loop import background


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Keep one provider for each address; the waiting is the main thread's, not this loop's."""
    conversations: dict[str, Conversation] = {}

    async def ask(url: str, wire: str, take: Take) -> None:
        if url not in conversations:
            conversations[url] = Conversation(make_provider(NAMES[wire], base_url=url))
        for batch in background.iterate(conversations[url].stream("go")):
            for delta in batch:
                take(delta.content)

    yield ask


if __name__ == "__main__":
    main(connect)
