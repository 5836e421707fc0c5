"""Keys do not print themselves, and are taken out of every text in every usual encoding."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic import redact as module
from glm_magic.redact import MASK, Secret, redact, redact_answer

KEY = 'id.7f/e+"9\\é-secret'


@pytest.fixture(autouse=True)
def _own_keys(monkeypatch):
    """Each test has its own set of live keys."""
    monkeypatch.setattr(module, "_live", set())


def test_secret_shows_as_mask():
    """However it is turned to text, a secret is its mask; `reveal` gives the key."""
    secret = Secret(KEY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{secret:s}", "%s" % secret]  # noqa: UP031
    assert {MASK} == set(shown)
    assert f"{secret:>5}" == "  ***"
    assert f"{[secret]} {{'key': {secret}}}" == "[***] {'key': ***}"
    assert KEY == secret.reveal()


def test_secret_in_a_log(caplog):
    """A log line about a secret shows the mask."""
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("key %s %r", Secret(KEY), Secret(KEY))
    assert caplog.messages == ["key *** ***"]


@pytest.mark.parametrize("keep", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_secret_is_not_saved(keep):
    """A secret is neither pickled, copied nor turned into JSON."""
    with pytest.raises(TypeError):
        keep(Secret(KEY))


def test_secret_has_no_attributes_to_print():
    """`vars` of a secret, which debuggers print, is not there."""
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_secret_equals_only_itself():
    """Comparing secrets tells nothing about the keys."""
    secret = Secret(KEY)
    assert secret == secret  # noqa: PLR0124
    assert secret != Secret(KEY)
    assert secret != KEY


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        json.dumps(KEY),
        json.dumps(KEY, ensure_ascii=False),
        repr(KEY),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_every_encoding_is_masked(form: str):
    """A live key is masked as it is, in a URL, in JSON, in a repr and in base64."""
    Secret(KEY)
    masked = redact(f"Bearer {form}, twice {form}.")
    assert form not in masked
    assert masked.count(MASK) == 2
    assert masked.startswith("Bearer ")


def test_other_text_stays():
    """Text without a key is returned as it is, whatever keys are live."""
    assert redact(f"no {KEY[:5]} here") == f"no {KEY[:5]} here"
    Secret(KEY)
    assert redact("nothing here") == "nothing here"


def test_short_key_is_not_masked():
    """A key shorter than six characters would blank out ordinary words."""
    Secret("EMPTY")
    assert redact("EMPTY set") == "EMPTY set"
    Secret("secret")
    assert redact("a secret") == "a ***"


def test_key_in_an_answer():
    """An answer shows no key, and while it grows no start of one; what was none is given back."""
    Secret(KEY * 2)
    assert "is ***." == redact_answer(f"is {KEY * 2}.", is_whole=False)
    assert "is " == redact_answer(f"is {KEY}", is_whole=False)
    assert f"is {KEY}" == redact_answer(f"is {KEY}", is_whole=True)
    assert f"is {KEY}s" == redact_answer(f"is {KEY}s", is_whole=False)


def test_word_that_serves_as_a_key():
    """A word that is given to servers which check no key stays in an answer."""
    Secret("ollama")
    assert "ask ollama" == redact_answer("ask ollama", is_whole=True)


def test_key_that_begins_with_another():
    """Nothing of the longer key is left, whichever became live first."""
    for length in range(6, 30):
        Secret("k" + "123456789" * 4)
        Secret("k" + ("123456789" * 4)[:length])
        assert redact("k" + "123456789" * 4) == MASK


def test_key_that_is_no_utf8():
    """A key with bytes that are no UTF-8, as the environment may hold, is masked as well."""
    key = b"bad-\xff-bytes".decode("utf-8", "surrogateescape")
    Secret(key)
    assert redact(f"<{key}>") == "<***>"


def test_keys_come_while_text_is_masked(monkeypatch):
    """A key that becomes live on another thread in mid-work does no harm."""

    def forms(value: str) -> tuple[str]:
        Secret(f"{value}-and-more")
        return (value,)

    Secret("first-key")
    monkeypatch.setattr(module, "_forms", forms)
    assert redact("first-key") == MASK


@given(st.text(min_size=6), st.text(), st.text())
def test_no_key_survives(key: str, before: str, after: str):
    """Whatever the key and the text around it, the key is gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_live", set())
        Secret(key)
        masked = redact(f"{before} {key} {after}")
    assert key not in masked or key in f"{before} {MASK} {after}"
    assert MASK in masked
