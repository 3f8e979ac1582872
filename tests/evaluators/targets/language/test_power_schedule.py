"""Schedules at their corners, and text whose entropy is known."""

from typing import Any

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.targets.language import power_schedule
from trialogue.evaluators.targets.language.power_schedule import MAX_LR, rate, target, transitions, windows


def params(**changed: Any) -> dict[str, Any]:
    return {"lr": 0.01, "a": 0.1, "b": -0.5, "decay": 0.2, "warm_up": 0.0, "batch": 64, "width": 64} | changed


def test_the_power_law_holds_between_warm_up_and_decay_whatever_the_budget() -> None:
    power = params(schedule="power", a=0.1)
    assert rate(power, 3968, 10_000) == pytest.approx(0.1 * 4032**-0.5)
    assert rate(power, 3968, 90_000) == pytest.approx(0.1 * 4032**-0.5)
    assert rate(params(schedule="power", a=2.0), 0, 90_000) == MAX_LR


def test_the_power_rate_grows_with_the_batch_and_ends_at_nothing() -> None:
    small, large = (rate(params(schedule="power", batch=b), 8192 - b, 90_000) for b in (64, 128))
    assert large == pytest.approx(2 * small)
    assert rate(params(schedule="power"), 64_000 - 64, 64_000) == pytest.approx(0.0)


def test_what_the_target_tunes_is_the_public_schedule() -> None:
    space = target().problem.space
    default = space.clip({**space.default(), "schedule": "power"})
    assert {"a", "b", "warm_up", "decay"} <= set(default)
    assert isinstance(power_schedule.power(default, 40_000), tl.PowerSchedule)


def test_constant_and_cosine_end_at_a_tenth() -> None:
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
