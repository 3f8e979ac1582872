"""How often is luck sold as progress? Studies in which nothing helps, and studies in which one configuration does.

    python benchmarks/certified.py --studies 1000          # about an hour of one core; --studies 50 for a look
    python benchmarks/certified.py --report

In an A/A study every configuration gives 100 plus noise, so whoever says "better than the default" is wrong. Three say:
*keep if better*, the rule of agents that keep a change when its one run beats the incumbent's; Optuna's ``best_trial`` (TPE,
same number of trials, the default enqueued first); and ``Study.verify``. In a study with a gain one configuration is better
by one standard deviation of a single run, and is verified: within 20 pairs, how often is that seen?

Noise, one sd each: normal; heavy-tailed (Student's t with 2.5 degrees of freedom); skewed (exponential); heteroscedastic (each
configuration its own sd from 0.5 to 2, which grows by half over the study). The default and its rival then differ in noise and
not in the mean: ``unequal`` is the same with the skewed law, beyond the assumption of symmetric pairs, and is reported for
honesty. Every study is appended to ``.scratch/certified.jsonl`` and not run again.
"""

import argparse
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.verify import VerificationPlan, verify
from trialogue.evaluators.statistics.percentiles import percentile

OUT = Path(__file__).parent.parent / ".scratch" / "certified.jsonl"
TRIALS = 20
SPACE = tl.SearchSpace([tl.Float("x", 0, 1, default=0.5)])
PROBLEM = tl.Problem("aa", SPACE, [tl.Objective("score", "maximize")])
Draw = Callable[[np.random.Generator], float]
LAWS: dict[str, Draw] = {
    "normal": lambda rng: rng.standard_normal(),
    "heavy": lambda rng: rng.standard_t(2.5) / np.sqrt(5.0),
    "skewed": lambda rng: rng.exponential() - 1,
    "heteroscedastic": lambda rng: rng.standard_normal(),
    "unequal": lambda rng: rng.exponential() - 1,
}


class Noisy:
    """An evaluator whose results are 100, the gain of ``winner``, and noise."""

    def __init__(self, law: str, rng: np.random.Generator, gain: float = 0.0, winner: float = 0.0) -> None:
        self._law, self._rng, self._gain, self._winner = law, rng, gain, winner
        self.calls = 0

    def __call__(self, params: dict[str, Any]) -> float:
        """Return one noisy result."""
        self.calls += 1
        noise = LAWS[self._law](self._rng)
        if self._law in ("heteroscedastic", "unequal"):
            noise *= own_sd(params["x"]) * (0.8 + 0.4 * min(self.calls / (TRIALS + 20), 1))
        return 100.0 + noise + (self._gain if params["x"] == self._winner else 0.0)


def own_sd(x: float) -> float:
    """Return the noise of one configuration where each has its own."""
    return 0.5 + 1.5 * (zlib.crc32(repr(x).encode()) % 1000) / 1000


def nothing_helps(law: str, seed: int, ledger: Ledger) -> dict[str, Any]:
    """Run one A/A study; return who said that something is better than the default."""
    rng = np.random.default_rng([seed, zlib.crc32(law.encode())])
    evaluate = Noisy(law, rng)
    study = tl.Study(PROBLEM, name=f"aa {law} {seed}", storage=ledger, seed=seed, strategy="random")
    study.add({"x": 0.5}, evaluate({"x": 0.5}))
    study.run(evaluate, TRIALS - 1)
    found = study.verify(evaluate)
    values = [r.value or 0.0 for r in study.trials]
    return {
        "keep if better": max(values[1:]) > values[0],
        "optuna best_trial": _optuna_says(Noisy(law, rng), seed),
        "verify": found.recommendation == "change",
        "pairs": len(found.runs),
    }


