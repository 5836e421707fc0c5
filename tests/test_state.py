"""What the magics keep for one shell: who answers, and which conversation it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from glm_magic.config import GlmConfig
from glm_magic.errors import ConfigError
from glm_magic.providers import presets
from glm_magic.state import State


@pytest.fixture
def state() -> State:
    """The state of a shell in which `echo` answers."""
    return State(GlmConfig(model="echo"))


def shell(cell: str | None = None, *, count: int = 1) -> SimpleNamespace:
    """Return a shell that runs the notebook cell *cell*, or is a terminal."""
    if cell is None:
        return SimpleNamespace(execution_count=count)
    parent = {"metadata": {"cellId": cell}}
    return SimpleNamespace(execution_count=count, kernel=SimpleNamespace(get_parent=lambda: parent))


# -- Who answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "flag", "provider", "model"),
    [
        ("echo", None, "echo", ""),
        ("echo", "", "echo", ""),
        ("echo/think", None, "echo", "think"),
        ("echo/think", "slow", "echo", "slow"),
        ("echo/think", "echo", "echo", ""),
        ("echo", "zai/glm-4.6", "zai", "glm-4.6"),
        ("zai/glm-4.6", "ollama/glm4:9b", "ollama", "glm4:9b"),
        ("openai", "THUDM/glm-4-9b-chat", "openai", "THUDM/glm-4-9b-chat"),
        ("openai/THUDM/glm-4-9b-chat", None, "openai", "THUDM/glm-4-9b-chat"),
    ],
)
def test_resolve(setting: str, flag: str | None, provider: str, model: str):
    """The flag goes before the setting; a bare name is a model of the current provider."""
    named = State(GlmConfig(model=setting)).resolve(flag)
    assert (provider, model) == named[:2]
    assert named[2].startswith("-m names" if flag else f"GlmConfig.model is {setting}")


def test_resolve_by_address():
    """With nothing chosen, the server whose address is set answers."""
    state = State(GlmConfig(base_url="http://127.0.0.1:1/v1"))
    provider, model, why = state.resolve(None)
    assert (provider, model) == ("openai", "")
    assert "127.0.0.1:1" in why
    assert state.resolve("glm-4")[:2] == ("openai", "glm-4")


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "unix:///x"])
def test_resolve_by_a_bad_address(address):
    """An address of no use is said to be one, and is no matter to a provider that is named."""
    state = State(GlmConfig(base_url=address))
    assert ("echo", "", "-m names it") == state.resolve("echo")
    assert ("openai", "", "the server is set to what is no http address") == state.resolve(None)


def test_resolve_by_key(monkeypatch):
    """With nothing chosen, a vendor whose key is set answers; a bare setting is its model."""
    monkeypatch.setenv("BIGMODEL_API_KEY", "key-of-test-state")
    assert State(GlmConfig()).resolve(None) == ("bigmodel", "", "BIGMODEL_API_KEY is set")
    assert State(GlmConfig(model="glm-4.6")).resolve(None)[:2] == ("bigmodel", "glm-4.6")


def test_provider_stays(state):
    """The same name gives the same provider, with its connections."""
    assert state.provider() is state.provider()
    assert state.provider("echo/slow") is state.provider("slow")
    assert state.provider("slow") is not state.provider()
    assert (state.provider().name, state.provider("slow").model) == ("echo", "slow")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("model", "echo/think"),
        ("base_url", "http://127.0.0.1:1"),
        ("proxy", "http://127.0.0.1:2"),
        ("local_model", "a.gguf"),
        ("chatglm_url", "http://127.0.0.1:3"),
        ("connect_timeout", None),
        ("first_event_timeout", 1.0),
        ("idle_timeout", 2.0),
        ("retries", 0),
    ],
)
def test_changed_setting_makes_a_new_provider(state, setting, value):
    """A setting of the connection counts from the next question on."""
    before = state.provider("echo")
    setattr(state.config, setting, value)
    assert state.provider("echo") is not before


def test_other_settings_keep_the_provider(state):
    """A setting of the request or the view lets connections be."""
    before = state.provider()
    state.config.temperature = 0.5
    state.config.render = "plain"
    assert state.provider() is before


def test_provider_has_the_settings():
    """Address, proxy, waits and retries are the configured ones."""
    config = GlmConfig(model="openai", base_url="http://127.0.0.1:1", retries=0)
    state = State(config)
    assert (state.provider().host, state.provider().retries) == ("127.0.0.1:1", 0)
    config.base_url = "http://127.0.0.1:2"
    assert state.provider().host == "127.0.0.1:2"


def test_unknown_provider_setting():
    """A bad address is said when the question is asked, as one of our errors."""
    with pytest.raises(ConfigError, match="not an http address"):
        State(GlmConfig(model="openai", base_url="ftp://nowhere")).provider()


def test_where_a_key_comes_from(monkeypatch, state):
    """The status names the variable, or what to set, and never the key."""
    bigmodel = presets()["bigmodel"]
    assert state.key_place(presets()["echo"]) == "none needed"
    wanted = "none; set ZHIPUAI_API_KEY or ZHIPU_API_KEY or BIGMODEL_API_KEY"
    assert wanted == state.key_place(bigmodel)
    monkeypatch.setenv("ZHIPU_API_KEY", "key-of-test-state")
    assert state.key_place(bigmodel) == "from ZHIPU_API_KEY"


# -- Which conversation --------------------------------------------------------------------------


def test_conversation_stays(state):
    """A label names one conversation; no label is `main`."""
    main = state.conversation("")
    assert main is state.conversation("main")
    assert main.label == "main"
    assert state.conversation("side") is not main
    assert list(state.conversations) == ["main", "side"]


def test_conversation_takes_the_provider_of_its_question(state):
    """`-m` changes who answers next; what was said stays."""
    conversation = state.conversation("")
    conversation.ask_sync("one")
    assert state.conversation("", "echo/slow").provider is state.provider("echo/slow")
    assert len(conversation.exchanges) == 1
    assert state.conversation("").provider is state.provider()


def test_settings_of_a_conversation(state):
    """The system prompt is for new conversations, the length of the history for all."""
    old = state.conversation("old")
    state.config.system = "Be brief."
    state.config.context_tokens = 1000
    assert state.conversation("new").system == "Be brief."
    assert state.conversation("old") is old
    assert (old.system, old.context_tokens) == (None, 1000)


def test_conversation_that_nothing_refers_to(state):
    """A conversation for one question has the settings and is not kept."""
    state.config.system = "Be brief."
    once = state.new_conversation("", state.provider())
    assert (once.system, state.conversations) == ("Be brief.", {})


def test_known_conversation(state):
    """A conversation that was not begun is not made up; those that were are listed."""
    with pytest.raises(ConfigError, match=r"no conversation 'main'\. There are: none yet"):
        state.known("")
    main, _ = state.conversation(""), state.conversation("side")
    assert state.known("") is main
    with pytest.raises(ConfigError, match=r"no conversation 'sied'\. There are: main, side"):
        state.known("sied")


# -- Which cell ----------------------------------------------------------------------------------


def test_cell_that_runs_again(state):
    """A notebook cell has the same name in each run, another cell another one."""
    first = state.cell_key(shell("a", count=1))
    other = state.cell_key(shell("b", count=2))
    assert first == state.cell_key(shell("a", count=3))
    assert first != other


def test_several_questions_of_a_cell(state):
    """Each question of a cell has its own name, the same in the next run."""
    run = [[state.cell_key(shell("a", count=count)) for _ in range(3)] for count in (1, 2)]
    assert run[0] == run[1]
    assert len(set(run[0])) == 3


def test_terminal_has_no_cells(state):
    """Where there are no cells, a question has no name."""
    assert state.cell_key(shell()) == ""
    without_id = SimpleNamespace(execution_count=1, kernel=SimpleNamespace(get_parent=dict))
    assert state.cell_key(without_id) == ""
