"""A real JupyterLab (and Notebook 7) on loopback, looked at through a headless Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, Dialog, Error, Locator, Page, sync_playwright

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
TOKEN = "loopback-only"  # noqa: S105, nothing else can reach the server
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",  # there is none in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Face = Literal["lab", "notebook"]
PATHS: dict[Face, str] = {
    "lab": "/lab/tree/{}?reset&token={}",
    "notebook": "/notebooks/{}?token={}",
}

# The notebook as JupyterLab's own commands see it; `exposeAppInBrowser` names the application.
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
RUN = f"""async (index) => {{
    {NOTEBOOK}.content.activeCellIndex = index;
    await window.jupyterapp.commands.execute("notebook:run-cell");
}}"""
READY = f"""() => window.jupyterapp && {NOTEBOOK}?.context?.isReady
    && {NOTEBOOK}.sessionContext.session?.kernel?.status === "idle\""""


class Server:
    """A Jupyter server process that keeps all its files below *home*."""

    def __init__(self, home: Path) -> None:
        self.root = home / "notebooks"
        self._runtime = home / "runtime"
        self.root.mkdir(parents=True)
        _settle(home / "config" / "lab" / "user-settings" / "@jupyterlab")
        self._log = (home / "server.log").open("w+")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.token={TOKEN}"),
                f"--ServerApp.root_dir={self.root}",
                "--LabApp.expose_app_in_browser=True",
                "--JupyterNotebookApp.expose_app_in_browser=True",
                "--LabApp.extension_manager=readonly",
            ],
            env={**os.environ, **_places(home)},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def url(self, timeout: float = 60) -> str:
        """Return where the server listens; raises RuntimeError with its log if it never does."""
        end = time.monotonic() + timeout
        while self._process.poll() is None and time.monotonic() < end:
            for info in self._runtime.glob("jpserver-*.json"):
                return str(json.loads(info.read_text())["url"]).rstrip("/")
            self._wait(0.1)
        self._log.seek(0)
        raise RuntimeError(f"no Jupyter server: {self._log.read()}")

    def close(self) -> None:
        """End the server and the kernels it started."""
        self._process.terminate()
        self._wait(20)
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return


class NotebookPage:
    """One notebook in the browser.

    *page* is the Playwright page, for anything not offered here. *requests*
    holds every address asked for, web sockets included; *errors* what the
    console called an error; *seen* the dialogs, navigations and new windows,
    without those that opened the page.
    """

    def __init__(self, browser: Browser, url: str, file: Path, face: Face) -> None:
        self.file = file
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._context = browser.new_context(viewport={"width": 1280, "height": 900})
        self._context.on("request", lambda request: self.requests.append(request.url))
        self.page = self._context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self.seen = watch(self.page)
        self.page.goto(url + PATHS[face].format(file.name, TOKEN))
        self.page.wait_for_function(READY)
        self.seen[:] = [each for each in self.seen if not each.startswith(f"navigation {url}/")]

    @property
    def foreign(self) -> list[str]:
        """The addresses asked for that are not on this machine."""
        here = ("127.0.0.1", "localhost", "", None)
        return [url for url in self.requests if urlsplit(url).hostname not in here]

    def run(self, index: int = 0) -> None:
        """Run the cell at *index* and return when its last output has come, good or bad."""
        self.page.evaluate(RUN, index)

    def start(self, index: int = 0) -> None:
        """Run the cell at *index* without waiting for its end."""
        self.page.evaluate(f"(index) => void ({RUN})(index)", index)

    def run_all(self) -> None:
        """Do as Run All Cells does; returns when the last cell is done."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def interrupt(self) -> None:
        """Do as the Stop button does."""
        self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.interrupt()")

    def output(self, index: int = 0) -> Locator:
        """Return the output area of the cell at *index*."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-Cell-outputArea")

    def wait_for(self, text: str, index: int = 0, timeout: float = 60) -> None:
        """Wait until the output of the cell at *index* shows *text*; *timeout* is in seconds."""
        shown = self.output(index).filter(has_text=text)
        shown.wait_for(state="attached", timeout=timeout * 1000)

    def save(self) -> nbformat.NotebookNode:
        """Save the notebook and return it as it is on the disk."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function(f"() => !{NOTEBOOK}.context.model.dirty")
        return nbformat.read(self.file, as_version=4)

    def scroll_top(self) -> float:
        """Return how far the notebook is scrolled down, in pixels."""
        return float(self.page.evaluate(f"() => {NOTEBOOK}.content.outerNode.scrollTop"))

    def screenshot(self, name: str) -> Path:
        """Write what is seen to build/screenshots and return the file."""
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        try:
            self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.shutdown()")
        finally:
            self._context.close()

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)


def watch(page: Page) -> list[str]:
    """Return the list that every dialog, navigation and new window of *page* will be noted in."""
    seen: list[str] = []

    def refuse(dialog: Dialog) -> None:
        seen.append(f"dialog {dialog.message}")
        with suppress(Error):  # a page that has gone on has taken its dialog along
            dialog.dismiss()

    page.on("dialog", refuse)
    page.on("popup", lambda popup: seen.append(f"window {popup.url}"))
    page.on("framenavigated", lambda frame: seen.append(f"navigation {frame.url}"))
    return seen


def find_browser() -> str | None:
    """Return the path of a Chromium: `GLM_CHROMIUM`, or the first one on the path."""
    named = os.environ.get("GLM_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """Run the Chromium at *path* without a window until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET])
        try:
            yield browser
        finally:
            browser.close()


def _places(home: Path) -> dict[str, str]:
    """Return the environment that keeps all of Jupyter's files below *home*."""
    names = {
        "HOME": "",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "config/lab/user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": "config/lab/workspaces",
    }
    return {name: str(home / place) for name, place in names.items()}


def _settle(settings: Path) -> None:
    """Answer, for a new user, what would pop up: news and updates are not wanted."""
    folder = settings / "apputils-extension"
    folder.mkdir(parents=True)
    (folder / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )
