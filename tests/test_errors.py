"""Errors say what happened and what to do, in few lines, and never show a key."""

from __future__ import annotations

import inspect
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic import errors
from glm_magic.errors import (
    AuthenticationError,
    ConfigError,
    FilterError,
    GlmError,
    Interrupted,
    ModelError,
    NetworkError,
    OverloadError,
    PromptError,
    ProtocolError,
    ProviderError,
    QuotaError,
    RateLimitError,
    StatusError,
    tidy,
)
from glm_magic.redact import Secret

KEY = "key-of-test-errors"
ALL = [
    kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, GlmError)
]


@pytest.fixture
def _full(monkeypatch):
    """Tracebacks are asked for."""
    monkeypatch.setattr(GlmError, "full_traceback", True)


@pytest.mark.parametrize("kind", ALL)
def test_tree(kind):
    """Each error stands in the docstring, indented below its parent."""
    lines = (errors.__doc__ or "").splitlines()
    level = {line.split()[0]: len(line) - len(line.lstrip()) for line in lines if line.strip()}
    parent = kind.__mro__[1]
    assert parent is Exception or level[kind.__name__] == level[parent.__name__] + 2


@pytest.mark.parametrize(
    ("kind", "passing"),
    [
        (ProviderError, False),
        (NetworkError, True),
        (ProtocolError, False),
        (StatusError, False),
        (AuthenticationError, False),
        (QuotaError, False),
        (RateLimitError, True),
        (ModelError, False),
        (FilterError, False),
        (OverloadError, True),
    ],
)
def test_what_passes(kind, passing):
    """Only what goes away by itself is worth asking again."""
    assert passing is kind("x").passing


@pytest.mark.parametrize("kind", ALL)
def test_text(kind):
    """Every error says what happened, then what to do."""
    error = kind("It broke.", remedy="Mend it.")
    assert str(error) == "It broke. Mend it."
    assert repr(error) == f"{kind.__name__}('It broke. Mend it.')"


def test_provider_error_names_its_host():
    """The far side is named once, in front."""
    assert str(NetworkError("cut.", host="a.example")) == "a.example: cut."
    assert str(NetworkError("a.example cut.", host="a.example")) == "a.example cut."
    assert NetworkError("cut.").partial is None


@pytest.mark.parametrize(
    "what",
    [
        "a.example9 refused.",
        "a.example:80 refused.",
        "a.example.org refused.",
        "not-a.example refused.",
        "www.a.example refused.",
        "x" * 391 + " a.example.org",
        "1\n2\n3\n4\n5\nask a.example",
        "1\n2\n3\n4\n5 at a.example",
    ],
)
def test_host_that_is_not_named(what):
    """What is a longer name, or stands in a line that is cut, names no host."""
    error = NetworkError(what, remedy="Try again.", host="a.example")
    assert str(error).startswith("a.example: ")
    assert "Host: a.example" in error._render_traceback_()


@pytest.mark.parametrize(
    "what", ["(a.example)", "at a.example.", "https://a.example/v1", "a.example:"]
)
def test_host_that_is_named(what):
    """A host that is named is not named again, whatever stands around it."""
    error = NetworkError(what, remedy="Try again.", host="a.example")
    assert str(error).startswith(what)
    assert [f"NetworkError: {what}", "Try again."] == error._render_traceback_()


def test_lines_in_a_notebook():
    """IPython shows what, where and the remedy, a line each."""
    error = NetworkError("cut.", remedy="Try again.", host="a.example")
    assert error._render_traceback_() == ["NetworkError: cut.", "Host: a.example", "Try again."]


def test_remedy_is_shown_after_many_lines():
    """However many lines the far side wrote, there are six, and the last is what to do."""
    error = ConfigError("\n\n".join("abcdefghij"), remedy="Mend it.")
    shown = error._render_traceback_()
    assert ["ConfigError: a", "b", "c", "d", "e", "Mend it."] == shown


@given(st.text(), st.text())
def test_at_most_six_lines(what: str, remedy: str):
    """There are never more than six lines, and none is empty."""
    lines = ProviderError(what, remedy=remedy, host="h")._render_traceback_()
    assert 1 <= len(lines) <= 6
    assert all(line.strip() and "\n" not in line for line in lines)


