"""The strategy ``"trialogue"``: the engine suggests, a planner proposes, the referee decides which of the two is run.

The engine is conditioned and asked exactly as without a planner, from its own random stream, before any model is
called: if every proposal is rejected, the trials are bit-identical to the surrogate's alone. A planner that fails is
asked less and less, and one that only times out costs a study at most twice its timeout. Nothing here raises for what a
model does. What must be remembered is read from earlier decisions (``agent/strategies/planner_memory.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...evaluators.problems.history import History, Proposal
from ...evaluators.problems.problem import Problem
from ...evaluators.random_streams import stream
from ...prompts.knowledge import warm_starts
from ...surrogates.contracts import Belief, Engine, Suggestion
from ..contracts import (
    AbstractPlanner,
    AbstractReferee,
    Ask,
    Asked,
    CallRecord,
    Case,
    Decision,
    Plan,
    PlanAnswer,
    PlanRequest,
    Verdict,
    result_of,
)
from ..referee.knowledge import KNOWN, KnownReferee
from ..referee.referee import TrustReferee
from ..referee.warm_start import NoWarmStart, UncheckedWarmStart, struggles
from .avoidance import detour
from .coverage import worthwhile_count
from .planner_memory import Recollection
from .schedule import Schedule
from .simple import decision_of, default_engine, opening

_DARK = 0.8
"""Standardized sd of the engine's own next point (prior: 1) from which it is said to know little of it."""
_STARTING = ("default", "initial_design", "transfer", "random")


@dataclass(frozen=True)
class Rules:
    """How the strategy deals with its planner.

    ``first``: proposals asked for in the first call, which must show whether the planner knows anything; ``proposals``:
    in the next ones, later as many as a coverage curve says are worth their tokens.
    ``warm_start``: the referee while the engine fills its initial design; None: the planner is not asked before that is
    done, which was measured to be safest (decision 0051). ``every``, ``plateau``: see Schedule.
    """

    first: int = 8
    proposals: int = 4
    warm_start: AbstractReferee | None = None
    referee: AbstractReferee = field(default_factory=TrustReferee)
    every: int = 3
    plateau: int = 5


