"""Measurements hold finite numbers only."""

import json
import math
from dataclasses import asdict
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

from trialogue.agent.study.study import Study
from trialogue.evaluators.errors import InvalidMeasurement
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.spaces.parameters import Float
from trialogue.evaluators.spaces.space import SearchSpace


def test_one_number_is_one_value() -> None:
    assert Measurement(np.float32(0.5)).values == (0.5,)
    assert Measurement([1, 2], [0.1, 0]).sem == (0.1, 0.0)
    assert Measurement(3).value == 3.0


BAD: list[tuple[Any, dict[str, Any]]] = [
    (math.nan, {}),
    (math.inf, {}),
    ("0.5", {}),
    (b"7", {}),  # what a program printed is no list of numbers
    (bytearray(b"0.5"), {}),
    (1, {"sem": b"1"}),
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


def test_numbers_of_other_libraries_become_plain_ones() -> None:
    found = Measurement(
        np.array([1.0, 2.0], np.float32),
        sem=[np.float32(0.5), np.int64(1)],
        metrics={"n": np.int64(3), "loss": np.float32(0.5), "bad": np.nan, "inf": -np.inf, "note": "ok"},
        seconds=np.int64(2),
        cost=Decimal("0.25"),
    )
    assert json.loads(json.dumps(asdict(found))) == {
        **{"values": [1.0, 2.0], "sem": [0.5, 1.0], "constraints": {}, "seconds": 2.0, "cost": 0.25},
        "metrics": {"n": 3, "loss": 0.5, "note": "ok"},
    }


@pytest.mark.parametrize(
    "bad", [np.array([[1.0]]), np.array([np.nan]), np.array([]), [np.array([1.0])], object(), None]
)
def test_what_is_no_number_is_refused_with_a_typed_error(bad: Any) -> None:
    with pytest.raises(InvalidMeasurement):
        Measurement(bad)
    with pytest.raises(InvalidMeasurement):
        Measurement(1.0, metrics={"x": object()})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("where", ["constraints", "metrics"])
def test_what_maps_no_names_to_numbers_is_refused(where: str) -> None:
    tables: list[Any] = [[1.0], "a", 3, np.array([1.0])]
    for table in tables:
        with pytest.raises(InvalidMeasurement, match=f"`{where}` must be a mapping"):
            Measurement(1.0, **{where: table})


def test_a_masked_number_is_no_result() -> None:
    with pytest.raises(InvalidMeasurement, match="finite numbers"):
        Measurement(np.ma.masked)


def test_a_metric_that_is_a_member_of_an_enumeration_is_kept_as_its_value() -> None:
    class Level(IntEnum):
        LOW = 3

    (metric,) = Measurement(1.0, metrics={"level": Level.LOW}).metrics.values()
    assert type(metric) is int


def test_names_and_texts_of_metrics_are_kept_as_every_database_takes_them() -> None:
    study = Study(Problem("p", SearchSpace([Float("x", 0, 1)])), strategy="random")
    study.run(lambda params: {"value": params["x"], "metrics": {"m\ud800": 1, "n\0": "half \udc00"}}, 2)
    assert [record.state for record in study.trials] == ["finished", "finished"]
    assert study.trials[0].measurement is not None
    assert study.trials[0].measurement.metrics == {"m?": 1, "n\ufffd": "half ?"}


def test_a_program_cannot_give_a_budget_of_seconds_back() -> None:
    with pytest.raises(InvalidMeasurement, match="0 or more, got -1"):
        Measurement(1.0, seconds=-1)
