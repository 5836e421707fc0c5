"""Each fuzz target under hypothesis, from its corpus on, and for a moment under atheris."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.corpora import corpus_of
from tests.fuzz.targets import TARGETS

RUNS = 1000


@pytest.mark.parametrize("name", TARGETS)
def test_corpus(name):
    """The inputs to begin with keep the promises."""
    for data in corpus_of(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_any_bytes(name, data):
    """Any bytes, and any of the inputs with a few of them changed, keep the promises."""
    seed = bytearray(data.draw(st.binary(max_size=200) | st.sampled_from(corpus_of(name))))
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)
    ):
        seed[place : place + 1] = bytes([byte])
    TARGETS[name](bytes(seed))


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_atheris(name):
    """Guided by what the code does with them, as many inputs keep the promises as well."""
    assert find_spec("atheris") or not os.environ.get("CI")
    words = [sys.executable, "-m", "tests.fuzz.atheris_run", name, f"-runs={RUNS}", "-seed=1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr[-2000:]
    runs = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)  # it may be a few more
    if find_spec("atheris"):
        assert runs
        assert RUNS <= int(runs[1])
    else:
        assert "atheris is not installed" in done.stderr