def one_helps(law: str, seed: int, ledger: Ledger) -> dict[str, Any]:
    """Verify a configuration that is better by one sd of a single run."""
    rng = np.random.default_rng([seed, zlib.crc32(law.encode()), 1])
    unequal = law in ("heteroscedastic", "unequal")
    gain = float(np.hypot(own_sd(0.5), own_sd(0.9)) / np.sqrt(2)) if unequal else 1.0
    evaluate = Noisy(law, rng, gain=gain, winner=0.9)
    study = tl.Study(PROBLEM, name=f"gain {law} {seed}", storage=ledger, seed=seed, strategy="random")
    study.add({"x": 0.5}, evaluate({"x": 0.5}))
    study.add({"x": 0.9}, evaluate({"x": 0.9}))
    found = verify(study, evaluate, VerificationPlan(candidate=1), {})
    assert found.gain is not None
    estimate = 100 * (found.gain.estimate - 1) / gain
    covered = found.gain.low <= 1 + gain / 100 <= found.gain.high
    return {
        "verify": found.recommendation == "change",
        "pairs": len(found.runs),
        "gain": estimate,
        "covered": covered,
    }


def _optuna_says(evaluate: Noisy, seed: int) -> bool:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({"x": 0.5})
    study.optimize(lambda t: evaluate({"x": t.suggest_float("x", 0, 1)}), n_trials=TRIALS)
    return study.best_trial.number != 0


KINDS = {"nothing helps": nothing_helps, "one helps": one_helps}


def main() -> None:
    """Run what is missing, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--laws", default=",".join(LAWS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    OUT.parent.mkdir(exist_ok=True)
    if not given.report:
        done = {(row["kind"], row["law"], row["seed"]) for row in kept()}
        ledger = Ledger()
        jobs = [
            (k, law, s)
            for s in range(given.studies)
            for law in given.laws.split(",")
            for k in given.kinds.split(",")
        ]
        with OUT.open("a") as file:
            for i, (kind, law, seed) in enumerate(job for job in jobs if job not in done):
                ledger = ledger if i % 100 else Ledger()  # opening one costs as much as a study
                row = {"kind": kind, "law": law, "seed": seed, **KINDS[kind](law, seed, ledger)}
                file.write(json.dumps(row) + "\n")
                file.flush()
    report()


def kept() -> Iterator[dict[str, Any]]:
    """Yield the studies that were run."""
    if OUT.exists():
        yield from map(json.loads, OUT.read_text().splitlines())


def report() -> None:
    """Print a line per noise law and kind of study."""
    rows = list(kept())
    print("| noise | studies | keep if better | Optuna's best_trial | `verify` [95 %] | pairs |")
    print("|---|---|---|---|---|---|")
    for law in LAWS:
        of = [r for r in rows if (r["kind"], r["law"]) == ("nothing helps", law)]
        if of:
            rates = [
                f"{np.mean([r[who] for r in of]):.1%}" for who in ("keep if better", "optuna best_trial")
            ]
            print(f"| {law} | {len(of)} | {' | '.join(rates)} | {share(of)} | {mean(of, 'pairs'):.1f} |")
    print("\n| noise | studies | seen within 20 pairs [95 %] | pairs | estimate | interval holds |")
    print("|---|---|---|---|---|---|")
    for law in LAWS:
        of = [r for r in rows if (r["kind"], r["law"]) == ("one helps", law)]
        if of:
            told = f"{mean(of, 'pairs'):.1f} | {percentile([r['gain'] for r in of], 0.5).value:.2f} sd"
            print(f"| {law} | {len(of)} | {share(of)} | {told} | {mean(of, 'covered'):.1%} |")


def share(rows: list[dict[str, Any]]) -> str:
    """Return the share of studies in which ``verify`` said "change", with Wilson's interval."""
    n, p = len(rows), mean(rows, "verify")
    middle, half = (
        (p + 1.92 / n) / (1 + 3.84 / n),
        1.96 * np.sqrt(p * (1 - p) / n + 0.96 / n**2) / (1 + 3.84 / n),
    )
    return f"{p:.1%} [{max(middle - half, 0):.1%}, {middle + half:.1%}]"


def mean(rows: list[dict[str, Any]], name: str) -> float:
    """Return the mean of one field."""
    return float(np.mean([r[name] for r in rows]))


if __name__ == "__main__":
    main()
