"""Study files: what they mean, and one clear message for each mistake."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialogue.evaluators.call import measure
from trialogue.evaluators.command import Command
from trialogue.evaluators.errors import InvalidProblem, InvalidSpace, InvalidSpecification
from trialogue.evaluators.measurement import Measurement
from trialogue.evaluators.problem import Constraint, Objective
from trialogue.evaluators.run import Run
from trialogue.evaluators.specification import (
    load_evaluator,
    parse_specification,
    read_specification,
    specification_of,
)
from trialogue.serving.errors import InvalidInput

STUDY = """
[study]
name = "svm-digits"
storage = "sqlite:///svm.db"
budget = { trials = 30 }
planner = "embedded"
[problem]
description = "RBF or linear SVM on the digits images"
objectives = [{ name = "accuracy", direction = "maximize" }]
constraints = [{ name = "fit_s", upper = 2.0 }, "memory_gb <= 4"]
where = ["C >= gamma"]
[parameters.kernel]
type = "categorical"
choices = ["linear", "rbf"]
[parameters.C]
type = "float"
low = 1e-3
high = 1e3
log = true
[parameters.gamma]
type = "float"
low = 1e-5
high = 10.0
log = true
when = { kernel = ["rbf"] }
[evaluator]
command = ["{python}", "train.py", "--c", "{C}"]
timeout_s = 600
"""


def test_a_study_file_says_problem_evaluator_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "STUDY.toml"
    path.write_text(STUDY)
    read = read_specification(path)
    assert read.study_name == "svm-digits"
    assert read.study["budget"] == {"trials": 30}
    assert read.problem.name == "svm-digits"
    assert read.problem.objectives == (Objective("accuracy", "maximize"),)
    assert read.problem.constraints == (Constraint("fit_s", upper=2.0), Constraint("memory_gb", upper=4))
    assert read.problem.space.names == ("kernel", "C", "gamma")
    assert read.problem.space.where == ("C >= gamma",)
    assert read.evaluator_kind == "command"
    evaluator = load_evaluator(read)
    assert isinstance(evaluator, Command)
    assert evaluator.timeout_s == 600
    assert evaluator.cwd == tmp_path


def test_a_function_is_found_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside_spec.py").write_text("def f(params):\n    return params['C']\n")
    text = STUDY[: STUDY.index("[evaluator]")] + '[evaluator]\nfunction = "beside_spec:f"\n'
    assert load_evaluator(parse_specification(text, folder=tmp_path))({"C": 3}) == 3


def test_scikit_learn_targets_bring_their_problem(tmp_path: Path) -> None:
    text = '[evaluator]\nsklearn = { dataset = "wine", model = "knn", max_fit_s = 9 }\n'
    read = parse_specification(text, origin="wine.toml")
    assert read.study_name == "wine"
    assert read.problem.space.names == ("n_neighbors", "weights", "metric", "p")
    assert read.problem.objectives[0].name == "accuracy"
    found = measure(load_evaluator(read), read.problem.space.default(), read.problem, Run(workdir=tmp_path))
    assert isinstance(found, Measurement)
    assert found.value > 0.8


def test_a_table_brings_its_space(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,speed,note\n1,x,3,n\n2,y,4,n\n")
    text = """
    [problem]
    objectives = [{ name = "speed", direction = "maximize" }]
    [evaluator]
    replay = "t.csv"
    ignore = ["note"]
    """
    read = parse_specification(text, folder=tmp_path)
    assert read.problem.space.size == 2
    found = measure(load_evaluator(read), {"a": 2, "b": "y"}, read.problem, Run(workdir=tmp_path))
    assert isinstance(found, Measurement)
    assert found.value == 4
    stated = text + '[parameters]\na = { type = "int", low = 1, high = 9 }\n'
    stated += 'b = { type = "categorical", choices = ["x", "y"] }\n'
    assert parse_specification(stated, folder=tmp_path).problem.space["a"].levels == 9


PARAMETERS = '[parameters.x]\ntype = "float"\nlow = 0\nhigh = 1\n'
BAD: list[tuple[str, type[InvalidInput], str]] = [
    ("[study\n", InvalidSpecification, r"not valid TOML.*line 1"),
    ("a = 1\nb = \n", InvalidSpecification, "line 2"),
    ("a = 1\na = 2\n", InvalidSpecification, "not valid TOML"),
    ("[studdy]\n", InvalidSpecification, r"Unknown key 'studdy'.*did you mean 'study'"),
    (PARAMETERS + "[study]\nbugdet = 1\n", InvalidSpecification, "did you mean 'budget'"),
    (PARAMETERS + "[problem]\nobjective = 1\n", InvalidSpecification, "did you mean 'objectives'"),
    (PARAMETERS + '[evaluator]\ncomand = ["a"]\n', InvalidSpecification, "did you mean 'command'"),
    (
        PARAMETERS + '[evaluator]\nfunction = "a:b"\ntimeout_s = 3\n',
        InvalidSpecification,
        "Unknown key 'timeout_s'",
    ),
    (
        PARAMETERS + '[evaluator]\nfunction = "a:b"\ncommand = ["a"]\n',
        InvalidSpecification,
        "must name one target",
    ),
    ("study = 3\n" + PARAMETERS, InvalidSpecification, r"must be a table, got 3; write \[study\]"),
    ("[study]\nname = 'x'\n", InvalidSpecification, "has no parameters"),
    ("[parameters.x]\nlow = 0\n", InvalidSpace, "`type` must be"),
    ("[parameters.x]\ntype = 'float'\nlow = 2\nhigh = 1\n", InvalidSpace, "`low` must be less than `high`"),
    (
        PARAMETERS + "[problem]\nobjectives = [{name = 'a', direction = 'up'}]\n",
        InvalidProblem,
        "'minimize' or 'maximize'",
    ),
    (PARAMETERS + "[problem]\nobjectives = 'a'\n", InvalidProblem, "`objectives` must be a list"),
    (PARAMETERS + "[problem]\nconstraints = ['a is 3']\n", InvalidProblem, "not understood"),
    (PARAMETERS + "[problem]\nwhere = 'x > 0'\n", InvalidSpace, "must be a list"),
    ("[evaluator]\nsklearn = 'svm'\n", InvalidSpecification, "`sklearn` must be like"),
    ("[evaluator]\nsklearn = { data = 'digits' }\n", InvalidSpecification, "did you mean 'dataset'"),
    ("[evaluator]\nreplay = 'none.csv'\n", InvalidSpecification, "cannot be read as CSV"),
]


@pytest.mark.parametrize(("text", "error", "message"), BAD)
def test_mistakes_have_one_clear_message(text: str, error: type[InvalidInput], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_specification(text)


@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        ("", "names no evaluator"),
        ('[evaluator]\ncommand = ["no-such-program-at-all"]', "there is no program"),
        ('[evaluator]\ncommand = ["{python}", "{y}"]', "nothing fills {y}"),
        ('[evaluator]\nfunction = "nowhere"', "must be 'module:name'"),
        ("[evaluator]\nvllm = {}", "tune-vllm"),
    ],
)
def test_evaluators_that_cannot_work_are_refused_before_the_study(evaluator: str, message: str) -> None:
    specification = parse_specification(PARAMETERS + evaluator)
    with pytest.raises(InvalidSpecification, match=message):
        load_evaluator(specification)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecification, match="There is no file"):
        read_specification(tmp_path / "none.toml")
    with pytest.raises(InvalidSpecification, match="cannot be read"):
        read_specification(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(InvalidSpecification, match="cannot be read"):
        read_specification(tmp_path / "latin.toml")


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in nested tables and lists."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, v in inside for p in _paths(v, (*path, key)))]


def _replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


TABLES = tomllib.loads(STUDY)
ANYTHING = st.recursive(
    st.one_of(st.text(max_size=5), st.integers(), st.floats(), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(_paths(TABLES)[1:]), ANYTHING)
@settings(max_examples=300)
def test_nothing_in_a_file_causes_another_error(path: tuple[str | int, ...], new: Any) -> None:
    try:
        load_evaluator(specification_of(_replaced(TABLES, path, new)))
    except InvalidInput:
        return
