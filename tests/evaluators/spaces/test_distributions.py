"""Optuna's distributions contain every value of ours."""

import numpy as np
import pytest

from trialogue.evaluators.spaces.distributions import distribution
from trialogue.evaluators.spaces.parameters import Float


@pytest.mark.parametrize(
    "parameter",
    [
        Float("x", 0, 1, step=1 / 3),
        Float("x", 0, 1, step=2**-20),
        Float("x", 0, 1, step=1e-10),
        Float("x", -0.3, 0.3, step=0.1),
        Float("x", 1, 1e6, step=1e-5, log=True),
    ],
)
def test_every_grid_value_is_in_the_distribution(parameter: Float) -> None:
    contains = distribution(parameter)._contains
    values = parameter.decode(np.linspace(0, 1, 1001))
    assert [v for v in values if not contains(v)] == []
    assert not contains(parameter.high + 0.5)
