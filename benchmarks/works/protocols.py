"""Protocols measured: what tuning and test seeds tell in reinforcement learning.

The learner is tabular Q-learning on a cliff with wind: 6 × 4 cells, the way along the edge is short and risky.
"""

import numpy as np

import trialogue as tl

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
