"""Averages of weights, and a greedy soup that is never worse than its best ingredient on what it is chosen by."""

import pytest
import torch

from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.digits import accuracy, digits
from trialogue.evaluators.targets.finetuning.model_soups import average, fine_tuned, greedy, target
from trialogue.evaluators.targets.networks import generator, mlp


def test_an_average_of_weights_is_the_mean_of_each() -> None:
    runs = [mlp([64, 4, 10], generator(s)) for s in range(3)]
    soup = average(runs)
    for mean, *weights in zip(soup.parameters(), *(r.parameters() for r in runs), strict=True):
        assert torch.allclose(mean, torch.stack(list(weights)).mean(0))


@pytest.mark.parametrize("seed", range(2))
def test_a_greedy_soup_is_never_worse_on_held_out_images(seed: int) -> None:
    params = target().problem.space.default() | {"epochs": 2, "spread": 10.0, "lr": 0.01}
    runs, choose = fine_tuned(params, Run(seed=seed, fidelity=0.2)), digits()[1]
    assert accuracy(greedy(runs, choose), choose) >= max(accuracy(r, choose) for r in runs)


def test_one_ingredient_is_tuned_at_the_middle_rate() -> None:
    params = target().problem.space.default() | {"epochs": 1, "ingredients": 1}
    assert len(fine_tuned(params, Run(seed=0, fidelity=0.2))) == 1
