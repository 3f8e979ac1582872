"""Fidelity around an evaluator: multiplied with the run's, passed to who takes a run, refused outside (0, 1]."""

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.programs.fidelity import AtFidelity, at_fidelity
from trialogue.evaluators.programs.run import Run


def seen(params: dict[str, float], run: Run) -> float:
    run.report(0, 1.0)
    return run.fidelity


def test_it_is_multiplied_with_the_runs_and_reports_arrive() -> None:
    run = Run(fidelity=0.5)
    assert AtFidelity(seen, 0.5)({}, run) == 0.25
    assert run.reports == [(0, 1.0)]


def test_an_evaluator_that_takes_no_run_is_called_without() -> None:
    assert AtFidelity(lambda params: params["x"], 0.5)({"x": 3.0}, Run()) == 3.0
    assert at_fidelity(seen, None) is seen


@pytest.mark.parametrize("wrong", [0, -1.0, 1.5, float("nan"), "half", True])
def test_what_is_no_share_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidSpecification, match="`fidelity` must be a number"):
        AtFidelity(seen, wrong)
