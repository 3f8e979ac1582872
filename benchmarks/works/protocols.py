"""Protocols measured: tuning and test seeds in reinforcement learning, robust winners, gradual studies.

The learner of the first is tabular Q-learning on a cliff with wind: 6 × 4 cells, the way along the edge is short and risky.
"""

from collections.abc import Sequence

import numpy as np
from problems.synthetic import hartmann6

import trialogue as tl
from trialogue.surrogates.options.robust import RADIUS

ROWS, COLUMNS, WIND = 4, 6, 0.15
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
LEARNER = tl.Problem(
    "cliff",
    tl.SearchSpace(
        [
            tl.Float("rate", 1e-3, 1.0, log=True),
            tl.Float("epsilon", 1e-3, 0.5, log=True),
            tl.Float("discount", 0.5, 0.999),
            tl.Float("optimism", -20.0, 5.0),
        ]
    ),
    [tl.Objective("reward", "maximize")],
)


def learnt_reward(params, run: object) -> float:
    """Return the mean reward of the last 20 of 60 episodes."""
    rng = np.random.default_rng(run.seed)  # pyright: ignore[reportAttributeAccessIssue]
    Q = np.full((ROWS, COLUMNS, 4), params["optimism"])
    rewards = [_episode(Q, params, rng) for _ in range(60)]
    return float(np.mean(rewards[-20:]))


def _episode(Q: np.ndarray, params, rng: np.random.Generator) -> float:
    row, column, total = ROWS - 1, 0, 0.0
    for _ in range(40):
        move = int(rng.integers(4)) if rng.random() < params["epsilon"] else int(Q[row, column].argmax())
        down, right = MOVES[move]
        windy = row + (rng.random() < WIND)
        next_row, next_column = np.clip(windy + down, 0, ROWS - 1), np.clip(column + right, 0, COLUMNS - 1)
        over = next_row == ROWS - 1 and next_column > 0
        reward = -1.0 + over * (20.0 if next_column == COLUMNS - 1 else -30.0)
        ahead = 0.0 if over else params["discount"] * Q[next_row, next_column].max()
        Q[row, column, move] += params["rate"] * (reward + ahead - Q[row, column, move])
        row, column, total = int(next_row), int(next_column), total + reward
        if over:
            break
    return total


def seeds() -> tuple[str, bool]:
    """Tune by 20 random configurations on 1 and on 5 seeds, test winners on 30 unseen ones; ten studies of each."""
    scores: dict[int, list[tuple[float, float]]] = {1: [], 5: []}
    for repeat in range(10):
        for n, told in scores.items():
            tuning = [1000 * repeat + i for i in range(n)]
            unseen = [1000 * repeat + 500 + i for i in range(30)]
            protocol = tl.StudyProtocol(seeds={"tuning": tuning, "test": unseen})
            study = tl.Study(LEARNER, seed=repeat, strategy="random", protocol=protocol)
            study.run(learnt_reward, 20)
            score = study.test(learnt_reward)
            assert score.score is not None
            assert score.optimism is not None
            told.append((score.optimism, score.score))
    (flattered, _), (less, _) = ((np.mean([o for o, _ in told]), 0) for told in scores.values())
    gain = np.array([five[1] - one[1] for one, five in zip(scores[1], scores[5], strict=True)])
    errors = [np.std([o for o, _ in told], ddof=1) / np.sqrt(len(told)) for told in scores.values()]
    sem = gain.std(ddof=1) / np.sqrt(len(gain))
    words = (
        f"optimism {flattered:.2f} ± {errors[0]:.2f} on one seed, {less:.2f} ± {errors[1]:.2f} on five; "
        f"on unseen seeds the winner of five is better by {gain.mean():.2f} ± {sem:.2f} (five times the runs)"
    )
    return words, bool(flattered > 2 * errors[0] and less < flattered and gain.mean() > 0)


