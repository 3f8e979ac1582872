"""The gallery: every target keeps its contract, is found by its name, and costs nothing until it is."""

import subprocess
import sys
from pathlib import Path

import pytest
from contracts.target import TargetContract

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.targets.catalogue import MODULES, load_target
from trialogue.evaluators.targets.target import GalleryTarget


@pytest.mark.parametrize("name", MODULES)
class TestGallery(TargetContract):
    @pytest.fixture
    def target(self, name: str) -> GalleryTarget:
        return load_target(name)

    def test_it_stands_in_its_family_with_a_claim(self, target: GalleryTarget, name: str) -> None:
        assert target.name == name
        assert target.family == MODULES[name].split(".")[0]
        assert target.claim is not None
        assert target.claim.text.endswith(".")


def test_what_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(InvalidSpecification, match="did you mean 'dpm-solver'"):
        load_target("dpm-sovler")


def test_only_what_is_named_is_imported() -> None:
    code = "import sys; from trialogue.evaluators.targets import catalogue as c; c.load_target('deis'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "trialogue.evaluators.targets.diffusion.deis" in loaded
    assert "trialogue.evaluators.targets.diffusion.masked" not in loaded
    assert "torch" not in loaded


OWN = """
from trialogue import Float, Problem, SearchSpace
from trialogue.evaluators.targets.target import GalleryTarget

target = GalleryTarget(Problem("bowl", SearchSpace([Float("x", -1, 1)])), lambda params: params["x"] ** 2)
number = print
"""


def test_a_module_of_ones_own_is_a_target_too(tmp_path: Path) -> None:
    (tmp_path / "bowl_module.py").write_text(OWN)
    assert load_target("bowl_module.py:target", tmp_path).name == "bowl"
    with pytest.raises(InvalidSpecification, match="must be a GalleryTarget"):
        load_target("bowl_module.py:number", tmp_path)
