"""Keys do not print themselves, and are taken out of every text in every usual encoding."""

from __future__ import annotations

import base64
import copy
import html
import json
import logging
import pickle
from dataclasses import asdict, dataclass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic import redact as module
from glm_magic.redact import MASK, Secret, has_key, hide_password, redact, settle
from glm_magic.wire.markdown import sources

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
        quote(KEY),
        quote(KEY, safe="").lower(),
        json.dumps(KEY).replace("/", "\\/"),
        "a\\u002Bb=c/d-secret",
        "a+b\\u003dc/d-secret",
        repr(repr(repr("a\\b-secret"))),
        html.escape(KEY),
        base64.b64encode(f"user:{KEY}:".encode()).decode(),
    ],
)
def test_every_encoding_is_masked(form: str):
    """A live key is masked as it is, in a URL, in JSON, in a repr and in base64."""
    Secret(KEY)
    Secret("a\\b-secret")
    Secret("a+b=c/d-secret")
    masked = redact(f"Bearer {form}, twice {form}.")
    assert form not in masked
    assert masked.count(MASK) == 2
    assert masked.startswith("Bearer ")


@pytest.mark.parametrize("after", ["", ":", "::", ":::"])
@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_key_inside_longer_base64(encode, before: str, after: str):
    """A key within something that was encoded whole, as in `Basic`, leaves nothing of it."""
    Secret(KEY)
    masked = redact(encode(f"{before}{KEY}{after}".encode()).decode())
    assert MASK in masked
    assert len(masked.replace(MASK, "")) <= 4 * len(f"{before}{after}") + 4


@pytest.mark.parametrize("length", [len(KEY) - 1, len(KEY) - 6, len(KEY) // 2 + 2])
def test_key_that_was_cut_off(length: int):
    """An end that is more than half a key is masked; a shorter one may be a word."""
    Secret(KEY)
    assert redact(f"so {KEY[:length]}") == f"so {MASK}"
    assert redact(f"so {KEY[:5]}") == f"so {KEY[:5]}"
    assert redact(f"so {KEY[:length]} on") == f"so {KEY[:length]} on"


def test_growing_text_stops_before_a_key():
    """While a text grows, what may become a key is held back, and shown when it does not."""
    Secret("sk-12345")
    assert settle("a sk-123") == "a "
    assert settle("a sk-12345") == "a "
    assert settle("a sk-12345.") == "a ***."
    assert settle("a sk-12?") == "a sk-12?"


@given(st.lists(st.sampled_from(["11b", "1b11b", "1b1", "b1", "1", "b", "MTFi", "-"])), st.data())
def test_growing_text_only_grows(pieces: list[str], data: st.DataObject):
    """What was shown of a beginning is the beginning of what is shown later, and of the end."""
    text = "".join(pieces)
    start = text[: data.draw(st.integers(0, len(text)))]
    keys = ("11b11b", "b11b11b1", "1b11b11b1b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_live", set())
        for key in keys:
            Secret(key)
        assert settle(text).startswith(settle(start))
        assert redact(text, with_words=False).startswith(settle(text))
        assert not any(key in settle(text) for key in keys)


def test_plain_words_are_no_keys():
    """`ollama`, told to servers without keys, may be asked about; it is masked all the same."""
    Secret("ollama")
    assert not has_key("what is ollama?")
    assert has_key(f"what is {KEY}?") is False
    Secret(KEY)
    assert has_key(f"what is {KEY}?")


@pytest.mark.parametrize("url", ["http://u:pass-word@a.example/v1", "u:pass-word@a.example:80"])
def test_password_of_an_address(url: str):
    """The password in an address is a key, also in the header that is made of it."""
    hide_password(url)
    assert redact(url) == url.replace("pass-word", MASK)
    assert MASK in redact(base64.b64encode(b"u:pass-word").decode())


def test_password_as_it_is_sent():
    """A password with escapes in it is hidden as it is written and as the header has it."""
    hide_password("https://u:p%40ss%79word@a.example")
    assert f"{MASK} {MASK}" == redact("p%40ss%79word p@ssyword")
    assert MASK in redact(base64.b64encode(b"u:p@ssyword").decode())


def test_key_in_a_link_of_ours():
    """A key in the title or the address of a source is hidden as we write it."""
    key = "sk_live_[0123]+45/67|89{abc}="
    Secret(key)
    written = sources([(f"see {key}", f"https://a.example/?k={key}")])
    assert f"- [see {MASK}](https://a.example/?k={MASK})" == redact(written)


def test_token_as_the_user():
    """A user without a password is a key."""
    hide_password("https://tok-en12345@a.example")
    assert redact("tok-en12345") == MASK


@pytest.mark.parametrize("url", ["", "http://a.example", "http://[bad", "u:@a"])
def test_address_without_a_password(url: str):
    """Other addresses, and what is none, hold no key."""
    hide_password(url)
    assert module._live == set()


def test_secret_with_a_prefix():
    """The scheme in front of a key is shown, and sent along."""
    secret = Secret(KEY).with_prefix("Bearer ")
    assert f"{secret}" == "Bearer ***"
    assert secret.reveal() == f"Bearer {KEY}"
    assert redact(f"Bearer {KEY}") == "Bearer ***"


@dataclass
class Held:
    """A value with a secret in it."""

    key: Secret


def test_secret_inside_a_value():
    """A dataclass prints the mask; JSON takes it as text where it is told to."""
    assert "***" in repr(Held(Secret(KEY)))
    assert json.dumps({"key": Secret(KEY)}, default=str) == '{"key": "***"}'
    assert json.dumps(vars(Held(Secret(KEY))), default=str) == '{"key": "***"}'
    with pytest.raises(TypeError):
        asdict(Held(Secret(KEY)))


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


def test_word_that_serves_as_a_key():
    """A word that is given to servers which check no key stays in an answer."""
    Secret("ollama")
    assert "ask ollama" == redact("ask ollama", with_words=False)
    assert "ask " + MASK == redact("ask ollama")


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
