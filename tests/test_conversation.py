"""A conversation: what is sent, what is remembered, and what happens when it does not go well."""

from __future__ import annotations

import asyncio
import copy
import re
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from glm_magic import redact
from glm_magic.conversation import Conversation
from glm_magic.errors import ConfigError, NetworkError, ProviderError
from glm_magic.history import Exchange
from glm_magic.loop import run_sync
from glm_magic.messages import Delta, Message, Reply, ToolCall, Usage
from glm_magic.providers.base import Options
from glm_magic.providers.echo import EchoProvider
from glm_magic.redact import Secret
from tests.planted import TWO
from tests.scripted import ScriptedProvider, Step, says


def user(text: str) -> Message:
    return Message("user", text)


def told(text: str) -> Message:
    return Message("assistant", text)


def texts(conversation: Conversation) -> list[tuple[str, str]]:
    """Return the history as questions and answers."""
    return [(each.question.content, each.answer.content) for each in conversation.exchanges]


async def collect(stream) -> str:
    """Return the content of all deltas of *stream*."""
    async with aclosing(stream) as deltas:
        return "".join([delta.content async for delta in deltas])


async def ask(conversation: Conversation, text: str, cell: str = "") -> Reply:
    reply = Reply()
    await collect(conversation.stream(text, reply=reply, cell=cell))
    return reply


async def asked(*questions: str, provider: ScriptedProvider | None = None) -> Conversation:
    """Return a conversation in which cell `c0`, `c1`, … asked *questions*."""
    conversation = Conversation(provider or ScriptedProvider(*[says(q.upper()) for q in questions]))
    for number, question in enumerate(questions):
        await ask(conversation, question, f"c{number}")
    return conversation


# -- What is sent --------------------------------------------------------------------------------


async def test_name_of_the_model_is_masked(monkeypatch):
    """A server that calls its model by the key does not bring it onto the screen."""
    monkeypatch.setattr(redact, "_live", set())
    provider = ScriptedProvider(says("Hi"))
    provider.model = f"glm-{TWO}"
    Secret(TWO)
    assert "glm-***" == (await Conversation(provider).ask("one")).model


async def test_history_goes_along():
    """Each question is sent with all that was said before it."""
    provider = ScriptedProvider(says("A", "B"), says("C"))
    conversation = Conversation(provider)
    await ask(conversation, "one")
    await ask(conversation, "two")
    assert [[user("one")], [user("one"), told("AB"), user("two")]] == provider.sent
    assert conversation.messages == (user("one"), told("AB"), user("two"), told("C"))


async def test_system_prompt_comes_first():
    """The system prompt opens every request and the history; an empty one is left out."""
    provider = ScriptedProvider()
    conversation = Conversation(provider, system="Be brief.")
    await ask(conversation, "one")
    assert [Message("system", "Be brief."), user("one")] == provider.sent[0]
    assert conversation.messages[0] == Message("system", "Be brief.")
    conversation.system = ""
    await ask(conversation, "two")
    assert provider.sent[1][0] == user("one")


async def test_images_go_with_their_question():
    """Pictures are sent with the question and stay in the history."""
    provider = ScriptedProvider()
    conversation = Conversation(provider)
    await conversation.ask("what is it?", images=["data:image/png;base64,AA"])
    question = Message("user", "what is it?", ("data:image/png;base64,AA",))
    assert (provider.sent[0][0], conversation.exchanges[0].question) == (question, question)


async def test_options_go_as_they_are():
    """Options reach the provider, and nothing of the caller's is changed on the way."""
    provider = ScriptedProvider()
    options = Options(temperature=0.5, extra={"a": {"b": [1]}})
    before = copy.deepcopy(options)
    await Conversation(provider).ask("one", options=options)
    assert provider.options == [options]
    assert provider.options[0] is options
    assert before == options


