"""Settings replaced from the command line: checked like the file, and told in the same words."""

from pathlib import Path

import pytest

from trialogue.api.study_files.changes import with_changes
from trialogue.api.study_files.study_file import read_specification
from trialogue.api.study_files.tables import BudgetTable, EngineTable, StudySettings
from trialogue.evaluators.errors import InvalidSpecification


def test_keys_and_keys_of_tables_are_replaced_and_the_rest_stays() -> None:
    before = StudySettings(seed=3, engine=EngineTable(design_trials=6))
    after = with_changes(before, ["engine.design=dpp", "strategy = 'surrogate:forest'", "budget.trials=7"])
    assert (after.seed, after.strategy) == (3, "surrogate:forest")
    assert after.engine == EngineTable(design="dpp", design_trials=6)
    assert after.budget == BudgetTable(trials=7)


def test_a_planner_is_a_text_or_a_table_and_takes_choices() -> None:
    table = {"spec": "http://h/v1#m", "history": "mig", "instructions": "fusion"}
    stated = StudySettings.model_validate({"planner": table})
    assert stated.planner == "http://h/v1#m;history=mig;instructions=fusion"
    after = with_changes(stated, ["planner.history=recent"])
    assert after.planner == "http://h/v1#m;history=recent;instructions=fusion"


def test_a_file_that_names_study_and_storage_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    space = '[parameters.x]\ntype = "float"\nlow = 0\nhigh = 1\n'
    path.write_text(
        f'[study]\nname = "n"\nstorage = "sqlite:///a.db"\n{space}[evaluator]\ncommand = ["true", "{{x}}"]\n'
    )
    changed = read_specification(path).changed_by(["engine.design=dpp"])
    assert (changed.name, changed.storage) == ("n", "sqlite:///a.db")
    assert changed.settings.engine == EngineTable(design="dpp")
    renamed = read_specification(path).changed_by(["name=m", "storage=sqlite:///b.db"])
    assert (renamed.name, renamed.storage) == ("m", "sqlite:///b.db")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("engine.design", "KEY=VALUE"),
        ("engine.design=latin", "'volume' or 'ariel', got 'latin'"),
        ("engine.desing=dpp", "did you mean 'design'"),
        ("planner.histroy=mig", "knows spec, history, instructions, referee, not 'histroy'"),
        ("planner.history=mig", "needs `spec`"),
        ("planner.spec=embedded;history=mig", "the embedded planner reads numbers"),
        ("seed.x=1", "'seed' is no table"),
        ("seed='x'", "must be a whole number"),
    ],
)
def test_what_is_wrong_is_said(said: str, words: str) -> None:
    with pytest.raises(InvalidSpecification, match=words):
        with_changes(StudySettings(seed=1), [said])


@pytest.mark.parametrize("value", ["[" * 10_000 + "]" * 10_000, "9" * 5_000, "nan", "\udcff", "a." * 200])
def test_what_no_setting_can_be_is_refused(value: str) -> None:
    with pytest.raises(InvalidSpecification, match="--set"):
        with_changes(StudySettings(), [f"seed={value}"])


def test_a_file_with_a_mark_of_byte_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    text = "[parameters.x]\ntype = 'float'\nlow = 0\nhigh = 1\n[evaluator]\ncommand = ['true', '{x}']\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_specification(path).problem.space.names == ("x",)
