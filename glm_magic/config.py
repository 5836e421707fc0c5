"""Settings as traits, and the only place that reads the environment. Imports nothing heavy."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Enum, Float, Int, TraitError, Unicode, validate
from traitlets.config import Configurable

from .errors import ConfigError
from .redact import Secret


class GlmConfig(Configurable):
    """Settings of glm_magic.

    `%config GlmConfig` lists them, `%config GlmConfig.model = "local"` sets one.
    Keys are never settings: they come from the environment when a request is made.
    """

    model = Unicode(
        "auto",
        help="Who answers, as provider/model (zai/glm-4.6, ollama/glm4:9b, local, echo) or a "
        "provider alone. auto takes GLM_BASE_URL, else a vendor whose key is set, else the "
        "embedded model, else the chatglm.cn web stream.",
    ).tag(config=True, env="GLM_MODEL")
    base_url = Unicode(
        "",
        help="Address of an OpenAI-compatible server for the provider `openai`, such as "
        "http://127.0.0.1:8000/v1.",
    ).tag(config=True, env="GLM_BASE_URL")
    proxy = Unicode(
        "",
        help="HTTP proxy for every request off this machine, such as http://127.0.0.1:7890; "
        "empty takes HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
    ).tag(config=True, env="GLM_PROXY")
    plain_http = Unicode(
        "",
        help="Hosts off this machine that may be asked over http://, where others can read along, "
        "separated by commas: gpu7:8000, gpu8. A key is not sent so even there.",
    ).tag(config=True, env="GLM_PLAIN_HTTP")
    local_model = Unicode(
        "", help="Path of the GGUF file that the provider `local` runs; empty takes the small one."
    ).tag(config=True, env="GLM_LOCAL_MODEL")
    chatglm_url = Unicode(
        "https://chatglm.cn", help="Address of the chatglm.cn web stream, or of your own gateway."
    ).tag(config=True, env="GLM_CHATGLM_URL")
    system = Unicode("", help="System prompt of every new conversation.").tag(
        config=True, env="GLM_SYSTEM"
    )
    temperature = Float(
        None,
        allow_none=True,
        min=0,
        max=2,
        help="Sampling temperature, 0 to 2; None leaves it to the model.",
    ).tag(config=True)
    max_tokens = Int(
        None, allow_none=True, min=1, help="Longest answer in tokens; None leaves it to the model."
    ).tag(config=True)
    think = Enum(
        ("off", "low", "high", "max"),
        None,
        allow_none=True,
        help="How much the model thinks first: off, low, high, max; None leaves it to the model.",
    ).tag(config=True)
    context_tokens = Int(
        32_000,
        min=256,
        help="How many tokens of history go with a question; the oldest pairs are left out first.",
    ).tag(config=True)
    connect_timeout = Float(10.0, allow_none=True, help="Seconds to connect; None: no limit.").tag(
        config=True
    )
    first_event_timeout = Float(
        300.0, allow_none=True, help="Seconds until the answer begins; None: no limit."
    ).tag(config=True)
    idle_timeout = Float(
        300.0, allow_none=True, help="Seconds of silence within an answer; None: no limit."
    ).tag(config=True)
    retries = Int(
        2, min=0, max=10, help="How often a request is sent again when nothing was answered yet."
    ).tag(config=True)
    render = Enum(
        ("auto", "notebook", "terminal", "plain"),
        "auto",
        help="How answers are shown. plain prints the text as it comes, for `jupyter console`.",
    ).tag(config=True, env="GLM_RENDER")
    show_reasoning = Bool(True, help="Show the model's thinking, folded.").tag(config=True)
    show_footer = Bool(True, help="Show model, tokens and seconds under an answer.").tag(
        config=True
    )
    full_traceback = Bool(False, help="Show tracebacks of our errors instead of six lines.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, trait in self.traits(config=True).items():
            value = environment(trait.metadata.get("env", ""))
            if value and name not in kwargs and not self._is_configured(name):
                self._set_from_environment(name, trait.metadata["env"], value)

    @validate("temperature", "connect_timeout", "first_event_timeout", "idle_timeout")
    def _check_number(self, proposal: dict[str, Any]) -> float | None:
        value: float | None = proposal["value"]
        name: str = proposal["trait"].name
        may_be_0 = name == "temperature"
        if value is not None and not (math.isfinite(value) and (value > 0 or may_be_0)):
            what = "a number from 0 to 2" if may_be_0 else "a number above 0"
            raise TraitError(f"{name} is {what} or None, not {value}")
        return value

    def _is_configured(self, name: str) -> bool:
        return any(name in section for section in self._load_config_sections())

    def _load_config_sections(self) -> list[Any]:
        return [self.config[cls] for cls in self.section_names() if cls in self.config]

    def _set_from_environment(self, name: str, variable: str, value: str) -> None:
        try:
            setattr(self, name, value)
        except TraitError as error:
            msg = f"{variable} has a value that GlmConfig.{name} does not take: {error}"
            raise ConfigError(msg) from error


#: What to do about a key that was typed.
KEY_REMEDY = (
    "Take it out. Keys belong in the environment: set ZAI_API_KEY (or what %glm names) before "
    'Jupyter starts, or os.environ["ZAI_API_KEY"] = getpass.getpass()'
)

_current: list[GlmConfig] = []


def current(config: GlmConfig | None = None) -> GlmConfig:
    """Return the settings of this process; *config*, if given, replaces them."""
    if config is not None:
        _current[:] = [config]
    elif not _current:
        _current.append(GlmConfig())
    return _current[0]


def environment(name: str) -> str:
    """Return the environment variable *name*, without surrounding blanks, or ""."""
    return os.environ.get(name, "").strip() if name else ""


def secret(names: Sequence[str]) -> tuple[Secret | None, str]:
    """Return the first key that is set among the variables *names*, and that variable's name."""
    for name in names:
        if value := environment(name):
            return Secret(value), name
    return None, ""


def know_keys() -> None:
    """Have every key in the environment masked in what is shown, before one is used."""
    for name in tuple(os.environ):
        if name.upper().endswith("_API_KEY"):
            Secret(environment(name))


def proxy_for(scheme: str, host: str) -> str:
    """Return the proxy the environment names for *host* (with port), or "" for none."""
    from urllib.request import getproxies, proxy_bypass  # http.client: 20 ms for a request only

    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all") or ""
    return "" if not proxy or proxy_bypass(host) else proxy


def may_be_plain(host: str) -> bool:
    """Whether the user said that *host* (with port) may be asked without TLS."""
    named = [name.strip().lower() for name in current().plain_http.split(",")]
    return bool({host.lower(), host.lower().rpartition(":")[0]} & {*named} - {""})


def path_of(name: str) -> Path:
    """Return the path that the user wrote as *name*; `~` is the home folder, if there is one."""
    return Path(os.path.expanduser(name))  # noqa: PTH111, no error where there is none


def data_dir() -> Path:
    """Return the user's folder for our models; it need not exist."""
    home = path_of("~")
    if sys.platform == "win32":
        base = environment("LOCALAPPDATA") or str(home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(home / "Library" / "Application Support")
    else:
        base = environment("XDG_DATA_HOME") or str(home / ".local" / "share")
    return Path(base) / "glm_magic"
