"""Keys are planted, cells succeed and fail in every way, and then no key is found anywhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.far_side import FarSide, Gate, Raw, Redirect, Status, Stream, openai_stream
from tests.far_side_data import chatglm_stream, event, openai_chunk
from tests.jupyter.kernel import Cell, Kernel
from tests.planted import ONE, TWO, basic, leaks

#: Both keys as they are, and as they may be repeated, in deltas of seven characters.
ECHO = f"Keys: {ONE} {TWO}, {json.dumps(ONE)} {ONE!r} {basic(ONE)} {basic(TWO)}. And {TWO[:-1]}"
PIECES = [ECHO[i : i + 7] for i in range(0, len(ECHO), 7)]
#: Everything that can be made to tell more than it should tells it.
LOUD = """
import asyncio, logging
logging.basicConfig(filename="debug.log", level=logging.DEBUG)
%load_ext glm_magic
%xmode Verbose
%config GlmConfig.retries = 0
from glm_magic.loop import background
background.loop.set_debug(True)
"""
FAILING = {
    "401": Status(401, {"error": {"message": f"bad key {ONE}", "code": ONE}}),
    "500": Status(500, f"<p>{ONE} {basic(ONE)}</p>", content_type="text/html"),
    "page": Status(200, f"<html>{'x ' * 90}{ONE}</html>", content_type="text/html"),
    "no HTTP": Raw(f"HTTP/9.9 {ONE}\r\n\r\n".encode()),
    "error in the stream": Stream([event({"error": {"message": f"bad {ONE}", "code": "1000"}})]),
    "unreadable event": Stream([f"data: {{{ONE}\n\n".encode(), *openai_stream("Hi")]),
    "model": Stream(openai_stream("Hi", model=ONE)),
    "cut": Stream(openai_stream(PIECES)[:-2], end="close"),
}
BUG = """
from glm_magic.wire.sse import SSEDecoder
feed = SSEDecoder.feed
SSEDecoder.feed = lambda self, data: 1 / 0
"""
PANEL = """
from glm_magic import ChatPanel
panel = ChatPanel("panel")
display(panel)
panel._desk.receive({"op": "send", "id": "1", "text": "hello"})
"""
CALLED = """
from glm_magic.state import shared
for talk in shared().conversations.values():
    print(talk.messages, talk.exchanges, talk.conversation_id, vars(talk), vars(talk.reply))