@pytest.mark.parametrize("kind", [each for each in ALL if issubclass(each, ProviderError)])
def test_long_names_of_hosts(kind):
    """A name as long as a host may have leaves room for the rest, and both its ends are shown."""
    error = kind("what " * 200, remedy="remedy " * 200, host=f"start{'.x' * 120}.end.example:65535")
    texts = (str(error), "\n".join(error._render_traceback_()))
    assert [] == [text for text in texts if len(text) > 500 or "start.x" not in text]
    assert [] == [text for text in texts if "end.example:65535" not in text]


@pytest.mark.usefixtures("_full")
def test_full_traceback():
    """On request the whole traceback is shown, cause included, keys masked."""
    Secret(KEY)

    def fail() -> None:
        raise ConfigError("wrong.") from ValueError(f"bad {KEY}")

    with pytest.raises(ConfigError) as caught:
        fail()
    lines = caught.value._render_traceback_()
    text = "\n".join(lines)
    assert "ValueError: bad ***" in text
    assert "test_full_traceback" in text
    assert lines[-1].endswith("ConfigError: wrong.")
    assert not any(line.endswith("\n") for line in lines)


@pytest.mark.parametrize("kind", ALL)
def test_no_key_in_an_error(kind):
    """A live key is in no text, attribute, argument or traceback of an error."""
    Secret(KEY)
    error = kind(f"bad {KEY}", remedy=f"use {KEY}")
    shown = [str(error), repr(error), *map(str, error.args), *error._render_traceback_()]
    shown += traceback.format_exception(error)
    shown += map(str, vars(error).values())
    assert KEY not in " ".join(shown)
    assert "***" in str(error)


def test_protocol_error_quotes_the_start():
    """An unreadable answer is quoted, 200 characters of it, controls shown and keys masked."""
    Secret(KEY)
    error = ProtocolError("no events.", start=f"{KEY}\x1b[2J" + "x" * 300)
    assert error.start.startswith(r"***\x1b[2Jxxx")
    assert len(error.start) == 200
    assert error.start.endswith("xx…")
    assert str(ProtocolError("no events.", start="<p>hi")) == "no events. It starts: '<p>hi'"


def test_status_error_keeps_the_facts():
    """Status, code, detail and the wait asked for are attributes."""
    error = RateLimitError("slow.", status=429, code="1302", detail="\x00busy ", retry_after=2.5)
    facts = (error.status, error.code, error.detail, error.retry_after)
    assert (429, "1302", r"\x00busy", 2.5) == facts
    assert QuotaError("x").status is None


@pytest.mark.parametrize("kind", ALL)
def test_errors_travel(kind):
    """An error comes whole out of a pickle, as out of a worker process."""
    error = kind("It broke.", remedy="Mend it.")
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (kind, str(error), vars(error)) == (type(twin), str(twin), vars(twin))


def test_interrupted_is_one_line():
    """A stop by the user is a KeyboardInterrupt, not an Exception, and shows one line."""
    stopped = Interrupted("Stopped after 1.0 s.")
    assert isinstance(stopped, KeyboardInterrupt)
    assert not isinstance(stopped, Exception)
    assert stopped._render_traceback_() == ["Stopped after 1.0 s."]


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        (" plain \n", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\r\nb", "a\nb"),
        ("ab\u202edc", r"ab\u202edc"),
        ("\ud83d", "\ufffd"),
        ("列表 é 😀", "列表 é 😀"),
    ],
)
def test_tidy(foreign: str, shown: str):
    """Letters stay, what would act on the screen is spelled out."""
    assert shown == tidy(foreign)


@given(st.text(max_size=700), st.integers(1, 600))
def test_tidy_can_be_printed(text: str, limit: int):
    """What is tidied fits, and any stream can encode it."""
    shown = tidy(text, limit)
    assert len(shown) <= limit
    shown.encode()
    assert all(char.isprintable() or char.isspace() or ord(char) > 127 for char in shown)


def test_own_mistakes():
    """A mistake in a prompt or a setting is not blamed on the far side."""
    assert not issubclass(PromptError, ProviderError)
    assert not issubclass(ConfigError, ProviderError)
