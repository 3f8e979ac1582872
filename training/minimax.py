"""Learning to search when the class of problems is unknown: one policy that is never far behind the best of any class.

    python training/minimax.py            # trains and prints the regret of searches, class by class: about a minute

Problems are grouped into classes by their complexity: in the source by lower bounds on how many queries a problem needs,
here by how rough its functions are. For each class a policy is
trained on that class alone: the best that could be had if the class were known. Then one policy is trained to make the
largest gap to those smallest, by policy gradients, against an adversary that weighs classes and, in each class, kinds of
instances (lengthscale, noise) by exponentiated gradients. Beside it stands a policy trained on the mean of all problems.
It is a study in small: it trains no weights of the embedded planner (``train.py`` weighs families by how far behind a
Gaussian process the model is, which is another rule).

Notation: G candidates on a line · T trials · theta (q,) weights of a softmax over candidates' features · regret: the
maximum of a function minus the best value found, in its own standard deviations.
Source: Zhang, Jain & Jamieson 2020, "Learning to actively learn: a robust approach" (arXiv 2010.15382).
"""

from dataclasses import dataclass, field

import numpy as np

G, T, BATCH, ITERATIONS, RATE = 32, 8, 48, 200, 0.15
GRID = np.linspace(0, 1, G)
CLASSES = {
    "smooth": [(0.6, 0.0), (0.6, 0.4), (0.35, 0.0), (0.35, 0.4)],
    "wavy": [(0.2, 0.0), (0.2, 0.4), (0.12, 0.0), (0.12, 0.4)],
    "rough": [(0.05, 0.0), (0.05, 0.4), (0.02, 0.0), (0.02, 0.4)],
}
"""Kinds of instances, (lengthscale, standard deviation of the noise), by the class of their complexity."""

WIDTHS = (0.03, 0.15)
"""Widths of the two local averages that a policy sees."""


