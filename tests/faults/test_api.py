"""Every fault through the public API: what is seen, what is asked, what stays behind."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing

import pytest

from glm_magic.conversation import Conversation
from glm_magic.errors import GlmError, ProviderError
from glm_magic.messages import Reply
from glm_magic.providers import http, make_provider, retry
from glm_magic.providers.base import Provider
from tests.far_side import GREETING, Recorded
from tests.faults.fault import Fault, Site, holds_key
from tests.faults.tables import cases
from tests.providers.asking import Wire

#: What a terminal would obey; a line end is all that may be in an error.
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once, and an error page that stalls is not waited for."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(http, "LAST_SECONDS", 0.05)


@pytest.mark.usefixtures("plain_http")
@pytest.mark.parametrize(("fault", "wire"), cases())
async def test_fault(fault: Fault, wire: Wire):
    """The user sees what the fault's row says, for no more requests, and the next answer comes."""
    with fault.place(wire) as site:
        site.play(fault)
        async with provider_for(fault, site) as provider:
            reply, error = await asked(provider, fault, site)
            check_error(error, fault, provider, site)
            check_reply(reply, fault)
            assert site.requests in (None, fault.requests)
            if site.greets and fault.requests:
                await check_next(provider, site)
        assert not [each for each in requests(site) if not await is_over(each)]
        assert not [each for each in requests(site) if "Cookie" in each.headers]
        assert site.neighbour is None or [] == site.neighbour.requests


def provider_for(fault: Fault, site: Site) -> Provider:
    """Return the provider that *fault* asks."""
    settings = {"clocks": fault.clocks, **fault.settings, **site.settings}
    return make_provider(site.wire.model, base_url=site.url, api_key=fault.key, **settings)


async def asked(provider: Provider, fault: Fault, site: Site) -> tuple[Reply, GlmError | None]:
    """Return what the answer had come to when it ended, and the error if that was one."""
    reply = Reply()
    try:
        stream = Conversation(provider).stream("Hi", reply=reply)
        async with aclosing(stream) as deltas:
            async for _ in deltas:
                if reply.text == fault.text:
                    site.gate.open()
    except GlmError as error:
        return reply, error
    return reply, None


def check_error(error: GlmError | None, fault: Fault, provider: Provider, site: Site) -> None:
    """An error is of its class, short, says where and what to do, and nothing it should not."""
    assert fault.error is (None if error is None else type(error))
    if error is None:
        return
    shown = "\n".join(error._render_traceback_())
    assert error.remedy
    assert [] == [word for word in (*fault.words, site.named) if word not in str(error)]
    assert max(len(shown.splitlines()), len(str(error).splitlines())) <= 6
    assert max(len(shown), len(str(error))) < 500
    if isinstance(error, ProviderError):
        assert provider.host in shown
        assert provider.host in str(error)
    everything = "\n".join([shown, str(error), repr(error), *map(str, vars(error).values())])
    assert not holds_key(everything, fault.key)
    assert not CONTROLS.search(everything)


def check_reply(reply: Reply, fault: Fault) -> None:
    """A reply has its text and calls, its end, and a remark for each request but the first."""
    assert fault.text == reply.text
    assert [*fault.calls] == [(call.name, call.arguments) for call in reply.tool_calls]
    assert reply.finish_reason == ("error" if fault.error else fault.finish)
    again = [notice for notice in reply.notices if notice.endswith("; asked again")]
    others = "\n".join(notice for notice in reply.notices if notice not in again)
    assert max(fault.requests - 1, 0) == len(again)
    if fault.error is None:
        assert [] == [word for word in fault.words if word not in others]
        assert bool(fault.words) == bool(others)
    assert not holds_key("\n".join(reply.notices), fault.key)


async def check_next(provider: Provider, site: Site) -> None:
    """The next question is answered; the connection of the one before serves it, or is closed."""
    last = requests(site)[-1]
    assert GREETING == (await Conversation(provider).ask("And now?")).text
    assert last.connection == requests(site)[-1].connection or await is_over(last)


def requests(site: Site) -> list[Recorded]:
    """Return what the server has seen."""
    return [] if site.server is None else site.server.requests


async def is_over(recorded: Recorded) -> bool:
    """Whether the connection of a request was ended by either side."""
    return recorded.ended_here or await asyncio.to_thread(recorded.closed)
