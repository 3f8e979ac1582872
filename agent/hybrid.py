"""The strategy ``"trialogue"``: the engine suggests, a planner proposes, the referee decides which of the two is run.

The engine is conditioned and asked exactly as without a planner, from its own random stream, before any model is
called: if every proposal is rejected, the trials are bit-identical to the surrogate's alone. A planner that fails is
asked less and less, and one that only times out costs a study at most twice its timeout. Nothing here raises for what a
model does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..evaluators.history import History, Proposal
from ..evaluators.problem import Problem
from ..evaluators.streams import stream
from ..surrogates.contracts import Belief, Engine, Suggestion
from .budget import Budget
from .contracts import (
    AbstractPlanner,
    AbstractReferee,
    Ask,
    CallRecord,
    Decision,
    Plan,
    PlanAnswer,
    PlanRequest,
    Verdict,
)
from .coverage import Round, worthwhile_count
from .known import KNOWN, KnownReferee
from .novelty import Novelty
from .patience import Patience
from .referee import TrustReferee
from .schedule import Schedule
from .strategy import decision_of, default_engine, opening
from .warm_start import NoWarmStart, UncheckedWarmStart, struggles

_REMEMBERED = 300
"""Rejected proposals that are remembered."""
_DARK = 0.8
"""Standardized sd of the engine's own next point (prior: 1) from which it is said to know little of it."""
_STARTING = ("default", "initial_design", "transfer", "random")


@dataclass(frozen=True)
class Rules:
    """How the strategy deals with its planner.

    ``proposals``: asked for per call at first, later as many as a coverage curve says are worth their tokens.
    ``warm_start``: the referee while the engine fills its initial design; None: the planner is not asked before that is
    done, which was measured to be safest (decision 0051). ``every``, ``plateau``: see Schedule.
    """

    proposals: int = 4
    warm_start: AbstractReferee | None = None
    referee: AbstractReferee = field(default_factory=TrustReferee)
    every: int = 3
    plateau: int = 5


