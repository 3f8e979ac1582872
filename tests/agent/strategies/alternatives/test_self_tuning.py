"""Trainings that tune themselves: intervals in a chain, parameters where the last left them, a study to the end."""

from pathlib import Path

import pytest

import trialogue as tl
from trialogue.agent.contracts import Ask, Decision
from trialogue.agent.strategies.alternatives.self_tuning import SelfTuningStrategy, moved_params
from trialogue.agent.strategies.by_name import strategy_for
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, RunningTrial
from trialogue.evaluators.programs.run import Run
from trialogue.serving.errors import InvalidInput

SPACE = tl.SearchSpace(
    [
        tl.Float("rate", 0, 1, default=0.1),
        tl.Int("k", 1, 9, default=2),
        tl.Categorical("op", ["a", "b"], default="a"),
    ]
)
PROBLEM = tl.Problem("self-tuned", SPACE)
START = SPACE.default()


def plan(history: History, n: int = 1) -> list[Decision]:
    return list(SelfTuningStrategy(PROBLEM, 0, "stn").plan(Ask(history, index=len(history), n=n)).decisions)


def finished(number: int, source: str, **tuned: float) -> FinishedTrial:
    metrics = {f"tuned:{name}": value for name, value in tuned.items()}
    return FinishedTrial(number, START, tl.Measurement(1.0, metrics=metrics), source)


def test_it_begins_at_the_default_and_goes_on_where_the_interval_ended() -> None:
    (first,) = plan(History(PROBLEM))
    assert (first.params, first.source) == (START, "stn:0")
    (second,) = plan(History(PROBLEM, finished=(finished(0, "stn:0", rate=0.4, k=3.2, op=1),)))
    assert (second.params, second.source) == ({"rate": 0.4, "k": 3, "op": "b"}, "stn:0:0")


def test_what_is_out_of_range_is_clipped_and_what_is_not_told_stays() -> None:
    (decision,) = plan(History(PROBLEM, finished=(finished(0, "stn:0", rate=7.0),)))
    assert decision.params == {**START, "rate": 1.0}
    assert moved_params(PROBLEM, START, {"tuned:op": 9.0})["op"] == "b"


def test_a_second_ask_begins_a_training_of_its_own() -> None:
    running = History(PROBLEM, finished=(finished(0, "stn:0"),), running=(RunningTrial(1, START, "stn:0:0"),))
    assert [d.source for d in plan(running, n=2)] == ["stn:1", "stn:2"]


def test_a_failed_interval_is_run_again_from_the_same_checkpoint() -> None:
    history = History(
        PROBLEM,
        finished=(finished(0, "stn:0", rate=0.4),),
        failed=(FailedTrial(1, START, "crash", "boom", "stn:0:0"),),
    )
    (again,) = plan(history)
    assert (again.source, again.params["rate"]) == ("stn:0:0", 0.4)


def test_differentiable_choice_needs_a_grid() -> None:
    with pytest.raises(InvalidInput, match="all categorical"):
        strategy_for(PROBLEM, seed=0, strategy="differentiable")


def climb(params: dict[str, float], run: Run) -> tl.Measurement:
    """Halve the distance of the rate to 0.8; the checkpoint remembers where it was."""
    assert run.self_tuning
    if run.checkpoint is not None:
        assert float((run.checkpoint / "rate.txt").read_text()) == params["rate"]
    rate = (params["rate"] + 0.8) / 2
    (run.workdir / "rate.txt").write_text(str(rate))
    return tl.Measurement(abs(rate - 0.8), metrics={"tuned:rate": rate})


def test_a_study_is_one_training_whose_schedule_is_kept(tmp_path: Path) -> None:
    study = tl.Study(PROBLEM, strategy="stn", storage=None)
    study.run(climb, n_trials=5, workdir=tmp_path)
    assert [t.params["rate"] for t in study.trials] == pytest.approx([0.1, 0.45, 0.625, 0.7125, 0.75625])
