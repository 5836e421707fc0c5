"""`%glm` in a real kernel, asked over loopback: what arrives, what is shown, what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.far_side import FarSide, Status, Stream, openai_stream, refused_url
from tests.jupyter.cells import held, markdown
from tests.jupyter.kernel import Kernel

KEY = "sk-planted-1234567890abcdef"


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """One OpenAI-compatible server for all tests."""
    with FarSide() as server:
        yield server


@pytest.fixture
def kernel_env(far_side: FarSide) -> dict[str, str]:
    """The server as the default provider, with a key."""
    return {
        "GLM_BASE_URL": far_side.url + "/v1",
        "GLM_API_KEY": KEY,
        "GLM_MODEL": "openai/glm-test",
    }


@pytest.fixture
def loaded(kernel: Kernel) -> Kernel:
    """A kernel with the extension loaded."""
    assert kernel.run("%load_ext glm_magic").outputs == []
    return kernel


#: Notes every socket that is opened and every file that is written, the compiler's cache aside.
WATCH = """
import sys
seen = []
def note(event, args):
    writes = event == "open" and set(str(args[1])) & set("wax+")
    if writes and "__pycache__" not in str(args[0]) or event.startswith("socket.connect"):
        seen.append((event, args))
before = set(sys.modules)
sys.addaudithook(note)
"""


def asked(far_side: FarSide) -> list[str]:
    """The contents of the newest request's messages."""
    return [message["content"] for message in far_side.requests[-1].json["messages"]]


def test_loading_prints_nothing_opens_nothing_and_imports_nothing_heavy(kernel: Kernel):
    """`%load_ext` opens no socket, writes no file, prints nothing and imports no heavy library."""
    kernel.run(WATCH)
    heavy = "aiohttp anywidget ipywidgets rich pandas xllamacpp markdown_it numpy"
    look = f"print(seen, sorted((set(sys.modules) - before) & set({heavy!r}.split())))"
    assert kernel.run(f"%load_ext glm_magic\n{look}").stream == "[] []\n"


#: Waits for the thread that imports, then says what it has done.
WARMED = """
from threading import enumerate
[thread.join() for thread in enumerate() if thread.name == "glm_magic warm-up"]
print(seen, "glm_magic.providers.http" in sys.modules, "anywidget" in sys.modules)
"""


def test_after_loading_the_way_to_the_far_side_is_imported(kernel: Kernel):
    """It happens beside the cells that follow, and opens no socket and writes no file either."""
    kernel.run(WATCH)
    assert kernel.run("%load_ext glm_magic").outputs == []
    assert kernel.run(WARMED).stream == "[] True False\n"


def test_an_extension_taken_away_at_once_imports_nothing(kernel: Kernel):
    """%unload_ext in the same cell leaves nothing to be done after it."""
    kernel.run(WATCH)
    kernel.run("%load_ext glm_magic\n%unload_ext glm_magic")
    assert kernel.run(WARMED).stream == "[] False False\n"


@pytest.mark.parametrize(
    "text",
    [
        "what is x?",
        "列表是什么?",
        "it's \"odd\" {'a': 1} $5",
        'an open ( and """ and \' here',
        "trailing semicolon;",
        "héllo 👩‍🔬 a\\n \\{ $HOME {x}",
    ],
)
def test_a_line_reaches_the_model_to_the_letter(loaded: Kernel, far_side: FarSide, text: str):
    """What is typed after %glm is what the model gets."""
    assert loaded.run(f"%glm --once {text}").status == "ok"
    assert asked(far_side) == [text]


def test_a_header_without_a_body_is_a_question(loaded: Kernel, far_side: FarSide):
    """`%%glm question` alone asks the question."""
    assert loaded.run("%%glm what is a list?").status == "ok"
    assert asked(far_side) == ["what is a list?"]


def test_header_and_body_are_joined_by_a_blank_line(loaded: Kernel, far_side: FarSide):
    """The instruction of the first line stands above the text of the cell."""
    loaded.run("%%glm -t 0.5 explain this:\ndef f(x):\n    return {x}\n")
    assert asked(far_side) == ["explain this:\n\ndef f(x):\n    return {x}"]
    assert far_side.requests[-1].json["temperature"] == 0.5


