"""The flags of `%glm`: one table for parsing, help and completion. Text only."""

from __future__ import annotations

import json
import keyword
import re
import shlex
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ConfigError


@dataclass(frozen=True, slots=True)
class Arguments:
    """What one `%glm` line says: the text to send, and what the flags ask for."""

    text: str = ""
    model: str | None = None
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    think: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    new: bool = False
    once: bool = False
    out: str = ""
    raw: bool = False
    go_on: bool = False
    timeout: float | None = None
    stream: bool = True
    dry: bool = False
    quiet: bool = False

    def with_body(self, body: str) -> Arguments:
        """Return the arguments of a cell: its first line and *body*, a blank line between."""
        head, tail = self.text.strip(), body.strip("\n")
        return replace(self, text="\n\n".join(part for part in (head, tail) if part))


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: its *names*, the *field* of Arguments it fills, and how its value is read.

    A flag without *read* stands alone and sets *value*.
    """

    names: tuple[str, ...]
    field: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] | None = None
    value: object = True
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """Return the flag as help shows it."""
        return ", ".join(self.names) + (f" {self.metavar}" if self.metavar else "")


def _think(text: str) -> str:
    if text not in ("off", "low", "high", "max"):
        raise ValueError
    return text


def _name(text: str) -> str:
    name = unicodedata.normalize("NFKC", text)  # as Python reads the names of a cell
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError
    return name


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if not (number := kind(text)) > 0:
            raise ValueError
        return number

    return read


def _temperature(text: str) -> float:
    if not 0 <= (number := float(text)) <= 2:  # noqa: PLR2004, the widest range of any far side
        raise ValueError
    return number


def _no_number(name: str) -> float:
    raise ValueError(name)  # NaN and the infinities, which JSON has not


def _param(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError
    try:
        return {key: json.loads(value, parse_constant=_no_number)}
    except ValueError:
        return {key: value}


FLAGS = (
    Flag(("-m", "--model"), "model", "who answers: provider/model, provider or model", "NAME", str),
    Flag(("-s", "--system"), "system", "system prompt of the conversation", "TEXT", str),
    Flag(("-t", "--temperature"), "temperature", "sampling temperature, 0 to 2", "X", _temperature),
    Flag(("--max-tokens",), "max_tokens", "longest answer in tokens", "N", _positive(int)),
    Flag(
        ("--think",),
        "think",
        "how much to think first: off, low, high, max",
        "HOW",
        _think,
        choices=("off", "low", "high", "max"),
    ),
    Flag(
        ("-p", "--param"), "params", "one more field of the request; may be repeated", "K=V", _param
    ),
    Flag(("-l", "--label"), "label", "name of the conversation", "NAME", str),
    Flag(("-n", "--new"), "new", "start the conversation afresh (%glmcmd undo brings it back)"),
    Flag(("--once",), "once", "neither read nor write memory"),
    Flag(("-o", "--out"), "out", "put the reply into this variable", "NAME", _name),
    Flag(("--raw",), "raw", "send {{ }} as it stands"),
    Flag(("--continue",), "go_on", "go on with the last answer where it stopped"),
    Flag(("--timeout",), "timeout", "stop after so many seconds, text kept", "S", _positive(float)),
    Flag(("--no-stream",), "stream", "show the answer only when it is done", value=False),
    Flag(("--dry",), "dry", "show what would be sent and where; send nothing"),
    Flag(("-q", "--quiet"), "quiet", "show nothing, only return the reply"),
)

BY_NAME = {name: flag for flag in FLAGS for name in flag.names}

# What can only be meant as a flag; `-5`, `->` and a lone `-` begin ordinary text.
_FLAG_LIKE = re.compile(r"(--[a-zA-Z][\w-]*|-[a-zA-Z])(=|(?=\s)|$)")
# Quotes hold a value together, also the ones that a Chinese keyboard or a word processor writes.
_QUOTED = r"\"(?:\\.|[^\"\\])*\"|'[^']*'|“[^”]*”"
_VALUE = re.compile(rf"\s*({_QUOTED}|[\w.-]+={_QUOTED}(?!\S)|\S+)")


def parse(line: str) -> Arguments:
    """Read the flags at the front of *line*; the rest, to the letter, is the text.

    `--` ends the flags. Raises ConfigError for an unknown flag or a bad value.
    """
    values: dict[str, Any] = {}
    rest = line.lstrip()
    while match := _FLAG_LIKE.match(rest):
        flag = BY_NAME.get(match[1])
        if flag is None:
            raise _unknown(match[1])
        rest = _take(flag, match, rest[match.end() :], values)
    if rest == "--" or rest.startswith(("-- ", "--\t")):
        rest = rest[3:]
    return Arguments(text=rest, **values)


def _take(flag: Flag, match: re.Match[str], rest: str, values: dict[str, Any]) -> str:
    """Put the value of *flag* into *values* and return what follows it."""
    if flag.read is None:
        if match[2]:
            raise ConfigError(f"{match[1]} takes no value.", remedy=f"{match[1]}: {flag.help}")
        values[flag.field] = flag.value
        return rest.lstrip()
    value = _VALUE.match(rest)
    if value is None or value[1] in BY_NAME:
        what = f"{match[1]} needs a value."
        raise ConfigError(what, remedy=f"%glm {flag.usage}: {flag.help}")
    read = _read(flag, match[1], value[1])
    values[flag.field] = {**values.get(flag.field, {}), **read} if flag.read is _param else read
    return rest[value.end() :].lstrip()


def _read(flag: Flag, name: str, text: str) -> Any:
    assert flag.read is not None  # noqa: S101, for the type checker
    try:
        return flag.read(_bare(text))
    except ValueError:
        what = f"{name} does not take {text!r}."
        raise ConfigError(what, remedy=f"%glm {flag.usage}: {flag.help}") from None


def _bare(text: str) -> str:
    if text[0] == "“":
        return text[1:-1] if text.endswith("”") else text
    return "".join(shlex.split(text)) if text[0] in "\"'" else text


def split_value(line: str) -> tuple[str, str]:
    """Return the first word of *line*, or what is in quotes there, and the rest.

    Raises ConfigError when a quote is not closed.
    """
    found = _VALUE.match(line)
    if found is None:
        return "", ""
    try:
        return _bare(found[1]), line[found.end() :].strip()
    except ValueError:
        raise ConfigError(f"the quotes in {line!r} do not match.") from None


def quoted(value: str) -> str:
    """Return *value* as `parse` reads it back after a flag."""
    if value.split() == [value] and value[0] not in "\"'":
        return value
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'"{escaped}"'


def _unknown(name: str) -> ConfigError:
    import difflib  # for mistakes only

    near = difflib.get_close_matches(name, BY_NAME, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    remedy = f"{hint}%glm? lists the flags; put -- before text that begins with a dash."
    return ConfigError(f"%glm has no flag {name}.", remedy=remedy)


def help_text() -> str:
    """Return the help that `%glm?` shows."""
    width = max(len(flag.usage) for flag in FLAGS)
    rows = (f"  {flag.usage:<{width}}  {flag.help}" for flag in FLAGS)
    return _HELP.format(flags="\n".join(rows))


_HELP = """\
Ask a GLM model.

  %glm question               ask; the reply is the value: ans = %glm question
  %glm                        say who answers, and why
  %%glm [instruction]         ask with the text of the cell
  {{{{expression}}}}              inserts the value of a Python expression

Flags come first, the text after them; -- ends the flags:

{flags}

More: %glmcmd (status, models, history, undo, save, …) and %config GlmConfig.
"""
