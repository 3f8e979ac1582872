"""The strategy of a verification: runs of candidate and baseline in turns, until the difference is certain or hopeless.

Which side of a pair runs first is drawn, so that a machine that warms up or fills favours neither. What is running counts,
what says nothing of its configuration does not: lost runs are made again.
"""

from ...evaluators.errors import SpaceExhausted
from ...evaluators.problems.problem import Problem
from ...evaluators.random_streams import stream
from ...serving.errors import InvalidInput
from ..certainty.pairing import Pairing, runs_of
from ..certainty.verdict import certified, judgement_of
from ..contracts import Ask, Decision, Plan


class PairsStrategy:
    """Runs what a pairing needs; raises InvalidInput for one of another problem. ``plan`` raises SpaceExhausted with the
    outcome in words when nothing more is needed."""

    name = "pairs"

    def __init__(self, problem: Problem, seed: int, pairing: Pairing) -> None:
        if not 0 <= pairing.objective < len(problem.objectives):
            raise InvalidInput(f"a pairing compares an objective by its index, got {pairing.objective!r}.")
        for side in (pairing.candidate, pairing.baseline):
            problem.space.validate(side.params)
        self._problem, self._seed, self._pairing = problem, seed, pairing

    def plan(self, ask: Ask) -> Plan:
        """Return the next ``ask.n`` runs; fewer, when the last pair is under way."""
        runs = runs_of(ask.history, self._pairing)
        if judgement_of(runs.pairs, self._problem, self._pairing) != "open":
            raise SpaceExhausted(str(certified(ask.history, self._pairing)))
        counts = [len(runs.candidate), len(runs.baseline)]
        decisions: list[Decision] = []
        while len(decisions) < ask.n and min(counts) < self._pairing.until:
            side = self._next_side(counts)
            counts[side] += 1
            decisions.append(self._run(side, counts[side]))
        if not decisions:
            raise SpaceExhausted(f"all {self._pairing.until} pairs are under way.")
        return Plan(tuple(decisions))

    def _next_side(self, counts: list[int]) -> int:
        if counts[0] != counts[1]:
            return int(counts[0] > counts[1])
        return int(stream(self._seed, counts[0], "pairs").integers(2))

    def _run(self, side: int, pair: int) -> Decision:
        compared = (self._pairing.candidate, self._pairing.baseline)
        reason = f"pair {pair}: {compared[side]}, against {compared[1 - side]}"
        return Decision(compared[side].params, "verification", reason, "own")
