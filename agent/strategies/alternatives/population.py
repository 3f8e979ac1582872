"""Population based training: several trainings at once, of which the worst go on from the best, with changed parameters.

A trial is one interval of a member's training; its evaluator loads ``run.checkpoint``, trains on, and leaves its own state
in ``run.workdir``. When a member is ready it is compared with the latest results of the others: one among the worst
fifth takes over checkpoint and parameters of one among the best fifth and perturbs them (exploit and explore); any other
goes on as it is. There are no generations: a member never waits, and whoever is free trains the member that is furthest
behind. All is read from the history, so a crash or another process changes nothing: an interval that was lost or failed
is run again from the same checkpoint, and abandoned for a better member's after three failures, or at once where it was
stopped early. A member that has neither a checkpoint nor a better one to copy then begins anew.
Source: Jaderberg et al. 2017, "Population based training of neural networks"; a fifth, 1.2, 0.8 and a quarter are its values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ....evaluators.errors import SpaceExhausted
from ....evaluators.problems.history import History, Params, Value
from ....evaluators.problems.problem import Problem
from ....evaluators.random_streams import stream
from ....evaluators.spaces.parameters import Categorical, Parameter
from ....prompts.selection import goodness
from ...contracts import Ask, Decision, Plan
from ...lineage import member_of, parent_of, source_of
from ..simple import draw_new

MEMBERS = 10
SHARE = 0.2
"""Of the population that is replaced, and that is copied."""

FACTORS = (0.8, 1.2)
RESAMPLED = 0.25
"""Probability that a parameter is drawn anew instead of perturbed."""

TRIES = 3


@dataclass
class Member:
    """One training: its finished intervals (number, goodness), failures of the next one, and whether it runs now."""

    params: Params
    finished: list[tuple[int, float]] = field(default_factory=list)
    failures: int = 0
    is_running: bool = False
    parent: int | None = None
    """Of its latest interval."""

    @property
    def score(self) -> float:
        """Goodness of the latest finished interval; nothing is worse than none."""
        return self.finished[-1][1] if self.finished else -np.inf


class PopulationStrategy:
    """Population based training with ``members`` trainings."""

    name = "pbt"

    def __init__(self, problem: Problem, seed: int, *, members: int = MEMBERS) -> None:
        self._problem, self._seed, self._members = problem, seed, members

    def plan(self, ask: Ask) -> Plan:
        """Return the next intervals of ``ask.n`` members; configurations repeat where a member goes on as it is."""
        population = members_of(ask.history)
        decisions: list[Decision] = []
        for i in range(ask.n):
            rng = stream(self._seed, ask.index + i, self.name)
            decisions.append(self._next(population, ask, rng, decisions))
        return Plan(tuple(decisions))

    def _next(
        self, population: dict[int, Member], ask: Ask, rng: np.random.Generator, planned: Sequence[Decision]
    ) -> Decision:
        free = [m for m, member in population.items() if not member.is_running]
        if len(population) < self._members or not free:
            return self._born(population, ask, rng, planned)
        m = min(free, key=lambda m: (len(population[m].finished), m))
        member = population[m]
        member.is_running = True
        if 0 < member.failures < TRIES:
            return _decision(m, member.params, member.parent, "once more, because the interval before failed")
        donor = self._donor(population, m, rng)
        if donor is None and not member.finished and member.failures >= TRIES:
            return _decision(m, drawn(self._problem, ask, rng, planned), None, "begins anew")
        if donor is None:
            last = member.finished[-1][0] if member.finished else None
            return _decision(m, member.params, last, f"goes on after {len(member.finished)} intervals")
        number = population[donor].finished[-1][0]
        params = self._explored(population[donor].params, ask, rng)
        return _decision(
            m, params, number, f"took over member {donor}, which is among the best, and perturbed it"
        )

    def _born(
        self, population: dict[int, Member], ask: Ask, rng: np.random.Generator, planned: Sequence[Decision]
    ) -> Decision:
        m, params = begun(population, self._problem, ask, rng, planned)
        return _decision(m, params, None, "begins, as a member of the population")

    def _donor(self, population: dict[int, Member], m: int, rng: np.random.Generator) -> int | None:
        """Return which of the best to copy; None where member ``m`` is not among the worst."""
        ranking = sorted((i for i in population if population[i].finished), key=lambda i: population[i].score)
        count = max(1, int(SHARE * len(ranking)))
        lost = population[m].failures >= TRIES
        if len(ranking) < 2 or not (lost or m in ranking[:count]):
            return None
        best = [i for i in ranking[-count:] if i != m]
        return int(rng.choice(best)) if best else None

    def _explored(self, params: Params, ask: Ask, rng: np.random.Generator) -> Params:
        space = self._problem.space
        (fresh,) = space.sample(rng, 1)
        for _ in range(20):
            changed = {
                p.name: _perturbed(p, params[p.name], fresh.get(p.name), rng)
                for p in space.parameters
                if p.name in params
            }
            neighbour = space.clip({**space.default(), **fresh, **changed, **(ask.fixed or {})})
            if space.satisfies(neighbour):
                return neighbour
        return params


def members_of(history: History) -> dict[int, Member]:
    """Return the population as a history leaves it, by the number of the member."""
    g = goodness(history)
    values = {t.number: float(v) for t, v in zip(history.finished, g, strict=True)}
    trials = [*history.finished, *history.failed, *history.pruned, *history.running]
    running, stopped = ({t.number for t in part} for part in (history.running, history.pruned))
    members: dict[int, Member] = {}
    for trial in sorted(trials, key=lambda t: t.number):
        m = member_of(trial.source)
        if m is None:
            continue
        member = members.setdefault(m, Member(trial.params))
        member.params, member.parent = trial.params, parent_of(trial.source)
        if trial.number in values:
            member.finished.append((trial.number, values[trial.number]))
            member.failures = 0
        elif trial.number in running:
            member.is_running = True
        else:
            member.failures += TRIES if trial.number in stopped else 1
    return members


def begun(
    population: dict[int, Member], problem: Problem, ask: Ask, rng: np.random.Generator, planned: Sequence[Decision]
) -> tuple[int, Params]:  # fmt: skip
    """Add a training that runs to a population; return its number and parameters: the first begins at the default, where
    one is declared, others at a new draw. ``planned``: what this ask has decided before."""
    m, space = max(population, default=-1) + 1, problem.space
    first = not population and space.has_defaults and not ask.fixed
    params = space.default() if first else drawn(problem, ask, rng, planned)
    population[m] = Member(params, is_running=True)
    return m, params


def drawn(problem: Problem, ask: Ask, rng: np.random.Generator, planned: Sequence[Decision]) -> Params:
    """Return an untried configuration, or a tried one of a space that has no other: trainings differ by their seeds."""
    keys = ask.history.taken | {problem.space.key(d.params) for d in planned}
    try:
        return draw_new(problem, keys, rng, ask.fixed)
    except SpaceExhausted:
        return draw_new(problem, set(), rng, ask.fixed)


def _perturbed(parameter: Parameter, value: Value, fresh: Value, rng: np.random.Generator) -> Value:
    if rng.random() < RESAMPLED and fresh is not None:
        return fresh
    if isinstance(parameter, Categorical) or isinstance(value, bool | str) or value is None:
        return value
    changed = value * float(rng.choice(FACTORS))
    if isinstance(value, int):
        return round(changed) if round(changed) != value else value + int(rng.choice([-1, 1]))
    return changed


def _decision(member: int, params: Params, parent: int | None, words: str) -> Decision:
    origin = "" if parent is None else f", from the checkpoint of trial {parent}"
    return Decision(params, source_of(member, parent), f"member {member} {words}{origin}", "own")
