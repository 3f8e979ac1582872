"""The planner: asks a language model for configurations and returns those that are valid, new and distinct.

Prompt, call, parse, validate, drop what was tried, at most one repair round, and an account of every call. Whatever a
model or a network does wrong ends in an empty answer with the reason in words, never in an error. Decides nothing: see
``agent/referee.py``. The variants of the instruction are chosen by what came of their proposals.
Source of the ensemble: GenQREnsemble (2024), with feedback from results.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluators.history import History, Proposal
from ..prompts.answers import RawProposal, read_answer
from ..prompts.errors import ModelAnswerInvalid
from ..prompts.render import Prompt, PromptOptions, instructions, render_proposal_prompt, render_repair
from ..prompts.selection import goodness
from ..prompts.wire import Wire
from ..serving.chat import ChatAnswer, ChatEndpoint, ChatRequest
from ..serving.errors import EndpointTimeout, EndpointUnreachable, InvalidInput, ServingError
from .contracts import AbstractPlanner, CallRecord, Outcome, PlanAnswer, PlanRequest
from .novelty import Novelty

DEFAULT_TIMEOUT_S = 60.0


class Planner:
    """A chat model as planner.

    ``endpoint``: a base URL (``"http://127.0.0.1:8000/v1"``, optionally ``#model``) or any chat endpoint.
    ``samples``: completions per call, each read on its own. ``timeout_s`` bounds every call, repair included (default
    60, or ``TRIALOGUE_TIMEOUT_S``). ``prices``: US dollars per million prompt and completion tokens, where known.
    ``recording``: a file in which calls are kept and from which they are replayed without a network.
    Safe to call from several threads; two studies may share one planner.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint | str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        name: str | None = None,
        samples: int = 1,
        temperature: float | None = 0.7,
        timeout_s: float | None = None,
        prices: tuple[float, float] | None = None,
        recording: str | Path | None = None,
        options: PromptOptions | None = None,
        knowledge: Sequence[str] = (),
    ) -> None:
        live = _endpoint_at(endpoint, model, api_key) if isinstance(endpoint, str) else endpoint
        self.endpoint: ChatEndpoint = _recorded(recording, live)
        self.timeout_s = default_timeout_s() if timeout_s is None else timeout_s
        self.options = options or PromptOptions(stays_here=self.endpoint.is_local)
        self._name, self._samples, self._temperature = name, samples, temperature
        self._prices, self._knowledge = prices, tuple(knowledge)
        self._variants = _Variants()

    @property
    def name(self) -> str:
        """What the ledger calls this planner: the name given, else the model's."""
        return self._name or self.endpoint.model

    def prompt(self, request: PlanRequest, *, variant: int = 0) -> Prompt:
        """Return exactly what would be sent for ``request``."""
        suggestion, prediction = request.suggestion, ""
        if suggestion is not None and suggestion.assessment is not None:
            p = suggestion.assessment.prediction
            names = [o.name for o in request.history.problem.objectives]
            expected = [f"{n} {m:.4g} ± {s:.2g}" for n, m, s in zip(names, p.mean, p.sd, strict=True)]
            prediction = f" (it expects {', '.join(expected)})"
        return render_proposal_prompt(
            request.history,
            n=request.n,
            purpose=request.purpose,
            rng=request.rng,
            options=self.options,
            variant=variant,
            suggestion=None if suggestion is None or suggestion.assessment is None else suggestion.params,
            prediction=prediction,
            knowledge=(*self._knowledge, *request.knowledge),
        )

    def propose(self, request: PlanRequest) -> PlanAnswer:
        """Return up to ``request.n`` valid, distinct, untried proposals; ask once more if there were none."""
        seed = int(request.rng.integers(2**31))
        variant = self._variants.choose(request)
        prompt = self.prompt(request, variant=variant)
        round_ = _Round(self, request, time.monotonic() + min(request.deadline_s, self.timeout_s), seed)
        text, errors = round_.ask(prompt)
        if not round_.proposals and errors and not round_.abstained:
            round_.ask(render_repair(prompt, text, errors, request.n), purpose="repair")
        self._variants.keep(variant, request.history, round_.proposals)
        return PlanAnswer(tuple(round_.proposals), tuple(round_.calls), tuple(round_.notes), round_.abstained)

    def price_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return US dollars for so many tokens, or None where prices are unknown."""
        if self._prices is None:
            return None
        return (prompt_tokens * self._prices[0] + completion_tokens * self._prices[1]) / 1e6

    def chat_request(
        self, prompt: Prompt, request: PlanRequest, seed: int, tokens_left: int | None
    ) -> ChatRequest | None:
        """Return the request for a prompt, or None where the tokens left do not suffice for it."""
        per_proposal = 160 + 16 * len(request.history.problem.space)
        max_tokens = min(8_000, 400 + request.n * per_proposal)
        if tokens_left is not None:
            needed = sum(self.options.count(m.content) for m in prompt.messages)
            max_tokens = min(max_tokens, (tokens_left - needed) // self._samples)
            if max_tokens < per_proposal:
                return None
        return ChatRequest(
            prompt.messages,
            n=self._samples,
            schema=prompt.schema,
            temperature=self._temperature,
            max_tokens=max_tokens,
            seed=seed,
        )


class _Round:
    """One question to the model, with its repair: what came, what it cost, what was wrong."""

    def __init__(self, planner: Planner, request: PlanRequest, until: float, seed: int) -> None:
        self._planner, self._request, self._until, self._seed = planner, request, until, seed
        self._novelty = Novelty.of(request.history)
        self._wire = Wire(request.history.problem.space)
        self.proposals: list[Proposal] = []
        self.calls: list[CallRecord] = []
        self.notes: list[str] = []
        self.abstained = False

    def ask(self, prompt: Prompt, *, purpose: str | None = None) -> tuple[str, list[str]]:
        """Send a prompt and take in its answers; return the last text and what was wrong, in words for the model."""
        purpose = purpose or self._request.purpose
        left = self._tokens_left()
        chat = self._planner.chat_request(prompt, self._request, self._seed, left)
        if chat is None:
            self._fail(purpose, "over_budget", f"not asked: {left} tokens are left")
            return "", []
        try:
            answer = self._planner.endpoint.complete(chat, deadline_s=self._until - time.monotonic())
        except ServingError as error:
            self._fail(purpose, _outcome_of(error), str(error), chat)
            return "", []
        return self._take(answer, purpose)

    def _take(self, answer: ChatAnswer, purpose: str) -> tuple[str, list[str]]:
        before, errors, text = len(self.proposals), [], ""
        tokens = answer.usage.total // len(answer.completions)
        for completion in answer.completions:
            text = completion.text
            try:
                raw = read_answer(text, structured=answer.structured)
            except ModelAnswerInvalid as error:
                cut = " It was cut off: be shorter." if completion.finish_reason == "length" else ""
                errors.append(f"{error}{cut}")
                continue
            self.abstained |= raw.abstained
            errors += self._add(raw.proposals, tokens)
        good = len(self.proposals) > before
        self.abstained &= not self.proposals
        outcome: Outcome = "ok" if good else ("abstained" if self.abstained else "invalid")
        self._record(answer, purpose, outcome, "; ".join(errors))
        self.notes += [*answer.notes, *(errors if not good else [])]
        return text, errors

    def _add(self, raws: Sequence[RawProposal], tokens: int) -> list[str]:
        errors = []
        for raw in raws:
            try:
                params = self._wire.from_wire(raw.params)
            except ModelAnswerInvalid as error:
                errors.append(str(error))
                continue
            if not self._novelty.is_new(params):
                errors.append(f"{self._wire.to_wire(params)} was tried already, or is not clearly different.")
                continue
            if len(self.proposals) < self._request.n:
                self._novelty.add(params)
                source = f"planner:{self._planner.name}"
                share = tokens // max(1, len(raws))
                self.proposals.append(
                    Proposal(params, source, raw.hypothesis, raw.expected, raw.confidence, share)
                )
        return errors

    def _tokens_left(self) -> int | None:
        spent = sum(c.prompt_tokens + c.completion_tokens for c in self.calls)
        left = self._request.tokens_left
        return None if left is None else left - spent

    def _record(self, answer: ChatAnswer, purpose: str, outcome: Outcome, detail: str) -> None:
        usage = answer.usage
        price = self._planner.price_of(usage.prompt_tokens, usage.completion_tokens)
        counts = (usage.prompt_tokens, usage.completion_tokens, answer.latency_s, price)
        self.calls.append(
            CallRecord(answer.model, purpose, answer.prompt_hash, outcome, *counts, detail[:500])
        )

    def _fail(self, purpose: str, outcome: Outcome, detail: str, chat: ChatRequest | None = None) -> None:
        model = self._planner.endpoint.model
        self.calls.append(
            CallRecord(model, purpose, chat.hash(model) if chat else "", outcome, detail=detail[:500])
        )
        self.notes.append(detail)


@dataclass
class _Variants:
    """Which paraphrase of the instruction to use: Thompson sampling on how often its trials were among the best third.

    Kept in memory: after a restart all variants are equal again, which costs a little and can do no harm.
    """

    proposed: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, request: PlanRequest) -> int:
        """Return the variant for this request; drawn from ``request.rng`` alone."""
        count = len(instructions(request.purpose))
        wins, losses = np.ones(count), np.ones(count)
        g = goodness(request.history)
        good = g >= np.quantile(g, 2 / 3) if len(g) else g
        with self.lock:
            for i, trial in enumerate(request.history.finished):
                variant = self.proposed.get(_identity(request.history, trial.params))
                if variant is not None and trial.source.startswith("planner"):
                    wins[variant % count] += good[i]
                    losses[variant % count] += 1 - good[i]
        return int(np.argmax(request.rng.beta(wins, losses)))

    def keep(self, variant: int, history: History, proposals: Sequence[Proposal]) -> None:
        """Remember which variant these proposals came from."""
        with self.lock:
            for p in proposals:
                self.proposed[_identity(history, p.params)] = variant


def _identity(history: History, params: Any) -> str:
    return f"{history.problem.name}\n{history.problem.space.key(params)}"


def planner_from(spec: object) -> AbstractPlanner | None:
    """Return the planner that ``spec`` names: None, ``"embedded"``, a base URL, ``"vllm:MODEL"``, or a planner
    itself."""
    if spec is None:
        return None
    if not isinstance(spec, str):
        if not callable(getattr(spec, "propose", None)):
            raise InvalidInput(f"`planner` must be None, a text or have a method `propose`, got {spec!r}.")
        return spec  # pyright: ignore[reportReturnType]: it has what the protocol asks for
    if spec == "embedded":
        from .embedded import EmbeddedPlanner  # transformers and torch are loaded only for this one

        return EmbeddedPlanner()
    if spec.startswith("vllm:") and len(spec) > 5:
        from ..serving.vllm_server import planner_endpoint

        return Planner(planner_endpoint(spec.removeprefix("vllm:")), model=spec.removeprefix("vllm:"))
    if spec.startswith(("http://", "https://")):
        return Planner(spec)
    raise InvalidInput(
        f"`planner` must be None, 'embedded', 'http://…/v1' (optionally '#model') or 'vllm:MODEL', got {spec!r}."
    )


def default_timeout_s() -> float:
    """Return ``TRIALOGUE_TIMEOUT_S`` in seconds, else 60."""
    text = os.environ.get("TRIALOGUE_TIMEOUT_S", "")
    try:
        value = float(text) if text else DEFAULT_TIMEOUT_S
    except ValueError:
        value = 0.0
    if not 0 < value < 86_400:
        raise InvalidInput(f"TRIALOGUE_TIMEOUT_S must be seconds between 0 and 86400, got {text!r}.")
    return value


def _endpoint_at(url: str, model: str | None, api_key: str | None) -> ChatEndpoint:
    from ..serving.client import OpenAIClient  # openai is loaded only where an endpoint is used

    base, _, named = url.partition("#")
    model = model or named or os.environ.get("TRIALOGUE_MODEL") or None
    return OpenAIClient(base, model=model, api_key=api_key or os.environ.get("OPENAI_API_KEY") or None)


def _recorded(path: str | Path | None, endpoint: ChatEndpoint) -> ChatEndpoint:
    if path is None:
        return endpoint
    from ..serving.recording import RecordedEndpoint

    return RecordedEndpoint(path, endpoint)


def _outcome_of(error: ServingError) -> Outcome:
    if isinstance(error, EndpointTimeout):
        return "timeout"
    return "unreachable" if isinstance(error, EndpointUnreachable) else "refused"
