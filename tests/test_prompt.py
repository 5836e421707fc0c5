"""What a prompt becomes: every value in its place, every other character as typed."""

from __future__ import annotations

import base64
import string
import subprocess
import sys
from collections import Counter, namedtuple
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from glm_magic.errors import PromptError
from glm_magic.prompt import Filled, describe, fill

mpl.use("Agg")

PNG = b"\x89PNG\r\n\x1a\n"


class Fragile:
    """A value none of whose own code works."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def failure(template: str, **namespace: Any) -> PromptError:
    with pytest.raises(PromptError) as caught:
        fill(template, namespace)
    return caught.value


def picture(value: object) -> bytes:
    filled = fill("see {{p}}", {"p": value})
    assert filled.text == "see [image 1]"
    head, _, body = filled.images[0].partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(body, validate=True)


# -- What is filled in ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{x}}", "1"),
        ("a {{ x }} b {{x + 1}} c", "a 1 b 2 c"),
        ("{{ {'a': 1}['a'] }}", "1"),
        ("{{ {'a': {'b': x}} }}", "{'a': {'b': 1}}"),
        ("{{{x}}}", "{1}"),
        ("{{ '}}' }}", "}}"),
        ("{{ [{'n': n} for n in range(2)] }}", "[{'n': 0}, {'n': 1}]"),
        ("{{ f'{x}}}' }}", "1}"),
        ("{{ (lambda y: x + y)(1) }}", "2"),
        ("{{ [x for _ in range(2)] }}", "[1, 1]"),
        ("{{\n  x\n}}", "1"),
        ("{{名}}", "值"),
        ("{{True}} {{None}} {{1.5}}", "True None 1.5"),
        ("{{ len('abc') }}", "3"),
    ],
)
def test_expressions(template: str, text: str):
    """Any Python expression between the braces is replaced by its value."""
    assert fill(template, {"x": 1, "名": "值"}) == Filled(text)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (r"\{{x}}", "{{x}}"),
        (r"\{{ {{x}} }}", "{{ 1 }}"),
        (r"\\{{x}}", r"\{{x}}"),
        ("}} {x} }", "}} {x} }"),
        ("$x {x} '\"", "$x {x} '\""),
        (r"\frac{a}{b}", r"\frac{a}{b}"),
        ("", ""),
    ],
)
def test_literal_text(template: str, text: str):
    r"""Only two open braces mean something, and `\{{` is how to write them."""
    assert fill(template, {"x": 1}) == Filled(text)


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_double_braces_is_untouched(text: str):
    """What the user typed reaches the model letter for letter."""
    assert fill(text, {}) == Filled(text)


@given(st.text(), st.text(st.characters(exclude_characters="{\\")))
def test_string_value_goes_in_once(value: str, around: str):
    """A string is inserted as it is, and what it contains is never read again."""
    assert fill(f"{around}{{{{s}}}}{around}", {"s": value}).text == f"{around}{value}{around}"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    )
)
def test_literals_of_any_shape_are_read_to_their_end(value: object):
    """However many braces and quotes an expression has, its own end is found."""
    assert fill(f"<{{{{ {value!r} == v }}}}>", {"v": value}).text == "<True>"


@settings(max_examples=300)
@given(st.text(alphabet="{}\\x'\"[]() \n1,:", max_size=40))
def test_any_template_is_filled_or_refused(template: str):
    """No arrangement of braces and quotes ends in anything but text or a PromptError."""
    try:
        assert isinstance(fill(template, {"x": 1}).text, str)
    except PromptError as error:
        assert "at line " in str(error)  # noqa: PT017, either outcome is right


def test_namespace_is_not_changed():
    """An expression that binds a name does so for this prompt only."""
    names: dict[str, Any] = {"x": 1}
    assert fill("{{ (y := x + 1) }} {{ y }}", names).text == "2 2"
    assert names == {"x": 1}


def test_expression_acts_on_the_users_values():
    """What an expression itself does to a value, such as taking an item, stays done."""
    queue = ["a", "b"]
    assert fill("{{ queue.pop() }}", {"queue": queue}).text == "b"
    assert queue == ["a"]


# -- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{}}", "{{}} at line 1, column 1 is not a Python expression"),
        ("a {{ b c }}", "{{b c}} at line 1, column 3 is not a Python expression"),
        ("\n\n {{ for x in y }}", "{{for x in y}} at line 3, column 2 is not"),
        ("{{ x = 1 }}", "{{x = 1}} at"),
        ("{{ await x }}", "{{await x}} at"),
        ("{{ yield }}", "{{yield}} at"),
        ("{{ #each items }}", "{{#each items}} at"),
        ("{{ x", "{{ at line 1, column 1 is not closed"),
        ("{{ \0 }}", " is not a Python expression"),
        ("{{" + "(" * 5000 + "}}", " characters left out "),
    ],
)
def test_no_expression(template: str, said: str):
    """Braces around no expression are named with their place and the way to write them."""
    error = failure(template, x=1)
    assert said in error.what
    assert error.remedy == (r"Write \{{ for a literal {{, or send the prompt as it is with --raw.")


def test_all_expressions_are_read_before_one_runs():
    """A prompt that cannot be read does nothing to the user's values."""
    queue = ["a"]
    failure("{{ queue.pop() }} {{ not closed", queue=queue)
    assert queue == ["a"]


def test_unknown_name_offers_the_nearest():
    """A mistyped name is answered with the name it resembles."""
    error = failure("{{ df1.head() }}", df_1=1, other=2, _d1=3)
    assert "{{df1.head()}} at line 1, column 1: NameError" in error.what
    assert "did you mean df_1?" in error.what
    assert "--raw" in error.remedy
    assert isinstance(error.__cause__, NameError)


def test_unknown_name_without_a_neighbour():
    """Where no name is near, none is invented."""
    assert "did you mean" not in failure("{{ user_name }}", x=1).what


def test_failing_expression():
    """An exception is shown by type and message and kept as the cause."""
    error = failure("n = {{ 1 / zero }}", zero=0)
    assert error.what == "{{1 / zero}} at line 1, column 5: ZeroDivisionError: division by zero"
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_error_without_words():
    """An exception whose own text fails is still shown by its type."""

    class Mute(Exception):  # noqa: N818, a short name for the text below
        def __str__(self) -> str:
            raise RuntimeError

    def fail() -> None:
        raise Mute

    assert failure("{{ fail() }}", fail=fail).what.endswith(": Mute:")


def test_long_error_leaves_room():
    """A message of any length leaves the expression and the end of the message readable."""

    def fail() -> None:
        raise ValueError("a" * 9000 + "z")

    what = failure("{{ fail() }}", fail=fail).what
    assert what.startswith("{{fail()}} at line 1, column 1: ValueError: aaa")
    assert what.endswith("aaz")


def test_awaitable_value():
    """A coroutine is refused, told how to go on, and closed without a warning."""

    async def fetch() -> None:
        """Do nothing."""

    assert "Await it in a cell first" in str(failure("{{ fetch() }}", fetch=fetch))


# -- Pictures ------------------------------------------------------------------------------------


def test_matplotlib_figure_and_axes():
    """A figure, a subfigure and axes all become the picture of the whole figure."""
    figure = Figure(figsize=(1, 1))
    sub = figure.subfigures(1, 1)
    axes = sub.subplots()
    assert picture(figure).startswith(PNG)
    assert picture(axes) == picture(figure)
    assert picture(sub) == picture(figure)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I;16"])
def test_pil_image(mode: str):
    """An image in any mode becomes a PNG."""
    assert picture(PIL.Image.new(mode, (2, 2))).startswith(PNG)


@pytest.mark.parametrize("shown", [PNG, (PNG, {"width": 1}), base64.b64encode(PNG).decode() + "\n"])
def test_repr_png(shown: object):
    """Whatever shows itself as PNG is a picture: as bytes, with metadata, or in base64."""
    kind = type("Drawing", (), {"_repr_png_": lambda _self: shown})
    assert picture(kind()) == PNG


def test_no_picture_today():
    """An object that could show itself as PNG but does not is described in words."""
    kind = type("Drawing", (), {"_repr_png_": lambda _: None, "__repr__": lambda _: "a drawing"})
    assert fill("{{d}}", {"d": kind()}) == Filled("a drawing")


def test_pictures_are_numbered():
    """Each picture is named in the text by its number."""
    filled = fill("{{a}} or {{b}}?", {name: PIL.Image.new("L", (1, 1)) for name in "ab"})
    assert filled.text == "[image 1] or [image 2]?"
    assert len(filled.images) == 2


def test_failing_picture():
    """A figure that cannot be drawn stops the prompt instead of being left out."""
    figure = Figure()
    figure.suptitle("$\\nonsense$")
    assert "ValueError" in failure("{{figure}}", figure=figure).what


# -- Values in words -----------------------------------------------------------------------------


def test_dataframe():
    """A table is told by its shape, columns with types, first rows and figures."""
    frame = pd.DataFrame({"n": range(100), "s": ["a"] * 100})
    told = describe(frame)
    assert told.startswith("DataFrame, 100 x 2 (rows x columns): n (int64), s (")
    assert "\nFirst rows:\n   n  s\n0  0  a\n1  1  a\n" in told
    assert "mean    49.5" in told


def test_small_budget_keeps_what_matters():
    """With little room a table keeps its shape and columns and loses rows and figures."""
    frame = pd.DataFrame({"n": [1, 2]})
    assert describe(frame, 50) == "DataFrame, 2 x 1 (rows x columns): n (int64)"
    assert "First rows" in describe(frame, 80)


def test_wide_dataframe_still_shows_rows():
    """A table of very many columns leaves room for its first rows."""
    told = describe(pd.DataFrame(np.zeros((2, 3000))))
    assert "DataFrame, 2 x 3000" in told
    assert "First rows" in told


