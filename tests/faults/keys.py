"""Keys that come back in a refusal or an answer, and those that may not be sent."""

from __future__ import annotations

import base64
from urllib.parse import quote

from glm_magic.errors import AuthenticationError, ConfigError, OverloadError
from tests.far_side import Status, Stream
from tests.faults import places
from tests.faults.fault import KEY, Fault, Scripts, lasts, same
from tests.providers.asking import OPENAI


def echoed(form: str) -> Scripts:
    """Return a 401 that repeats the key in *form*."""
    return same(Status(401, {"error": {"message": f"bad key '{form}'!"}}))


#: The web stream has no key that could be given away.
FAULTS = (
    *(
        Fault(
            f"401 that echoes the key, {name}",
            echoed(form),
            error=AuthenticationError,
            words=("bad key '***",),
            wires=(OPENAI,),
        )
        for name, form in (
            ("plain", KEY),
            ("base64", base64.b64encode(KEY.encode()).decode()),
            ("URL-encoded", quote(KEY, safe="")),
        )
    ),
    lasts(
        "500 whose page echoes the request",
        Status(500, f"<p>Authorization: Bearer {KEY}</p>", "text/html"),
        error=OverloadError,
        words=("Bearer ***",),
        wires=(OPENAI,),
    ),
    Fault(
        "key in the answer",
        lambda at: [Stream(at.wire.stream(f"Your key is {KEY}, is it not?"))],
        text="Your key is ***, is it not?",
        wires=(OPENAI,),
    ),
    Fault(
        "key in the answer, split",
        lambda at: [Stream(at.wire.stream(["Your key is ", KEY[:9], KEY[9:20], KEY[20:], "."]))],
        text="Your key is ***.",
        wires=(OPENAI,),
    ),
    *(
        Fault(
            f"key with {name}",
            error=ConfigError,
            words=("the key", "characters", "Copy the key again"),
            requests=0,
            key=key,
            wires=(OPENAI,),
        )
        for name, key in (
            ("a control character", "sk-0123456789\x07abcdef"),
            ("a line end", "sk-0123456789\r\nX-Evil: 1"),
            ("a letter beyond Latin-1", "sk-0123456789ключ"),
            ("a letter beyond ASCII", "sk-0123456789é"),
            ("a blank", "sk-0123456789 abcdef"),
            ("quotes", '"sk-0123456789"'),
            ("curly quotes", "“sk-0123456789”"),
        )
    ),
    Fault(
        "key for a host over plain http",
        place=places.proxy_as_neighbour,
        error=ConfigError,
        words=("glm.invalid", "plain http"),
        requests=0,
        wires=(OPENAI,),
    ),
)
