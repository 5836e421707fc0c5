"""Keys on a magic's line are refused, and stored masked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from glm_magic.errors import ConfigError
from glm_magic.magic.keys import guard, refuse, unguard
from tests.planted import TWO

TYPED = [
    f"hello {TWO}",
    "-p api_key=abc hello",
    "-p 'api-key=a b' hello",
    "--param=token=abc hello",
    "-m zai -t 0.5 -p access_token=abc hello",
    "-s 'be brief' --once --api-key abc",
    "--api-key=abc",
    "is sk-abcdefghijklmnop1 mine?",
]
ASKED = [
    "",
    "why api_key=abc?",
    "what does --token do?",
    "--once what does --api-key abc do?",
    "-p max_tokens=5 -p stop_token_ids=[1] hello",
    "what is sk-learn-contrib-lightning-estimators?",
    "md5 0123456789abcdef0123456789abcdef",
    "-s 'sk-' task-0123456789abcdefghij",
]


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Iterator[InteractiveShell]:
    """A shell of our own with no history on disk."""
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell(config=config, ipython_dir=str(tmp_path_factory.mktemp("ipython")))
    yield shell
    shell.reset(new_session=False)


@pytest.fixture
def history(shell):
    """The history of the shell, empty and guarded."""
    shell.history_manager.reset(new_session=False)
    shell.history_manager.db_input_cache.clear()
    guard(shell.history_manager)
    yield shell.history_manager
    unguard(shell.history_manager)


@pytest.mark.parametrize("line", TYPED)
def test_key_is_refused(line: str):
    """A key, by its looks or by its flag, is an error that says where keys belong."""
    with pytest.raises(ConfigError, match="getpass") as caught:
        refuse(line)
    assert 2 <= len(caught.value._render_traceback_()) <= 6
    assert len("\n".join(caught.value._render_traceback_())) < 500


@pytest.mark.parametrize("line", ASKED)
def test_question_is_not(line: str):
    """What is only like a key, or is said about keys, is a question."""
    refuse(line)


@pytest.mark.parametrize("piece", ["-x 'a' ", '-x "a ', "sk-", "-p -", "--token"])
def test_long_line_is_read(piece: str):
    """A line of any length is looked through in no time."""
    refuse(piece * 10_000 + " =")


@pytest.mark.parametrize("line", TYPED)
def test_history_keeps_no_key(history, line: str):
    """What is stored, typed or translated, has no key in it and is otherwise the same."""
    history.store_inputs(1, f"get_ipython().run_line_magic('glm', {line!r})\n", f"%glm {line}")
    stored = (
        history.input_hist_parsed[-1] + history.input_hist_raw[-1] + str(history.db_input_cache)
    )
    assert "abc" not in stored.replace("abcdef", "")
    assert TWO not in stored
    assert "***" in history.input_hist_raw[-1]
    assert history.input_hist_raw[-1].startswith("%glm ")


@pytest.mark.parametrize("line", ASKED)
def test_history_keeps_questions(history, line: str):
    """Everything else is stored as it is, and so are other cells."""
    history.store_inputs(1, f"%glm {line}x")
    history.store_inputs(2, f"x = '--api-key abc {TWO[:32]}'")
    assert history.input_hist_raw[-2:] == [f"%glm {line}x", f"x = '--api-key abc {TWO[:32]}'"]


def test_guard_goes(history):
    """Guarding twice is guarding once, and `unguard` leaves nothing behind."""
    guard(history)
    unguard(history)
    unguard(history)
    assert "store_inputs" not in vars(history)
    unguard(None)
    guard(None)
