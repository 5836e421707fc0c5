"""The panel's front end in a real browser, before a kernel that only listens and is spoken for."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glm_magic.messages import Delta, Finish, Reply
from glm_magic.show.remarks import verdict
from tests.jupyter.lab import find_browser, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Route

HERE = Path(__file__).parent
PANEL = Path(__file__).parents[2] / "glm_magic" / "panel"
FILES = {name: PANEL / name for name in ("panel.js", "panel.css")}
FILES["front.html"] = HERE / "front.html"
ORIGIN = "http://localhost"  # nothing listens there: every request is answered from here
ATTACK = "<img src=x onerror='window.hit=1'>"
CODE = '<figure class="glm-code"><pre><code>{}\n</code></pre></figure>'
NOTEBOOK = """() => {
    window.cells = [];
    const insertCell = (place, cell) => window.cells.push([place, cell]);
    const sharedModel = { cells: ["one", "two"], insertCell };
    model.widget_manager = { context: { model: { sharedModel } } };
}"""
DISTANCE = """() => {
    const { scrollHeight, scrollTop, clientHeight } = document.querySelector(".glm-log");
    return scrollHeight - scrollTop - clientHeight;
}"""
PRESS = """(box, key) =>
    box.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...key }))"""

KEEP_BREAKS_BACK = """(box) => box.addEventListener("beforeinput", (event) => {
    if (event.inputType === "insertLineBreak") event.preventDefault();
})"""


def item(name: str, text: str, blocks: list[str] | None = None, **head: Any) -> dict[str, Any]:
    """An item as the kernel sends it whole; a *name* with q is a question."""
    role = "user" if name.startswith("q") else "assistant"
    quiet = {"footer": "", "notes": [], "verdict": "", "thought_seconds": 0, "done": True}
    content = {"text": text, "blocks": blocks or [f"<p>{text}</p>"]}
    return {"id": name, "role": role, "reasoning": [], **content, **quiet, **head}


def state(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """All there is to show, as the kernel sends it."""
    names = {"label": "main", "labels": ["main", "other"], "model": "zai/glm-4.6", "system": ""}
    rest = {"think": "", "temperature": "", "busy": False, "progress": "", "error": ""}
    return {"op": "state", "view": "", "items": list(items), **names, **rest, **changes}


def status(**changes: Any) -> dict[str, Any]:
    """What goes on, as the kernel sends it."""
    quiet = {"busy": False, "progress": "", "can_undo": True, "waiting": ""}
    return {"op": "status", **quiet, **changes}


def patch(whole: dict[str, Any], start: int = 0) -> dict[str, Any]:
    """The patch that brings a view to *whole* from block *start* on."""
    text, blocks = whole["text"], whole["blocks"]
    head = {key: whole[key] for key in whole.keys() - {"text", "blocks", "reasoning"}}
    tail = {"text_tail": {"start": 0, "text": text}}
    thoughts = {"reasoning": {"start": 0, "blocks": whole["reasoning"]}}
    return {"op": "patch", "item": head | tail, "start": start, "blocks": blocks[start:]} | thoughts


TALK = (item("q1", "first"), item("a1", "an answer"), item("q2", "second"), item("a2", "another"))


class Front:
    """A page with one view of the panel; *asked* holds every address asked for."""

    def __init__(self, context: BrowserContext) -> None:
        self.asked: list[str] = []
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ORIGIN)
        context.route("**/*", self._serve)
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)

    def load(self) -> Front:
        """Load the page and open a view."""
        self.asked.clear()
        self.page.goto(f"{ORIGIN}/front.html")
        self.page.wait_for_function("window.isReady")
        self.page.evaluate("openView()")
        return self

    def _serve(self, route: Route) -> None:
        self.asked.append(route.request.url)
        file = FILES.get(route.request.url.removeprefix(f"{ORIGIN}/"))
        if file is None:
            route.abort()
        else:
            route.fulfill(path=file)

    @property
    def root(self) -> Locator:
        """The panel, or the panels."""
        return self.page.locator(".glm-panel")

    @property
    def box(self) -> Locator:
        """Where questions are typed."""
        return self.page.locator(".glm-box")

    def button(self, act: str) -> Locator:
        """The visible buttons for *act*."""
        return self.page.locator(f"[data-act={act}]:visible")

    def field(self, name: str) -> Locator:
        """The field of the setting *name*."""
        return self.page.locator(f"[data-setting={name}]")

    def say(self, *messages: dict[str, Any]) -> None:
        """Let the kernel say *messages*."""
        self.page.evaluate("(messages) => messages.forEach((each) => model.say(each))", messages)

    def answer(self, op: str, value: Any = None, error: str = "") -> None:
        """From now on answer each request *op*."""
        answer = {"ok": not error, "value": value, "error": error}
        self.page.evaluate("([op, answer]) => { model.answers[op] = answer }", [op, answer])

    def sent(self, op: str) -> list[dict[str, Any]]:
        """Return what the views sent as *op*, without the ids."""
        sent = self.page.evaluate("(op) => model.sent.filter((each) => each.op === op)", op)
        return [{key: each[key] for key in each.keys() - {"op", "id", "view"}} for each in sent]

    def clipboard(self) -> str:
        """Return the text in the clipboard."""
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def frames(self) -> None:
        """Let the browser draw, until what it observes has settled."""
        frame = "new Promise((done) => requestAnimationFrame(done))"
        for _ in range(4):
            self.page.evaluate(frame)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests; without one they fail in CI."""
    path = find_browser()
    if path is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("no Chromium: run `make browser`")
    with open_browser(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def new_front(browser: Browser) -> Iterator[Callable[..., Front]]:
    """A function that makes a page that is not loaded yet, in a context with these options."""
    with ExitStack() as opened:

        def make(**options: Any) -> Front:
            context = browser.new_context(**{"locale": "en-US", **options})
            opened.callback(context.close)
            return Front(context)

        yield make


@pytest.fixture(scope="module")
def english(new_front: Callable[..., Front]) -> Front:
    """The page that most tests load afresh."""
    return new_front()


@pytest.fixture
def front(english: Front) -> Front:
    """A page with one view, in English."""
    return english.load()


# --- drawing -------------------------------------------------------------------------------


def test_a_view_asks_for_everything(front: Front):
    """A view that is drawn sends one sync with a name of its own, and nothing else."""
    (only,) = front.page.evaluate("model.sent")
    assert "sync" == only["op"]
    assert only["view"]


def test_only_the_view_that_asked_takes_the_state(front: Front):
    """A state for one view leaves the others alone; one for all is taken by all."""
    front.page.evaluate("openView()")
    second = front.page.evaluate("model.sent[1].view")
    front.say(state(*TALK, view=second))
    assert [0, 4] == [front.root.nth(n).locator(".glm-item").count() for n in (0, 1)]
    front.say(state(*TALK[:2]))
    assert [2, 2] == [front.root.nth(n).locator(".glm-item").count() for n in (0, 1)]


def test_two_views_grow_alike(front: Front):
    """A patch reaches both views of a model, which show the same."""
    front.page.evaluate("openView()")
    front.say(state(*TALK), patch(item("a3", "new", done=False)))
    shown = front.page.locator(".glm-items")
    first, second = shown.evaluate_all("(all) => all.map((x) => x.innerHTML)")
    assert first == second
    assert 2 == front.page.get_by_text("new", exact=True).count()


def lines(text: str) -> list[str]:
    """Return *text* as blocks, one a line."""
    return [f"<p>{line}</p>" for line in text.split("\n")]


def grown(before: str, after: str) -> dict[str, Any]:
    """Return the patch that the kernel would send when *before* has become *after*."""
    known, blocks = lines(before) if before else [], lines(after)
    pairs = zip(known, blocks, strict=False)
    start = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(known), len(blocks)))
    kept = len(before) if after.startswith(before) else 0
    message = patch(item("q1", after, blocks), start)
    message["item"]["text_tail"] = {"start": kept, "text": after[kept:]}
    del message["reasoning"]
    return message


