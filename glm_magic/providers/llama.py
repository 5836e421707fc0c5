"""llama.cpp on a thread of this process: one model loaded, one answer after another."""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..errors import ConfigError, GlmError
from ..loop import leave_alone
from ..messages import Delta
from .models import check_gguf, name_of

#: Tokens of a prompt that are read between two looks at whether to stop: half a second on a slow
#: machine. Larger ones are not faster on a CPU.
BATCH = 32
#: Seconds a remark has to reach the screen before loading stops the whole process.
HEADWAY = 0.05
#: Seconds to wait at exit for an answer to stop.
GRACE = 5.0
#: Seconds to wait, with the loop, when a stream is closed at a delta: a batch of a prompt at most.
CLOSING_SECONDS = 1.0

#: A chunk as llama.cpp streams it: JSON of its own making, in the shape of OpenAI's.
Chunk = Mapping[str, Any]
Item = Delta | Chunk | Exception


@dataclass(frozen=True, slots=True)
class Setup:
    """What an engine is started with: the file, threads to compute with, context in tokens."""

    file: Path
    threads: int
    context: int


class Engine:
    """A model in memory, and the thread that runs it: one answer after another, for any loop."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._server: Any = None  # xllamacpp has no types
        self._open: set[Run] = set()
        self._is_closing = False
        self._queue: SimpleQueue[Run | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="glm_magic model", daemon=True)
        self._thread.start()

    def admit(self, run: Run) -> None:
        """Put *run* in line."""
        if self._open:
            run.say(Delta(progress="waiting for another answer to finish"))
        self._open.add(run)
        run.done.add_done_callback(lambda _: self._open.discard(run))
        self._queue.put(run)

    def unload(self) -> None:
        """Free the memory when all that was asked is answered, where it can be freed."""
        if not _is_fork.is_set():
            self._queue.put(None)

    def close(self) -> None:
        """Stop the answers and end the thread, waiting for it."""
        self._is_closing = True
        for run in tuple(self._open):
            run.is_stopped = True
        self._queue.put(None)
        self._thread.join(GRACE)

    def _work(self) -> None:
        while not self._is_closing:
            run = self._queue.get()
            if run is None:
                self._server = None
            elif run.done.set_running_or_notify_cancel():
                self._perform(run)
        self._server = None

    def _perform(self, run: Run) -> None:
        try:
            self._server = self._server or _load(self._setup, run)
            self._server.handle_chat_completions(run.body, run.say)
        except GlmError as error:
            run.say(error)
        except Exception as error:  # noqa: BLE001, reported where the answer is read
            run.say({"error": {"message": str(error)}})
        finally:
            run.done.set_result(None)
            run.say(None)


class Run:
    """One request on its way through an engine, and the way back of what the engine says.

    Entering it puts the request in line. Iterating gives llama.cpp's chunks
    and, before them, deltas with remarks of our own. Leaving it stops the
    engine, and waits until it has stopped.
    """

    def __init__(self, engine: Engine, body: Mapping[str, Any]) -> None:
        self.body = dict(body)
        self.is_stopped = False
        self.done: Future[None] = Future()
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()

    async def __aenter__(self) -> Run:
        self._engine.admit(self)
        return self

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> Delta | Chunk:
        item = await self._items.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.is_stopped = True
        if self.done.cancel():
            return  # it still waited in line; the engine never hears of it
        # Generators that are closed may not give way: a loop that ends would close those around a
        # second time. The engine stops at its next token.
        if kind is GeneratorExit:
            wait([self.done], CLOSING_SECONDS)
        else:
            await asyncio.wait([asyncio.wrap_future(self.done)])

    def say(self, item: Item | None) -> bool:
        """Hand *item* to the reader, from any thread; True when nobody reads any more."""
        try:
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)
        except RuntimeError:  # the loop is closed
            self.is_stopped = True
        return self.is_stopped


def _load(setup: Setup, run: Run) -> Any:
    try:
        import xllamacpp  # an extra, of 100 MB
    except ImportError as error:
        msg = "the embedded model needs llama.cpp."
        raise ConfigError(msg, remedy='pip install "glm_magic[local]"') from error
    megabytes = round(check_gguf(setup.file) / 1e6)
    run.say(Delta(progress=f"loading {name_of(setup.file)} ({megabytes} MB)…"))
    time.sleep(HEADWAY)  # xllamacpp keeps the interpreter to itself until the model is loaded
    try:
        server = xllamacpp.Server(_params(xllamacpp.CommonParams(), setup))
    except RuntimeError as error:
        msg = f"llama.cpp cannot load {setup.file}."
        raise ConfigError(msg, remedy="It is damaged, of an unknown kind, or too large.") from error
    if _is_fork.is_set():
        leave_alone(server)
    # Freed before its own loop has begun, a server would wait for that for ever: the first thing
    # the loop answers shows that it has.
    server.handle_metrics()
    return server


def _params(params: Any, setup: Setup) -> Any:
    params.model.path = str(setup.file)
    params.n_ctx = setup.context
    params.n_batch = params.n_ubatch = BATCH
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = setup.threads
    params.verbosity = 0  # its log would go past Python to the terminal
    params.warmup = params.fit_params = False  # half of the loading time
    params.cache_ram_mib = 0  # copies of old prompts, up to 8 GB of them
    # It always listens on loopback as well: with a key that nobody has, nobody gets an answer.
    params.port = 0
    params.n_threads_http = 1
    params.ui = False
    params.endpoint_metrics = True
    params.api_keys = [secrets.token_urlsafe()]
    return params


_engines: dict[Setup, Engine] = {}
_lock = threading.Lock()


def engine_for(setup: Setup) -> Engine:
    """Return the one engine of this process for *setup*; it loads when it is asked something."""
    with _lock:
        if setup not in _engines:
            _engines[setup] = Engine(setup)
        return _engines[setup]


@atexit.register
def _close_all() -> None:
    for engine in _engines.values():
        engine.close()


#: Set in a forked child whose parent had llama.cpp in memory. Freeing a server there, and the plain
#: end of the process, would wait for a thread that has stayed in the parent (or abort, where a
#: new one has its place): nothing of it is freed, and `_end_early` ends the process.
_is_fork = threading.Event()


def _start_over() -> None:
    """Forget, in a forked child, the engines: their threads have stayed in the parent."""
    leave_alone(tuple(_engines.values()))
    _engines.clear()
    _lock.release()
    if sys.modules.get("xllamacpp"):
        _is_fork.set()
        _end_early()


def _end_early() -> None:
    """Have C's `exit` stop, with its status, before it destroys what libraries hold.

    Python is over by then, its own exit handlers have run and its files are
    flushed; those of C are flushed here. `os._exit` in a handler of Python's
    would come before some of theirs, and does not know the status. Only glibc
    has `on_exit`; elsewhere such a child must end by `os._exit`.
    """
    import ctypes  # only needed after a fork

    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc["_exit"], None)
        libc["__cxa_atexit"](libc.fflush, None, None)  # entered last, run first


if sys.platform != "win32":
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_start_over
    )
