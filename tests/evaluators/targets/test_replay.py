"""Recorded tables: only what was recorded, failures included, and a clock that charges what it took."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.evaluator import EvaluatorContract

from trialogue.evaluators.errors import EvaluationFailed, InvalidParameters, InvalidSpecification
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.programs.call import Evaluate, measure
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.spaces.parameters import Categorical, Int
from trialogue.evaluators.targets.replay import Replay

TABLE = """\
seqs,graphs,spec,note,tok_s,ttft_ms,sem,failed,kind,start_s,seconds
8,true,,x,100,50,1.5,,,30,10
16,true,,x,150,80,2,,,30,10
16,true,,x,154,82,2,,,30,12
16,false,ngram,x,90,200,,,,5,10
64,true,,x,,,,CUDA out of memory,out_of_memory,20,
"""
OBJECTIVES = [Objective("tok_s", "maximize", unit="tok/s")]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "served.csv"
    path.write_text(TABLE)
    return path


def read(path: Path, **more: Any) -> Replay:
    return Replay.read(path, objectives=OBJECTIVES, constraints=["ttft_ms <= 100"], ignore=["note"], **more)


class TestReplay(EvaluatorContract):
    @pytest.fixture
    def problem(self, table: Path) -> Problem:
        return read(table).problem

    @pytest.fixture
    def evaluate(self, table: Path) -> Evaluate:
        return read(table)

    @pytest.fixture
    def working(self) -> Mapping[str, Any]:
        return {"seqs": 8, "graphs": True, "spec": None}

    @pytest.fixture
    def failing(self) -> Mapping[str, Any]:
        return {"seqs": 64, "graphs": True, "spec": None}


def test_the_space_holds_the_rows_and_nothing_else(table: Path) -> None:
    space = read(table).problem.space
    assert space.size == 4
    assert [p.choices for p in space if isinstance(p, Categorical)] == [
        (8, 16, 64),
        (False, True),
        ("ngram", None),
    ]
    assert all(space.satisfies(p) for p in space.decode(np.random.default_rng(0).random((50, 3))))
    with pytest.raises(InvalidParameters, match="Only the 4 listed configurations"):
        read(table)({"seqs": 8, "graphs": False, "spec": None}, Run())


def test_the_clock_charges_starts_measurements_and_failures(table: Path) -> None:
    replay = read(table)
    found = measure(replay, {"seqs": 8, "graphs": True, "spec": None}, replay.problem, Run())
    assert isinstance(found, Measurement)
    assert (found.values, found.sem, found.constraints, found.seconds) == (
        (100.0,),
        (1.5,),
        {"ttft_ms": 50.0},
        40.0,
    )
    with pytest.raises(EvaluationFailed, match="CUDA out of memory") as caught:
        measure(replay, {"seqs": 64, "graphs": True, "spec": None}, replay.problem, Run())
    assert caught.value.kind == "out_of_memory"
    assert replay.clock.now_s == 60.0


def test_replicates_are_chosen_by_seed(table: Path) -> None:
    replay = read(table)
    values = [replay({"seqs": 16, "graphs": True, "spec": None}, Run(seed=s))["tok_s"] for s in range(4)]
    assert values == [150, 154, 150, 154]


def test_parameters_may_be_given_with_scales_and_conditions(table: Path) -> None:
    kinds = [
        Int("seqs", 1, 128, log=True),
        Categorical("graphs", [True, False]),
        Categorical("spec", ["ngram"], when={"graphs": False}),
    ]
    replay = read(table, parameters=kinds)
    assert replay.problem.space.size == 4
    assert replay({"seqs": 8, "graphs": True}, Run())["tok_s"] == 100
    assert replay({"seqs": 16, "graphs": False, "spec": "ngram"}, Run())["tok_s"] == 90


BAD: list[tuple[str, str]] = [
    ("", "has no rows"),
    ("a,tok_s,ttft_ms\n", "has no rows"),
    ("a,tok_s\n1,2\n", "has no column 'ttft_ms'"),
    ("a,a,tok_s,ttft_ms\n1,1,2,3\n", "names a column twice"),
    ("a,tok_s,ttft_ms\n1,2,3\n1,3,4\n", "none of the columns a varies"),
    ("a,tok_s,ttft_ms\n1,2\n", "line 2 .* has not one cell per column"),
    ("a,tok_s,ttft_ms\n1,2,3,4\n", "line 2 .* has not one cell per column"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_tables_that_do_not_hold_what_is_named_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InvalidSpecification, match=message):
        read(path)


def test_rows_may_be_chosen_by_value(table: Path) -> None:
    replay = read(table, only={"graphs": True})
    assert replay.problem.space.names == ("seqs",)
    assert replay.problem.space.size == 3
    with pytest.raises(InvalidSpecification, match="no row has"):
        read(table, only={"graphs": 7})
    with pytest.raises(InvalidSpecification, match="no column 'graph'"):
        read(table, only={"graph": 7})


def test_rows_may_come_from_anywhere() -> None:
    rows = [{"a": a, "objective": a * a} for a in (1, 2, 3)]
    replay = Replay.of_rows(rows)
    found = measure(replay, {"a": 3}, replay.problem, Run())
    assert isinstance(found, Measurement)
    assert (found.value, found.seconds) == (9.0, 0.0)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecification, match="cannot be read as CSV"):
        read(tmp_path / "none.csv")


def test_a_row_without_a_result_is_a_failed_trial(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,tok_s,ttft_ms\n1,,3\n2,5,3\n")
    replay = read(path)
    with pytest.raises(EvaluationFailed, match="got None"):
        measure(replay, {"a": 1}, replay.problem, Run())
