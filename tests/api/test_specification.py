"""Study files: what they mean, and one clear message for each mistake."""

import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialogue.agent.budget import Budget
from trialogue.api.specification import Specification, read_specification
from trialogue.evaluators.call import measure
from trialogue.evaluators.command import Command
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.measurement import Measurement
from trialogue.evaluators.problem import Constraint, Objective
from trialogue.evaluators.run import Run
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


def read(text: str, folder: Path) -> Specification:
    path = folder / "STUDY.toml"
    path.write_text(text)
    return read_specification(path)


def test_a_study_file_says_problem_evaluator_and_settings(tmp_path: Path) -> None:
    found = read(STUDY, tmp_path)
    assert found.name == "svm-digits"
    assert found.budget == Budget(trials=30)
    assert (found.storage, found.planner, found.seed) == ("sqlite:///svm.db", "embedded", None)
    assert found.problem.objectives == (Objective("accuracy", "maximize"),)
    assert found.problem.constraints == (Constraint("fit_s", upper=2.0), Constraint("memory_gb", upper=4))
    assert found.problem.space.names == ("kernel", "C", "gamma")
    assert found.problem.space.where == ("C >= gamma",)
    assert isinstance(found.evaluate, Command)
    assert found.evaluate.timeout_s == 600
    assert found.evaluate.cwd == tmp_path


def test_a_function_is_found_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside_spec.py").write_text("def f(params):\n    return params['C']\n")
    text = STUDY[: STUDY.index("[evaluator]")] + '[evaluator]\nfunction = "beside_spec:f"\n'
    assert read(text, tmp_path).evaluate({"C": 3}) == 3


def test_scikit_learn_targets_bring_their_problem(tmp_path: Path) -> None:
    text = '[evaluator]\nsklearn = { dataset = "wine", model = "knn", max_fit_s = 9 }\n'
    found = read(text, tmp_path)
    assert found.problem.space.names == ("n_neighbors", "weights", "metric", "p")
    assert found.problem.objectives[0].name == "accuracy"
    measured = measure(found.evaluate, found.problem.space.default(), found.problem, Run(workdir=tmp_path))
    assert isinstance(measured, Measurement)
    assert measured.value > 0.8


def test_a_table_brings_its_space(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,gpu,speed,note\n1,x,A,3,n\n2,y,A,4,n\n3,y,B,9,m\n")
    text = """
    [problem]
    description = "recorded"
    objectives = [{ name = "speed", direction = "maximize" }]
    [evaluator]
    replay = "t.csv"
    ignore = ["note"]
    only = { gpu = "A" }
    """
    found = read(text, tmp_path)
    assert found.problem.space.size == 2
    assert found.problem.description == "recorded"
    measured = measure(found.evaluate, {"a": 2, "b": "y"}, found.problem, Run(workdir=tmp_path))
    assert isinstance(measured, Measurement)
    assert measured.value == 4
    stated = text + '[parameters]\na = { type = "int", low = 1, high = 9 }\n'
    stated += 'b = { type = "categorical", choices = ["x", "y"] }\n'
    space = read(stated, tmp_path).problem.space
    assert (space["a"].levels, space.size) == (9, 2)


PARAMETERS = '[parameters.x]\ntype = "float"\nlow = 0\nhigh = 1\n'
WORKS = PARAMETERS + '[evaluator]\nfunction = "math:fsum"\n'
BAD: list[tuple[str, str]] = [
    ("[study\n", r"not TOML.*line 1"),
    ("a = 1\nb = \n", "line 2"),
    ("a = 1\na = 2\n", "not TOML"),
    ("[studdy]\n", r"no 'studdy'; did you mean 'study'"),
    (WORKS + "[study]\nbugdet = 1\n", "did you mean 'budget'"),
    (WORKS + "[study]\nbudget = 3\n", "`budget` must be a table"),
    (WORKS + "[study]\nbudget = { trails = 3 }\n", "did you mean 'trials'"),
    (WORKS + "[study]\nbudget = { trials = -3 }\n", "`budget.trials` must be a number >= 0"),
    (WORKS + "[study]\nseed = 'a'\n", "`seed` must be a whole number"),
    (WORKS + "[problem]\nobjective = 1\n", "did you mean 'objectives'"),
    ("study = 3\n" + WORKS, "must be a table, got 3"),
    ("[evaluator]\nfunction = 'math:fsum'\n", "is needed"),
    (WORKS + "[parameters.y]\nlow = 0\n", "`type` must be"),
    (WORKS + "[parameters.y]\ntype = 'float'\nlow = 2\nhigh = 1\n", "`low` must be less than `high`"),
    (WORKS + "[problem]\nobjectives = [{name = 'a', direction = 'up'}]\n", "'minimize' or 'maximize'"),
    (WORKS + "[problem]\nobjectives = 'a'\n", "`objectives` must be a list"),
    (WORKS + "[problem]\nconstraints = ['a is 3']\n", "not understood"),
    (WORKS + "[problem]\nwhere = 'x > 0'\n", "must be a list"),
    (PARAMETERS, "needs exactly one of command, function, sklearn, replay"),
    (PARAMETERS + '[evaluator]\ncomand = ["a"]\n', "needs exactly one of"),
    (PARAMETERS + '[evaluator]\nfunction = "a:b"\ntimeout_s = 3\n', "no 'timeout_s'"),
    (PARAMETERS + '[evaluator]\nfunction = "a:b"\ncommand = ["a"]\n', "got command and function"),
    (PARAMETERS + '[evaluator]\nfunction = "nowhere"', "must be 'module:name'"),
    (PARAMETERS + '[evaluator]\ncommand = ["no-such-program-at-all"]', "there is no program"),
    (PARAMETERS + '[evaluator]\ncommand = ["{python}", "{y}"]', "nothing fills {y}"),
    ("[evaluator]\nsklearn = 'svm'\n", "`sklearn` must be"),
    ("[evaluator]\nsklearn = { data = 'digits' }\n", "dataset"),
    ("[evaluator]\nreplay = 'none.csv'\n", "cannot be read as CSV"),
    ("[evaluator]\nreplay = 3\n", "`replay` must be a file name"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_mistakes_have_one_clear_message_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidSpecification, match=message) as caught:
        read(text, tmp_path)
    assert "STUDY.toml" in str(caught.value)


def test_files_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(InvalidSpecification, match=r"latin\.toml is not TOML"):
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


def _inline(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value)


@given(st.sampled_from(_paths(TABLES)[1:]), ANYTHING)
@settings(max_examples=200)
def test_nothing_in_a_file_causes_another_error(path: tuple[str | int, ...], new: Any) -> None:
    tables = _replaced(TABLES, path, new)
    with tempfile.TemporaryDirectory() as folder:
        try:
            read("\n".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in tables.items()), Path(folder))
        except InvalidInput:
            return
