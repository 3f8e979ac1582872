"""What every evaluator must do, whatever it evaluates: subclass, give one, and its tests run."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.programs.call import Evaluate, measure
from trialogue.evaluators.programs.run import Run, Stopped


class EvaluatorContract:
    """Give ``problem``, ``evaluate`` and a configuration that works; ``failing``: one that does not, or None."""

    deterministic = True
    """Same parameters and seed, same values."""
    reports = False
    """It reports intermediate values."""

    @pytest.fixture
    def problem(self) -> Problem:
        raise NotImplementedError

    @pytest.fixture
    def evaluate(self, tmp_path: Path) -> Evaluate:
        raise NotImplementedError

    @pytest.fixture
    def working(self, problem: Problem) -> Mapping[str, Any]:
        return problem.space.default()

    @pytest.fixture
    def failing(self) -> Mapping[str, Any] | None:
        return None

    @pytest.fixture
    def workdir(self, tmp_path: Path) -> Path:
        folder = tmp_path / "a trial's folder"
        folder.mkdir()
        return folder

    def test_a_working_configuration_has_a_measurement_that_fits(
        self, problem: Problem, evaluate: Evaluate, working: Mapping[str, Any], workdir: Path
    ) -> None:
        measured = measure(evaluate, working, problem, Run(seed=1, workdir=workdir))
        assert isinstance(measured, Measurement)
        assert problem.check(measured) is measured
        assert measured.seconds is not None
        assert measured.seconds >= 0
        assert all(math.isfinite(v) for v in measured.values)

    def test_parameters_are_left_as_they_were(
        self, problem: Problem, evaluate: Evaluate, working: Mapping[str, Any], workdir: Path
    ) -> None:
        before = dict(working)
        measure(evaluate, working, problem, Run(workdir=workdir))
        assert dict(working) == before

    def test_the_same_seed_gives_the_same_values(
        self, problem: Problem, evaluate: Evaluate, working: Mapping[str, Any], workdir: Path
    ) -> None:
        if not self.deterministic:
            pytest.skip("this evaluator measures time")
        first, second = (measure(evaluate, working, problem, Run(seed=3, workdir=workdir)) for _ in range(2))
        assert isinstance(first, Measurement)
        assert isinstance(second, Measurement)
        assert first.values == second.values

    def test_a_failing_configuration_has_a_reason(
        self, problem: Problem, evaluate: Evaluate, failing: Mapping[str, Any] | None, workdir: Path
    ) -> None:
        if failing is None:
            return
        with pytest.raises(EvaluationFailed) as caught:
            measure(evaluate, failing, problem, Run(workdir=workdir))
        assert len(caught.value.reason) > 5
        assert caught.value.kind in {
            "crash",
            "timeout",
            "out_of_memory",
            "constraint",
            "invalid",
            "infrastructure",
        }

    def test_it_ends_when_told_to_stop(
        self, problem: Problem, evaluate: Evaluate, working: Mapping[str, Any], workdir: Path
    ) -> None:
        seen: list[tuple[int, float]] = []

        def stop(step: int, value: float) -> bool:
            seen.append((step, value))
            return True

        run = Run(workdir=workdir, on_report=stop)
        ended = measure(evaluate, working, problem, run)
        if self.reports:
            assert ended == Stopped(*seen[-1])
            assert len(seen) == 1
        else:
            assert isinstance(ended, Measurement)
