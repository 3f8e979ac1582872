"""A target as a value: one thread, its region, and a study that runs it."""

import pytest
from threadpoolctl import threadpool_info

import trialogue as tl
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.target import GalleryTarget

SPACE = tl.SearchSpace(
    [
        tl.Float("x", -1, 1, default=0.5),
        tl.Categorical("kind", ["a", "b"]),
        tl.Int("n", 1, 9, when={"kind": "b"}),
    ]
)


def bowl(params: dict[str, float]) -> float:
    return params["x"] ** 2


def test_a_study_runs_it_as_it_is() -> None:
    target = GalleryTarget(tl.Problem("bowl", SPACE), bowl)
    study = tl.Study(target.problem)
    study.run(target, n_trials=3)
    assert study.best_trial.value <= 0.25
    assert target.name == "bowl"


def test_it_is_computed_on_one_thread() -> None:
    import numpy as np

    assert np.ones(1).sum() == 1
    target = GalleryTarget(
        tl.Problem("threads", SPACE), lambda params: max(pool["num_threads"] for pool in threadpool_info())
    )
    assert target(SPACE.default(), Run()) == 1


def test_the_region_counts_where_its_parameters_are_active() -> None:
    region = {"x": (-0.5, 0.5), "kind": ("a", "b"), "n": (2, 3)}
    target = GalleryTarget(tl.Problem("bowl", SPACE), bowl, region=region)
    assert target.in_region({"x": 0.5, "kind": "a"})
    assert target.in_region({"x": 0.0, "kind": "b", "n": 3})
    assert not target.in_region({"x": 0.0, "kind": "b", "n": 4})
    assert not target.in_region({"x": 0.6, "kind": "a"})


def test_a_region_outside_the_space_is_refused() -> None:
    with pytest.raises(InvalidSpecification, match="must name parameters, got 'y'"):
        GalleryTarget(tl.Problem("bowl", SPACE), bowl, region={"y": (0, 1)})
    with pytest.raises(tl.TrialogueError, match=r"must be in \[-1"):
        GalleryTarget(tl.Problem("bowl", SPACE), bowl, region={"x": (0.0, 2.0)})