@given(versions=st.lists(st.text(alphabet="ab中😀\n", max_size=12), min_size=1, max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_patches_build_what_a_state_builds(front: Front, versions: list[str]):
    """Whatever way a text took, its patches leave the page and the text as the whole does."""
    front.say(state(), *map(grown, ["", *versions], versions))
    patched = front.page.locator(".glm-items").inner_html()
    front.button("edit").click()
    assert versions[-1] == front.box.input_value()
    front.button("cancel").click()
    front.say(state(item("q1", versions[-1], lines(versions[-1]))))
    assert patched == front.page.locator(".glm-items").inner_html()


def test_a_tail_may_begin_within_the_text(front: Front):
    """A tail replaces the text from its start on, counted in characters, not in halves of them."""
    message = patch(item("q1", "😀cd"))
    message["item"]["text_tail"] = {"start": 1, "text": "cd"}
    front.say(state(item("q1", "😀ab")), message)
    front.button("edit").click()
    assert "😀cd" == front.box.input_value()


def test_items_that_are_gone_are_removed(front: Front):
    """The list of items says which there are, and in which order."""
    front.say(state(*TALK), {"op": "items", "ids": ["q2", "a1"]})
    shown = front.page.locator(".glm-item").evaluate_all("(all) => all.map((x) => x.dataset.item)")
    assert ["q2", "a1"] == shown


def test_reasoning_is_folded(front: Front):
    """Reasoning says how long it took, and opens when it is asked to."""
    front.say(state(item("a1", "", reasoning=["<p>hm</p>"], thought_seconds=7, done=False)))
    assert "Thinking … 7 s" == front.page.locator("summary").inner_text()
    front.say(state(item("a1", "so", reasoning=["<p>hm</p>"], thought_seconds=9)))
    assert "Thought for 9 s" == front.page.locator("summary").inner_text()
    assert not front.page.get_by_text("hm", exact=True).is_visible()
    front.page.locator("summary").click()
    assert front.page.get_by_text("hm", exact=True).is_visible()


def test_remarks_are_shown(front: Front):
    """Notes, the verdict and the footer of an answer are below it."""
    front.say(state(item("a1", "so", notes=["clamped"], verdict="Cut off.", footer="glm · 2 s")))
    shown = front.page.locator(".glm-item").inner_text()
    assert ["so", "clamped", "Cut off.", "glm · 2 s"] == [
        part for part in shown.split("\n") if part and part != "Continue"
    ]


def test_what_went_wrong_is_an_alert(front: Front):
    """An error that comes with the status is shown, and the next status leaves it there."""
    front.say(status(error="not all could be shown"), status(error=""))
    assert "not all could be shown" == front.page.locator(".glm-alert").inner_text()


def test_foreign_text_stays_text(front: Front):
    """Markup in a name, a note, an error or a preview is shown as it is, and does nothing."""
    hostile = item("a1", ATTACK, ["<p>x</p>"], notes=[ATTACK], verdict=ATTACK, footer=ATTACK)
    names = {"label": ATTACK, "labels": [ATTACK], "model": ATTACK, "system": ATTACK}
    front.answer("models", [ATTACK])
    front.answer("preview", ATTACK)
    front.answer("complete", {"start": 2, "names": [{"name": ATTACK, "kind": ATTACK}]})
    front.say(state(hostile | {"id": ATTACK, "role": ATTACK}, error=ATTACK, **names))
    front.say(status(progress=ATTACK, waiting=ATTACK))
    front.field("model").focus()
    front.box.type("{{")
    front.page.locator("[role=option]").wait_for()
    front.button("preview").click()
    assert ATTACK == front.page.locator(".glm-exact").inner_text()
    assert 0 == front.page.locator("img").count()
    assert front.page.evaluate("window.hit") is None


def test_an_image_is_fetched_when_asked_for(front: Front):
    """The link that stands for an image becomes it on a click, and not before."""
    link = '<p><a class="glm-image" href="https://example.org/a.png">image: a</a></p>'
    front.say(state(item("a1", "", [link])))
    assert "https://example.org/a.png" not in front.asked
    with front.page.expect_request("https://example.org/a.png") as asked:
        front.page.get_by_text("image: a").click()
    assert "referer" not in asked.value.headers
    assert "no-referrer" == front.page.locator("img").get_attribute("referrerpolicy")


# --- asking --------------------------------------------------------------------------------


def test_enter_sends(front: Front):
    """Enter sends what was typed to the letter, and empties the box once it has arrived."""
    front.answer("send")
    front.box.fill("  {{x}}\n$a$ ")
    front.box.press("Enter")
    assert [{"text": "  {{x}}\n$a$ "}] == front.sent("send")
    front.page.wait_for_function("document.querySelector('.glm-box').value === ''")


def test_shift_enter_breaks_the_line(front: Front):
    """Shift+Enter adds a line, for which the box grows, though JupyterLab keeps breaks back."""
    front.box.evaluate(KEEP_BREAKS_BACK)
    before = front.box.bounding_box()["height"]
    front.box.type("a")
    front.box.press("Shift+Enter")
    front.box.type("b")
    assert "a\nb" == front.box.input_value()
    assert before < front.box.bounding_box()["height"]
    assert [] == front.sent("send")


def test_nothing_is_not_sent(front: Front):
    """Enter in an empty box does nothing."""
    front.box.press("Enter")
    front.button("send").click()
    assert [] == front.sent("send")


@pytest.mark.parametrize("key", [{"isComposing": True}, {"keyCode": 229}])
def test_enter_that_ends_a_word_does_not_send(front: Front, key: dict[str, Any]):
    """An Enter that belongs to the input method is left to it, whichever way that is said."""
    front.box.fill("ni")
    front.box.evaluate(PRESS, {"key": "Enter"} | key)
    assert [] == front.sent("send")


def test_enter_while_composing_does_not_send(front: Front):
    """Between the start and the end of a composition Enter sends nothing, after it it does."""
    front.box.focus()
    devtools = front.page.context.new_cdp_session(front.page)
    composed = {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6}
    devtools.send("Input.imeSetComposition", composed)
    front.box.evaluate(PRESS, {"key": "Enter"})
    assert [] == front.sent("send")
    devtools.send("Input.insertText", {"text": "你好"})
    front.box.press("Enter")
    assert [{"text": "你好"}] == front.sent("send")


def test_a_refused_question_is_kept(front: Front):
    """When the kernel refuses, the user reads why and still has the text."""
    front.answer("send", error="no such name: dff")
    front.box.fill("{{dff}}")
    front.box.press("Enter")
    front.page.get_by_role("alert").get_by_text("no such name: dff").wait_for()
    assert "{{dff}}" == front.box.input_value()


def test_a_question_is_sent_once(front: Front):
    """A second Enter before the kernel has answered sends nothing more."""
    front.box.fill("hi")
    front.box.press("Enter")
    front.box.press("Enter")
    assert [{"text": "hi"}] == front.sent("send")


def test_a_busy_panel_does_not_send(front: Front):
    """While an answer is written Enter says what to do, and keeps the text."""
    front.say(status(busy=True))
    front.box.fill("hi")
    front.box.press("Enter")
    assert front.page.get_by_role("alert").inner_text()
    assert ("hi", []) == (front.box.input_value(), front.sent("send"))


def test_a_message_that_waits_says_so(new_front: Callable[..., Front]):
    """After a second without an answer the status says that the kernel is busy, until it comes."""
    front = new_front()
    front.page.clock.install()
    front.load().say(state())
    front.box.fill("hi")
    front.box.press("Enter")
    busy = front.page.get_by_text("The kernel is busy; the message waits.")
    assert 0 == busy.count()
    front.page.clock.run_for(1100)
    busy.wait_for()
    request = front.page.evaluate("model.sent.at(-1).id")
    front.say({"op": "answer", "id": request, "ok": True, "value": None, "error": ""})
    assert 0 == busy.count()


def test_a_dead_channel_is_reported(front: Front):
    """When nothing can be sent any more, the user reads what to do."""
    front.page.evaluate("() => { model.send = () => { throw new Error('disposed') } }")
    front.box.fill("hi")
    front.box.press("Enter")
    front.page.get_by_role("alert").get_by_text("run its cell again").wait_for()


def test_up_brings_back_questions(front: Front):
    """Up in an empty box goes back through the questions, Down forth; typed text is left alone."""
    front.say(state(*TALK))
    seen = []
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"):
        front.box.press(key)
        seen.append(front.box.input_value())
    assert ["second", "first", "first", "second", ""] == seen
    front.box.type("mine")
    front.box.press("ArrowUp")
    assert "mine" == front.box.input_value()


# --- steering ------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["retry", "undo", "clear", "continue"])
def test_buttons_say_what_they_do(front: Front, act: str):
    """Each button sends its one request."""
    front.say(state(*TALK[:3], item("a2", "cut", verdict="Cut off.")))
    front.button(act).click()
    assert [{}] == front.sent(act)


def test_continue_is_for_cut_answers(front: Front):
    """A whole answer is not continued, nor is one of which nothing came."""
    front.say(state(item("a1", "whole")))
    assert 0 == front.button("continue").count()
    front.say(state(item("a1", "", [""], verdict="refused")))
    assert 0 == front.button("continue").count()


@pytest.mark.parametrize("way", ["button", "key"])
def test_stop(front: Front, way: str):
    """The button, or Esc anywhere in the panel, stops; Esc does nothing when nothing runs."""
    front.box.press("Escape")
    front.say(status(busy=True, progress="waiting … 5 s"))
    front.page.get_by_text("waiting … 5 s").wait_for()
    if way == "key":
        front.field("model").press("Escape")
    else:
        front.button("stop").click()
    assert [{}] == front.sent("stop")


def test_a_question_is_edited_and_sent_again(front: Front):
    """Edit takes the question into the box, sends it as an edit, and then gives the draft back."""
    front.answer("edit")
    front.say(state(*TALK))
    front.box.fill("draft")
    front.button("edit").first.click()
    front.box.fill("first, better")
    front.box.press("Enter")
    assert [{"item": "q1", "text": "first, better"}] == front.sent("edit")
    front.page.wait_for_function("document.querySelector('.glm-box').value === 'draft'")
    assert 0 == front.button("cancel").count()


def test_an_edit_is_given_up(front: Front):
    """Esc gives an edit up and the draft back."""
    front.say(state(*TALK))
    front.box.fill("draft")
    front.button("edit").first.click()
    front.box.press("Escape")
    front.answer("send")
    front.box.press("Enter")
    assert ([], [{"text": "draft"}]) == (front.sent("edit"), front.sent("send"))


def test_clear_offers_undo(front: Front):
    """After Clear its own Undo is at hand."""
    front.answer("clear")
    front.say(state(*TALK))
    front.button("clear").click()
    front.page.get_by_role("status").get_by_role("button").click()
    assert [{}] == front.sent("undo")


def test_undo_needs_something_to_undo(front: Front):
    """With nothing to undo the button cannot be pressed."""
    front.say(state(), status(can_undo=False))
    assert front.button("undo").is_disabled()


def test_settings_are_sent(front: Front):
    """Each field sends its new value when it is left; the temperature is a number."""
    front.answer("set")
    front.say(state())
    front.button("settings").click()
    front.field("system").fill("short")
    front.field("think").select_option("high")
    front.field("temperature").fill("0.5")
    front.field("label").fill("other")
    front.box.focus()
    sent = {each["name"]: each["value"] for each in front.sent("set")}
    assert {"system": "short", "think": "high", "temperature": 0.5, "label": "other"} == sent


def test_a_model_is_chosen_or_typed(front: Front):
    """The picker suggests the provider's models, takes any other, and Enter is enough."""
    front.answer("models", ["glm-4.6", "glm-4.5"])
    front.answer("set")
    front.say(state())
    model = front.field("model")
    model.focus()
    options = front.page.locator("datalist[id$=models] option")
    options.nth(1).wait_for(state="attached")
    assert ["glm-4.6", "glm-4.5"] == options.evaluate_all("(all) => all.map((x) => x.value)")
    model.type("openai/my own")
    model.press("Enter")
    assert [{"name": "model", "value": "openai/my own"}] == front.sent("set")


def test_a_refused_setting_is_taken_back(front: Front):
    """A value that the kernel refuses is replaced by the one that holds."""
    front.answer("set", error="no such provider")
    front.say(state())
    model = front.field("model")
    model.fill("nowhere/x")
    model.press("Enter")
    front.page.get_by_role("alert").get_by_text("no such provider").wait_for()
    assert "zai/glm-4.6" == model.input_value()


def test_a_picker_left_empty_keeps_its_value(front: Front):
    """Looking at the choices changes nothing."""
    front.say(state())
    front.field("model").focus()
    front.box.focus()
    assert "zai/glm-4.6" == front.field("model").input_value()
    assert [] == front.sent("set")


# --- names and previews --------------------------------------------------------------------

OFFERED = [{"name": "df", "kind": "DataFrame"}, {"name": "data", "kind": "list"}]
NAMES = {"start": 5, "names": OFFERED}


@pytest.mark.parametrize("key", ["Tab", "Enter"])
def test_names_are_completed(front: Front, key: str):
    """After {{ the names are offered; the chosen one is put in and the braces are closed."""
    front.answer("complete", NAMES)
    front.box.type("😀 a{{d")
    front.page.locator("[role=option]").first.wait_for()
    assert {"text": "😀 a{{d", "cursor": 6} == front.sent("complete")[-1]
    front.box.press("ArrowDown")
    front.box.press(key)
    assert "😀 a{{data}}" == front.box.input_value()
    assert ([], 0) == (front.sent("send"), front.page.locator("[role=option]:visible").count())


def test_a_name_is_chosen_by_pointer(front: Front):
    """A click on a name puts it in, and what follows the cursor stays."""
    front.answer("complete", NAMES | {"start": 2})
    front.box.fill("}} please")
    front.box.press("Home")
    front.box.type("{{")
    front.page.get_by_role("option", name="df").click()
    assert "{{df}} please" == front.box.input_value()


def test_escape_closes_the_names(front: Front):
    """Esc closes the list and nothing else; then Enter sends."""
    front.answer("complete", NAMES)
    front.say(status(busy=True), status())
    front.box.type("abc{{")
    front.page.locator("[role=option]").first.wait_for()
    front.box.press("Escape")
    front.box.press("Enter")
    assert ([], [{"text": "abc{{"}]) == (front.sent("stop"), front.sent("send"))


def test_escaped_braces_are_not_completed(front: Front):
    r"""A literal \{{ asks for no names, nor does one that is closed."""
    front.box.fill(r"\{{d")
    front.box.fill("{{d}} e")
    assert [] == front.sent("complete")


def test_preview_shows_what_would_be_sent(front: Front):
    """Preview shows the kernel's words with hidden characters marked; editing closes it."""
    front.answer("preview", "x is\u202e 3")
    front.box.fill("x is {{x}}")
    front.button("preview").click()
    shown = front.page.locator(".glm-exact")
    shown.wait_for()
    assert [{"text": "x is {{x}}"}] == front.sent("preview")
    assert "x is\u202e 3" == shown.evaluate("(node) => node.textContent")
    assert "U+202E" == shown.locator("mark").get_attribute("title")
    front.box.type("!")
    assert not shown.is_visible()


def test_every_unseen_character_is_marked(front: Front):
    """All controls, formats and separators that Unicode knows are marked, and no letter is."""
    unseen = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in "\t\n"
    ]
    front.answer("preview", "é列\n\t".join(unseen))
    front.box.fill("x")
    front.button("preview").click()
    marked = front.page.locator(".glm-exact mark")
    marked.first.wait_for()
    assert unseen == marked.evaluate_all("nodes => nodes.map((node) => node.textContent)")


def test_a_preview_can_be_sent(front: Front):
    """The button below the preview sends the question as it was typed."""
    front.answer("preview", "x is 3")
    front.box.fill("x is {{x}}")
    front.button("preview").click()
    front.button("confirm").click()
    assert [{"text": "x is {{x}}"}] == front.sent("send")


# --- code and text that leave --------------------------------------------------------------


def test_code_is_shown_and_then_inserted(front: Front):
    """What becomes a cell is what was shown, to the letter, below the panel's own cell."""
    code = "if a < b:\n    print('\u202eé\u200b')"
    front.page.evaluate(NOTEBOOK)
    front.page.evaluate("views[0].el.dataset.windowedListIndex = '4'")
    front.say(state(item("a1", code, [CODE.format(code.replace("<", "&lt;"))])))
    front.button("insertCode").click()
    shown = front.page.locator(".glm-exact")
    assert code == shown.evaluate("(node) => node.textContent")
    assert 2 == shown.locator("mark").count()
    assert [] == front.page.evaluate("cells")
    front.page.keyboard.press("Enter")
    assert [[5, {"cell_type": "code", "source": code}]] == front.page.evaluate("cells")


def test_code_goes_to_the_end_without_a_cell(front: Front):
    """A panel that is in no cell adds its code at the end of the notebook."""
    front.page.evaluate(NOTEBOOK)
    front.say(state(item("a1", "x", [CODE.format("x")])))
    front.button("insertCode").click()
    front.button("confirm").click()
    assert [[2, {"cell_type": "code", "source": "x"}]] == front.page.evaluate("cells")


def test_insertion_can_be_refused(front: Front):
    """Esc closes the confirmation, adds nothing, and the button has the focus again."""
    front.page.evaluate(NOTEBOOK)
    front.say(state(item("a1", "x", [CODE.format("x")])))
    front.button("insertCode").click()
    front.page.keyboard.press("Escape")
    assert [] == front.page.evaluate("cells")
    assert "insertCode" == front.page.evaluate("document.activeElement.dataset.act")


def test_code_is_copied_where_no_cell_can_be_added(front: Front):
    """Without a notebook the code goes to the clipboard, and the panel says what to do with it."""
    front.say(state(item("a1", "x", [CODE.format("x = 1")])))
    front.button("insertCode").click()
    assert "Copy" == front.button("confirm").inner_text()
    front.button("confirm").click()
    front.page.get_by_text("Paste it into a cell").wait_for()
    assert "x = 1" == front.clipboard()


def test_answers_and_code_are_copied(front: Front):
    """Copy takes the answer's Markdown, or the code without its colours."""
    text = "**a**\n\n```\nx\n```"
    front.say(state(item("a1", text, ["<p><b>a</b></p>", CODE.format('<span class="n">x</span>')])))
    front.button("copyText").click()
    front.page.wait_for_function("async () => (await navigator.clipboard.readText()).length > 1")
    assert text == front.clipboard()
    front.button("copyCode").click()
    front.page.wait_for_function("async () => (await navigator.clipboard.readText()).length === 1")
    assert "x" == front.clipboard()


def test_copying_works_without_a_clipboard(front: Front):
    """On a page that has no clipboard, the text is copied by selecting it."""
    front.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    front.say(state(item("a1", "by hand")))
    front.button("copyText").click()
    front.page.get_by_text("Copied").wait_for(state="attached")
    front.box.press("Control+v")
    assert "by hand" == front.box.input_value()


@pytest.mark.parametrize("kind", ["markdown", "notebook"])
def test_exports_are_downloads(front: Front, kind: str):
    """An export is offered as a file with the name and the text that the kernel gave."""
    front.answer("export", {"name": "talk.txt", "mime": "text/plain", "text": "中文\n"})
    front.button("settings").click()
    with front.page.expect_download() as download:
        front.button(f"export{kind.title()}").click()
    assert [{"kind": kind}] == front.sent("export")
    assert "talk.txt" == download.value.suggested_filename
    assert "中文\n" == Path(download.value.path()).read_text(encoding="utf-8")


# --- reading -------------------------------------------------------------------------------


def paragraphs(count: int) -> dict[str, Any]:
    """An answer of *count* tall blocks."""
    blocks = [f"<p>{'<br>'.join([str(number)] * 8)}</p>" for number in range(count)]
    return item("a1", "long", blocks, done=False)


def test_the_end_is_followed(front: Front):
    """A reader at the end stays there while the answer grows, whatever the height of a block."""
    front.say(state(paragraphs(10)))
    for count in range(11, 16):
        front.say(patch(paragraphs(count), count - 1))
        front.frames()
        assert front.page.evaluate(DISTANCE) <= 1
    assert 0 == front.button("toEnd").count()


def test_a_reader_above_is_left_alone(front: Front):
    """A reader who went up stays where he is, and a button leads back to the end."""
    front.say(state(paragraphs(10)))
    front.frames()
    front.page.locator(".glm-log").evaluate("(log) => { log.scrollTop = 100 }")
    front.button("toEnd").wait_for()
    front.say(patch(paragraphs(15), 10))
    front.frames()
    assert 100 == front.page.locator(".glm-log").evaluate("(log) => log.scrollTop")
    front.button("toEnd").click()
    front.frames()
    assert front.page.evaluate(DISTANCE) <= 1


def test_the_theme_gives_the_colours(front: Front):
    """The panel and the code in it take the colours of JupyterLab's theme."""
    front.say(state(item("a1", "x", [CODE.format('<span class="k">def</span>')])))
    theme = {"layout-color1": "#101010", "mirror-editor-keyword-color": "#00ff00"}
    for name, value in theme.items():
        front.page.evaluate(f"document.body.style.setProperty('--jp-{name}', '{value}')")
    assert "rgb(16, 16, 16)" == front.root.evaluate("(x) => getComputedStyle(x).backgroundColor")
    keyword = front.page.locator(".k")
    assert "rgb(0, 255, 0)" == keyword.evaluate("(x) => getComputedStyle(x).color")


def test_a_narrow_page_is_enough(new_front: Callable[..., Front]):
    """At 400 pixels nothing sticks out of the page: code and tables scroll by themselves."""
    front = new_front(viewport={"width": 400, "height": 800}).load()
    cells = "".join(f"<td>{'word' * 5}</td>" for _ in range(9))
    wide = [f"<table><tbody><tr>{cells}</tr></tbody></table>", CODE.format("x" * 300)]
    front.say(state(item("q1", "y" * 300), item("a1", "x", wide), model="m" * 90))
    front.button("settings").click()
    front.frames()
    assert 400 >= front.page.evaluate("document.documentElement.scrollWidth")
    log = front.page.locator(".glm-log")
    assert log.evaluate("(x) => x.scrollWidth <= x.clientWidth")


def test_nothing_moves_for_those_who_ask_for_it(new_front: Callable[..., Front]):
    """A reader who wants less motion sees no animation."""
    front = new_front(reduced_motion="reduce").load()
    front.say(state(item("a1", "x", done=False)))
    assert 0 == front.page.evaluate("document.getAnimations().length")


# --- for everybody -------------------------------------------------------------------------


def test_the_keyboard_reaches_everything(front: Front):
    """Tab goes through every control that can be seen."""
    front.say(state(*TALK[:3], item("a2", "x", [CODE.format("x")], verdict="Cut off.")))
    front.button("settings").click()
    controls = ":is(button, input, select, textarea):visible"
    wanted = front.root.locator(controls).evaluate_all(
        "(all) => all.map((x) => x.title || x.dataset.setting || x.className)"
    )
    reached = []
    front.page.evaluate("document.activeElement.blur()")
    for _ in range(len(wanted) + 6):
        front.page.keyboard.press("Tab")
        reached.append(
            front.page.evaluate(
                "(({ activeElement: x }) => x.title || x.dataset.setting || x.className)(document)"
            )
        )
    assert set() == set(wanted) - set(reached)


def test_keys_in_the_panel_are_no_commands(front: Front):
    """What has the focus tells JupyterLab not to take its keys for commands."""
    marked = "document.activeElement.hasAttribute('data-lm-suppress-shortcuts')"
    front.box.focus()
    assert front.page.evaluate(marked)
    front.button("send").focus()
    assert front.page.evaluate(marked)


def test_every_control_has_a_name(front: Front):
    """Whoever does not see the panel hears what each control is."""
    front.say(state(*TALK, item("a3", "x", [CODE.format("x")])))
    unnamed = front.root.locator("button:not([aria-label]), :is(input, select):not(label *)")
    assert 0 == unnamed.count()
    assert 1 == front.page.get_by_role("textbox", name="Ask GLM").count()
    assert 1 == front.page.get_by_role("region", name="GLM chat").count()


def test_answers_are_announced_not_read_out(front: Front):
    """The start and the end of an answer are announced; the log, where it grows, is not live."""
    announcer = front.page.locator("[aria-live=polite]")
    front.say(state(*TALK), status(busy=True))
    assert "The answer begins." == announcer.text_content()
    front.say(patch(item("a2", "another one", verdict="Cut off.")), status())
    assert "Cut off." == announcer.text_content()
    assert "off" == front.page.get_by_role("log").get_attribute("aria-live")


@pytest.mark.parametrize("way", ["browser", "page"])
def test_chinese(new_front: Callable[..., Front], way: str):
    """The panel speaks Chinese when the browser or the page does."""
    front = new_front(locale="zh-CN" if way == "browser" else "en-US")
    if way == "page":
        front.page.add_init_script(
            "document.addEventListener('readystatechange',"
            " () => { document.documentElement.lang = 'zh-TW' })"
        )
    front.load()
    assert "发送" == front.button("send").get_attribute("title")
    assert "GLM 对话" == front.root.get_attribute("aria-label")


def test_both_languages_say_everything(front: Front):
    """Each text there is in English is there in Chinese too."""
    source = (PANEL / "panel.js").read_text(encoding="utf-8")
    table = source.partition("const STRINGS = ")[2].partition(";\n\n")[0]
    names = f"Object.values({table}).map((words) => Object.keys(words).sort())"
    english, chinese = front.page.evaluate(names)
    assert english == chinese


def test_what_the_kernel_says_is_chinese_too(new_front: Callable[..., Front]):
    """Every verdict and the seconds of waiting have Chinese words; an unknown sentence stays."""
    front = new_front(locale="zh-CN").load()
    replies = [Reply(finish_reason=reason) for reason in get_args(Finish)]
    for reply in replies:
        reply.add(Delta(content="text"))
    replies += [Reply(finish_reason=reason) for reason in get_args(Finish)]
    said = {verdict(each) for each in replies}
    for sentence in filter(None, said):
        front.say(state(item("a1", "text", verdict=sentence)))
        shown = front.page.locator(".glm-verdict").inner_text()
        assert shown != sentence
        assert any("\u4e00" <= sign <= "\u9fff" for sign in shown)
    front.say(state(item("a1", "text", verdict="Something new.")))
    assert "Something new." == front.page.locator(".glm-verdict").inner_text()
    front.say(status(busy=True, progress="thinking … 7 s"))
    assert "思考中 … 7 s" == front.page.locator(".glm-status").inner_text()
    front.say(status(error="not all could be shown: OSError: gone"))
    assert "部分内容未能显示: OSError: gone" == front.page.locator(".glm-alert").inner_text()
    plain = "shown as plain text, as it cannot be drawn: ValueError: odd"
    front.say(state(item("a1", "text", verdict=plain)))
    assert (
        "无法排版，按纯文本显示: ValueError: odd" == front.page.locator(".glm-verdict").inner_text()
    )


def test_a_closed_view_is_gone(front: Front):
    """After its cleanup a view listens to nobody, shows nothing, and its buttons do nothing."""
    front.say(state(*TALK))
    front.page.evaluate("() => { window.old = document.querySelector('[data-act=undo]') }")
    front.page.evaluate("views[0].close()")
    front.page.evaluate("old.click()")
    assert [] == front.sent("undo")
    assert 0 == front.root.count()
    assert 0 == front.page.evaluate("model.hearers.size")
