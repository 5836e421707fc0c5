"""A real ipykernel, driven over its own sockets: cells in, messages and final outputs out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client import BlockingKernelClient, KernelManager

#: What a notebook keeps of a cell's iopub messages.
OUTPUTS = ("stream", "display_data", "execute_result", "error")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One iopub message: its *place* among all of the kernel's, and when it came (monotonic s)."""

    place: int
    at: float
    type: str
    content: dict[str, Any]


@dataclass
class Cell:
    """One executed cell; *outputs* are as a notebook would show them now."""

    id: str
    status: str = "running"
    idle: bool = False
    messages: list[Arrival] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    _clear_next: bool = False

    @property
    def done(self) -> bool:
        """Whether the kernel has answered and sent all it had to send."""
        return self.idle and self.status != "running"

    @property
    def stream(self) -> str:
        """What was printed, both streams in order."""
        return "".join(o["text"] for o in self.outputs if o["output_type"] == "stream")

    @property
    def error(self) -> dict[str, Any] | None:
        """The error shown under the cell (`ename`, `evalue`, `traceback`), or None."""
        return next((o for o in self.outputs if o["output_type"] == "error"), None)

    @property
    def data(self) -> list[dict[str, Any]]:
        """The MIME bundles shown, in order."""
        return [o["data"] for o in self.outputs if "data" in o]

    def clear(self, *, wait: bool) -> None:
        """Do as `clear_output` says."""
        self._clear_next = wait
        if not wait:
            self.outputs.clear()

    def show(self, output: dict[str, Any]) -> None:
        """Append *output*, joining it to a stream of the same name."""
        if self._clear_next:
            self.clear(wait=False)
        last = self.outputs[-1] if self.outputs else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            self.outputs.append(output)


class Kernel:
    """A kernel process with settings of its own; *env* is added to its environment.

    *published* holds every iopub message as it came, whatever caused it.
    """

    def __init__(self, home: Path, env: Mapping[str, str] | None = None) -> None:
        self._cells: dict[str, Cell] = {}
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._places = 0
        self.published: list[dict[str, Any]] = []
        own = {"IPYTHONDIR": str(home), "JUPYTER_CONFIG_DIR": str(home), **(env or {})}
        for tries_left in (2, 1, 0):
            try:
                self._begin(home, {**os.environ, **own})
            except BaseException as error:
                self.close()
                # Somebody else may take a port between its choice and its use.
                if not (tries_left and isinstance(error, RuntimeError)):
                    raise
            else:
                break

    def _begin(self, home: Path, env: Mapping[str, str]) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env=dict(env), cwd=str(home))
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str, timeout: float = 60) -> Cell:
        """Execute *code* as a cell and return it when it is done; see `wait`."""
        return self.wait(self.start(code), timeout)

    def start(self, code: str, subshell: str | None = None) -> Cell:
        """Send *code* as a cell and return at once; the cell fills in `wait` and `until`."""
        asked = {"code": code, "silent": False, "allow_stdin": False}
        message = self._client.session.msg("execute_request", asked)
        message["header"]["subshell_id"] = subshell
        cell = self._cells[message["header"]["msg_id"]] = Cell(message["header"]["msg_id"])
        self._client.shell_channel.send(message)
        return cell

    def subshell(self) -> str:
        """Open a second shell, which runs its cells beside the main one's, and return its id."""
        channel = self._client.control_channel
        channel.send(self._client.session.msg("create_subshell_request"))
        return str(channel.get_msg(timeout=60)["content"]["subshell_id"])

    def wait(self, cell: Cell, timeout: float = 60) -> Cell:
        """Return *cell* when it is done; raises TimeoutError after *timeout* seconds."""
        self.until(lambda: cell.done, timeout)
        return cell

    def until(self, is_so: Callable[[], bool], timeout: float = 60) -> None:
        """Take in messages until *is_so()*; raises TimeoutError after *timeout* seconds."""
        end = time.monotonic() + timeout
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError(f"not so within {timeout} s; cells: {self._cells}")
            self._take_published()
            self._take_answers()

    def complete(self, line: str) -> dict[str, Any]:
        """Return what Tab at the end of *line* offers (`matches`, `cursor_start`)."""
        answer = self._client.complete(line, reply=True, timeout=60)
        return dict(answer["content"])

    def interrupt(self) -> None:
        """Do as the Stop button does."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """End the process as the system does when memory runs out."""
        self._manager.signal_kernel(signal.SIGKILL)

    def close(self) -> None:
        """End the process; may be called again."""
        self._client.stop_channels()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)

    def _take_published(self) -> None:
        try:
            message = self._client.get_iopub_msg(timeout=0.05)
        except Empty:
            return
        self.published.append(message)
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if cell is None:
            return
        self._places += 1
        kind, content = message["msg_type"], message["content"]
        cell.messages.append(Arrival(self._places, time.monotonic(), kind, content))
        self._apply(cell, kind, content)

    def _take_answers(self) -> None:
        while self._client.shell_channel.msg_ready():
            message = self._client.get_shell_msg(timeout=1)
            cell = self._cells.get(message["parent_header"].get("msg_id", ""))
            if cell is not None:
                cell.reply = message["content"]
                cell.status = message["content"]["status"]

    def _apply(self, cell: Cell, kind: str, content: dict[str, Any]) -> None:
        if kind == "status":
            cell.idle = content["execution_state"] == "idle"
        elif kind == "clear_output":
            cell.clear(wait=content["wait"])
        elif kind == "update_display_data":
            self._update(content)
        elif kind in OUTPUTS:
            output = {"output_type": kind, **content}
            cell.show(output)
            if key := _display_id(content):
                self._displays.setdefault(key, []).append(output)

    def _update(self, content: dict[str, Any]) -> None:
        for output in self._displays.get(_display_id(content), []):
            output.update(data=content["data"], metadata=content["metadata"])


def _display_id(content: dict[str, Any]) -> str:
    return str(content.get("transient", {}).get("display_id", ""))
