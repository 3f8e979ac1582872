"""Intervals: what is inside one gives logits within its bounds, all of them meet, and the bounds close around the middle."""

from typing import Any

import torch

from trialogue.evaluators.targets.continual.interval_embeddings import IntervalHypernetwork, target
from trialogue.evaluators.targets.continual.scenarios import TASKS
from trialogue.evaluators.targets.networks import generator


def network(**changed: Any) -> IntervalHypernetwork:
    return IntervalHypernetwork(target().problem.space.default() | changed, generator(0))


def test_whatever_is_in_the_interval_gives_logits_within_its_bounds() -> None:
    made, stream = network(gamma=5.0), generator(1)
    x = torch.rand(20, 64, generator=stream)
    with torch.no_grad():
        centre = made.embedding(0)
        lower, middle, upper = made.logits(x, made.weights(centre, made.reach))
        assert bool((lower < middle).all() and (middle < upper).all())
        for _ in range(20):
            inside = centre + made.reach * (2 * torch.rand(len(centre), generator=stream) - 1)
            logits = made.logits(x, made.weights(inside, 0.0))[1]
            assert bool((logits >= lower - 1e-4).all() and (logits <= upper + 1e-4).all())


def test_a_point_is_its_own_interval() -> None:
    made = network()
    with torch.no_grad():
        lower, middle, upper = made.weights(made.embedding(1), 0.0)
    assert torch.allclose(lower, middle, atol=1e-6)
    assert torch.allclose(upper, middle, atol=1e-6)


def test_all_intervals_meet() -> None:
    made = network(gamma=3.0, embedding=6)
    with torch.no_grad():
        meeting = made.meeting(TASKS)
        for task in range(TASKS):
            assert bool(((meeting - made.embedding(task)).abs() <= made.reach + 1e-6).all())
