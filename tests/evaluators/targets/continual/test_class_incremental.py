"""What is remembered, what a method adds to the loss, weights of one length, and tuning on other data than reported on."""

from typing import Any

import pytest
import torch

import trialogue as tl
from trialogue.evaluators.targets.continual.class_incremental import REMEMBERED, ReplayLearner, target
from trialogue.evaluators.targets.continual.scenarios import scenario


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | {"logits": 0.5, "distill": 1.0, "temperature": 2.0} | changed


def learnt(tasks: int, **changed: Any) -> ReplayLearner:
    learner = ReplayLearner(params(**changed), 0)
    for part in scenario("", 0)[:tasks]:
        learner.learn(part, 1)
    return learner


def test_some_images_of_each_class_are_remembered_with_what_was_said_of_them() -> None:
    memory = learnt(2).memory
    assert memory is not None
    classes = [c for part in scenario("", 0)[:2] for c in part.classes]
    assert sorted(memory.images.y.tolist()) == sorted(classes * REMEMBERED)
    assert memory.logits.shape == (4 * REMEMBERED, 10)


def test_new_classes_are_scaled_to_the_length_of_old_ones() -> None:
    learner, parts = learnt(1), scenario("", 0)
    with torch.no_grad():
        learner.network[-1].weight[list(parts[1].classes)] *= 3
    learner.align(parts[1].classes)
    lengths = learner.network[-1].weight.norm(dim=1)
    old, new = (float(lengths[list(part.classes)].mean().detach()) for part in parts[:2])
    assert new == pytest.approx(old, rel=1e-5)


@pytest.mark.parametrize(("method", "weight"), [("dark", "logits"), ("distill", "distill")])
def test_a_method_costs_nothing_where_nothing_has_changed(method: str, weight: str) -> None:
    """Right after a task the network still says what it said: only what a method adds afterwards is its own."""
    part = scenario("", 0)[0]
    losses = []
    for strength in (0.01, 10.0):
        learner = learnt(1, method=method)
        learner._params = params(method=method, **{weight: strength})
        learner._stream.manual_seed(5)
        with torch.no_grad():
            before = float(learner.loss(part.train.x[:32], part.train.y[:32]))
            learner.network[-1].bias[0] += 5
            learner._stream.manual_seed(5)
            losses.append((before, float(learner.loss(part.train.x[:32], part.train.y[:32]))))
    (weak, weak_moved), (strong, strong_moved) = losses
    assert strong == pytest.approx(weak, abs=1e-4)
    assert strong_moved > weak_moved + 1


def test_a_study_tunes_on_one_data_set_and_reports_on_the_other() -> None:
    protocol = tl.StudyProtocol(
        data={"tuning": ["digits"], "test": ["glyphs"]}, seeds={"tuning": [0], "test": [10, 11]}
    )
    study = tl.Study(target().problem, strategy="random", storage=None, protocol=protocol)
    study.run(target(), n_trials=2, fidelity=0.05)
    score = study.test(target())
    assert score.score is not None
    assert score.optimism == pytest.approx(study.winner.value - score.score)
