"""How others decide whether a language model's proposal is run: rules of the literature as referees, for ``no_harm.py``.

Each judges the model's first proposal of every trial; trials, engine and prompts are ours, so that only the rule differs.
The engine maximizes log expected improvement; where a rule speaks of an upper confidence bound, the bound of the engine's
own point stands for the largest one. Randomness derives from the trial's number and the proposal: same study, same trials.
Sources: SLLMBO (arXiv 2410.20302) flips a coin; Centaur (arXiv 2603.24647) lets the model override every third trial after
ten; LLINBO (arXiv 2505.14756), algorithms 1 to 3, with the constants of its released code; Helion's autotuner
(pytorch/helion) measures a first batch of the model and goes on without it, all results kept.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trialogue.agent.contracts import Case, Verdict
from trialogue.agent.referee.warm_start import planned_trials
from trialogue.prompts.selection import goodness

Accepts = Callable[[Case, int, np.random.Generator], bool]
"""Whether the first proposal is run, given the number of trials so far and randomness of its own."""


@dataclass(frozen=True)
class FirstProposal:
    """Runs the model's first proposal where ``accepts`` says so, and nothing else of it."""

    accepts: Accepts
    rule: str

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal; at most the first is kept."""
        if not case.proposals:
            return ()
        t = len(case.history.finished)
        key = case.history.problem.space.key(case.proposals[0].params)
        rng = np.random.default_rng([t, zlib.crc32(key.encode())])
        kept = self.accepts(case, t, rng)
        return tuple(
            Verdict(p, kept and i == 0, self.rule, checked=False) for i, p in enumerate(case.proposals)
        )


def coin_flip(case: Case, t: int, rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.5)


def override(case: Case, t: int, rng: np.random.Generator) -> bool:
    return t >= 10 and t % 3 == 0


def transient(case: Case, t: int, rng: np.random.Generator, *, trials: int = 30) -> bool:
    """Run the model's with probability 1 - min(t² / T, 1): for the first sqrt(T) trials, ever less often."""
    return bool(rng.random() >= min(t**2 / trials, 1.0))


def justify(case: Case, t: int, rng: np.random.Generator) -> bool:
    """Run the model's where its upper confidence bound is within psi_0 / t of the engine's, psi_0 the prior sd (1)."""
    own = case.suggestion.assessment
    if own is None or not case.belief.modelled:
        return False
    (a,) = case.belief.assess([case.proposals[0].params])
    width = _width(case, t)
    return a.z_mean + width * a.z_sd >= own.z_mean + width * own.z_sd - 1.0 / max(t, 1)


def constrained(case: Case, t: int, rng: np.random.Generator) -> bool:
    """Draw 10⁴ / t² values at the model's point; keep those above the best posterior mean seen; run the point where the
    bound over the survivors is above the engine's. (LLINBO maximizes that bound near the point instead of running it.)
    """
    own = case.suggestion.assessment
    if own is None or not case.belief.modelled:
        return False
    best = case.history.finished[int(np.argmax(goodness(case.history)))].params
    (a, incumbent) = case.belief.assess([case.proposals[0].params, best])
    drawn = rng.normal(a.z_mean, a.z_sd, max(1, int(1e4 / max(t, 1) ** 2)))
    survivors = drawn[drawn > incumbent.z_mean]
    if not len(survivors):
        return False
    width = _width(case, t)
    return float(survivors.mean() + width * survivors.std()) >= own.z_mean + width * own.z_sd


def seeding(case: Case, t: int, rng: np.random.Generator, *, batch: int = 5) -> bool:
    """Run the first ``batch`` proposals, whatever they look like, and none afterwards."""
    return planned_trials(case.history) < batch


def _width(case: Case, t: int) -> float:
    return math.sqrt(math.log(16.4 * max(t, 1) * len(case.history.problem.space)))


PEERS = {
    f.__name__: FirstProposal(f, f.__name__)
    for f in (coin_flip, override, transient, justify, constrained, seeding)
}
