"""The kernel's side of the panel: what it answers to its views, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from glm_magic import redact
from glm_magic.config import GlmConfig
from glm_magic.loop import run_sync
from glm_magic.magic.commands import run
from glm_magic.panel import export, items
from glm_magic.panel.desk import Desk
from glm_magic.panel.items import Items
from glm_magic.redact import Secret
from glm_magic.show.disarm import disarm
from glm_magic.state import State
from tests.planted import TWO

Message = dict[str, Any]


class View:
    """What a view of the panel knows after the messages it was sent."""

    def __init__(self, **settings: Any) -> None:
        self.state = State(GlmConfig(model="echo"))
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.desk = Desk(self.state, self.inbox.put, **settings)
        self.items: dict[str, Message] = {}
        self.status: Message = {}
        self.head: Message = {}

    def ask(self, op: str, **fields: Any) -> Message:
        """Send *op* and return the answer, once the desk is idle again."""
        self.desk.receive({"op": op, "id": "mine", **fields})
        answer = self.wait_for(lambda m: m["op"] == "answer")
        if answer["ok"] and op in ("send", "retry", "edit", "continue"):
            while self.sync()["busy"]:
                pass
        return answer

    def sync(self) -> Message:
        """Return what a view that opens now is told, with all that was said to this one before."""
        self.desk.receive({"op": "sync", "view": "late"})
        return self.wait_for(lambda m: m["op"] == "state" and m["view"] == "late")

    def wait_for(self, is_it: Any) -> Message:
        """Take in messages up to the one that *is_it*."""
        while True:
            message = self.inbox.get(timeout=20)
            getattr(self, "_on_" + message["op"], lambda _: None)(message)
            if is_it(message):
                return message

    def said(self) -> list[str]:
        """The texts of all items, in order."""
        return [item["text"] for item in self.items.values()]

    def _on_state(self, message: Message) -> None:
        if message["view"] != "late":
            self.head = message
            self.items = {item["id"]: dict(item) for item in message["items"]}

    def _on_items(self, message: Message) -> None:
        self.items = {name: self.items[name] for name in message["ids"]}

    def _on_status(self, message: Message) -> None:
        self.status = message

    def _on_patch(self, message: Message) -> None:
        head = dict(message["item"])
        old = self.items.get(head["id"], {"text": "", "blocks": [], "reasoning": []})
        tail = head.pop("text_tail")
        text = old["text"][: tail["start"]] + tail["text"]
        blocks = old["blocks"][: message["start"]] + message["blocks"]
        thought = message.get("reasoning", {"start": len(old["reasoning"]), "blocks": []})
        reasoning = old["reasoning"][: thought["start"]] + thought["blocks"]
        self.items[head["id"]] = {
            **old,
            **head,
            "text": text,
            "blocks": blocks,
            "reasoning": reasoning,
        }


@pytest.fixture
def view() -> Iterator[View]:
    """A view of a new panel in which `echo` answers."""
    view = View(namespace=lambda: {"df": 42, "draft": "{{df}}", "_hidden": 1})
    view.desk.receive({"op": "sync", "view": "v"})
    view.wait_for(lambda m: m["op"] == "state")
    yield view
    view.desk.close()


def test_a_question_is_answered_in_patches(view: View):
    """Patches build what a view that opens later is told at once."""
    assert view.ask("send", text="hello **you**\n\n```\ncode\n```\n\nend")["ok"]
    patched = {name: dict(item) for name, item in view.items.items()}
    assert ["user", "assistant"] == [item["role"] for item in patched.values()]
    assert "<strong>you</strong>" in patched["a1"]["blocks"][0]
    assert patched == {item["id"]: item for item in view.sync()["items"]}


def test_a_change_does_not_wait_for_the_clock_of_the_silence(view: View):
    """While an answer comes, the next words are told with the next patch, not a second later."""
    view.ask("set", name="model", value="echo/slow")
    view.desk.receive({"op": "send", "id": "1", "text": "word " * 400})
    view.wait_for(lambda m: m["op"] == "patch" and m["item"]["id"] == "a1" and m["blocks"])

    async def seconds() -> float:
        view.desk._timer = None  # as after a patch
        view.desk.flush()  # busy: the seconds are to go on
        view.desk._on_change()
        assert view.desk._timer is not None
        return view.desk._timer.when() - view.desk._flushed

    assert run_sync(seconds()) < 1  # when the silence would be told


def test_a_large_patch_is_followed_by_a_long_pause(view: View):
    """An open block is sent whole with each patch: the larger it is, the fewer there are."""

    async def seconds() -> float:
        view.desk.items = Items()  # all is drawn anew
        view.desk.flush()
        view.desk._on_change()
        assert view.desk._timer is not None
        return view.desk._timer.when() - view.desk._flushed

    view.ask("send", text="- item\n" * 20)
    short = run_sync(seconds())
    view.ask("send", text="- item\n" * 4000)
    assert run_sync(seconds()) > short + 0.5


def test_each_message_is_json(view: View):
    """Nothing but JSON goes to a view."""
    view.desk.receive({"op": "send", "id": "1", "text": "hi"})
    sent = []
    view.wait_for(lambda m: sent.append(m) or (m["op"] == "status" and not m["busy"]))
    assert sent == json.loads(json.dumps(sent))


def test_thinking_is_apart_from_the_answer(view: View):
    """Reasoning has blocks of its own."""
    view.ask("set", name="model", value="echo/think")
    view.ask("send", text="why")
    assert "why" in view.items["a1"]["reasoning"][0]
    assert "why" == view.items["a1"]["text"]


def test_expressions_are_filled_in_once(view: View):
    """What a value contains is not evaluated, not even when the question is sent again."""
    view.ask("send", text="{{draft}}")
    assert "{{df}}" == view.items["a1"]["text"]
    view.ask("edit", item="q1", text=view.items["q1"]["text"])
    assert ["\\{{df}}", "{{df}}"] == view.said()


def test_a_bad_expression_is_an_answer_and_sends_nothing(view: View):
    """The view that asked is told what is wrong; nothing is in the conversation."""
    answer = view.ask("send", text="{{nothing_here}}")
    assert not answer["ok"]
    assert "nothing_here" in answer["error"]
    assert [] == view.said()


def test_retry_edit_undo_and_clear(view: View):
    """Questions can be asked again, changed, taken back and brought back."""
    view.ask("send", text="one")
    view.ask("send", text="two")
    view.ask("retry")
    assert ["one", "one", "two", "two"] == view.said()
    view.ask("edit", item="q1", text="three")
    assert ["three", "three"] == view.said()
    view.ask("clear")
    assert [] == [item["text"] for item in view.sync()["items"]]
    view.ask("undo")
    assert ["three", "three"] == [item["text"] for item in view.sync()["items"]]


def test_a_failure_keeps_the_question(view: View):
    """A question without any answer stays, with the reason, and can be asked again."""
    view.ask("set", name="model", value="zai")
    view.ask("send", text="anybody there?")
    (question, answer) = view.sync()["items"]
    assert "anybody there?" == question["text"]
    assert "no key for zai" in answer["verdict"]
    view.ask("set", name="model", value="echo")
    view.ask("retry")
    assert ["anybody there?"] * 2 == [item["text"] for item in view.sync()["items"]]


def test_an_error_in_mid_answer_keeps_the_text(view: View):
    """The text stays, with a remark, and Continue goes on with it."""
    view.ask("set", name="model", value="echo/fail")
    view.ask("send", text="one two three four")
    assert "one two" == view.items["a1"]["text"]
    assert "broken off" in view.items["a1"]["verdict"]
    view.ask("set", name="model", value="echo")
    view.ask("continue")
    assert view.items["a1"]["text"].startswith("one two")
    assert len("one two") < len(view.items["a1"]["text"])


@pytest.mark.parametrize("part", ["footer", "render"])
def test_an_answer_that_cannot_be_drawn_is_text(
    view: View, monkeypatch: pytest.MonkeyPatch, part: str
):
    """It says why it is plain, the panel is idle again, and the next answer is drawn."""
    draw = getattr(items, part)
    monkeypatch.setattr(items, part, lambda _: 1 // 0)
    view.ask("send", text="**one** <b>")
    monkeypatch.setattr(items, part, draw)
    view.ask("send", text="**two**")
    assert "**one** <b>" == view.items["a1"]["text"]
    assert ['<div class="glm-plain">**one** &lt;b&gt;</div>'] == view.items["a1"]["blocks"]
    assert "ZeroDivisionError" in view.items["a1"]["verdict"]
    assert "<strong>two</strong>" in view.items["a2"]["blocks"][0]
    assert "" == view.items["a2"]["verdict"]
    assert list(view.items.values()) == view.sync()["items"]


def test_a_message_that_cannot_be_sent_is_said(view: View, monkeypatch: pytest.MonkeyPatch):
    """What the views were not told is an error on the panel, and they are told everything anew."""
    lost = []

    def send(message: Message) -> None:
        if message["op"] == "items" and not lost:
            lost.append(message)
            raise OSError("the line is dead")
        view.inbox.put(message)

    monkeypatch.setattr(view.desk, "_send", send)
    view.desk.receive({"op": "send", "id": "1", "text": "one"})
    failed = view.wait_for(lambda m: m["op"] == "status" and m["error"])
    assert "the line is dead" in failed["error"]
    view.wait_for(lambda m: m["op"] == "state" and not m["view"])
    view.wait_for(lambda m: m["op"] == "status" and not (m["busy"] or m["error"]))
    assert ["one", "one"] == view.said()


def test_nothing_drawn_does_not_keep_the_panel_busy(view: View, monkeypatch: pytest.MonkeyPatch):
    """Where the whole conversation cannot be drawn, that is said and the answer's end too."""
    monkeypatch.setattr(items, "_rows", lambda *_: 1 // 0)
    view.desk.receive({"op": "send", "id": "1", "text": "one"})
    view.wait_for(lambda m: m["op"] == "answer")
    status = view.wait_for(lambda m: m["op"] == "status" and not m["busy"])
    assert "ZeroDivisionError" in status["error"]
    assert view.ask("send", text="two")["ok"]


def test_a_load_is_seen(view: View, tmp_path: Path):
    """The panel shows what `%glmcmd load` brought, and goes on with it."""
    view.ask("send", text="one")
    run(view.state, f"save {tmp_path / 'talk.json'}")
    run(view.state, "reset")
    view.ask("send", text="two")
    run(view.state, f"load {tmp_path / 'talk.json'}")
    view.sync()
    assert ["one", "one"] == view.said()
    view.ask("send", text="three")
    assert ["one", "one", "three", "three"] == view.said()


def test_half_a_character_is_shown_as_lost(view: View):
    """A lone surrogate, which no message can hold, is U+FFFD in all that leaves the kernel."""
    kept = []
    view.desk._keep = lambda conversation: kept.append(
        export.StandIn().write(conversation.exchanges, "main")
    )
    view.ask("send", text="a \ud800 b")
    assert "a \ufffd b" == view.items["q1"]["text"]
    exports = [view.ask("export", kind=kind) for kind in ("markdown", "notebook")]
    assert b"a \xef\xbf\xbd b" in json.dumps([kept, exports], ensure_ascii=False).encode()


def test_half_a_character_in_a_setting(view: View):
    """It is U+FFFD too, before the views are told of it."""
    assert view.ask("set", name="system", value="a \ud800 b")["ok"]
    assert "a \ufffd b" == view.sync()["system"]


@pytest.mark.parametrize(
    ("operation", "where"),
    [
        ({"op": "send"}, "question"),
        ({"op": "preview"}, "question"),
        ({"op": "set", "name": "system"}, "prompt"),
        ({"op": "set", "name": "label"}, "name"),
    ],
)
@pytest.mark.parametrize("key", ["sk-abcdefghijklmnop1", TWO], ids=["OpenAI", "vendor"])
def test_key_by_its_looks_is_refused(view: View, operation: Message, where: str, key: str):
    """What looks like a key is not sent, as in a cell, and is nowhere shown."""
    answer = view.ask(**operation, text=f"is {key} mine?", value=key)
    assert f"there is a key in this {where}" in answer["error"]
    assert key not in repr([answer, view.sync()])


def test_an_answer_that_cannot_be_sent_is_said(view: View, monkeypatch: pytest.MonkeyPatch):
    """A view that asked is told so, and the panel goes on."""

    def send(message: Message) -> None:
        if message["op"] == "answer" and message["value"]:
            raise ValueError("this cannot be packed")
        view.inbox.put(message)

    monkeypatch.setattr(view.desk, "_send", send)
    assert "this cannot be packed" in view.ask("models")["error"]
    assert view.ask("send", text="one")["ok"]
    assert ["one", "one"] == view.said()


def test_continue_after_a_failure(view: View):
    """After a question without an answer, Continue is refused; once it is undone, it goes on."""
    view.ask("set", name="model", value="echo/fail")
    view.ask("send", text="one two three four")
    view.ask("set", name="model", value="zai")
    view.ask("send", text="anybody there?")
    view.ask("set", name="model", value="echo")
    refused = view.ask("continue")
    assert (refused["ok"], refused["error"].endswith("Ask it again.")) == (False, True)
    assert ["one two three four", "one two", "anybody there?", ""] == view.said()
    view.ask("undo")
    assert view.ask("continue")["ok"]
    assert len("one two") < len(view.items["a1"]["text"])


def test_stop_keeps_the_text(view: View):
    """Stop ends the answer with what has come."""
    view.ask("set", name="model", value="echo/slow")
    view.desk.receive({"op": "send", "id": "1", "text": "word " * 400})
    view.wait_for(lambda m: m["op"] == "patch" and m["item"]["id"] == "a1" and m["blocks"])
    view.desk.receive({"op": "stop"})
    view.wait_for(lambda m: m["op"] == "status" and not m["busy"])
    assert "stopped" in view.items["a1"]["verdict"]
    assert "word" in view.items["a1"]["text"]


def test_a_second_question_waits_for_the_first(view: View):
    """While an answer comes, another question is refused and says why."""
    view.ask("set", name="model", value="echo/slow")
    view.desk.receive({"op": "send", "id": "1", "text": "word " * 400})
    view.wait_for(lambda m: m["op"] == "status" and m["busy"])
    view.desk.receive({"op": "send", "id": "2", "text": "more"})
    answer = view.wait_for(lambda m: m["op"] == "answer" and m["id"] == "2")
    assert "still coming" in answer["error"]


def test_a_question_from_elsewhere_is_shown(view: View):
    """What a magic cell asks in the same conversation is on the panel too."""
    conversation = view.state.conversation("main")
    run_sync(conversation.ask("from a cell"))
    view.wait_for(lambda m: m["op"] == "items")
    assert ["from a cell", "from a cell"] == view.said()


def test_another_conversation_can_be_chosen(view: View):
    """Choosing a label shows that conversation and keeps the first."""
    view.ask("send", text="one")
    view.ask("set", name="label", value="other")
    assert ([], "other", ["main", "other"]) == (
        view.said(),
        view.head["label"],
        view.head["labels"],
    )
    view.ask("set", name="label", value="main")
    assert ["one", "one"] == view.said()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", "hot", "0 to 2"),
        ("think", "hard", "off, low"),
        ("nonsense", "1", "no setting"),
    ],
)
def test_a_bad_setting_is_refused(view: View, name: str, value: str, words: str):
    """A value that cannot be says what can."""
    assert words in view.ask("set", name=name, value=value)["error"]


