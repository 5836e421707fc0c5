"""What a view can ask of the desk: one small function an operation, by the name in the message."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..errors import ConfigError, GlmError
from ..keys import refuse_text
from ..prompt import Filled
from ..providers import presets
from ..show.remarks import request_text
from ..wire.think import whole
from .export import to_markdown, to_notebook
from .items import JSON

if TYPE_CHECKING:
    from .desk import Desk

#: The most names that are offered for one `{{`.
MOST_NAMES = 50

_HOLE = re.compile(r"\{\{\s*([\w.]*)$")

Operation = Callable[["Desk", JSON, Filled], "object | Awaitable[object]"]


def sync(desk: Desk, message: JSON, _: Filled) -> None:
    """Tell a view everything."""
    desk.flush()
    desk.send_state(str(message.get("view", "")))


def send(desk: Desk, _: JSON, filled: Filled) -> None:
    """Ask a question."""
    if not filled.text.strip():
        raise ConfigError("there is nothing to send.")
    desk.ask(filled)


def stop(desk: Desk, _: JSON, __: Filled) -> None:
    """Stop the answer, whoever asked for it."""
    desk.conversation.stop()


def retry(desk: Desk, _: JSON, __: Filled) -> None:
    """Ask the last question again."""
    exchanges = desk.conversation.exchanges
    question = desk.failure.question if desk.failure else exchanges and exchanges[-1].question
    if not question:
        raise ConfigError("there is no question to ask again.")
    desk.ask(Filled(question.content, question.images), instead=question)


def edit(desk: Desk, message: JSON, filled: Filled) -> None:
    """Ask an edited question in the place of the old one; what came after it goes."""
    question = desk.items.question(str(message.get("item")))
    if question is None:
        raise ConfigError("this question is gone.")
    desk.ask(filled, instead=question)


def go_on(desk: Desk, _: JSON, __: Filled) -> None:
    """Ask for the rest of the last answer."""
    desk.go_on()


def undo(desk: Desk, _: JSON, __: Filled) -> None:
    """Take back the last change."""
    desk.check_idle()
    if desk.failure is not None:
        desk.failure = None
        desk.conversation.is_unanswered = False
    elif not desk.conversation.undo():
        raise ConfigError("there is nothing to take back.")


def clear(desk: Desk, _: JSON, __: Filled) -> None:
    """Forget what was said; undo brings it back."""
    desk.check_idle()
    desk.failure = None
    desk.conversation.clear()


def set_(desk: Desk, message: JSON, _: Filled) -> None:
    """Change a setting of the panel."""
    setter = SETTERS.get(str(message.get("name")))
    if setter is None:
        raise ConfigError(f"the panel has no setting {message.get('name')!r}.")
    value = message.get("value")
    setter(desk, "" if value is None else whole(str(value).strip()))
    desk.send_state("")


def _set_model(desk: Desk, value: str) -> None:
    desk.state.provider(value or None)  # raises for a name that cannot be used
    desk.model = value
    if not desk.conversation.answering:
        desk.get_ready()


def _set_label(desk: Desk, value: str) -> None:
    refuse_text(value, "in this name")
    desk.attach(value)


def _set_system(desk: Desk, value: str) -> None:
    refuse_text(value, "in this prompt")
    desk.conversation.system = value or None


def _set_think(desk: Desk, value: str) -> None:
    if value not in ("", "off", "low", "high", "max"):
        raise ConfigError(f"thinking is off, low, high or max, not {value!r}.")
    desk.think = value


def _set_temperature(desk: Desk, value: str) -> None:
    try:
        number = float(value) if value else None
    except ValueError:
        number = -1.0
    if number is not None and not 0 <= number <= 2:  # noqa: PLR2004, the widest range in use
        raise ConfigError(f"a temperature is a number from 0 to 2, not {value!r}.")
    desk.temperature = number


def complete(desk: Desk, message: JSON, _: Filled) -> JSON:
    """Offer the user's variables for the `{{` in front of the cursor."""
    text = str(message.get("text", ""))[: int(message.get("cursor", 0))]
    found = _HOLE.search(text)
    if found is None:
        return {"start": len(text), "names": []}
    names = [
        {"name": name, "kind": type(value).__name__}
        for name, value in sorted(dict(desk.namespace()).items())
        if name.startswith(found[1]) and not name.startswith("_")
    ]
    return {"start": found.start(1), "names": names[:MOST_NAMES]}


def preview(desk: Desk, _: JSON, filled: Filled) -> str:
    """Show what asking would send, and send nothing."""
    conversation = desk.get_ready()
    messages = conversation.preview(filled.text, filled.images)
    request = conversation.provider.prepare(
        messages, options=desk.options(), conversation_id=conversation.conversation_id
    )
    return request_text(request)


def export(desk: Desk, message: JSON, _: Filled) -> JSON:
    """Give the conversation as Markdown or as a notebook."""
    name, exchanges = desk.conversation.label, desk.conversation.exchanges
    if message.get("kind") == "notebook":
        text, ending, mime = to_notebook(exchanges), "ipynb", "application/x-ipynb+json"
    else:
        text, ending, mime = to_markdown(exchanges), "md", "text/markdown"
    return {"name": f"{name}.{ending}", "mime": mime, "text": text}


async def models(desk: Desk, _: JSON, __: Filled) -> list[str]:
    """List what the model picker offers."""
    provider = desk.state.provider(desk.model or None)
    try:
        names = await provider.models()
    except GlmError:  # the picker then offers what is known
        names = list(presets()[provider.name].models)
    return [f"{provider.name}/{name}" for name in names]


SETTERS: dict[str, Callable[[Desk, str], None]] = {
    "model": _set_model,
    "label": _set_label,
    "system": _set_system,
    "think": _set_think,
    "temperature": _set_temperature,
}
OPERATIONS: dict[str, Operation] = {
    "sync": sync,
    "send": send,
    "stop": stop,
    "retry": retry,
    "edit": edit,
    "continue": go_on,
    "undo": undo,
    "clear": clear,
    "set": set_,
    "complete": complete,
    "preview": preview,
    "export": export,
    "models": models,
}
