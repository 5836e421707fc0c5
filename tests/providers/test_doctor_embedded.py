"""What the doctor says of the embedded model: the file that asking would run, and the engine."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

import pytest

from glm_magic import doctor
from glm_magic.doctor.check import Check
from glm_magic.providers import presets
from tests.providers.checking import checks


async def test_model_runs():
    """The model that would answer is named, with the engine that runs it."""
    embedded = (await checks("local"))["embedded"]
    assert "right" == embedded.verdict
    assert "SmolLM2-135M-Instruct, run by xllamacpp" in embedded.finding


@pytest.mark.parametrize("wanted", ["zia", "ZAI", "zai bigmodel"])
async def test_stray_word(wanted):
    """A word that names no provider is no model either, and the providers are named."""
    embedded = (await checks(wanted, model="local"))["embedded"]
    assert "wrong" == embedded.verdict
    assert ", ".join(presets()) in embedded.remedy


async def test_stray_word_for_echo():
    """The same for a provider that has no file."""
    model = (await checks("zia", model="echo"))["model"]
    assert "echo has no model zia" == model.finding
    assert ", ".join(presets()) in model.remedy


async def test_no_such_name():
    """A name of no model is at fault, even where another model could run."""
    assert "wrong" == (await checks("local/zia"))["embedded"].verdict
    assert "wrong" == (await checks("local", local_model="no-such-model"))["embedded"].verdict


@pytest.mark.parametrize("name", ["folder", "text", "pipe", "link", "l" * 300])
async def test_file_of_no_use(tmp_path, name):
    """A path to anything but a model is at fault, for the provider local alone."""
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "text.gguf").write_text("GGUH")
    (tmp_path / "link.gguf").symlink_to("/gone/link.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    path = str(tmp_path / f"{name}.gguf")
    assert "wrong" == (await checks("local", local_model=path))["embedded"].verdict
    assert "open" == (await checks("echo", local_model=path))["embedded"].verdict


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ImportError('libcuda is not there')", "ImportError: libcuda is not there"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    ],
)
async def test_broken_engine(tmp_path, monkeypatch, code, why):
    """An engine that cannot be imported is at fault, with the reason; we outlive it."""
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "xllamacpp.py").write_text(code)
    embedded = (await checks("local"))["embedded"]
    assert "wrong" == embedded.verdict
    assert embedded.finding.endswith(why)


async def test_check_that_fails(monkeypatch):
    """An error that nobody expected is a line of the report, and the other lines are there."""

    async def broken(*_: object) -> AsyncIterator[Check]:
        yield Check("key", "right", "none needed")
        raise RuntimeError("out of order")

    monkeypatch.setattr(doctor, "far_side", broken)
    found = await checks()
    assert ["provider", "key", "server", "embedded", "widgets", "versions"] == [*found]
    assert "out of order" in found["server"].finding
