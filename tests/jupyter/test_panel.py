"""The chat panel in real JupyterLab and Notebook 7, in a real browser, on a real kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.far_side import FarSide, Gate, Stream, openai_stream
from tests.jupyter.lab import NOTEBOOK, Face, NotebookPage

CELLS = f"{NOTEBOOK}.content.widgets"
#: What an input method does: Enter chooses a word and must not send half of it.
COMPOSE = """(box) => {
    box.dispatchEvent(new CompositionEvent("compositionstart"));
    box.value = "ni";
    box.dispatchEvent(new InputEvent("input", {isComposing: true}));
    const enter = {key: "Enter", keyCode: 229, isComposing: true, bubbles: true};
    box.dispatchEvent(new KeyboardEvent("keydown", enter));
    box.dispatchEvent(new CompositionEvent("compositionend"));
}"""
OpenNotebook = Callable[..., NotebookPage]
CODE = "Run this:\n\n```python\nprint('in', 'serted')\n```\n\nThat is all."


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    """One OpenAI-compatible server for all pages."""
    with FarSide() as server:
        yield server


class Chat:
    """A page with an open panel; its parts are found by what they are for."""

    def __init__(self, page: NotebookPage) -> None:
        self.page = page
        self.panel = page.page.locator(".glm-panel").first
        self.box = self.panel.locator("textarea.glm-box")

    def send(self, text: str) -> None:
        """Type *text* and press Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def press(self, act: str, place: int = -1) -> None:
        """Press the visible button that does *act*; by default the last one."""
        buttons = self.panel.locator(f"button[data-act={act}]:visible")
        (buttons.last if place < 0 else buttons.nth(place)).click()

    def wait_for(self, text: str) -> None:
        """Wait until an item of the panel shows *text*."""
        self.panel.locator(".glm-item", has_text=text).last.wait_for()

    def wait_until_idle(self) -> None:
        """Wait until no answer is coming."""
        self.page.page.locator(".glm-panel:not(.glm-busy)").first.wait_for()

    @property
    def items(self) -> list[str]:
        """What the questions and answers say."""
        return [
            text.strip() for text in self.panel.locator(".glm-item > .glm-blocks").all_inner_texts()
        ]


@pytest.fixture(params=["lab", "notebook"])
def face(request: pytest.FixtureRequest) -> Face:
    """Each test runs in both front ends."""
    return request.param


@pytest.fixture
def open_chat(open_notebook: OpenNotebook, far_side: FarSide, face: Face) -> Callable[..., Chat]:
    """A function that opens a notebook with a panel in its second cell, and more cells below."""

    def open_(*cells: str) -> Chat:
        setup = (
            "%load_ext glm_magic\n"
            f"%config GlmConfig.base_url = '{far_side.url}/v1'\n"
            "%config GlmConfig.model = 'openai/glm-test'"
        )
        page = open_notebook(setup, "%glm_chat", *cells, face=face)
        page.run(0)
        page.run(1)
        chat = Chat(page)
        chat.panel.wait_for()
        chat.box.wait_for()
        return chat

    return open_


def held(*pieces: str) -> tuple[Stream, Gate]:
    """A stream that says *pieces*, waits for its gate, and then ends well."""
    gate = Gate()
    *chunks, finish, done = openai_stream(list(pieces))
    return Stream([*chunks, gate, finish, done]), gate


def test_send_stream_and_stop(open_chat: Callable[..., Chat], far_side: FarSide, face: Face):
    """An answer grows on the panel; Stop keeps it and closes the connection; Retry asks again."""
    chat = open_chat()
    script, _ = held("The **first** words", " and more")
    far_side.queue(script)
    chat.send("what is it?")
    chat.wait_for("and more")
    assert far_side.requests[-1].json["messages"][-1]["content"] == "what is it?"
    chat.press("stop")
    chat.wait_until_idle()
    assert far_side.requests[-1].closed()
    assert chat.items == ["what is it?", "The first words and more"]
    far_side.queue(Stream(openai_stream("A second try.")))
    chat.press("retry")
    chat.wait_for("A second try.")
    chat.page.screenshot(f"panel-{face}")
    assert chat.page.foreign == []


def test_edit_undo_and_clear(open_chat: Callable[..., Chat], far_side: FarSide):
    """A question is edited and asked again; undo and clear do what they say."""
    chat = open_chat()
    for word in ("one", "two", "three"):
        far_side.queue(Stream(openai_stream(f"{word}!")))
    chat.send("first")
    chat.wait_for("one!")
    chat.wait_until_idle()
    chat.send("second")
    chat.wait_for("two!")
    chat.wait_until_idle()
    chat.panel.locator(".glm-user").first.hover()
    chat.press("edit", 0)
    chat.box.fill("first, edited")
    chat.box.press("Enter")
    chat.wait_for("three!")
    chat.wait_until_idle()
    assert chat.items == ["first, edited", "three!"]
    chat.press("clear", 0)
    chat.panel.locator(".glm-item").first.wait_for(state="detached")
    chat.press("undo", 0)
    chat.wait_for("three!")


def test_reload_in_mid_stream(open_chat: Callable[..., Chat], far_side: FarSide):
    """After the page is loaded again the panel is asked for anew, and the answer is all there."""
    chat = open_chat()
    script, gate = held("before ", "the reload")
    far_side.queue(script)
    chat.send("go")
    chat.wait_for("the reload")
    page = chat.page
    page.save()
    page.page.reload()
    page.page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context?.isReady")
    page.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel"
    )
    chat.panel.wait_for()
    chat.wait_for("before the reload")
    gate.open()
    chat.panel.locator(".glm-footer", has_text="glm-test").last.wait_for()


