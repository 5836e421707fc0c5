"""The hostile corpora as answers of a model, and what cells call to be given them.

Runs in the kernel, and so imports nothing that a kernel may lack; the browser's side is `hostile`.
"""

from __future__ import annotations

import json
from pathlib import Path

from IPython.core.getipython import get_ipython

from glm_magic.panel.items import Rendered
from glm_magic.panel.widget import ChatPanel
from glm_magic.state import shared
from tests.scripted import ScriptedProvider, says

DATA = Path(__file__).parents[1] / "data"
CORPUS = json.loads((DATA / "xss_payloads.json").read_text(encoding="utf-8"))
PAYLOADS: list[str] = [payload["p"] for payload in CORPUS["payloads"]]
#: Ways in which marked lost sight of code, that no corpus has.
FOUND = ["$~~`{P}`~~$", "~~`a`~~`{P}` ", "**``**~~`{P}`~~`", "999999999. a\n1. ~~~\n   b\n\n   {P}"]
WRAPPERS: list[str] = [*CORPUS["markdown_wrappers"], *CORPUS["markdown_code_wrappers"], *FOUND]
NAUGHTY: list[str] = json.loads((DATA / "blns.json").read_text(encoding="utf-8"))
END = "The end of the attack."
#: Outputs of a cell: with the last, which says `END`, as many as JupyterLab shows.
SHOWN = 49


def wrapped(wrapper: str) -> list[str]:
    """Each payload in *wrapper*."""
    return [wrapper.replace("{P}", payload) for payload in PAYLOADS]


def rounds() -> list[list[str]]:
    """Each payload in every wrapper, the first parts of them all, and the naughty strings.

    Each text is to be an answer of its own, so that none hides another in a code block.
    """
    cut = [payload[: len(payload) * 2 // 3] for payload in PAYLOADS]
    return [*map(wrapped, WRAPPERS), cut, [text for text in NAUGHTY if text.strip()]]


def runs() -> list[list[str]]:
    """All texts of all rounds, as many at a time as a cell can show."""
    texts = [text for round_ in rounds() for text in round_]
    return [texts[start : start + SHOWN] for start in range(0, len(texts), SHOWN)]


def in_cell(number: int) -> None:
    """Answer below the running cell with each text of a run."""
    answers = [*runs()[number], f"{END} {number}"]
    provider = ScriptedProvider(*map(says, answers))
    shared()._providers["openai", "glm-test"] = provider
    shell = get_ipython()
    for _ in answers:
        shell.run_cell_magic("glm", "--once --no-stream", "attack")


def blocks(number: int) -> list[str]:
    """Return what the panel is given of a round, each text rendered as an answer of its own."""
    drawn: list[str] = []
    for text in [*rounds()[number], f"{END} {number}"]:
        answer = Rendered()
        answer.update(text)
        drawn += answer.blocks
    return drawn


def on_panel(panel: ChatPanel, number: int) -> None:
    """Have *panel* draw all texts of a round as the blocks of one item, in place of the last."""
    item = {"id": "a1", "role": "assistant", "verdict": "", "footer": "", "done": True}
    item["text_tail"] = {"start": 0, "text": END}
    panel._tell({"op": "patch", "item": item, "start": 0, "blocks": blocks(number)})
