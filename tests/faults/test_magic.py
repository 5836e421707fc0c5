"""Every fault through `%glm` in one real kernel for each wire format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import pytest

from glm_magic.errors import ProviderError
from glm_magic.providers.address import host_of
from glm_magic.show.terminal import clean
from tests.faults.fault import Fault, Site, holds_key
from tests.faults.tables import cases
from tests.jupyter.kernel import Cell, Kernel
from tests.providers.asking import Wire

BEGIN = """
import os
%load_ext glm_magic
from glm_magic.providers import http, retry
retry.FIRST_PAUSE, http.LAST_SECONDS = 0.001, 0.05
settings = get_ipython().magics_manager.registry["GlmMagics"].settings
def prepare(key, **values):
    os.environ["GLM_API_KEY"] = key
    for name, value in values.items():
        setattr(settings, name, value)
"""
#: What a cell may do in a browser; the tags that are ours are none of these.
LIVE = re.compile(r"(?<!\\)<(?!/?(sub|br|details|summary)\b)[a-z!/]", re.IGNORECASE)

#: What is said of each request but the first, and how often if that is one and the same.
AGAIN = re.compile(r"; asked again(?: \((\d+) times\))?")


@dataclass
class Notebook:
    """A kernel with the extension, in which nothing was changed but the settings."""

    kernel: Kernel

    def prepare(self, fault: Fault, site: Site) -> None:
        """Set what *fault* needs set."""
        values = {
            "model": site.wire.model,
            "base_url": site.url,
            "chatglm_url": site.url,
            "proxy": "",
            "plain_http": "glm.invalid",
            "retries": 2,
            **{f"{name}_timeout": seconds for name, seconds in asdict(fault.clocks).items()},
            **fault.settings,
            **site.settings,
        }
        assert "ok" == self.kernel.run(f"prepare({fault.key or ''!r}, **{values!r})").status

    def ask(self, fault: Fault, site: Site) -> Cell:
        """Run a cell that asks; the gate opens when the text is on screen."""
        cell = self.kernel.start("%glm --once Hi")
        last = (fault.text.split() or [""])[-1]
        self.kernel.until(lambda: cell.done or last in markdown(cell))
        site.gate.open()
        return self.kernel.wait(cell)


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Notebook]]:
    """The kernels by wire format, each started when it is first needed."""
    made = _Notebooks(tmp_path_factory)
    yield made
    for notebook in made.values():
        notebook.kernel.close()


class _Notebooks(dict[str, Notebook]):
    def __init__(self, folders: pytest.TempPathFactory) -> None:
        super().__init__()
        self._folders = folders

    def __missing__(self, wire: str) -> Notebook:
        kernel = Kernel(self._folders.mktemp(wire))
        self[wire] = Notebook(kernel)
        assert "ok" == kernel.run(BEGIN).status
        return self[wire]


@pytest.mark.parametrize(("fault", "wire"), cases())
def test_fault(notebooks: Mapping[str, Notebook], fault: Fault, wire: Wire):
    """The cell ends as the fault's row says and shows nothing else; the next one runs."""
    notebook = notebooks[wire.name]
    with fault.place(wire) as site:
        site.play(fault)
        notebook.prepare(fault, site)
        cell = notebook.ask(fault, site)
        following = notebook.kernel.run("print(6 * 7)")
        assert site.requests in (None, fault.requests)
        check_cell(cell, fault, host_of(site.url))
    assert ("ok", "42\n") == (following.status, following.stream)
    assert not holds_key(json.dumps([messages(cell), messages(following)]), fault.key)


def check_cell(cell: Cell, fault: Fault, host: str) -> None:
    """A cell shows the text to the letter, each retry and, at most, six lines of error."""
    assert ("error" if fault.error else "ok") == cell.status
    assert clean(fault.text) == "".join(data["text/plain"] for data in cell.data)
    assert not LIVE.search(markdown(cell))
    again = AGAIN.findall(markdown(cell).replace("\\", ""))  # escapes of Markdown
    assert max(fault.requests - 1, 0) == sum(int(times or 1) for times in again)
    if fault.error is not None:
        assert cell.error is not None
        assert fault.error.__name__ == cell.error["ename"]
        shown = "\n".join(cell.error["traceback"])
        assert 1 <= len(shown.splitlines()) <= 6
        assert len(shown) <= 500
        assert not issubclass(fault.error, ProviderError) or host in shown
        assert [] == [word for word in fault.words if word not in shown]
    else:
        shown = markdown(cell).replace("\\", "")  # escapes of Markdown
        assert [] == [word for word in fault.words if word not in shown]


def markdown(cell: Cell) -> str:
    """What *cell* shows as Markdown."""
    return "\n".join(data.get("text/markdown", "") for data in cell.data)


def messages(cell: Cell) -> list[object]:
    """All that the kernel said of *cell*."""
    return [[message.content for message in cell.messages], cell.reply]
