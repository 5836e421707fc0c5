"""`%glm` in real JupyterLab, in a real browser: what a reader sees, and what the file keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.far_side import FarSide, Gate, Status, Stream, openai_stream
from tests.jupyter.lab import NotebookPage
from tests.planted import ONE, basic, leaks

SECTION = """## Section {n}

Prose with **bold** words, `code`, and a formula $a_{n}^2 + b^2 = c^2$ in it. It goes on for a while
so that the paragraph has more than one line on the screen, as answers do.

- first point of section {n}
- second point, with 中文 in it

```python
def section_{n}(x):
    return x + {n}
```

| name | value |
|---|---|
| n | {n} |

"""
LONG = "".join(SECTION.format(n=n) for n in range(1, 51))[:20_000] + "\n\nThe very end.\n"
HOSTILE = """Look <script>window.hit = 1</script> here
<img src=x onerror="window.hit = 2"> ![p](http://198.51.100.7/p.png)
<button data-commandlinker-command="notebook:run-all-cells">x</button>
[link](javascript:window.hit=3) <style>body{background:url(http://198.51.100.7/s)}</style>

$<img src=x onerror=window.hit=4>$ and $$\\href{javascript:window.hit=5}{x}$$ end
"""

OpenNotebook = Callable[..., NotebookPage]


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """One OpenAI-compatible server for all pages."""
    with FarSide() as server:
        yield server


def setup_cell(far_side: FarSide) -> str:
    """The cell that loads the extension and names the server."""
    return (
        "%load_ext glm_magic\n"
        f"%config GlmConfig.base_url = '{far_side.url}/v1'\n"
        "%config GlmConfig.model = 'openai/glm-test'"
    )


def pieces(text: str, size: int) -> list[str]:
    """Cut *text* into deltas of *size* characters."""
    return [text[i : i + size] for i in range(0, len(text), size)]


def test_an_answer_grows_and_is_saved(open_notebook: OpenNotebook, far_side: FarSide):
    """Text is on screen while the far side holds the rest; the file has it once, with a receipt."""
    gate = Gate()
    *start, finish, done = openai_stream(["# Title\n\nThe first", " part of **it**, 中文。"])
    far_side.queue(Stream([*start, gate, finish, done]))
    page = open_notebook(setup_cell(far_side), "%%glm\nwhat is it?")
    page.run(0)
    page.start(1)
    page.wait_for("part of it", 1)
    page.screenshot("lab-streaming")
    gate.open()
    page.wait_for("glm-test", 1)
    page.screenshot("lab-done")
    (output,) = page.save().cells[1].outputs
    assert output.data["text/plain"] == "# Title\n\nThe first part of **it**, 中文。"
    assert output.metadata["glm_magic"]["finish_reason"] == "stop"
    assert page.foreign == []


def test_a_long_answer_does_not_move_the_page(open_notebook: OpenNotebook, far_side: FarSide):
    """20 kB at 200 deltas a second: the reader's place stays, the first output has it all."""
    far_side.queue(Stream(openai_stream(pieces(LONG, 20)), pace=0.005))
    page = open_notebook(setup_cell(far_side), "%%glm\ntell me everything")
    page.run(0)
    page.start(1)
    page.wait_for("Section 20", 1)
    page.page.evaluate("window.jupyterapp.shell.currentWidget.content.outerNode.scrollTop = 600")
    place = page.scroll_top()
    page.wait_for("The very end.", 1)
    page.wait_for("glm-test", 1)
    assert page.scroll_top() == place
    page.screenshot("lab-long")
    outputs = page.save().cells[1].outputs
    assert outputs[0].data["text/plain"] == LONG
    assert [output.data["text/markdown"] for output in outputs[1:]] == [""] * (len(outputs) - 1)
    assert len(outputs) <= 40


def test_stop_in_run_all(open_notebook: OpenNotebook, far_side: FarSide):
    """Stop keeps the text under its cell, and the cells behind it do not run."""
    *start, _, _ = openai_stream(["kept text"])
    far_side.queue(Stream([*start, Gate()]))
    page = open_notebook(setup_cell(far_side), "%%glm\ngo", "print('too' + ' far')")
    page.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for("kept text", 1)
    page.interrupt()
    page.wait_for("Stopped after", 1)
    page.screenshot("lab-stopped")
    assert far_side.requests[-1].closed()
    assert page.output(2).filter(has_text="too far").count() == 0
    assert page.save().cells[1].outputs[0].data["text/plain"] == "kept text"


def test_hostile_text_does_nothing(open_notebook: OpenNotebook, far_side: FarSide):
    """After each delta and at the end: nothing executed, nothing fetched, nothing commanded."""
    far_side.queue(Stream(openai_stream(pieces(HOSTILE, 3)), pace=0.01))
    page = open_notebook(setup_cell(far_side), "%%glm\nattack")
    page.run(0)
    page.run(1)
    page.wait_for("window.hit = 2", 1)
    page.screenshot("lab-hostile")
    assert page.page.evaluate("() => window.hit") is None
    assert page.foreign == []
    shown = page.output(1)
    for tag in ("script", "img", "button[data-commandlinker-command]", "style"):
        assert shown.locator(f".jp-RenderedMarkdown {tag}").count() == 0
    addresses = shown.locator("a").evaluate_all("nodes => nodes.map(node => node.href)")
    assert [address for address in addresses if not address.startswith("http")] == []


def test_a_cell_run_again_replaces_its_question(open_notebook: OpenNotebook, far_side: FarSide):
    """Running a cell a second time does not send its first answer back as history."""
    page = open_notebook(setup_cell(far_side), "%%glm\nsame question")
    page.run(0)
    page.run(1)
    page.run(1)
    sent = far_side.requests[-1].json["messages"]
    assert [message["content"] for message in sent] == ["same question"]


def test_no_key_in_a_saved_notebook(open_notebook: OpenNotebook, far_side: FarSide):
    """An answer, an error and a panel that repeat the key leave none in the file or the page."""
    answer = Stream(openai_stream(pieces(f"Keys: {ONE}\n\n{basic(ONE)}", 7), reasoning=ONE))
    page = open_notebook(
        f"import os, pathlib\nos.environ['GLM_API_KEY'] = pathlib.Path('key').read_text()\n"
        f"{setup_cell(far_side)}",
        "%glm hello",
        "%glm hello",
        "%glm_chat panel",
        "import glm_magic\n"
        "ask = {'op': 'send', 'id': '1', 'text': 'hello'}\n"
        "from glm_magic.panel.widget import ChatPanel; panel = ChatPanel('panel')\n"
        "panel._desk.receive(ask)",
    )
    (page.file.parent / "key").write_text(ONE)
    far_side.queue(answer, Status(401, {"error": {"message": f"bad key {ONE}"}}), answer)
    for index in range(5):
        page.run(index)
    page.wait_for("***", 1)
    page.wait_for("AuthenticationError", 2)
    page.wait_for("***", 3)
    assert f"Bearer {ONE}" == far_side.requests[-1].headers["Authorization"]
    page.save()
    assert [] == leaks(page.file.read_text(encoding="utf-8"))
    assert [] == leaks(page.page.content())
