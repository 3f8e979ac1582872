"""Control tasks: they begin anew when they are over, returns are those of whole episodes, and each can be lost and won."""

import numpy as np
import pytest

from trialogue.evaluators.targets.control.tasks import TASKS, Episodes


@pytest.mark.parametrize("name", TASKS)
def test_an_episode_is_over_at_its_horizon_and_begins_anew(name: str) -> None:
    task = TASKS[name]
    episodes = Episodes(task, 3, np.random.default_rng(0))
    ages = np.zeros(3, int)
    for _ in range(task.horizon + 5):
        assert episodes.seen.shape == (3, task.sees)
        *_, over = episodes.step(np.zeros(3, int))
        ages = np.where(over, 0, ages + 1)
        assert (ages < task.horizon).all()
    assert len(episodes.returns) >= 3


def test_a_pole_that_is_only_pushed_falls_and_one_that_is_balanced_stands() -> None:
    episodes = Episodes(TASKS["pole"], 8, np.random.default_rng(0))
    for _ in range(60):
        episodes.step(np.ones(8, int))
    assert np.mean(episodes.returns) < 15
    balanced = Episodes(TASKS["pole"], 8, np.random.default_rng(0))
    for _ in range(500):
        _, speed, angle, turn = balanced.states.T
        balanced.step((angle + 0.5 * turn + 0.1 * speed > 0).astype(int))
    assert np.mean(balanced.returns) > 300


def test_a_caught_ball_is_worth_one_and_a_missed_one_minus_one() -> None:
    episodes = Episodes(TASKS["catch"], 5, np.random.default_rng(0))
    for _ in range(9):
        ball, paddle = episodes.states[:, 1], episodes.states[:, 2]
        episodes.step((np.sign(ball - paddle) + 1).astype(int))
    assert episodes.returns == [1.0] * 5
    assert TASKS["catch"].score(1.0) == 1
    assert TASKS["catch"].score(-1.0) == 0


def test_a_pendulum_upright_costs_nothing() -> None:
    _, rewards, ended = TASKS["pendulum"].step(np.array([[0.0, 0.0], [np.pi, 0.0]]), np.array([2, 2]))
    assert rewards[0] == 0
    assert rewards[1] == pytest.approx(-(np.pi**2))
    assert not ended.any()
