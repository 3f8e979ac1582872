"""Row "transfer": what earlier studies are worth to a new one, when they are like it and when they mislead."""

from collections.abc import Callable

import numpy as np

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger

SEEDS, TRIALS, EARLIER = 3, 12, 30


def _loss(centre: float, weights: tuple[float, ...]) -> Callable[[dict[str, float]], float]:
    """A skewed valley: the same for all studies but for where its bottom lies."""

    def loss(p: dict[str, float]) -> float:
        u = [
            p["a"] - centre,
            np.log10(p["rate"]) / 4 + 1 - centre,
            p["c"] - (1 - centre),
            p.get("new", 0.3) - 0.3,
        ]
        u[1] += 0.5 * u[0]
        return float(sum(w * (v * v + 0.3 * abs(v)) for w, v in zip(weights, u, strict=True)))

    return loss


def _space(name: str, low: float) -> tl.SearchSpace:
    rate = tl.Float("rate", 1e-4, 1, log=True, default=0.01)
    return tl.SearchSpace(
        [tl.Float("a", low, 1, default=0.5), rate, tl.Float("c", 0, 1, default=0.5), tl.Float(name, 0, 1)]
    )


def multitask() -> tuple[str, bool]:
    """Measure the best loss after few trials without earlier studies, with one alike, and with one that misleads."""
    here, old = _space("new", 0.0), _space("gone", -0.2)
    noise = np.random.default_rng(0)
    earlier = {
        "alike": _loss(0.75, (3.0, 2.0, 1.5, 0.0)),  # the bottom is elsewhere, and the weights too
        "mirrored": _loss(0.2, (2.0, 3.0, 1.0, 0.0)),
        "noise": lambda p: float(noise.standard_normal()),
    }
    found: dict[str, list[float]] = {name: [] for name in ("alone", *earlier)}
    for seed in range(SEEDS):
        ledger = Ledger()
        for name, loss in earlier.items():
            study = tl.Study(tl.Problem(name, old), storage=ledger, seed=seed, strategy="random")
            study.run(loss, n_trials=EARLIER)
        for name, best in found.items():
            options = None if name == "alone" else tl.EngineOptions(transfer=(name,))
            problem = tl.Problem(f"with {name}", here)
            study = tl.Study(problem, storage=ledger, seed=seed, strategy="surrogate", engine=options)
            study.run(_loss(0.8, (2.0, 3.0, 1.0, 1.0)), n_trials=TRIALS)
            values = [r.value for r in study.trials if r.value is not None]
            best += [min(values[:5]), min(values)]
    words = [f"{name} {np.mean(best[::2]):.3f} and {np.mean(best[1::2]):.3f}" for name, best in found.items()]
    gained = np.mean(found["alike"][::2]) < np.mean(found["alone"][::2])
    harm = max(np.mean(found[name][1::2]) for name in ("mirrored", "noise")) - np.mean(found["alone"][1::2])
    text = f"least loss after 5 and {TRIALS} trials, mean of {SEEDS}: {'; '.join(words)}"
    return text, bool(gained and harm <= 0.05)
