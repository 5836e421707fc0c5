"""Names of providers and models, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glm_magic import providers
from glm_magic.errors import ConfigError, GlmError
from glm_magic.providers import choose, make_provider, models_dir, presets, split_name
from glm_magic.providers.base import Provider
from glm_magic.providers.chatglm import ChatGLM
from glm_magic.providers.echo import EchoProvider
from glm_magic.providers.local import LocalProvider
from glm_magic.providers.models import check_gguf
from glm_magic.providers.openai import OpenAIProvider
from tests.far_side import refused_url
from tests.providers.asking import QUESTION

KINDS = {
    "glm": OpenAIProvider,
    "openai": OpenAIProvider,
    "chatglm": ChatGLM,
    "local": LocalProvider,
    "echo": EchoProvider,
}
VENDORS = [name for name, preset in presets().items() if preset.kind == "glm"]


@pytest.fixture
def no_local_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """No embedded model is installed."""
    monkeypatch.setattr(providers, "find_spec", lambda _name: None)


@pytest.fixture
def a_local_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded model is installed."""
    monkeypatch.setattr(providers, "find_spec", lambda name: name)
    monkeypatch.setattr(providers, "local_file", lambda _name="": Path("small.gguf"))


def body_of(provider: Provider) -> Any:
    """Return the body of the request that *provider* would send."""
    return provider.prepare(QUESTION).body


@pytest.mark.parametrize("name", presets())
def test_every_preset_makes_a_provider(name, monkeypatch):
    """Each row of the table makes a provider of its kind, by its name alone."""
    monkeypatch.setenv("GLM_BASE_URL", refused_url())
    provider = make_provider(name)
    assert isinstance(provider, Provider)
    assert KINDS[presets()[name].kind] is type(provider)
    assert name == provider.name


@pytest.mark.parametrize("name", VENDORS)
def test_vendors_are_reached_over_tls(name):
    """A vendor's preset has an https address, a key, and a default model that it knows."""
    preset = presets()[name]
    assert preset.base_url.startswith("https://")
    assert preset.keys
    assert preset.model in preset.models
    assert preset.model == make_provider(name).model


@pytest.mark.parametrize("name", ["vllm", "sglang", "llamacpp", "ollama"])
def test_servers_on_this_machine_need_no_key(name):
    """A preset for a server on this machine needs neither a key nor a model."""
    provider = make_provider(name)
    assert "Authorization" not in provider.prepare(QUESTION).headers
    assert provider.host.startswith("127.0.0.1:")
    assert "" == provider.model


@pytest.mark.parametrize(
    ("model", "name", "wanted"),
    [
        ("zai/glm-4.6", "zai", "glm-4.6"),
        ("openai/THUDM/glm-4-9b-chat", "openai", "THUDM/glm-4-9b-chat"),
        ("ollama/glm4:9b", "ollama", "glm4:9b"),
        ("zai", "zai", ""),
        ("zai/", "zai", ""),
        ("THUDM/glm-4-9b-chat", "", "THUDM/glm-4-9b-chat"),
        ("glm-4.6", "", "glm-4.6"),
        ("", "", ""),
    ],
)
def test_name_is_split_at_a_known_provider(model, name, wanted):
    """Only what is a provider counts as one; the rest is the model, slashes included."""
    assert (name, wanted) == split_name(model)


@pytest.mark.parametrize(
    ("model", "host", "wanted"),
    [
        ("openai/THUDM/glm-4-9b-chat", "127.0.0.1:9", "THUDM/glm-4-9b-chat"),
        ("ollama/glm4:9b", "127.0.0.1:11434", "glm4:9b"),
        ("THUDM/glm-4-9b-chat", "127.0.0.1:9", "THUDM/glm-4-9b-chat"),
        ("glm-4.6", "127.0.0.1:9", "glm-4.6"),
    ],
)
def test_model_is_sent_by_its_name(monkeypatch, model, host, wanted):
    """The server reads the model as the user wrote it, without the provider."""
    monkeypatch.setenv("GLM_BASE_URL", "http://127.0.0.1:9")
    provider = make_provider(model)
    assert (host, wanted) == (provider.host, body_of(provider)["model"])