DESCENT = tl.Problem(
    "descent",
    tl.SearchSpace([tl.Float("rate", 1e-4, 1.0, log=True), tl.Float("momentum", 0.0, 0.99)]),
    [tl.Objective("loss")],
)
"""Heavy-ball descent of a quadratic with curvatures from 0.1 to 10: the best rate stands beside the one that diverges."""


def descended(params, run: object) -> float:
    """Return the logarithm of the loss after 60 steps from a random start, at most 3."""
    rng = np.random.default_rng(run.seed)  # pyright: ignore[reportAttributeAccessIssue]
    curvature = np.geomspace(0.1, 10, 12)
    x, speed = rng.standard_normal(12), np.zeros(12)
    for _ in range(60):
        speed = params["momentum"] * speed - params["rate"] * curvature * x
        x = np.clip(x + speed, -1e6, 1e6)
    return float(min(3.0, np.log10(1e-12 + np.sum(curvature * x**2))))


def robust() -> tuple[str, bool]:
    """Choose among 40 random trials by each rule; run 60 neighbours of each winner on new seeds. Twelve studies."""
    gaps: dict[str, list[float]] = {"robust": [], "robust:0.1": []}
    told = []
    for problem, evaluate in ((LEARNER, learnt_reward), (DESCENT, descended)):
        for seed in range(6):
            study = tl.Study(problem, seed=seed, strategy="random")
            study.run(evaluate, 40)
            near = {"best": _around(problem, evaluate, study.best_trial.params, seed)}
            for choose, found in gaps.items():
                study.protocol = tl.StudyProtocol(choose=choose)
                near[choose] = _around(problem, evaluate, study.winner.params, seed)
                spread = np.std([t.value for t in study.trials if t.value is not None])
                found.append(float(problem.signs[0]) * (near[choose] - near["best"]) / float(spread))
    for choose, found in gaps.items():
        sem = np.std(found, ddof=1) / np.sqrt(len(found))
        told.append(f"{choose} {np.mean(found):+.2f} ± {sem:.2f}")
    words = f"gain around the winner, in standard deviations of a study's trials: {', '.join(told)}"
    first = np.array(gaps["robust"])
    return words, bool(first.mean() > 2 * first.std(ddof=1) / np.sqrt(len(first)))


def _around(problem: tl.Problem, evaluate, params, seed: int) -> float:
    """Return the mean result of 60 configurations within the radius, each on a seed of its own."""

    class Fresh:
        def __init__(self, number: int) -> None:
            self.seed = 10_000 + 100 * seed + number

    rng, space = np.random.default_rng(99), problem.space
    X = np.clip(space.encode([params])[0] + RADIUS * rng.uniform(-1, 1, (60, len(space))), 0, 1)
    return float(np.mean([evaluate(p, Fresh(i)) for i, p in enumerate(space.decode(space.canonical(X)[0]))]))


def gradual() -> tuple[str, bool]:
    """Hartmann's function of six parameters, 18 trials: three groups of two after each other, or all at once; four seeds."""
    problem = tl.Problem("hartmann6", tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(6)]))

    def evaluate(params) -> float:
        return hartmann6(np.array([params[f"x{i}"] for i in range(6)]))

    names = problem.space.names
    groups: list[Sequence[str]] = [names[0:2], names[2:4], names[4:6]]
    gaps = []
    for seed in range(4):
        whole = tl.Study(problem, seed=seed)
        whole.run(evaluate, 18)
        parts = tl.Study(problem, seed=seed)
        for group in groups:
            parts.protocol = tl.StudyProtocol(only=group)
            parts.run(evaluate, 6)
        gaps.append(float(whole.best_trial.value or 0) - float(parts.best_trial.value or 0))
    sem = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    return f"group after group less all at once: {np.mean(gaps):+.2f} ± {sem:.2f} (range 3.3)", bool(
        np.mean(gaps) > -2 * sem
    )
