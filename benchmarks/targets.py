"""The gallery's claims, checked anew; and 30 trials of trialogue on each target against random search and Optuna's TPE.

    python benchmarks/targets.py                            # every claim: target, claim, measured, holds or not, seconds
    python benchmarks/targets.py deis dpm-solver            # some of them
    python benchmarks/targets.py --compare --seeds 5        # runs what is missing, then prints the table
    python benchmarks/targets.py --report                   # the table of what ran

A claim that does not hold is printed as such. A comparison runs at each target's lowest fidelity (``--fidelity 1`` for the
whole thing); every evaluation of one study has a seed of its own. One run is scored by its best feasible result after 30
trials, or by the hypervolume of its front where there are two objectives; either is measured again at seeds that no study
saw. Runs are kept in ``.scratch/targets`` and not run again.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from threadpoolctl import threadpool_limits

from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.programs.call import measure
from trialogue.evaluators.programs.run import Run, Stopped
from trialogue.evaluators.targets.catalogue import MODULES, load_target
from trialogue.evaluators.targets.target import GalleryTarget
from trialogue.surrogates.optim.acquisition import front

HOME = Path(os.environ.get("TARGETS_HOME", Path(__file__).parent.parent / ".scratch" / "targets"))
TRIALS = 30
FRESH_SEEDS = range(900_000, 900_003)
"""Of the final score; those of trials are below."""
OPTIMIZERS = ("trialogue", "random", "optuna-tpe")
Params = Mapping[str, Any]
Evaluate = Callable[[Params], Measurement | None]
"""One trial: its measurement, or None where it failed."""


def check(name: str) -> dict[str, Any]:
    """Return what the check of a target's claim measured."""
    target, start = load_target(name), time.perf_counter()
    assert target.claim is not None
    with threadpool_limits(1):
        evidence = target.claim.check()
    seconds = time.perf_counter() - start
    return {
        "target": name,
        "claim": target.claim.text,
        "measured": evidence.measured,
        "holds": evidence.holds,
        "s": seconds,
    }


def run(job: tuple[str, str, int, float]) -> dict[str, Any]:
    """Run one optimizer on one target; return its trials and its score."""
    name, optimizer, seed, fidelity = job
    target = load_target(name)
    fidelity = fidelity or target.low_fidelity
    trials: list[tuple[Params, Measurement | None]] = []

    def evaluate(params: Params) -> Measurement | None:
        measurement = measured(target, params, 1000 * seed + len(trials), fidelity)
        trials.append((params, measurement))
        return measurement

    {"trialogue": by_trialogue, "random": at_random, "optuna-tpe": by_optuna}[optimizer](
        target, evaluate, seed
    )
    return {
        "target": name,
        "optimizer": optimizer,
        "seed": seed,
        "fidelity": fidelity,
        "signs": (-target.problem.signs).tolist(),
        "score": score(target, trials, fidelity),
        "values": [None if m is None else [*m.values] for _, m in trials],
        "params": [dict(p) for p, _ in trials],
        "feasible": [m is not None and target.problem.feasible(m) for _, m in trials],
    }


def measured(target: GalleryTarget, params: Params, seed: int, fidelity: float) -> Measurement | None:
    """Return the measurement at a seed, None where the evaluation fails."""
    try:
        result = measure(target, params, target.problem, Run(seed=seed, fidelity=fidelity))
    except EvaluationFailed:
        return None
    assert not isinstance(result, Stopped)
    return result


def score(target: GalleryTarget, trials: Sequence[tuple[Params, Measurement | None]], fidelity: float) -> Any:
    """Return the best trial's mean at fresh seeds, to be minimized, or those of the front; None where nothing is feasible."""
    signs = target.problem.signs
    done = [(p, -signs * m.values) for p, m in trials if m is not None and target.problem.feasible(m)]
    if not done:
        return None
    if len(signs) == 1:
        return again(target, min(done, key=lambda d: d[1][0])[0], fidelity)[0]
    is_best = front(-np.array([values for _, values in done]))
    means = [again(target, p, fidelity) for (p, _), best in zip(done, is_best, strict=True) if best]
    return [mean for mean in means if mean]


