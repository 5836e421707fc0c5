"""Measure what the documents quote, and print it as ratios of one run: `make bench`.

python -m benchmarks.run [--rounds N] [QUESTION…]

Each question's tables also go into build/bench/results.json, in the place of what was measured
for it before, and from there into RESULTS.md, between its two marks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import first_delta, hot_path, interrupt, load, many, memory, views
from benchmarks.envs import ROOT, VERSIONS
from benchmarks.server import running
from benchmarks.tables import Table

QUESTIONS = {
    module.__name__.rpartition(".")[2]: module
    for module in (load, first_delta, hot_path, views, many, memory, interrupt)
}
OURS = ("ipython", "ipykernel", "aiohttp", "jupyterlab", "ipywidgets", "anywidget")
RESULTS = ROOT / "build" / "bench" / "results.json"
PAGE = Path(__file__).with_name("RESULTS.md")
MARKS = ("<!-- tables: written by `make bench` -->", "<!-- end of tables -->")


def main() -> int:
    """Run the questions that are named, or all, and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("question", nargs="*", help=f"of {', '.join(QUESTIONS)}; all of them")
    parser.add_argument("--rounds", type=int, default=3, help="how often each peer is asked")
    arguments = parser.parse_args()
    if unknown := set(arguments.question) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(unknown)}")
    print(machine(), end="\n\n")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with running() as url:
        for name in arguments.question or QUESTIONS:
            results[name] = _measured(name, url, arguments.rounds)
            _write(results)
    return 0


def machine() -> str:
    """Return what this runs on, and the versions of what is measured."""
    cores = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    where = f"{platform.system()} {platform.machine()}, {cores}, Python {platform.python_version()}"
    ours = ", ".join(f"{name} {version(name)}" for name in OURS)
    peers = ", ".join(
        sorted({pin.replace("==", " ") for pins in VERSIONS.values() for pin in pins})
    )
    return f"{where}. Ours: {ours}. Peers: {peers}."


def _measured(name: str, url: str, rounds: int) -> dict[str, Any]:
    began, where = time.time(), machine()
    print(QUESTIONS[name].__doc__, end="\n\n")
    tables = []
    for table in QUESTIONS[name].tables(url, rounds):
        print(table.text(), flush=True)
        tables.append(table.json())
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
    seconds = round(time.time() - began)
    return {"at": at, "seconds": seconds, "machine": where, "tables": tables}


def _write(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    sections = "\n".join(_section(name, results[name]) for name in QUESTIONS if name in results)
    page = f"{before}{MARKS[0]}\n\n{sections}\n{MARKS[1]}{after}"
    PAGE.write_text(page, encoding="utf-8")


def _section(name: str, found: dict[str, Any]) -> str:
    head = f"## {(QUESTIONS[name].__doc__ or '').splitlines()[0]}\n"
    where = f"{found['at']}, in {found['seconds']} s, on {found['machine']}\n"
    return "\n".join([head, where, *(Table.of(table).markdown() for table in found["tables"])])


if __name__ == "__main__":
    sys.exit(main())
