"""What makes `%glm what is x?` a question to the model and not a call for help on x."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Sequence

_LINE = re.compile(
    r"(?P<before>(?:[^\n]*?=)??\s*)%glm[ \t]+(?P<text>.*?)(?P<end>\r?\n?)", re.DOTALL
)
# IPython also cuts at characters such as U+2028, which belong to the text.
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


def cleanup(lines: Sequence[str]) -> list[str]:
    """Turn each `%glm text` of a cell into the call it stands for, before IPython looks for `?`.

    A `%%glm` that has only its first line gets an empty body. Other cells
    pass unchanged, and so does what is inside a string.
    """
    if lines and lines[0].startswith("%%"):
        return _with_body(lines)
    done: list[str] = []
    rest = _LINES.findall("".join(lines))
    while rest:
        line = rest.pop(0)
        if (
            "%glm" in line
            and (match := _LINE.fullmatch(line))
            and _may_stand(done, match["before"])
        ):
            while match["text"].endswith("\\") and rest:  # as IPython joins a magic line
                line = line.rstrip("\r\n")[:-1] + " " + rest.pop(0).lstrip(" \t")
                match = _LINE.fullmatch(line) or match
            call = f"get_ipython().run_line_magic('glm', {match['text']!r})"
            line = match["before"] + call + match["end"]
        done.append(line)
    return done


# IPython asks its transformers also when it only wants to know whether a cell is complete; there
# the added body would make the terminal run `%%glm` after its first line.
cleanup.has_side_effects = True  # type: ignore[attr-defined]


def _with_body(lines: Sequence[str]) -> list[str]:
    is_ours = re.match(r"%%glm(\s|$)", lines[0]) is not None
    if is_ours and not "".join(lines[1:]):
        return [lines[0].rstrip("\r\n") + "\n", "\n"]
    return list(lines)


def _may_stand(done: list[str], before: str) -> bool:
    """Whether a magic may stand behind *before* on the line after *done*."""
    return (not before.strip() or _is_assignment(before)) and _is_statement(done)


def _is_assignment(before: str) -> bool:
    source = f"{before.strip()} 0"
    try:
        [statement] = ast.parse(source).body
    except (SyntaxError, ValueError):
        return False
    is_value = statement.end_col_offset == len(source.encode())  # and not in a comment
    return is_value and isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign))


def _is_statement(before: list[str]) -> bool:
    """Whether a new statement begins after the lines *before*, and not the middle of a string."""
    code: list[str] = []
    for line in before:
        if not (line.lstrip().startswith(("%", "!")) and _is_complete(code)):
            code.append(line)
    return _is_complete(code)


def _is_complete(code: list[str]) -> bool:
    try:
        for _ in tokenize.generate_tokens(iter(code).__next__):
            pass
    except (tokenize.TokenError, SyntaxError) as error:
        # Other errors are for Python to report; some come only with 3.12 and newer.
        return not re.search("EOF in multi-line|unterminated triple-quoted", str(error))
    return True