def test_an_expression_is_filled_in(loaded: Kernel, far_side: FarSide):
    """{{expression}} is the one thing that is replaced."""
    loaded.run("n = 6")
    loaded.run("%glm --once {{n * 7}} is {n} and \\{{n}}")
    assert asked(far_side) == ["42 is {n} and {{n}}"]


def test_text_is_on_screen_before_the_answer_ends(loaded: Kernel, far_side: FarSide):
    """The first delta is shown while the far side still holds the rest back."""
    script, gate = held("Hello ", "world")
    far_side.queue(script)
    cell = loaded.start("%glm hi")
    loaded.until(lambda: "Hello" in markdown(cell))
    assert not cell.done
    gate.open()
    assert loaded.wait(cell).status == "ok"
    assert markdown(cell).startswith("Hello world")


def test_one_output_holds_text_and_receipt(loaded: Kernel, far_side: FarSide):
    """The final output has Markdown, the plain text itself, and a receipt without prompt or key."""
    far_side.queue(Stream(openai_stream("**Hello**")))
    cell = loaded.run("%glm a secret question")
    assert [output["output_type"] for output in cell.outputs] == ["display_data"]
    assert cell.data[0]["text/plain"] == "**Hello**"
    receipt = cell.outputs[0]["metadata"]["glm_magic"]
    assert receipt["finish_reason"] == "stop"
    assert receipt["model"] == "glm-test"
    assert len(receipt["prompt_sha256"]) == 64
    assert "secret question" not in json.dumps(cell.outputs)
    assert KEY not in json.dumps(cell.outputs)


def test_the_reply_is_a_value(loaded: Kernel, far_side: FarSide):
    """`ans = %glm …`, `_` and -o hold the reply; a later cell shows it again."""
    far_side.queue(Stream(openai_stream("forty-two")))
    loaded.run("%glm -o kept hi")
    shown = loaded.run("print(_.text, kept.text, Out[2].text)").stream
    assert shown == "forty-two forty-two forty-two\n"
    far_side.queue(Stream(openai_stream("again")))
    assert len(loaded.run("ans = %glm what is it?").data) == 1
    assert loaded.run("ans").data[0]["text/markdown"] == "again"


def test_interrupt_keeps_the_text_and_closes_the_connection(loaded: Kernel, far_side: FarSide):
    """Stop: at most three lines, text kept, connection closed, and later cells do not run."""
    script, _ = held("The first part ", "is here")
    far_side.queue(script)
    cell = loaded.start("%glm tell me")
    after = loaded.start("print('must not run')")
    loaded.until(lambda: "is here" in markdown(cell))
    loaded.interrupt()
    loaded.wait(cell)
    loaded.wait(after)
    assert (cell.status, after.status) == ("error", "aborted")
    assert cell.error is not None
    assert cell.error["ename"] == "Interrupted"
    assert len(cell.error["traceback"]) <= 3
    assert cell.data[0]["text/plain"] == "The first part is here"
    assert "stopped" in markdown(cell)
    assert far_side.requests[-1].closed()
    assert "The first part is here" in loaded.run("%glmcmd history").stream


def test_continue_goes_on_after_an_interrupt(loaded: Kernel, far_side: FarSide):
    """`--continue` sends what was said and asks for the rest; in the history it is one answer."""
    script, _ = held("one two ")
    far_side.queue(script)
    cell = loaded.start("%glm count")
    loaded.until(lambda: "one two" in markdown(cell))
    loaded.interrupt()
    loaded.wait(cell)
    far_side.queue(Stream(openai_stream("three four")))
    assert markdown(loaded.run("%glm --continue")).startswith("three four")
    assert asked(far_side)[:2] == ["count", "one two "]
    assert "one two three four" in loaded.run("%glmcmd history").stream


def test_a_cut_stream_is_marked_and_not_sent_again(loaded: Kernel, far_side: FarSide):
    """A stream without its finish signal ends as truncated, in one request."""
    far_side.queue(Stream(openai_stream("half of it")[:-2], end="close"))
    before = len(far_side.requests)
    cell = loaded.run("%glm go")
    assert cell.data[0]["text/plain"] == "half of it"
    assert cell.outputs[0]["metadata"]["glm_magic"]["finish_reason"] == "truncated"
    assert "broke off" in markdown(cell)
    assert len(far_side.requests) == before + 1