class TrialogueStrategy:
    """The hybrid of planner and engine."""

    name = "trialogue"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        planner: AbstractPlanner,
        engine: Engine | None = None,
        rules: Rules | None = None,
        by_name: bool = False,
    ) -> None:
        self._seed, self._planner = seed, planner
        self._engine = engine if engine is not None else default_engine(problem)
        self._rules, self._starts = rules or Rules(), warm_starts(problem) if by_name else ()
        self._known = Recollection(problem, Schedule(self._rules.every, self._rules.plateau))

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` decisions: the engine's, some of them replaced by proposals that passed the referee."""
        start = opening(ask, self._starts)
        if start is not None:
            return Plan((start,))
        self._known.catch_up(ask)
        rng = stream(self._seed, ask.index, "surrogate")
        belief, suggestions = self._suggest(ask, rng)
        notes = tuple(belief.notes)
        early = suggestions[0].origin in _STARTING and not self._asks_early(ask.history)
        if ask.fixed or suggestions[0].origin == "default" or early:
            return Plan(tuple(decision_of(s, notes=notes) for s in suggestions))
        consulted = self._consult(ask, belief, suggestions[0])
        verdicts = self._judge(consulted.pool, ask, belief, suggestions[0])
        plan = self._decide(suggestions, verdicts, (*notes, *consulted.notes), consulted, ask)
        self._known.decided(plan, ask)
        return plan

    def _suggest(self, ask: Ask, rng: np.random.Generator) -> tuple[Belief, tuple[Suggestion, ...]]:
        """Return the engine's belief and suggestions; of one that a rule speaks against, what comes instead."""
        belief = self._engine.condition(ask.history, rng)
        suggestions = belief.suggest(ask.n, rng, fixed=ask.fixed)
        rules = None
        if self._known.memory and ask.n == 1:
            rules = self._planner.recall(self._known.memory, ask.history.problem)
        if rules is None:
            return belief, suggestions
        return belief, (detour(rules, self._engine, ask, belief, suggestions[0], rng),)

    def _asks_early(self, history: History) -> bool:
        """Whether the planner is asked during the initial design: by rule, because it knows configurations by name, or
        because most trials fail, which is when words help most."""
        warm = self._rules.warm_start is not None
        return warm or self._planner.proposes_known or struggles(history)

    def _referee(self, ask: Ask, *, starting: bool) -> AbstractReferee:
        if not starting:
            return self._rules.referee
        if self._rules.warm_start is not None:
            return self._rules.warm_start
        return UncheckedWarmStart(ask.limits.trials) if struggles(ask.history) else NoWarmStart()

    def _consult(self, ask: Ask, belief: Belief, suggestion: Suggestion) -> "_Consulted":
        """Drop what was tried from the pool and ask the planner if it is due."""
        memory = self._known
        pool = memory.usable(memory.pool, ask.history)
        starting = suggestion.origin in _STARTING
        dark = suggestion.assessment is not None and suggestion.assessment.z_sd > _DARK
        if not memory.schedule.is_due(ask, starting=starting, pooled=len(pool), uncertain=dark):
            return _Consulted(pool)
        if not memory.patience.allows(ask.index):
            return _Consulted(pool, notes=(memory.patience.reason,))
        over = ask.limits.model_exhausted_by(ask.spent)
        if over:
            return _Consulted(
                pool, notes=(f"the planner was not asked: {over}; the surrogate goes on alone",)
            )
        answer = self._ask_planner(ask, belief, suggestion, starting)
        exchange = Asked(ask.index, result_of(answer, early=starting), answer.memory)
        fresh = memory.usable(answer.proposals, ask.history)
        return _Consulted(fresh or pool, answer.calls, answer.notes, exchange)

    def _ask_planner(self, ask: Ask, belief: Belief, suggestion: Suggestion, starting: bool) -> PlanAnswer:
        memory, left = self._known, ask.limits.left_for_models(ask.spent)
        request = PlanRequest(
            ask.history,
            self._rules.first
            if not memory.schedule.was_asked
            else worthwhile_count(memory.rounds, usual=self._rules.proposals),
            "warm_start" if starting or not memory.schedule.was_asked else "candidates",
            stream(self._seed, ask.index, "planner"),
            belief,
            suggestion,
            deadline_s=self._planner.timeout_s,
            tokens_left=left.tokens,
            calls_left=left.calls,
            price_left=left.price,
            knowledge=ask.knowledge,
            variants=memory.variants,
            memory=memory.memory,
            repairs=memory.patience.repairs,
        )
        return self._planner.propose(request)

    def _judge(
        self, pool: Sequence[Proposal], ask: Ask, belief: Belief, suggestion: Suggestion
    ) -> tuple[Verdict, ...]:
        if not pool:
            return ()
        case = Case(pool, belief, suggestion, ask.history, self._known.seen)
        if all(p.source == KNOWN for p in pool):
            return KnownReferee().judge(case)
        return self._referee(ask, starting=suggestion.origin in _STARTING).judge(case)

    def _decide(
        self,
        suggestions: Sequence[Suggestion],
        verdicts: Sequence[Verdict],
        notes: tuple[str, ...],
        consulted: "_Consulted",
        ask: Ask,
    ) -> Plan:
        """Return the engine's decisions, the last of them replaced by kept proposals: one in three of a batch."""
        calls = consulted.calls
        accepted_verdicts = sorted((v for v in verdicts if v.kept), key=lambda v: v.gap)[: max(1, ask.n // 3)]
        failed = bool(calls) and all(c.outcome not in ("ok", "abstained") for c in calls)
        verdict = "fallback" if failed else ("replaced" if verdicts else "own")
        own = [
            decision_of(s, verdict=verdict, notes=notes)
            for s in suggestions[: ask.n - len(accepted_verdicts)]
        ]
        tokens = sum(c.prompt_tokens + c.completion_tokens for c in calls)
        of_planner = [_kept_decision(v, notes) for v in accepted_verdicts]
        decisions = [*own, *of_planner]
        decisions[0] = replace(decisions[0], tokens=tokens, verdicts=tuple(verdicts), asked=consulted.asked)
        return Plan(tuple(decisions), calls)


@dataclass(frozen=True)
class _Consulted:
    """The proposals to judge, and what asking for them cost."""

    pool: Sequence[Proposal]
    calls: tuple[CallRecord, ...] = ()
    notes: tuple[str, ...] = ()
    asked: Asked | None = None


def _kept_decision(verdict: Verdict, notes: tuple[str, ...]) -> Decision:
    p = verdict.proposal
    return Decision(
        p.params,
        source=p.source,
        reason=verdict.reason,
        verdict="kept" if verdict.checked else "unchecked",
        prediction=verdict.prediction,
        hypothesis=p.hypothesis,
        notes=notes,
    )
