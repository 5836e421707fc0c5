"""What `%load_ext glm_magic` costs, beside the start of IPython itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

RUNS = 9

START = "from IPython.terminal.ipapp import TerminalIPythonApp as A; a = A.instance(); "
SETUP = "a.initialize(['--quick', '--no-banner', '--HistoryManager.enabled=False']); "
CLOCK = "import time; t, w = time.process_time(), time.perf_counter(); {}; "
REPORT = "print(time.process_time() - t, time.perf_counter() - w)"


def rows() -> Iterator[tuple[str, ...]]:
    """Yield a line for each thing loaded: milliseconds, and the ratio to IPython."""
    programs = {
        "IPython itself, to its prompt": CLOCK.format(START + SETUP.rstrip("; ")) + REPORT,
        "%load_ext glm_magic": _loading("glm_magic"),
        "an extension that only imports aiohttp": _loading("aiohttp"),
        "an extension that only imports anywidget": _loading("anywidget"),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for _ in range(RUNS):  # in turn, so that a slow moment of the machine meets all of them
        for name, program in programs.items():
            seconds[name].append(_run(program))
    base = median(cpu for cpu, _ in seconds["IPython itself, to its prompt"])
    yield ("", "CPU ms", "wall ms", "CPU, to IPython's start")
    for name, times in seconds.items():
        cpu, wall = (median(column) for column in zip(*times, strict=True))
        yield (name, f"{1000 * cpu:.1f}", f"{1000 * wall:.1f}", f"{cpu / base:.3f}")


def _loading(module: str) -> str:
    loads = f"a.shell.run_line_magic('load_ext', '{module}')"
    if module != "glm_magic":
        loads = f"import {module}"
    return START + SETUP + CLOCK.format(loads) + REPORT


def _run(program: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    cpu, wall = done.stdout.split()[-2:]
    return float(cpu), float(wall)
