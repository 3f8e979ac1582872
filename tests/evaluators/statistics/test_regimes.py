"""Levels of instances, held against samples whose law is known, and the dip against its definition as a linear program."""

import numpy as np
import pytest
from scipy.optimize import linprog

from trialogue.evaluators.statistics.regimes import chance_of_dip, dip, regimes
from trialogue.serving.errors import InvalidInput

ONE_MODE = {
    "normal": lambda rng, n: rng.normal(size=n),
    "Laplace": lambda rng, n: rng.laplace(size=n),
    "Student, 2 degrees": lambda rng, n: rng.standard_t(2, size=n),
    "Cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "uniform": lambda rng, n: rng.random(n),
}


def least_distance(values: np.ndarray) -> float:
    """The dip by its definition: the least distance to a distribution function that is convex up to a mode and concave
    after it, the best of all values as the mode."""
    x, n = np.sort(values), len(values)
    return min(_with_mode(x, m, n) for m in range(n))


def _with_mode(x: np.ndarray, m: int, n: int) -> float:
    at = [*range(m + 1), *range(m, n)]  # the mode twice: the function may jump there
    rows, ends = [], []

    def less(coefficients: dict[int, float], end: float) -> None:
        rows.append([coefficients.get(i, 0.0) for i in range(len(at) + 1)])
        ends.append(end)

    for i, k in enumerate(at):
        told = [k / n] if i <= m else [(k + 1) / n]
        told += [(k + 1) / n] if i < m else [k / n] if i > m + 1 else []
        for f in told:
            less({i: 1, len(at): -1}, f)
            less({i: -1, len(at): -1}, -f)
        if i:
            less({i - 1: 1, i: -1}, 0)
    for i in [*range(1, m), *range(m + 2, len(at) - 1)]:
        before, after = 1 / (x[at[i]] - x[at[i - 1]]), 1 / (x[at[i + 1]] - x[at[i]])
        sign = 1 if i < m else -1
        less({i: sign * (before + after), i - 1: -sign * before, i + 1: -sign * after}, 0)
    cost = [0.0] * len(at) + [1.0]
    solved = linprog(cost, A_ub=rows, b_ub=ends, bounds=[(0, 1)] * len(cost))
    return solved.fun if solved.status == 0 else 1.0


def test_the_dip_is_the_distance_of_its_definition() -> None:
    rng = np.random.default_rng(0)
    for n in (4, 5, 7):
        for sample in (rng.random(n), np.concatenate([rng.normal(0, 0.1, 2), rng.normal(1, 0.1, n - 2)])):
            assert dip(sample) == pytest.approx(least_distance(sample), abs=1e-7)


@pytest.mark.parametrize("law", ONE_MODE)
def test_of_one_level_a_false_alarm_is_as_rare_as_asked(law: str) -> None:
    rng = np.random.default_rng(5)
    drawn = [np.exp(0.1 * ONE_MODE[law](rng, 7).clip(-1e3, 1e3)) for _ in range(300)]
    alarms = sum(regimes(values, 0.0) is not None for values in drawn)
    assert alarms / len(drawn) <= 0.07, (
        f"{alarms} of {len(drawn)}"
    )  # 5 %, and two standard deviations of 300 draws


def test_two_levels_are_named_with_their_instances() -> None:
    values = [100.0, 151.0, 101.0, 99.4, 149.2, 150.3, 100.7]
    found = regimes(values, 0.01)
    assert found is not None
    assert (found.in_low, found.in_high) == ((0, 2, 3, 6), (1, 4, 5))
    assert (found.low, found.high) == (pytest.approx(100.3, abs=0.1), pytest.approx(150.2, abs=0.1))
    assert found.chance <= 0.01


def test_two_levels_are_found_in_most_samples_of_them() -> None:
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(100):
        high = rng.permutation([0, 0, 0, 0, 1, 1, 1])
        found += regimes(np.exp(0.3 * high + 0.02 * rng.normal(size=7)), 0.02) is not None
    assert found >= 80, found


def test_levels_inside_the_noise_of_an_instance_and_few_instances_say_nothing() -> None:
    values = [100.0, 151.0, 101.0, 99.4, 149.2, 150.3, 100.7]
    assert regimes(values, 0.2) is None
    assert regimes(values[:4], 0.01) is None
    assert (
        regimes([100.0, 100.3, 100.1, 99.8, 100.2, 260.0], 0.01) is None
    )  # one that stands alone is no level


def test_equal_values_have_no_levels() -> None:
    assert dip([1.0] * 6) == pytest.approx(1 / 12)
    assert regimes([1.0] * 6, 0.0) is None
    assert chance_of_dip(1 / 14, 7) == 1.0


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0, 2.0, 3.0], [1.0, float("nan"), 1.0, 2.0, 3.0]])
def test_what_has_no_logarithm_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidInput, match="above 0"):
        regimes(values, 0.1)
