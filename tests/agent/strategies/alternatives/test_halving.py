"""Successive halving: promotions, brackets, failures, resuming, and who is the best."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import trialogue as tl
from trialogue.agent.contracts import Ask
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.lineage import member_of, parent_of
from trialogue.agent.strategies.alternatives.halving import HalvingStrategy
from trialogue.api.study_files.study_file import parse_specification
from trialogue.evaluators.errors import EvaluationFailed, InvalidProblem
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, RunningTrial
from trialogue.serving.errors import InvalidInput

SPACE = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
PROBLEM = tl.Problem("p", SPACE, fidelity=tl.Fidelity("epochs"))


def loss(params: dict) -> float:
    return (params["x"] - 0.3) ** 2 + 1 / params["epochs"]


def plan(history: History, kind: str = "asha", n: int = 1):
    return HalvingStrategy(PROBLEM, 0, kind=kind, drawn=True).plan(Ask(history, len(history), n)).decisions


def rung(losses: list[float], epochs: int = 1, kind: str = "asha") -> list[FinishedTrial]:
    return [
        FinishedTrial(i, {"x": i / 10, "epochs": epochs}, tl.Measurement(y), f"{kind}:{i}")
        for i, y in enumerate(losses)
    ]


def test_a_ladder_descends_from_the_top_by_eta() -> None:
    assert PROBLEM.fidelity is not None
    assert PROBLEM.fidelity.ladder(SPACE) == (1, 3, 9)
    assert tl.Fidelity("epochs", high=8, eta=2).ladder(SPACE) == (1, 2, 4, 8)


def test_a_promotion_waits_for_a_third_of_the_rung_and_takes_the_best() -> None:
    history = History(PROBLEM).extended(finished=rung([0.5, 0.4]))
    assert plan(history)[0].params["epochs"] == 1
    (promoted,) = plan(
        history.extended(finished=[FinishedTrial(2, {"x": 0.9, "epochs": 1}, tl.Measurement(0.1), "asha:2")])
    )
    assert (promoted.source, promoted.params) == ("asha:2:2", {"x": 0.9, "epochs": 3})


def test_the_highest_promotion_goes_first_and_each_is_made_once() -> None:
    trials = rung([0.1 * i for i in range(9)])
    trials += [
        FinishedTrial(10 + i, {"x": i / 10, "epochs": 3}, tl.Measurement(0.1 * i), f"asha:{i}:{i}")
        for i in range(3)
    ]
    first, second = plan(History(PROBLEM).extended(finished=trials), n=2)
    assert (first.source, first.params["epochs"]) == ("asha:0:10", 9)
    assert (second.source, second.params["epochs"]) == ("asha:9", 1)


def test_a_failed_trial_is_the_worst_of_its_rung_and_never_promoted() -> None:
    failed = [FailedTrial(i, {"x": i / 10, "epochs": 1}, "crash", "boom", f"asha:{i}") for i in (1, 2)]
    history = History(PROBLEM).extended(finished=rung([0.5]), failed=failed)
    assert plan(history)[0].source == "asha:0:0"
    assert plan(History(PROBLEM).extended(failed=failed * 2))[0].source == "asha:3"


@pytest.mark.parametrize("kind", ["lost", "infrastructure"])
@pytest.mark.parametrize("strategy", ["asha", "hyperband"])
def test_a_rung_that_was_lost_with_its_machine_is_run_again_and_fails_the_third_time(strategy, kind) -> None:
    done = rung([0.5, 0.4, 0.3], kind=strategy)
    new = FailedTrial(3, {"x": 0.9, "epochs": 1}, kind, "killed", f"{strategy}:3")
    risen = FailedTrial(4, {"x": 0.0, "epochs": 3}, kind, "killed", f"{strategy}:0:0")
    history = History(PROBLEM).extended(finished=done, failed=[new, risen])
    again = plan(history, strategy, n=4)
    assert [d.source for d in again[:2]] == [f"{strategy}:0:0", f"{strategy}:3"]
    assert [d.params["epochs"] for d in again[:2]] == [3, 1]
    assert {d.source for d in again[2:]}.isdisjoint({f"{strategy}:0:0", f"{strategy}:3"})
    thrice = [replace(risen, number=4 + i) for i in range(3)]
    given_up = plan(history.extended(failed=[*thrice, new]), strategy, n=2)
    assert next(d.source for d in given_up) == f"{strategy}:3"
    assert f"{strategy}:0:0" not in {d.source for d in given_up}


def test_hyperband_s_first_bracket_is_wide_and_the_last_runs_at_full_fidelity() -> None:
    decisions = plan(History(PROBLEM), "hyperband", n=9 + 5 + 3)
    assert [d.params["epochs"] for d in decisions] == [1] * 9 + [3] * 5 + [9] * 3
    assert [member_of(d.source) for d in decisions] == list(range(17))


def test_a_bracket_is_promoted_when_its_rung_is_complete_and_others_begin_meanwhile() -> None:
    done = rung([0.1 * i for i in range(8)], kind="hyperband")
    waiting = History(PROBLEM).extended(
        finished=done, running=[RunningTrial(8, {"x": 0.8, "epochs": 1}, "hyperband:8")]
    )
    assert plan(waiting, "hyperband")[0].source == "hyperband:9"
    last = FinishedTrial(8, {"x": 0.8, "epochs": 1}, tl.Measurement(0.05), "hyperband:8")
    complete = waiting.extended(finished=[last], running=[])
    assert [d.source for d in plan(complete, "hyperband", n=3)] == [
        "hyperband:0:0",
        "hyperband:8:8",
        "hyperband:1:1",
    ]


@pytest.mark.parametrize("strategy", ["asha", "hyperband:random"])
def test_a_study_climbs_in_threads_and_only_full_fidelity_is_best(strategy: str) -> None:
    study = tl.Study(PROBLEM, strategy=strategy, seed=3)
    with ThreadPoolExecutor(3) as pool:
        study.run(lambda p: loss(p) if p["x"] > 0.05 else -1.0, n_trials=30, executor=pool)
    assert study.best_trial.params["epochs"] == 9
    assert sum(parent_of(t.source) is not None for t in study.trials) >= 5
    for trial in study.trials:
        parent = parent_of(trial.source)
        if parent is not None:
            assert study.trials[parent].params["x"] == trial.params["x"]


def test_another_process_goes_on_with_the_same_ladder(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = tl.Study(PROBLEM, strategy="asha:random", storage=storage)
    study.run(loss, n_trials=10)
    lost = study.ask()
    whole = tl.Study(PROBLEM, strategy="asha:random")
    whole.run(loss, n_trials=11)
    again = tl.Study.load("p", storage=Ledger(storage))
    assert lost.params == whole.trials[10].params
    assert again.problem.fidelity == tl.Fidelity("epochs")
    again.tell(lost.number, loss(dict(lost.params)))
    whole.run(loss, n_trials=1)
    assert again.ask().params == whole.trials[11].params


def test_an_evaluator_may_go_on_from_the_checkpoint_of_the_rung_below(tmp_path) -> None:
    def train(params, run):
        before = 0
        if run.checkpoint is not None:
            before = json.loads((run.checkpoint / "epochs.json").read_text())
        if before >= params["epochs"]:
            raise EvaluationFailed("crash", "nothing left to train")
        (run.workdir / "epochs.json").write_text(json.dumps(params["epochs"]))
        return loss(params)

    study = tl.Study(PROBLEM, strategy="asha:random")
    study.run(train, n_trials=20, workdir=tmp_path)
    assert all(t.state == "finished" for t in study.trials)
    assert study.best_trial.params["epochs"] == 9


def test_a_study_file_says_the_ladder() -> None:
    text = """
[study]
name = "s"
strategy = "hyperband"
[fidelity]
name = "epochs"
low = 2
high = 18
[parameters.x]
type = "float"
low = 0
high = 1
[parameters.epochs]
type = "int"
low = 1
high = 20
"""
    study = parse_specification(text).open(None)
    assert study.problem.fidelity == tl.Fidelity("epochs", 2, 18)
    assert study.ask().params["epochs"] == 2
    assert tl.Problem.from_dict(study.problem.to_dict()) == study.problem


def test_what_cannot_be_a_ladder_is_refused() -> None:
    for fidelity in (
        tl.Fidelity("y"),
        tl.Fidelity("x"),
        tl.Fidelity("epochs", 5, 9),
        tl.Fidelity("epochs", 1, 99),
    ):
        with pytest.raises(InvalidProblem, match="fidelity"):
            tl.Problem("p", SPACE, fidelity=fidelity)
    with pytest.raises(InvalidProblem, match="at least 2"):
        tl.Fidelity("epochs", eta=1.5)
    with pytest.raises(InvalidInput, match="needs a fidelity"):
        tl.Study(tl.Problem("p", SPACE), strategy="asha")
