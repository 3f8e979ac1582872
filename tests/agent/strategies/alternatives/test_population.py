"""Population based training: members, exploit and explore, lost intervals, checkpoints under run and workers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.contracts import Ask
from trialogue.agent.lineage import member_of, parent_of
from trialogue.agent.strategies.alternatives.population import PopulationStrategy
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.problems.history import (
    FailedTrial,
    FinishedTrial,
    History,
    PrunedTrial,
    RunningTrial,
)
from trialogue.evaluators.programs.run import Run
from trialogue.serving.errors import InvalidInput

SPACE = tl.SearchSpace(
    [tl.Float("rate", 1e-3, 1.0, log=True), tl.Int("k", 1, 9), tl.Categorical("c", ["a", "b"])]
)
PROBLEM = tl.Problem("p", SPACE, objectives=[tl.Objective("score", "maximize")])
POINT = {"rate": 0.1, "k": 4, "c": "a"}


def history(scores: list[float]) -> History:
    """Return a population of members with one finished interval each, of these scores."""
    trials = [
        FinishedTrial(m, {**POINT, "k": 1 + m % 9}, tl.Measurement(score), f"pbt:{m}")
        for m, score in enumerate(scores)
    ]
    return History(PROBLEM).extended(finished=trials)


def plan(given: History, *, members: int = 5, seed: int = 0, n: int = 1):
    strategy = PopulationStrategy(PROBLEM, seed, members=members)
    return strategy.plan(Ask(given, len(given), n)).decisions


def test_a_population_begins_with_different_members() -> None:
    decisions = plan(History(PROBLEM), n=5)
    assert [d.source for d in decisions] == [f"pbt:{m}" for m in range(5)]
    assert len({SPACE.key(d.params) for d in decisions}) == 5


def test_the_worst_takes_over_the_best_and_perturbs_it() -> None:
    for seed in range(20):
        (decision,) = plan(history([0.0, 1.0, 2.0, 3.0, 9.0]), seed=seed)
        assert decision.source == "pbt:0:4"  # member 0 is as far behind as all, and the worst
        rate = decision.params["rate"]
        assert isinstance(rate, float)
        if rate not in (pytest.approx(0.08), pytest.approx(0.12)):
            assert 1e-3 <= rate <= 1.0  # drawn anew
        assert SPACE.validate(decision.params) == decision.params


def test_perturbations_have_the_sources_factors_and_share() -> None:
    rates = [plan(history([0.0, 1.0, 2.0, 3.0, 9.0]), seed=s)[0].params["rate"] for s in range(400)]
    near = [np.isclose(float(str(r)), [0.08, 0.12]).any() for r in rates]
    assert np.mean(near) == pytest.approx(0.75, abs=0.07)


def test_the_others_go_on_as_they_are() -> None:
    (decision,) = plan(history([5.0, 1.0, 2.0, 3.0, 9.0]))
    assert (decision.source, decision.params) == ("pbt:0:0", {**POINT, "k": 1})


def test_running_members_are_left_alone_and_the_one_furthest_behind_is_trained() -> None:
    given = history([5.0, 1.0, 6.0, 3.0, 9.0]).extended(
        finished=[FinishedTrial(5, POINT, tl.Measurement(5.5), "pbt:0:0")],
        running=[RunningTrial(6, POINT, "pbt:1:4")],
    )
    assert [member_of(d.source) for d in plan(given, n=2)] == [2, 3]


def test_a_failed_interval_is_run_again_from_the_same_checkpoint_and_given_up_at_the_third_time() -> None:
    given = history([5.0, 1.0, 6.0, 3.0, 9.0])
    failed = [FailedTrial(5, {**POINT, "k": 7}, "crash", "boom", "pbt:0:0")]
    (again,) = plan(given.extended(failed=failed))
    assert (again.source, again.params["k"]) == ("pbt:0:0", 7)
    failed += [FailedTrial(n, {**POINT, "k": 7}, "crash", "boom", "pbt:0:0") for n in (6, 7)]
    (rescued,) = plan(given.extended(failed=failed))
    assert parent_of(rescued.source) == 4


def test_a_stopped_interval_is_given_up_at_once() -> None:
    stopped = PrunedTrial(5, {**POINT, "k": 7}, 3, 0.1, "pbt:0:0")
    (rescued,) = plan(history([5.0, 1.0, 6.0, 3.0, 9.0]).extended(pruned=[stopped]))
    assert rescued.source == "pbt:0:4"


def test_a_member_that_never_got_anywhere_begins_anew_where_there_is_nobody_to_copy() -> None:
    failed = [FailedTrial(n, POINT, "crash", "boom", "pbt:0") for n in range(3)]
    (anew,) = plan(History(PROBLEM).extended(failed=failed), members=1)
    assert anew.source == "pbt:0"
    assert SPACE.key(anew.params) != SPACE.key(POINT)


def test_children_of_a_choice_that_is_drawn_anew_are_drawn_with_it() -> None:
    space = tl.SearchSpace([tl.Categorical("c", ["a", "b"]), tl.Float("x", 0, 1, when={"c": ["b"]})])
    problem = tl.Problem("p", space)
    scores = [
        FinishedTrial(m, {"c": "a"} if m else {"c": "b", "x": 0.5}, tl.Measurement(9.0 - m), f"pbt:{m}")
        for m in range(5)
    ]
    given = History(problem).extended(finished=scores)
    plans = [
        PopulationStrategy(problem, s, members=5).plan(Ask(given, 5, 1)).decisions[0].params
        for s in range(60)
    ]
    born = {p["x"] for p in plans if p["c"] == "b"}
    assert len(born) > 3


def test_a_space_of_fewer_configurations_than_members_is_trained_again() -> None:
    grid = tl.Problem("p", tl.SearchSpace([tl.Categorical("c", ["a", "b"])]))
    decisions = PopulationStrategy(grid, 0).plan(Ask(History(grid), 0, 5)).decisions
    assert [member_of(d.source) for d in decisions] == [0, 1, 2, 3, 4]


def test_more_workers_than_members_make_more_members() -> None:
    assert [member_of(d.source) for d in plan(history([1.0, 2.0]), members=2, n=3)] == [0, 1, 2]


def train(params: dict[str, object], run: Run) -> float:
    """One interval: what the checkpoint holds, and this interval's gain, which a rate near 0.3 makes largest."""
    before = 0.0 if run.checkpoint is None else float((run.checkpoint / "state.txt").read_text())
    gain = 1.0 - abs(np.log10(float(str(params["rate"]))) - np.log10(0.3))
    (run.workdir / "state.txt").write_text(str(before + gain))
    return before + gain


