"""The grid of operations: identities do nothing, the mixture moves its choices, a study chains intervals."""

from pathlib import Path

import torch

import trialogue as tl
from trialogue.evaluators.targets.digits import digits
from trialogue.evaluators.targets.training.operation_grid import (
    LAYERS,
    VIEWS,
    GridTraining,
    OperationGrid,
    target,
)


def test_identities_leave_the_view_as_it_is() -> None:
    grid, x = OperationGrid(torch.Generator().manual_seed(0)), digits()[0].x[:3]
    assert torch.equal(grid(x, [0, 0, 0]), grid.head(grid.views[0](x).tanh()))


def test_only_the_mixture_moves_the_choices() -> None:
    alone, mixed = GridTraining(0, only=[0, 1, 1]), GridTraining(0)
    for training in (alone, mixed):
        training.go(4)
    assert all(not bool(alpha.any()) for alpha in alone.grid.choices.alphas)
    assert all(bool(alpha.any()) for alpha in mixed.grid.choices.alphas)


def test_a_study_of_the_grid_is_one_training(tmp_path: Path) -> None:
    study = tl.Study(target().problem, strategy="differentiable", storage=None)
    study.run(target(), n_trials=2, workdir=tmp_path, fidelity=0.1)
    first, second = study.trials
    assert second.source == "differentiable:0:0"
    assert (second.params["view"] in VIEWS, second.params["first"] in LAYERS) == (True, True)
    assert first.value is not None
