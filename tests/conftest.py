"""What every test starts from: no settings and no keys of whoever runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from glm_magic import config, redact

# No deadline: how fast one example runs says more about the machine than about the code.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=2000)  # for `make fuzz`
# CI judges a change: it tries the same examples each time. New ones are tried everywhere else.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def is_setting(name: str) -> bool:
    """Say whether the environment variable *name* could change what the package does."""
    upper = name.upper()
    return (
        upper.startswith(("GLM_", "CHATGLM_"))
        or upper.endswith(("_API_KEY", "_PROXY"))
        or upper == "PYTHONWARNINGS"
    )


@pytest.fixture(scope="session", autouse=True)
def _no_settings() -> None:
    """Take settings and keys out of the environment, for the processes tests start as well.

    `GLM_CHROMIUM` stays: it names the browser of the machine.
    """
    for name in [name for name in os.environ if is_setting(name) and name != "GLM_CHROMIUM"]:
        del os.environ[name]


@pytest.fixture
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host glm.invalid may be asked over plain http: a proxy takes it for itself."""
    monkeypatch.setattr(config.current(), "plain_http", "glm.invalid")


@pytest.fixture(autouse=True)
def _own_keys() -> Iterator[None]:
    """Forget the keys of a test after it: they are masked wherever they stand."""
    known = redact._live.copy()
    yield
    redact._live.intersection_update(known)
