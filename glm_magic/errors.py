"""What can go wrong, from broad to narrow.

GlmError
  ConfigError                a setting is missing or wrong
  PromptError                {{expr}} in a prompt failed, or a key is in it
  ProviderError              the far side, or the way to it
    NetworkError             refused, DNS, TLS, timed out, cut
    ProtocolError            an answer that cannot be read
    StatusError              the far side said no
      AuthenticationError    key missing, wrong, expired, or for another region
      QuotaError             balance or plan used up; never retried
      RateLimitError         too many at once; passes
      ModelError             no such model, or not for this key
      FilterError            stopped by moderation
      OverloadError          the far side is busy or broken; passes

Interrupted                  the user stopped the reply; a KeyboardInterrupt, not an error
"""

from __future__ import annotations

import math
import re
import traceback
from typing import TYPE_CHECKING, ClassVar

from .redact import redact
from .show.terminal import clean

if TYPE_CHECKING:
    from .messages import Reply

MAX_LINES = 6
MAX_CHARS = 500
#: Of these the remedy may have so many, and so many are for the names of the error and the host.
REMEDY_CHARS = 250
NAME_CHARS = 90
HOST_CHARS = 60


def tidy(text: str, limit: int = MAX_CHARS) -> str:
    """Return foreign *text* fit for an error: keys masked, controls shown, cut at *limit*."""
    shown = clean(redact(text)).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class GlmError(Exception):
    """The root of everything this package raises on purpose.

    Shown in IPython without a traceback: at most six lines saying what
    happened and what to do. Set `GlmError.full_traceback = True` (or
    `%config GlmConfig.full_traceback = True`) to see where it came from.
    """

    full_traceback: ClassVar[bool] = False

    def __init__(self, what: str = "", *, remedy: str = "") -> None:
        self.remedy = tidy(remedy, REMEDY_CHARS)
        self.what = tidy(what, MAX_CHARS - NAME_CHARS - len(self.remedy))
        super().__init__(self.what)

    def __str__(self) -> str:
        what = "\n".join(_lines(self.what)[: MAX_LINES - 1])
        stop = "" if not self.remedy or what.endswith((".", "!", "?", "…")) else "."
        return f"{what}{stop} {self.remedy}".strip()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def _render_traceback_(self) -> list[str]:
        """Return the lines IPython shows for this error."""
        if GlmError.full_traceback:
            return [redact(line).rstrip("\n") for line in traceback.format_exception(self)]
        more = _lines(*self._more_lines())[: MAX_LINES - 1]
        return _lines(f"{type(self).__name__}: {self.what}")[: MAX_LINES - len(more)] + more

    def _more_lines(self) -> list[str]:
        return [self.remedy] if self.remedy else []


def names(text: str, host: str) -> bool:
    """Whether *text* names *host*, and not only a longer name with it inside."""
    return bool(re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w…-]|[.:]\w)", text))


def shortened(host: str) -> str:
    """Return *host* without its middle, if it is long: the ends say whose it is, and the port."""
    half = HOST_CHARS // 2
    host = redact(host)  # a key cut in two would not be known
    return host if len(host) <= HOST_CHARS else f"{host[:half]}…{host[1 - half :]}"


def _lines(*texts: str) -> list[str]:
    return [line for text in texts for line in text.splitlines() if line.strip()]


class ConfigError(GlmError):
    """A setting is missing or wrong; the text names it."""


class PromptError(GlmError):
    """A `{{expression}}` could not be filled in, or the prompt holds a key; nothing was sent."""


class Interrupted(KeyboardInterrupt):
    """The user stopped the reply: one line is shown and the cells queued behind it do not run."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class ProviderError(GlmError):
    """The far side, or the way to it, failed.

    `host` names the far side; `partial` is the `Reply` so far (or None when
    nothing had been asked yet).
    """

    #: Whether the same request may succeed a little later.
    passing: bool = False

    def __init__(self, what: str = "", *, remedy: str = "", host: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.host = host
        self.partial: Reply | None = None

    def __str__(self) -> str:
        where = "" if self._is_host_named else f"{shortened(self.host)}: "
        return where + super().__str__()

    @property
    def _is_host_named(self) -> bool:
        return not self.host or names(self.what.partition("\n")[0], self.host)  # more may be cut

    def _more_lines(self) -> list[str]:
        where = [] if self._is_host_named else [f"Host: {shortened(self.host)}"]
        return where + super()._more_lines()


class NetworkError(ProviderError):
    """Refused, not found, no TLS, timed out, or cut."""

    passing = True


class ProtocolError(ProviderError):
    """An answer that is not in the wire format; `start` keeps its first 200 characters."""

    def __init__(
        self, what: str = "", *, remedy: str = "", host: str = "", start: str = ""
    ) -> None:
        self.start = tidy(start, 200)
        quoted = f" It starts: {self.start!r}" if self.start else ""
        super().__init__(what + quoted, remedy=remedy, host=host)


class StatusError(ProviderError):
    """The far side said no.

    `status` is the HTTP status (None inside a stream), `code` the vendor's
    business code as text, `detail` the vendor's own words.
    """

    def __init__(  # noqa: PLR0913, the facts of one refusal
        self,
        what: str = "",
        *,
        remedy: str = "",
        host: str = "",
        status: int | None = None,
        code: str = "",
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, remedy=_asked(retry_after) + remedy, host=host)
        self.status = status
        self.code = tidy(code)
        self.detail = tidy(detail)
        #: Seconds the far side asks to wait, if it said.
        self.retry_after = retry_after

    def wait(self, seconds: float | None) -> None:
        """Note that the far side asks to wait so many *seconds*, unless it has said so before."""
        if seconds is not None and self.retry_after is None:
            self.retry_after = seconds
            self.remedy = tidy(_asked(seconds) + self.remedy, REMEDY_CHARS)
            self.what = tidy(self.what, MAX_CHARS - NAME_CHARS - len(self.remedy))


def _asked(seconds: float | None) -> str:
    return f"It asks to wait {min(math.ceil(seconds), 10**9)} s. " if seconds else ""


class AuthenticationError(StatusError):
    """The key is missing, wrong, expired, or belongs to another region."""


class QuotaError(StatusError):
    """Balance, plan or package used up: waiting does not help, so it is never retried."""


class RateLimitError(StatusError):
    """Too many requests at once; passes, see `retry_after`."""

    passing = True


class ModelError(StatusError):
    """No such model, not for this key, or a request it does not take."""


class FilterError(StatusError):
    """Stopped by the vendor's moderation."""


class OverloadError(StatusError):
    """The far side is busy or broken; passes."""

    passing = True
