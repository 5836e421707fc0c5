"""The doctor's check of the embedded model: the very file that asking would run, and its engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import GlmError
from ..messages import Message
from ..providers.models import check_gguf, name_of
from ..state import State
from .check import Check, timeout

_TRIAL = "import sys; sys.path[:] = sys.argv[1:]; import xllamacpp"


async def embedded(
    state: State, model: str, seconds: float, *, is_chosen: bool
) -> AsyncGenerator[Check, None]:
    """Yield the one check; what is wrong is of no consequence unless the model *is_chosen*."""
    try:
        async with timeout(seconds):  # a disk may hang as a server does
            check = await asyncio.to_thread(_examined, state, model if is_chosen else "", seconds)
    except (asyncio.TimeoutError, subprocess.TimeoutExpired):
        check = Check("embedded", "open", f"not known within {seconds:g} s")
    is_fault = check.verdict == "wrong" and not is_chosen
    yield _unneeded(check) if is_fault else check


def _examined(state: State, model: str, seconds: float) -> Check:
    engine = version_of("xllamacpp")
    if not engine:
        finding = "its engine, xllamacpp, is not installed"
        return Check("embedded", "wrong", finding, 'pip install "glm_magic[local]"')
    try:
        file = Path(state.make("local", model).prepare([Message("user", "")]).url)
        check_gguf(file)
    except GlmError as error:
        return Check("embedded", "wrong", error.what, error.remedy)
    if why := _refusal(seconds):
        finding = f"its engine, xllamacpp {engine}, cannot be imported: {why}"
        remedy = 'pip install --force-reinstall "glm_magic[local]"'
        return Check("embedded", "wrong", finding, remedy)
    return Check("embedded", "right", f"{name_of(file)}, run by xllamacpp {engine}")


def _refusal(seconds: float) -> str:
    """Return why the engine cannot be imported, or "".

    It is tried in a process of its own: a build for another machine ends the one it is in.
    """
    if sys.modules.get("xllamacpp"):
        return ""
    words = [sys.executable, "-c", _TRIAL, *sys.path]
    tried = subprocess.run(  # noqa: S603, our own interpreter and our own words
        words, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
    )
    if tried.returncode < 0:
        return f"signal {-tried.returncode}"
    said = tried.stderr.decode("utf-8", "replace").strip()
    return said.rpartition("\n")[2] if tried.returncode else ""


def _unneeded(check: Check) -> Check:
    finding = f"{check.finding.rstrip('.')}; only the provider local needs it"
    return Check("embedded", "open", finding)


def version_of(project: str) -> str:
    """Return the version of *project* that is installed, or ""."""
    try:
        return version(project)
    except PackageNotFoundError:
        return ""