def test_odd_dataframes():
    """Empty tables, repeated column names and columns of lists are told as well."""
    assert describe(pd.DataFrame()) == "DataFrame, 0 x 0 (rows x columns): "
    assert "a (int64), a (int64)" in describe(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert "[1, 2]" in describe(pd.DataFrame({"a": [[1, 2]]}))
    assert "1 days" in describe(pd.DataFrame({"a": pd.to_timedelta([1], unit="D")}))


def test_series():
    """A column is told like a table of one column."""
    told = describe(pd.Series([1.0, 2.0, 3.0], name="v"))
    assert told.startswith("Series, 3 x 1 (rows x columns): v (float64)\nFirst rows:\n")
    assert "mean   2.0" in told


def test_array():
    """An array is told by shape, type, range and the values at its corners."""
    told = describe(np.arange(10_000).reshape(100, 100))
    assert told.startswith(
        "ndarray of shape (100, 100), dtype int64\nmin 0, max 9999, mean 4999.5\n[[   0    1"
    )
    assert told.endswith("9998 9999]]")


def test_odd_arrays():
    """Arrays that are empty, of words or without axes are told as well."""
    assert describe(np.zeros((0, 3))) == "ndarray of shape (0, 3), dtype float64\n[]"
    assert describe(np.array(["a"])) == "ndarray of shape (1,), dtype <U1\n['a']"
    assert describe(np.array(3)).endswith("min 3, max 3, mean 3.0\n3")
    assert describe(np.float64(1.5)) == "1.5"
    assert describe(np.int64(3)) == "3"


def test_long_list():
    """A list too long to send is told by its length and its first items."""
    told = describe(list(range(10**6)), 60)
    assert told.startswith("list of 1000000 items, the first: [0, 1, 2, ")
    assert told.endswith("…")
    assert len(told) == 60


def test_long_dict():
    """A dict too long to send is told by its length and its first entries."""
    told = describe({n: str(n) for n in range(5000)}, 60)
    assert told.startswith("dict of 5000 items, the first: {0: '0', 1: '1'")


@pytest.mark.parametrize(
    "value",
    [
        [1, "a"],
        (1,),
        {"a": [1]},
        {1},
        frozenset({1}),
        set(),
        Counter("aab"),
        namedtuple("P", "x")(1),
    ],
)
def test_short_collections_are_whole(value: object):
    """A collection that fits is sent as Python writes it."""
    assert describe(value) == repr(value)


def test_bytes():
    """Bytes are told by their number and how they start."""
    assert describe(b"ab" * 500) == f"1000 bytes, starting with {b'ab' * 16!r}"


def test_short_function_is_its_source():
    """A function, method or class that is short is sent as its source."""
    assert describe(failure).startswith("def failure(template: str, **namespace: Any)")
    assert describe(Fragile).startswith("class Fragile:\n")
    assert "def __repr__" in describe(Fragile().__repr__)


def test_long_or_builtin_code_is_its_signature():
    """Code without a short source is told by its signature and documentation."""
    assert describe(len) == (
        "builtin_function_or_method len(obj, /)\nReturn the number of items in a container."
    )
    assert describe(string).startswith("module string\nA collection of string constants.")
    assert describe(subprocess.Popen).startswith("type Popen(args, bufsize=-1, ")


def test_long_repr_loses_its_middle():
    """Any other value is its repr, cut in the middle with the number of characters left out."""
    value = type("Long", (), {"__repr__": lambda _self: "a" * 500 + "z" * 500})()
    told = describe(value, 100)
    start, left_out, end = told.split(" … ")
    assert start == "a" * len(start)
    assert end == "z" * len(end)
    assert left_out == f"{1000 - len(start) - len(end)} characters left out"


@pytest.mark.parametrize("value", [Fragile(), [Fragile()], {"a": Fragile()}])
def test_failing_repr(value: object):
    """A value whose own code fails is named by its type."""
    assert describe(value) == f"<{type(value).__name__}: repr failed>"


def test_failing_cell():
    """A table with a value that cannot be shown does not stop the prompt."""
    assert describe(pd.DataFrame({"a": [Fragile()]})) == "<DataFrame: repr failed>"


VALUES = [
    "text" * 2000,
    b"bytes" * 2000,
    10**4000,
    list(range(5000)),
    [["nested"] * 50] * 50,
    {n: n for n in range(5000)},
    set(range(5000)),
    pd.DataFrame({"x" * 50: range(5), "y": list("abcde")}),
    pd.Series(range(5)),
    np.zeros((9, 9, 9, 9)),
    subprocess,
    subprocess.Popen,
    subprocess.run,
    Fragile(),
    object(),
    ...,
]


@given(st.sampled_from(VALUES), st.integers(0, 500))
def test_budget_is_kept(value: object, budget: int):
    """No value takes more room than it is given."""
    assert len(describe(value, budget)) <= budget


def test_libraries_are_not_imported():
    """Values are recognised without loading pandas, numpy, matplotlib or Pillow."""
    code = (
        "import sys; from glm_magic.prompt import fill; fill('{{[1]}}{{object()}}', {});"
        "print({'pandas', 'numpy', 'matplotlib', 'PIL', 'IPython'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
