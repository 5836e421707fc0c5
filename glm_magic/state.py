"""What the two faces share: the settings, providers in use, and named conversations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .config import GlmConfig, current, secret
from .conversation import Conversation
from .errors import ConfigError
from .loop import background
from .providers import Preset, choose, make_provider, split_name
from .providers.base import Clocks, Provider

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

DEFAULT_LABEL = "main"

#: What a provider is made from: when one of these changes, the next question has a new one.
_CONNECTION = (
    "model",
    "base_url",
    "proxy",
    "local_model",
    "chatglm_url",
    "connect_timeout",
    "first_event_timeout",
    "idle_timeout",
    "retries",
)


@dataclass
class State:
    """The named conversations of a process and the providers they talk to."""

    config: GlmConfig
    conversations: dict[str, Conversation] = field(default_factory=dict)
    _providers: dict[tuple[str, str], Provider] = field(default_factory=dict)
    # The execution count of the last question, and how many its cell had asked before it.
    _asked: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.use(self.config)

    def use(self, config: GlmConfig) -> None:
        """Take *config* for the settings from now on."""
        self.close()
        self.config = config
        config.observe(lambda _: self.close(), list(_CONNECTION))

    def close(self) -> None:
        """Let go of all providers; the next question makes them anew."""
        providers, self._providers = self._providers, {}
        for provider in providers.values():
            background.start(provider.aclose())

    def resolve(self, model: str | None) -> tuple[str, str, str]:
        """Return provider, model ("" for its default) and why, for what `-m` says.

        A bare name is a model of the current provider.
        """
        setting = self.config.model
        current, default = split_name("" if setting == "auto" else setting)
        named, wanted = split_name(model or "")
        if named:
            return named, wanted, "-m names it"
        why = f"GlmConfig.model is {setting}"
        if not current:
            choice = choose(self.config.base_url)
            current, why = choice.provider, choice.why
        return (current, wanted, "-m names the model") if model else (current, default, why)

    def provider(self, model: str | None = None) -> Provider:
        """Return the provider that answers for *model*, the same one as long as nothing changes."""
        name, wanted, _ = self.resolve(model)
        if (name, wanted) not in self._providers:
            self._providers[name, wanted] = self.make(name, wanted)
        return self._providers[name, wanted]

    def known(self, label: str) -> Conversation:
        """Return the conversation *label*, which must have been begun. Raises ConfigError."""
        name = label or DEFAULT_LABEL
        if name not in self.conversations:
            have = ", ".join(self.conversations) or "none yet"
            raise ConfigError(f"there is no conversation {name!r}.", remedy=f"There are: {have}.")
        return self.conversations[name]

    def key_place(self, preset: Preset) -> str:
        """Return where the key of a provider comes from, never the key."""
        if not preset.keys:
            return "none needed"
        _, variable = secret(preset.keys)
        return f"from {variable}" if variable else f"none; set {' or '.join(preset.keys)}"

    def cell_key(self, shell: InteractiveShell) -> str:
        """Return a name for the running question that stays when its cell is run again, or "".

        JupyterLab and Notebook send the cell's id along; terminals have none.
        """
        kernel = getattr(shell, "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
        cell = (parent or {}).get("metadata", {}).get("cellId", "")
        count = self._asked[1] + 1 if self._asked[0] == shell.execution_count else 0
        self._asked = (shell.execution_count, count)
        return f"{cell}#{count}" if cell else ""

    def make(self, name: str, model: str, clocks: Clocks | None = None) -> Provider:
        """Return a new provider with the settings, or with other *clocks*. Raises ConfigError."""
        config = self.config
        patience = (config.connect_timeout, config.first_event_timeout, config.idle_timeout)
        addresses = {"openai": config.base_url, "chatglm": config.chatglm_url}
        if name == "local":
            model = model or config.local_model
        return make_provider(
            f"{name}/{model}" if model else name,
            base_url=addresses.get(name) or None,
            proxy=config.proxy or None,
            clocks=clocks or Clocks(*patience),
            retries=config.retries,
        )

    def conversation(self, label: str, model: str | None = None) -> Conversation:
        """Return the conversation *label*, made when it is new, with the provider for *model*."""
        label = label or DEFAULT_LABEL
        provider = self.provider(model)
        if label not in self.conversations:
            self.conversations[label] = self.new_conversation(label, provider)
        conversation = self.conversations[label]
        conversation.provider = provider
        conversation.context_tokens = self.config.context_tokens
        return conversation

    def draft(self, label: str, model: str | None = None) -> Conversation:
        """Return what `conversation` would, as a copy that can be changed without a trace."""
        provider = self.provider(model)
        real = self.conversations.get(label or DEFAULT_LABEL)
        if real is None:
            return self.new_conversation(label or DEFAULT_LABEL, provider)
        draft = real.fork(real.label)
        draft.reply, draft.is_unanswered = real.reply, real.is_unanswered
        draft.provider = provider
        draft.conversation_id = real.conversation_id if real.provider is provider else None
        return draft

    def new_conversation(self, label: str, provider: Provider) -> Conversation:
        """Return an empty conversation that nothing refers to yet."""
        return Conversation(
            provider,
            system=self.config.system or None,
            label=label,
            context_tokens=self.config.context_tokens,
        )


_shared: list[State] = []


def shared() -> State:
    """Return the one state of this process, with the settings that are in force.

    Conversations outlive a reload of the extension.
    """
    if not _shared:
        _shared.append(State(current()))
    elif _shared[0].config is not current():
        _shared[0].use(current())
    return _shared[0]