print(called.tool_calls, called.conversation_id, called.message(), vars(called))
print(named.tool_calls, named.conversation_id, named.message(), vars(named))
"""
ELSEWHERE = """
from glm_magic import Conversation, make_provider
talk = Conversation(make_provider("zai/glm-test", base_url=second))
print(await talk.ask("hello"), talk.messages, vars(talk.provider))
talk.provider = make_provider("openai/glm-test")
print(await talk.ask("and now?"))
"""


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    """The server that the first key is for."""
    with FarSide() as server:
        yield server


@pytest.fixture
def other_side() -> Iterator[FarSide]:
    """The server that the second key is for."""
    with FarSide() as server:
        yield server


@pytest.fixture
def kernel_env(far_side: FarSide, tmp_path: Path) -> dict[str, str]:
    """Both keys, and a home in which every file is looked at."""
    return {
        "HOME": str(tmp_path),
        "GLM_BASE_URL": far_side.url + "/v1",
        "GLM_MODEL": "openai/glm-test",
        "GLM_API_KEY": ONE,
        "ZAI_API_KEY": TWO,
    }


def published(kernel: Kernel, *typed: Cell) -> str:
    """All that the kernel has sent out, save the code of the cells in which a key was *typed*."""
    codes = {cell.id for cell in typed}
    kept = [
        [message["msg_type"], message["content"], message["metadata"]]
        for message in kernel.published
        if message["msg_type"] != "execute_input" or message["parent_header"]["msg_id"] not in codes
    ]
    return json.dumps(kept, default=str)


def files(home: Path) -> dict[str, str]:
    """Every file below *home*, by its name."""
    found = [path for path in home.rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): path.read_bytes().decode("latin-1") for path in found}


def history(home: Path) -> list[str]:
    """The cells in history.sqlite, as they were typed."""
    with sqlite3.connect(home / "profile_default" / "history.sqlite") as database:
        return [source for (source,) in database.execute("SELECT source_raw FROM history")]


def fail_in_every_way(kernel: Kernel, far_side: FarSide) -> None:
    """Run a cell against each fault, with our six lines and with whole tracebacks."""
    for is_full in (False, True):
        kernel.run(f"%config GlmConfig.full_traceback = {is_full}")
        for script in FAILING.values():
            far_side.queue(script)
            kernel.run("%glm hello")
        kernel.run("%glm -m openai/x --timeout 0.001 hello")
    kernel.run("%config GlmConfig.base_url = 'https://nonexistent.invalid/v1'\n%glm hello")
    kernel.run(f"%config GlmConfig.base_url = '{far_side.url}/v1'")
    kernel.run(BUG)
    assert kernel.run("%glm hello").error["ename"] == "ZeroDivisionError"
    kernel.run("SSEDecoder.feed = feed")


def stop(kernel: Kernel, far_side: FarSide) -> None:
    """Interrupt an answer in the middle of a key."""
    *start, _, _ = openai_stream(["words ", ONE[:-1]])
    far_side.queue(Stream([*start, Gate()]))
    cell = kernel.start("%glm hello")
    kernel.until(lambda: any("words" in data["text/markdown"] for data in cell.data))
    kernel.interrupt()
    kernel.wait(cell)


def open_panel(kernel: Kernel, far_side: FarSide) -> None:
    """Ask on a panel, and print what its widget keeps."""
    far_side.queue(Stream(openai_stream(PIECES, reasoning=PIECES), pace=0.02))
    kernel.run(PANEL)
    kernel.until(lambda: '"busy": false' in published(kernel).partition('"busy": true')[2])
    kernel.run("panel._desk.receive({'op': 'export', 'id': '2', 'kind': 'notebook'})")
    kernel.run("import os; key = os.environ['GLM_API_KEY']")
    kernel.run("panel._desk.receive({'op': 'send', 'id': '3', 'text': f'is {key} mine?'})")
    kernel.run("panel._desk.receive({'op': 'set', 'id': '4', 'name': 'system', 'value': key})")
    kernel.until(lambda: "a key in this question" in published(kernel))
    kernel.until(lambda: "a key in this prompt" in published(kernel))
    kernel.run("print(panel.get_state(), panel._desk.conversation.exchanges)")


def call_and_name(kernel: Kernel, far_side: FarSide) -> None:
    """Have a tool called with a key, and a conversation named by one; print all that is kept."""
    function = {"name": f"f_{ONE}", "arguments": json.dumps({"key": ONE})}
    call = {"index": 0, "id": f"id-{ONE}", "function": function}
    chunks = [openai_chunk({"tool_calls": [call]}), openai_chunk({}, finish="tool_calls")]
    far_side.queue(Stream([*map(event, chunks), b"data: [DONE]\n\n"]))
    kernel.run("%glm -l tools -o called hello")
    kernel.run("%glm -l tools and now?")
    kernel.run(f"%config GlmConfig.chatglm_url = '{far_side.url}'")
    far_side.queue(*[Stream(chatglm_stream("Hi", conversation_id=ONE))] * 2)
    kernel.run("%glm -l web -m chatglm -o named hello")
    kernel.run("%glm -l web -m chatglm and now?")
    printed = kernel.run(CALLED)
    assert "ToolCall(id='id-***', name='f_***'" in printed.stream
    for label in ("tools", "web"):
        assert kernel.run(f"%glmcmd save {label}.json {label}").status == "ok"


def test_no_key_is_found_anywhere(
    kernel: Kernel, far_side: FarSide, other_side: FarSide, tmp_path: Path
):
    """After good and failing cells: no key in outputs, comms, logs, history, files or elsewhere."""
    kernel.run(LOUD)
    far_side.queue(Stream(openai_stream(PIECES, reasoning=PIECES), pace=0.02))
    assert "***" in json.dumps(kernel.run("%glm -o kept hello").outputs)
    kernel.run("print(kept.text, kept.reasoning); kept")
    fail_in_every_way(kernel, far_side)
    stop(kernel, far_side)
    call_and_name(kernel, far_side)
    open_panel(kernel, far_side)
    for command in ("history", "status", "save talk.json", "load talk.json again", "models"):
        assert kernel.run(f"%glmcmd {command}").status == "ok"
    kernel.run("%glm --dry hello\n%config GlmConfig")
    far_side.queue(Redirect(f"{other_side.url}/v1/chat/completions"))
    kernel.run("%glm hello")
    other_side.queue(Stream(openai_stream(PIECES)))
    kernel.run(f"second = '{other_side.url}/api/paas/v4'\n" + ELSEWHERE)
    assert "second" in far_side.requests[-1].text or "and now?" in far_side.requests[-1].text
    everything = published(kernel)
    kernel.close()
    kept = files(tmp_path)
    assert {
        "debug.log",
        "talk.json",
        "tools.json",
        "web.json",
        "profile_default/history.sqlite",
    } <= set(kept)
    assert leaks(everything) == []
    assert {name: found for name, text in kept.items() if (found := leaks(text))} == {}
    sent = [(r.path, dict(r.headers), r.text) for r in other_side.requests]
    assert ONE not in str(sent)
    assert [r.path for r in far_side.requests if TWO in r.text + str(r.headers)] == []
    assert {r.path: found for r in far_side.requests if (found := leaks(r.text))} == {}
    assert len(sent) == 1
    assert f"Bearer {TWO}" == sent[0][1]["Authorization"]


@pytest.mark.parametrize(
    "typed",
    [
        f"%glm -p api_key={ONE} hello",
        "%glm -p api_key=anything hello",
        "%glm -s 'be brief' --once --api-key anything hello",
        f"%glm hello {TWO}",
        "%glm is 00112233445566778899aabbccddeeff.AbCdEfGhIjKlMnOp a key?",
        "%glm sk-0123456789abcdefghij hello",
        f"%%glm -s 'the key is {ONE}'\nhello",
        f"%%glm\nwhy is this refused?\n{TWO}",
        "%%glm -q\nwhy is my key sk-0123456789abcdefghij refused?",
        "%%glm\n00112233445566778899aabbccddeeff.AbCdEfGhIjKlMnOp",
        "%glmcmd sk-0123456789abcdefghij",
        "%glmcmd save sk-0123456789abcdefghij",
        "%glm {{__import__('os').environ}}",
    ],
)
def test_a_typed_key_is_refused(kernel: Kernel, far_side: FarSide, tmp_path: Path, typed: str):
    """A key on the line, in a cell or for a command is not used, not kept, and a hint says why."""
    kernel.run("%load_ext glm_magic")
    cell = kernel.run(typed)
    later = kernel.run("print(In, _i, _i2); get_ipython().history_manager.writeout_cache()")
    shown = published(kernel, cell)
    kernel.close()
    assert "getpass" in "\n".join(cell.error["traceback"])
    assert far_side.requests == []
    secret = [part for part in ("anything", "00112233", "sk-0123456789") if part in typed]
    assert [part for part in secret if part in shown + str(files(tmp_path))] == []
    assert leaks(shown) == []
    assert {name: found for name, text in files(tmp_path).items() if (found := leaks(text))} == {}
    assert later.status == "ok"
    assert len(history(tmp_path)) == 3


def test_words_that_only_look_like_keys_are_sent(kernel: Kernel, far_side: FarSide):
    """Questions about keys, hashes and flags are questions."""
    texts = [
        "how do I set api_key=… in openai?",
        "what is sk-learn-contrib-lightning-estimators?",
        "explain 0123456789abcdef0123456789abcdef",
        "-t 0.5 -p top_k=5 -p max_tokens=7 hello",
        "--once what does --token do?",
    ]
    kernel.run("%load_ext glm_magic")
    cells = [kernel.run(f"%glm {text}") for text in texts]
    assert [cell.error for cell in cells] == [None] * len(texts)
    assert len(far_side.requests) == len(texts)


#: Files in which other tools find keys and settings.
DECOYS = (".env", ".netrc", "glm_magic.json", "glm_magic.toml", ".glm_magic", "config.json")


def test_files_in_the_working_directory_are_not_read(
    kernel: Kernel, far_side: FarSide, tmp_path: Path
):
    """Nothing that lies beside the notebook changes who is asked, or with which key."""
    for name in DECOYS:
        (tmp_path / name).write_text(f"GLM_API_KEY={TWO}\nGLM_BASE_URL=http://a.invalid/v1\n")
    kernel.run(
        "import sys; opened = []\n"
        "sys.addaudithook(lambda name, args: name == 'open' and opened.append(str(args[0])))\n"
        "%load_ext glm_magic"
    )
    assert kernel.run("%glm hello").status == "ok"
    assert "from GLM_API_KEY" in kernel.run("%glm").stream
    cell = kernel.run(f"print([n for n in opened if n.endswith({DECOYS!r})])")
    assert cell.stream == "[]\n"
    assert far_side.requests[0].headers["Authorization"] == f"Bearer {ONE}"
