"""A study file becomes a problem and an evaluator; its mistakes are told with file and table."""

import re
from pathlib import Path

import pytest

from trialogue.agent.budget import Budget
from trialogue.api.study_files.study_file import parse_specification, read_specification
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.programs.run import Run

FULL = """
[study]
name = "svm"
storage = "sqlite:///svm.db"
seed = 7
planner = "embedded"
budget = { trials = 30, tokens = 1000 }
[problem]
description = "a test"
objectives = [{ name = "y", direction = "maximize", unit = "s" }, { name = "z", direction = "minimize" }]
constraints = [{ name = "fit_s", upper = 2.0 }, "ram_gb <= 4"]
where = ["a <= b"]
context = { n = 3 }
[parameters.kind]
type = "categorical"
choices = ["x", "y"]
default = "y"
[parameters.a]
type = "float"
low = 0.1
high = 1.0
log = true
when = { kind = ["x"] }
[parameters.b]
type = "int"
low = 1
high = 5
unit = "trees"
[evaluator]
function = "target.py:measure"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "target.py").write_text("def measure(params):\n    return 1.0, float(params['b'])\n")
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_everything_a_file_can_say_is_read(tmp_path: Path) -> None:
    read = read_specification(written(tmp_path, FULL))
    settings = read.settings
    assert (read.name, read.storage, settings.seed, settings.planner) == (
        "svm", "sqlite:///svm.db", 7, "embedded",
    )  # fmt: skip
    assert settings.budget is not None
    assert settings.budget.budget() == Budget(trials=30, tokens=1000)
    problem = read.problem
    assert [o.name for o in problem.objectives or ()] == ["y", "z"]
    assert problem.space.names == ("kind", "a", "b")
    assert problem.space.where == ("a <= b",)
    assert problem.space.default()["kind"] == "y"
    assert problem.context["n"] == 3
    assert read.evaluate({"kind": "y", "b": 3}) == (1.0, 3.0)


def test_a_bundled_target_brings_its_own_problem(tmp_path: Path) -> None:
    text = '[evaluator]\nsklearn = { dataset = "wine", model = "knn" }\n'
    read = read_specification(written(tmp_path, text))
    assert "n_neighbors" in read.problem.space.names
    assert read.evaluate(read.problem.space.default(), Run()).value > 0.8


def test_fidelity_stands_beside_any_evaluator_and_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "seen.py").write_text("def seen(params, run):\n    return run.fidelity\n")
    text = '[parameters.x]\ntype = "float"\nlow = 0\nhigh = 1\n[evaluator]\nfunction = "seen.py:seen"\n'
    stated = read_specification(written(tmp_path, text + "fidelity = 0.5\n"))
    assert stated.evaluate({}, Run()) == 0.5
    assert stated.at(0.5).evaluate({}, Run()) == 0.25
    with pytest.raises(InvalidSpecification, match=r"\[evaluator\].*`fidelity` must be a number"):
        read_specification(written(tmp_path, text + "fidelity = 2\n"))


def test_a_file_may_narrow_the_space_of_a_bundled_target(tmp_path: Path) -> None:
    text = '[parameters.n_neighbors]\ntype = "int"\nlow = 1\nhigh = 9\n'
    text += '[evaluator]\nsklearn = { dataset = "wine", model = "knn" }\n'
    read = read_specification(written(tmp_path, text))
    assert read.problem.space.names == ("n_neighbors",)
    assert [o.name for o in read.problem.objectives or ()] == ["accuracy"]


def test_a_recorded_table_is_its_own_space(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("batch,mode,tok_s\n1,a,10\n8,a,30\n8,b,20\n")
    text = '[problem]\nobjectives = [{ name = "tok_s", direction = "maximize" }]\n[evaluator]\nreplay = "table.csv"\n'
    read = read_specification(written(tmp_path, text))
    assert read.problem.space.size == 3
    assert read.evaluate({"batch": 8, "mode": "a"}, Run())["tok_s"] == 30


RECORDED = '[problem]\nobjectives = [{ name = "tok_s", direction = "maximize" }]\n[evaluator]\nreplay = "table.csv"\n'


def test_rows_of_a_recorded_table_are_chosen_and_columns_left_out(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("gpu,batch,tok_s,note\nA100,1,2,a\nA100,8,16,b\nT4,1,1,c\nT4,8,8,d\n")
    text = RECORDED + 'ignore = ["note"]\nonly = { gpu = "A100" }\n'
    read = read_specification(written(tmp_path, text))
    assert read.problem.space.names == ("batch",)
    assert read.evaluate({"batch": 8}, Run())["tok_s"] == 16
    assert read_specification(written(tmp_path, RECORDED + 'only = { gpu = "T4" }\n')).problem.space.size == 2


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('ignore = "note"', "must be a list of columns"),
        ('only = "A100"', "must be a table of columns and values"),
        ('only = { gpu = "H100" }', "no row has"),
        ('only = { cpu = "x" }', "no column 'cpu'"),
    ],
)
def test_rows_that_cannot_be_chosen_are_told(tmp_path: Path, keys: str, told: str) -> None:
    (tmp_path / "table.csv").write_text("gpu,batch,tok_s,note\nA100,1,2,a\nT4,8,8,d\n")
    with pytest.raises(InvalidSpecification, match=re.escape(told)):
        read_specification(written(tmp_path, RECORDED + keys + "\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "needs exactly one of"),
        ('[evaluator]\nfunction = "target.py:measure"', "[parameters.NAME]"),
        (FULL.replace("budget = {", "budgte = {"), "did you mean 'budget'"),
        (FULL.replace("trials = 30", "trails = 30"), "did you mean 'trials'"),
        (FULL.replace("seed = 7", "seed = 1.5"), "`seed` in [study] must be a whole number"),
        (FULL.replace('name = "svm"', "name = 3"), "`name` in [study] must be text"),
        (FULL.replace("target.py:measure", "target.py:nothing"), "nothing"),
        (FULL.replace('"a <= b"', '"a <= c"'), "c"),
        ("[study]\nname = ", "line 2"),
    ],
)
def test_a_mistake_is_told_with_the_file(text: str, told: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidSpecification, match=re.escape(told)) as caught:
        read_specification(path)
    assert str(path) in str(caught.value)


ELSEWHERE = FULL.partition("[evaluator]")[0]


def test_text_from_elsewhere_is_read_alike(tmp_path: Path) -> None:
    here, there = read_specification(written(tmp_path, FULL)), parse_specification(ELSEWHERE)
    assert (there.name, there.problem, there.settings) == (here.name, here.problem, here.settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FULL, "this server never runs anything"),
        (ELSEWHERE.replace('name = "svm"', ""), "needs a `name`"),
        (ELSEWHERE.replace("seed = 7", 'seed = "7"'), "`seed` in [study] must be a whole number, got '7'"),
        (ELSEWHERE.replace("seed = 7", "seed = -1"), "`seed` in [study] must be greater than or equal to 0"),
        (ELSEWHERE.replace("trials = 30", "trials = nan"), "'study.budget.trials' must be a finite number"),
        (
            ELSEWHERE.replace('where = ["a <= b"]', 'where = "a <= b"'),
            "`where` in [problem] must be a list in brackets",
        ),
        ('name = "svm"', "`name` stands in [study], not at the top of the file"),
        ("study = 3", "`study` must be a table, got 3"),
        ("[studdy]", "the file knows no 'studdy'; did you mean 'study'?"),
        ("x = " + "[" * 5_000, "too deeply"),
    ],
)
def test_a_mistake_in_text_from_elsewhere_is_told(text: str, told: str) -> None:
    with pytest.raises(InvalidSpecification, match=re.escape(told)):
        parse_specification(text)


def test_a_setting_that_is_a_table_may_stand_at_the_top() -> None:
    inside = parse_specification(ELSEWHERE).settings
    text = ELSEWHERE.replace("budget = { trials = 30, tokens = 1000 }", "")
    assert parse_specification(text + "[budget]\ntrials = 30\ntokens = 1000\n").settings == inside


def test_a_specification_opens_its_study_and_says_that_it_has_nothing_to_run() -> None:
    specification = parse_specification(ELSEWHERE).planned_by(None)
    study = specification.open(None)
    assert (study.name, study.seed, study.budget) == ("svm", 7, Budget(trials=30, tokens=1000))
    with pytest.raises(InvalidSpecification, match="start a worker"):
        specification.evaluate({})
