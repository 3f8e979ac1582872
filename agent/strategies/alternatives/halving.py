"""Successive halving: many configurations with little effort each, and the better ones again with more.

A trial is one configuration at one rung of the problem's ladder (``Problem.fidelity``); its source names the member and
the trial that it goes on from, as in population based training. All is read from the history: nothing is lost with a
process, and whoever asks gets what is next. ``asha``: whoever asks gets the promotion that is possible now, else a new
configuration (a rung's best 1 / eta of those that ended so far). ``hyperband``: brackets that begin at different rungs; a
rung is promoted when it is complete, and whoever asks meanwhile begins the next bracket. A failed trial is its rung's worst;
one that was lost with its process or its machine is run again.
New configurations are what the engine would run at full fidelity, given the trials of all fidelities, or random ones.
Sources: Li et al. 2018, "Hyperband", algorithm 1; Li et al. 2020, "A system for massively parallel hyperparameter tuning",
algorithm 2 (ASHA). A model for the configurations is BOHB's idea; the model is ours.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from ....evaluators.problems.history import History, Params, RunningTrial
from ....evaluators.problems.problem import Problem
from ....evaluators.random_streams import stream
from ....prompts.selection import goodness
from ....serving.errors import InvalidInput
from ....surrogates.contracts import Engine
from ...contracts import Ask, Decision, Plan
from ...lineage import member_of, source_of
from ..simple import default_engine, draw_new

WAITS = 0.1
"""Share of new configurations that are drawn at random, so that a wrong model leaves something to find."""
TRIES = 3
"""Runs of a rung that may be lost before it counts as failed: it may be what kills the workers."""


@dataclass
class Climber:
    """One configuration on its way up: of each rung it began the trial's number, and its goodness once that ended.

    ``losses``: how many runs of each rung were lost; ``lost``: the rung that is to be run again for that.
    """

    params: Params
    trials: dict[float, int] = field(default_factory=dict)
    scores: dict[float, float] = field(default_factory=dict)
    losses: Counter[float] = field(default_factory=Counter)
    lost: float | None = None


class HalvingStrategy:
    """Successive halving, asynchronous (``asha``) or in the brackets of Hyperband (``hyperband``)."""

    def __init__(
        self, problem: Problem, seed: int, *, kind: str = "asha", drawn: bool = False, engine: Engine | None = None
    ) -> None:  # fmt: skip
        if problem.fidelity is None:
            raise InvalidInput(
                f"strategy {kind!r} needs a fidelity: say [fidelity] with the `name` of a parameter, or "
                "`Problem(…, fidelity=Fidelity('epochs'))`."
            )
        self.name, self._problem, self._seed = kind, problem, seed
        self._fidelity, self._ladder = problem.fidelity, problem.fidelity.ladder(problem.space)
        self._engine = None if drawn else engine or default_engine(problem)

    def plan(self, ask: Ask) -> Plan:
        """Return the next ``ask.n`` trials."""
        history, decisions = ask.history, list[Decision]()
        for i in range(ask.n):
            decision = self._next(history, ask, ask.index + i)
            decisions.append(decision)
            running = RunningTrial(-1 - i, decision.params, decision.source)
            history = history.extended(running=(*history.running, running))
        return Plan(tuple(decisions))

    def _next(self, history: History, ask: Ask, index: int) -> Decision:
        climbers = climbers_of(history, self._fidelity.name)
        lost = next(((m, c.lost) for m, c in climbers.items() if c.lost is not None), None)
        member, rung = lost or (self._asha(climbers) if self.name == "asha" else self._hyperband(climbers))
        if member not in climbers:
            return self._born(climbers, history, ask, index, member=member, rung=rung)
        climber = climbers[member]
        params, reached = {**climber.params, self._fidelity.name: rung}, max(climber.trials, default=None)
        parent = None if reached is None else climber.trials[reached]
        if lost:
            words = f"again at {rung:g}, because its run was lost"
        else:
            words = f"among the best at {self._fidelity.name} = {reached:g}: goes on from trial {parent} to {rung:g}"
        return Decision(params, source_of(member, parent, self.name), words, "own")

    def _asha(self, climbers: Mapping[int, Climber]) -> tuple[int, float]:
        """Return a member and the rung that it runs next: the highest promotion there is, else a new member."""
        for rung, above in reversed(list(zip(self._ladder[:-1], self._ladder[1:], strict=True))):
            ended = [m for m in climbers if rung in climbers[m].scores]
            for m in _best(climbers, ended, rung, int(len(ended) / self._fidelity.eta)):
                if above not in climbers[m].trials:
                    return m, above
        return max(climbers, default=-1) + 1, self._ladder[0]

    def _hyperband(self, climbers: Mapping[int, Climber]) -> tuple[int, float]:
        """Return a member and the rung that it runs next, of the first bracket that does not wait for results."""
        for members, rungs in self._brackets():
            for i, rung in enumerate(rungs):
                idle = [m for m in members if m not in climbers or rung not in climbers[m].trials]
                if idle:
                    return idle[0], rung
                if any(rung not in climbers[m].scores for m in members) or i + 1 == len(rungs):
                    break
                members = _best(climbers, members, rung, int(len(members) / self._fidelity.eta))
        raise AssertionError("brackets never end")

    def _brackets(self) -> Iterator[tuple[list[int], tuple[float, ...]]]:
        """Yield for ever the members of each bracket, by number, and the rungs that it climbs."""
        first, most, eta = 0, len(self._ladder) - 1, self._fidelity.eta
        for _ in count():
            for s in range(most, -1, -1):
                n = math.ceil((most + 1) / (s + 1) * eta**s)
                yield list(range(first, first + n)), self._ladder[most - s :]
                first += n

    def _born(
        self, climbers: Mapping[int, Climber], history: History, ask: Ask, index: int, *, member: int, rung: float
    ) -> Decision:  # fmt: skip
        name, space, rng = self._fidelity.name, self._problem.space, stream(self._seed, index, self.name)
        keys = {space.key({**c.params, name: rung}) for c in climbers.values()}
        fixed = {**(ask.fixed or {}), name: self._ladder[-1]}
        if self._engine is not None and rng.random() >= WAITS:
            (suggestion,) = self._engine.condition(history, rng).suggest(1, rng, fixed=fixed)
            params = {**suggestion.params, name: rung}
            if space.satisfies(params) and space.key(params) not in keys:
                return Decision(
                    params,
                    source_of(member, None, self.name),
                    f"begins at {rung:g}: {suggestion.reason}",
                    "own",
                )
        params = draw_new(self._problem, keys, rng, {**fixed, name: rung})
        return Decision(
            params, source_of(member, None, self.name), f"begins at {rung:g}, drawn uniformly", "own"
        )


def climbers_of(history: History, name: str) -> dict[int, Climber]:
    """Return the members as a history leaves them, by number; ``name``: of the parameter that is the fidelity."""
    values = dict(zip((t.number for t in history.finished), goodness(history).tolist(), strict=True))
    running = {t.number for t in history.running}
    circumstances = {t.number for t in history.failed if t.kind in ("lost", "infrastructure")}
    trials = [*history.finished, *history.failed, *history.pruned, *history.running]
    climbers: dict[int, Climber] = {}
    for trial in sorted(trials, key=lambda t: (t.number < 0, t.number)):
        m = member_of(trial.source)
        if m is None:
            continue
        climber, rung = climbers.setdefault(m, Climber(trial.params)), float(str(trial.params[name]))
        if trial.number in circumstances:
            climber.losses[rung] += 1
            if climber.losses[rung] < TRIES:
                climber.lost = rung
                continue
        climber.lost = None
        climber.trials[rung] = trial.number
        climber.scores.pop(rung, None)
        if trial.number not in running:
            climber.scores[rung] = values.get(trial.number, -np.inf)
    return climbers


def _best(climbers: Mapping[int, Climber], members: list[int], rung: float, n: int) -> list[int]:
    """Return the n best of members that ended at a rung, best first; none that has failed there."""
    good = [m for m in members if climbers[m].scores[rung] > -np.inf]
    return sorted(good, key=lambda m: (-climbers[m].scores[rung], m))[:n]
