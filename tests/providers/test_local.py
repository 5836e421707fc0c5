"""The embedded model: the real engine and the real small model."""

from __future__ import annotations

import asyncio
import http.client
import signal
import subprocess
import sys
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from glm_magic.errors import ConfigError, ModelError
from glm_magic.messages import Delta, Message, Reply, Usage
from glm_magic.providers import llama, models
from glm_magic.providers.base import Options, Provider
from glm_magic.providers.llama import Setup, engine_for
from glm_magic.providers.local import LocalProvider, _read
from glm_magic.providers.models import find_gguf

#: Small, so that loading is quick and a long prompt is soon too long.
CONTEXT = 1024
QUESTION = [Message("user", "Name three colours.")]
STORY = [Message("user", "Tell me a long story about a dog.")]
LONG_PROMPT = [Message("user", "a dog and a cat " * 180)]


def provider(context=CONTEXT):
    """Return a provider; those with one *context* share an engine."""
    return LocalProvider(context=context, threads=1)


def engine(context=CONTEXT):
    """Return the engine of `provider(context)`."""
    return engine_for(Setup(find_gguf(None), 1, context))


async def ask(messages=QUESTION, *, context=CONTEXT, **options):
    """Return the whole reply; the same question has the same answer."""
    wanted = Options(**{"temperature": 0, "max_tokens": 12, **options})
    reply = Reply()
    async with aclosing(provider(context).stream(messages, options=wanted)) as deltas:
        async for delta in deltas:
            reply.add(delta)
    return reply


async def remarks(**settings):
    """Ask as `ask` does and return what is said of the waiting."""
    stream = provider(**settings).stream(QUESTION, options=Options(max_tokens=8))
    return [delta.progress async for delta in stream if delta.progress]


async def begin(messages=STORY):
    """Return a stream that has begun to answer, and its first words."""
    stream = provider().stream(messages, options=Options(temperature=0, max_tokens=40))
    async for delta in stream:
        if delta.content:
            return stream, delta.content
    return pytest.fail("there was no answer")


def is_idle():
    """Say whether nothing is asked of the engine."""
    return not engine()._open


def test_is_a_provider():
    """It has all that a provider has."""
    assert isinstance(provider(), Provider)


async def test_answer_is_a_sentence():
    """The model can be understood, says how it ended, and counts its tokens."""
    reply = await ask([Message("user", "What is the capital of France?")], max_tokens=60)
    assert "Paris" in reply.text
    assert ("stop", True) == (reply.finish_reason, reply.usage.prompt_tokens > 10)


async def test_last_delta_has_reason_and_usage():
    """Only the last delta ends the answer, and it has the tokens as well."""
    stream = provider().stream(QUESTION, options=Options(max_tokens=3, temperature=0))
    deltas = [delta async for delta in stream]
    assert [None] * (len(deltas) - 1) == [delta.finish_reason for delta in deltas[:-1]]
    assert ("length", 3) == (deltas[-1].finish_reason, deltas[-1].usage.completion_tokens)


async def test_model_is_named():
    """The last delta names the model, and so do the provider and its list."""
    local, reply = provider(), await ask(max_tokens=1)
    assert {"SmolLM2-135M-Instruct"} == {reply.model, local.model, *await local.models()}


async def test_answer_comes_token_by_token():
    """There are as many steps as there are tokens."""
    stream = provider().stream(QUESTION, options=Options(max_tokens=8, temperature=0))
    assert 8 == len([delta async for delta in stream if delta.content])


async def test_same_seed_same_answer():
    """Chance can be repeated."""
    options = {"temperature": 1.5, "seed": 7, "extra": {"cache_prompt": False}}
    assert (await ask(**options)).text == (await ask(**options)).text


async def test_another_seed_another_answer():
    """Chance plays a part where it is asked to."""
    options = {"temperature": 1.5, "extra": {"cache_prompt": False}}
    assert (await ask(seed=1, **options)).text != (await ask(seed=2, **options)).text


async def test_answer_ends_before_a_stop_word():
    """What is asked to stop the answer is not part of it."""
    whole = (await ask()).text
    word = whole.split()[2]
    assert whole.partition(word)[0] == (await ask(stop=word)).text


