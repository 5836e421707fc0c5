"""Conversations as files: JSON, written whole or not at all, readable by their owner only."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .conversation import Conversation
from .errors import ConfigError
from .history import Exchange, masked
from .messages import Message, ToolCall
from .providers.base import Provider
from .redact import has_key, redact

VERSION = 1


def save(conversation: Conversation, path: Path) -> None:
    """Write *conversation* to *path*, replacing what is there; keys in its texts are masked.

    As on screen, a short word that stands for a key is a word. Raises
    ConfigError when the file cannot be written; the old one is then untouched.
    """
    text = json.dumps(_state(conversation), ensure_ascii=False, indent=1)
    try:
        _write(path, text.encode("utf-8", "replace"))
    except OSError as error:
        what = f"{path} could not be written ({error.strerror})"
        raise ConfigError(what, remedy="Name another file.") from error


def _state(conversation: Conversation) -> dict[str, Any]:
    far_id = conversation.conversation_id or ""
    return {
        "glm_magic": VERSION,
        "label": _masked(conversation.label),
        "provider": conversation.provider.name,
        "model": _masked(conversation.provider.model),
        "system": _masked(conversation.system),
        "conversation_id": None if has_key(far_id) else far_id or None,
        "exchanges": [
            {"question": asdict(masked(e.question)), "answer": asdict(masked(e.answer))}
            for e in conversation.exchanges
        ],
    }


def _masked(text: str | None) -> str | None:
    return text and redact(text, with_words=False)


def _write(path: Path, data: bytes) -> None:
    # mkstemp makes the file with mode 0600; the rename is what makes it appear whole.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Path, provider: Provider) -> Conversation:
    """Return the conversation saved at *path*, to go on with *provider*.

    Raises ConfigError when the file is not there or not one of ours.
    """
    try:
        state = json.loads(path.read_text("utf-8"))
        return _read(state, provider)
    except OSError as error:
        what = f"{path} could not be read ({error.strerror})"
        raise ConfigError(what, remedy="Check the name.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"{path} is not a conversation saved by glm_magic, or it is damaged"
        raise ConfigError(what, remedy="Save it again with %glmcmd save FILE.") from error


def _read(state: dict[str, Any], provider: Provider) -> Conversation:
    if state["glm_magic"] != VERSION:
        msg = "another version"
        raise ValueError(msg)
    conversation = Conversation(provider, system=state["system"], label=state["label"])
    conversation.exchanges = tuple(
        Exchange(_message(e["question"]), _message(e["answer"])) for e in state["exchanges"]
    )
    if state["provider"] == provider.name:
        conversation.conversation_id = state["conversation_id"]
    return conversation


def _message(state: dict[str, Any]) -> Message:
    if not isinstance(state["content"], str) or state["role"] not in ("user", "assistant"):
        msg = "no message"
        raise TypeError(msg)
    calls = tuple(ToolCall(**call) for call in state["tool_calls"])
    return Message(**{**state, "images": tuple(state["images"]), "tool_calls": calls})
