"""httpx-sse with json; of a snapshot the text behind what is known."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from httpx_sse import aconnect_sse
from measure import BODY, PATHS, Ask, Take, main


@asynccontextmanager
async def connect() -> AsyncIterator[Ask]:
    """Keep one pool of connections."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:

        async def ask(url: str, wire: str, take: Take) -> None:
            known = 0
            async with aconnect_sse(client, "POST", url + PATHS[wire], json=BODY) as source:
                async for event in source.aiter_sse():
                    if event.data == "[DONE]":
                        continue
                    said = json.loads(event.data)
                    if wire == "delta":
                        take(said["choices"][0]["delta"]["content"])
                    elif text := said["parts"][0]["content"][0]["text"][known:]:
                        known += len(text)
                        take(text)

        yield ask


if __name__ == "__main__":
    main(connect)
