"""aiohttp and json as one would write it in a hurry: line by line, the text of each delta."""

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
            async with session.post(url + PATHS[wire], json=BODY) as response:
                async for line in response.content:
                    text = line.decode().strip()
                    if text.startswith("data:") and text != "data: [DONE]":
                        take(_text(json.loads(text[5:])))

        yield ask


def _text(event: dict) -> str:
    """Return what *event* says: new text on the delta wire, all of it in a snapshot."""
    if "parts" in event:
        return "".join(c.get("text", "") for part in event["parts"] for c in part["content"])
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


if __name__ == "__main__":
    main(connect)
