r"""Prompts: `{{expr}}` is filled in, and values are put into words. Text only, no I/O.

`fill` finds each `{{`, takes the shortest text up to a `}}` that compiles as
one Python expression, and inserts its value once. `\{{` is a literal `{{`.
"""

from __future__ import annotations

import base64
import builtins
import difflib
import inspect
import io
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import CodeType
from typing import Any

from .errors import PromptError
from .messages import Reply

#: Characters an expression may have; keeps a prompt full of braces quick to read.
MAX_EXPRESSION = 10_000
#: Numbers in a table above which its mean and quartiles would keep the user waiting.
MAX_FIGURED = 5_000_000
#: Columns of a table shown with their values.
MAX_COLUMNS = 12

# A value of a library that is not imported here, so its type cannot be named.
Foreign = Any

_OPENING = re.compile(r"\\?\{\{")
_CLOSING = re.compile(r"(?=\}\})")  # a lookahead, so that `}}}` offers two places to end
_LITERALLY = r"Write \{{ for a literal {{, or send the prompt as it is with --raw."


@dataclass(frozen=True, slots=True)
class Filled:
    """A prompt with its values in place; *images* are `data:` URIs of PNG pictures.

    The text says `[image 1]` where the first of them was named, and so on.
    """

    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hole:
    """One `{{expr}}`, ready to be evaluated; *place* names it in an error."""

    code: CodeType
    place: str


def fill(template: str, namespace: Mapping[str, Any]) -> Filled:
    """Return *template* with the value of every `{{expr}}` in *namespace* in its place.

    Strings and replies go in as they are, pictures as images, all else as `describe` says
    it. All expressions are read before the first one runs, and none can bind a
    name in *namespace*. Raises PromptError, naming the expression, when one
    cannot be read, fails, or gives something to await.
    """
    parts = list(_parts(template))
    names = dict(namespace)
    images: list[str] = []
    text = [part if isinstance(part, str) else _insert(part, names, images) for part in parts]
    return Filled("".join(text), tuple(images))


def _parts(template: str) -> Iterator[str | _Hole]:
    """Yield the literal texts and the holes of *template* in their order."""
    at = 0
    while opening := _OPENING.search(template, at):
        yield template[at : opening.start()]
        at = opening.end()
        if opening[0].startswith("\\"):
            yield "{{"
        else:
            hole, at = _hole(template, at)
            yield hole
    yield template[at:]


def _hole(template: str, start: int) -> tuple[_Hole, int]:
    """Read the expression that begins at *start*; return it and where the text goes on."""
    ends = [end.start() for end in _CLOSING.finditer(template, start, start + MAX_EXPRESSION)]
    for end in ends:
        if code := _compiled(template[start:end]):
            return _Hole(code, _place(template, start, end)), end + 2
    if not ends:
        raise PromptError(f"{{{{ at {_position(template, start)} is not closed", remedy=_LITERALLY)
    place = _place(template, start, ends[0])
    raise PromptError(f"{place} is not a Python expression", remedy=_LITERALLY)


def _place(template: str, start: int, end: int) -> str:
    source = " ".join(template[start:end].split())
    return f"{{{{{_cut(source, 80)}}}}} at {_position(template, start)}"


def _position(template: str, start: int) -> str:
    line = template.count("\n", 0, start) + 1
    column = start - len("{{") - template.rfind("\n", 0, start)
    return f"line {line}, column {column}"


