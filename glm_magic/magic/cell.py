"""One question from a cell: fill it, ask it, show the answer while it grows, return it."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..conversation import Conversation
from ..errors import ConfigError, Interrupted, NetworkError
from ..history import check
from ..loop import background
from ..messages import Delta, Reply
from ..prompt import Filled, fill
from ..providers.base import Options
from ..show.remarks import receipt, request_text
from ..show.views import FinalView, Render, SilentView, View, choose_view
from ..state import DEFAULT_LABEL, State
from .flags import Arguments, quoted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def ask(
    state: State, shell: InteractiveShell, arguments: Arguments, names: Mapping[str, Any]
) -> Reply | None:
    """Carry out what one `%glm` says and return the reply; None for `--dry`.

    *names* are the variables where it stands. Raises GlmError, and Interrupted
    (a KeyboardInterrupt) when the user stops it; what had come by then is on
    screen and in the conversation.
    """
    filled = Filled(arguments.text) if arguments.raw else _filled(arguments.text, names)
    _check_use(state, arguments, filled)
    options = _options(state, arguments)
    cell = state.cell_key(shell)
    if arguments.dry:
        print(_request(_draft(state, arguments), filled, options, cell, arguments))
        return None
    conversation = _conversation(state, arguments)
    check(filled.text, arguments.system or conversation.system or "")
    reply = Reply()
    if arguments.go_on:
        deltas = conversation.go_on(options=options, reply=reply)
    else:
        deltas = conversation.stream(
            filled.text, images=filled.images, options=options, reply=reply, cell=cell
        )
    _set_up(conversation, arguments)
    view = _view(state, shell, arguments)

    def conclude() -> None:
        reply.way_on = _way_on(conversation, arguments, reply)
        digest = hashlib.sha256(filled.text.encode("utf-8", "replace")).hexdigest()
        _finish(view, reply, receipt(reply, digest))

    try:
        _watch(deltas, reply, view, arguments.timeout, conclude)
    finally:
        reply.is_shown = partial(_is_shown, shell, shell.execution_count)
        if arguments.out and (reply.has_text or reply.done):
            shell.user_ns[arguments.out] = reply
    return reply


def _filled(text: str, names: Mapping[str, Any]) -> Filled:
    try:
        return fill(text, names)
    except KeyboardInterrupt as interrupt:
        what = "Stopped while a {{…}} was evaluated; nothing was sent."
        raise Interrupted(what) from interrupt


def _check_use(state: State, arguments: Arguments, filled: Filled) -> None:
    """Raise ConfigError, before anything is done, when the line makes no sense."""
    if not arguments.go_on:
        if not filled.text.strip():
            raise ConfigError("there is no question.", remedy="%glm your question")
    elif filled.text.strip():
        what = "--continue goes on with the last answer and takes no question."
        raise ConfigError(what, remedy="Leave --continue out to ask it.")
    elif arguments.new or arguments.once:
        what = "--continue goes on with what was said, which -n and --once leave out."
        raise ConfigError(what, remedy="Leave one of them out.")
    elif arguments.label:
        state.known(arguments.label)


def _is_shown(shell: InteractiveShell, count: int) -> bool:
    """Whether the cell *count*, which showed a reply, still runs; takes a terminal's label away.

    IPython writes `Out[n]:` before it asks the value how to show itself, and
    here nothing will follow it.
    """
    if shell.execution_count != count:
        return False
    if not hasattr(shell, "kernel") and sys.stdout.isatty():
        sys.stdout.write("\r\x1b[2K")
    return True


def _watch(
    deltas: AsyncGenerator[Delta, None],
    reply: Reply,
    view: View,
    timeout: float | None,
    conclude: Callable[[], None],
) -> None:
    """Let *view* follow *reply* while the background loop fills it, and *conclude* in any case."""
    is_late = False
    try:
        is_late = _follow(deltas, reply, view, timeout)
    except (KeyboardInterrupt, CancelledError) as interrupt:  # Stop here, or in a panel
        reply.finish("cancelled")
        raise Interrupted(_stopped(reply)) from interrupt
    finally:
        conclude()
    if is_late:
        raise _too_long(timeout or 0, reply)


def _follow(
    deltas: AsyncGenerator[Delta, None], reply: Reply, view: View, timeout: float | None
) -> bool:
    """Show what comes; return whether it took longer than *timeout*, and was stopped."""
    end = None if timeout is None else time.monotonic() + timeout
    with closing(background.iterate(deltas)) as batches:
        for _ in batches:
            view.update(reply)
            if end is not None and time.monotonic() > end and not reply.done:
                return True
    return False


def _finish(view: View, reply: Reply, receipt: dict[str, object]) -> None:
    """Have *view* show the whole reply, even when Stop comes just then."""
    try:
        view.finish(reply, receipt)
    except KeyboardInterrupt as interrupt:
        view.finish(reply, receipt)
        raise Interrupted(_stopped(reply)) from interrupt


def _stopped(reply: Reply) -> str:
    return f"Stopped after {reply.elapsed:.1f} s; {_kept(reply)}."


def _too_long(seconds: float, reply: Reply) -> NetworkError:
    what = f"stopped after {seconds:g} s, as --timeout says; {_kept(reply)}"
    remedy = f"`{reply.way_on}` goes on." if reply.way_on else "Ask again with a longer --timeout."
    error = NetworkError(what, remedy=remedy, host=reply.host)
    error.partial = reply
    return error


def _kept(reply: Reply) -> str:
    if reply.has_text:
        return "the text so far is kept"
    return "only thinking had come" if reply.has_words else "nothing had come yet"


def _way_on(conversation: Conversation, arguments: Arguments, reply: Reply) -> str:
    """Return the command that goes on with *reply*, which has ended, or ""."""
    newest = conversation.newest
    # What `--continue` asked for is joined to the newest answer, or leaves that as it is.
    is_newest = newest is not None and newest.reply is reply
    if arguments.once or not (arguments.go_on or is_newest):
        return ""
    label = conversation.label or DEFAULT_LABEL
    named = "" if label == DEFAULT_LABEL else f"-l {quoted(label)} "
    return f"%glm {named}--continue"


def _conversation(state: State, arguments: Arguments) -> Conversation:
    if arguments.once:
        return state.new_conversation("", state.provider(arguments.model))
    return state.conversation(arguments.label, arguments.model)


def _draft(state: State, arguments: Arguments) -> Conversation:
    """Return a copy of the conversation as the question would find it."""
    if arguments.once:
        draft = _conversation(state, arguments)
    else:
        draft = state.draft(arguments.label, arguments.model)
    _set_up(draft, arguments)
    return draft


def _set_up(conversation: Conversation, arguments: Arguments) -> None:
    if arguments.new:
        conversation.clear()
    if arguments.system is not None:
        conversation.system = arguments.system


def _options(state: State, arguments: Arguments) -> Options:
    config = state.config
    return Options(
        temperature=_first(arguments.temperature, config.temperature),
        max_tokens=_first(arguments.max_tokens, config.max_tokens),
        think=_first(arguments.think, config.think),
        extra=arguments.params,
    )


def _first(given: Any, default: Any) -> Any:
    return default if given is None else given


def _view(state: State, shell: InteractiveShell, arguments: Arguments) -> View:
    if arguments.quiet:
        return SilentView()
    view = choose_view(
        cast("Render", state.config.render),  # traitlets types an Enum as text
        is_kernel=hasattr(shell, "kernel"),
        show_reasoning=state.config.show_reasoning,
        show_footer=state.config.show_footer,
    )
    return view if arguments.stream else FinalView(view)


def _request(
    draft: Conversation, filled: Filled, options: Options, cell: str, arguments: Arguments
) -> str:
    """Return as text what would be sent."""
    if arguments.go_on:
        messages = draft.preview_go_on()
    else:
        messages = draft.preview(filled.text, filled.images, cell)
    is_again = any(cell and each.cell == cell for each in draft.exchanges)
    far_id = None if is_again else draft.conversation_id
    request = draft.provider.prepare(messages, options=options, conversation_id=far_id)
    return request_text(request)
