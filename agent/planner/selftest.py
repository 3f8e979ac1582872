"""Self-tests of a planner: does it obey the schema, repeat itself, use the results it is shown, follow a moved optimum?

About a dozen calls on a small invented problem whose optimum is known. Published agents often ignore feedback:
shuffling the scores in the prompt changes nothing (arXiv 2509.21403). The result is kept in the user's cache
directory, keyed by endpoint and model; a planner that does not use feedback starts with less trust
(``TrustReferee.prior``).
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...evaluators.problems.history import FinishedTrial, History
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Objective, Problem
from ...evaluators.spaces.parameters import Float
from ...evaluators.spaces.space import SearchSpace
from ...serving.endpoints.redaction import hide_secrets
from ..contracts import AbstractPlanner, PlanAnswer, PlanRequest

_NAMED = ("learning_rate", "dropout", "momentum")
_OBFUSCATED = ("x1", "x2", "x3")
_ROWS = 12
_WANTED = 4


@dataclass(frozen=True)
class SelfTest:
    """Shares in [0, 1], larger is better, NaN where a model gave nothing to judge by.

    ``obeys``: answers that held a valid proposal. ``fresh``: proposals that repeat no other call's. ``feedback``:
    proposals nearer to the best trial shown than to the one that is best after shuffling the scores. ``follows``:
    proposals on the side to which the optimum was moved. ``nameless``: ``follows`` with names that say nothing.
    """

    planner: str
    obeys: float
    fresh: float
    feedback: float
    follows: float
    nameless: float
    calls: int
    tokens: int

    @property
    def uses_feedback(self) -> bool:
        """Whether what the model proposes depends on the results it is shown: chance is 0.5, and random points come to
        0.65 in both together once in some thirty tests."""
        shares = [s for s in (self.feedback, self.follows) if s == s]
        return bool(shares) and sum(shares) / len(shares) >= 0.65

    @property
    def prior_trust(self) -> float:
        """Return the trust to start with: 0.5, less where results or the schema are ignored."""
        if not self.obeys > 0:
            return 0.3
        return 0.5 if self.uses_feedback else 0.4


def run_selftest(planner: AbstractPlanner, *, seed: int = 0, deadline_s: float = 60.0) -> SelfTest:
    """Ask a planner about a dozen questions and return what they show. Never raises for what a model does."""
    answers = _Asked(planner, seed, deadline_s)
    with_names, shuffled, shifted = (
        history(_NAMED, 0.25, seed),
        history(_NAMED, 0.25, seed, shuffle=True),
        history(_NAMED, 0.75, seed),
    )
    plain = [answers.points(with_names) for _ in range(3)]
    shuffles = [answers.points(shuffled) for _ in range(2)]
    shifts = [answers.points(shifted) for _ in range(2)]
    nameless = [answers.points(history(_OBFUSCATED, at, seed)) for at in (0.25, 0.75)]
    return SelfTest(
        planner.name,
        obeys=answers.answered / answers.questions,
        fresh=_fresh(plain),
        feedback=_nearer(plain, with_names, shuffled, shuffles),
        follows=_sides(plain, shifts),
        nameless=_sides(nameless[:1], nameless[1:]),
        calls=answers.calls,
        tokens=answers.tokens,
    )


def history(names: tuple[str, ...], optimum: float, seed: int, *, shuffle: bool = False) -> History:
    """Return scored trials of a bowl around ``optimum`` in every (logarithmic or linear) coordinate."""
    rate = Float(names[0], 1e-5, 1e-1, log=True)
    space = SearchSpace([rate, *(Float(n, 0.0, 1.0) for n in names[1:])])
    problem = Problem("a small model", space, objectives=[Objective("loss", "minimize")])
    rng = np.random.default_rng(seed)
    X = space.sample_rows(rng, _ROWS)
    y = ((X - optimum) ** 2).sum(1)
    best = int(np.argmin(y))
    while shuffle and int(np.argmin(y)) == best:
        y = rng.permutation(y)
    trials = [
        FinishedTrial(i, space.from_unit(x), Measurement(float(v)))
        for i, (x, v) in enumerate(zip(X, y, strict=True))
    ]
    return History(problem).extended(finished=trials)


class _Asked:
    """A planner under test, and what it has cost."""

    def __init__(self, planner: AbstractPlanner, seed: int, deadline_s: float) -> None:
        self._planner, self._seed, self._deadline_s = planner, seed, deadline_s
        self.questions = self.answered = self.calls = self.tokens = 0

    def points(self, given: History) -> np.ndarray:
        """Return what is proposed after ``given``, in the unit cube (n, d)."""
        self.questions += 1
        rng = np.random.default_rng([self._seed, self.questions])
        request = PlanRequest(given, _WANTED, "candidates", rng, deadline_s=self._deadline_s)
        answer: PlanAnswer = self._planner.propose(request)
        self.calls += len(answer.calls)
        self.tokens += sum(c.prompt_tokens + c.completion_tokens for c in answer.calls)
        self.answered += bool(answer.proposals)
        if not answer.proposals:
            return np.empty((0, len(given.problem.space)))
        return given.problem.space.encode([p.params for p in answer.proposals])[0]


def _fresh(answers: list[np.ndarray]) -> float:
    points = np.vstack(answers)
    if len(points) < 2:
        return float("nan")
    apart = np.abs(points[:, None] - points[None]).max(-1) + np.eye(len(points))
    return float((apart.min(1) > 0.01).mean())


def _nearer(plain: list[np.ndarray], named: History, shuffled: History, shuffles: list[np.ndarray]) -> float:
    """Return the share of proposals that are nearer to the best trial as scored than as scored in the other history."""
    best, other = (h.rows("finished").X[int(np.argmin(h.Y[:, 0]))] for h in (named, shuffled))
    nearer = [
        np.abs(points - mine).sum(1) < np.abs(points - theirs).sum(1)
        for answers, mine, theirs in ((plain, best, other), (shuffles, other, best))
        for points in answers
    ]
    is_nearer = np.concatenate(nearer)
    return float(is_nearer.mean()) if len(is_nearer) else float("nan")


def _sides(low: list[np.ndarray], high: list[np.ndarray]) -> float:
    """Return the share of proposals on the side of the centre where the optimum is."""
    sides = [points.mean(1) < 0.5 for points in low] + [points.mean(1) > 0.5 for points in high]
    is_on_side = np.concatenate(sides)
    return float(is_on_side.mean()) if len(is_on_side) else float("nan")


def result_path(planner: AbstractPlanner) -> Path:
    """Return where a planner's result is kept: in ``TRIALOGUE_CACHE``, else the user's cache directory."""
    folder = os.environ.get("TRIALOGUE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "trialogue"
    )
    name = re.sub(r"[^A-Za-z0-9.\-]+", "_", hide_secrets(planner.address))[-120:]
    return Path(folder) / "selftests" / f"{name}.json"


def keep_result(planner: AbstractPlanner, result: SelfTest) -> Path:
    """Store a result, so that later studies with this planner know of it; return where."""
    path = result_path(planner)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    return path


def kept_result(planner: AbstractPlanner) -> SelfTest | None:
    """Return the stored result of a planner, or None where there is none that can be read."""
    try:
        plain: Mapping[str, object] = json.loads(result_path(planner).read_text(encoding="utf-8"))
        return SelfTest(**plain)  # pyright: ignore[reportArgumentType]: checked by what follows
    except (OSError, ValueError, TypeError):
        return None


def lines_of(result: SelfTest) -> list[tuple[str, bool, str]]:
    """Return what a result means: subject, whether it is well, words."""
    return [
        ("obeys the schema", result.obeys >= 0.9, f"{result.obeys:.0%} of its answers held a valid proposal"),
        (
            "does not repeat",
            not result.fresh < 0.8,
            f"{result.fresh:.0%} of its proposals are new in repeated calls",
        ),
        (
            "uses feedback",
            result.uses_feedback,
            f"{result.feedback:.0%} of its proposals follow the scores, 50% is chance",
        ),
        (
            "follows a shift",
            not result.follows < 0.65,
            f"{result.follows:.0%} on the side of the optimum, 50% is chance",
        ),
        (
            "without names",
            not result.nameless < 0.65,
            f"{result.nameless:.0%} on that side when names say nothing",
        ),
    ]