def test_settings_reach_the_request(view: View):
    """What is set is what the preview says would be sent."""
    view.ask("set", name="system", value="Be brief.")
    text = view.ask("preview", text="{{df}}?")["value"]
    assert '"Be brief."' in text
    assert '"42?"' in text
    assert [] == view.said()


def test_names_are_offered(view: View):
    """Typing two braces offers the user's variables, without the private ones."""
    answer = view.ask("complete", text="see {{d", cursor=7)["value"]
    assert {
        "start": 6,
        "names": [{"name": "df", "kind": "int"}, {"name": "draft", "kind": "str"}],
    } == answer
    assert [] == view.ask("complete", text="plain", cursor=5)["value"]["names"]


def test_export(view: View):
    """A conversation can be had as Markdown, and as a notebook with its Python in code cells."""
    view.ask("set", name="model", value="echo/code")
    view.ask("send", text="hi")
    markdown = view.ask("export", kind="markdown")["value"]
    assert markdown["name"] == "main.md"
    assert markdown["text"].startswith("> hi")
    book = json.loads(view.ask("export", kind="notebook")["value"]["text"])
    assert ["markdown", "markdown", "code", "markdown"] == [c["cell_type"] for c in book["cells"]]
    assert "print(text)" in book["cells"][2]["source"]


