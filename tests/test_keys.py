"""Keys on a magic's line are refused, and stored masked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from glm_magic.config import GlmConfig
from glm_magic.errors import ConfigError
from glm_magic.keys import refuse
from glm_magic.magic.guard import guard, unguard
from glm_magic.magic.magics import GlmMagics
from glm_magic.panel.magics import PanelMagics
from tests.planted import TWO, leaks

TYPED = [
    f"hello {TWO}",
    "-p api_key=abc hello",
    "-p 'api-key=a b' hello",
    "-p x-api-key=abc hello",
    "--param=token=abc hello",
    "-m zai -t 0.5 -p access_token=abc hello",
    "-s 'be brief' --once --api-key abc",
    "--api-key=abc",
    "is sk-abcdefghijklmnop1 mine?",
    "why is sk-proj-abc_Def1ghijklmnopqrstuv-wxyz refused?",
    "密钥sk-abc0123456789DEFGH是我的吗",
    f"密钥{TWO}是我的吗",
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
    "why is #sk-container-id-1234 empty?",
    "what is sk-…0123456789abcdefghij?",
]
#: What stands in the code and the data that people ask about, and is no key.
BODIES = [
    "<div id='sk-container-id-1001' class='sk-top-container sk-estimator-doc-link-2'></div>",
    "commit 0123456789abcdef0123456789abcdef01234567\nMerge: 0123456 89abcdef",
    "id = '123e4567-e89b-12d3-a456-426614174000'",
    "d41d8cd98f00b204e9800998ecf8427e  archive.tar.gz\nd41d8cd98f00b204e9800998ecf8427e.json",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "key = os.environ['API_KEY']  # --api-key abc, -p token=abc, sk-...",
    "risk-2024assessment0123, disk-0123456789abcdefghij, a_sk-0123456789abcdefghij",
    "sk-learn-contrib-2024-01-01-nightly-build-v2",
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


@pytest.mark.parametrize("key", ["sk-0123456789abcdefghij", TWO, "sk-or-v1-0123456789abcdef"])
def test_key_in_a_body_is_refused(key: str):
    """A key by its looks is as unwelcome in the cell, and the error says how to ask about one."""
    with pytest.raises(ConfigError, match="getpass") as caught:
        refuse("", f"why is this refused?\nkey = '{key}'\n")
    lines = caught.value._render_traceback_()
    assert "a key in this cell; nothing was sent" in lines[0]
    assert "…" in lines[0]
    assert (len(lines), key in str(lines)) == (2, False)


@pytest.mark.parametrize("body", BODIES)
def test_code_in_a_body_is_not(body: str):
    """Hashes, ids, pictures and names are sent, and what would be a flag on the line."""
    refuse("", body)
    refuse("explain", f"x = 1\n{body}\n" * 100)


@pytest.mark.parametrize("line", ["sk-0123456789abcdefghij", f"save {TWO}", f"doctor {TWO}"])
def test_key_for_a_command_is_refused(shell, tmp_path, monkeypatch, line: str):
    """No command is told a key: none is made a file's name, and none is repeated."""
    monkeypatch.chdir(tmp_path)
    magics = GlmMagics(shell, GlmConfig(model="echo"))
    with pytest.raises(ConfigError, match="getpass") as caught:
        magics.glmcmd(line)
    assert leaks(str(caught.value)) == []
    assert "0123456789" not in str(caught.value)
    assert [] == list(tmp_path.iterdir())


def test_key_in_a_cell_is_refused(shell):
    """`%%glm` looks through the whole cell before anything else is done with it."""
    magics = GlmMagics(shell, GlmConfig(model="echo"))
    with pytest.raises(ConfigError, match="in this cell"):
        magics.glm("--dry", "why is my key sk-0123456789abcdefghij refused?")


@pytest.mark.parametrize(
    "piece", ["-x 'a' ", '-x "a ', "sk-", "-p -", "--token", "0f", "a-", "sk-a_"]
)
def test_long_line_is_read(piece: str):
    """A line of any length is looked through in no time."""
    refuse(piece * 10_000 + " =", piece * 10_000)


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


@pytest.mark.parametrize(
    "source",
    [
        "glm is sk-0123456789abcdefghij mine?",
        'get_ipython().run_line_magic("glm", "is sk-0123456789abcdefghij mine?")',
        "get_ipython().run_line_magic('glm', 'is sk-0123456789abcdefghij mine?')",
        'get_ipython().run_line_magic("glm", "-p api_key=plain-0123456789 hello")',
        "glm -t 0 -p api_key=plain-0123456789 hello",
        "get_ipython().run_cell_magic('glm', '', 'sk-0123456789abcdefghij')",
        "glm_chat sk-0123456789abcdefghij",
    ],
)
def test_history_keeps_no_key_however_we_are_called(history, source: str):
    """A magic needs no `%`, and a call may be written in any way."""
    history.store_inputs(1, source)
    assert "0123456789" not in history.input_hist_raw[-1] + history.input_hist_parsed[-1]
    assert "***" in history.input_hist_raw[-1]


def test_history_keeps_no_key_that_was_to_be_a_setting(history):
    """A key given to `%config`, which has no place for one, is not kept either."""
    history.store_inputs(1, "%config GlmConfig.api_key = 'sk-0123456789abcdefghij'")
    assert ["%config GlmConfig.api_key = '***'"] == history.input_hist_raw[-1:]


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


def test_key_as_the_name_of_a_panel_is_refused():
    """`%glm_chat` takes no key either, and shows no panel."""
    with pytest.raises(ConfigError, match="there is a key on this line"):
        PanelMagics().glm_chat("sk-abcdefghijklmnop1")
