"""One target, or all in turn, under atheris: `python -m tests.fuzz.atheris_run sse -runs=2000`.

What follows the name goes to libFuzzer as it is. An input that breaks a
promise is left in build/fuzz.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "build" / "fuzz"


def main(name: str, *options: str) -> int:
    """Run the target *name* and return the exit status."""
    if find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: it has no wheel for this Python\n")
        return 0
    return run_all(options) if name == "all" else run(name, options)


def run_all(options: tuple[str, ...]) -> int:
    """Run every target in a process of its own, as atheris ends the one it runs in."""
    from tests.fuzz.targets import TARGETS

    words = [sys.executable, "-m", "tests.fuzz.atheris_run"]
    return max(subprocess.run([*words, name, *options], check=False).returncode for name in TARGETS)


def run(name: str, options: tuple[str, ...]) -> int:
    """Run one target with its corpus; does not return."""
    import atheris  # not on every machine

    with atheris.instrument_imports(include=["glm_magic", "markdown_it"]):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.corpora import corpus_of

    FOUND.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        for number, data in enumerate(corpus_of(name)[::8]):  # it finds the others by itself
            Path(folder, str(number)).write_bytes(data)
        words = [sys.argv[0], f"-artifact_prefix={FOUND}/{name}-", *options, folder]
        atheris.Setup(words, TARGETS[name])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
