"""Peers asked in turn, each time in a process of its own; the figures are medians."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from benchmarks.answers import Answer
from benchmarks.envs import AROUND, last_line, prepare, python

SCRIPTS = Path(__file__).parent / "peers"
#: Seconds that one trial may take.
PATIENCE = 300

Figures = dict[str, float]


class Failed(Exception):  # noqa: N818, a result like others: the table says it
    """A peer could not be measured, and why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to read an answer: its *script*, and the environment that has what it imports.

    A peer that *is_slow* is asked once for what takes it long.
    """

    name: str
    script: str
    env: str = ""
    is_slow: bool = False


FLOOR = Peer("floor: bytes thrown away", "floor")
OURS = Peer("glm_magic", "ours")
IN_A_CELL = Peer("glm_magic, handed to the main thread", "ours_in_a_cell")
SEED = Peer("seed's loop: line, json.loads, slice", "seed")
LINES = Peer("aiohttp and json", "lines")
HTTPX_SSE = Peer("httpx-sse", "events", "httpx-sse")
OPENAI = Peer("openai", "openai_sdk", "openai", is_slow=True)
LITELLM = Peer("litellm", "litellm_sdk", "litellm", is_slow=True)
ZAI = Peer("zai-sdk", "zai_sdk", "zai-sdk", is_slow=True)
ZHIPUAI = Peer("zhipuai", "zai_sdk", "zhipuai", is_slow=True)
CHATLAS = Peer("chatlas", "chatlas_sdk", "chatlas", is_slow=True)

#: Those that read both wires, those that read one, and the vendor's, which block a loop.
PLAIN = (FLOOR, OURS, IN_A_CELL, SEED, LINES, HTTPX_SSE)
CLIENTS = (OPENAI, LITELLM, CHATLAS)
BLOCKING = (ZAI, ZHIPUAI)


def compare(  # noqa: PLR0913, what is asked of whom, and how often
    peers: Sequence[Peer],
    question: str,
    url: str,
    answer: Answer,
    *,
    rounds: int,
    number: int = 1,
) -> dict[Peer, Figures | Failed]:
    """Return the medians of *rounds* trials for each peer, or why it has none."""
    found: dict[Peer, list[Figures]] = defaultdict(list)
    failed: dict[Peer, Failed] = {}
    for turn in range(rounds):  # in turn, so that a slow moment of the machine meets all of them
        for peer in peers:
            if peer in failed or (turn and peer.is_slow and answer.events * number > 20_000):  # noqa: PLR2004
                continue
            try:
                found[peer].append(trial(peer, question, url, answer, number, turn))
            except Failed as error:
                failed[peer] = error
    return {peer: failed.get(peer) or _medians(found[peer]) for peer in peers}


def _medians(trials: list[Figures]) -> Figures:
    return {name: median(figures[name] for figures in trials) for name in trials[0]}


@cache
def trial(peer: Peer, question: str, url: str, answer: Answer, number: int, _turn: int) -> Figures:
    """Ask *peer* once, in this run of the benchmarks; raises Failed."""
    if problem := prepare(peer.env):
        raise Failed(problem)
    done = _run(_command(peer, question, url, answer, number))
    return dict(json.loads(done.stdout))


def _command(peer: Peer, question: str, url: str, answer: Answer, number: int) -> list[str]:
    script = str(SCRIPTS / f"{peer.script}.py")
    return [python(peer.env), script, question, url, answer.path[1:], str(number)]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command, env=AROUND, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done in {PATIENCE} s") from None
    if done.returncode:
        raise Failed(last_line(done.stderr))
    return done


def instructions(peer: Peer, url: str, events: tuple[int, int]) -> float:
    """Return the instructions of one event: of two answers' difference, so that no start counts.

    Raises Failed, also where there is no valgrind.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Failed("valgrind is not installed")
    counts = []
    for count in events:
        command = _command(peer, "cost", url, Answer(events=count), 1)
        tool = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        collected = re.findall(r"Collected : (\d+)", _run([*tool, *command]).stderr)
        counts.append(int(collected[0]))
    return (counts[1] - counts[0]) / (events[1] - events[0])
