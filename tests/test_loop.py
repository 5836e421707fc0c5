"""The background loop: it runs, stops, and lets go, wherever it is called from."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import textwrap
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing

import pytest

from glm_magic.loop import BackgroundLoop, stop_put_off
from tests.processes import STRICT, output, python


class Source:
    """Yields *items*, then fails or stays silent where that is asked for, and says how it ended."""

    def __init__(self, *items: object, fails: bool = False, stays: bool = False) -> None:
        self.items = items
        self.fails = fails
        self.stays = stays
        self.ending = ""

    async def __call__(self) -> AsyncGenerator[object, None]:
        """Yield the items; `ending` is set in the end, after one more round of the loop."""
        try:
            for item in self.items:
                yield item
            if self.fails:
                raise ValueError("no more")
            if self.stays:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ending = "cancelled, "
            raise
        finally:
            await asyncio.sleep(0)
            self.ending += "closed"


@pytest.fixture
def loop():
    """A background loop of the test's own."""
    loop = BackgroundLoop()
    yield loop
    loop.close()


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def for_ever() -> None:
    await asyncio.Event().wait()


STREAM = """
    import asyncio, os, signal, sys
    from contextlib import closing
    from glm_magic.loop import background, run_sync

    async def answer():
        await asyncio.sleep(0)
        return 42

    async def words(*last):
        try:
            yield "one"
            for word in last:
                yield word
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            print("closed", flush=True)
"""


def with_stream(script: str) -> str:
    """Return *script* with `answer` and the endless `words` before it."""
    return textwrap.dedent(STREAM) + textwrap.dedent(script)


# -- run -----------------------------------------------------------------------------------------


def test_run_returns_the_result(loop):
    """A coroutine runs on the background thread and gives its result."""

    async def where() -> str:
        return threading.current_thread().name

    assert (loop.run(answer()), loop.run(where())) == (42, "glm_magic")


def test_run_raises_what_the_coroutine_raises(loop):
    """An error comes out as it was raised."""

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        loop.run(fail())


def test_run_within_a_running_loop(loop):
    """Plain code called inside a running loop can wait for the background."""

    async def main() -> int:
        return loop.run(answer())

    assert asyncio.run(main()) == 42
    assert asyncio.run(main()) == 42


def test_run_on_its_own_thread(loop):
    """On the background thread it would wait for itself: that is an error, and says what to do."""

    async def nested() -> None:
        loop.run(answer())

    with pytest.raises(RuntimeError, match="use await"):
        loop.run(nested())
    assert loop.run(answer()) == 42


@pytest.mark.parametrize("work", [5, asyncio.sleep, Source()()])
def test_run_needs_a_coroutine(loop, work: object):
    """Anything else is refused at once, not waited for."""
    with pytest.raises(TypeError, match="a coroutine is needed"):
        loop.run(work)


def test_run_carries_the_context(loop):
    """Context variables, such as the cell an output belongs to, go along."""
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("of the caller")

    async def read() -> str:
        return variable.get()

    assert loop.run(read()) == "of the caller"


def test_start_does_not_wait(loop):
    """A started job can be waited for later, and stopped."""
    job = loop.start(answer())
    assert job.wait() == 42
    endless = loop.start(for_ever())
    assert not endless.future.done()
    endless.stop()
    endless.stop()
    with pytest.raises(CancelledError):
        endless.wait()


def test_calls_on_other_threads(loop, monkeypatch):
    """A call that blocks gives its result or its error; one that comes too late is no error."""
    said: list[object] = []
    late, threads = threading.Event(), []

    def wait() -> None:
        threads.append(threading.current_thread())
        late.wait()

    async def work() -> None:
        assert await asyncio.to_thread(lambda: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(wait), 0.1)

    monkeypatch.setattr(threading, "excepthook", said.append)
    loop.run(work())
    late.set()
    threads[0].join()
    assert said == []


