"""Figures and reports of an open study: what has nothing to show is not drawn, and a part of the trials is said to be one."""

import pytest

import trialogue as tl
from trialogue.api.reports import drawing


@pytest.fixture
def study() -> tl.Study:
    space = tl.SearchSpace([tl.Float("x", 0.0, 1.0)])
    study = tl.Study(tl.Problem("line", space, [tl.Objective("y", "maximize")]), storage=None)
    study.add_many([({"x": i / 30}, float(i)) for i in range(30)])
    return study


def test_a_page_of_a_part_of_the_trials_says_so(study: tl.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawing.draw(study, "history")["summary"].startswith("30 trials; the best y is 29")
    monkeypatch.setattr(drawing, "MOST", 12)
    drawn = len(drawing.drawn_records(study)[0])
    assert drawn < 30
    assert f"{drawn} of 30 trials" in drawing.page_of(study)
    assert drawing.draw(study, "history")["summary"].startswith(
        f"30 trials ({drawn} drawn); the best y is 29"
    )


def test_nothing_is_drawn_of_what_nobody_expected(study: tl.Study) -> None:
    with pytest.raises(drawing.NothingToDraw, match="expected"):
        drawing.draw(study, "calibration")
