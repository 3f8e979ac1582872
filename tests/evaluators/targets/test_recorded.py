"""What was recorded of the gallery fits the targets there are, and says what the documents say."""

import re
from pathlib import Path

import pytest

from trialogue.evaluators.targets.catalogue import MODULES, load_target
from trialogue.evaluators.targets.recorded import evidence_of, landscape_of

GALLERY = Path(__file__).parents[3] / "docs" / "gallery.md"
ROWS = re.findall(r"^\| `([\w-]+)` \| \w+ \| .*? \| (.*?) \| (yes|\*\*no\*\*) \|$", GALLERY.read_text(), re.M)


@pytest.mark.parametrize("name", MODULES)
def test_a_landscape_is_a_grid_over_two_parameters_of_its_target(name: str) -> None:
    target, drawn = load_target(name), landscape_of(name)
    assert drawn is not None, "record it: python benchmarks/landscapes.py"
    assert drawn.x != drawn.y
    space, cells = target.problem.space, len(drawn.x_values) * len(drawn.y_values)
    for parameter, values in ((drawn.x, drawn.x_values), (drawn.y, drawn.y_values)):
        assert [space[parameter].coerce(v) for v in values] == list(values)
    assert [len(values) for values in drawn.objectives] == [cells] * len(target.problem.objectives)
    assert len(drawn.feasible) == cells
    assert any(v is not None for v in drawn.objectives[0])


def test_the_table_in_the_documents_says_what_was_recorded() -> None:
    assert {name for name, _, _ in ROWS} == set(MODULES)
    for name, measured, holds in ROWS:
        evidence = evidence_of(name)
        assert evidence is not None, name
        assert (evidence.measured, evidence.holds) == (measured, holds == "yes"), name
