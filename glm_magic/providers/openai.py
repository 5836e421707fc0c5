"""The official GLM API and every OpenAI-compatible server."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from ..config import secret
from ..errors import AuthenticationError, ConfigError, ModelError, ProviderError, QuotaError
from ..messages import Message
from ..redact import Secret
from ..wire.codes import classify
from ..wire.openai import OpenAIDecoder, read_answer
from ..wire.payload import objects_of, text_of
from ..wire.request import request_body
from .address import OVER_TLS, is_local, normalise, origin_of
from .base import Clocks, Options, Request
from .bodies import BLANK, read_json
from .headers import Headers, shown
from .reading import OK, REDIRECTS, Call, read_whole, refusal
from .remote import RemoteProvider


class OpenAIProvider(RemoteProvider):
    """Chat completions at *base_url*.

    The key is *api_key*, else the first variable of *key_names* that is set,
    read anew for each request; a server on this machine needs none. *is_glm*
    marks the vendor's own API, whose limits differ from OpenAI's. Without a
    *model*, the first one the server lists is asked.
    """

    def __init__(  # noqa: PLR0913, the settings of a connection
        self,
        base_url: str,
        *,
        name: str = "openai",
        model: str = "",
        api_key: str | None = None,
        key_names: Sequence[str] = (),
        is_glm: bool = False,
        known_models: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        clocks: Clocks | None = None,
        retries: int = 2,
    ) -> None:
        super().__init__(
            name=name,
            model=model,
            base_url=normalise(base_url, version="/v1"),
            headers=headers,
            proxy=proxy,
            clocks=clocks,
            retries=retries,
        )
        given = (api_key or "").strip()
        self._explicit_key = Secret(given) if given else None
        self._key_names = tuple(key_names)
        self._is_glm = is_glm
        self._known_models = tuple(known_models)

    async def models(self) -> list[str]:
        """Return the models the server lists, else the ones known of it.

        Raises AuthenticationError when the server wants a (better) key.
        """
        try:
            return await self.listed_models() or list(self._known_models)
        except ProviderError as error:
            error.host = self.host
            raise

    async def listed_models(self) -> list[str]:
        """Return the models the server lists, or an empty list when it does not say."""
        url = self.base_url + "/models"
        headers = self._headers(self._key()) | self._extra_headers
        async with await self._transport.request("GET", url, headers) as answer:
            if answer.status == OK:
                return model_names(await read_whole(answer)) or []
            error = await refusal(answer, _refusal)
        is_told = error.passing or isinstance(error, QuotaError) or answer.status in REDIRECTS
        if isinstance(error, AuthenticationError) or (is_told and not self._known_models):
            raise error
        return []

    async def _get_ready(self, options: Options) -> None:
        if not (options.model or self.model):
            self.model = next(iter(await self.models()), "")
            if not self.model:
                what = "the server lists no models."
                raise ModelError(what, remedy=f"Name one: {self.name}/MODEL")

    def _call(
        self, messages: Sequence[Message], options: Options, conversation_id: str | None
    ) -> Call:
        key = self._key()
        model = options.model or self.model or "(the first model the server lists)"
        body, notices = request_body(messages, options, model=model, is_glm=self._is_glm)
        if self._is_glm:
            body["request_id"] = str(uuid.uuid4())  # one for each try: a used one is error 1231
        url = self.base_url + "/chat/completions"
        sent = self._headers(key) | self._extra_headers
        request = Request(url, body, shown(sent), tuple(notices))
        decoder = OpenAIDecoder()
        return Call(request, sent, decoder, partial(read_answer, decoder=decoder), _refusal)

    def _headers(self, key: Secret | None) -> Headers:
        headers: Headers = {
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "glm_magic",
        }
        if key is not None:
            headers["Authorization"] = key.with_prefix("Bearer ")
        return headers

    def _key(self) -> Secret | None:
        key, source = self._explicit_key, "the key that was given"
        if key is None:
            key, source = secret(self._key_names)
        if key is None and self._is_glm:
            names = " or ".join(self._key_names)
            raise ConfigError(
                f"no key for {self.name} ({self.host}).",
                remedy=f"Set {names} in the environment, or take the embedded model: -m local",
            )
        if key is not None:
            self._check_key(key, source)
        return key

    def _check_key(self, key: Secret, source: str) -> None:
        if not _is_key(key.reveal()):
            what = f"{source} holds characters that no key has (a blank, a quote, a line end?)."
            raise ConfigError(what, remedy="Copy the key again.")
        scheme, host = origin_of(self.base_url)
        if scheme == "http" and not is_local(self.base_url):
            what = f"a key is not sent to {host} over plain http."
            raise ConfigError(what, remedy=f"{OVER_TLS}.")


def model_names(body: bytes) -> list[str] | None:
    """Return the names in a list of models, or None for what is no such list.

    Some servers send the list alone, without the object around it.
    """
    payload = read_json(body)
    if payload is None:
        payload = read_json(b'{"data":%b}' % body.lstrip(BLANK)) or {}
    if not isinstance(payload.get("data", ""), list | dict | None):
        return None
    return [name for entry in objects_of(payload, "data") if (name := text_of(entry, "id"))]


def _is_key(text: str) -> bool:
    return text.isprintable() and text.isascii() and not set(text) & set(" '\"")


def _refusal(status: int, payload: object, retry_after: float | None) -> ProviderError:
    return classify(status, payload, retry_after=retry_after)
