"""`%glm_chat`, and its coming and going with the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from ..keys import refuse

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class PanelMagics(Magics):
    """The magic that opens a chat panel."""

    @no_var_expand
    @line_magic
    def glm_chat(self, line: str) -> None:
        """Open a chat panel below this cell.

        %glm_chat            the conversation that %glm goes on with
        %glm_chat LABEL      the conversation of %glm -l LABEL
        """
        refuse(line)
        from .widget import ChatPanel  # anywidget: 100 ms that only a panel needs

        ChatPanel(line.strip() or None)._ipython_display_()


def load(shell: InteractiveShell) -> None:
    """Give *shell* the magic."""
    shell.register_magics(PanelMagics(shell))


def unload(shell: InteractiveShell) -> None:
    """Take the magic away; panels that are open stay."""
    shell.magics_manager.magics["line"].pop("glm_chat", None)
    shell.magics_manager.registry.pop(PanelMagics.__name__, None)
    shell.configurables[:] = [
        item for item in shell.configurables if type(item).__name__ != PanelMagics.__name__
    ]
