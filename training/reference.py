"""What a Gaussian process makes of the validation sets: the reference that the model's families are weighted by.

    python training/reference.py        # writes training/reference.json, one to two minutes

Matérn-5/2, isotropic, on the warped scores; nine length scales x four noise levels, weighted by their marginal
likelihood. Simple, but stronger than the small model on smooth functions of few parameters. Failed trials stand at
the worst score, and failing itself is predicted by its share of the history.
"""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))  # also where PYTHONSAFEPATH is set

from prior import EDGES, FAMILIES
from train import validation_sets

from trialogue.prompts import number_dialect as nd


def matern(distance: Tensor, scale: float) -> Tensor:
    r = distance / scale * 5**0.5
    return (1 + r + r * r / 3) * torch.exp(-r)


def predictive(K: Tensor, y: Tensor, at: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, sd and log marginal likelihood (B,) for trial ``at`` given those before it."""
    L = torch.linalg.cholesky(K[:, :at, :at])
    alpha = torch.linalg.solve_triangular(L, y[:, :at, None], upper=False)[..., 0]
    ks = torch.linalg.solve_triangular(L, K[:, :at, at : at + 1], upper=False)[..., 0]
    variance = (alpha**2).mean(1) + 1e-6
    evidence = -0.5 * at * torch.log(variance) - torch.diagonal(L, dim1=1, dim2=2).log().sum(1)
    sd = ((K[:, at, at] - (ks**2).sum(1)).clamp(min=1e-6) * variance).sqrt()
    return (ks * alpha).sum(1), sd, evidence


def nll(data: dict, d: int, n: int) -> float:
    """Return the mean NLL of the '?' queries in nats over the 128 score bins and failure."""
    y, goal = data["y"], data["goal"]
    X = torch.where(data["x"] >= 0, (data["x"] + 0.5) / nd.BINS, torch.tensor(0.5))
    centres = (EDGES[1:] + EDGES[:-1]) / 2
    u = centres[y.clamp(max=nd.BINS - 1)]
    mu, sd0 = u[:, :n].mean(1, keepdim=True), u[:, :n].std(1, keepdim=True) + 1e-3
    v, distance = (u - mu) / sd0, torch.cdist(X, X)
    total, count = 0.0, 0
    for at in range(n, y.shape[1]):
        mixture = []
        for scale in torch.logspace(-1, 0.7, 9) * d**0.5:
            for noise in (1e-4, 1e-2, 0.1, 0.4):
                K = matern(distance, float(scale)) + noise * torch.eye(y.shape[1])
                mean, sd, evidence = predictive(K, v, at)
                m, s = mean[:, None] * sd0 + mu, sd[:, None] * sd0
                cdf = torch.distributions.Normal(m, s).cdf(EDGES[None])
                cdf[:, 0], cdf[:, -1] = 0, 1
                mixture.append((evidence, cdf[:, 1:] - cdf[:, :-1]))
        w = torch.softmax(torch.stack([e for e, _ in mixture]), 0)
        p = 0.99 * (w[..., None] * torch.stack([q for _, q in mixture])).sum(0) + 0.01 / nd.BINS
        fails = ((y[:, :at] == nd.BINS).float().sum(1, keepdim=True) + 0.2) / (at + 0.4)
        p = torch.cat([p * (1 - fails), fails], 1)
        asked = goal[:, at] == nd.QUERY
        total += float(-(p.gather(1, y[:, at, None])[:, 0].log() * asked).sum())
        count += int(asked.sum())
    return total / count


def main() -> None:
    torch.set_num_threads(1)
    out: dict[str, list[float]] = {name: [] for name in FAMILIES}
    cells: dict[str, list[float]] = {}
    for (d, n, family), data in validation_sets():
        if family < 0:
            continue
        value = nll(data, d, n)
        out[FAMILIES[family]].append(value)
        cells.setdefault(f"d{d}n{n}", []).append(value)
    means = {name: sum(v) / len(v) for name, v in out.items()}
    means |= {cell: sum(v) / len(v) for cell, v in cells.items()}
    (Path(__file__).parent / "reference.json").write_text(json.dumps(means, indent=1) + "\n")
    print(means)


if __name__ == "__main__":
    main()
