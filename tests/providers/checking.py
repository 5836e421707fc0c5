"""The doctor's report as values."""

from __future__ import annotations

from contextlib import aclosing

from glm_magic.config import GlmConfig
from glm_magic.doctor import examine
from glm_magic.doctor.check import PATIENCE, Check
from glm_magic.state import State


async def checks(
    wanted: str = "openai", patience: float = PATIENCE, **settings: str
) -> dict[str, Check]:
    """Return the checks of the provider *wanted* by name, in order."""
    examined = examine(State(GlmConfig(**settings)), wanted, patience=patience)
    async with aclosing(examined) as found:
        return {check.name: check async for check in found}
