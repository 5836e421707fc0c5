"""One event loop on a background thread, and the bridges to it. Knows nothing of providers."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import signal
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import aclosing, contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Seconds between two looks of a waiting main thread; a lock without a timeout
#: cannot be interrupted on Windows.
TICK = 0.1
#: Seconds a cancelled job may take to close what it holds.
GRACE = 2.0

_exiting = threading.Event()


class _Job(Generic[T]):
    """A coroutine on another thread's loop, which can be waited for and stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self.future: Future[T] = Future()

    def start(self) -> None:
        """Start the work; inside the `try` that stops it, as Ctrl-C may come at once."""
        # The caller's context goes along, so that display() there writes under the right cell.
        self._loop.call_soon_threadsafe(self._start, context=contextvars.copy_context())

    def _start(self) -> None:
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            # At exit only daemon threads still wait: they end with the process and say nothing.
            if not _exiting.is_set():
                self.future.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())

    def wait(self) -> T:
        """Return the result; the wait itself can be interrupted."""
        while not self.future.done():
            wait([self.future], TICK)
        return self.future.result()

    def stop(self) -> None:
        """Cancel the work and wait, for a moment, until it has let go of what it held."""
        if self.future.done() or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        deadline = time.monotonic() + GRACE
        while not self.future.done() and time.monotonic() < deadline:
            wait([self.future], TICK)


@contextmanager
def stop_put_off() -> Iterator[None]:
    """Put off a KeyboardInterrupt to the end of the block, which is short and must be whole."""
    if threading.current_thread() is not threading.main_thread():
        yield  # it only comes to the main thread
        return
    came: list[object] = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
        if came:
            signal.raise_signal(signal.SIGINT)


class _Threads(ThreadPoolExecutor):
    """Gives each call a thread of its own, for which the end of the process does not wait.

    The pool's own threads are waited for: one that looks up a name can take for ever.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # a result that comes too late is none to speak of

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001, whoever waits for the result gets it
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future


class BackgroundLoop:
    """An event loop on a daemon thread: started at first use, again after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: Coroutine functions to run when the loop closes, such as a session's `close`.
        self.closers: set[Callable[[], Awaitable[object]]] = set()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; starts the thread when there is none in this process."""
        with self._lock:
            if not self._is_alive():
                self._open()
            assert self._loop is not None  # noqa: S101, for the type checker
            return self._loop

    def is_current(self) -> bool:
        """Whether the caller runs on the background thread."""
        return threading.current_thread() is self._thread

    def start(self, work: Coroutine[Any, Any, T]) -> _Job[T]:
        """Start *work* on the loop and return at once with the job."""
        job = _Job(self.loop, work)
        job.start()
        return job

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* on the loop and return its result; a KeyboardInterrupt cancels it.

        Raises RuntimeError on the background thread itself, which would wait
        for itself for ever: use `await` there. Since Python 3.12 also where the
        main thread has ended before the first use. TypeError for anything that
        is no coroutine, such as a stream.
        """
        if not asyncio.iscoroutine(work):
            raise TypeError(f"a coroutine is needed, such as conversation.ask(…), not {work!r}")
        try:
            self._check_thread()
            job = _Job(self.loop, work)
        except RuntimeError:
            work.close()
            raise
        try:
            job.start()
            return job.wait()
        finally:
            job.stop()

    def iterate(self, source: AsyncIterator[T]) -> Generator[list[T], None, None]:
        """Yield what *source* gives, all that has come at a time, and `[]` in each silent tick.

        Closing the generator, or an exception in the waiting thread, cancels
        *source* and waits until it is closed. Raises RuntimeError on the
        background thread itself.
        """
        self._check_thread()
        queue: SimpleQueue[T | None] = SimpleQueue()
        job = _Job(self.loop, _pump(source, queue))
        try:
            job.start()
            while True:
                batch, is_over = _drain(queue)
                if batch or not is_over:
                    yield batch
                if is_over:
                    break
            job.wait()
        finally:
            job.stop()

    def _check_thread(self) -> None:
        if self.is_current():
            msg = "this would wait for itself on the background loop: use await here"
            raise RuntimeError(msg)

    def close(self) -> None:
        """Cancel what runs, run the closers, and end the thread; repeatable."""
        with self._lock:
            loop, thread = self._loop, self._thread
            is_alive = self._is_alive()
            self._loop = self._thread = None
        if is_alive and loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(GRACE)

    def _is_alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start_over(self) -> None:
        """Begin anew in a forked child: the thread, and all that is open, belong to the parent."""
        leave_alone((self._loop, self.closers))
        self._lock = threading.Lock()  # the old one may have been held at the fork
        self._loop = self._thread = None

    def _open(self) -> None:
        self.closers = set()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(_Threads())
        self._thread = threading.Thread(
            target=self._live, args=(self._loop,), name="glm_magic", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # since 3.12 there are no new threads when the main one has ended
            self._loop.close()
            raise

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(self._end())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(close() for close in self.closers), return_exceptions=True)


async def _pump(source: AsyncIterator[T], queue: SimpleQueue[T | None]) -> None:
    try:
        if isinstance(source, AsyncGenerator):
            async with aclosing(source):
                async for item in source:
                    queue.put(item)
        else:
            async for item in source:
                queue.put(item)
    finally:
        queue.put(None)


def _drain(queue: SimpleQueue[T | None]) -> tuple[list[T], bool]:
    """Wait up to a tick, then take all there is; True when the source has ended."""
    batch: list[T] = []
    try:
        item = queue.get(timeout=TICK)
        while item is not None:
            batch.append(item)
            item = queue.get_nowait()
    except Empty:
        return batch, False
    return batch, True


def leave_alone(thing: object) -> None:
    """Keep *thing*, which a forked child has from its parent, for ever.

    To free it would take the parent's sockets out of the epoll that both
    share, or wait for threads that have stayed there.
    """
    from ctypes import py_object, pythonapi  # only needed after a fork

    pythonapi.Py_IncRef(py_object(thing))


background = BackgroundLoop()
#: Run a coroutine from plain code, wherever a loop may be running: `run_sync(chat.ask("…"))`.
run_sync = background.run


@atexit.register
def _exit() -> None:
    _exiting.set()
    background.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=background.start_over)
