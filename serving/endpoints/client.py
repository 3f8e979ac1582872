"""Client of OpenAI-compatible endpoints: one absolute deadline around an exchange, and the memory of what servers lack.

Knows nothing of trials. The SDK's own retries are off: they would multiply with ours (``exchange.py``) and know no
total deadline.
"""

import queue
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai

from ..errors import EndpointRefused, EndpointTimeout, EndpointUnreachable, ServingError
from .abilities import Abilities
from .chat import ChatAnswer, ChatRequest
from .exchange import Exchange
from .redaction import hide_secrets, shorten

_T = TypeVar("_T")

_MAX_ANSWER_BYTES = 8_000_000
"""Larger answers are cut off: no useful one comes near, and a broken server must not fill the memory."""

_FORESEEN = (openai.OpenAIError, httpx2.HTTPError, ServingError, ValueError, TypeError, AttributeError, LookupError,
             ArithmeticError)  # fmt: skip
"""How a request may end without fault of ours; anything else shows its trace as well."""


class OpenAIClient:
    """A chat endpoint at ``base_url`` (such as ``http://127.0.0.1:8000/v1``).

    ``model``: None means the only entry of ``/models``, asked for at the first call. ``api_key`` is used for requests
    and appears nowhere else. Safe to call from several threads; each call has its own connection.
    """

    def __init__(self, base_url: str, *, model: str | None = None, api_key: str | None = None) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointRefused(
                f"an endpoint must be an http(s) address such as 'http://127.0.0.1:8000/v1', got {base_url!r}."
            )
        self.base_url = base_url.rstrip("/")
        self.is_local = parts.hostname in ("localhost", "::1") or parts.hostname.startswith("127.")
        self._key = api_key
        self._secrets = tuple(s for s in (api_key, parts.password) if s)
        self._model = model
        self._address = f"{self.base_url}#{model or 'unknown'}"
        self._abilities = Abilities()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Base URL and the model that was named; never asks."""
        return self._address

    @property
    def model(self) -> str:
        """The model's name, ``"unknown"`` until the server was asked for it; never asks."""
        return self._model or "unknown"

    def identify(self, *, deadline_s: float = 10.0) -> str:
        """Return the model's name; asks the server where none was given (raises ServingError)."""
        return self._model or self._discover(deadline_s)

    @property
    def abilities(self) -> Abilities:
        """What was learnt about the server so far."""
        return self._abilities

    def recall(self, abilities: Abilities) -> None:
        """Add what was learnt about this server and model at another time."""
        with self._lock:
            self._abilities = self._abilities.joined(abilities)

    def models(self, *, deadline_s: float = 10.0) -> tuple[str, ...]:
        """Return the names at ``/models``."""

        def work(sdk: openai.OpenAI) -> tuple[str, ...]:
            models = getattr(sdk.models.list(), "data", None)
            if not isinstance(models, list):
                raise EndpointRefused("the endpoint's answer is no list of models.")
            return tuple(m.id for m in models)

        return self._within(deadline_s, work)

    def complete(self, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Return up to ``request.n`` completions; raises ServingError not later than ``deadline_s``."""
        started = time.monotonic()
        model = self.identify(deadline_s=deadline_s)
        left = deadline_s - (time.monotonic() - started)
        until = started + deadline_s
        exchange = Exchange(model, self._abilities, until, shown=self._shown, secrets=self._secrets)
        try:
            self._within(left, lambda sdk: exchange.gather(sdk, request))
        except ServingError:
            if not exchange.completions:
                raise
        finally:
            self.recall(exchange.abilities)
        return ChatAnswer(
            tuple(exchange.completions[: request.n]),
            exchange.usage,
            model,
            request.hash(model),
            time.monotonic() - started,
            notes=tuple(exchange.notes),
            structured=request.schema is not None and "schema" not in self._abilities.refused,
        )

    def _discover(self, deadline_s: float) -> str:
        try:
            names = self.models(deadline_s=deadline_s)
        except EndpointRefused as error:
            if not re.search(r"answered (404|405|501)", str(error)):
                raise
            names = ("default",)  # servers of one model without a list of models take any name
        if len(names) != 1:
            raise EndpointRefused(
                f"{self._shown} serves {len(names)} models ({', '.join(names[:5])}); "
                "name one: 'http://…/v1#model', or set TRIALOGUE_MODEL."
            )
        self._model = names[0]
        return names[0]

    @property
    def _shown(self) -> str:
        return hide_secrets(self.base_url, self._secrets)

    def _within(self, deadline_s: float, work: Callable[[openai.OpenAI], _T]) -> _T:
        """Run ``work`` in a thread and return its result, or raise EndpointTimeout when ``deadline_s`` has passed.

        A thread, because no timeout of the HTTP layer is absolute: a server that sends a header now and then outlives
        them all. An abandoned thread ends with the next operation on its connection, which is closed.
        """
        if deadline_s <= 0:
            raise EndpointTimeout(f"no time was left to ask {self._shown}.")
        until = time.monotonic() + deadline_s
        results: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()  # Any: a result or an error
        http = _http_client(until, self.is_local, tls=self.base_url.startswith("https"))
        sdk = openai.OpenAI(
            api_key=self._key or "none",
            base_url=self.base_url,
            timeout=deadline_s,
            max_retries=0,
            http_client=http,
        )

        parts = (results, http, until, partial(work, sdk))
        threading.Thread(target=_answer, args=parts, name="trialogue-endpoint", daemon=True).start()
        try:
            succeeded, result = results.get(timeout=deadline_s)
        except queue.Empty:
            http.close()
            raise EndpointTimeout(f"{self._shown} did not answer within {deadline_s:.3g} s.") from None
        if succeeded:
            return result
        raise self._translated(result, deadline_s) from None

    def _translated(self, error: BaseException, deadline_s: float) -> BaseException:
        """Return our error for one of the SDK's, without keys."""
        text = shorten(hide_secrets(str(error), self._secrets), 300)
        if isinstance(error, ServingError):
            return error
        if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException)):
            return EndpointTimeout(f"{self._shown} did not answer within {deadline_s:.3g} s.")
        if isinstance(error, openai.APIStatusError):
            return EndpointRefused(f"{self._shown} answered {error.status_code}: {text}")
        if isinstance(error, openai.APIResponseValidationError):
            return EndpointRefused(f"{self._shown} did not answer with a completion: {text}")
        if isinstance(error, (openai.APIConnectionError, httpx2.TransportError)):
            cause = shorten(hide_secrets(str(error.__cause__ or error), self._secrets), 200)
            return EndpointUnreachable(f"{self._shown} cannot be reached ({cause}); is the server running?")
        if isinstance(error, Exception):
            return EndpointRefused(
                f"{self._shown} did not answer with a completion: {type(error).__name__}: {text}"
            )
        return error