def test_one_thread_for_all(loop):
    """Callers on many threads share one background thread."""
    names: list[int] = []

    async def where() -> int:
        return threading.get_ident()

    threads = [threading.Thread(target=lambda: names.append(loop.run(where()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (8, 1) == (len(names), len(set(names)))


# -- iterate -------------------------------------------------------------------------------------


def test_iterate_gives_every_item_in_order(loop):
    """Items come in batches, none lost, none twice."""
    source = Source(*range(1000))
    batches = list(loop.iterate(source()))
    assert [item for batch in batches for item in batch] == list(range(1000))
    assert source.ending == "closed"


def test_iterate_gives_what_has_come_at_once(loop):
    """All items that are there already come in one batch."""
    source = Source(*range(100), stays=True)
    with closing(loop.iterate(source())) as batches:
        first = next(batches)
        while len(first) < 100:
            first += next(batches)
        assert next(batches) == []
    assert source.ending == "cancelled, closed"


def test_iterate_nothing(loop):
    """An empty source gives no items and ends."""
    assert [item for batch in loop.iterate(Source()()) for item in batch] == []


def test_iterate_raises_after_the_items(loop):
    """What came before an error is given first."""
    source = Source(1, 2, fails=True)
    batches = loop.iterate(source())
    got = next(batches)
    while len(got) < 2:
        got += next(batches)
    with pytest.raises(ValueError, match="no more"):
        list(batches)
    assert ([1, 2], "closed") == (got, source.ending)


def test_closing_waits_for_the_source(loop):
    """When closing returns, the source is cancelled and its `finally` has run to the end."""
    source = Source("a", stays=True)
    batches = loop.iterate(source())
    assert next(batches) == ["a"]
    batches.close()
    assert source.ending == "cancelled, closed"


def test_error_of_the_consumer_stops_the_source(loop):
    """A consumer that fails leaves no stream behind."""
    source = Source("a", stays=True)

    def consume() -> None:
        with closing(loop.iterate(source())) as batches:
            for _ in batches:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert source.ending == "cancelled, closed"


def test_iterate_takes_any_async_iterator(loop):
    """An iterator that is no generator will do."""

    class Once:
        def __init__(self) -> None:
            self.items = iter("ab")

        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> str:
            for item in self.items:
                return item
            raise StopAsyncIteration

    assert [item for batch in loop.iterate(Once()) for item in batch] == ["a", "b"]


def test_iterators_do_not_mix(loop):
    """Two streams at once each give their own items."""
    first, second = loop.iterate(Source(*"abc")()), loop.iterate(Source(*"xyz")())
    got = {"first": next(first), "second": next(second)}
    for name, rest in (("first", first), ("second", second)):
        got[name] += [item for batch in rest for item in batch]
    assert {"first": list("abc"), "second": list("xyz")} == got


# -- close ---------------------------------------------------------------------------------------


def test_close_stops_what_runs(loop):
    """Closing cancels streams, runs the closers, and ends the thread; twice does no harm."""
    source, calls = Source("a", stays=True), []

    async def closer() -> None:
        calls.append(source.ending)

    batches = loop.iterate(source())
    next(batches)
    loop.closers.add(closer)
    thread = loop._thread
    loop.close()
    loop.close()
    assert not thread.is_alive()
    assert calls == ["cancelled, closed"]
    with pytest.raises(CancelledError):
        list(batches)


def test_loop_starts_again_after_close(loop):
    """A closed loop is replaced at the next use."""
    before = loop.loop
    loop.close()
    assert before.is_closed()
    assert loop.run(answer()) == 42
    assert loop.loop is not before


def test_closing_what_was_not_started():
    """A loop nobody used has nothing to close, and no thread."""
    loop = BackgroundLoop()
    loop.close()
    assert loop._thread is None
    assert not loop.is_current()


# -- in a process of its own ---------------------------------------------------------------------


def test_keyboard_interrupt_stops_the_stream():
    """Ctrl-C while waiting for items cancels the source, and its `finally` runs first."""
    script = """
        try:
            with closing(background.iterate(words())) as batches:
                for batch in batches:
                    if batch:
                        os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("interrupted")
    """
    assert output(with_stream(script), *STRICT) == ["closed", "interrupted"]


def test_keyboard_interrupt_stops_run_sync():
    """Ctrl-C cancels a coroutine that is waited for, even one that has only just begun."""
    script = """
        async def wait():
            async for word in words():
                os.kill(os.getpid(), signal.SIGINT)

        try:
            run_sync(wait())
        except KeyboardInterrupt:
            print("interrupted")
        print(run_sync(answer()))
    """
    result = output(with_stream(script), *STRICT)
    assert result == ["closed", "interrupted", "42"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork():
    """A forked process has a loop of its own, and its parent's stream goes on."""
    script = """
        batches = background.iterate(words("two"))
        got = next(batches)
        child = os.fork()
        if not child:
            print("child", run_sync(answer()), flush=True)
            background.close()
            os._exit(0)
        os.waitpid(child, 0)
        while len(got) < 2:
            got += next(batches)
        print(*got, run_sync(answer()), flush=True)
        batches.close()
    """
    # Since 3.12 a fork beside a thread is warned of.
    result = output(with_stream(script), "-W", "ignore::DeprecationWarning")
    assert result == ["child", "42", "one", "two", "42", "closed"]


@pytest.mark.parametrize("end", ["", "sys.exit(0)"])
def test_exit_with_a_stream_running(end: str):
    """A process that ends in mid-stream closes the stream and warns of nothing."""
    script = f"batches = background.iterate(words())\nprint(*next(batches))\n{end}"
    assert output(with_stream(script), *STRICT) == ["one", "closed"]


def test_exit_after_an_error_in_mid_stream():
    """An error of the caller ends the process with its own traceback and nothing more."""
    done = python(
        with_stream("for batch in background.iterate(words()):\n    raise SystemExit('bye')"),
        *STRICT,
    )
    assert (1, "closed", "bye") == (done.returncode, done.stdout.strip(), done.stderr.strip())


def test_import_starts_no_thread():
    """Importing the module starts nothing; the first use does."""
    script = """
        import threading
        print(threading.active_count(), run_sync(answer()), threading.active_count())
    """
    assert output(with_stream(script)) == ["1", "42", "2"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_with_nest_asyncio(when: str):
    """A user's `nest_asyncio.apply()`, before our first use or after it, disturbs nothing."""
    apply = "import nest_asyncio; nest_asyncio.apply()"
    script = f"""
        {apply if when == "before" else ""}
        print(run_sync(answer()))
        {apply if when == "after" else ""}

        async def main():
            print(run_sync(answer()), asyncio.run(answer()))
            with closing(background.iterate(words())) as batches:
                print(*next(batches))

        asyncio.run(main())
        try:
            for batch in background.iterate(words()):
                os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("interrupted")
    """
    words = "42 42 42 one closed closed interrupted"
    assert output(with_stream(script)) == words.split()


def test_iterating_on_the_background_thread_is_refused(loop):
    """`iterate` there would wait for itself for ever, so it raises."""

    async def numbers():
        yield 1

    async def inside():
        return next(loop.iterate(numbers()))

    with pytest.raises(RuntimeError, match="use await"):
        loop.run(inside())


def test_stop_is_put_off_to_the_end_of_a_block():
    """Stop in a block that must be whole comes behind it, and afterwards is as it was."""
    done = []
    handler = signal.getsignal(signal.SIGINT)

    def block() -> None:
        with stop_put_off():
            signal.raise_signal(signal.SIGINT)
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_stop_is_put_off_on_the_main_thread_only():
    """On another thread, where Stop does not come, the block just runs."""

    def block() -> str:
        with stop_put_off():
            return "run"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(block).result() == "run"
