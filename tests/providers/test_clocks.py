"""The clocks: how long each stage of an answer may take, and what does not count."""

from __future__ import annotations

import pytest

from glm_magic.errors import NetworkError
from glm_magic.providers.base import Clocks
from tests.far_side import Silence, Status
from tests.providers.asking import OPENAI, ask


async def test_no_clocks(far_side, wire):
    """All clocks can be switched off."""
    reply = await ask(wire.at(far_side.url, clocks=Clocks(None, None, None)))
    assert "stop" == reply.finish_reason


async def test_list_of_models(far_side):
    """The list of models is under the clock of the first event."""
    far_side.queue(Silence(), Status(200, {}), method="GET")
    with pytest.raises(NetworkError, match=r"no answer within 0\.1 s"):
        await OPENAI.at(far_side.url, clocks=Clocks(first_event=0.1)).models()
