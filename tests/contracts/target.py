"""What every target of a gallery must do: subclass, give one, and its tests run. All of them at its lowest fidelity."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.programs.call import measure
from trialogue.evaluators.programs.run import Run, Stopped
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.targets.target import GalleryTarget


class TargetContract:
    """Give ``target``."""

    @pytest.fixture
    def target(self) -> GalleryTarget:
        raise NotImplementedError

    def test_it_says_what_it_is(self, target: GalleryTarget) -> None:
        problem = target.problem
        assert problem.description
        assert target.source
        assert all(p.description for p in problem.space)
        assert all(p.has_default for p in problem.space)
        assert all(o.name for o in problem.objectives)
        assert Problem.from_dict(json.loads(json.dumps(problem.to_dict()))) == problem
        assert 0 < target.low_fidelity <= 1
        assert 0 < target.seconds <= 5

    def test_the_same_seed_gives_the_same_values_whatever_others_draw(self, target: GalleryTarget) -> None:
        params = target.problem.space.default()
        np.random.seed(0)
        torch.manual_seed(0)
        first = measured(target, params, seed=3)
        np.random.seed(1)
        torch.manual_seed(1)
        state = torch.get_rng_state()
        assert measured(target, params, seed=3).values == first.values
        assert torch.equal(torch.get_rng_state(), state)

    def test_every_choice_has_a_result_that_json_can_say(self, target: GalleryTarget) -> None:
        for params in covering(target.problem):
            found = measured(target, params, seed=1)
            assert all(math.isfinite(v) for v in found.values)
            assert set(found.constraints) == {c.name for c in target.problem.constraints}
            json.dumps([found.values, found.constraints, found.metrics], allow_nan=False)

    def test_it_ends_when_told_to_stop(self, target: GalleryTarget) -> None:
        reports: list[int] = []

        def stop(step: int, value: float) -> bool:
            reports.append(step)
            return True

        run = Run(seed=1, fidelity=target.low_fidelity, on_report=stop)
        ended = measure(target, target.problem.space.default(), target.problem, run)
        assert isinstance(ended, Stopped) == bool(reports)
        assert len(reports) <= 1


def measured(target: GalleryTarget, params: Mapping[str, Any], seed: int) -> Measurement:
    found = measure(target, params, target.problem, Run(seed=seed, fidelity=target.low_fidelity))
    assert isinstance(found, Measurement)
    return found


def covering(problem: Problem, most: int = 12) -> Iterator[Mapping[str, Any]]:
    """Yield random configurations until each choice of each categorical parameter was seen; ``most`` of them at most."""
    unseen = {(p.name, c) for p in problem.space if isinstance(p, Categorical) for c in p.choices}
    rng, count = np.random.default_rng(0), 0
    for params in [problem.space.sample(rng, 1)[0] for _ in range(300)]:
        fresh = unseen & set(params.items())
        if (fresh or not count) and count < most:
            unseen, count = unseen - fresh, count + 1
            yield params
