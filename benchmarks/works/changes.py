"""Few changes: how many of a winner's changes are named, and what is kept without the others."""

import numpy as np

import trialogue as tl

SEEDS, TRIALS, MATTER = 4, 25, 2


def few() -> tuple[str, bool]:
    """Of eight parameters two matter: how many are named, and the true share of the gain that they keep."""
    counts, kept = [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        target = rng.choice([0.1, 0.9], MATTER)
        space = tl.SearchSpace([tl.Float(f"x{i}", 0, 1, default=0.5) for i in range(8)])

        def loss(params: dict[str, float], target: np.ndarray = target) -> float:
            return float(sum((params[f"x{i}"] - t) ** 2 for i, t in enumerate(target)))

        study = tl.Study(tl.Problem("few", space), seed=seed, strategy="surrogate")
        study.run(loss, n_trials=TRIALS)
        found = study.changes()
        if found is None:
            continue
        default = loss(dict(space.default()))  # pyright: ignore[reportArgumentType] - all are numbers
        counts.append(len(found.needed))
        fewer = loss(dict(found.params))  # pyright: ignore[reportArgumentType] - all are numbers
        kept.append((default - fewer) / (default - float(study.best_trial.value or 0.0)))
    words = f"eight parameters changed, of which {MATTER} matter, {TRIALS} trials, {SEEDS} seeds: named "
    words += f"{', '.join(map(str, counts))}; true share of the gain kept {min(kept):.2f} to {max(kept):.2f}"
    return words, len(counts) == SEEDS and max(counts) <= MATTER + 1 and min(kept) > 0.8
