"""Tab completion on `%glm` lines: flags, models, labels, and what a flag takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult

from ..providers import presets
from ..state import State
from .commands import COMMANDS
from .flags import BY_NAME, quoted


def complete(state: State, context: CompletionContext) -> SimpleMatcherResult:
    """Return what Tab offers at the cursor; nothing when the line is not one of ours."""
    start, names = _candidates(state, context.line_with_cursor[: context.cursor_position])
    # IPython completes the last piece of a word only: what stands before it is there already.
    there = len(start) - len(context.token) if start.endswith(context.token) else 0
    found = [SimpleCompletion(name[there:], type="glm") for name in names]
    # Python names are no use in a question; without one of ours, the others may try.
    return {"completions": found, "suppress": bool(found)}  # type: ignore[typeddict-item]  # a checker of 3.10 takes its optional keys for required


def _candidates(state: State, line: str) -> tuple[str, list[str]]:
    """Return the last word of *line* and the whole words that may come of it."""
    words = line.split()
    if line.endswith((" ", "\t")):
        words.append("")
    if len(words) < 2 or words[0].lstrip("%") not in ("glm", "glmcmd"):  # noqa: PLR2004, magic and word
        return "", []
    *_, before, start = words
    is_command = words[0] == "%glmcmd"
    names = _after_command(before) if is_command else _after(state, before, start)
    return start, [name for name in names if name.startswith(start)]


def _after_command(before: str) -> Iterable[str]:
    if before == "%glmcmd":
        return COMMANDS
    return _models() if before in ("doctor", "models") else ()


def _after(state: State, before: str, start: str) -> Iterable[str]:
    flag = BY_NAME.get(before)
    if flag is None or flag.read is None:
        return BY_NAME if start.startswith("-") else ()
    if flag.field == "model":
        return _models()
    return map(quoted, state.conversations) if flag.field == "label" else flag.choices


def _models() -> Iterator[str]:
    for preset in presets().values():
        yield preset.name
        yield from (f"{preset.name}/{model}" for model in preset.models)