def test_two_views_and_a_cell_share_a_conversation(
    open_chat: Callable[..., Chat], far_side: FarSide
):
    """A cell's question appears on two panels of its conversation, and knows what they said."""
    chat = open_chat("%glm_chat", "%glm from the cell")
    chat.page.run(2)
    second = chat.page.page.locator(".glm-panel").nth(1)
    second.wait_for()
    far_side.queue(Stream(openai_stream("panel answer")))
    chat.send("from the panel")
    chat.wait_for("panel answer")
    second.locator(".glm-item", has_text="panel answer").wait_for()
    far_side.queue(Stream(openai_stream("cell answer")))
    chat.wait_until_idle()
    chat.page.run(3)
    chat.wait_for("cell answer")
    second.locator(".glm-item", has_text="cell answer").wait_for()
    sent = [message["content"] for message in far_side.requests[-1].json["messages"]]
    assert sent == ["from the panel", "panel answer", "from the cell"]


def test_the_panel_goes_on_while_a_cell_runs(
    open_chat: Callable[..., Chat], far_side: FarSide, face: Face
):
    """The text grows while the kernel is busy with a cell, and Stop works at once."""
    name = f"go-on-{face}"
    wait = f"while not pathlib.Path({name!r}).exists(): time.sleep(0.05)"
    chat = open_chat(f"import pathlib, time\nprint('started')\n{wait}\nprint('done')")
    first, second, never = Gate(), Gate(), Gate()
    *chunks, finish, done = openai_stream(["one ", "two ", "three"])
    far_side.queue(
        Stream([*chunks[:2], first, chunks[2], second, *chunks[3:], never, finish, done])
    )
    chat.send("count")
    chat.page.start(2)
    chat.page.wait_for("started", 2)
    first.open()
    chat.wait_for("two")
    second.open()
    chat.wait_for("three")
    chat.press("stop")
    assert far_side.requests[-1].closed()
    chat.wait_until_idle()
    assert chat.page.output(2).filter(has_text="done").count() == 0
    (chat.page.file.parent / name).touch()
    chat.page.wait_for("done", 2)


def test_insert_code(open_chat: Callable[..., Chat], far_side: FarSide, face: Face):
    """Code of an answer is shown, and then is a new cell to the letter."""
    chat = open_chat()
    far_side.queue(Stream(openai_stream(CODE)))
    chat.send("code please")
    chat.wait_for("That is all.")
    chat.wait_until_idle()
    chat.panel.locator("figure").hover()
    chat.press("insertCode")
    shown = chat.panel.locator(".glm-sheet pre").inner_text()
    chat.page.screenshot(f"panel-insert-{face}")
    chat.panel.locator(".glm-sheet button.glm-primary").click()
    sources = chat.page.page.evaluate(f"() => {CELLS}.map(cell => cell.model.sharedModel.source)")
    assert shown == "print('in', 'serted')"
    assert shown in sources


def test_dark_and_narrow(open_chat: Callable[..., Chat], far_side: FarSide, face: Face):
    """In the dark theme text is light, and at 400 px nothing hangs out of the panel."""
    chat = open_chat()
    far_side.queue(Stream(openai_stream("# Title\n\n$a^2+b^2$ and `code`\n\n" + CODE)))
    chat.send("show everything")
    chat.wait_for("That is all.")
    page = chat.page.page
    theme = "{theme: 'JupyterLab Dark'}"
    page.evaluate(f"() => window.jupyterapp.commands.execute('apputils:change-theme', {theme})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    chat.page.screenshot(f"panel-dark-{face}")
    panel: Any = chat.panel.evaluate(
        "(node) => { node.style.width = '400px'; "
        "return {wide: node.scrollWidth > node.clientWidth, color: getComputedStyle(node).color} }"
    )
    chat.page.screenshot(f"panel-narrow-{face}")
    assert not panel["wide"]
    assert min(int(n) for n in panel["color"].removeprefix("rgb(").rstrip(")").split(",")[:3]) > 128
    assert chat.panel.locator("math").count() > 0


def test_a_saved_panel_reads_without_a_kernel(open_chat: Callable[..., Chat], far_side: FarSide):
    """The second output of the cell is the transcript, in Markdown."""
    chat = open_chat()
    far_side.queue(Stream(openai_stream("kept <script>x</script> answer")))
    chat.send("keep this")
    chat.wait_for("kept")
    chat.wait_until_idle()
    chat.page.page.locator("summary", has_text="Conversation main").wait_for()
    widget, transcript = chat.page.save().cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert "> keep this" in transcript.data["text/markdown"]
    assert "kept" in transcript.data["text/markdown"]
    assert "<script" not in transcript.data["text/markdown"]


def test_keyboard_and_composition(open_chat: Callable[..., Chat], far_side: FarSide):
    """Half a Chinese word is not sent; Shift+Enter breaks the line; Enter sends; Esc stops."""
    chat = open_chat()
    before = len(far_side.requests)
    chat.box.focus()
    chat.box.evaluate(COMPOSE)
    chat.box.fill("你好")
    chat.box.press("Shift+Enter")
    chat.page.page.keyboard.type("world")
    script, _ = held("some text")
    far_side.queue(script)
    chat.box.press("Enter")
    chat.wait_for("some text")
    assert [r.json["messages"][-1]["content"] for r in far_side.requests[before:]] == [
        "你好\nworld"
    ]
    chat.page.page.keyboard.press("Escape")
    chat.wait_until_idle()
    assert far_side.requests[-1].closed()
