"""A far side for each test, in both wires, and kernels that ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.far_side import FarSide
from tests.jupyter.conftest import kernel
from tests.jupyter.kernel import Kernel
from tests.providers.conftest import far_side, short_pauses, wire

__all__ = ["far_side", "kernel", "short_pauses", "wire"]


@pytest.fixture
def kernel_env(far_side: FarSide, tmp_path: Path) -> dict[str, str]:
    """The far side as the default provider, and a folder of its own for temporary files."""
    (tmp_path / "temporary").mkdir()
    temporary = str(tmp_path / "temporary")
    return {"GLM_BASE_URL": far_side.url, "GLM_MODEL": "openai/glm-test", "TMPDIR": temporary}


@pytest.fixture
def loaded(kernel: Kernel) -> Kernel:
    """A kernel with the extension loaded."""
    assert kernel.run("%load_ext glm_magic").outputs == []
    return kernel
