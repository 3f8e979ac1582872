"""One request to a model, in as many HTTP requests as its server needs: retries, options left out, answers gathered.

What a server refuses is left out, and learnt once the request succeeded without it; one that ignores ``n`` is called
again. Thinking is switched off by request once it has eaten an answer. Retries are tenacity's alone.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
import openai
import tenacity

from ..errors import EndpointRefused
from .abilities import Abilities
from .chat import ChatRequest, Completion, Usage
from .refusals import Refusal
from .replies import body_of, completions_of, usage_of
from .requests import options_for

_ATTEMPTS = 7
_ATTEMPTS_REFUSED = 3
"""Where nothing listens: a server that restarts needs minutes, and the study goes on without it in the meantime."""
_ATTEMPTS_EMPTY = 3

_WAIT = tenacity.wait_exponential(multiplier=0.05, exp_base=2, min=0.05, max=8)


class _NoChoices(EndpointRefused):
    """A completion without a single choice: some servers send it while they warm up."""


class Exchange:
    """What came of one request: completions, tokens, notes, and what was learnt of the server. One thread.

    What has arrived counts even if the rest is late. ``shown``: the address as errors may name it.
    """

    def __init__(
        self, model: str, abilities: Abilities, until: float, *, shown: str, secrets: tuple[str, ...]
    ) -> None:
        self._model, self._until, self._shown, self._secrets = model, until, shown, secrets
        self.abilities = abilities
        self.completions: list[Completion] = []
        self.usage = Usage()
        self.notes: list[str] = []

    def gather(self, sdk: openai.OpenAI, request: ChatRequest) -> None:
        """Collect ``request.n`` completions, with as many HTTP requests as the server needs for it."""
        for call in range(request.n):
            missing = request.n - len(self.completions)
            wanted = 1 if "n" in self.abilities.refused else missing
            if missing <= 0:
                return
            seed = None if request.seed is None else (request.seed + call) % 2**31
            answers = self._once(sdk, replace(request, n=wanted, seed=seed))
            if len(answers) < wanted:
                self.abilities = self.abilities.without({"n"})
            if not self.abilities.stop_thinking and all(_is_thought_only(a) for a in answers):
                self.abilities = replace(self.abilities, stop_thinking=True)
                self.completions.clear()
                self.notes.append(
                    "thinking used up the answer: asked again without it and with twice the tokens"
                )
                self._once(sdk, replace(request, n=wanted, max_tokens=2 * request.max_tokens))

    def _once(self, sdk: openai.OpenAI, request: ChatRequest) -> list[Completion]:
        """Make one request, leaving out what the server refuses, and keep its answers; raises the first refusal."""
        first: Refusal | None = None
        abilities = self.abilities
        while True:
            options = options_for(self._model, request, abilities)
            try:
                body = self._send(sdk, options)
                break
            except Refusal as error:
                first = first or error
                less = error.refused(options) or error.suspected(options)
                if not less:
                    raise first from None
                abilities = abilities.without(less)
        less = abilities.refused - self.abilities.refused
        if less:
            self.notes.append(f"the server refuses {', '.join(sorted(less))}: left out from now on")
            self.abilities = abilities
        answers = completions_of(body)
        self.usage += usage_of(body, [m.content for m in request.messages], answers)
        self.completions.extend(answers)
        return answers

    def _send(self, sdk: openai.OpenAI, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one HTTP request, again after errors that pass (429, 5xx, dropped connections), until the deadline."""
        errors: list[str] = []

        def stops(state: tenacity.RetryCallState) -> bool:
            error = _error_of(state)
            errors.append(str(error))
            repeated = (
                errors[-2:-1] == errors[-1:]
            )  # an error inside the server that may come of what it was asked
            if (
                repeated
                and isinstance(error, Refusal)
                and (error.refused(options) or error.suspected(options))
            ):
                return True
            enough = state.attempt_number >= _most_attempts(error)
            return enough or time.monotonic() + _retry_wait(state) >= self._until

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: _passes(error, options)),
            wait=_retry_wait,
            stop=stops,
            reraise=True,
        )
        return retrying(self._attempt, sdk, options)

    def _attempt(self, sdk: openai.OpenAI, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one HTTP request and return the JSON of its completion; raises Refusal."""
        self.usage += Usage(requests=1)
        try:
            text = sdk.chat.completions.with_raw_response.create(**options).text
        except openai.APIStatusError as error:
            retry_after = error.response.headers.get("retry-after", "")
            wait_s = float(retry_after) if re.fullmatch(r"\d{1,6}(\.\d+)?", retry_after) else None
            raise self._refusal(error.status_code, error.response.text, wait_s) from None
        try:
            body = body_of(text)
        except ValueError:
            if text.strip() and not text.lstrip().startswith("<"):
                raise
            raise _NoChoices("the endpoint's answer is not a completion: it is empty, or a page.") from None
        first = next(iter(choices), None) if isinstance(choices := body.get("choices"), list) else None
        if isinstance(first, Mapping) and first.get("error"):
            body = {"error": first["error"]}
        if body.get("choices"):
            return body
        if body.get("error"):
            code = body["error"].get("code") if isinstance(body["error"], Mapping) else None
            raise self._refusal(code if isinstance(code, int) and code >= 400 else 400, json.dumps(body))
        raise _NoChoices("the endpoint's answer is not a completion: it has no list of choices.")

    def _refusal(self, status: int, text: str, retry_after_s: float | None = None) -> Refusal:
        return Refusal.of(self._shown, status, text, self._secrets, retry_after_s=retry_after_s)


def _is_thought_only(answer: Completion) -> bool:
    return not answer.text.strip() and answer.thought_chars > 0


def _passes(error: BaseException, options: Mapping[str, Any]) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, Refusal):
        return error.passes and (error.status == 503 or not error.refused(options))
    if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException)):
        return False  # the deadline is the total one: another attempt cannot fit
    return isinstance(error, (openai.APIConnectionError, httpx2.TransportError, _NoChoices))


def _most_attempts(error: BaseException | None) -> int:
    if isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, httpx2.ConnectError):
        return _ATTEMPTS_REFUSED
    return _ATTEMPTS_EMPTY if isinstance(error, _NoChoices) else _ATTEMPTS


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _retry_wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds to wait: what the server asks for (``Retry-After``), else 0.05, 0.1, 0.2, …"""
    error = _error_of(state)
    if isinstance(error, Refusal) and error.retry_after_s is not None:
        return max(error.retry_after_s, 0.05)
    return _WAIT(state)
