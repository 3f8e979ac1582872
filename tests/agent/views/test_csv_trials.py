"""A table of trials is read as it was written, whatever the names and the choices are."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from contracts.results import Results, results, typed
from hypothesis import given, settings

from trialogue.agent.ledger.records import Failure, TrialRecord
from trialogue.agent.study.add_results import from_csv
from trialogue.agent.views.csv_trials import read_csv, write_csv
from trialogue.evaluators.errors import InvalidMeasurement, InvalidSpecification
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical, Float
from trialogue.evaluators.spaces.space import SearchSpace


def record(number: int, params: Mapping[str, Any], ending: Any, excluded: str | None = None) -> TrialRecord:
    state = "finished" if isinstance(ending, Measurement) else "failed"
    return TrialRecord(number, params, state, "user", "added", "a\rreason", ending=ending, excluded=excluded)


def written(problem: Problem, records: list[TrialRecord]) -> str:
    file = io.StringIO(newline="")
    write_csv(file, problem, [r.to_dict() for r in records])
    return file.getvalue()


@settings(max_examples=200, deadline=None)
@given(results())
def test_what_is_exported_is_read_again_with_its_types(
    tmp_path_factory: pytest.TempPathFactory, study: Results
) -> None:
    problem, rows = study
    file = tmp_path_factory.mktemp("csv") / "t.csv"
    text = written(problem, [record(i, params, found) for i, (params, found) in enumerate(rows)])
    file.write_text(text, encoding="utf-8", newline="")
    read = from_csv(problem, file)
    assert read.left_out == ()
    assert [typed(params) for params, _ in read.rows] == [typed(params) for params, _ in rows]
    for (_, now), (_, before) in zip(read.rows, rows, strict=True):
        for part in ("values", "sem", "constraints", "metrics", "seconds", "cost"):
            assert typed(getattr(now, part)) == typed(getattr(before, part)), part


def test_plain_tables_have_plain_headers() -> None:
    space = SearchSpace([Categorical("c", [None, "l1", True, 2]), Float("x", 0, 1, when={"c": ["l1"]})])
    problem = Problem("p", space, [Objective("loss")], ["fit_s <= 2"])
    rows = [
        record(0, {"c": None}, Measurement(1.0, constraints={"fit_s": 1}, metrics={"epochs": 3})),
        record(1, {"c": "l1", "x": 0.5}, Failure("crash", "no")),
    ]
    assert written(problem, rows).splitlines()[0] == (
        "number,state,c,x,loss,fit_s,source,verdict,why,hypothesis,failure,excluded,epochs"
    )
    assert written(problem, rows).splitlines()[1].startswith("0,finished,None,,1.0,1.0,user")


@pytest.mark.parametrize(
    ("choices", "cell", "value"),
    [
        ([8, 16], "16.0", 16.0),
        ([True, False], "true", True),
        ([True, False], "False", False),
        ([None, "a"], "null", None),
        (["1", 1], '"1"', "1"),
        (["1", 1], "1", 1),
        ([1, 2], "[1]", "[1]"),
    ],
)
def test_choices_written_by_hand_are_understood(
    tmp_path: Path, choices: list[Any], cell: str, value: Any
) -> None:
    file = tmp_path / "t.csv"
    cell = cell.replace('"', '""')
    file.write_text(f'c,loss\n"{cell}",1\n')
    problem = Problem("p", SearchSpace([Categorical("c", choices)]), [Objective("loss")])
    (row,) = read_csv(problem, file)
    assert typed(row.params) == typed({"c": value})


def test_a_column_that_could_be_a_parameter_or_the_objective_is_refused(tmp_path: Path) -> None:
    problem = Problem("p", SearchSpace([Float("loss", 0, 1)]), [Objective("loss")])
    file = tmp_path / "t.csv"
    file.write_text("loss\n0.5\n")
    with pytest.raises(InvalidMeasurement, match="'parameter:loss' and 'objective:loss'"):
        read_csv(problem, file)
    file.write_text("parameter:loss,loss\n0.5,2\n")
    (row,) = read_csv(problem, file)
    assert (row.params, row.measured["values"]) == ({"loss": 0.5}, [2])


def test_a_limit_on_an_objective_is_read_from_its_column(tmp_path: Path) -> None:
    problem = Problem("p", SearchSpace([Float("x", 0, 1)]), [Objective("loss")], ["loss <= 3", "x <= 1"])
    file = tmp_path / "t.csv"
    file.write_text("x,loss,note,\n0.5,2,monday,3\n")
    (row,) = read_csv(problem, file)
    assert row.measured["constraints"] == {"loss": 2}
    assert row.measured["metrics"] == {"note": "monday"}


def test_an_excluded_trial_stays_excluded(tmp_path: Path) -> None:
    problem = Problem("p", SearchSpace([Float("x", 0, 1)]), [Objective("loss")])
    file = tmp_path / "t.csv"
    file.write_text(written(problem, [record(0, {"x": 0.5}, Measurement(1.0), "bad node")]))
    assert from_csv(problem, file).excluded == {0: "bad node"}


def test_a_cell_that_no_reader_takes_is_said(tmp_path: Path) -> None:
    problem = Problem("p", SearchSpace([Float("x", 0, 1)]), [Objective("loss")])
    file = tmp_path / "t.csv"
    file.write_text("x,loss\n0.5,1\n" + "9" * 200_000 + ",1\n")
    with pytest.raises(InvalidMeasurement, match="is no table, at line"):
        read_csv(problem, file)


@pytest.mark.parametrize("content", ["x,größe\n1,2\n".encode("latin-1"), "x,y\n1,2\n".encode("utf-16")])
def test_a_table_that_is_not_utf_8_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidSpecification, match="must be UTF-8 text"):
        read_csv(Problem("p", SearchSpace([Float("x", 0, 1)]), [Objective("y")]), path)
