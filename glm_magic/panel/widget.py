"""The chat panel as an anywidget: what the desk says goes to the browser, and back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
from IPython.core.getipython import get_ipython
from IPython.display import publish_display_data

from ..conversation import Conversation
from ..state import shared
from .desk import Desk
from .export import StandIn
from .items import JSON

_HERE = Path(__file__).parent


class ChatPanel(anywidget.AnyWidget):
    """A chat panel in the output of a cell.

    It shows the conversation *label*, the same one that `%glm -l label` goes on
    with, and asks *model*; without them the ones `%glm` would take. Below it
    stands the transcript, which stays readable where no kernel runs. `close`
    stops its answer.
    """

    _esm = _HERE / "panel.js"
    _css = _HERE / "panel.css"

    def __init__(self, label: str | None = None, model: str | None = None) -> None:
        super().__init__()
        self._stand_in = StandIn()
        self._stand_in_id = uuid.uuid4().hex
        self._is_shown = False
        self._desk = Desk(
            shared(),
            self._tell,
            label=label or "",
            model=model or "",
            namespace=_namespace,
            keep=self._keep,
        )
        self.on_msg(lambda _, content, __: self._desk.receive(content))

    def close(self) -> None:
        """Stop its answer and take the panel away."""
        self._desk.close()
        super().close()

    def _tell(self, message: JSON) -> None:
        """Send *message* to the views, from any thread."""
        self.send(message)
        # ipykernel 7.4 takes what views say wherever the comm spoke last, which is the main shell;
        # without this, JupyterLab's own choice holds: a subshell, which a running cell leaves free.
        self.comm.__dict__.pop("_reply_subshell_id", None)

    def _ipython_display_(self) -> None:
        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        publish_display_data(data or {}, metadata)
        # Where the widget cannot be shown, front ends do not fall back within one output.
        self._publish("", update=self._is_shown)
        self._is_shown = True

    def _keep(self, conversation: Conversation) -> None:
        if self._is_shown:
            text = self._stand_in.write(conversation.exchanges, conversation.label or "")
            self._publish(text, update=True)

    def _publish(self, markdown: str, *, update: bool) -> None:
        publish_display_data(
            {"text/markdown": markdown, "text/plain": ""},
            transient={"display_id": self._stand_in_id},
            update=update,
        )


def _namespace() -> Mapping[str, Any]:
    shell = get_ipython()
    return shell.user_ns if shell is not None else {}
