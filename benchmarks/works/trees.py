"""Tree-structured spaces as volumes of the cube: how much random points find, and what designs and random search gain."""

import numpy as np
from problems.base import Case
from problems.branches import branching_cases
from scipy.spatial import KDTree

import trialogue as tl
from trialogue.agent.engine_options import Design
from trialogue.surrogates.options.volumes import VolumeCode

SPACE = tl.Tree(
    [
        tl.Or(
            "block",
            {"plain": [], "conv": [tl.Int("filters", 1, 8), tl.Categorical("act", ["relu", "tanh", "silu"])]},
        ),
        tl.Repeat("layers", [tl.Categorical("kind", ["a", "b", "c"])], 1, 4),
    ]
).space
CASES = ("layers-and-schedules", "five-solvers", "nested-engines")


def volumes() -> tuple[str, bool]:
    """Return the share of all configurations that as many random points find, and regrets."""
    rng, code = np.random.default_rng(0), VolumeCode.of(SPACE, counted=True)
    rows = np.vstack([*SPACE.enumerated()])
    n = len(rows)
    points = rng.standard_normal((n, code.axes))  # one point each, as the codes of an autoencoder stand
    drawn = rng.uniform(points.min(axis=0), points.max(axis=0), (n, code.axes))
    found = {
        "volumes": _share(code.random_rows(rng, n)),
        "volumes at spread points": _share(code.spread_rows(rng, n, 0)),
        "branch by branch": _share(SPACE.sample_rows(rng, n)),
        "one point each, nearest": len(np.unique(KDTree(points).query(drawn)[1])) / n,
    }
    cases = [case for case in branching_cases() if case.problem.name in CASES]
    designs = {kind: _designed(cases, kind) for kind in ("integrated", "ariel")}
    ratio = np.mean(np.log([b / a for a, b in zip(designs["integrated"], designs["ariel"], strict=True)]))
    search = [_random(cases, name) for name in ("random", "random:ariel")]
    wins = np.mean([b < a for a, b in zip(*search, strict=True)])
    words = (
        f"share of {n} configurations found by as many random points: "
        + ", ".join(f"{name} {share:.2f}" for name, share in found.items())
        + f"; value after 12 trials with this design over the default's, 3 problems x 2 seeds: {np.exp(ratio):.2f}; "
        f"random search over configurations beats random search by branches in {wins:.0%} of 18 studies of 40 trials"
    )
    return words, found["volumes"] > max(found["branch by branch"], found["one point each, nearest"])


def searched() -> tuple[str, bool]:
    """Return the best leaf of a tree of seven decisions after 32 and 64 trials of each search; the mean over six seeds."""
    effects = [np.random.default_rng(seed).normal(size=(7, 3, 3)) for seed in range(6)]
    space = tl.SearchSpace([tl.Categorical(f"level{i}", ["a", "b", "c"]) for i in range(7)])
    found = {}
    for name in ("random", "mcts", "mcts:surrogate"):
        best = []
        for seed, of in enumerate(effects):
            problem = tl.Problem("tree", space, [tl.Objective("value", "maximize")])
            study = tl.Study(problem, seed=seed, strategy=name)
            study.run(lambda params, of=of: _leaf(params, of), n_trials=64)
            values = [t.value for t in study.trials if t.value is not None]
            best.append((max(values[:32]), max(values)))
        found[name] = np.mean(best, axis=0)
    words = ", ".join(f"{name} {half:.2f} and {whole:.2f}" for name, (half, whole) in found.items())
    text = f"best of 32 and 64 leaves of 7 ternary decisions whose effects halve, mean of 6 seeds: {words}"
    return text, bool(min(found["mcts"][1], found["mcts:surrogate"][1]) > found["random"][1])


def _leaf(params: dict[str, str], effects: np.ndarray) -> float:
    """Each decision adds an effect that depends on the one before, half as large as that one's."""
    chosen = ["abc".index(params[f"level{i}"]) for i in range(len(effects))]
    return float(
        sum(
            0.5**i * e[before, here]
            for i, (e, before, here) in enumerate(zip(effects, [0, *chosen], chosen, strict=False))
        )
    )


def _share(X: np.ndarray) -> float:
    return len(np.unique(SPACE.canonical(X)[0], axis=0)) / len(X)


def _designed(cases: list[Case], kind: Design) -> list[float]:
    """Return the best values after twelve trials, six of them placed by the design."""
    options = tl.EngineOptions(design=kind, design_trials=6)
    best = []
    for case in cases:
        for seed in range(2):
            study = tl.Study(case.problem, seed=seed, strategy="surrogate", engine=options)
            study.run(lambda params, case=case: case.evaluate(params).value, n_trials=12)
            best.append(min(t.value for t in study.trials if t.value is not None))
    return best


def _random(cases: list[Case], strategy: str) -> list[float]:
    best = []
    for case in cases:
        for seed in range(6):
            study = tl.Study(case.problem, seed=seed, strategy=strategy)
            study.run(lambda params, case=case: case.evaluate(params).value, n_trials=40)
            best.append(min(t.value for t in study.trials if t.value is not None))
    return best
