"""Load: what `%load_ext glm_magic` costs in a fresh IPython, and the first question after it."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from benchmarks.answers import Answer
from benchmarks.envs import AROUND, last_line, prepare, python
from benchmarks.tables import Cell, Goal, Table

ROUNDS = 3  # times what is asked for, as a trial takes a second

START = """
import os, sys, time
from IPython.terminal.ipapp import TerminalIPythonApp
app = TerminalIPythonApp.instance()
app.initialize(["--quick", "--no-banner", "--HistoryManager.enabled=False"])
shell, printed = app.shell, sys.stdout
sys.stdout = open(os.devnull, "w")
def measure(cell):
    before, cpu, wall = len(sys.modules), time.process_time(), time.perf_counter()
    assert shell.run_cell(cell).success
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(1e3 * cpu, 1e3 * wall, len(sys.modules) - before, file=printed)
measure("1")
"""
LOAD = 'measure("{}")\n'
#: What is loaded, and the environment that has it.
LOADED = {
    "%load_ext glm_magic": ("%load_ext glm_magic", ""),
    "nothing: a cell of one line": ("import types", ""),
    "import aiohttp, which loading puts off": ("import aiohttp", ""),
    "import anywidget, which a panel needs": ("import anywidget", ""),
    "%load_ext jupyter_ai_magics": ("%load_ext jupyter_ai_magics", "jupyter_ai_magics"),
    "import chatlas": ("import chatlas", "chatlas"),
}
ASK = """
shell.run_cell("%load_ext glm_magic")
{pause}
measure("%glm --once go")
measure("%glm --once go")
"""
#: What is done between loading and asking.
PAUSES = {"asked one second after loading": "time.sleep(1)", "asked at once": ""}


def tables(url: str, rounds: int) -> Iterator[Table]:
    """Yield the cost of loading, and of the first question."""
    programs = {name: (START + LOAD.format(cell), env, {}) for name, (cell, env) in LOADED.items()}
    rows = _rows(programs, rounds)
    ours = rows[0][1]
    goals = [Goal("CPU ms of loading", ours if isinstance(ours, float) else None, 10.0)]
    columns = ("", "CPU ms", "wall ms", "modules")
    yield Table("Loading in a fresh IPython", columns, rows, goals)
    there = {"GLM_MODEL": "openai/bench", "GLM_BASE_URL": url + Answer(events=20).path}
    programs = {
        name: (START + ASK.format(pause=pause), "", there) for name, pause in PAUSES.items()
    }
    yield Table("The first %glm after it, 20 events, to its end", columns, _rows(programs, rounds))


def _rows(
    programs: dict[str, tuple[str, str, dict[str, str]]], rounds: int
) -> list[tuple[Cell, ...]]:
    """Return a row of medians for each program, and one for a question asked again."""
    found: dict[str, list[list[list[float]]]] = defaultdict(list)
    problems: dict[str, str] = {}
    for _ in range(rounds * ROUNDS):
        for name, program in programs.items():
            try:
                found[name].append(_run(*program))
            except RuntimeError as error:
                problems[name] = str(error)
    rows: list[tuple[Cell, ...]] = []
    for name in programs:
        if name in problems:
            rows.append((f"{name}: {problems[name]}", None, None, None))
            continue
        for which, trials in enumerate(zip(*found[name], strict=True)):
            again = " and once more" if which else ""
            rows.append((name + again, *(median(column) for column in zip(*trials, strict=True))))
    return rows


def _run(program: str, env: str, around: dict[str, str]) -> list[list[float]]:
    """Return what *program* measured; raises RuntimeError with the reason when it could not."""
    if problem := prepare(env):
        raise RuntimeError(problem)
    done = subprocess.run(
        [python(env), "-c", program],
        env={**AROUND, **around},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(last_line(done.stderr))
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()[1:]]
