"""``trialogue targets`` and the two ways to run one, as users do."""

import json
from pathlib import Path

import pytest
from contracts.command_line import Cli, in_process

from trialogue.api.study_files.study_file import read_specification
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.targets.catalogue import MODULES

OWN = """
from trialogue import Float, Problem, SearchSpace
from trialogue.evaluators.targets.target import GalleryTarget

SPACE = SearchSpace([Float("x", -1, 1, default=0.5, description="where")])


def target():
    return GalleryTarget(Problem("bowl", SPACE, description="A bowl."), lambda params: params["x"] ** 2, source="here")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    return in_process(capsys)


def test_all_targets_are_listed_one_a_line(here: Cli) -> None:
    lines = here("targets").stdout.splitlines()
    assert lines[0].split() == ["target", "family", "parameters", "objectives", "seconds", "source"]
    assert {line.split()[0] for line in lines[1:]} == set(MODULES)


def test_a_family_is_listed_alone_and_as_json(here: Cli) -> None:
    listed = json.loads(here("targets", "--family", "diffusion", "--json").stdout)
    assert {t["family"] for t in listed} == {"diffusion"}
    assert all(t["claim"] and t["source"] for t in listed)


def test_the_page_has_a_card_of_each_and_pictures_of_ours(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "bowl_of_mine.py").write_text(OWN)
    assert here("targets", "deis", "--page", "one.html").stdout == "one.html\n"
    assert (tmp_path / "one.html").read_text().count("<svg") == 1
    here("targets", "--from", "bowl_of_mine.py:target", "--family", "own", "--page", "own.html")
    own = (tmp_path / "own.html").read_text()
    assert 'id="bowl"' in own
    assert 'id="deis"' not in own


def test_one_target_is_shown_in_full(here: Cli) -> None:
    card = here("targets", "deis").stdout
    assert "order" in card
    assert "0..3 (default 3)" in card
    assert "Claim: At 10 calls" in card
    assert "trialogue run target:deis" in card


def test_a_target_of_ones_own_is_listed_and_run(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "bowl_of_mine.py").write_text(OWN)
    assert "bowl" in here("targets", "--from", "bowl_of_mine.py:target", "--family", "own").stdout
    assert "run target:bowl_of_mine.py:target --trials" in here("targets", "bowl_of_mine.py:target").stdout
    done = here("run", "target:bowl_of_mine.py:target", "--trials", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["study"] == "bowl"
    assert "bowl" in here("list").stdout


def test_a_target_that_does_not_exist_is_one_message(here: Cli) -> None:
    done = here("run", "target:dies", "--trials", "3")
    assert done.returncode == 2
    assert "did you mean 'deis'?" in done.stderr


def test_a_study_file_may_name_a_target_and_narrow_its_space(tmp_path: Path) -> None:
    (tmp_path / "bowl_of_mine.py").write_text(OWN)
    file = tmp_path / "s.toml"
    file.write_text(
        '[evaluator]\ntarget = "bowl_of_mine.py:target"\n[parameters.x]\ntype="float"\nlow=0\nhigh=1\n'
    )
    read = read_specification(file)
    assert read.problem.name == "bowl"
    assert read.problem.space["x"].low == 0
    assert read.evaluate({"x": 0.5}, None) == 0.25
    file.write_text(file.read_text().replace("parameters.x", "parameters.y"))
    with pytest.raises(InvalidSpecification, match="needs exactly the parameters x"):
        read_specification(file)
