"""A coroutine cancelled at its first suspension, then at its second, and so on to the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any

Work = Coroutine[Any, Any, None]


@coroutine
def cancelled_at(place: int, work: Work) -> Generator[Any, Any, None]:
    """Run *work* in the current task, and cancel that as it is suspended for the *place*th time.

    The task then waits for what *work* waits for, as one that is cancelled in earnest does.
    """
    step: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            awaited = step()
        except StopIteration:
            return
        place -= 1
        if place == 0:
            asyncio.current_task().cancel()
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001, for *work*
            step = partial(work.throw, error)
        else:
            step = partial(work.send, None)


async def each_place(ask: Callable[[], Work]) -> AsyncIterator[asyncio.Task[None]]:
    """Run *ask* anew for each of its suspensions and yield the tasks, each cancelled there.

    The last one ends by itself.
    """
    place = 0
    is_over = False
    while not is_over:
        place += 1
        task = asyncio.create_task(_run(place, ask()))
        await asyncio.wait([task])
        yield task
        is_over = not task.cancelled()
    task.result()


async def _run(place: int, work: Work) -> None:
    await cancelled_at(place, work)
