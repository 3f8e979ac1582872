"""Magnitude pruning keeps the largest weights, and what is pruned stays zero."""

from typing import Any

import pytest

from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.compression.pruning_regimes import evaluate, largest, target
from trialogue.evaluators.targets.networks import generator, mlp


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


@pytest.mark.parametrize("scope", ["global", "uniform"])
def test_the_largest_weights_are_kept(scope: str) -> None:
    network = mlp([64, 32, 10], generator(0))
    masks = largest(network, 0.1, scope)
    sizes = [p.abs() for p in network.parameters() if p.ndim == 2]
    assert sum(int(m.sum()) for m in masks) == pytest.approx(0.1 * sum(s.numel() for s in sizes), abs=3)
    assert all(s[m].min() > s[~m].max() for s, m in zip(sizes, masks, strict=True) if m.any())
    if scope == "uniform":
        assert [m.double().mean().item() for m in masks] == pytest.approx([0.1, 0.1], abs=0.01)


def test_retraining_leaves_what_was_pruned_at_zero() -> None:
    found = evaluate(params(width=32, density=0.1, epochs=2), Run(seed=0, fidelity=0.2))
    assert found.constraints["weights"] == pytest.approx(0.1 * (64 * 32 + 32 * 32 + 320), abs=3)