@pytest.mark.parametrize("workers", [1, 4])
def test_checkpoints_are_carried_on_in_a_study(tmp_path: Path, workers: int) -> None:
    study = tl.Study(PROBLEM, strategy="pbt", seed=1)
    executor = ThreadPoolExecutor(workers) if workers > 1 else None
    study.run(train, n_trials=50, workdir=tmp_path, executor=executor)
    values = {t.number: t.value for t in study.trials}
    for trial in study.trials:
        parent = parent_of(trial.source)
        gain = 1.0 - abs(np.log10(float(str(trial.params["rate"]))) - np.log10(0.3))
        start = 0.0 if parent is None else values[parent]
        assert trial.value == pytest.approx((start or 0.0) + gain)
    assert len({member_of(t.source) for t in study.trials}) == 10
    parents = [(t, parent_of(t.source)) for t in study.trials]
    copied = [
        p for t, p in parents if p is not None and member_of(study.trials[p].source) != member_of(t.source)
    ]
    assert copied


def test_a_study_goes_on_after_failures_and_in_another_object(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"

    def flaky(params: dict[str, object], run: Run) -> float:
        if run.seed % 5 == 0:
            raise EvaluationFailed("sometimes")
        return train(params, run)

    for _ in range(2):
        tl.Study(PROBLEM, strategy="pbt", storage=url, name="s").run(
            flaky, n_trials=20, workdir=tmp_path / "w"
        )
    study = tl.Study.load("s", storage=url)
    assert len(study.trials) == 40
    assert any(parent_of(t.source) is not None for t in study.trials)


def test_without_a_folder_for_checkpoints_a_continued_trial_is_refused() -> None:
    study = tl.Study(PROBLEM, strategy="pbt", seed=1)
    with pytest.raises(InvalidInput, match="workdir"):
        study.run(lambda params: params["rate"], n_trials=11)
