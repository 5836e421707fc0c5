"""The plan of the house, read from the source: which module imports which, and how long things are.

Nothing of the package is imported here but in one test, which says so.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

PACKAGE = Path(__file__).parents[1] / "glm_magic"

#: From the ground up: a module imports only from rows above its own in this table. The package
#: itself is `glm_magic`, a folder's `__init__` goes by the folder's name, and `magic.*` stands
#: for the whole folder, in which modules may import each other.
ROWS = (
    "show.bounds show.formulas show.sanitiser",
    "show.grammar",
    "show.spans",
    "redact loop growing show.disarm show.html show.terminal "
    "wire.payload wire.growth wire.markdown wire.runs",
    "errors wire.restart wire.entries wire.items",
    "messages config wire.sse wire.codes show.blocks providers.address",
    "providers.base providers.bodies providers.headers providers.models providers.retry "
    "providers.sessions keys prompt "
    "wire.blocks wire.prolonged wire.refusals wire.think wire.shaping show.remarks",
    "wire.parts history wire.answer wire.finishing wire.request show.console show.notebook "
    "providers.failures providers.llama",
    "wire.openai wire.chatglm show.views providers.local providers.echo providers.http",
    "providers.reading",
    "providers.remote",
    "providers.openai providers.chatglm",
    "providers wire show conversation",
    "batch saving state",
    "doctor.check",
    "doctor.models doctor.embedded",
    "doctor.far_side",
    "doctor",
    "magic.* panel.*",
    "glm_magic",
)
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names.split()}
FACES = ("magic", "panel")

MODULE_LINES = 300
FUNCTION_LINES = 50
MEDIAN_LINES = 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of the package, parsed, under the name it has in `ROWS`."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {name_of(file): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def name_of(file: Path) -> str:
    """Return the name that `ROWS` has for *file*."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "glm_magic"


def file_of(name: str) -> Path:
    """Return the file of the module that is called *name* in `ROWS`."""
    base = PACKAGE if name == "glm_magic" else PACKAGE.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def row_of(name: str) -> int | None:
    """Return the row of the module *name*, or None when it has none."""
    face = name.partition(".")[0]
    return ROW_OF.get(f"{face}.*" if face in FACES else name)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield *node* and all below it, save what only a type checker sees."""
    yield node
    below = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        below = iter(node.orelse)
    for child in below:
        yield from running(child)


def imported(name: str) -> set[str]:
    """Return what the module *name* imports, late imports included; ours begin with a dot."""
    is_package = file_of(name).name == "__init__.py"
    home = [] if name == "glm_magic" else name.split(".")
    found: set[str] = set()
    for node in running(modules()[name]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            up = node.level - is_package
            base = [*home[: len(home) - up], *filter(None, [node.module])]
            found.update("." + ours(base, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def ours(base: list[str], attribute: str) -> str:
    """Return the module meant by `from base import attribute`."""
    inner = ".".join([*base, attribute])
    return inner if inner in modules() else ".".join(base) or "glm_magic"


def neighbours(name: str) -> set[str]:
    """Return the modules of the package that the module *name* imports."""
    return {target[1:] for target in imported(name) if target.startswith(".")} - {name}


def is_allowed(source: str, target: str) -> bool:
    """Say whether the module *source* may import *target*, both of the package."""
    face = source.partition(".")[0]
    if face in FACES and target.partition(".")[0] == face:
        return True
    above, below = row_of(source), row_of(target)
    return above is not None and below is not None and below < above


def functions(tree: ast.AST) -> list[Function]:
    """Return all functions in *tree*, methods and inner ones included."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Return the lines of *function*, from `def` to its last one."""
    return (function.end_lineno or 0) - function.lineno + 1


def published(node: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Yield the public classes, functions and methods in *node*, save setters."""
    for child in node.body:
        if not isinstance(child, Function | ast.ClassDef) or child.name.startswith("_"):
            continue
        if not any(ast.unparse(mark).endswith(".setter") for mark in child.decorator_list):
            yield child
        if isinstance(child, ast.ClassDef):
            yield from published(child)


def reads_environment(node: ast.AST) -> bool:
    """Say whether *node* is a look into the environment of the process."""
    words = {"environ", "environb", "getenv"}
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in words for alias in node.names)
    return isinstance(node, ast.Attribute) and node.attr in words


def prints(node: ast.AST) -> bool:
    """Say whether *node* is a call of `print`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "print"


def test_every_module_has_a_row():
    """A new module is entered in the table before it can be merged."""
    assert [] == [name for name in modules() if row_of(name) is None]


def test_every_import_goes_down():
    """A module imports from lower rows, or from its own folder in a face."""
    wrong = [f"{a} -> {b}" for a in modules() for b in neighbours(a) if not is_allowed(a, b)]
    assert [] == wrong


def test_no_import_goes_round():
    """The graph of imports, late ones included, has no cycle."""
    graph = {name: neighbours(name) for name in modules()}
    assert graph.keys() <= set(TopologicalSorter(graph).static_order())  # or CycleError


def test_our_own_imports_are_relative():
    """No module names the package it is in."""
    absolute = [a for a in modules() if any(b.split(".")[0] == "glm_magic" for b in imported(a))]
    assert [] == absolute


def test_only_two_modules_know_the_http_library():
    """The connection could be made by another library with a change to two files."""
    assert ["providers.failures", "providers.http"] == [
        name for name in modules() if any(b.split(".")[0] == "aiohttp" for b in imported(name))
    ]


def test_faces_do_not_know_each_other():
    """The magics import nothing of the panel, nor the panel of the magics."""
    crossing = [
        f"{a} -> {b}"
        for a in modules()
        for b in neighbours(a)
        if {a.partition(".")[0], b.partition(".")[0]} == set(FACES)
    ]
    assert [] == crossing


@pytest.mark.parametrize(("is_done_by", "home"), [(reads_environment, "config"), (prints, "magic")])
def test_one_place_for(is_done_by, home):
    """Only `config` reads the environment, and only the magics print."""
    found = [a for a, tree in modules().items() if any(map(is_done_by, ast.walk(tree)))]
    assert [] == [name for name in found if name.partition(".")[0] != home]


def test_any_module_can_come_first():
    """Each module can be imported before any other; this one test runs the package."""
    names = [f"glm_magic.{name}" for name in modules() if name != "glm_magic"]
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for old in [old for old in sys.modules if old.partition('.')[0] == 'glm_magic']:\n"
        "        del sys.modules[old]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_modules_are_short():
    """A module can be read in a few minutes."""
    counts = {
        name: len(file_of(name).read_text(encoding="utf-8").splitlines()) for name in modules()
    }
    assert {} == {name: count for name, count in counts.items() if count > MODULE_LINES}


def test_functions_are_short():
    """A function fits on a screen."""
    long = [
        f"{name}.{function.name}: {length(function)} lines"
        for name, tree in modules().items()
        for function in functions(tree)
        if length(function) > FUNCTION_LINES
    ]
    assert [] == long


def test_the_usual_function_is_very_short():
    """Half of all functions have no more than eight lines, docstrings counted."""
    lengths = [length(f) for tree in modules().values() for f in functions(tree)]
    assert median(lengths) <= MEDIAN_LINES


def test_public_names_are_explained():
    """Every module, public class, function and method has a docstring."""
    trees = modules().items()
    bare = [name for name, tree in trees if not ast.get_docstring(tree)]
    bare += [
        f"{name}.{node.name}"
        for name, tree in trees
        for node in published(tree)
        if not ast.get_docstring(node)
    ]
    assert [] == bare
