"""Schedules at their corners, and text whose entropy is known."""

from typing import Any

import numpy as np
import pytest

from trialogue.evaluators.targets.language import power_schedule
from trialogue.evaluators.targets.language.power_schedule import MAX_LR, rate, target, transitions, windows


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | {"exponent": -0.5, "decay": 0.2, "warm_up": 0.0} | changed


def test_the_power_law_holds_between_warm_up_and_decay_whatever_the_budget() -> None:
    power = params(schedule="power", lr=0.01)
    assert rate(power, 4000, 10_000) == pytest.approx(0.005)
    assert rate(power, 4000, 90_000) == pytest.approx(0.005)
    assert rate(power, 0, 90_000) == MAX_LR


def test_all_schedules_end_at_a_tenth() -> None:
    assert rate(params(schedule="constant", lr=0.01), 10_000, 10_000) == pytest.approx(0.001)
    assert rate(params(schedule="cosine", lr=0.01), 10_000, 10_000) == pytest.approx(0.001)
    assert rate(params(schedule="constant", lr=0.01), 7_999, 10_000) == 0.01
    assert rate(params(schedule="constant", lr=0.01, decay=0.0), 10_000, 10_000) == 0.01


def test_warm_up_is_linear() -> None:
    warm = params(schedule="constant", lr=0.01, warm_up=0.1)
    assert rate(warm, 500, 10_000) == pytest.approx(0.005)


def test_the_text_follows_its_chain() -> None:
    text = windows(60_000, np.random.default_rng(0)).numpy()
    a, b = text[0, -3], text[0, -2]
    following = text[(text[:, -3] == a) & (text[:, -2] == b), -1]
    shares = np.bincount(following, minlength=power_schedule.TOKENS) / len(following)
    assert 0.5 * np.abs(shares - transitions()[a, b]).sum() < 0.15