async def test_callers_messages_are_not_changed():
    """A provider takes the usual dicts and leaves them as they are."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "hi there"}]},
    ]
    before = copy.deepcopy(messages)
    assert await collect(EchoProvider().stream(messages)) == "hi there"
    assert before == messages


async def test_preview_sends_nothing():
    """The preview is what would be sent, and asks nothing."""
    conversation = await asked("one")
    preview = conversation.preview("two", ["data:,x"])
    assert preview == [user("one"), told("ONE"), Message("user", "two", ("data:,x",))]
    assert len(conversation.provider.sent) == len(conversation.exchanges) == 1


# -- What comes back -----------------------------------------------------------------------------


async def test_stream_yields_the_deltas():
    """The deltas are the provider's, and the reply grows with them."""
    script = says("A", "B", usage=Usage(1, 2), model="parrot-2")
    conversation, reply = Conversation(ScriptedProvider(script)), Reply()
    stream = conversation.stream("one", reply=reply)
    seen = [(delta, reply.text) async for delta in stream]
    assert [(script[0], "A"), (script[1], "AB"), (script[2], "AB")] == seen
    assert ("stop", Usage(1, 2), "parrot-2", "nowhere") == (
        reply.finish_reason,
        reply.usage,
        reply.model,
        reply.host,
    )
    assert conversation.reply is reply


async def test_ask_returns_the_reply():
    """`ask` waits for the whole reply; the conversation keeps the newest."""
    conversation = Conversation(ScriptedProvider(says("A", "B")))
    reply = await conversation.ask("one")
    assert ("AB", "stop", "parrot") == (reply.text, reply.finish_reason, reply.model)
    assert conversation.reply is reply


def test_ask_sync():
    """Plain code gets the reply without an event loop."""
    conversation = Conversation(EchoProvider())
    assert conversation.ask_sync("to be").text == "to be"
    assert conversation.ask_sync("or not").text == "or not"
    assert texts(conversation) == [("to be", "to be"), ("or not", "or not")]


async def test_ask_sync_in_a_running_loop():
    """It also works where a loop is running already, as in a notebook."""
    assert Conversation(EchoProvider()).ask_sync("to be").text == "to be"


async def test_model_of_the_options_is_named():
    """The reply names the model that was asked for until the far side says better."""
    reply = await Conversation(ScriptedProvider()).ask("one", options=Options(model="eagle"))
    assert reply.model == "eagle"


async def test_usage_adds_up():
    """The conversation knows what all its answers cost."""
    provider = ScriptedProvider(says("A", usage=Usage(1, 2)), says("B"), says("C", usage=Usage(10)))
    conversation = await asked("one", "two", "three", provider=provider)
    assert conversation.usage == Usage(11, 2)


async def test_empty_answer_is_not_remembered():
    """A question that nothing answered is as if it had not been asked; a tool call is an answer."""
    call = ToolCall("c1", "search", "{}")
    provider = ScriptedProvider(says(), says(tool_calls=(call,)))
    conversation = Conversation(provider)
    await ask(conversation, "one")
    assert conversation.exchanges == ()
    await ask(conversation, "two")
    assert conversation.exchanges[0].answer.tool_calls == (call,)


# -- When it does not go well --------------------------------------------------------------------


async def test_provider_error_keeps_the_text():
    """What came before an error is in the history, and in the error."""
    provider = ScriptedProvider([Delta(content="half"), NetworkError("cut.")])
    conversation, reply = Conversation(provider), Reply()
    with pytest.raises(NetworkError) as caught:
        await collect(conversation.stream("one", reply=reply))
    assert caught.value.partial is reply
    assert ("half", "error") == (reply.text, reply.finish_reason)
    assert texts(conversation) == [("one", "half")]
    assert provider.closed == 1


async def test_provider_error_before_any_text():
    """When nothing came, nothing is remembered, and the old answer of the cell stays."""
    error = NetworkError("refused.")
    conversation = await asked("one", provider=ScriptedProvider(says("A"), [error], [error]))
    for cell in ("c0", "c1"):
        with pytest.raises(NetworkError):
            await ask(conversation, "again", cell)
    assert texts(conversation) == [("one", "A")]


