"""The floor: aiohttp reads bytes and throws them away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from measure import BODY, PATHS, Ask, Take, main


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Keep one pool of connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(url: str, wire: str, take: Take) -> None:
            async with session.post(url + PATHS[wire], json=BODY) as response:
                while data := await response.content.readany():
                    take(data)

        yield ask


if __name__ == "__main__":
    main(connect)
