"""A planner that also asks, once in a while, where good values lie and what will fail; and uses both as soft knowledge.

Rules drop proposals that will probably fail, and warn the engine once they have come true; trusted regions order the
model's proposals and add points drawn from them, which cost no tokens. The referee judges all of them alike. What was
said is kept by the study (``PlanAnswer.memory``), not here. Opt in: ``InformedPlanner(Planner("http://…/v1"))``.
"""

import time
from dataclasses import replace

from ...evaluators.problems.problem import Problem
from ...prompts.elicitation import Elicited, read_elicited, render_elicitation
from ...prompts.errors import ModelAnswerInvalid
from ...serving.endpoints.chat import ChatRequest
from ...serving.errors import ServingError
from ..contracts import AbstractPlanner, CallRecord, PlanAnswer, PlanRequest
from .dialogue import outcome_of
from .memory import PlannerMemory
from .planner import Planner
from .rules import SoftKnowledge

_AGAIN = 15
"""Trials after which the model is asked again: it has seen failures since."""
_LONGEST = 8_000
"""Characters of an answer that are kept."""


class InformedPlanner(AbstractPlanner):
    """Wraps a planner over a chat endpoint. Safe to call from several threads; holds nothing of a study."""

    def __init__(self, planner: Planner, *, drawn: int = 2) -> None:
        self._planner, self._drawn = planner, drawn

    @property
    def name(self) -> str:
        """The wrapped planner's name."""
        return self._planner.name

    @property
    def timeout_s(self) -> float:
        """The wrapped planner's, for both questions together."""
        return self._planner.timeout_s

    def close(self) -> None:
        """End the wrapped planner."""
        self._planner.close()

    def recall(self, memory: str, problem: Problem) -> SoftKnowledge:
        """Return what the model said of ``problem``, from an answer's ``memory``."""
        return _knowledge(PlannerMemory.read(memory), problem)

    def propose(self, request: PlanRequest) -> PlanAnswer:
        """Return the model's proposals that no trusted rule refuses, and some drawn from trusted regions."""
        started = time.monotonic()
        remembered = PlannerMemory.read(request.memory)
        memory, calls = self._memory(request, remembered)
        left = request.deadline_s - (time.monotonic() - started)
        spent = sum(c.prompt_tokens + c.completion_tokens for c in calls)
        tokens = None if request.tokens_left is None else max(0, request.tokens_left - spent)
        rest = None if request.calls_left is None else request.calls_left - len(calls)
        answer = self._planner.propose(
            replace(request, deadline_s=max(left, 0.1), tokens_left=tokens, calls_left=rest)
        )
        if answer.memory:
            memory = replace(PlannerMemory.read(answer.memory), at=memory.at, said=memory.said)
        text = "" if memory == remembered else memory.to_text()
        answer = replace(answer, calls=(*calls, *answer.calls), memory=text)
        if not answer.proposals:  # a model that fails must not be replaced by what it said earlier
            return answer
        knowledge = _knowledge(memory, request.history.problem)
        fitting, notes = knowledge.filtered(answer.proposals, request.history)
        samples = knowledge.sampled(request.history, self._drawn, request.rng, f"planner:{self.name}")
        proposals = (*fitting, *samples)[: request.n + self._drawn]
        return replace(answer, proposals=proposals, notes=(*answer.notes, *knowledge.elicited.notes, *notes))

    def _memory(
        self, request: PlanRequest, memory: PlannerMemory
    ) -> tuple[PlannerMemory, tuple[CallRecord, ...]]:
        """Ask what is known of the problem where that was never done or is long ago; return what to remember of it."""
        now = len(request.history)
        fresh = memory.at is not None and 0 <= now - memory.at < _AGAIN
        if fresh or request.calls_left == 1:
            return memory, ()
        words, call = self._elicit(request)
        return replace(memory, at=now, said=words), (call,)

    def _elicit(self, request: PlanRequest) -> tuple[str, CallRecord]:
        """Return the model's words, empty where they cannot be used, and the account of the call."""
        endpoint, history = self._planner.endpoint, request.history
        self._planner.recall_abilities(PlannerMemory.read(request.memory))
        prompt = render_elicitation(history, request.rng, self._planner.options)
        chat = ChatRequest(
            prompt.messages, schema=prompt.schema, max_tokens=1_500, seed=int(request.rng.integers(2**31))
        )
        needed = sum(self._planner.options.count(m.content) for m in prompt.messages) + chat.max_tokens
        if request.tokens_left is not None and request.tokens_left < needed:
            return "", CallRecord(
                endpoint.model, "elicitation", "", "over_budget", detail="too few tokens are left"
            )
        try:
            answer = endpoint.complete(chat, deadline_s=min(request.deadline_s, self.timeout_s) / 2)
        except ServingError as error:
            return "", CallRecord(
                endpoint.model, "elicitation", "", outcome_of(error), detail=str(error)[:500]
            )
        text = answer.completions[0].text[:_LONGEST]
        usable = _read(text, history.problem) is not None
        counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.latency_s)
        price = self._planner.price_of(*counts[:2])
        outcome = "ok" if usable else "invalid"
        call = CallRecord(answer.model, "elicitation", answer.prompt_hash, outcome, *counts, price)
        return text if usable else "", call


def _knowledge(memory: PlannerMemory, problem: Problem) -> SoftKnowledge:
    return SoftKnowledge(_read(memory.said, problem) or Elicited())


def _read(text: str, problem: Problem) -> Elicited | None:
    try:
        return read_elicited(text, problem.space)
    except ModelAnswerInvalid:
        return None