def again(target: GalleryTarget, params: Params, fidelity: float) -> list[float]:
    """Return the mean of each objective at fresh seeds, to be minimized; [] where all of them fail."""
    fresh = [m.values for s in FRESH_SEEDS if (m := measured(target, params, s, fidelity)) is not None]
    return (-target.problem.signs * np.mean(fresh, axis=0)).tolist() if fresh else []


def by_trialogue(target: GalleryTarget, evaluate: Evaluate, seed: int) -> None:
    import trialogue as tl

    study = tl.Study(target.problem, seed=seed)
    for _ in range(TRIALS):
        trial = study.ask()
        measurement = evaluate(trial.params)
        study.tell(trial, failed="failed") if measurement is None else study.tell(trial, measurement)


def at_random(target: GalleryTarget, evaluate: Evaluate, seed: int) -> None:
    rng = np.random.default_rng([seed, 77])
    for params in target.problem.space.sample(rng, TRIALS):
        evaluate(params)


def by_optuna(target: GalleryTarget, evaluate: Evaluate, seed: int) -> None:
    """Define-by-run over the same space, so that conditions are Optuna's own. It gets the default first, as we do."""
    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem, space = target.problem, target.problem.space
    limits = (lambda trial: trial.user_attrs["limits"]) if problem.constraints else None
    sampler = optuna.samplers.TPESampler(seed=seed, constraints_func=limits)
    directions: list[Any] = [o.direction for o in problem.objectives]
    study = optuna.create_study(sampler=sampler, directions=directions)
    distributions = space.distributions()
    study.enqueue_trial(internal(space.default(), distributions))
    for _ in range(TRIALS):
        trial, params = study.ask(), dict[str, Any]()
        for i, name in enumerate(space.names):
            if all(c.parent.name in params and c.holds(params[c.parent.name]) for c in space._conditions[i]):
                params[name] = trial._suggest(name, distributions[name])
        measurement = evaluate(space.validate(space.clip(params)))
        trial.set_user_attr("limits", broken(target, measurement))
        if measurement is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, list(measurement.values))


def internal(params: Params, distributions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name in distributions}


def broken(target: GalleryTarget, measurement: Measurement | None) -> list[float]:
    """Return by how much each limit is broken, as Optuna counts: positive where it is."""
    if measurement is None:
        return [1.0] * len(target.problem.constraints)
    out = []
    for c in target.problem.constraints:
        value = measurement.constraints[c.name]
        over = value - c.upper if c.upper is not None else -np.inf
        under = c.lower - value if c.lower is not None else -np.inf
        out.append(float(max(over, under)))
    return out


def load() -> dict[tuple[str, str, int], dict[str, Any]]:
    """Return the kept runs."""
    runs = {}
    for path in sorted(HOME.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            r = json.loads(line)
            runs[r["target"], r["optimizer"], r["seed"]] = r
    return runs


def compare(names: Sequence[str], seeds: int, fidelity: float, workers: int) -> None:
    """Run what is missing, one file of runs per target."""
    HOME.mkdir(parents=True, exist_ok=True)
    known = load()
    jobs = [
        (name, optimizer, seed, fidelity)
        for name in names
        for seed in range(seeds)
        for optimizer in OPTIMIZERS
        if (name, optimizer, seed) not in known
    ]
    with ProcessPoolExecutor(workers) as pool:
        for r in pool.map(run, jobs):
            with (HOME / f"{r['target']}.jsonl").open("a") as file:
                file.write(json.dumps(r) + "\n")
            print(f"{r['target']} {r['optimizer']} {r['seed']}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="targets; without any, all")
    parser.add_argument("--compare", action="store_true", help="run the comparison, then print its table")
    parser.add_argument("--report", action="store_true", help="print the table of the comparison")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fidelity", type=float, default=0.0, help="0: each target's lowest")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    names = options.names or list(MODULES)
    if options.compare:
        compare(names, options.seeds, options.fidelity, options.workers)
    if options.compare or options.report:
        from targets_table import table

        print(table(load(), names))
        return
    print("| target | claim | measured | holds | seconds |\n|---|---|---|---|---|")
    for name in names:
        r = check(name)
        print(
            f"| {name} | {r['claim']} | {r['measured']} | {'yes' if r['holds'] else '**no**'} | {r['s']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