def _http_client(until: float, is_local: bool, *, tls: bool) -> httpx2.Client:
    """Return an HTTP client whose answers are bounded in size and time; a local endpoint is never sent to a proxy.

    Without TLS no certificates are loaded (20 ms): redirects are not followed, so none could be needed.
    """

    def bound(response: httpx2.Response) -> None:
        response.stream = _BoundedStream(response.stream, until)

    return httpx2.Client(
        verify=tls, trust_env=not is_local, follow_redirects=False, event_hooks={"response": [bound]}
    )


def _answer(
    results: queue.SimpleQueue[tuple[bool, Any]], http: httpx2.Client, until: float, work: Callable[[], Any]
) -> None:
    """Put what ``work`` returns (True, …) or raises (False, …) into ``results``, and close the connection."""
    try:
        results.put((True, work()))
    except _FORESEEN as error:
        results.put((False, error))
    except BaseException as error:
        results.put((False, error))
        # After ``until`` nobody waits, and the connection was closed under the request: that is no fault.
        if time.monotonic() < until:
            raise
    finally:
        http.close()


class _BoundedStream(httpx2.SyncByteStream):
    """A response body that ends in an error when it is too long or too late."""

    def __init__(self, stream: Any, until: float) -> None:
        self._stream, self._until = stream, until

    def __iter__(self) -> Any:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > _MAX_ANSWER_BYTES:
                raise EndpointRefused(f"the answer is longer than {_MAX_ANSWER_BYTES} bytes.")
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout("the answer was not complete at the deadline")
            yield chunk

    def close(self) -> None:
        self._stream.close()
