"""GLM models in the notebook: `%load_ext glm_magic`, then `%glm` and `%%glm`.

This module imports nothing until a name is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .conversation import Conversation
    from .errors import (
        AuthenticationError,
        ConfigError,
        FilterError,
        GlmError,
        ModelError,
        NetworkError,
        OverloadError,
        PromptError,
        ProtocolError,
        ProviderError,
        QuotaError,
        RateLimitError,
        StatusError,
    )
    from .loop import run_sync
    from .messages import Delta, FinishReason, Message, Reply, ToolCall, Usage
    from .panel.widget import ChatPanel
    from .providers import make_provider
    from .providers.base import Clocks, Options, Provider
    from .providers.chatglm import ChatGLM

__version__ = "0.1.0"

_HOMES = {
    "conversation": "Conversation",
    "errors": "AuthenticationError ConfigError FilterError GlmError ModelError NetworkError "
    "OverloadError PromptError ProtocolError ProviderError QuotaError RateLimitError StatusError",
    "loop": "run_sync",
    "messages": "Delta FinishReason Message Reply ToolCall Usage",
    "providers": "make_provider",
    "providers.base": "Clocks Options Provider",
    "panel.widget": "ChatPanel",
    "providers.chatglm": "ChatGLM",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AuthenticationError",
    "ChatGLM",
    "ChatPanel",
    "Clocks",
    "ConfigError",
    "Conversation",
    "Delta",
    "FilterError",
    "FinishReason",
    "GlmError",
    "Message",
    "ModelError",
    "NetworkError",
    "Options",
    "OverloadError",
    "PromptError",
    "ProtocolError",
    "Provider",
    "ProviderError",
    "QuotaError",
    "RateLimitError",
    "Reply",
    "StatusError",
    "ToolCall",
    "Usage",
    "make_provider",
    "run_sync",
]


def __getattr__(name: str) -> object:
    """Import the public *name* at its first use (PEP 562)."""
    if name not in _HOME_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give *shell* the magics; called by `%load_ext glm_magic`."""
    from .magic import magics  # needs IPython, which the rest of the package does not
    from .panel import magics as panel

    magics.load(shell)
    panel.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away again; called by `%unload_ext glm_magic`."""
    from .magic import magics
    from .panel import magics as panel

    panel.unload(shell)
    magics.unload(shell)
