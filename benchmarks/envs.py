"""The peers' own environments, below build/bench-envs: made once, kept while the versions stay."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / "build" / "bench-envs"

#: What is installed in each environment: the one place where the peers' versions are named.
VERSIONS = {
    "openai": ("openai==3.57.0",),
    "zai-sdk": ("zai-sdk==0.2.3",),
    "zhipuai": ("zhipuai==2.1.5.20250825",),
    "litellm": ("litellm==1.110.2",),
    "httpx-sse": ("httpx==0.28.1", "httpx-sse==0.4.3"),
    "chatlas": ("chatlas==0.23.0", "openai==3.57.0", "ipython==9.18.1"),
    "jupyter_ai_magics": ("jupyter_ai_magics==2.31.7", "ipython==9.18.1"),
}

#: What every measured process has around it: loopback without a proxy, the compiler's cache as
#: users have it, and the same order of sets in each run.
AROUND = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "NO_PROXY": "127.0.0.1",
    "PYTHONHASHSEED": "0",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network for it
}


def python(env: str) -> str:
    """Return the Python of *env*, which `prepare` has made; "" is our own."""
    return str(HOME / env / "bin" / "python") if env else sys.executable


@cache
def prepare(env: str) -> str:
    """Make *env* unless it is there as named above; return what went wrong, or ""."""
    if not env:
        return ""
    wanted = "\n".join(VERSIONS[env])
    made = HOME / env / "versions.txt"
    if made.exists() and made.read_text() == wanted:
        return ""
    print(f"making {made.parent.relative_to(ROOT)}: {' '.join(VERSIONS[env])}", flush=True)
    for command in (
        (sys.executable, "-m", "venv", "--clear", str(made.parent)),
        (python(env), "-m", "pip", "install", "--quiet", *VERSIONS[env]),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"not installed: {last_line(done.stderr)}"
    made.write_text(wanted)
    return ""


def last_line(text: str) -> str:
    """Return the last line of *text*, where an error says what it is."""
    return (text.strip().splitlines() or ["no word"])[-1][:70]