@pytest.mark.usefixtures("a_local_model")
def test_order_of_auto(monkeypatch):
    """A server goes before a key, the first vendor before the second, both before local."""
    assert "local" == choose().provider
    monkeypatch.setenv("BIGMODEL_API_KEY", "sk-0123456789")
    assert ("bigmodel", "BIGMODEL_API_KEY is set") == (choose().provider, choose().why)
    monkeypatch.setenv("Z_AI_API_KEY", "sk-0123456789")
    assert ("zai", "Z_AI_API_KEY is set") == (choose().provider, choose().why)
    monkeypatch.setenv("GLM_BASE_URL", "http://ann:secret@127.0.0.1:8000")
    assert ("openai", "the server is set to 127.0.0.1:8000") == (choose().provider, choose().why)
    assert "openai" == make_provider("auto").name


@pytest.mark.usefixtures("no_local_model")
def test_auto_with_nothing_at_all():
    """With nothing set or installed the web stream answers, under any name."""
    assert ("chatglm", "chatglm") == (choose().provider, make_provider("auto").name)
    assert "chatglm.cn" == make_provider("auto").host


@pytest.mark.usefixtures("a_local_model")
def test_unknown_model_of_the_embedded_engine():
    """A name that is neither a provider nor a pulled model says what there could be instead."""
    with pytest.raises(ConfigError, match="there is no model 'glm-9'") as caught:
        make_provider("glm-9")
    assert "%glmcmd pull" in caught.value.remedy


def test_server_without_an_address():
    """The provider for any server needs to know which."""
    with pytest.raises(ConfigError, match="needs the address of a server") as caught:
        make_provider("openai")
    assert "GLM_BASE_URL" in caught.value.remedy


@pytest.mark.parametrize("url", ["ftp://glm.example", "http://", "http://[", "http://a:b/v1"])
def test_address_that_is_none(url):
    """What is no http address is refused by its maker already."""
    with pytest.raises(ConfigError, match="not an http address"):
        make_provider("openai", base_url=url)


def test_address_replaces_the_table():
    """A base URL goes before the table's and the environment's, and means a server by itself."""
    assert "127.0.0.1:9" == make_provider("zai", base_url="http://127.0.0.1:9/v4").host
    assert "openai" == make_provider("auto", base_url="127.0.0.1:9").name
    assert "127.0.0.1:9" == make_provider("chatglm", base_url="127.0.0.1:9").host


def test_key_of_the_environment(monkeypatch):
    """A server off this machine may have its key in GLM_API_KEY."""
    monkeypatch.setenv("GLM_API_KEY", "sk-0123456789")
    provider = make_provider("openai/m", base_url="https://glm.example")
    assert "Bearer ***" == provider.prepare(QUESTION).headers["Authorization"]


def test_vendor_is_made_without_a_key():
    """A missing key is an error of the request, not of the provider."""
    provider = make_provider("zai")
    with pytest.raises(ConfigError, match="no key for zai"):
        provider.prepare(QUESTION)


@pytest.mark.parametrize(
    "path", ["/gone/m.gguf", f"/{'a' * 300}.gguf", "~nobodyhere/m.gguf", "/dev/null/m.gguf", "/"]
)
def test_model_path_of_no_use(path):
    """A path that leads to no file is an error of ours where the file is read, and none before."""
    provider = make_provider(f"local/{path}")
    with pytest.raises(GlmError):
        check_gguf(Path(provider.prepare(QUESTION).url))


def test_broken_link_among_the_models(tmp_path, monkeypatch):
    """A link that leads nowhere is the model that was meant, and no other answers for it."""
    monkeypatch.setenv("GLM_MODELS_DIR", str(tmp_path))
    (tmp_path / "m.gguf").symlink_to("/gone/m.gguf")
    provider = make_provider("local")
    assert "m" == provider.model
    with pytest.raises(ConfigError, match="cannot be read"):
        check_gguf(Path(provider.prepare(QUESTION).url))


def test_long_name_of_a_model():
    """A name that no file can have is no model that was pulled."""
    with pytest.raises(ConfigError, match="there is no model"):
        make_provider(f"local/{'a' * 300}")


def test_stranger_as_home_of_the_models(monkeypatch):
    """A folder in the home of nobody holds no models, and stops no other provider."""
    monkeypatch.setenv("GLM_MODELS_DIR", "~nobodyhere/models")
    assert "~nobodyhere/models" == str(models_dir())
    assert "local" == make_provider("local").name
