"""The planner that is always there: the shipped model proposes, with no key, no network and no GPU.

Before anything is known it proposes what engineers already know of parameters by name (``prompts/knowledge.py``). From
three scored trials on, the embedded model samples points that should score well, scores them itself, and proposes those
of highest expected improvement. It abstains where its own predictions of the study's trials are no better than
guessing from their distribution. Whether a proposal is run is the referee's decision.
Sources: PFNs4BO (Müller et al. 2023), OptFormer (Chen et al. 2022) for amortised sampling and re-ranking.
"""

import time

import numpy as np

from ...evaluators.problems.history import History, Proposal
from ...evaluators.spaces.parameters import Float
from ...evaluators.spaces.space import SearchSpace
from ...prompts import number_dialect as nd
from ...prompts.meanings import meanings_of
from ...prompts.selection import goodness
from ...serving.embedded.model import CompletionModel
from ...serving.errors import ServingError
from ...surrogates.alternatives.embedded import PROMPTS, EmbeddedLM, InContext, expected_improvement
from ..contracts import AbstractPlanner, CallRecord, Outcome, PlanAnswer, PlanRequest
from ..referee.knowledge import known_proposals
from ..referee.novelty import Novelty

FEWEST = 3
"""Scored trials before the model is asked: it was not trained on shorter histories."""
SAMPLES = 16
"""Points sampled per prompt, half of them from p(optimum | history), half at high score levels."""
LOCAL = 24
"""Points added around the best trials: what 128 bins per parameter cannot resolve."""
ELSEWHERE = 24
"""Points added anywhere in the space: where everything near the best is known, the model judges these."""
SHORTLIST = 24
"""Candidates that all prompts score; the first prompt alone chooses them."""
FULL_TO = 6
"""Parameters up to which these numbers hold; with more of them, whose points are longer to read, they are fewer."""
CHECKED_FROM = 12
"""Trials from which the model's own calibration is measured."""
CHECKED = 8
"""Most trials of each half that are predicted from the other half."""


