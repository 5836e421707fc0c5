"""Answers that grow a thousandfold as they are unpacked, each read in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from tests.faults.fault import Fault, far_side, saying
from tests.faults.packing import BOMBS
from tests.providers.asking import WIRES, Wire

#: What any fault may take.
MOST = 200 * 2**20


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
async def test_bomb(bomb: Fault, wire: Wire):
    """It ends as its row says, in one request, and takes at most 200 MiB."""
    with far_side(wire) as site:
        assert site.server is not None
        site.server.queue(*saying("Hi")(site), *bomb.scripts(site))
        seen = await measured(site.url, wire)
        assert 2 == len(site.server.requests)
    assert (bomb.error and bomb.error.__name__) == seen["error"]
    assert seen["growth"] < MOST


async def measured(url: str, wire: Wire, seconds: float = 60.0) -> dict[str, Any]:
    """Return what `tests.faults.measure` saw of the second answer."""
    command = [sys.executable, "-m", "tests.faults.measure", url, wire.model, str(seconds)]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    assert 0 == child.returncode
    return dict(json.loads(out))
