"""Scripts in a Python process of their own, and what they say."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

#: Development mode, in which every warning is an error.
STRICT = ("-X", "dev", "-W", "error")

#: In development mode asyncio tells what was slow, which says more about the machine.
_QUIET = "import logging; logging.getLogger('asyncio').setLevel(logging.ERROR)\n"


def python(
    script: str, *flags: str, args: tuple[str, ...] = (), **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run *script* with *args* and return how it ended; *how* goes to `subprocess.run`."""
    command = [sys.executable, *flags, "-c", _QUIET + textwrap.dedent(script), *args]
    settings: Mapping[str, Any] = {"capture_output": True, "text": True, "timeout": 60, **how}
    return subprocess.run(command, check=False, **settings)


def output(script: str, *flags: str, args: tuple[str, ...] = (), **how: Any) -> list[str]:
    """Return the words that *script* prints, which must go well and without a warning."""
    done = python(script, *flags, args=args, **how)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()
