"""Views: answers at 200 deltas a second in JupyterLab, in a cell, in the panel, and in peers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.answers import Answer
from benchmarks.page import Cost, Lab, opened
from benchmarks.tables import Cell, Goal, Table

#: Seconds that an answer may come too late to be measured.
PATIENCE = 30
CELL = "%%glm\ngo"
PANEL = """
from glm_magic import ChatPanel
from IPython.display import display
panel = ChatPanel()
display(panel)
panel._desk.receive({"op": "send", "text": "go"})
"""
READ = """
import aiohttp, json
from IPython.display import Markdown, display
{before}
text = ""
async with aiohttp.ClientSession() as session:
    async with session.post(URL + "/v1/chat/completions", json={{}}) as response:
        async for line in response.content:
            if line.startswith(b"data: {{"):
                text += json.loads(line[6:])["choices"][0]["delta"]["content"]
                {then}
"""
PER_DELTA = READ.format(
    before="handle = display(Markdown(''), display_id=True)", then="handle.update(Markdown(text))"
)
OUTPUT_WIDGET = READ.format(
    before="import ipywidgets\nbox = ipywidgets.Output()\ndisplay(box)",
    then="box.outputs = ({'output_type': 'display_data', 'metadata': {},"
    " 'data': {'text/markdown': text}},)",
)
#: Name, cell, kilobytes, deltas a second.
RUNS = (
    ("%%glm in a cell", CELL, 2, 200),
    ("%%glm in a cell", CELL, 20, 200),
    ("%%glm in a cell", CELL, 100, 200),
    ("the panel", PANEL, 2, 200),
    ("the panel", PANEL, 20, 200),
    ("the panel", PANEL, 100, 200),
    ("the panel", PANEL, 100, 400),
    ("a display, updated at each delta", PER_DELTA, 20, 200),
    ("an ipywidgets Output, set at each delta", OUTPUT_WIDGET, 20, 200),
)
#: Of which run: the most CPU of the browser, the most lag in seconds, and the most megabytes.
GOALS = {("%%glm in a cell", 20, 200): (8, 0.3, 0.6), ("the panel", 20, 200): (5, 0.1, 0.6)}
COLUMNS = (
    "",
    "lag s",
    "browser CPU s",
    "all of its process s",
    "tasks s",
    "long tasks s",
    "kernel CPU s",
    "MB",
)

Run = tuple[str, int, int]


def tables(url: str, _rounds: int) -> Iterator[Table]:
    """Yield lag, CPU of browser and kernel, and bytes over the web socket."""
    rows: list[tuple[Cell, ...]] = []
    costs: dict[Run, Cost | None] = {}
    with opened() as lab:
        if lab is None:
            yield Table("No Chromium: run `make browser`", COLUMNS, [])
            return
        for name, cell, kilobytes, rate in RUNS:
            cost = _cost(lab, cell, url, Answer(events=250 * kilobytes, rate=rate))
            costs[name, kilobytes, rate] = cost
            rows.append((f"{kilobytes} kB, {name}, {rate}/s", *_figures(cost)))
    yield Table("From the last delta sent to its text on the screen", COLUMNS, rows, _goals(costs))


def _cost(lab: Lab, cell: str, url: str, answer: Answer) -> Cost | None:
    try:
        return lab.measure(cell, url, answer, patience=PATIENCE)
    except Exception:  # noqa: BLE001, a peer that never ends is a result too
        return None


def _figures(cost: Cost | None) -> tuple[Cell, ...]:
    if cost is None:
        return (f"> {PATIENCE}", *[None] * (len(COLUMNS) - 2))
    browser = (cost.thread, cost.process, cost.tasks, cost.long_tasks)
    return (cost.delays[-1], *browser, cost.kernel, cost.socket / 1e6)


def _goals(costs: dict[Run, Cost | None]) -> list[Goal]:
    goals = []
    for run, limits in GOALS.items():
        cost = costs[run]
        found = (cost.thread, cost.delays[-1], cost.socket / 1e6) if cost else (None,) * 3
        words = ("browser CPU s", "lag s", "MB")
        for word, figure, limit in zip(words, found, limits, strict=True):
            goals.append(Goal(f"{run[1]} kB, {run[0]}: {word}", figure, limit))
    fast = costs["the panel", 100, 400]
    goals.append(Goal("100 kB at 400/s, the panel: browser CPU s", fast and fast.thread, 9))
    for name in ("%%glm in a cell", "the panel"):
        short, long = costs[name, 20, 200], costs[name, 100, 200]
        grown = long.thread / short.thread if short and long else None
        goals.append(Goal(f"{name}: browser CPU at 100 kB to that at 20 kB", grown, 5.5))
    return goals