async def test_history_is_read():
    """What was said before counts."""
    history = [
        Message("user", "My name is Ada."),
        Message("assistant", "Hello Ada!"),
        {"role": "user", "content": "What is my name?"},
    ]
    whole, last = await ask(history), await ask(history[-1:])
    assert whole.usage.prompt_tokens > last.usage.prompt_tokens


def test_request_can_be_looked_at():
    """What would be asked is shown, with our defaults where nothing is said."""
    options = Options(stop="x", seed=3, top_p=0.5, think="off", extra={"top_k": 4})
    request = provider().prepare(QUESTION, options=options)
    assert str(find_gguf(None)) == request.url
    assert {
        "messages": [{"role": "user", "content": "Name three colours."}],
        "temperature": 0.2,
        "top_p": 0.5,
        "repeat_penalty": 1.1,
        "max_tokens": 1024,
        "seed": 3,
        "stop": ["x"],
        "top_k": 4,
        "chat_template_kwargs": {"enable_thinking": False},
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    } == request.body


def test_stream_cannot_be_turned_off():
    """Extra parameters do not change the form of the answer."""
    assert provider().prepare(QUESTION, options=Options(extra={"stream": False})).body["stream"]


@pytest.mark.parametrize(
    ("chunk", "delta"),
    [
        ({"choices": [{"delta": {"content": "a"}}]}, Delta(content="a")),
        ({"choices": [{"delta": {"content": None, "role": "assistant"}}]}, Delta()),
        ({"choices": [{"delta": {"reasoning_content": "hm"}}]}, Delta(reasoning="hm")),
        ({"choices": [{"delta": {}, "finish_reason": "length"}]}, Delta(finish_reason="length")),
        ({"choices": [{"delta": {}, "finish_reason": "new"}]}, Delta(finish_reason="stop")),
        (
            {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
            Delta(usage=Usage(5, 2)),
        ),
        (
            {"choices": [], "prompt_progress": {"total": 900, "processed": 64}},
            Delta(progress="reading the prompt: 64/900 tokens"),
        ),
        ({"choices": [], "prompt_progress": {"total": 90, "processed": 64}}, Delta()),
    ],
)
def test_chunks_are_read(chunk, delta):
    """Each kind of chunk becomes the delta that says the same."""
    assert delta == _read(chunk)


async def test_model_is_loaded_once():
    """Loading is announced when it happens, for the first question only."""
    assert ["loading SmolLM2-135M-Instruct (98 MB)…"] == await remarks(context=256)
    assert [] == await remarks(context=256)


async def test_closed_provider_can_be_used_again():
    """Closing frees the memory; the next question loads the model once more."""
    async with provider(context=300) as local:
        first = [delta async for delta in local.stream(QUESTION, options=Options(max_tokens=1))]
    assert [first[0].progress] == await remarks(context=300)


async def test_closed_stream_stops_the_engine():
    """Who closes the stream finds the engine free."""
    stream, _ = await begin()
    await stream.aclose()
    assert is_idle()


async def test_reading_a_prompt_is_stopped():
    """The engine stops within a long prompt as well, and goes on with the next one."""
    stream = provider().stream(LONG_PROMPT)
    async for delta in stream:
        if delta.progress:
            break
    await stream.aclose()
    assert is_idle()
    assert [] == await remarks()


def test_held_stream_is_closed_with_its_loop():
    """A conversation's stream that is still held when the loop ends is closed in silence."""
    script = (
        "from glm_magic.conversation import Conversation\n"
        "kept = []\n"
        "async def main():\n"
        "    kept.append(Conversation(local).stream('Tell a story'))\n"
        "    async for delta in kept[0]:\n"
        "        if delta.content:\n"
        "            return\n"
        "asyncio.run(main())\n"
        "sys.exit(5)\n"
    )
    assert (5, "") == run_script(script)


async def test_cancelled_task_stops_the_engine():
    """A cancelled task is cancelled at once, and the engine is free."""
    begun = asyncio.Event()

    async def listen():
        async with aclosing(provider().stream(STORY)) as deltas:
            async for delta in deltas:
                if delta.content:
                    begun.set()

    task = asyncio.create_task(listen())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_idle()


async def test_questions_queue():
    """A second question says that it waits, and is answered like the first."""
    stream, _ = await begin()
    waiting = asyncio.create_task(remarks())
    rest = [delta async for delta in stream]
    assert ["waiting for another answer to finish"] == await waiting
    assert "length" == rest[-1].finish_reason


async def test_waiting_question_can_be_dropped():
    """One that waits can be closed without waiting, and the other answer goes on."""
    stream, begun = await begin()
    waiting = provider().stream(QUESTION)
    await anext(waiting)
    await waiting.aclose()
    assert not is_idle()
    rest = [delta async for delta in stream]
    assert (await ask(STORY, max_tokens=40)).text == begun + "".join(d.content for d in rest)


def test_loops_share_the_engine():
    """Questions from several threads, each with its own loop, are all answered."""
    texts = []
    threads = [
        threading.Thread(target=lambda: texts.append(asyncio.run(ask()).text)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 3 == len(texts)
    assert 1 == len(set(texts))


def test_closed_loop_stops_the_engine():
    """A loop that is closed in mid-answer leaves the engine free for others."""
    loop = asyncio.new_event_loop()
    stream, _ = loop.run_until_complete(begin())
    run = next(iter(engine()._open))
    loop.close()
    run.done.result(timeout=20)
    asyncio.run(stream.aclose())
    assert is_idle()


async def test_too_long_a_prompt_is_refused():
    """The error says how long it is, how long it may be, and what to do."""
    with pytest.raises(ModelError, match=r"prompt has 2\d{3} tokens.* 1024,.*Send less") as caught:
        await ask([Message("user", "word " * 2000)])
    assert ("this process", "") == (caught.value.host, caught.value.partial.text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": "warm"}, "temperature.*must be number"),
        ({"extra": {"odd": object()}}, "not JSON serializable"),
        ({"extra": {"grammar": "root ::= ["}}, "grammar"),
    ],
)
async def test_refusals_are_told(options, words):
    """What llama.cpp does not take is an error in its words."""
    with pytest.raises(ModelError, match=words):
        await ask(**options)


async def test_images_are_refused():
    """A picture is not silently left out."""
    with pytest.raises(ModelError, match="cannot see"):
        await ask([Message("user", "what is this?", images=("data:image/png;base64,AA",))])


async def test_unknown_model_is_refused():
    """A model is the small one or the path of a file."""
    with pytest.raises(ModelError, match=r"no model 'glm-4\.6'.*local//path"):
        await ask(model="glm-4.6")


async def test_model_can_be_a_path():
    """A path names the same model as the default, when it leads to the same file."""
    assert (await ask()).text == (await ask(model=str(find_gguf(None)))).text


def test_path_names_the_model(tmp_path):
    """A provider made for a file goes by the file's name."""
    assert "glm-4-9b" == LocalProvider(str(tmp_path / "glm-4-9b-Q4_0.gguf")).model


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read.*%glmcmd pull"),
        (b"", "no GGUF"),
        (b"<html>not found</html>", "no GGUF"),
        (b"GGUF" + bytes(5000), "cannot load"),
        (b"GGUF\3\0\0\0" + b"\xff" * 5000, "cannot load"),
    ],
)
async def test_bad_files_are_refused(content, words, tmp_path, capfd):
    """A file that is no model is a short error, and llama.cpp writes nothing past it."""
    file = tmp_path / "bad.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        await anext(aiter_silently(LocalProvider(str(file))))
    assert ("", "") == capfd.readouterr()