@pytest.mark.parametrize(
    "text",
    [
        "Here:\n\n```python\nx = 1\n```\n\nThat is all.",
        "```python\nx = 1\n`````\n",
        "  ```Python3 title=a\n  x = 1\n  ```",
        "```py\r\nx = 1\r\n```\r\n",
        "~~~ipython\nx = 1",
    ],
)
def test_python_becomes_a_cell(view: View, text: str):
    """Each block of Python is a code cell in the notebook, to the letter, wherever it stands."""
    view.ask("send", text=text)
    book = json.loads(view.ask("export", kind="notebook")["value"]["text"])
    assert ["x = 1"] == [c["source"] for c in book["cells"] if c["cell_type"] == "code"]
    shown = "".join(c["source"] for c in book["cells"][1:] if c["cell_type"] == "markdown")
    assert ("That is all." in text) == ("That is all." in shown)
    assert "x = 1" not in shown


def test_an_open_fence_ends_with_its_answer(view: View):
    """What is asked behind an answer that broke off in its code is no part of that."""
    view.ask("send", text="```python\nprint(1)")
    view.ask("send", text="and then?")
    exported = view.ask("export", kind="markdown")["value"]["text"]
    for text in (exported, export.StandIn().write(view.desk.conversation.exchanges, "main")):
        assert "print(1)\n```\n\n> and then?" in text


