"""The provider that says what it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import ModelError, NetworkError, OverloadError
from glm_magic.messages import Delta, Message, Reply, Usage
from glm_magic.providers.base import Options, Provider
from glm_magic.providers.echo import MODELS, EchoProvider, split_words

HISTORY = [
    Message("system", "be brief"),
    Message("user", "first"),
    Message("assistant", "yes"),
    Message("user", "two  words\n"),
]


async def ask(provider, messages=HISTORY, **options):
    """Return the whole reply."""
    reply = Reply()
    async for delta in provider.stream(messages, options=Options(**options)):
        reply.add(delta)
    return reply


def say(text):
    """Return a history in which the user says *text*."""
    return [Message("system", ""), {"role": "user", "content": text}]


@given(st.text())
def test_words_are_the_text(text):
    """Nothing is lost or added when a text is cut into words."""
    assert text == "".join(split_words(text))


@given(st.text())
def test_words_are_counted_as_usual(text):
    """There is one piece for each word, and one for blanks that follow the last."""
    has_tail = text != text.rstrip()
    assert len(text.split()) + has_tail == len(split_words(text))


def test_is_a_provider():
    """It has all that a provider has."""
    assert isinstance(EchoProvider(), Provider)


async def test_says_the_last_message():
    """The answer is what the user said last, letter for letter."""
    assert "two  words\n" == (await ask(EchoProvider())).text


async def test_comes_word_by_word():
    """Each word is a step of its own, and the last step has the reason and the usage."""
    assert [
        Delta(content="two"),
        Delta(content=" words"),
        Delta(finish_reason="stop", usage=Usage(2, 2), model="echo"),
    ] == [delta async for delta in EchoProvider().stream(say("two words"))]


async def test_says_nothing_to_nothing():
    """Without a user's message there is an empty answer."""
    reply = await ask(EchoProvider(), [])
    assert ("", "stop", Usage(0, 0)) == (reply.text, reply.finish_reason, reply.usage)


async def test_answer_can_be_limited():
    """An answer that is cut at its longest length says so."""
    reply = await ask(EchoProvider(), max_tokens=1)
    assert ("two", "length") == (reply.text, reply.finish_reason)


async def test_failure_comes_half_way():
    """The model `fail` says half and then raises, with that half in the error."""
    with pytest.raises(OverloadError) as caught:
        await ask(EchoProvider(), say("one two three four"), model="fail")
    assert "one two" == caught.value.partial.text


async def test_thinks_first():
    """The model `think` reasons before it answers."""
    reply = await ask(EchoProvider(), say("hello"), model="think")
    assert ("The user says 'hello'. I say it back.", "hello") == (reply.reasoning, reply.text)


async def test_thinking_comes_before_the_answer():
    """No reasoning follows the first word of the answer."""
    deltas = [d async for d in EchoProvider(model="think").stream(say("hello"))]
    assert [Delta(content="hello")] == [d for d in deltas[-2:] if not d.finish_reason]


async def test_code_is_a_program():
    """The model `code` answers with a Python block that prints the message."""
    block = (await ask(EchoProvider(), say("it's"), model="code")).text.split("```")[1]
    assert 'python\ntext = "it\'s"\nprint(text)\n' == block


@pytest.mark.parametrize(
    ("model", "mark"),
    [("latex", "$$"), ("markdown", "|---"), ("markdown", "> hello"), ("markdown", "- a list")],
)
async def test_examples_show_their_syntax(model, mark):
    """The models `latex` and `markdown` show what they are named after."""
    text = (await ask(EchoProvider(), say("hello"), model=model)).text
    assert mark in text.replace("|:---", "|---")


async def test_model_may_be_named_in_full():
    """Both `think` and `echo/think` name the model."""
    short = await ask(EchoProvider(model="think"))
    assert short.text == (await ask(EchoProvider(), model="echo/think")).text


async def test_unknown_model_is_an_error():
    """A model that is not there is named, and so are those that are."""
    with pytest.raises(ModelError, match=r"no model 'loud'.*echo, slow"):
        await ask(EchoProvider(), model="loud")


async def test_models_are_listed():
    """All models can be asked for by the listed names."""
    async with EchoProvider() as provider:
        assert list(MODELS) == await provider.models()


async def test_script_is_played():
    """A script's deltas come as they are written, its waits between them."""
    script = [Delta(content="a"), 0.0, Delta(retract=1, content="b", finish_reason="length")]
    deltas = [delta async for delta in EchoProvider(script).stream(HISTORY)]
    assert [script[0], script[2]] == deltas


async def test_script_is_played_again():
    """Each question starts the script anew."""
    provider = EchoProvider([Delta(content="a", finish_reason="stop")])
    assert (await ask(provider)).text == (await ask(provider)).text == "a"


async def test_script_can_fail():
    """An error in a script is raised, with what was said before it."""
    error = NetworkError("cut")
    with pytest.raises(NetworkError) as caught:
        await ask(EchoProvider([Delta(content="so f"), error]))
    assert (error, "so f") == (caught.value, caught.value.partial.text)


async def test_script_can_fail_in_foreign_words():
    """An error that is not ours is raised as it is."""
    with pytest.raises(ZeroDivisionError):
        await ask(EchoProvider([ZeroDivisionError()]))


def test_request_can_be_looked_at():
    """What would be asked is shown without asking."""
    request = EchoProvider().prepare(say("hello"), options=Options(model="slow"))
    assert {
        "model": "slow",
        "messages": [{"role": "system", "content": ""}, {"role": "user", "content": "hello"}],
    } == request.body