async def test_foreign_error():
    """An error that is not ours passes as it is; the reply has ended in it."""
    conversation = Conversation(ScriptedProvider([Delta(content="half"), ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        await conversation.ask("one")
    assert conversation.reply.finish_reason == "error"
    assert texts(conversation) == [("one", "half")]


async def test_stream_without_an_end_is_truncated():
    """A stream that just stops was cut, whatever the provider thinks."""
    conversation = Conversation(ScriptedProvider([Delta(content="half")]))
    reply = await conversation.ask("one")
    assert ("half", "truncated") == (reply.text, reply.finish_reason)


async def test_cancelled_task_keeps_the_text():
    """Cancelling keeps what has come, and closes the stream before the task ends."""
    provider = ScriptedProvider([Delta(content="half"), asyncio.Event()])
    conversation, came = Conversation(provider), asyncio.Event()

    async def watch() -> None:
        async with aclosing(conversation.stream("one")) as deltas:
            async for _ in deltas:
                came.set()

    task = asyncio.create_task(watch())
    await came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (conversation.reply.finish_reason, provider.closed) == ("cancelled", 1)
    assert texts(conversation) == [("one", "half")]


async def test_leaving_early_keeps_the_text():
    """Whoever has enough may leave; the stream is closed and its text stays."""
    provider = ScriptedProvider(says("half", "whole"))
    conversation = Conversation(provider)
    async with aclosing(conversation.stream("one")) as deltas:
        async for _ in deltas:
            break
    assert (conversation.reply.finish_reason, provider.closed) == ("cancelled", 1)
    assert texts(conversation) == [("one", "half")]


async def test_leaving_after_the_end():
    """A reply that had ended stays as it ended."""
    conversation = Conversation(ScriptedProvider(says("A")))
    async with aclosing(conversation.stream("one")) as deltas:
        async for delta in deltas:
            if delta.finish_reason:
                break
    assert conversation.reply.finish_reason == "stop"


async def test_two_at_once():
    """Two questions at once get their own answers, and both are remembered."""
    first, second = asyncio.Event(), asyncio.Event()
    provider = ScriptedProvider(
        [Delta(content="a"), first, *says("A")], [Delta(content="b"), second, *says("B")]
    )
    conversation = Conversation(provider)
    tasks = [asyncio.create_task(conversation.ask(text)) for text in ("one", "two")]
    second.set()
    assert (await tasks[1]).text == "bB"
    first.set()
    assert (await tasks[0]).text == "aA"
    assert texts(conversation) == [("two", "bB"), ("one", "aA")]


async def test_replaced_while_another_is_answered():
    """A cell that runs again replaces its own answer, whatever was answered meanwhile."""
    gate = asyncio.Event()
    provider = ScriptedProvider(says("A"), says("B"), [gate, *says("A2")], says("C"))
    conversation = await asked("one", "two", provider=provider)
    again = asyncio.create_task(ask(conversation, "one!", "c0"))
    await asyncio.sleep(0)
    await ask(conversation, "three", "c2")
    gate.set()
    await again
    assert texts(conversation) == [("one!", "A2"), ("two", "B"), ("three", "C")]


async def test_cleared_while_it_is_answered():
    """An answer that ends after a `clear` begins the new history."""
    gate = asyncio.Event()
    provider = ScriptedProvider(says("A"), [gate, *says("A2", conversation_id="far")])
    conversation = await asked("one", provider=provider)
    again = asyncio.create_task(ask(conversation, "one!", "c0"))
    await asyncio.sleep(0)
    conversation.clear()
    gate.set()
    await again
    assert texts(conversation) == [("one!", "A2")]


# -- One cell, one exchange ----------------------------------------------------------------------


async def test_cell_replaces_its_exchange():
    """Running a cell again asks from its place in the history, and keeps what came after."""
    conversation = await asked("one", "two", "three")
    provider = conversation.provider
    await ask(conversation, "two!", "c1")
    assert [user("one"), told("ONE"), user("two!")] == provider.sent[-1]
    assert texts(conversation) == [("one", "ONE"), ("two!", "ok"), ("three", "THREE")]


async def test_questions_without_a_cell_are_all_kept():
    """Where there are no cells, the same question twice is two questions."""
    conversation = Conversation(ScriptedProvider())
    for _ in range(2):
        await ask(conversation, "one")
    assert texts(conversation) == [("one", "ok")] * 2


# -- Going on ------------------------------------------------------------------------------------


async def test_go_on_merges():
    """The rest of an answer is asked for, streamed, and joined to the answer."""
    provider = ScriptedProvider(says("to be"), says(" or not"), says("x"))
    conversation = await asked("one", provider=provider)
    reply = Reply()
    assert await collect(conversation.go_on(reply=reply)) == " or not"
    assert reply.text == " or not"
    assert provider.sent[1][:2] == [user("one"), told("to be")]
    assert (len(provider.sent[1]), provider.sent[1][2].role) == (3, "user")
    assert texts(conversation) == [("one", "to be or not")]
    await ask(conversation, "two")
    assert [user("one"), told("to be or not"), user("two")] == provider.sent[2]


async def test_go_on_after_equal_exchanges():
    """Only the last answer grows, even when others are the same."""
    conversation = Conversation(ScriptedProvider(says("A"), says("A"), says("B")))
    for _ in range(2):
        await ask(conversation, "one")
    await collect(conversation.go_on())
    assert texts(conversation) == [("one", "A"), ("one", "AB")]


async def test_go_on_in_the_language_of_the_question():
    """A Chinese question is continued in Chinese."""
    conversation = await asked("列表是什么?", "one")
    await collect(conversation.go_on())
    conversation.undo()
    conversation.undo()
    await collect(conversation.go_on())
    english, chinese = (sent[-1].content for sent in conversation.provider.sent[2:])
    assert english.isascii()
    assert "继续" in chinese


async def test_go_on_that_fails():
    """What came of the rest is kept; the answer loses nothing when none came."""
    broken = [Delta(content=" or"), NetworkError("cut.")]
    provider = ScriptedProvider(says("to be"), [NetworkError("refused.")], broken)
    conversation = await asked("one", provider=provider)
    for kept in ("to be", "to be or"):
        with pytest.raises(NetworkError):
            await collect(conversation.go_on())
        assert texts(conversation) == [("one", kept)]


async def test_go_on_with_nothing():
    """Without an answer there is nothing to go on with, and that is said before any step."""
    with pytest.raises(ConfigError, match="no answer to go on with"):
        Conversation(ScriptedProvider()).go_on()


@pytest.mark.parametrize(
    "script",
    [
        [Delta(reasoning="Hm.")],
        says(reasoning="Hm.", finish_reason="length"),
        says(),
        [NetworkError("refused.")],
        says(tool_calls=(ToolCall("c1", "search", "{}"),)),
    ],
)
async def test_go_on_after_a_question_without_an_answer(script: list[Step]):
    """After a question that got no text, an older answer is not meant: the user is told to ask."""
    conversation = await asked("one", provider=ScriptedProvider(says("A"), script, says("C")))
    with suppress(NetworkError):
        await ask(conversation, "two")
    with pytest.raises(ConfigError, match="Ask it again"):
        conversation.go_on()
    assert 2 == len(conversation.provider.sent)
    assert ("one", "A") == texts(conversation)[0]
    await ask(conversation, "two")
    await collect(conversation.go_on())
    assert ("two", "Cok") == texts(conversation)[-1]


async def test_go_on_after_undo():
    """Whoever takes something back means what is last then, whatever got no answer before."""
    conversation = await asked("one", "two", provider=ScriptedProvider(says("A"), says("B"), []))
    await ask(conversation, "three")
    conversation.undo()
    await collect(conversation.go_on())
    assert texts(conversation) == [("one", "Aok")]


async def test_go_on_masks_keys_alone(monkeypatch):
    """A key that the two parts make together is masked; a word that stands for none is not."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("sk-planted-0123456789")
    Secret("ollama")
    script = [Delta(content="ollama and sk-plan")]
    provider = ScriptedProvider(script, says("ted-0123456789."))
    conversation = await asked("one", provider=provider)
    await collect(conversation.go_on())
    assert texts(conversation) == [("one", "ollama and ***.")]


# -- Tool calls ----------------------------------------------------------------------------------

CALLS = (ToolCall("c1", "search", "{}"), ToolCall("c2", "add", "{}"))


async def called(words: str, *added: Message) -> Conversation:
    """Return a conversation whose answer says *words* and asks for two calls; *added* follow."""
    provider = ScriptedProvider(says(words, finish_reason="tool_calls", tool_calls=CALLS))
    conversation = await asked("one", provider=provider)
    conversation.exchanges += tuple(
        Exchange(result, told(f"so {number}")) for number, result in enumerate(added)
    )
    return conversation


async def test_tool_call_without_a_result_is_not_sent():
    """A call that nobody carried out stays in the history; strict servers get only the words."""
    conversation = await called("Let me see.")
    await ask(conversation, "two")
    assert [user("one"), told("Let me see."), user("two")] == conversation.provider.sent[-1]
    assert CALLS == conversation.messages[1].tool_calls


async def test_tool_call_without_words_is_left_out():
    """An answer that was nothing but calls is not sent at all."""
    conversation = await called("")
    assert [user("one"), user("two")] == conversation.preview("two")


async def test_tool_call_with_its_result_is_sent():
    """Whoever adds the results keeps the calls; one without a result is not sent."""
    result = Message("tool", "42", tool_call_id="c1")
    conversation = await called("", result)
    wanted = [user("one"), Message("assistant", "", tool_calls=CALLS[:1]), result, told("so 0")]
    assert [*wanted, user("two")] == conversation.preview("two")


# -- fork, undo, clear ---------------------------------------------------------------------------


async def test_fork_goes_its_own_way():
    """A fork shares the past, and neither sees what the other says next."""
    conversation = await asked("one", provider=ScriptedProvider(says("A", conversation_id="far")))
    conversation.system, conversation.context_tokens = "Be brief.", 1000
    twin = conversation.fork("twin")
    await ask(conversation, "two")
    await ask(twin, "three")
    assert (twin.label, twin.system, twin.context_tokens) == ("twin", "Be brief.", 1000)
    assert texts(conversation) == [("one", "A"), ("two", "ok")]
    assert texts(twin) == [("one", "A"), ("three", "ok")]
    assert conversation.provider.ids == [None, "far", None]


async def test_undo():
    """Each undo takes back one exchange, until there is none."""
    conversation = await asked("one", "two")
    assert conversation.undo()
    assert texts(conversation) == [("one", "ONE")]
    assert conversation.undo()
    assert conversation.exchanges == ()
    assert not conversation.undo()


async def test_undo_of_what_was_inherited():
    """In a fork, too, the newest exchange is taken back."""
    twin = (await asked("one", "two")).fork()
    assert twin.undo()
    assert texts(twin) == [("one", "ONE")]


async def test_undo_brings_back_what_was_cleared():
    """After a `clear`, undo brings everything back, and then takes back as before."""
    conversation = await asked("one", "two")
    conversation.clear()
    conversation.clear()
    assert conversation.exchanges == ()
    assert conversation.undo()
    assert texts(conversation) == [("one", "ONE"), ("two", "TWO")]
    assert conversation.undo()
    assert texts(conversation) == [("one", "ONE")]


async def test_undo_brings_back_what_was_before_a_new_start():
    """One undo brings back the conversation that `--new` put away, also after its question."""
    conversation = await asked("one", "two")
    conversation.clear()
    await ask(conversation, "three")
    assert conversation.undo()
    assert texts(conversation) == [("one", "ONE"), ("two", "TWO")]


async def test_undo_of_a_replaced_answer():
    """When a cell ran again, undo brings its old answer back."""
    conversation = await asked("one", "two")
    await ask(conversation, "one!", "c0")
    assert conversation.undo()
    assert texts(conversation) == [("one", "ONE"), ("two", "TWO")]


async def test_undo_of_going_on():
    """Undo takes back only what was added to the answer."""
    conversation = await asked("one")
    await collect(conversation.go_on())
    assert conversation.undo()
    assert texts(conversation) == [("one", "ONE")]


async def test_undo_of_a_replacement():
    """What a loaded conversation took the place of comes back, also what was forgotten before."""
    here, loaded = await asked("one"), await asked("two", "three")
    here.system, loaded.system = "Be brief.", "Be long."
    here.clear()
    here.become(loaded)
    assert (texts(here), here.system) == ([("two", "TWO"), ("three", "THREE")], "Be long.")
    assert here.undo()
    assert (texts(here), here.system) == ([], "Be brief.")
    assert here.undo()
    assert texts(here) == [("one", "ONE")]
    assert not Conversation(EchoProvider()).undo()


class Changes(RuleBasedStateMachine):
    """Asking, asking again, clearing, going back and undoing, beside a plain list of states."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation = Conversation(EchoProvider())
        self.states: list[list[str]] = [[]]
        self.cells = 0

    @rule(text=st.sampled_from("abc"))
    def ask(self, text: str) -> None:
        """Ask one more question; the first after a `clear` is one change with it."""
        self.cells += 1
        run_sync(ask(self.conversation, text, f"c{self.cells}"))
        now = [*self.states[-1], text]
        self.states[-1:] = (
            [now] if not self.states[-1] and self.states[1:] else [*self.states[-1:], now]
        )

    @precondition(lambda self: self.states[-1])
    @rule(text=st.sampled_from("abc"), data=st.data())
    def ask_again(self, text: str, data: st.DataObject) -> None:
        """Ask in the place of an earlier question."""
        place = data.draw(st.integers(0, len(self.states[-1]) - 1))
        run_sync(ask(self.conversation, text, self.conversation.exchanges[place].cell))
        self.states += [[*self.states[-1][:place], text, *self.states[-1][place + 1 :]]]

    @precondition(lambda self: self.states[-1])
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        """Go back to before an earlier question."""
        place = data.draw(st.integers(0, len(self.states[-1]) - 1))
        self.conversation.rewind(self.conversation.exchanges[place].question)
        self.states += [self.states[-1][:place]]

    @rule()
    def clear(self) -> None:
        """Forget everything."""
        self.conversation.clear()
        self.states += [[]] if self.states[-1] else []

    @rule()
    def undo(self) -> None:
        """Take back one change."""
        assert self.conversation.undo() is (len(self.states) > 1)
        self.states = self.states[:-1] or [[]]

    @invariant()
    def same(self) -> None:
        """The history is what the list says."""
        assert self.states[-1] == [question for question, _ in texts(self.conversation)]


TestChanges = Changes.TestCase
TestChanges.settings = settings(stateful_step_count=12)


# -- The far side's memory -----------------------------------------------------------------------


async def far(*questions: str) -> Conversation:
    """Return a conversation that the far side calls `far1`, `far2`, … after each question."""
    scripts = [says(q.upper(), conversation_id=f"far{n}") for n, q in enumerate(questions, 1)]
    return await asked(*questions, provider=ScriptedProvider(*scripts))


async def test_conversation_id_is_carried_on():
    """What the far side calls the conversation goes with the next question, newest name first."""
    conversation = await far("one", "two")
    await ask(conversation, "three")
    await collect(conversation.go_on())
    assert conversation.provider.ids == [None, "far1", "far2", "far2"]


async def test_conversation_id_is_not_for_an_earlier_point():
    """An earlier question asked again is sent without it, and the next one as well."""
    conversation = await far("one", "two")
    conversation.provider.scripts = [says("A2", conversation_id="new")]
    await ask(conversation, "one!", "c0")
    await ask(conversation, "three", "c2")
    assert conversation.provider.ids == [None, "far1", None, None]
    assert len(conversation.provider.sent[-1]) == 5


async def test_conversation_id_after_the_last_was_replaced():
    """The far side's new conversation is the whole one when the last question was replaced."""
    conversation = await far("one", "two")
    conversation.provider.scripts = [says("B2", conversation_id="new")]
    await ask(conversation, "two!", "c1")
    await ask(conversation, "three", "c2")
    assert conversation.provider.ids == [None, "far1", None, "new"]


async def test_conversation_id_after_two_at_once():
    """When the far side knows only one of two answers, it is told both."""
    gate = asyncio.Event()
    provider = ScriptedProvider(
        [gate, *says("A", conversation_id="a")], says("B", conversation_id="b")
    )
    conversation = Conversation(provider)
    first = asyncio.create_task(conversation.ask("one"))
    await asyncio.sleep(0)
    await ask(conversation, "two")
    assert conversation.conversation_id == "b"
    gate.set()
    await first
    await ask(conversation, "three")
    assert provider.ids == [None, None, None]
    assert len(provider.sent[-1]) == 5


@pytest.mark.parametrize("change", ["undo", "clear"])
async def test_conversation_id_is_dropped(change: str):
    """The far side cannot forget, so after an undo or a `clear` it is a new conversation there."""
    conversation = await far("one", "two")
    getattr(conversation, change)()
    await ask(conversation, "three")
    assert conversation.provider.ids[-1] is None


async def test_new_provider_does_not_know_the_id():
    """Another provider gets the whole history and no id; the same one keeps it."""
    conversation = await far("one")
    conversation.provider = conversation.provider
    assert conversation.conversation_id == "far1"
    conversation.provider = other = ScriptedProvider()
    await ask(conversation, "two")
    assert (other.ids, other.sent) == ([None], [[user("one"), told("ONE"), user("two")]])


async def test_conversation_id_that_is_a_key_is_not_sent(monkeypatch):
    """A far side that names the conversation by a key is told everything anew."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("sk-planted-0123456789")
    script = says("A", conversation_id="sk-planted-0123456789")
    conversation = await asked("one", provider=ScriptedProvider(script))
    await ask(conversation, "two")
    assert (conversation.conversation_id, conversation.provider.ids) == (None, [None, None])
    assert [user("one"), told("A"), user("two")] == conversation.provider.sent[1]


# -- Keys in what is streamed --------------------------------------------------------------------


async def test_deltas_are_as_they_came(monkeypatch):
    """A key that is repeated is in the deltas, and not in what the reply shows at any step."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("sk-planted-0123456789")
    provider = ScriptedProvider(says("It is sk-planted", "-0123456789", "."))
    conversation = Conversation(provider)
    stream = conversation.stream("one")
    steps = [(delta.content, conversation.reply.settled_text) async for delta in stream]
    assert "It is sk-planted-0123456789." == "".join(content for content, _ in steps)
    assert ["It is ", "It is ", "It is ***.", "It is ***."] == [shown for _, shown in steps]


async def test_the_example_for_streams_shows_no_key(monkeypatch, capsys):
    """The loop of the README prints the whole answer, with `***` for a key."""
    monkeypatch.setattr(redact, "_live", set())
    Secret("sk-planted-0123456789")
    provider = ScriptedProvider(says("It is sk-", "planted-012", "3456789, is ", "it not?"))
    await example("conversation.stream(", conversation=Conversation(provider))
    assert "It is ***, is it not?" == capsys.readouterr().out.strip()


async def example(word: str, **names: object) -> None:
    """Run the paragraph of README's Python that has *word* in it, as a cell with *names* does."""
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    [code] = [part for block in blocks for part in block.split("\n\n") if word in part]
    await eval(compile(code, "README.md", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT), names)  # noqa: S307


# -- A history that is too long ------------------------------------------------------------------


async def test_oldest_are_left_out():
    """What does not fit stays out, oldest first and in whole exchanges, and the reply says so."""
    long = "x" * 600
    conversation = await asked("one " + long, "two " + long, "three")
    conversation.system, conversation.context_tokens = "Be brief.", 256
    stream = conversation.stream("four", reply=(reply := Reply()))
    deltas = [delta async for delta in stream]
    sent = conversation.provider.sent[-1]
    assert sent == [Message("system", "Be brief."), user("three"), told("THREE"), user("four")]
    assert deltas[0].notice == reply.notices[0]
    assert "the 2 oldest questions" in reply.notices[0]
    assert "256 tokens" in reply.notices[0]
    assert len(conversation.exchanges) == 4


async def test_the_question_is_always_sent():
    """A question longer than the budget goes alone."""
    conversation = await asked("one")
    conversation.context_tokens = 10
    await ask(conversation, "x" * 1000)
    assert [user("x" * 1000)] == conversation.provider.sent[-1]


async def test_nothing_is_said_when_all_fits():
    """Without a cut there is no notice."""
    conversation = await asked("one", "two")
    assert conversation.reply.notices == []


async def test_no_notice_where_the_far_side_remembers():
    """What the far side remembers is not left out, so nothing is said."""
    conversation = await far("x" * 4000, "two")
    conversation.context_tokens = 256
    assert (await ask(conversation, "three")).notices == []


@given(st.lists(st.text("a列 ", max_size=60), max_size=8), st.integers(1, 300))
def test_fit(questions: list[str], budget: int):
    """What is sent is the end of the history; all of it when the budget is large."""
    conversation = Conversation(EchoProvider(), context_tokens=budget)
    conversation.exchanges = tuple(Exchange(user(q), told("A")) for q in questions)
    everything = [*conversation.messages, user("now")]
    sent = conversation.preview("now")
    assert sent == everything[len(everything) - len(sent) :]
    assert len(sent) % 2 == 1
    conversation.context_tokens = 10**6
    assert everything == conversation.preview("now")


def test_provider_error_is_what_callers_catch():
    """An unknown echo model fails as a ProviderError through `ask_sync` as well."""
    with pytest.raises(ProviderError) as caught:
        Conversation(EchoProvider(model="nightingale")).ask_sync("one")
    assert caught.value.partial.text == ""
