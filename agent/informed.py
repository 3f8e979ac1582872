"""A planner that also asks, once in a while, where good values lie and what will fail; and uses both as soft knowledge.

Rules drop proposals that will probably fail; trusted regions order the model's proposals and add points drawn from them,
which cost no tokens. The referee judges all of them alike. Opt in: ``InformedPlanner(Planner("http://…/v1"))``.
"""

import threading
import time
from dataclasses import replace

from ..evaluators.history import History
from ..prompts.elicitation import Elicited, read_elicited, render_elicitation
from ..prompts.errors import ModelAnswerInvalid
from ..serving.chat import ChatRequest
from ..serving.errors import ServingError
from .contracts import CallRecord, Outcome, PlanAnswer, PlanRequest
from .dialogue import outcome_of
from .planner import Planner
from .soft_knowledge import SoftKnowledge

_AGAIN = 15
"""Trials after which the model is asked again: it has seen failures since."""


class InformedPlanner:
    """Wraps a planner over a chat endpoint. Safe to call from several threads; what was elicited is kept by problem."""

    def __init__(self, planner: Planner, *, drawn: int = 2) -> None:
        self._planner, self._drawn = planner, drawn
        self.timeout_s = planner.timeout_s
        self._known: dict[str, tuple[int, SoftKnowledge]] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The wrapped planner's name."""
        return self._planner.name

    def propose(self, request: PlanRequest) -> PlanAnswer:
        """Return the model's proposals that no trusted rule refuses, and some drawn from trusted regions."""
        started = time.monotonic()
        knowledge, calls = self._knowledge(request)
        left = request.deadline_s - (time.monotonic() - started)
        spent = sum(c.prompt_tokens + c.completion_tokens for c in calls)
        tokens = None if request.tokens_left is None else max(0, request.tokens_left - spent)
        answer = self._planner.propose(replace(request, deadline_s=max(left, 0.1), tokens_left=tokens))
        if not answer.proposals:  # a model that fails must not be replaced by what it said earlier
            return replace(answer, calls=(*calls, *answer.calls))
        kept, notes = knowledge.filtered(answer.proposals, request.history)
        drawn = knowledge.sampled(request.history, self._drawn, request.rng, f"planner:{self.name}")
        proposals = (*kept, *drawn)[: request.n + self._drawn]
        notes = (*answer.notes, *knowledge.elicited.notes, *notes)
        return replace(answer, proposals=proposals, calls=(*calls, *answer.calls), notes=notes)

    def _knowledge(self, request: PlanRequest) -> tuple[SoftKnowledge, tuple[CallRecord, ...]]:
        """Return what is known of the problem, asking where that was never done or is long ago."""
        key, now = request.history.problem.name, len(request.history)
        with self._lock:
            at, known = self._known.get(key, (-_AGAIN, SoftKnowledge(Elicited())))
        if 0 <= now - at < _AGAIN:
            return known, ()
        elicited, call = self._elicit(request)
        known = SoftKnowledge(elicited) if elicited is not None else known
        with self._lock:
            self._known[key] = (now, known)
        return known, (call,)

    def _elicit(self, request: PlanRequest) -> tuple[Elicited | None, CallRecord]:
        endpoint, history = self._planner.endpoint, request.history
        prompt = render_elicitation(history, request.rng, self._planner.options)
        chat = ChatRequest(
            prompt.messages, schema=prompt.schema, max_tokens=1_500, seed=int(request.rng.integers(2**31))
        )
        needed = sum(self._planner.options.count(m.content) for m in prompt.messages) + chat.max_tokens
        if request.tokens_left is not None and request.tokens_left < needed:
            return None, CallRecord(
                endpoint.model, "elicitation", "", "over_budget", detail="too few tokens are left"
            )
        try:
            answer = endpoint.complete(chat, deadline_s=min(request.deadline_s, self.timeout_s) / 2)
        except ServingError as error:
            return None, CallRecord(
                endpoint.model, "elicitation", "", outcome_of(error), detail=str(error)[:500]
            )
        elicited, outcome = _read(answer.completions[0].text, history)
        counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.latency_s)
        price = self._planner.price_of(*counts[:2])
        return elicited, CallRecord(answer.model, "elicitation", answer.prompt_hash, outcome, *counts, price)


def _read(text: str, history: History) -> tuple[Elicited | None, Outcome]:
    try:
        return read_elicited(text, history.problem.space), "ok"
    except ModelAnswerInvalid:
        return None, "invalid"
