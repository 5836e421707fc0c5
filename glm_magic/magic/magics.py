"""`%glm`, `%%glm` and `%glmcmd`, as thin as they can be, and their coming and going."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from threading import Thread
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from traitlets import TraitError
from traitlets.config import Config

from ..config import GlmConfig, current
from ..errors import GlmError
from ..keys import refuse
from ..redact import redact
from .guard import guard, unguard
from .transform import cleanup

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Configurable

    from ..messages import Reply
    from ..state import State

#: What our completer is called, to find it again.
_MATCHER = "glm_matcher"
#: The event of IPython after which we warm up.
_CELL_DONE = "post_run_cell"


def _help() -> str:
    from .flags import help_text  # see `GlmMagics.state`

    return help_text()


@magics_class
class GlmMagics(Magics):
    """The magics of one shell, with the state they share."""

    def __init__(self, shell: InteractiveShell, settings: GlmConfig) -> None:
        super().__init__(shell)
        self.settings = settings

    @cached_property
    def state(self) -> State:
        """Providers and conversations, from the first question on."""
        from ..state import shared  # what is imported here is not paid for at load time

        return shared()

    def warm_up(self, _result: object) -> None:
        """Import what the first question needs while the user types it; once, after a cell."""
        assert self.shell is not None  # noqa: S101, see `glm`
        self.shell.events.unregister(_CELL_DONE, self.warm_up)
        Thread(target=_import_stack, name="glm_magic warm-up", daemon=True).start()

    @needs_local_scope
    @no_var_expand
    @line_cell_magic
    def glm(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Reply | None:
        """Ask a GLM model (the help that users see is made from the flags)."""
        assert self.shell is not None  # noqa: S101, magics are always made for a shell
        refuse(line, cell or "")
        if cell is None and not line.strip():
            from .commands import status  # see `state`

            status(self.state)
            return None
        from .cell import ask  # see `state`
        from .flags import parse

        names = {**self.shell.user_ns, **(local_ns or {})}
        return ask(self.state, self.shell, parse(line).with_body(cell or ""), names)

    glm.getdoc = _help  # type: ignore[union-attr]  # IPython asks it before the docstring

    @no_var_expand
    @line_magic
    def glmcmd(self, line: str) -> None:
        """Look after conversations and models.

        %glmcmd status                  who answers, and why
        %glmcmd models [PROVIDER]       what models there are
        %glmcmd reset [LABEL]           forget a conversation; undo brings it back
        %glmcmd history [LABEL]         what was asked and answered
        %glmcmd undo [LABEL]            take back the last question, or a reset
        %glmcmd usage                   tokens spent
        %glmcmd save FILE [LABEL]       write a conversation to a file
        %glmcmd load FILE [LABEL]       read it back
        %glmcmd pull [ORG/REPO/FILE]    fetch a model for the provider local
        %glmcmd doctor [PROVIDER]       check key, network, server, model and versions
        """
        refuse(line)
        from .commands import run  # see `state`

        run(self.state, line)


def load(shell: InteractiveShell) -> None:
    """Give *shell* the magics, `%config GlmConfig`, completion and the `?` transform."""
    if _loaded(shell) is not None:
        return
    _forget_refused(shell)
    config = current(GlmConfig(parent=shell))
    config.observe(_set_traceback, "full_traceback")
    magics = GlmMagics(shell, config)
    configurables: list[Any] = shell.configurables  # typed too narrowly there
    configurables.append(config)
    shell.register_magics(magics)
    shell.events.register(_CELL_DONE, magics.warm_up)
    shell.input_transformers_cleanup.append(cleanup)
    guard(shell.history_manager)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(_matcher(magics))


def _forget_refused(shell: InteractiveShell) -> None:
    """Take out what `%config` or a file says that no setting takes: loading would fail on it."""
    section = shell.config.get("GlmConfig", {})
    if not section:  # as nearly always
        return
    trial = GlmConfig(config=Config())
    for name, value in dict(section).items():
        try:
            setattr(trial, name, value)
        except TraitError as error:
            del section[name]
            print(f"GlmConfig.{name} was left as it is: {redact(str(error))}")


def unload(shell: InteractiveShell) -> None:
    """Take away everything `load` gave; conversations stay until the process ends."""
    magics = _loaded(shell)
    if magics is None:
        return
    with suppress(ValueError):  # it has warmed up
        shell.events.unregister(_CELL_DONE, magics.warm_up)
    if "state" in vars(magics):
        magics.state.close()
    for kind, name in (("line", "glm"), ("cell", "glm"), ("line", "glmcmd")):
        shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(type(magics).__name__, None)
    ours: tuple[Configurable, ...] = (magics, magics.settings)
    shell.configurables[:] = [item for item in shell.configurables if item not in ours]
    unguard(shell.history_manager)
    if cleanup in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(cleanup)
    if shell.Completer is not None:
        matchers = shell.Completer.custom_matchers
        matchers[:] = [m for m in matchers if getattr(m, "__name__", "") != _MATCHER]


def _import_stack() -> None:
    # What fails here fails again, and is shown, when a question needs it.
    with suppress(Exception):
        from ..providers import openai  # noqa: F401, aiohttp: 130 ms
        from . import cell  # noqa: F401


def _matcher(magics: GlmMagics) -> Callable[[CompletionContext], SimpleMatcherResult]:
    from IPython.core.completer import context_matcher  # has no types

    def glm_matcher(context: CompletionContext) -> SimpleMatcherResult:
        from .completion import complete  # see `GlmMagics.state`

        return complete(magics.state, context)

    matcher: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher()(glm_matcher)
    return matcher


def _loaded(shell: InteractiveShell) -> GlmMagics | None:
    return next((item for item in shell.configurables if isinstance(item, GlmMagics)), None)


def _set_traceback(change: dict[str, object]) -> None:
    GlmError.full_traceback = bool(change["new"])
