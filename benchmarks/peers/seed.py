"""The loop this project began with: a line, `json.loads`, and a slice behind what is known."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from measure import BODY, PATHS, Ask, Take, main


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Keep one pool of connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(url: str, wire: str, take: Take) -> None:
            known = 0
            async with session.post(url + PATHS[wire], json=BODY) as response:
                async for line in response.content:
                    if not line.startswith(b"data: {"):
                        continue
                    event = json.loads(line[6:])
                    if wire == "delta":
                        take(event["choices"][0]["delta"]["content"])
                    elif text := event["parts"][0]["content"][0]["text"][known:]:
                        known += len(text)
                        take(text)

        yield ask


if __name__ == "__main__":
    main(connect)
