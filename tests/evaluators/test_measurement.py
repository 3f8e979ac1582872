"""Measurements hold finite numbers only."""

import math
from typing import Any

import numpy as np
import pytest

from trialogue.evaluators.errors import InvalidMeasurement
from trialogue.evaluators.measurement import Measurement


def test_one_number_is_one_value() -> None:
    assert Measurement(np.float32(0.5)).values == (0.5,)
    assert Measurement([1, 2], [0.1, 0]).sem == (0.1, 0.0)
    assert Measurement(3).value == 3.0


BAD: list[tuple[Any, dict[str, Any]]] = [
    (math.nan, {}),
    (math.inf, {}),
    ("0.5", {}),
    (True, {}),
    (None, {}),
    ([], {}),
    ([1, math.nan], {}),
    (1, {"sem": -1}),
    (1, {"sem": [1, 2]}),
    (1, {"sem": math.nan}),
    (1, {"constraints": {"a": math.inf}}),
    (1, {"constraints": {"a": "x"}}),
]


@pytest.mark.parametrize(("values", "more"), BAD)
def test_what_is_no_finite_number_is_refused(values: Any, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidMeasurement):
        Measurement(values, **more)
