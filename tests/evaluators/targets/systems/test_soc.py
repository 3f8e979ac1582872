"""Schedules of a frame against what no schedule can beat."""

from typing import Any

import numpy as np
import pytest

from trialogue.evaluators.targets.systems.soc import SPEED, schedule, target, task_graph


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def test_one_core_takes_the_sum_of_all_tasks() -> None:
    tasks = task_graph()
    one = params(little_cores=1, big_cores=0, core_clock=1.0)
    expected = np.sum(tasks.operations / np.array(SPEED["little"])[tasks.kind])
    assert schedule(one, tasks)[0] == pytest.approx(expected)


def test_no_frame_is_faster_than_its_longest_chain() -> None:
    tasks, chip = (
        task_graph(),
        params(little_cores=6, core_clock=1.0, bus_width=64, bus_clock=1.0, big_cores=0),
    )
    takes = tasks.operations / np.array(SPEED["little"])[tasks.kind]
    longest = max(takes[:14].sum(), takes[14:28].sum(), takes[28:42].sum()) + takes[-1]
    for order in ("arrival", "longest", "critical-path"):
        assert schedule(chip | {"order": order}, tasks)[0] >= longest - 1e-9


def test_a_task_waits_for_all_before_it() -> None:
    before = task_graph().before
    assert all(b < i for i, earlier in enumerate(before) for b in earlier)
    assert len(before[-1]) == 3
