"""Training: schedules of learning rates and what is tuned while a network trains."""

import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

import trialogue as tl
from trialogue.agent.strategies.alternatives import population as pbt
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.retrieval import equitable_sampling
from trialogue.evaluators.targets.sklearn_cv import CrossValidation

DIMENSION, NOISE = 40, 0.6


def power_schedule() -> tuple[str, bool]:
    """Excess loss of a rate that was tuned once, short, when batch and length of training change."""
    settings = [(4_096 * 200, 1), (4_096 * 800, 1), (4_096 * 3_200, 1), (4_096 * 3_200, 4)]
    grid = np.geomspace(0.02, 2.0, 12)
    losses = {
        kind: np.array([[_loss(kind, g, *s) for g in grid] for s in settings]) for kind in ("power", "cosine")
    }
    tuned = {kind: int(np.argmin(table[0])) for kind, table in losses.items()}
    best = np.minimum(losses["power"].min(1), losses["cosine"].min(1))
    excess = {kind: losses[kind][1:, tuned[kind]] / best[1:] for kind in losses}
    words = (
        "noisy quadratic, rate tuned on 200 steps; final loss over the best of any for 800 steps, 3,200 steps and "
        "3,200 sequences in batches of 4: "
        + "; ".join(f"{kind} " + ", ".join(f"{e:.2f}" for e in es) for kind, es in excess.items())
    )
    return words, bool(excess["power"].mean() < excess["cosine"].mean())


def _loss(kind: str, scale: float, tokens: int, batch: int) -> float:
    """Return the mean final loss of stochastic gradient descent with momentum 0.5 on a quadratic, 20 seeds."""
    steps = tokens // 4096 // batch
    curvature = 1.0 / np.arange(1, DIMENSION + 1)
    # a is in units that make the rate after 100 sequences the scale
    a = scale * (4096 * 100) ** 0.51
    schedule = tl.PowerSchedule(batch, tokens, a=a, largest=1.0)
    rng = np.random.default_rng(0)
    x, v = np.ones((20, DIMENSION)), np.zeros((20, DIMENSION))
    for step in range(steps):
        share = min(1.0, (step + 1) / (0.01 * steps))
        cosine = 0.5 * scale * batch**0.5 * (1 + np.cos(np.pi * step / steps)) * share
        rate = schedule(step) if kind == "power" else cosine
        gradient = curvature * x + NOISE / batch**0.5 * np.sqrt(curvature) * rng.normal(size=x.shape)
        v = 0.5 * v + gradient
        x = np.clip(x - rate * v, -1e3, 1e3)
    return float(np.mean(np.sum(curvature * x * x, axis=1)))


def fresh_epochs() -> tuple[str, bool]:
    """Accuracy of a network on digits, cross-validated, trained on a part of the rows in each of 100 epochs."""
    problem = CrossValidation("digits", "mlp").problem
    params = {**problem.space.default(), "width": 32}
    scores: dict[tuple[str, float], tuple[float, float]] = {}
    for kind, share in itertools.product(("fixed", "fresh"), (0.05, 0.1, 0.3)):
        evaluate = CrossValidation("digits", "mlp", 3, subsets="fresh" if kind == "fresh" else "fixed")
        started = time.process_time()
        score = np.mean([evaluate(params, Run(seed=seed, fidelity=share)).value for seed in range(3)])
        scores[kind, share] = float(score), time.process_time() - started
    shares = (0.05, 0.1, 0.3)
    words = "digits, shares of 0.05, 0.1 and 0.3 of the rows per epoch: " + "; ".join(
        f"{kind} " + ", ".join(f"{scores[kind, s][0]:.3f} ({scores[kind, s][1]:.1f} s)" for s in shares)
        for kind in ("fixed", "fresh")
    )
    return words, all(scores["fresh", s][0] > scores["fixed", s][0] for s in shares)


def groups() -> tuple[str, bool]:
    """The claim of the target ``equitable-sampling``, checked anew."""
    found = equitable_sampling.check()
    return f"five groups' regressions, 40 seeds: {found.measured}", found.holds


def population() -> tuple[str, bool]:
    """The source's own toy: ascend Q through a surrogate whose weights h are tuned while training."""
    found = {
        name: np.array([_best(seed, exploits) for seed in range(8)]) for name, exploits in _KINDS.items()
    }
    words = "the paper's toy, Q of at most 1.2, 8 members, 12 intervals of 4 steps, 8 seeds: " + ", ".join(
        f"{name} {values.mean():.3f}" for name, values in found.items()
    )
    return words, bool(found["pbt"].mean() > found["random trainings left alone"].mean())


_KINDS = {"pbt": True, "random trainings left alone": False}


def interval(params: dict[str, float], run: Run) -> float:
    """Four steps of gradient ascent on 1.2 - h0 t0^2 - h1 t1^2; returns Q = 1.2 - t0^2 - t1^2."""
    theta = np.array([0.9, 0.9])
    if run.checkpoint is not None:
        theta = np.loadtxt(run.checkpoint / "theta.txt")
    h = np.array([params["h0"], params["h1"]])
    for _ in range(4):
        theta = theta - 0.01 * 2 * h * theta
    np.savetxt(run.workdir / "theta.txt", theta)
    return 1.2 - float(theta @ theta)


class _LeftAlone(pbt.PopulationStrategy):
    def _donor(self, population: object, m: int, rng: object) -> None:
        return None


def _best(seed: int, exploits: bool) -> float:
    space = tl.SearchSpace([tl.Float("h0", 0, 1), tl.Float("h1", 0, 1)])
    problem = tl.Problem("toy", space, objectives=[tl.Objective("Q", "maximize")])
    kind = pbt.PopulationStrategy if exploits else _LeftAlone
    study = tl.Study(problem, seed=seed, strategy=kind(problem, seed, members=8))
    with tempfile.TemporaryDirectory() as folder:
        study.run(interval, n_trials=96, workdir=Path(folder))
    return max(t.value for t in study.trials if t.value is not None)
