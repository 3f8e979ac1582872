"""Client of OpenAI-compatible endpoints: one absolute deadline, retries, and whatever the server lacks worked round.

What a server refuses (schemas, seeds, sampling options) is left out from then on; one that ignores ``n`` is called
again. Thinking is stripped, counted, and switched off by request once it has eaten an answer. Knows nothing of trials.
Retries are tenacity's alone: the SDK's own would multiply with them and know no total deadline.
"""

import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
import tenacity

from ..errors import EndpointRefused, EndpointTimeout, EndpointUnreachable, ServingError
from .chat import ChatAnswer, ChatRequest, Completion, Usage
from .redaction import hide_secrets, shorten
from .replies import body_of, completions_of, usage_of
from .wire import DROPPABLE, Traits, options_for, refused_options

_T = TypeVar("_T")

_MAX_ANSWER_BYTES = 8_000_000
"""Larger answers are cut off: no useful one comes near, and a broken server must not fill the memory."""

_ATTEMPTS = 7
_ATTEMPTS_REFUSED = 3
"""Where nothing listens: a server that restarts needs minutes, and the study goes on without it in the meantime."""

_WAIT = tenacity.wait_exponential(multiplier=0.05, exp_base=2, min=0.05, max=8)


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
        self._traits = Traits()
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
    def traits(self) -> Traits:
        """What was learnt about the server so far."""
        return self._traits

    def models(self, *, deadline_s: float = 10.0) -> tuple[str, ...]:
        """Return the names at ``/models``."""

        def work(sdk: openai.OpenAI) -> tuple[str, ...]:
            listed = getattr(sdk.models.list(), "data", None)
            if not isinstance(listed, list):
                raise EndpointRefused("the endpoint's answer is no list of models.")
            return tuple(m.id for m in listed)

        return self._within(deadline_s, work)

    def complete(self, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Return up to ``request.n`` completions; raises ServingError not later than ``deadline_s``."""
        started = time.monotonic()
        model = self.identify(deadline_s=deadline_s)
        left = deadline_s - (time.monotonic() - started)
        gathered = _Gathered(started + deadline_s)
        try:
            self._within(left, lambda sdk: self._gather(sdk, model, request, gathered))
        except ServingError:
            if not gathered.completions:
                raise
        return ChatAnswer(
            tuple(gathered.completions[: request.n]),
            gathered.usage,
            model,
            request.hash(model),
            time.monotonic() - started,
            notes=tuple(gathered.notes),
            structured=request.schema is not None and "schema" not in self._traits.refused,
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

        def run() -> None:
            try:
                results.put((True, work(sdk)))
            except (
                openai.OpenAIError,
                httpx2.HTTPError,
                ServingError,
                ValueError,
                TypeError,
                AttributeError,
            ) as error:
                results.put((False, error))
            except BaseException as error:
                results.put((False, error))
                if (
                    time.monotonic() < until
                ):  # later, the client was closed under it because nobody waits any more
                    raise
            finally:
                http.close()

        threading.Thread(target=run, name="trialogue-endpoint", daemon=True).start()
        try:
            succeeded, result = results.get(timeout=deadline_s)
        except queue.Empty:
            http.close()
            raise EndpointTimeout(f"{self._shown} did not answer within {deadline_s:.3g} s.") from None
        if succeeded:
            return result
        raise self._translated(result, deadline_s) from None

    def _gather(self, sdk: openai.OpenAI, model: str, request: ChatRequest, into: "_Gathered") -> None:
        """Collect ``request.n`` completions, with as many HTTP requests as the server needs for it."""
        for call in range(request.n):
            missing = request.n - len(into.completions)
            wanted = missing if self._traits.obeys_n else 1
            if missing <= 0:
                return
            seed = None if request.seed is None else (request.seed + call) % 2**31
            got, thought_only = self._once(sdk, model, replace(request, n=wanted, seed=seed), into)
            if got < wanted:
                self._learn(obeys_n=False)
            if thought_only and not self._traits.stop_thinking:
                self._learn(stop_thinking=True)
                into.completions.clear()
                into.notes.append(
                    "thinking used up the answer: asked again without it and with twice the tokens"
                )
                self._once(sdk, model, replace(request, n=wanted, max_tokens=2 * request.max_tokens), into)

    def _once(
        self, sdk: openai.OpenAI, model: str, request: ChatRequest, into: "_Gathered"
    ) -> tuple[int, bool]:
        """Make one request, leaving out what the server refuses; return how many answers came, and if none had text."""
        for _ in range(len(DROPPABLE)):
            options = options_for(model, request, self._traits)
            try:
                response = self._send(sdk, options, into)
                break
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refused = refused_options(str(error), options)
                if not refused:
                    raise
                into.notes.append(f"the server refuses {', '.join(sorted(refused))}: left out from now on")
                self._learn(refused=self._traits.refused | refused)
        else:
            raise EndpointRefused(f"{self._shown} refuses every form of the request.")
        answers = completions_of(response)
        into.usage += usage_of(response, [m.content for m in request.messages], answers)
        into.completions.extend(answers)
        return len(answers), all(not a.text.strip() and a.thought_chars for a in answers) and bool(answers)

    def _send(self, sdk: openai.OpenAI, options: Mapping[str, Any], into: "_Gathered") -> Mapping[str, Any]:
        """Send one HTTP request, again after errors that pass (429, 5xx, dropped connections), until the deadline."""

        def counted() -> Mapping[str, Any]:
            into.usage += Usage(requests=1)
            body = body_of(sdk.chat.completions.with_raw_response.create(**options).text)
            if not body.get("choices"):
                raise EndpointRefused("the endpoint's answer is not a completion: it has no list of choices.")
            return body

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=_retry_wait,
            stop=lambda state: (
                state.attempt_number >= (_ATTEMPTS_REFUSED if _refused(state) else _ATTEMPTS)
                or time.monotonic() + _retry_wait(state) >= into.until
            ),
            reraise=True,
        )
        return retrying(counted)

    def _learn(self, **traits: Any) -> None:
        with self._lock:
            self._traits = replace(self._traits, **traits)

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


class _Gathered:
    """Answers of one call as they arrive; what has arrived counts even if the rest is late."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.completions: list[Completion] = []
        self.usage = Usage()
        self.notes: list[str] = []


def _http_client(until: float, is_local: bool, *, tls: bool) -> httpx2.Client:
    """Return an HTTP client whose answers are bounded in size and time; a local endpoint is never sent to a proxy.

    Without TLS no certificates are loaded (20 ms): redirects are not followed, so none could be needed.
    """

    def bound(response: httpx2.Response) -> None:
        response.stream = _BoundedStream(response.stream, until)

    return httpx2.Client(
        verify=tls, trust_env=not is_local, follow_redirects=False, event_hooks={"response": [bound]}
    )


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


def _passes(error: BaseException) -> bool:
    if isinstance(error, openai.APITimeoutError):
        return False  # the deadline is the total one: another attempt cannot fit
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 425, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, httpx2.TransportError)) and not isinstance(
        error, httpx2.TimeoutException
    )


def _refused(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome is not None else None
    return isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, httpx2.ConnectError)


def _retry_wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds to wait: what the server asks for (``Retry-After``), else 0.05, 0.1, 0.2, …"""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, openai.APIStatusError):
        stated = error.response.headers.get("retry-after", "")
        if re.fullmatch(r"\d{1,6}(\.\d+)?", stated):
            return max(float(stated), 0.05)
    return _WAIT(state)
