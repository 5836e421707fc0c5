"""`%glmcmd doctor` in a real kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.far_side import FarSide, Gate, Status

if TYPE_CHECKING:
    from aiohttp import web

    from tests.far_side_data import Recorded


@dataclass(frozen=True)
class Held:
    """Nothing, until the *gate* opens; then a healthy answer."""

    gate: Gate

    async def play(self, request: web.BaseRequest, recorded: Recorded) -> web.StreamResponse:
        """Wait, then answer."""
        await self.gate.passed()
        return await Status(200).play(request, recorded)


def test_lines_come_as_they_are_known(kernel):
    """What is known is printed while a server keeps the rest waiting."""
    gate = Gate()
    with FarSide() as far_side:
        far_side.queue(Held(gate), method="GET")
        kernel.run(f"%load_ext glm_magic\n%config GlmConfig.base_url = '{far_side.url}'")
        cell = kernel.start("%glmcmd doctor openai")
        kernel.until(lambda: "✓ name" in cell.stream)
        assert "✓ server" not in cell.stream
        gate.open()
        kernel.wait(cell)
    assert "ok" == cell.status
    assert "✓ server   it is healthy" in cell.stream
    assert "in a kernel" in cell.stream
    assert "✗" not in cell.stream
