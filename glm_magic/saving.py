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
#: How each file begins.
_HEAD = b'{\n "glm_magic": '


def save(conversation: Conversation, path: Path) -> None:
    """Write *conversation* to *path*, where nothing or an older one is; keys in it are masked.

    As on screen, a short word that stands for a key is a word. Raises
    ConfigError when the file cannot be written, or is something else; what was
    there is then untouched.
    """
    text = json.dumps(_state(conversation), ensure_ascii=False, indent=1)
    try:
        target = Path(os.path.realpath(path))  # a link stays, and leads to what was saved
        _check_old(path, target)
        _write(target, text.encode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        what = f"{path} could not be written ({_reason(error)})"
        raise ConfigError(what, remedy="Name another file.") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


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


def _check_old(path: Path, target: Path) -> None:
    """Raise ConfigError when saving would take away something that was not saved here."""
    if not target.exists():
        return
    _check_kind(path, target)
    with target.open("rb") as file:
        head = file.read(len(_HEAD))
    if head not in (b"", _HEAD):
        what = f"{path} is another file, and was not replaced"
        raise ConfigError(what, remedy="Name another file, or delete that one.")


def _check_kind(path: Path, target: Path) -> None:
    if target.exists() and not target.is_file():  # to a device or a pipe, a rename is the end
        raise ConfigError(f"{path} is no regular file", remedy="Name another file.")


def _write(path: Path, data: bytes) -> None:
    # mkstemp makes the file with mode 0600; the rename is what makes it appear whole.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".glm_magic-")
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
        _check_kind(path, path)
        return _read(json.loads(path.read_text("utf-8")), provider)
    except OSError as error:
        what = f"{path} could not be read ({_reason(error)})"
        raise ConfigError(what, remedy="Check the name.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"{path} is not a conversation saved by glm_magic, or it is damaged"
        raise ConfigError(what, remedy="Save it again with %glmcmd save FILE.") from error


def _read(state: dict[str, Any], provider: Provider) -> Conversation:
    if state["glm_magic"] != VERSION:
        msg = "another version"
        raise ValueError(msg)
    system, label = _text(state["system"] or ""), _text(state["label"] or "")
    conversation = Conversation(provider, system=system or None, label=label or None)
    conversation.exchanges = tuple(
        Exchange(_message(each["question"], "user"), _message(each["answer"], "assistant"))
        for each in _list(state["exchanges"])
    )
    far_id = _text(state["conversation_id"] or "")
    if state["provider"] == provider.name:
        conversation.conversation_id = far_id or None
    return conversation


def _message(state: dict[str, Any], role: str) -> Message:
    if state["role"] != role:
        msg = f"no message of the {role}"
        raise ValueError(msg)
    images = tuple(map(_text, _list(state["images"])))
    calls = tuple(_call(**call) for call in _list(state["tool_calls"]))
    for name in ("content", "reasoning", "tool_call_id"):
        _text(state[name])
    return Message(**{**state, "images": images, "tool_calls": calls})


def _call(**fields: object) -> ToolCall:
    return ToolCall(**{name: _text(value) for name, value in fields.items()})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value