class EmbeddedPlanner(AbstractPlanner):
    """A planner over a small model, in this process or served. Safe to call from several threads.

    ``abstains``: whether it keeps silent where it predicts the study's own trials badly. ``names``: whether the model is
    told what parameters mean, where the knowledge base knows.
    """

    def __init__(
        self, model: CompletionModel | None = None, *, abstains: bool = True, names: bool = True
    ) -> None:
        self._lm = EmbeddedLM(model)
        self._abstains, self._names = abstains, names

    @property
    def name(self) -> str:
        """``"embedded"``, whichever model it is."""
        return "embedded"

    @property
    def timeout_s(self) -> float:
        """Half a minute: an answer takes seconds where the model runs in this process."""
        return 30.0

    @property
    def proposes_known(self) -> bool:
        """It is asked from the start: what is known by name stands in the initial design's place."""
        return True

    def propose(self, request: PlanRequest) -> PlanAnswer:
        """Return up to ``request.n`` proposals: by name at the start, by the model once there is something to read."""
        history = request.history
        novelty = Novelty.of(history)
        proposals = known_proposals(history)
        if proposals:
            return PlanAnswer(proposals[: request.n])
        numbers = numbers_of(history)
        if (~numbers.failed).sum() < FEWEST:
            note = f"the embedded model needs {FEWEST} scored trials; no parameter is known by name"
            return PlanAnswer(notes=(note,))  # too early, which is no abstention: it is asked again soon
        started = time.monotonic()
        if request.tokens_left is not None and request.tokens_left < self.estimated_tokens(request):
            note = f"the embedded model was not asked: {request.tokens_left} tokens are left"
            return PlanAnswer(calls=(self._call(request, 0, 0, started, "over_budget"),), notes=(note,))
        try:
            return self._answer(request, numbers, novelty, started)
        except (ServingError, OSError) as error:  # a broken checkpoint: the study goes on
            call = CallRecord(self.name, request.purpose, "", "unreachable", detail=str(error)[:500])
            return PlanAnswer(calls=(call,), notes=(str(error),))

    def estimated_tokens(self, request: PlanRequest) -> int:
        """Return how many tokens a call reads: they cost no money, but a budget in tokens is kept."""
        m = min(len(request.history.problem.space), self._lm.dialect.slots)
        n = min(len(request.history.finished), nd.longest_history(self._lm.dialect, m))
        return PROMPTS * (1 + m + n * (m + 2))

    def skill(self, history: History, rng: np.random.Generator) -> float:
        """Return how much better the model predicts half of the trials from the other half than their distribution
        does.

        In nats per trial: 0 is no skill. NaN below 2 x ``FEWEST`` scored trials.
        """
        numbers = numbers_of(history)
        scored = rng.permutation(np.flatnonzero(~numbers.failed))[-2 * self._lm.dialect.max_trials :]
        if len(scored) < 2 * FEWEST:
            return float("nan")
        gains = [self._gain(history, numbers, scored[h::2], scored[1 - h :: 2], rng) for h in (0, 1)]
        return float(np.mean(gains))

    def _gain(
        self,
        history: History,
        numbers: nd.NumberHistory,
        shown: np.ndarray,
        hidden: np.ndarray,
        rng: np.random.Generator,
    ) -> float:
        part, hidden = numbers.rows(shown), hidden[:CHECKED]
        best, gap = part.scale
        context = self._lm.condition(
            history.problem.space, part, rng, prompts=1, meanings=self._meanings(history)
        )
        bins = nd.score_bins((numbers.loss[hidden] - best) / gap)
        p = context.scores(numbers.X[hidden], numbers.active[hidden])[np.arange(len(hidden)), bins]
        distance = np.arange(nd.BINS) - nd.score_bins(part.relative())[:, None]
        marginal = np.exp(-0.5 * (distance / 8.0) ** 2).sum(0)
        marginal = 0.9 * marginal / marginal.sum() + 0.1 / nd.BINS
        return float(np.mean(np.log(np.maximum(p, 1e-4)) - np.log(marginal[bins])))

    def _answer(
        self, request: PlanRequest, numbers: nd.NumberHistory, novelty: Novelty, started: float
    ) -> PlanAnswer:
        history, rng = request.history, request.rng
        if self._abstains and len(numbers.loss) >= CHECKED_FROM:
            skill = self.skill(history, rng)
            if skill < 0:
                note = (
                    f"the embedded model abstains: its predictions are {-skill:.2f} nats worse than guessing"
                )
                return PlanAnswer(
                    (), (self._call(request, 0, 0, started, "abstained"),), (note,), abstained=True
                )
        context = self._lm.condition(history.problem.space, numbers, rng, meanings=self._meanings(history))
        X = self._candidates(context, novelty, rng)
        if not len(X):
            note = "everything that the embedded model proposed has been tried"
            return PlanAnswer((), (self._call(request, context.tokens, 0, started, "ok"),), (note,))
        rows, p = self._ranked(context, X)
        proposals = self._proposals(request, context, rows, p, novelty)
        spent = len(X) * (1 + min(len(history.problem.space), self._lm.dialect.slots))
        return PlanAnswer(proposals, (self._call(request, context.tokens, spent, started, "ok"),))

    def _meanings(self, history: History) -> nd.Meanings | None:
        return meanings_of(history.problem) if self._names and self._lm.dialect.meanings else None

    def _candidates(self, context: InContext, novelty: Novelty, rng: np.random.Generator) -> np.ndarray:
        """Return new canonical points that fulfil the relations: the model's samples, steps from the best trials, and
        points from anywhere."""
        space, samples = context.space, _fewer(SAMPLES, context)
        levels = nd.LEVEL0 + np.arange(samples - samples // 2) % 3
        goals = np.r_[np.full(samples // 2, nd.OPTIMUM), levels]
        anywhere = rng.random((_fewer(ELSEWHERE, context), len(space)))
        X, _ = space.canonical(np.vstack([context.sample(goals, rng), _steps(context, rng), anywhere]))
        X = np.unique(X, axis=0)
        X = X[space.satisfies_rows(X)]
        new = [novelty.is_new(params) for params in space.decode(X)]
        return X[np.array(new, bool)]

    def _ranked(self, context: InContext, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the most promising points by falling expected improvement, with their score distributions."""
        _, active = context.space.canonical(X)
        p = context.scores(X, active, prompts=slice(0, 1))
        at = np.argsort(-expected_improvement(p), kind="stable")[: _fewer(SHORTLIST, context)]
        X, active, p, others = X[at], active[at], p[at], len(context.blocks) - 1
        if others:
            p = (p + others * context.scores(X, active, prompts=slice(1, None))) / (others + 1)
        order = np.argsort(-expected_improvement(p), kind="stable")
        return X[order], p[order]

    def _proposals(
        self, request: PlanRequest, context: InContext, X: np.ndarray, p: np.ndarray, novelty: Novelty
    ) -> tuple[Proposal, ...]:
        space, out = request.history.problem.space, []
        for params, row in zip(space.decode(X), p, strict=True):
            if len(out) < request.n and novelty.is_new(params) and space.satisfies(params):
                novelty.add(params)
                out.append(Proposal(params, f"planner:{self.name}", *_said(request.history, context, row)))
        return tuple(out)

    def _call(
        self, request: PlanRequest, read: int, written: int, started: float, outcome: Outcome
    ) -> CallRecord:
        took = time.monotonic() - started
        return CallRecord(self.name, request.purpose, "", outcome, read, written, took, 0.0)


def numbers_of(history: History) -> nd.NumberHistory:
    """Return the trials a planner reads: measured ones, and those that failed for what they were.

    A measured trial that breaks a constraint counts as failed while enough others are left to learn from.
    """
    good = history.rows("finished")
    ours = [i for i, t in enumerate(history.failed) if t.kind not in ("lost", "infrastructure")]
    bad = history.rows("failed")
    feasible = np.array([history.problem.feasible(t.measurement) for t in history.finished], bool)
    if feasible.sum() < FEWEST:
        feasible[:] = True
    return nd.NumberHistory(
        np.vstack([good.X, bad.X[ours]]),
        np.vstack([good.active, bad.active[ours]]),
        np.r_[-goodness(history), np.full(len(ours), np.inf)],
        np.r_[~feasible, np.ones(len(ours), bool)],
        history.problem.space.is_categorical,
    )


def _fewer(number: int, context: InContext) -> int:
    """Return how many of ``number`` points a model can be asked about that reads points of so many parameters."""
    return max(4, round(number * min(1.0, FULL_TO / context.blocks.shape[1])))


def _steps(context: InContext, rng: np.random.Generator) -> np.ndarray:
    """Return points (n, d) around the three best trials, some parameters changed a little."""
    n = _fewer(LOCAL, context)
    best = context.history.X[np.argsort(context.history.relative(), kind="stable")[:3]]
    weights = np.array([0.6, 0.25, 0.15])[: len(best)]
    base: np.ndarray = best[rng.choice(len(best), n, p=weights / weights.sum())]
    size = np.exp(rng.uniform(np.log(0.01), np.log(0.2), (n, 1)))
    is_changed = rng.random(base.shape) < np.maximum(0.4, 1.5 * rng.random((n, 1)))
    x = base + rng.normal(size=base.shape) * size * is_changed
    x = np.clip(np.where(x < 0, -x, np.where(x > 1, 2 - x, x)), 0, 1)
    redrawn = context.space.is_categorical & (rng.random(x.shape) < 0.25)
    return np.where(redrawn, rng.random(x.shape), x)


def _said(history: History, context: InContext, p: np.ndarray) -> tuple[str, str, float]:
    """Return hypothesis, expected value and confidence in words and numbers of one score distribution."""
    better = float(p[: nd.BINS][nd.SCORE_CENTRES < 0].sum())
    fails = float(p[nd.BINS])
    text = f"better than the best with probability {better:.2f}" + (
        f", fails with {fails:.2f}" if fails > 0.05 else ""
    )
    objective, *others = history.problem.objectives
    if others:
        return text, "", better
    best, gap = context.history.scale
    below = np.searchsorted(np.cumsum(p[: nd.BINS]) / max(p[: nd.BINS].sum(), 1e-12), 0.5)
    centre = nd.SCORE_CENTRES[min(int(below), nd.BINS - 1)]  # the median: the tail of bad scores is very long
    value = -(best + gap * centre) * history.problem.signs[0]
    return text, f"{objective.name} about {value:.4g}", better


def self_test(model: CompletionModel | None = None) -> str:
    """Return in words what the model did with a parabola: how long it took and whether it learnt. For ``trialogue doctor``.

    Raises ServingError where the checkpoint cannot be read or the model does not learn from twelve trials of it.
    """
    space, rng = SearchSpace([Float("x", 0.0, 1.0)]), np.random.default_rng(0)
    X = np.linspace(0.04, 0.96, 12)[:, None]
    on = np.ones((12, 1), bool)
    history = nd.NumberHistory(X, on, (X[:, 0] - 0.3) ** 2, np.zeros(12, bool), np.zeros(1, bool))
    started = time.monotonic()
    context = EmbeddedLM(model).condition(space, history, rng)
    sampled = context.sample(np.full(SAMPLES, nd.OPTIMUM), rng)
    took = time.monotonic() - started
    near = float(np.median(np.abs(sampled - 0.3)))
    if near > 0.2:
        raise ServingError(
            f"The embedded model does not learn: its samples are {near:.2f} away from an optimum it was shown."
        )
    return f"loaded and answered in {took:.1f} s, samples {near:.2f} from the optimum of a parabola"
