"""Settings come from the environment, IPython's configuration and `%config`; keys never do."""

from __future__ import annotations

import subprocess
import sys

import pytest
from traitlets import TraitError
from traitlets.config import Config

from glm_magic.config import (
    GlmConfig,
    current,
    data_dir,
    environment,
    may_be_plain,
    proxy_for,
    secret,
)
from glm_magic.errors import ConfigError

TRAITS = GlmConfig.class_traits(config=True)
VARIABLES = {
    "model": "GLM_MODEL",
    "base_url": "GLM_BASE_URL",
    "proxy": "GLM_PROXY",
    "plain_http": "GLM_PLAIN_HTTP",
    "local_model": "GLM_LOCAL_MODEL",
    "chatglm_url": "GLM_CHATGLM_URL",
    "system": "GLM_SYSTEM",
    "render": "GLM_RENDER",
}


@pytest.mark.parametrize("name", TRAITS)
def test_every_setting_is_explained(name: str):
    """`%config` prints a sentence about each setting."""
    assert TRAITS[name].help.endswith(".")


@pytest.mark.parametrize("name", TRAITS)
def test_no_setting_is_a_key(name: str):
    """No setting, which `%config` would print, is made for a key."""
    assert not {"key", "token", "secret", "password"} & set(name.split("_"))


def test_variables():
    """These settings, and no others, are read from the environment."""
    assert VARIABLES == {
        name: trait.metadata["env"] for name, trait in TRAITS.items() if "env" in trait.metadata
    }


@pytest.mark.parametrize("name", VARIABLES)
def test_environment_sets(monkeypatch, name: str):
    """A variable sets its setting; one that is empty or blank does not."""
    default = getattr(GlmConfig(), name)
    monkeypatch.setenv(VARIABLES[name], "  plain ")
    assert getattr(GlmConfig(), name) == "plain"
    monkeypatch.setenv(VARIABLES[name], "  ")
    assert default == getattr(GlmConfig(), name)


def test_configuration_goes_before_environment(monkeypatch):
    """What a configuration file or the caller says wins over the environment."""
    monkeypatch.setenv("GLM_MODEL", "zai")
    config = Config()
    config.GlmConfig.model = "local"
    assert GlmConfig(config=config).model == "local"
    assert GlmConfig(model="echo").model == "echo"
    assert GlmConfig(config=Config()).model == "zai"


def test_bad_value_in_the_environment(monkeypatch):
    """A variable with a value that does not fit is named, and its setting too."""
    monkeypatch.setenv("GLM_RENDER", "hologram")
    with pytest.raises(ConfigError, match=r"GLM_RENDER .* GlmConfig\.render"):
        GlmConfig()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", "hot"),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("connect_timeout", 0),
        ("first_event_timeout", -1),
        ("idle_timeout", float("nan")),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("think", "hard"),
        ("context_tokens", 255),
        ("retries", -1),
        ("retries", 11),
        ("render", "hologram"),
        ("model", None),
    ],
)
def test_bad_value(name: str, value: object):
    """A setting refuses what makes no sense, and keeps what it had."""
    config = GlmConfig()
    before = getattr(config, name)
    with pytest.raises(TraitError, match=name):
        setattr(config, name, value)
    assert before == getattr(config, name)


@pytest.mark.parametrize(
    "name",
    [
        "temperature",
        "max_tokens",
        "think",
        "connect_timeout",
        "first_event_timeout",
        "idle_timeout",
    ],
)
def test_none_leaves_it_open(name: str):
    """None means: the far side decides, or no limit."""
    config = GlmConfig()
    setattr(config, name, None)
    assert getattr(config, name) is None


@pytest.mark.parametrize(
    ("name", "words"), [("temperature", "from 0 to 2"), ("idle_timeout", "above 0")]
)
def test_bad_number_is_told_the_good_ones(name: str, words: str):
    """The error says which numbers there are."""
    with pytest.raises(TraitError, match=words):
        setattr(GlmConfig(), name, float("nan"))


# -- The environment -----------------------------------------------------------------------------


def test_environment_is_stripped(monkeypatch):
    """Blanks around a pasted value are not part of it; what is not set is empty."""
    monkeypatch.setenv("SOME_NAME", " a b\n")
    assert environment("SOME_NAME") == "a b"
    assert environment("SOME_OTHER_NAME") == ""
    assert environment("") == ""


def test_first_key_is_taken(monkeypatch):
    """The first variable that holds a key gives it, with its own name."""
    names = ("FIRST_API_KEY", "SECOND_API_KEY")
    assert secret(names) == (None, "")
    monkeypatch.setenv("SECOND_API_KEY", "second-key")
    key, name = secret(names)
    assert key is not None
    assert (key.reveal(), name) == ("second-key", "SECOND_API_KEY")
    monkeypatch.setenv("FIRST_API_KEY", " ")
    assert secret(names)[1] == "SECOND_API_KEY"
    monkeypatch.setenv("FIRST_API_KEY", "first-key")
    assert secret(names)[1] == "FIRST_API_KEY"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has proxies of its own")
@pytest.mark.parametrize(
    ("variables", "scheme", "host", "proxy"),
    [
        ({}, "https", "api.z.ai", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https", "api.z.ai", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https", "api.z.ai:443", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http", "api.z.ai", ""),
        ({"ALL_PROXY": "http://p:1"}, "https", "api.z.ai", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "z.ai"}, "https", "api.z.ai:443", ""),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, "https", "api.z.ai", ""),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "y.ai"}, "https", "api.z.ai", "http://p:1"),
    ],
)
def test_proxy_of_the_environment(monkeypatch, variables, scheme, host, proxy):
    """The usual variables name the proxy, and NO_PROXY the hosts without one."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy == proxy_for(scheme, host)


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_DATA_HOME", "base/glm_magic"),
        ("win32", "LOCALAPPDATA", "base/glm_magic"),
        ("linux", "", ".local/share/glm_magic"),
        ("win32", "", "AppData/Local/glm_magic"),
        ("darwin", "", "Library/Application Support/glm_magic"),
    ],
)
def test_folder_of_the_models(monkeypatch, tmp_path, platform, variable, folder):
    """Models go where the platform keeps a user's data."""
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "base"))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path / folder == data_dir()


def test_import_is_light():
    """Settings can be read without IPython, a network library or an engine."""
    script = "import sys, glm_magic.config; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"IPython", "aiohttp", "rich", "markdown_it", "xllamacpp"} & set(loaded)


@pytest.mark.parametrize(
    ("named", "host", "expected"),
    [
        ("", "gpu7:8000", False),
        ("", "", False),
        (" GPU7:8000 , gpu8", "gpu7:8000", True),
        ("gpu7:8000, gpu8", "gpu7:8001", False),
        ("gpu7:8000, gpu8", "gpu8:1", True),
        ("gpu7:8000, gpu8", "gpu8", True),
        ("gpu8", "notgpu8", False),
        ("[fe80::1]", "[fe80::1]:8000", True),
    ],
)
def test_plain_http(monkeypatch, named: str, host: str, expected: object):
    """Plain http off this machine is for the hosts that are named, with a port or at any."""
    monkeypatch.setattr(current(), "plain_http", named)
    assert expected is may_be_plain(host)
