"""A network in the evaluator's place: calls saved, the error that is stated and the one that is made, and what is found."""

import numpy as np
from problems.base import Case
from problems.synthetic import synthetic_cases

import trialogue as tl
from trialogue.agent.evaluation.stand_in import METRIC

TRIALS, CASES = 200, ("branin", "hartmann3")


def learnt() -> tuple[str, bool]:
    """Return what a genetic search of 200 trials saves with a proxy, its error, and its best beside that of as many calls."""
    cases = [case for case in synthetic_cases() if case.problem.name in CASES]
    parts, saved, inside, worse = [], [], [], []
    for case in cases:
        study = tl.Study(case.problem, seed=0, strategy="genetic", proxy=tl.ProxyOptions(0.05))
        study.run(lambda params, case=case: case.evaluate(params).value, n_trials=TRIALS)
        told = [t for t in study.trials if t.measurement is not None]
        answers = [t for t in told if t.measurement and METRIC in t.measurement.metrics]
        measured = np.array([t.value for t in told if t not in answers])
        unit = float(np.diff(np.quantile(measured, (0.05, 0.95)))[0])
        errors = np.array([abs((t.value or 0.0) - _true(case, t.params)) for t in answers]) / unit
        stated = (
            np.array([t.measurement.sem[0] for t in answers if t.measurement and t.measurement.sem]) / unit
        )
        alone = tl.Study(case.problem, seed=0, strategy="genetic")
        alone.run(lambda params, case=case: case.evaluate(params).value, n_trials=TRIALS)
        saved.append(len(answers) / TRIALS)
        inside.append(float(np.mean(errors <= 0.05)) if len(answers) else 1.0)
        worse.append((min(measured) - min(t.value for t in alone.trials if t.value is not None)) / unit)
        rms = (float(np.sqrt(np.mean(e**2))) if len(e) else float("nan") for e in (stated, errors))
        parts.append(
            "{}: {:.0%} saved, error stated {:.3f} and made {:.3f}".format(case.problem.name, saved[-1], *rms)
        )
        parts[-1] += f", {inside[-1]:.0%} within 0.05, best {worse[-1]:+.3f}"
    holds = np.mean(saved) > 0.1 and np.mean(inside) >= 0.8 and np.mean(worse) < 0.05
    return "; ".join(parts) + " (all in the spread of what was measured)", bool(holds)


def _true(case: Case, params: tl.agent.contracts.Params) -> float:
    return float(case.evaluate(params).value or 0.0)
