"""Measure what the documents quote, and print it as ratios of one run: `make bench`."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

from benchmarks import interrupt, lab, load

QUESTIONS = (load, interrupt, lab)
WIDTHS = (50, 14, 14, 40)


def main() -> int:
    """Run every benchmark and print its table."""
    names = ("glm_magic", "ipython", "ipykernel", "aiohttp", "jupyterlab")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()};", end=" ")
    print(", ".join(f"{name} {version(name)}" for name in names))
    for question in QUESTIONS:
        print(f"\n{question.__doc__.splitlines()[0]}\n")
        for row in question.rows():
            cells = (f"{cell:<{width}}" for cell, width in zip(row, WIDTHS, strict=True))
            print("  " + "  ".join(cells).rstrip(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