def aiter_silently(local):
    """Return the answer of *local* without its remarks."""
    return (delta async for delta in local.stream(QUESTION) if not delta.progress)


async def test_cut_file_is_refused(tmp_path, capfd):
    """A model that was downloaded by half is a short error as well."""
    file = tmp_path / "cut.gguf"
    with find_gguf(None).open("rb") as whole:
        file.write_bytes(whole.read(5_000_000))
    with pytest.raises(ConfigError, match="cannot load"):
        await anext(aiter_silently(LocalProvider(str(file))))
    assert ("", "") == capfd.readouterr()


async def test_repaired_file_is_loaded(tmp_path):
    """A file that could not be loaded is tried again."""
    file = tmp_path / "late.gguf"
    local = LocalProvider(str(file), context=256, threads=1)
    with pytest.raises(ConfigError, match="cannot be read"):
        await anext(local.stream(QUESTION))
    file.symlink_to(find_gguf(None))
    async with local:
        deltas = [delta async for delta in local.stream(QUESTION, options=Options(max_tokens=1))]
    assert "length" == deltas[-1].finish_reason


async def test_missing_engine_is_an_error(monkeypatch):
    """Without llama.cpp the error says what to install."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigError, match=r"glm_magic\[local\]"):
        await ask(context=320)


async def test_missing_model_is_an_error(monkeypatch):
    """Without a file the error says how to get one."""
    monkeypatch.setattr(models, "PACKAGE", "no_such_package")
    local = LocalProvider()
    assert ("", []) == (local.model, await local.models())
    with pytest.raises(ConfigError, match=r"%glmcmd pull.*GLM_LOCAL_MODEL"):
        await anext(local.stream(QUESTION))


async def test_nobody_else_is_answered():
    """The port that llama.cpp opens on loopback refuses whoever has no key."""
    await ask(max_tokens=1)
    address = engine()._server.listening_address.removeprefix("http://")
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v1/chat/completions", '{"messages": []}')
    assert 401 == connection.getresponse().status
    connection.close()


def test_interrupts_still_reach_python():
    """The engine leaves the handling of Ctrl-C as it was."""
    asyncio.run(ask(max_tokens=1))
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


#: A fork beside a thread is warned of since Python 3.12.
MAY_FORK = "ignore:This process:DeprecationWarning"


def run_script(script):
    """Run *script* in a new interpreter and return its exit code and all that it printed."""
    begin = (
        "import asyncio, sys, threading\n"
        "from glm_magic.providers.base import Options\n"
        "from glm_magic.providers.local import LocalProvider\n"
        "local = LocalProvider(context=1024)\n"
        "async def ask(text, says, wanted):\n"
        "    message = {'role': 'user', 'content': text}\n"
        "    async for delta in local.stream([message], options=Options(max_tokens=900)):\n"
        "        if getattr(delta, wanted):\n"
        "            says()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", MAY_FORK, "-c", begin + script],
        capture_output=True,
        cwd=Path(llama.__file__).parents[2],
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("Tell a story", "progress"), ("a dog " * 400, "progress"), ("Tell a story", "content")],
)
def test_exit_in_mid_answer(text, wanted):
    """The interpreter ends at once and in peace while loading, reading and answering."""
    script = (
        "begun = threading.Event()\n"
        f"work = ask({text!r}, begun.set, {wanted!r})\n"
        "threading.Thread(target=asyncio.run, args=(work,), daemon=True).start()\n"
        "begun.wait()\n"
        "sys.exit(5)\n"
    )
    assert (5, "") == run_script(script)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_forked_child_has_its_own_engine():
    """A child that was forked with the model in memory answers, and so does its parent."""
    script = (
        "import multiprocessing\n"
        "def work():\n"
        "    asyncio.run(ask('Hi', lambda: None, 'content'))\n"
        "work()\n"
        "child = multiprocessing.get_context('fork').Process(target=work)\n"
        "child.start()\n"
        "work()\n"
        "child.join()\n"
        "sys.exit(child.exitcode)\n"
    )
    assert (0, "") == run_script(script)


FORK = """
import atexit, os, signal
def show():
    asyncio.run(ask('Hi', lambda: None, 'content'))
    print('answered', flush=True)
show()
child = os.fork()
if not child:
    signal.alarm(30)  # the end of one that hangs
    atexit.register(print, 'handled')
    {in_child}
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
show()
sys.exit(status)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc's exit")
@pytest.mark.parametrize(
    ("in_child", "status", "said"),
    [
        ("sys.exit(0)", 0, ["handled"]),
        ("sys.exit(7)", 7, ["handled"]),
        ("sys.stderr = None; raise ValueError", 1, ["handled"]),
        ("show(); sys.exit(7)", 7, ["answered", "handled"]),
        (
            "show(); asyncio.run(local.aclose()); show(); sys.exit()",
            0,
            ["answered"] * 2 + ["handled"],
        ),
        ("show(); os._exit(7)", 7, ["answered"]),
    ],
)
def test_forked_child_ends(in_child: str, status: int, said: list[str]):
    """A child, whether it asks or not, ends with its status, and its parent can go on."""
    code, words = run_script(FORK.format(in_child=in_child))
    assert (status, ["answered", *said, "answered"]) == (code, words.split())