QUOTA = {"error": {"code": "1113", "message": f"Insufficient balance for {KEY}"}}
PAGE = "<html><title>Login</title><script>alert(1)</script>Please log in</html>"
ERRORS = {
    "401": (Status(401, {"error": {"message": f"bad key {KEY}"}}), "AuthenticationError"),
    "404 model": (Status(404, {"error": {"code": "1211", "message": "no model"}}), "ModelError"),
    "429 quota": (Status(429, QUOTA), "QuotaError"),
    "503": (Status(503, {"error": {"message": "Loading model"}}), "OverloadError"),
    "page": (Status(200, PAGE, content_type="text/html"), "ProtocolError"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_short_and_says_what_to_do(loaded: Kernel, far_side: FarSide, name: str):
    """Six lines or fewer with the host, even under %xmode Verbose, and no key."""
    script, kind = ERRORS[name]
    loaded.run("%xmode Verbose\nimport logging; logging.basicConfig(level=logging.DEBUG)")
    loaded.run("%config GlmConfig.retries = 0")
    far_side.queue(script)
    cell = loaded.run("%glm hello")
    assert (cell.status, cell.error["ename"]) == ("error", kind)
    lines = "\n".join(cell.error["traceback"]).splitlines()
    assert 2 <= len(lines) <= 6
    assert far_side.url.removeprefix("http://") in "\n".join(lines)
    everything = json.dumps([[m.type, m.content] for m in cell.messages], default=str)
    assert KEY not in everything
    assert "alert(1)" not in everything


@pytest.mark.parametrize(
    ("url", "word"),
    [("refused", "Is the server running"), ("https://nonexistent.invalid/v1", "not known")],
)
def test_an_unreachable_host_is_named(loaded: Kernel, url: str, word: str):
    """A refused port and an unknown name say so, with the host and a remedy."""
    url = refused_url() if url == "refused" else url
    loaded.run("import os; os.environ.pop('GLM_API_KEY')\n%config GlmConfig.retries = 0")
    loaded.run(f"%config GlmConfig.base_url = {url!r}")
    cell = loaded.run("%glm hello")
    text = "\n".join(cell.error["traceback"])
    assert cell.error["ename"] == "NetworkError"
    assert word in text
    assert url.split("/")[2] in text
    assert len(text.splitlines()) <= 6


def test_tls_failure_is_explained(loaded: Kernel):
    """A certificate nobody vouches for is named as the reason."""
    with FarSide(tls=True) as server:
        loaded.run(f"%config GlmConfig.base_url = {server.url!r}")
        cell = loaded.run("%glm hello")
    assert "certificate" in "\n".join(cell.error["traceback"])
    assert KEY not in json.dumps(cell.outputs)


def test_a_busy_server_is_asked_again_and_says_so(loaded: Kernel, far_side: FarSide):
    """503 is passing: asked again, with a remark that stays."""
    far_side.queue(Status(503, {"error": {"message": "Loading model"}}))
    cell = loaded.run("%glm hello")
    assert cell.status == "ok"
    assert "asked again" in markdown(cell)


def test_dry_sends_nothing_and_shows_no_key(loaded: Kernel, far_side: FarSide):
    """`--dry` shows address, headers and body."""
    before = len(far_side.requests)
    cell = loaded.run("%glm --dry what is x?")
    assert f"POST {far_side.url}/v1/chat/completions" in cell.stream
    assert '"content": "what is x?"' in cell.stream
    assert "Bearer ***" in cell.stream
    assert KEY not in cell.stream
    assert len(far_side.requests) == before


def test_the_second_question_knows_the_first_and_once_does_not(loaded: Kernel, far_side: FarSide):
    """Questions share a history; --once, -l and -n do what they say."""
    far_side.queue(Stream(openai_stream("one")))
    loaded.run("%glm first")
    loaded.run("%glm second")
    assert asked(far_side) == ["first", "one", "second"]
    loaded.run("%glm --once third")
    assert asked(far_side) == ["third"]
    loaded.run("%glm -l other fourth")
    assert asked(far_side) == ["fourth"]
    loaded.run("%glm -n fifth")
    assert asked(far_side) == ["fifth"]
    assert "brought back" in loaded.run("%glmcmd undo").stream


def test_a_user_with_nest_asyncio_is_served(loaded: Kernel, far_side: FarSide):
    """Streaming, stopping and asking again work where nest_asyncio is applied."""
    loaded.run("import nest_asyncio; nest_asyncio.apply()")
    script, _ = held("some text")
    far_side.queue(script)
    cell = loaded.start("%glm go")
    loaded.until(lambda: "some text" in markdown(cell))
    loaded.interrupt()
    assert loaded.wait(cell).error["ename"] == "Interrupted"
    assert far_side.requests[-1].closed()
    assert loaded.run("%glm again").status == "ok"


def test_the_async_interface_works_in_a_cell(loaded: Kernel, far_side: FarSide):
    """`await conversation.ask(…)` works on the kernel's own loop."""
    far_side.queue(Stream(openai_stream("async answer")))
    cell = loaded.run(
        "from glm_magic import Conversation, make_provider\n"
        "reply = await Conversation(make_provider('openai/glm-test')).ask('hi')\n"
        "print(reply.text, reply.finish_reason)"
    )
    assert cell.stream == "async answer stop\n"


def test_timeout_keeps_the_text(loaded: Kernel, far_side: FarSide):
    """--timeout stops a long answer with an error that names itself."""
    script, _ = held("a beginning")
    far_side.queue(script)
    cell = loaded.run("%glm --timeout 0.5 go")
    assert cell.data[0]["text/plain"] == "a beginning"
    assert "--timeout" in "\n".join(cell.error["traceback"])
    assert far_side.requests[-1].closed()


def test_quiet_and_no_stream(loaded: Kernel, far_side: FarSide):
    """-q shows nothing; --no-stream shows the answer once."""
    far_side.queue(Stream(openai_stream("silence")))
    assert loaded.run("r = %glm -q hi").outputs == []
    assert loaded.run("print(r.text)").stream == "silence\n"
    far_side.queue(Stream(openai_stream("at the end")))
    cell = loaded.run("%glm --no-stream hi")
    assert [m.type for m in cell.messages if "display" in m.type] == ["display_data"]


def test_status_config_and_help(loaded: Kernel, far_side: FarSide):
    """`%glm` alone has five lines, %config lists the settings without the key, %glm? shows help."""
    status = loaded.run("%glm").stream
    assert len(status.splitlines()) == 5
    assert "from GLM_API_KEY" in status
    settings = loaded.run("%config GlmConfig").stream
    assert "first_event_timeout" in settings
    assert KEY not in status + settings
    page = loaded.run("%glm?").reply["payload"][0]["data"]["text/plain"]
    assert "--max-tokens" in page


def test_hostile_text_leaves_the_kernel_disarmed(loaded: Kernel, far_side: FarSide):
    """No tag and no image of the model's is in the Markdown."""
    far_side.queue(Stream(openai_stream("<script>alert(1)</script> ![x](http://a.example/i.png)")))
    text = markdown(loaded.run("%glm hi"))
    assert "<script" not in text
    assert "![" not in text


def test_load_after_a_setting_was_refused(loaded: Kernel):
    """`%config` keeps what a setting does not take; the next load says so and leaves it out."""
    loaded.run("%config GlmConfig.temperature = 'hot'\n%unload_ext glm_magic")
    again = loaded.run("%load_ext glm_magic")
    assert "GlmConfig.temperature was left as it is" in again.stream
    assert again.error is None
    assert "hi" in loaded.run("%glm -m echo --once hi").data[-1]["text/plain"]


def test_names_of_a_function(loaded: Kernel):
    """What a function has in its variables is meant there, also where the notebook has another."""
    loaded.run("q = 'GLOBAL'")
    cell = (
        "def f(q):\n    r = %glm -m echo --once -q say {{q}}\n    return r.text\nprint(f('LOCAL'))"
    )
    assert "LOCAL" in loaded.run(cell).stream


def test_unload_takes_everything_away(loaded: Kernel):
    """After %unload_ext there is no magic, no setting, and `?` means help again."""
    loaded.run("%unload_ext glm_magic")
    assert "not found" in loaded.run("%glm hi").stream
    assert "GlmConfig" not in loaded.run("%config").stream
    assert loaded.run("%reload_ext glm_magic").outputs == []
    assert loaded.run("%glm -m echo hi there").data[0]["text/plain"] == "hi there"
