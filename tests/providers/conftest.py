"""A far side on loopback for each test, and pauses too short to wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glm_magic.providers import retry
from tests.far_side import FarSide
from tests.providers.asking import WIRES, Wire


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    """A server that does what the test scripts."""
    with FarSide() as far_side:
        yield far_side


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    """Each of the two wire formats in turn."""
    return request.param


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
