"""The label-free target learns, and its score needs no labels."""

import torch

from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.finetuning.label_free import evaluate, joint_loss, target

DEFAULT = target().problem.space.default()


def test_training_raises_what_a_probe_reads():
    trained = evaluate(DEFAULT, Run())
    assert trained.metrics["probe"] > 75
    assert 1 < trained.value <= 32


def test_embeddings_that_collapse_cost_variance():
    weights = {"invariance": 0.0, "variance": 1.0, "covariance": 0.0}
    collapsed = joint_loss(torch.zeros(8, 32), torch.zeros(8, 32), weights)
    assert collapsed > joint_loss(torch.randn(8, 32), torch.randn(8, 32), weights)
