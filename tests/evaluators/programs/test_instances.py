"""One configuration on several seeds and data sets: the mean, its standard error, and what is kept of each."""

from pathlib import Path

import pytest

import trialogue as tl
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.programs.instances import Instance, measure_on
from trialogue.evaluators.programs.run import Run, Stopped

SPACE = tl.SearchSpace([tl.Float("x", 0, 1)])
PROBLEM = tl.Problem("p", SPACE, [tl.Objective("score", "maximize")], ["fit_s <= 9"])


def scored(params, run):
    return {"score": params["x"] + run.seed, "fit_s": 2 * run.seed, "depth": run.seed, "note": "text"}


def on(instances, evaluate, tmp_path: Path, **changes):
    return measure_on(instances, evaluate, {"x": 0.5}, PROBLEM, Run(workdir=tmp_path, **changes))


def test_a_result_on_several_seeds_is_the_mean_with_its_standard_error(tmp_path):
    found = on([Instance(0), Instance(1), Instance(2)], scored, tmp_path)
    assert found.values == (1.5,)
    assert found.sem == pytest.approx((1 / 3**0.5,))  # sd 1 over the root of 3
    assert found.constraints == {"fit_s": 2.0}
    assert found.metrics["depth"] == 1.0
    assert [found.metrics[f"score on seed {s}"] for s in (0, 1, 2)] == [0.5, 1.5, 2.5]


def test_each_of_several_runs_is_told_what_the_only_one_is(tmp_path):
    told: list[Run] = []

    def evaluate(params, run):
        told.append(run)
        return {"score": 0.0, "fit_s": 0.0}

    on([Instance(0), Instance(1)], evaluate, tmp_path, fidelity=0.5, self_tuning=True)
    assert [(r.seed, r.fidelity, r.self_tuning) for r in told] == [(0, 0.5, True), (1, 0.5, True)]


def test_how_data_sets_differ_is_no_noise(tmp_path):
    def far_apart(params, run):
        return {"score": run.seed + (1000 if run.data == "hard" else 0), "fit_s": 0}

    instances = [Instance(s, d) for d in ("easy", "hard") for s in (0, 1)]
    found = on(instances, far_apart, tmp_path)
    assert found.value == 500.5
    assert found.sem == pytest.approx((0.5 / 2**0.5,))  # each mean of two seeds has 0.5


def test_one_seed_for_each_data_set_leaves_the_noise_unknown(tmp_path):
    assert on([Instance(None, "a"), Instance(None, "b")], scored, tmp_path).sem is None


def test_a_single_instance_is_passed_through_with_its_reports(tmp_path):
    heard = []

    def reporting(params, run):
        run.report(1, 0.25)
        return {"score": run.seed, "fit_s": 0, "data": run.data}

    found = on(
        [Instance(7, "a")],
        reporting,
        tmp_path,
        on_report=lambda step, value: bool(heard.append((step, value))),
    )
    assert (found.value, heard) == (7, [(1, 0.25)])


def test_the_running_mean_is_reported_and_may_stop_the_rest(tmp_path):
    seeds = []

    def counted(params, run):
        seeds.append(run.seed)
        return {"score": run.seed, "fit_s": 0}

    stopped = on([Instance(s) for s in range(5)], counted, tmp_path, on_report=lambda step, value: step == 2)
    assert (stopped, seeds) == (Stopped(2, 0.5), [0, 1])


def test_a_failure_names_the_instance(tmp_path):
    def failing(params, run):
        raise EvaluationFailed("diverged") if run.seed else ZeroDivisionError

    with pytest.raises(EvaluationFailed, match="on seed 3: diverged"):
        on([Instance(3), Instance(0)], failing, tmp_path)


def test_each_instance_has_a_folder_and_a_checkpoint_of_its_own(tmp_path):
    seen = []

    def looking(params, run):
        seen.append((run.workdir.relative_to(tmp_path), run.workdir.is_dir(), run.checkpoint))
        return {"score": 0, "fit_s": 0}

    on([Instance(1, "a/b"), Instance(2, "a/b")], looking, tmp_path, checkpoint=tmp_path / "parent")
    assert seen[0] == (Path("a-b-seed-1"), True, tmp_path / "parent" / "a-b-seed-1")
    assert seen[1][0] == Path("a-b-seed-2")
