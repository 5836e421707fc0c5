"""A monotonic clock that stands still until a test moves it on."""

from __future__ import annotations

import math
import time
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class Clock:
    """Stands in for the module `time` in some of our modules; *now* is moved by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.now = math.ceil(time.monotonic()) + 0.0  # near the true one, by which timers go
        for module in modules:
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