def test_the_transcript_grows_with_what_is_new(view: View, monkeypatch: pytest.MonkeyPatch):
    """In a long conversation, an answer costs no more there than in a short one."""
    texts: list[str] = []
    monkeypatch.setattr(export, "disarm", lambda text: texts.append(text) or disarm(text))
    growing, exchanges = export.StandIn(), lambda: view.desk.conversation.exchanges
    for question in ("one", "**two**", "one", "three"):
        view.ask("send", text=question)
        texts.clear()
        written = growing.write(exchanges(), "main")
        assert len(texts) <= 3  # the question, the answer and the name
        assert export.StandIn().write(exchanges(), "main") == written
    view.ask("undo")
    assert export.StandIn().write(exchanges(), "main") == growing.write(exchanges(), "main")


def test_words_that_stand_for_keys_are_words(view: View, monkeypatch):
    """What a server without keys is told is neither masked in a text nor in what is exported."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("markdown")
    view.ask("send", text="what is markdown?")
    assert ["what is markdown?"] * 2 == view.said()
    assert view.ask("export", kind="markdown")["value"]["text"].startswith("> what is markdown?")
    book = json.loads(view.ask("export", kind="notebook")["value"]["text"])
    assert ["markdown", "markdown"] == [cell["cell_type"] for cell in book["cells"]]


def test_an_unknown_message_is_answered(view: View):
    """A view of another version gets an answer and not silence."""
    assert "does not know" in view.ask("fly")["error"]


def test_models_are_listed(view: View):
    """The picker is given full names."""
    assert "echo/slow" in view.ask("models")["value"]


def test_a_closed_panel_stops_and_lets_go():
    """Closing cancels what the panel asked and leaves no listener."""
    view = View(model="echo/slow")
    view.desk.receive({"op": "send", "id": "1", "text": "word " * 400})
    view.wait_for(lambda m: m["op"] == "status" and m["busy"])
    conversation = view.desk.conversation
    view.desk.close()
    while conversation.answering:
        run_sync(_nothing())
    assert "cancelled" == conversation.reply.finish_reason
    assert not conversation.listeners


async def _nothing() -> None:
    """Let the loop turn once."""
