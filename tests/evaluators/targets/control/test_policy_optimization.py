"""The agent: its advantages against sums written out, its limits, and studies that tune on some seeds or tasks."""

from typing import Any

import numpy as np
import pytest
import torch

import trialogue as tl
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.control.policy_optimization import (
    Agent,
    Rollout,
    estimate,
    evaluate,
    target,
)
from trialogue.evaluators.targets.control.tasks import TASKS


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | {"epochs": 1, "batch": 512} | changed


def test_advantages_with_lambda_one_are_what_was_earned_less_what_was_expected() -> None:
    rewards, values, ahead = np.ones((3, 1)), np.full((3, 1), 0.5), np.array([[0.5], [0.5], [4.0]])
    never = np.zeros((3, 1), bool)
    cut = estimate(rewards, values, ahead, never, never, discount=0.5, decay=1.0)
    assert cut[:, 0] == pytest.approx(
        [1 + 0.5 + 0.25 + 0.125 * 4 - 0.5, 1 + 0.5 + 0.25 * 4 - 0.5, 1 + 0.5 * 4 - 0.5]
    )
    over = np.array([[False], [True], [False]])
    ended = estimate(rewards, values, ahead, over, over, discount=0.5, decay=1.0)
    assert ended[:, 0] == pytest.approx([1 + 0.5 - 0.5, 1 - 0.5, 2.5]), (
        "what comes after its end counts for nothing"
    )
    timed_out = estimate(rewards, values, ahead, never, over, discount=0.5, decay=1.0)
    assert timed_out[1, 0] == pytest.approx(1 + 0.5 * 0.5 - 0.5), (
        "out of time, the critic says what would have come"
    )


def pull(moved: float, **changed: Any) -> float:
    """Return how much an update moves the policy to the better action, having moved it by ``moved`` already."""
    agent = Agent(TASKS["pole"], params(entropy=1e-5, **changed), 0)
    seen, actions = torch.zeros(4, 4), torch.tensor([0, 0, 1, 1])
    with torch.no_grad():
        old, returns = agent.actor(seen) - torch.tensor([moved, 0.0]), agent.critic(seen)[:, 0]
    played = Rollout(seen, actions, old, torch.tensor([1.0, 1.0, -1.0, -1.0]), returns)
    agent.loss(played, torch.arange(4)).backward()
    gradient = agent.actor[-1].bias.grad
    assert gradient is not None
    return float(gradient[1] - gradient[0])


def test_a_limit_holds_the_policy_back_once_it_has_moved() -> None:
    assert pull(0.0, limit="clip", clip=0.1) > 0, "what was good gets likelier"
    assert pull(4.0, limit="clip", clip=0.1) == pytest.approx(0, abs=1e-3), "beyond the clip nothing pulls"
    weak, strong = (pull(1.0, limit="penalty", penalty=weight) for weight in (0.01, 10.0))
    assert strong < 0 < weak, "a strong penalty pulls back"


def test_the_data_are_tasks_and_no_others() -> None:
    with pytest.raises(EvaluationFailed, match="pole, pendulum, catch, got 'chess'"):
        evaluate(params(), Run(data="chess", fidelity=0.01))


@pytest.mark.slow
def test_an_agent_learns_to_catch() -> None:
    score = evaluate(params(lr=0.01, batch=128, epochs=4), Run(data="catch", seed=0)).value
    assert score > 0.6


def test_a_study_tunes_on_some_seeds_and_is_tested_on_others() -> None:
    protocol = tl.StudyProtocol(
        seeds={"tuning": [0, 1], "test": [100, 101]}, data={"tuning": ["catch"], "test": ["pendulum"]}
    )
    study = tl.Study(target().problem, strategy="random", storage=None, protocol=protocol)
    study.run(target(), n_trials=2, fidelity=0.01)
    assert {"score on catch, seed 0", "score on catch, seed 1"} <= set(study.trials[0].measurement.metrics)
    score = study.test(target())
    assert score.optimism == pytest.approx(study.winner.value - score.score)
