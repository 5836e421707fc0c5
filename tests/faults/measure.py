"""Asks one question in a process of its own: `python -m tests.faults.measure URL MODEL SECONDS`.

The clocks of an answer have so many seconds. Prints as JSON what was seen, the text by its hash,
and the memory it took.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from contextlib import aclosing
from pathlib import Path

from glm_magic.conversation import Conversation
from glm_magic.errors import GlmError
from glm_magic.messages import Reply
from glm_magic.providers import make_provider
from glm_magic.providers.base import Clocks

#: The first answer is not measured, and may take its time.
PATIENT = Clocks(60.0, 60.0, 60.0)


def peak() -> int:
    """Return the most bytes of memory that this process has had.

    `ru_maxrss` would count those of the process that started this one as well.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


async def ask(url: str, model: str, clocks: Clocks) -> tuple[Reply, GlmError | None]:
    """Return the reply, however it ended."""
    reply = Reply()
    async with make_provider(model, base_url=url, clocks=clocks) as provider:
        try:
            async with aclosing(Conversation(provider).stream("Hi", reply=reply)) as deltas:
                async for _ in deltas:
                    pass
        except GlmError as error:
            return reply, error
    return reply, None


def main(url: str, model: str, seconds: str) -> None:
    """Ask twice, first for a greeting, so that only the second answer is measured."""
    asyncio.run(ask(url, model, PATIENT))
    before = peak()
    reply, error = asyncio.run(ask(url, model, Clocks(60.0, float(seconds), float(seconds))))
    seen = {
        "growth": peak() - before,
        "text": hashlib.sha256(reply.text.encode()).hexdigest(),
        "finish": reply.finish_reason,
        "error": None if error is None else type(error).__name__,
        "what": "\n".join([*reply.notices[:10], str(error or "")]),
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
