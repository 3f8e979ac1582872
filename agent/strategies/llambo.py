"""The strategy ``"llambo"``: LLAMBO end to end, as published, so that it can be compared with ours in one command.

Zero-shot warm start, then in each step candidates for a target score and an LLM surrogate that picks by expected
improvement; ``"llambo:generative"`` asks the surrogate whether a candidate is among the best instead of for its score. No
Gaussian process, no referee. As in the release each template gets a target of its own, drawn between the target and the best
value, and candidates and scores are sampled at its temperatures. Differences from the release: the default configuration is
run first; the warm start is part of the loop and asked in our planner's words and at its temperature; targets have any sign
and scale; near copies are dropped; answers are JSON by a schema instead of text between marks; the generative surrogate reads
probabilities at temperature 1, so that they are the model's own; failed trials are not shown; where no candidate is left a
random one is run and said to be a fallback. Source: Liu et al. 2024, ICLR (arXiv 2402.03921); constants of
its end-to-end runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import norm

from ...evaluators.problems.history import History, Proposal, RunningTrial
from ...evaluators.problems.problem import Problem
from ...evaluators.random_streams import stream
from ...prompts import wording
from ...prompts.llambo import render_candidates, target_value
from ...prompts.selection import goodness
from ...serving.errors import InvalidInput
from ...surrogates.alternatives.llm_classes import GenerativeSurrogate
from ...surrogates.alternatives.llm_scores import Account, DiscriminativeSurrogate
from ...surrogates.contracts import Posterior, TrainingData
from ..contracts import AbstractPlanner, Ask, CallRecord, Decision, Plan, PlanRequest, result_of
from ..planner.planner import Planner
from ..referee.novelty import Novelty
from .patience import Patience
from .simple import draw_new, taken_keys


@dataclass(frozen=True)
class LlamboSettings:
    """Constants of the published end-to-end runs. ``initial``: trials before the surrogate decides, default
    included."""

    initial: int = 5
    candidates: int = 10
    templates: int = 2
    samples: int = 10
    alpha: float = 0.1
    mode: Literal["discriminative", "generative"] = "discriminative"
    held_out: int = 0
    top: float = 0.25
    temperature: float = 0.8
    """Of candidates; scores are sampled at 0.7, both within ``top_p``."""
    top_p: float = 0.95


class LlamboStrategy:
    """LLAMBO on a chat endpoint. Keeps the warm start's proposals until they are used."""

    name = "llambo"

    def __init__(
        self, problem: Problem, seed: int, *, planner: AbstractPlanner, settings: LlamboSettings | None = None
    ) -> None:
        if not isinstance(planner, Planner):
            raise InvalidInput(
                f"strategy 'llambo' needs a chat endpoint as planner, got {type(planner).__name__}; give "
                "`planner='http://HOST:PORT/v1#MODEL'`, or use strategy 'trialogue'."
            )
        self._problem, self._seed, self._planner = problem, seed, planner
        self._settings = settings or LlamboSettings()
        self._started: list[Proposal] = []
        self._patience = Patience()

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` decisions, one after the other: each sees the earlier ones as running."""
        history, decisions, calls = ask.history, list[Decision](), list[CallRecord]()
        for i in range(ask.n):
            step = replace(ask, history=history, index=ask.index + i, n=1)
            decision, calls_of_step = self._one(step)
            decisions.append(decision)
            calls += calls_of_step
            history = history.extended(
                running=[*history.running, RunningTrial(ask.index + i, decision.params, decision.source)]
            )
        return Plan(tuple(decisions), tuple(calls))

    def _one(self, ask: Ask) -> tuple[Decision, Sequence[CallRecord]]:
        default = self._problem.space.default()
        if not len(ask.history) and not ask.fixed and self._problem.space.satisfies(default):
            return Decision(default, "default", "the default configuration, evaluated and counted", "own"), ()
        if ask.fixed or not self._patience.allows(ask.index):
            return self._random(ask, self._patience.reason or "parameters are fixed"), ()
        if len(ask.history.finished) < self._settings.initial:
            return self._warm_start(ask)
        return self._by_surrogate(ask)

    def _warm_start(self, ask: Ask) -> tuple[Decision, Sequence[CallRecord]]:
        novelty = Novelty.of(ask.history)
        self._started = [p for p in self._started if novelty.is_new(p.params)]
        calls: Sequence[CallRecord] = ()
        if not self._started:
            answer = self._planner.propose(self._request(ask, self._settings.initial, "warm_start"))
            self._patience.record(ask.index, result_of(answer))
            calls, self._started = answer.calls, list(answer.proposals)
        if not self._started:
            return self._random(ask, "the model gave no warm start"), calls
        p = self._started[0]
        tokens = _tokens(calls)
        return Decision(
            p.params, p.source, "zero-shot warm start", "unchecked", None, p.hypothesis, tokens
        ), calls

    def _by_surrogate(self, ask: Ask) -> tuple[Decision, Sequence[CallRecord]]:
        rng = stream(self._seed, ask.index, "llambo")
        proposals, calls = self._candidates(ask, rng)
        if not proposals:
            return self._random(ask, "the model gave no new candidate"), calls
        posterior, account = self._fitted(ask.history, rng)
        configurations = [p.params for p in proposals]
        X, active = self._problem.space.encode(configurations)
        mean, sd = posterior.predict(X, active)
        calls = [*calls, self._account(account)]
        best = float(goodness(ask.history).max())
        i = int(np.argmax(expected_improvement(mean, sd, best)))
        reason = f"largest expected improvement of {len(proposals)} candidates by the LLM surrogate"
        p = proposals[i]
        return Decision(p.params, p.source, reason, "unchecked", None, p.hypothesis, _tokens(calls)), calls

    def _candidates(self, ask: Ask, rng: np.random.Generator) -> tuple[list[Proposal], list[CallRecord]]:
        """Return the candidates of all templates; each is asked for ``candidates / templates`` completions."""
        s, about = self._settings, about_problem(self._problem)
        y = [t.measurement.value for t in ask.history.finished]
        maximize = self._problem.signs[0] > 0
        target = target_value(y, s.alpha, maximize=maximize)
        proposals, calls, novelty = list[Proposal](), list[CallRecord](), Novelty.of(ask.history)
        best = max(y) if maximize else min(y)
        for variant in range(s.templates):
            request = self._request(ask, s.candidates, "candidates")
            seed = int(rng.integers(2**31))
            dialogue = self._planner.dialogue(request, seed, temperature=s.temperature, top_p=s.top_p)
            jittered = float(rng.uniform(min(target, best), max(target, best)))
            prompt = render_candidates(ask.history, target=jittered, variant=variant, rng=rng, about=about)
            dialogue.ask(prompt, purpose="llambo_candidates", samples=max(1, s.candidates // s.templates))
            calls += dialogue.calls
            for p in dialogue.proposals:
                if novelty.is_new(p.params):
                    novelty.add(p.params)
                    proposals.append(p)
            self._patience.record(ask.index, result_of(dialogue.answer()))
            if not self._patience.allows(ask.index + 1) and not proposals:
                break
        return proposals, calls

    def _fitted(self, history: History, rng: np.random.Generator) -> tuple[Posterior, Account]:
        s, endpoint, about = self._settings, self._planner.endpoint, about_problem(self._problem)
        deadline_s = self._planner.timeout_s
        surrogate = (
            DiscriminativeSurrogate(
                endpoint, about, s.templates, s.samples, s.held_out, deadline_s=deadline_s
            )
            if s.mode == "discriminative"
            else GenerativeSurrogate(endpoint, about, s.top, s.templates, s.samples, deadline_s=deadline_s)
        )
        rows = history.rows("finished")
        y = goodness(history)
        data = TrainingData(self._problem.space, rows.X, rows.active, y, np.full(len(y), np.nan))
        return surrogate.fit(data, rng), surrogate.account

    def _account(self, account: Account) -> CallRecord:
        u = account.usage
        detail = f"{u.requests} requests, {account.failed} answers unusable"
        return CallRecord(
            self._planner.name,
            "llambo_surrogate",
            "",
            "ok",
            u.prompt_tokens,
            u.completion_tokens,
            detail=detail,
        )

    def _request(self, ask: Ask, n: int, purpose: Literal["warm_start", "candidates"]) -> PlanRequest:
        rng = stream(self._seed, ask.index, "planner")
        return PlanRequest(ask.history, n, purpose, rng, deadline_s=self._planner.timeout_s)

    def _random(self, ask: Ask, why: str) -> Decision:
        rng = stream(self._seed, ask.index, "random")
        params = draw_new(self._problem, taken_keys(ask.history), rng, ask.fixed)
        return Decision(params, "random", f"drawn uniformly: {why}", "fallback")


def about_problem(problem: Problem) -> tuple[str, ...]:
    """Return what LLAMBO's prompts say of a problem."""
    title = f"{problem.name}: {problem.description}" if problem.description else problem.name
    return tuple(
        map(wording.one_line, [title, *wording.context_lines(problem), *wording.goal_lines(problem)])
    )


def expected_improvement(mean: np.ndarray, sd: np.ndarray, best: float) -> np.ndarray:
    """Return EI (n,) over ``best`` of normals with mean (n,) and sd (n,) > 0, larger is better."""
    z = (mean - best) / sd
    return (mean - best) * norm.cdf(z) + sd * norm.pdf(z)


def _tokens(calls: Sequence[CallRecord]) -> int:
    return sum(c.prompt_tokens + c.completion_tokens for c in calls)
