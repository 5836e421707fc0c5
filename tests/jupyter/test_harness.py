"""The harness itself, without anything of ours in it."""

from __future__ import annotations

import pytest

from tests.jupyter.conftest import OpenNotebook
from tests.jupyter.kernel import Kernel
from tests.jupyter.lab import Face
from tests.jupyter.terminal import Terminal

HEADING = (
    "from IPython.display import Markdown, display\ndisplay(Markdown('# Tea\\n\\n茶 is *tea*.'))"
)


def test_kernel_prints(kernel: Kernel):
    """What a cell prints is its stream, and the cell ends well."""
    cell = kernel.run("print(6 * 7)")
    assert ("ok", "42\n", None) == (cell.status, cell.stream, cell.error)


def test_kernel_updates_displays(kernel: Kernel):
    """An update from a later cell changes the output of the cell that displayed."""
    shown = kernel.run("h = display({'text/plain': 'one'}, raw=True, display_id=True)")
    kernel.run("h.update({'text/plain': 'two'}, raw=True)")
    assert [{"text/plain": "two"}] == shown.data


def test_kernel_clears_outputs(kernel: Kernel):
    """A clear that waits takes the old output away when the next one comes."""
    cell = kernel.run(
        "from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)\nprint(2)"
    )
    assert "2\n" == cell.stream


def test_kernel_is_interrupted(kernel: Kernel):
    """An interrupt ends a running cell and aborts the one queued behind it."""
    endless = kernel.start("import time\nprint('on')\nwhile True: time.sleep(0.01)")
    queued = kernel.start("print('never')")
    kernel.until(lambda: endless.stream == "on\n")
    kernel.interrupt()
    kernel.wait(queued)
    assert ("KeyboardInterrupt", "aborted") == (endless.error["ename"], queued.status)


@pytest.mark.parametrize("kernel_env", [{"COLOUR": "green"}])
def test_kernel_has_its_environment(kernel: Kernel):
    """A variable of `kernel_env` is in the kernel's environment."""
    assert "green\n" == kernel.run("import os; print(os.environ['COLOUR'])").stream


def test_terminal_answers(terminal: Terminal):
    """IPython in a terminal computes what is typed."""
    terminal.send("1+1")
    assert terminal.expect("Out[1]: 2").endswith("Out[1]: 2")


def test_terminal_is_interrupted(terminal: Terminal):
    """Ctrl-C ends what runs in the terminal, and the next prompt comes."""
    terminal.send("import time; print('o' + 'n'); time.sleep(600)")
    terminal.expect("on\n")
    terminal.interrupt()
    terminal.expect("KeyboardInterrupt")
    terminal.expect("In [2]: ")


@pytest.mark.parametrize("face", ["lab", "notebook"])
def test_page_runs_cells(open_notebook: OpenNotebook, face: Face):
    """A cell run in the browser shows its result, the file keeps it, nothing is fetched."""
    page = open_notebook("print(6*7)", HEADING, face=face)
    page.run_all()
    page.wait_for("42", 0)
    page.wait_for("茶 is tea.", 1)
    assert "Tea" in page.output(1).locator("h1").inner_text()
    page.screenshot(f"harness-{face}")
    assert "42\n" == page.save().cells[0].outputs[0].text
    assert [] == page.foreign


def test_page_interrupts(open_notebook: OpenNotebook):
    """A cell started in the browser shows what it prints while it runs, and stops."""
    page = open_notebook("import time\nprint('on')\nwhile True: time.sleep(0.01)")
    page.start()
    page.wait_for("on")
    page.interrupt()
    page.wait_for("KeyboardInterrupt")


def test_page_records_foreign_requests(open_notebook: OpenNotebook):
    """A picture asked of another host is recorded, whether or not it can be had."""
    page = open_notebook("display({'text/markdown': '![](http://192.0.2.1/x.png)'}, raw=True)")
    with page.page.expect_request("http://192.0.2.1/x.png"):
        page.run()
    assert ["http://192.0.2.1/x.png"] == page.foreign


def test_page_knows_its_scroll_position(open_notebook: OpenNotebook):
    """A notebook that is scrolled down says how far."""
    page = open_notebook("print('line\\n' * 200)")
    page.run()
    assert 0 == page.scroll_top()
    page.page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollBy(0, 120)")
    assert 120 == page.scroll_top()
