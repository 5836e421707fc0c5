"""What `%glmcmd` can do besides asking."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..config import environment, path_of
from ..errors import ConfigError, GlmError, Interrupted, tidy
from ..loop import background, run_sync
from ..messages import Usage
from ..providers import models_dir, presets
from ..redact import redact
from ..saving import load, save
from ..show.terminal import clean
from ..state import DEFAULT_LABEL, State
from .flags import split_value


def run(state: State, line: str) -> None:
    """Carry out one `%glmcmd` line. Raises ConfigError for an unknown command."""
    name, rest = _split(line)
    command = COMMANDS.get(name or "status")
    if command is None:
        raise ConfigError(
            f"%glmcmd has no command {name!r}.", remedy=f"There are {', '.join(COMMANDS)}."
        )
    try:
        command(state, rest)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(f"%glmcmd {name or 'status'} was stopped.") from interrupt


def status(state: State, _: str = "") -> None:
    """Say who answers and why, where the key is, what was said, and where help is."""
    from importlib.metadata import version  # 30 ms, for this line only

    name, model, why = state.resolve(None)
    preset = presets()[name]
    conversation = state.conversations.get(DEFAULT_LABEL)
    count = len(conversation.exchanges) if conversation else 0
    others = [label for label in state.conversations if label != DEFAULT_LABEL]
    also = f"; also {', '.join(others)}" if others else ""
    model = model or preset.model or _first_model(state)
    _print(
        f"glm_magic {version('glm_magic')}",
        f"answers: {name}, {model} ({why})",
        f"key: {state.key_place(preset)}",
        f"conversation: {DEFAULT_LABEL}, {_questions(count)}{also}",
        "help: %glm? · settings: %config GlmConfig · more: %glmcmd models, history, undo, save …",
    )


def _first_model(state: State) -> str:
    try:
        return state.provider().model or "the first model it lists"
    except GlmError as error:  # the status tells what is wrong and is never an error itself
        return str(error)


def models(state: State, wanted: str) -> None:
    """List the models of a provider, or of the current one."""
    provider = state.provider(wanted or None)
    names = run_sync(provider.models())
    if not names:
        _print(f"{provider.name} ({provider.host}) does not list its models")
        return
    marked = (
        (f"{'*' if name == provider.model else ' '} {provider.name}/{name}") for name in names
    )
    _print(*marked, with_words=False)


def reset(state: State, label: str) -> None:
    """Forget a conversation; undo brings it back."""
    conversation = state.known(label)
    count = len(conversation.exchanges)
    conversation.clear()
    named = "" if conversation.label == DEFAULT_LABEL else f" {conversation.label}"
    forgot = f"{conversation.label}: forgot {_questions(count)}"
    _print(f"{forgot}; %glmcmd undo{named} brings them back")


def history(state: State, label: str) -> None:
    """Show what was asked and answered."""
    conversation = state.known(label)
    for number, exchange in enumerate(conversation.exchanges, 1):
        said = (f"[{number}] {exchange.question.content}", exchange.answer.content, "")
        _print(*said, with_words=False)
    if not conversation.exchanges:
        _print(f"{conversation.label}: nothing was asked yet")


def undo(state: State, label: str) -> None:
    """Take back the last question and answer, or a reset."""
    conversation = state.known(label)
    before = len(conversation.exchanges)
    if not conversation.undo():
        _print(f"{conversation.label}: there is nothing to take back")
        return
    after = len(conversation.exchanges)
    is_one = after == before - 1
    change = "took back the last question" if is_one else "brought back what was before"
    _print(f"{conversation.label}: {change}; {_questions(after)} now")


def usage(state: State, _: str) -> None:
    """Count the tokens spent, by conversation."""
    total = Usage()
    for label, conversation in state.conversations.items():
        total = total + conversation.usage
        _print(f"{label}: {_tokens(conversation.usage)}")
    _print(f"together: {_tokens(total)}")


def save_to(state: State, line: str) -> None:
    """Write a conversation to a file: save FILE [LABEL]."""
    path, label = _file_and_label("save", line)
    conversation = state.known(label)
    save(conversation, path)
    _print(f"{conversation.label}: {_questions(len(conversation.exchanges))} saved to {path}")


def load_from(state: State, line: str) -> None:
    """Read a conversation from a file: load FILE [LABEL]."""
    path, label = _file_and_label("load", line)
    loaded = load(path, state.provider())
    label = label or loaded.label or DEFAULT_LABEL
    state.conversation(label).become(loaded)
    count = _questions(len(loaded.exchanges))
    named = "" if label == DEFAULT_LABEL else f" {label}"
    _print(f"{label}: {count} loaded from {path}; %glmcmd undo{named} takes it back")


def _file_and_label(command: str, line: str) -> tuple[Path, str]:
    """Read the rest of a line; quotes hold together a name with blanks."""
    name, label = split_value(line)
    if not name:
        what = f"{command} needs a file name."
        raise ConfigError(what, remedy=f"%glmcmd {command} talk.json")
    return path_of(name), split_value(label)[0]


def pull_model(state: State, what: str) -> None:
    """Fetch a model for the provider local: the small one, or org/repo/file.gguf."""
    from ..providers.models import pull  # its imports are for downloads only

    began = last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.2 or done == total:  # noqa: PLR2004, five times a second
            last = now
            share = f"{100 * done // total} % of " if total else ""
            print(f"\r{share}{max(done, total) / 1e6:.0f} MB", end="", flush=True)

    path = pull(what, directory=models_dir(), progress=show)
    print()
    _print(f"{path.name} is ready after {time.monotonic() - began:.0f} s: %glm -m local …")


def doctor(state: State, wanted: str) -> None:
    """Check the way to a provider, or to the current one: a line for each thing looked at."""
    from ..doctor import examine  # aiohttp: 100 ms that only a request needs

    right, wrong, unsure, remedy = "✓✗–→" if _takes_marks(state) else ("ok", "!!", "--", "->")
    marks = {"right": right, "wrong": wrong, "open": unsure}
    for batch in background.iterate(examine(state, wanted)):
        for check in batch:
            _print(f"{marks[check.verdict]} {check.name:<9}{_in_a_line(check.finding)}")
            if check.remedy:
                _print(f"{' ' * len(right)} {remedy:<9}{_in_a_line(check.remedy)}")


def _in_a_line(text: str) -> str:
    """Return *text*, in which a server may have its say, so that it is no line of its own."""
    return " ".join(tidy(text, 200).split())


def _takes_marks(state: State) -> bool:
    if state.config.render == "plain" or environment("TERM") == "dumb":
        return False
    try:
        "✓✗–→".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeError:
        return False
    return True


def _split(line: str) -> tuple[str, str]:
    name, *rest = line.split(None, 1) or [""]
    return name, rest[0].strip() if rest else ""


def _questions(count: int) -> str:
    return "1 question" if count == 1 else f"{count} questions"


def _tokens(spent: Usage) -> str:
    parts = (spent.prompt_tokens, "in"), (spent.completion_tokens, "out")
    return ", ".join(f"{'unknown' if n is None else n} tokens {way}" for n, way in parts)


def _print(*lines: str, with_words: bool = True) -> None:
    print(_for_stdout(clean(redact("\n".join(lines), with_words=with_words))))


def _for_stdout(text: str) -> str:
    """Return *text* with a `?` for each character that the output cannot take."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


COMMANDS: dict[str, Callable[[State, str], None]] = {
    "status": status,
    "models": models,
    "reset": reset,
    "history": history,
    "undo": undo,
    "usage": usage,
    "save": save_to,
    "load": load_from,
    "pull": pull_model,
    "doctor": doctor,
}
