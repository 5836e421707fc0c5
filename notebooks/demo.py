"""What `make demo` shows: IPython in this terminal, the extension, the embedded model."""

from __future__ import annotations

import sys

from IPython.terminal.interactiveshell import TerminalInteractiveShell

CELLS = (
    "%load_ext glm_magic",
    "%config GlmConfig.model = 'local'",
    "%glm",
    "%%glm -t 0\nExplain in two short sentences why the sky is blue.",
)


def main() -> int:
    """Run the cells as if they were typed; return 1 as soon as one fails."""
    shell = TerminalInteractiveShell.instance()
    for cell in CELLS:
        indented = cell.replace("\n", "\n   ...: ")
        print(f"In [{shell.execution_count}]: {indented}")
        if not shell.run_cell(cell, store_history=True).success:
            return 1
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
