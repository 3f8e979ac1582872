"""How likely a configuration is to run at all, where some knobs are known to ask for more: load, memory, batch sizes.

What ran makes everything safe that asks for no more and is equal otherwise; what failed makes everything doomed that
asks for no less. Elsewhere it counts how often climbing one step of a knob failed on any ladder (configurations that
differ in that knob only): interval-censored survival in discrete steps, each failure blamed on all knobs together, by
expectation-maximisation. How far the order can be trusted is itself learnt from the trials that it was right or wrong
about; the rest of the trust goes to the share of trials that ran at that value.

What the server does not support (``invalid``) has another cause: the values of the knobs that its message names, together;
where it names none, most often one value that no trial ran with, and of several the one that explains most failures.

Knows nothing of objectives and limits, and counts no failure of the infrastructure.
Notation: level: index of a choice, larger is harder · hazard h_l: probability to fail at level l having survived l - 1.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from ...evaluators.problems.history import History, Params, Value
from ...evaluators.spaces.parameters import Categorical

OF_SIZE = ("crash", "timeout", "out_of_memory")
"""Kinds of failure that a smaller load or less memory can mend."""
ONE_CAUSE = 0.9
"""Prior probability that what is not supported has such a cause, where there can be one."""
WRONG, STRENGTH = 0.05, 2.0
"""Prior probability that the order is wrong about a trial, and the trials that this prior counts for."""
ROUNDS = 5
"""Of expectation-maximisation."""
LEAST = 1e-3
"""Odds never come below: nothing is ruled out."""

Levels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Harder:
    """An ordered knob whose values ask for more or less. ``sign``: +1 where more is harder, -1 where less is.
    ``survives``: prior probability that a configuration at its easiest value also runs at its hardest."""

    sign: int = 1
    survives: float = 0.95

    @classmethod
    def load(cls) -> "Harder":
        """Return what is expected of a load: every server fails at some."""
        return cls(1, 0.25)


class Odds:
    """Odds of running, given one history. ``harder``: what is known of ordered knobs, by name.

    ``known``: whether they say anything yet: a failure was seen, or a knob is expected to fail at its hardest.
    """

    def __init__(self, history: History, harder: Mapping[str, Harder]) -> None:
        failed = [t.params for t in history.failed if t.kind in OF_SIZE]
        self._culprits = _Culprits(history)
        expected = any(h.survives < 0.5 for h in harder.values())
        self.known = expected or bool(harder and failed) or self._culprits.found
        self._level: list[tuple[str, dict[object, int]]] = []
        for name, order in harder.items():
            choices = cast(Categorical, history.problem.space[name]).choices[:: order.sign]
            self._level.append((name, {choice: level for level, choice in enumerate(choices)}))
        self._seen: dict[object, _Seen] = defaultdict(_Seen)
        for params in (t.params for t in history.finished):
            self._seen[self._rest(params)].ran.append(self._levels(params))
        for params in failed:
            self._seen[self._rest(params)].failed.append(self._levels(params))
        self._steps = [
            _Steps(i, len(levels), harder[name].survives, self._seen)
            for i, (name, levels) in enumerate(self._level)
        ]
        self._learn()
        self._wrong = self._mistrust()

    def runs(self, params: Params) -> float:
        """Return the probability, in (0, 1], that a configuration runs; 1 where nothing is known."""
        return self._fits(params) * self._culprits.spare(params)

    def _fits(self, params: Params) -> float:
        if not self._level:
            return 1.0
        levels, rest = self._levels(params), self._rest(params)
        ordered = self._seen[rest].verdict(levels) if rest in self._seen else None
        if ordered is None:
            ordered = math.prod(steps.runs(rest, levels) for steps in self._steps)
        at = zip(self._steps, levels, strict=True)
        share = min((steps.share[level] for steps, level in at if level >= 0), default=1.0)
        return max((1.0 - self._wrong) * ordered + self._wrong * share, LEAST)

    def _levels(self, params: Params) -> Levels:
        """Return the level of each knob, -1 where it is inactive."""
        return tuple(levels[params[name]] if name in params else -1 for name, levels in self._level)

    def _rest(self, params: Params) -> object:
        names = {name for name, _ in self._level}
        return frozenset((k, v) for k, v in params.items() if k not in names)

    def _learn(self) -> None:
        """Let every knob learn its hazards; one failure is blamed on all of them together, as likely as each is."""
        failed = [(rest, levels) for rest, record in self._seen.items() for levels in record.failed]
        for _ in range(ROUNDS):
            guilt = {f: [steps.risk(*f) for steps in self._steps] for f in failed}
            for i, steps in enumerate(self._steps):
                steps.learn({f: g[i] / sum(g) if sum(g) > 0.0 else 1.0 for f, g in guilt.items()})

    def _mistrust(self) -> float:
        """Return how often the order is wrong about a trial, given all others."""
        guesses = [one for record in self._seen.values() for one in record.hindsight()]
        return (guesses.count(False) + STRENGTH * WRONG) / (len(guesses) + STRENGTH)


class _Culprits:
    """What may be to blame for failures of support: values that stand together, or one of several. ``found``: whether there
    are any."""

    def __init__(self, history: History) -> None:
        runs = [set(t.params.items()) for t in history.finished]
        ran = {value for values in runs for value in values}
        self._together: list[set[tuple[str, Value]]] = []
        self._one_of: list[set[tuple[str, Value]]] = []
        for trial in history.failed:
            if trial.kind == "invalid":
                blamed = {(k, v) for k, v in trial.params.items() if _names(trial.reason, k)}
                suspects = set(trial.params.items()) - ran
                if blamed and not any(blamed <= values for values in runs):
                    self._together.append(blamed)
                elif suspects:
                    self._one_of.append(suspects)
        self._weight = Counter(value for suspects in self._one_of for value in suspects)
        self.found = bool(self._together or self._one_of)

    def spare(self, params: Params) -> float:
        """Return the probability that a configuration holds nothing that is to blame for a failure."""
        own = set(params.items())
        guilt = [self._sum(suspects & own) / self._sum(suspects) for suspects in self._one_of]
        guilt += [float(group <= own) for group in self._together]
        return 1.0 - ONE_CAUSE * max(guilt, default=0.0)

    def _sum(self, values: Iterable[tuple[str, Value]]) -> float:
        return float(sum(self._weight[value] for value in values))


def _names(text: str, knob: str) -> bool:
    """Whether a message names a knob: ``block_size``, ``--block-size`` or "block size"."""
    words = re.escape(knob).replace("_", "[ _-]")
    return re.search(rf"(?<![\w-])(--)?{words}(?![\w-])", text, re.IGNORECASE) is not None


@dataclass
class _Seen:
    """The levels of what ran and what failed, of configurations that are equal in all other knobs."""

    ran: list[Levels] = field(default_factory=list)
    failed: list[Levels] = field(default_factory=list)

    def verdict(self, levels: Levels) -> float | None:
        """Return 1 at or below what ran, 0 at or above what failed, 1/2 where both hold, None where none does."""
        safe = any(_at_most(levels, ran) for ran in self.ran)
        doomed = any(_at_most(failed, levels) for failed in self.failed)
        return None if not (safe or doomed) else 0.5 if safe and doomed else float(safe)

    def hindsight(self) -> Iterable[bool]:
        """Yield, of each trial that the others had foretold, whether they were right."""
        for levels, ran in [(x, True) for x in self.ran] + [(x, False) for x in self.failed]:
            if any(other != levels and _at_most(levels, other) for other in self.ran):
                yield ran
            if any(other != levels and _at_most(other, levels) for other in self.failed):
                yield not ran


@dataclass(frozen=True)
class _Ladder:
    """One knob with all others equal. ``top``: the highest level that ran (-1: none); ``bar``: the lowest failure above,
    and ``barred`` the configuration that failed there."""

    top: int = -1
    bar: int | None = None
    barred: tuple[object, Levels] | None = None


class _Steps:
    """What climbing one knob did on every ladder. ``share``: of the trials at each level, those that ran."""

    def __init__(self, knob: int, n: int, survives: float, seen: Mapping[object, _Seen]) -> None:
        self._knob = knob
        self._ladders = self._climbed(seen)
        self._prior = 1.0 - survives ** (1.0 / n)
        self._hazards = [self._prior] * n
        ran = [levels[knob] for one in seen.values() for levels in one.ran]
        failed = [levels[knob] for one in seen.values() for levels in one.failed]
        self.share = _shares(n, ran, failed)

    def risk(self, rest: object, levels: Levels) -> float:
        """Return minus the log probability to survive from what ran on the ladder to these levels."""
        top = self._ladders[self._place(rest, levels)].top
        return -math.log(_survival(self._hazards, top, levels[self._knob]))

    def learn(self, guilt: Mapping[tuple[object, Levels], float]) -> None:
        """Set the hazards to their posterior means under a beta prior of one trial's weight. ``guilt``: this knob's share
        in each failure."""
        n = len(self._hazards)
        deaths, at_risk = [0.0] * n, [0.0] * n
        for ladder in self._ladders.values():
            for level in range(ladder.top + 1):
                at_risk[level] += 1.0
            if ladder.bar is not None and ladder.barred is not None:
                _blame(self._hazards, ladder.top + 1, ladder.bar, guilt[ladder.barred], deaths, at_risk)
        self._hazards = [(self._prior + d) / (1.0 + a) for d, a in zip(deaths, at_risk, strict=True)]

    def runs(self, rest: object, levels: Levels) -> float:
        """Return the probability to survive up to a level above what ran and below what failed on its ladder."""
        level = levels[self._knob]
        ladder = self._ladders.get(self._place(rest, levels), _Ladder())
        if level <= ladder.top:
            return 1.0
        survived = _survival(self._hazards, ladder.top, level)
        if ladder.bar is None:
            return survived
        all_the_way = _survival(self._hazards, ladder.top, ladder.bar)
        return max(survived - all_the_way, 0.0) / (1.0 - all_the_way)

    def _climbed(self, seen: Mapping[object, _Seen]) -> dict[object, _Ladder]:
        ran: dict[object, int] = defaultdict(lambda: -1)
        failed: dict[object, list[tuple[object, Levels]]] = defaultdict(list)
        for rest, one in seen.items():
            for levels in one.ran:
                place = self._place(rest, levels)
                ran[place] = max(ran[place], levels[self._knob])
            for levels in one.failed:
                failed[self._place(rest, levels)].append((rest, levels))
        return {place: self._ladder(ran[place], failed[place]) for place in [*ran, *failed]}

    def _ladder(self, top: int, failed: Sequence[tuple[object, Levels]]) -> _Ladder:
        above = [f for f in failed if f[1][self._knob] > top]
        if not above:
            return _Ladder(top)
        barred = min(above, key=lambda f: f[1][self._knob])
        return _Ladder(top, barred[1][self._knob], barred)

    def _place(self, rest: object, levels: Levels) -> object:
        return rest, levels[: self._knob], levels[self._knob + 1 :]


def _at_most(one: Levels, other: Levels) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _shares(n: int, ran: Sequence[int], failed: Sequence[int]) -> list[float]:
    usual = (len(ran) + 1.0) / (len(ran) + len(failed) + 1.0)
    return [
        (ran.count(level) + STRENGTH * usual) / (ran.count(level) + failed.count(level) + STRENGTH)
        for level in range(n)
    ]


def _survival(hazards: Sequence[float], top: int, level: int) -> float:
    return math.prod(1.0 - h for h in hazards[top + 1 : level + 1])


def _blame(
    hazards: Sequence[float], first: int, last: int, guilt: float, deaths: list[float], at_risk: list[float]
) -> None:
    """Spread a failure over the levels at which it may have begun, as likely as each is."""
    weights = [_survival(hazards, first - 1, d - 1) * hazards[d] for d in range(first, last + 1)]
    for d, weight in enumerate(weights, start=first):
        share = guilt * weight / sum(weights)
        deaths[d] += share
        for level in range(first, d + 1):
            at_risk[level] += share