def _compiled(source: str) -> CodeType | None:
    try:
        with warnings.catch_warnings():  # several ends are tried; none is worth a remark
            warnings.simplefilter("ignore")
            return compile(source.strip(), "<prompt>", "eval", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        return None  # the last three are how the compiler says "too deep"


def _insert(hole: _Hole, names: dict[str, Any], images: list[str]) -> str:
    """Return the text that stands for the value of *hole*; a picture is added to *images*."""
    try:
        value = eval(hole.code, names)  # noqa: S307, the user's own code in the user's kernel
        picture, is_awaitable = _picture(value), inspect.isawaitable(value)
    except Exception as error:
        raise _failed(hole, error, names) from error
    if is_awaitable:
        if inspect.iscoroutine(value):
            value.close()  # or Python warns that nobody awaited it
        what = f"{hole.place} gives something to await."
        raise PromptError(what, remedy="Await it in a cell first.")
    if not picture:
        return str(value) if isinstance(value, (str, Reply)) else describe(value)
    images.append(picture)
    return f"[image {len(images)}]"


def _failed(hole: _Hole, error: Exception, names: Mapping[str, Any]) -> PromptError:
    said = _attempt(lambda: str(error), "")
    what = f"{hole.place}: {type(error).__name__}: {_cut(said, 200)}"
    if not isinstance(error, NameError):
        return PromptError(what, remedy=_LITERALLY)
    known = [name for name in (*names, *dir(builtins)) if not name.startswith("_")]
    near = difflib.get_close_matches(error.name or "", known, n=1)
    return PromptError(f"{what}; did you mean {near[0]}?" if near else what, remedy=_LITERALLY)


def _picture(value: object) -> str:
    """Return *value* as the data URI of a PNG, or nothing when it is not a picture."""
    png = _drawn(value)
    if isinstance(png, tuple):  # IPython lets metadata go with the picture
        png = png[0]
    if isinstance(png, bytes):
        png = base64.b64encode(png).decode()
    return f"data:image/png;base64,{png.strip()}" if png else ""


def _drawn(value: Foreign) -> Foreign:
    buffer = io.BytesIO()
    if _is(value, "matplotlib.axes", "Axes") or _is(value, "matplotlib.figure", "FigureBase"):
        whole = value.figure.figure  # the outermost one, also for a subfigure and its axes
        whole.savefig(buffer, format="png", bbox_inches="tight")
    elif _is(value, "PIL.Image", "Image"):
        # PNG knows neither CMYK nor floats, and RGB is what a model sees anyway.
        writable = value.mode in {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}
        (value if writable else value.convert("RGB")).save(buffer, "PNG")
    elif hasattr(type(value), "_repr_png_"):
        return value._repr_png_()
    return buffer.getvalue()


def describe(value: object, budget: int = 4000) -> str:
    """Put *value* into at most *budget* characters of text, what matters most first.

    Never raises: a value whose own code fails becomes `<Type: repr failed>`.
    """
    failed = f"<{type(value).__name__}: repr failed>"
    return _cut(_attempt(lambda: _writer(value)(value, budget), failed), budget)


def _attempt(write: Callable[[], str], otherwise: str) -> str:
    try:
        return write()
    except Exception:  # noqa: BLE001, foreign code fails in any way, and *otherwise* shows it
        return otherwise


def _cut(text: str, budget: int) -> str:
    """Take the middle out of *text*, saying how much, so that it fits."""
    if len(text) <= budget:
        return text
    mark = " … {} characters left out … "
    kept = max(0, budget - len(mark.format(len(text))))
    tail = kept // 2
    mark = mark.format(len(text) - kept)
    return (text[: kept - tail] + mark + text[len(text) - tail :])[:budget]


def _fit(parts: Iterable[str], budget: int) -> str:
    """Join *parts* by line for as long as there is room, the first one in any case."""
    text = ""
    for part in parts:
        longer = f"{text}\n{part}" if text else part
        if text and len(longer) > budget:
            break
        text = longer
    return text


def _is(value: object, module: str, *names: str) -> bool:
    """Say whether *value* is of a library's class; one that is not imported has no values."""
    library = sys.modules.get(module)
    return any(isinstance(value, getattr(library, name, ())) for name in names)


def _writer(value: object) -> Callable[[Foreign, int], str]:
    return next((write for write, module, names in _WRITERS if _is(value, module, *names)), _any)


def _any(value: object, _budget: int) -> str:
    return repr(value)


def _plain(value: object, _budget: int) -> str:
    return str(value)


def _bytes(value: bytes | bytearray, _budget: int) -> str:
    return f"{len(value)} bytes, starting with {bytes(value[:32])!r}"


def _items(value: Foreign, budget: int) -> str:
    count, most = len(value), budget // 3  # an item takes at least three characters: `1, `
    if count <= most and len(whole := repr(value)) <= budget:
        return whole
    is_mapping = isinstance(value, dict)
    first = islice(value.items() if is_mapping else value, most)
    title = f"{type(value).__name__} of {count} items, the first: "
    return title + repr(dict(first) if is_mapping else list(first))[: budget - len(title) - 1] + "…"


def _frame(frame: Foreign, budget: int) -> str:
    return _fit(_table("DataFrame", frame, budget), budget)


def _series(series: Foreign, budget: int) -> str:
    return _fit(_table("Series", series.to_frame(), budget), budget)


def _table(kind: str, frame: Foreign, budget: int) -> Iterator[str]:
    columns = ", ".join(f"{name} ({dtype})" for name, dtype in frame.dtypes.items())
    shape = " x ".join(map(str, frame.shape))
    yield f"{kind}, {shape} (rows x columns): {_cut(columns, budget // 2)}"
    if frame.size:
        yield f"First rows:\n{frame.head().to_string(max_cols=MAX_COLUMNS, max_colwidth=50)}"
    numbers = frame.select_dtypes("number", exclude=["timedelta", "complex"]).iloc[:, :MAX_COLUMNS]
    if 0 < numbers.size <= MAX_FIGURED:
        yield f"Figures:\n{numbers.describe().to_string()}"


def _array(array: Foreign, budget: int) -> str:
    return _fit(_array_parts(array), budget)


def _array_parts(array: Foreign) -> Iterator[str]:
    yield f"{type(array).__name__} of shape {array.shape}, dtype {array.dtype}"
    if array.size and array.dtype.kind in "biuf":
        yield f"min {array.min()}, max {array.max()}, mean {array.mean()}"
    edge = max(1, 4 - array.ndim)
    yield str(sys.modules["numpy"].array2string(array, threshold=50, edgeitems=edge))


def _code(value: Foreign, budget: int) -> str:
    """Return the source when it is short, else the signature and the documentation."""
    source = _attempt(lambda: inspect.getsource(value), "")
    if 0 < len(source) <= budget:
        return source
    signature = _attempt(lambda: str(inspect.signature(value)), "")
    title = f"{type(value).__name__} {value.__name__}{signature}"
    return "\n".join(filter(None, (title, inspect.getdoc(value))))


#: What writes a value, the module of its class, and the classes; the first that fits is taken.
_WRITERS: tuple[tuple[Callable[[Foreign, int], str], str, set[str]], ...] = (
    (_plain, "builtins", {"str", "int", "float"}),
    (_bytes, "builtins", {"bytes", "bytearray"}),
    (_items, "builtins", {"list", "tuple", "dict", "set", "frozenset"}),
    (_code, "builtins", {"type"}),
    (_code, "types", {"FunctionType", "BuiltinFunctionType", "MethodType", "ModuleType"}),
    (_plain, "numpy", {"generic"}),
    (_array, "numpy", {"ndarray"}),
    (_frame, "pandas", {"DataFrame"}),
    (_series, "pandas", {"Series"}),
)
