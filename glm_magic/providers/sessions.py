"""Sessions by loop: kept where somebody will close them, closed when nobody uses them. No HTTP."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from ..loop import background


class Session(Protocol):
    """What holds connections."""

    async def close(self) -> None:
        """Close them; repeatable."""


S = TypeVar("S", bound=Session)


class Sessions(Generic[S]):
    """The sessions of one transport; *make* makes one, which belongs to the running loop.

    The background loop lives as long as the process and keeps its session,
    `enter` keeps one on another loop until `aclose`, and anywhere else, where
    nobody would close it, each use has its own.
    """

    def __init__(self, make: Callable[[], S]) -> None:
        self._make = make
        self._entered: asyncio.AbstractEventLoop | None = None
        # By process, as a forked child must not touch what its parent has open.
        self._by_process: defaultdict[int, WeakKeyDictionary[asyncio.AbstractEventLoop, S]] = (
            defaultdict(WeakKeyDictionary)
        )
        self._uses: Counter[S] = Counter()

    def take(self) -> S:
        """Return a session; it stays open until it is given back, whatever is closed meanwhile."""
        session = self._get()
        self._uses[session] += 1
        return session

    async def give_back(self, session: S) -> None:
        """Close *session* if nobody else uses it and nobody will close it later."""
        self._uses[session] -= 1
        if session not in self._kept.values():
            await self._end(session)

    def enter(self) -> None:
        """Keep the session of the running loop until `aclose`."""
        self._entered = asyncio.get_running_loop()

    async def aclose(self) -> None:
        """Close all sessions, those in use after their last use; new ones can be made."""
        self._entered = None
        for loop, session in self._by_process.pop(os.getpid(), {}).items():
            if loop is asyncio.get_running_loop():
                await self._end(session)
            elif loop.is_running():
                end = asyncio.run_coroutine_threadsafe(self._end(session), loop)
                await asyncio.wrap_future(end)

    @property
    def _kept(self) -> WeakKeyDictionary[asyncio.AbstractEventLoop, S]:
        return self._by_process[os.getpid()]

    def _get(self) -> S:
        loop = asyncio.get_running_loop()
        if loop in self._kept:
            return self._kept[loop]
        session = self._make()
        if background.is_current() or self._entered is loop:
            self._kept[loop] = session
        if background.is_current():
            background.closers.add(session.close)
        return session

    async def _end(self, session: S) -> None:
        if not self._uses[session]:
            del self._uses[session]
            background.closers.discard(session.close)
            await session.close()