@dataclass
class SearchPolicy:
    """Draws the next candidate by a softmax of weighted features; ``theta`` (q,)."""

    theta: np.ndarray = field(default_factory=lambda: np.zeros(2 * 2 * len(WIDTHS)))

    def play(
        self, f: np.ndarray, noise: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Search functions f (b, G) with noise (b,); return regrets (b,) and the scores' gradients (b, q)."""
        b = len(f)
        tried, seen = np.zeros((b, 0), int), np.zeros((b, 0))
        gradient = np.zeros((b, len(self.theta)))
        for t in range(T):
            phi = features(tried, seen, t)
            logits = phi @ self.theta
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            chosen = np.minimum((p.cumsum(axis=1) < rng.random((b, 1))).sum(axis=1), G - 1)
            gradient += phi[np.arange(b), chosen] - np.einsum("bg,bgq->bq", p, phi)
            measured = f[np.arange(b), chosen] + noise * rng.standard_normal(b)
            tried, seen = np.c_[tried, chosen], np.c_[seen, measured]
        best = np.take_along_axis(f, tried, axis=1)[np.arange(b), seen.argmax(axis=1)]
        return f.max(axis=1) - best, gradient

    def improve(self, gradients: np.ndarray, regrets: np.ndarray, weights: np.ndarray) -> None:
        """Take a step of policy gradients: gradients (b, q), regrets minus a baseline (b,), weights (b,) that sum to 1."""
        step = -(weights * regrets) @ gradients
        self.theta = self.theta + RATE * step / max(1.0, float(np.linalg.norm(step)))


def features(tried: np.ndarray, seen: np.ndarray, t: int) -> np.ndarray:
    """Return (b, G, q): local averages and how near anything tried is, at two widths, early and late in the search."""
    columns = []
    for width in WIDTHS:
        K = np.exp(-0.5 * ((GRID[None, :, None] - GRID[tried][:, None, :]) / width) ** 2)
        mean = (K * seen[:, None, :]).sum(axis=2) / (K.sum(axis=2) + 0.1)
        near = K.max(axis=2, initial=0.0)
        columns += [mean, near, mean * t / T, near * t / T]
    return np.stack(columns, axis=2)


def draw(length: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n functions (n, G) of a Gaussian process with this lengthscale, each with mean 0 and sd 1."""
    K = np.exp(-0.5 * ((GRID[:, None] - GRID) / length) ** 2) + 1e-8 * np.eye(G)
    f = rng.standard_normal((n, G)) @ np.linalg.cholesky(K).T
    return (f - f.mean(axis=1, keepdims=True)) / f.std(axis=1, keepdims=True)


def regrets_of(policy: SearchPolicy, kinds: list[tuple[float, float]], n: int, seed: int) -> np.ndarray:
    """Return mean regrets (k,) of a policy on n fresh functions of each kind."""
    rng = np.random.default_rng(seed)
    return np.array(
        [policy.play(draw(length, n, rng), np.full(n, sd), rng)[0].mean() for length, sd in kinds]
    )


def trained(
    classes: list[list[tuple[float, float]]],
    seed: int,
    *,
    references: np.ndarray | None,
    adversary: float = 0.05,
) -> SearchPolicy:
    """Return a policy trained against an adversary over kinds, and over classes by their gap to ``references`` (r,).

    ``adversary``: its rate; 0 leaves all weights even. Without references a class's gap is its regret.
    """
    rng, policy = np.random.default_rng(seed), SearchPolicy()
    best = np.zeros(len(classes)) if references is None else references
    over_kinds, over_classes = (
        [np.ones(len(kinds)) / len(kinds) for kinds in classes],
        np.ones(len(classes)) / len(classes),
    )
    baselines = [np.full(len(kinds), np.nan) for kinds in classes]
    for _ in range(ITERATIONS):
        gradients, advantages, weights, gaps = [], [], [], []
        for r, kinds in enumerate(classes):
            regrets = np.empty(len(kinds))
            for k, (length, sd) in enumerate(kinds):
                loss, gradient = policy.play(draw(length, BATCH, rng), np.full(BATCH, sd), rng)
                regrets[k] = loss.mean()
                baselines[r][k] = regrets[k] if np.isnan(baselines[r][k]) else baselines[r][k]
                gradients.append(gradient)
                advantages.append(loss - baselines[r][k])
                weights.append(np.full(BATCH, over_classes[r] * over_kinds[r][k] / BATCH))
                baselines[r][k] += 0.1 * (regrets[k] - baselines[r][k])
            gaps.append(float(over_kinds[r] @ regrets) - best[r])
            over_kinds[r] = tilted(over_kinds[r], regrets, adversary)
        policy.improve(np.vstack(gradients), np.concatenate(advantages), np.concatenate(weights))
        over_classes = tilted(over_classes, np.array(gaps), adversary)
    return policy


def tilted(weights: np.ndarray, losses: np.ndarray, rate: float) -> np.ndarray:
    """Return weights after a step of exponentiated gradients towards what loses most."""
    tilted = weights * np.exp(rate * (losses - losses.max()))
    return tilted / tilted.sum()


def worst_class_regrets(seed: int = 0, tests: int = 1000) -> dict[str, np.ndarray]:
    """Return worst-kind regrets (classes,) on fresh functions: of each class's own policy, of the one trained on the mean,
    and of the robust one."""
    kinds = list(CLASSES.values())
    own = [trained([k], seed + i, references=None) for i, k in enumerate(kinds)]
    references = np.array([regrets_of(p, k, 500, 10 + seed).max() for p, k in zip(own, kinds, strict=True)])
    policies = {
        "mean": trained(kinds, seed + 3, references=None, adversary=0.0),
        "robust": trained(kinds, seed + 3, references=references),
    }
    found = {"own": [regrets_of(p, k, tests, 20 + seed).max() for p, k in zip(own, kinds, strict=True)]}
    found |= {name: [regrets_of(p, k, tests, 20 + seed).max() for k in kinds] for name, p in policies.items()}
    return {name: np.array(values) for name, values in found.items()}


if __name__ == "__main__":
    print("policy  " + "".join(f"{name:>9}" for name in CLASSES) + "   worst gap to the class's own policy")
    regrets = worst_class_regrets()
    for name, values in regrets.items():
        print(f"{name:<8}" + "".join(f"{v:9.3f}" for v in values) + f"{(values - regrets['own']).max():9.3f}")