class TrialogueStrategy:
    """The hybrid of planner and engine. Keeps proposals that were not used yet, and how often the planner failed."""

    name = "trialogue"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        planner: AbstractPlanner,
        budget: Budget | None = None,
        engine: Engine | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._problem, self._seed, self._planner, self._budget = problem, seed, planner, budget
        self._engine = engine if engine is not None else default_engine(problem)
        self._rules = rules or Rules()
        self._patience = Patience()
        self._schedule = Schedule(self._rules.every, self._rules.plateau)
        self._pool: list[Proposal] = []
        self._doubted: Novelty = Novelty(problem.space, most=_REMEMBERED)
        self._refused: Novelty = Novelty(problem.space, most=_REMEMBERED)
        self._rounds: list[Round] = []

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` decisions: the engine's, some of them replaced by proposals that passed the referee."""
        known = opening(ask)
        if known is not None:
            return Plan((known,))
        rng = stream(self._seed, ask.index, "surrogate")
        belief = self._engine.condition(ask.history, rng)
        suggestions = belief.suggest(ask.n, rng, fixed=ask.fixed)
        notes = tuple(belief.notes)
        early = suggestions[0].origin in _STARTING and not self._asks_early(ask.history)
        if ask.fixed or suggestions[0].origin == "default" or early:
            return Plan(tuple(decision_of(s, notes=notes) for s in suggestions))
        calls, said = self._fill_pool(ask, belief, suggestions[0])
        verdicts = self._judge(ask.history, belief, suggestions[0])
        self._remember(verdicts)
        if calls and verdicts:
            self._rounds.append((len(verdicts), sum(v.kept for v in verdicts)))
        return Plan(self._decide(suggestions, verdicts, (*notes, *said), calls, ask), calls)

    def _asks_early(self, history: History) -> bool:
        """Whether the planner is asked during the initial design: by rule, because it knows configurations by name, or
        because most trials fail, which is when words help most."""
        by_name = getattr(self._planner, "proposes_known", False)
        return self._rules.warm_start is not None or by_name or struggles(history)

    def _referee(self, history: History, *, starting: bool) -> AbstractReferee:
        if not starting:
            return self._rules.referee
        if self._rules.warm_start is not None:
            return self._rules.warm_start
        trials = None if self._budget is None else self._budget.trials
        return UncheckedWarmStart(trials) if struggles(history) else NoWarmStart()

    def _fill_pool(
        self, ask: Ask, belief: Belief, suggestion: Suggestion
    ) -> tuple[tuple[CallRecord, ...], tuple[str, ...]]:
        """Drop what was tried from the pool and ask the planner if it is due; return the calls and what is to be
        noted."""
        novelty = Novelty.of(ask.history)
        self._pool = [p for p in self._pool if novelty.is_new(p.params) and self._refused.is_new(p.params)]
        starting = suggestion.origin in _STARTING
        dark = suggestion.assessment is not None and suggestion.assessment.z_sd > _DARK
        if not self._schedule.is_due(ask, starting=starting, pooled=len(self._pool), uncertain=dark):
            return (), ()
        if not self._patience.allows(ask.index):
            return (), (self._patience.reason,)
        over = None if self._budget is None else self._budget.model_exhausted_by(ask.spent)
        if over:
            return (), (f"the planner was not asked: {over}; the surrogate goes on alone",)
        answer = self._ask_planner(ask, belief, suggestion, starting)
        self._patience.record(ask.index, answer)
        self._schedule.asked(ask, answer, starting=starting)
        fresh = [p for p in answer.proposals if self._refused.is_new(p.params)]
        self._pool = fresh if answer.proposals else self._pool
        return answer.calls, answer.notes

    def _remember(self, verdicts: Sequence[Verdict]) -> None:
        """Keep what was rejected twice from being judged again: a point that is proposed stubbornly, or stays in the
        pool, would otherwise pass some day by the ups and downs of the belief."""
        for verdict in verdicts:
            if not verdict.kept and verdict.proposal.source != KNOWN:
                seen = self._refused if not self._doubted.is_new(verdict.proposal.params) else self._doubted
                seen.add(verdict.proposal.params)

    def _ask_planner(self, ask: Ask, belief: Belief, suggestion: Suggestion, starting: bool) -> PlanAnswer:
        tokens = None if self._budget is None else self._budget.tokens
        request = PlanRequest(
            ask.history,
            worthwhile_count(self._rounds, usual=self._rules.proposals),
            "warm_start" if starting or not self._schedule.was_asked else "candidates",
            stream(self._seed, ask.index, "planner"),
            belief,
            suggestion,
            deadline_s=getattr(self._planner, "timeout_s", 60.0),
            tokens_left=None if tokens is None else max(0, tokens - ask.spent.tokens),
        )
        return self._planner.propose(request)

    def _judge(self, history: History, belief: Belief, suggestion: Suggestion) -> tuple[Verdict, ...]:
        if not self._pool:
            return ()
        if all(p.source == KNOWN for p in self._pool):
            return KnownReferee().judge(self._pool, belief, suggestion, history)
        referee = self._referee(history, starting=suggestion.origin in _STARTING)
        return referee.judge(self._pool, belief, suggestion, history)

    def _decide(
        self,
        suggestions: Sequence[Suggestion],
        verdicts: Sequence[Verdict],
        notes: tuple[str, ...],
        calls: tuple[CallRecord, ...],
        ask: Ask,
    ) -> tuple[Decision, ...]:
        """Return the engine's decisions, the last of them replaced by kept proposals: one in three of a batch."""
        kept = sorted((v for v in verdicts if v.kept), key=lambda v: v.gap)[: max(1, ask.n // 3)]
        failed = bool(calls) and all(c.outcome not in ("ok", "abstained") for c in calls)
        verdict = "fallback" if failed else ("replaced" if verdicts else "own")
        own = [decision_of(s, verdict=verdict, notes=notes) for s in suggestions[: ask.n - len(kept)]]
        tokens = sum(c.prompt_tokens + c.completion_tokens for c in calls)
        chosen = [_kept_decision(v, notes) for v in kept]
        decisions = [*own, *chosen]
        decisions[0] = replace(decisions[0], tokens=tokens, verdicts=tuple(verdicts))
        return tuple(decisions)


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
