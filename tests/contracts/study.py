"""What every study must do, in this process or behind a service: ``Study`` and ``RemoteStudy`` pass the same suite.

A subclass gives ``make(problem, **options)``, which creates or resumes; a study of the same name then has the same
trials.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest

import trialogue as tl
from trialogue.agent.errors import (
    BudgetExhausted,
    NoFeasibleTrial,
    ResultConflict,
    StudyMismatch,
    StudyNotFound,
    TrialNotFound,
)
from trialogue.evaluators.errors import InvalidMeasurement, InvalidParameters, SpaceExhausted
from trialogue.serving.errors import InvalidInput

Make = Callable[..., Any]  # Any: Study or RemoteStudy


def space(**changes: Any) -> tl.SearchSpace:
    return tl.SearchSpace(
        [
            tl.Categorical("kernel", ["linear", "rbf"]),
            tl.Float("C", 1e-3, changes.get("high", 1e3), log=True, default=1.0),
            tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf"]}),
        ]
    )


def problem(**changes: Any) -> tl.Problem:
    return tl.Problem("svm", space(**changes), objectives=[tl.Objective("accuracy", "maximize")])


def limited() -> tl.Problem:
    return tl.Problem("limited", space(), constraints=[tl.Constraint("fit_s", upper=2.0)])


class StudyContract:
    """Subclasses define the fixture ``make``."""

    def test_every_trial_is_made_on_the_tuning_seeds(self, make: Make) -> None:
        protocol = tl.StudyProtocol(seeds={"tuning": [2, 4], "test": [9]})
        study = make(problem(), strategy="random", protocol=protocol)
        study.run(lambda params, run: float(run.seed), 2)
        assert [t.values for t in study.trials] == [(3.0,), (3.0,)]
        assert make(None, name="svm").protocol == protocol

    def test_a_trial_worse_than_the_median_at_a_step_ends_there(self, make: Make) -> None:
        study = make(problem(), strategy="random", protocol=tl.StudyProtocol(stop=["norm >= median"]))

        def evaluate(params: dict[str, Any], run: Any) -> float:
            return math.nan if run.report(3, 0.5, norm=params["C"]) else params["C"]

        study.run(evaluate, 12)
        kept = [t for t in study.trials if t.state == "finished"]
        assert {t.number for t in kept} >= set(range(5))
        for trial in study.trials[5:]:
            before = sorted(t.params["C"] for t in kept if t.number < trial.number)
            middle = (before[len(before) // 2] + before[(len(before) - 1) // 2]) / 2
            assert trial.state == ("finished" if trial.params["C"] >= middle else "pruned")

    def test_a_note_lasts_until_the_next_one(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        trial = study.ask()
        assert study.note(" with the old data \r\n") == "with the old data"
        study.note("diverged at step 30\nsee run 7", trial_number=trial.number)
        again = make(None, name="svm")
        assert again.trial(trial.number).note == "diverged at step 30\nsee run 7"
        again.note("", trial_number=trial.number)
        assert study.trial(trial.number).note == ""
        assert [e.data["text"] for e in study.events() if e.kind == "note"] == [
            "with the old data", "diverged at step 30\nsee run 7", "",
        ]  # fmt: skip
        with pytest.raises(TrialNotFound):
            study.note("nobody's", trial_number=99)
        for text in ("x" * 2_001, "nul \0", "\x1b[31mred", "turned \u202e"):
            with pytest.raises(InvalidInput):
                study.note(text)

    def test_verify_runs_the_best_and_the_default_in_turns_and_says_what_is_certain(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        calls: list[Any] = []

        def evaluate(params: Any) -> float:
            calls.append(params["C"])
            return 0.9 + (params["C"] > 5) * 0.05 + 0.001 * math.sin(len(calls))

        study.add({"kernel": "linear", "C": 1.0}, 0.9)
        study.add({"kernel": "linear", "C": 10.0}, 0.99)
        found = study.verify(evaluate)
        assert (found.recommendation, len(found.runs)) == ("change", len(calls) / 2)
        assert 1.04 < found.gain.low <= found.gain.estimate < 1.07
        assert found.searched == pytest.approx(1.1)
        assert len(study.trials) == 2
        assert study.verify(evaluate) == found
        assert study.verify(evaluate, 0).reason == "both are one configuration"

    def test_ask_gives_active_parameters_a_number_and_the_reason(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        trials = [study.ask() for _ in range(6)]
        assert [t.number for t in trials] == list(range(6))
        for t in trials:
            assert ("gamma" in t.params) == (t.params["kernel"] == "rbf")
            assert (t.source, t.verdict) == ("random", "own")
            assert t.reason
        assert len({study.problem.space.key(t.params) for t in trials}) == 6

    def test_a_study_is_a_context_that_can_be_entered_again(self, make: Make) -> None:
        with make(problem(), strategy="random") as study:
            study.ask()
        study.close()
        with study:
            study.ask()
        assert len(study.trials) == 2

    def test_ask_n_gives_a_list_and_fixed_parameters_are_kept(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        trials = study.ask(n=3, fixed={"kernel": "rbf"})
        assert [t.params["kernel"] for t in trials] == ["rbf"] * 3
        with pytest.raises(InvalidParameters):
            study.ask(fixed={"kernal": "rbf"})
        with pytest.raises(InvalidParameters):
            study.ask(fixed={"C": -1.0})

    def test_told_results_are_the_study_s_knowledge(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        first, second, third = study.ask(n=3)
        study.tell(first, 0.9)
        study.tell(second.number, tl.Measurement(0.97, sem=0.01, metrics={"loss": 0.1}, cost=0.2))
        study.tell(third, failed="CUDA out of memory")
        assert study.best_trial.number == second.number
        assert study.best_trial.value == 0.97
        assert study.best_trial.measurement.metrics == {"loss": 0.1}
        assert [t.state for t in study.trials] == ["finished", "finished", "failed"]
        assert study.trials[2].failure.reason == "CUDA out of memory"

    def test_telling_the_same_again_is_fine_and_something_else_is_a_conflict(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        trial, other = study.ask(n=2)
        study.tell(trial, 0.5)
        assert study.tell(trial, 0.5).value == 0.5
        with pytest.raises(ResultConflict):
            study.tell(trial, 0.6)
        with pytest.raises(ResultConflict):
            study.tell(trial, failed="no")
        study.tell(other, failed="no")
        study.tell(other, failed="no")
        with pytest.raises(ResultConflict):
            study.tell(other, 1.0)
        assert study.best_trial.value == 0.5

    @pytest.mark.parametrize("bad", [math.nan, math.inf, [0.1, 0.2], "0.5", True])
    def test_a_bad_result_leaves_the_trial_running(self, make: Make, bad: Any) -> None:
        study = make(problem(), strategy="random")
        trial = study.ask()
        with pytest.raises(InvalidMeasurement):
            study.tell(trial, bad)
        assert study.trials[0].state == "running"
        study.tell(trial, 0.5)

    def test_exactly_one_ending_is_told_of_a_known_trial(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        trial = study.ask()
        with pytest.raises(InvalidMeasurement):
            study.tell(trial)
        with pytest.raises(InvalidMeasurement):
            study.tell(trial, 1.0, failed="no")
        with pytest.raises(TrialNotFound):
            study.tell(99, 1.0)

    def test_only_feasible_trials_are_best(self, make: Make) -> None:
        study = make(limited(), strategy="random")
        slow, fast = study.ask(n=2)
        with pytest.raises(NoFeasibleTrial):
            _ = study.best_trial
        study.tell(slow, tl.Measurement(0.1, constraints={"fit_s": 3.0}))
        with pytest.raises(NoFeasibleTrial):
            _ = study.best_trial
        study.tell(fast, tl.Measurement(0.7, constraints={"fit_s": 1.0}))
        assert study.best_trial.number == fast.number
        with pytest.raises(InvalidMeasurement):
            study.add({"kernel": "linear", "C": 1.0}, tl.Measurement(0.1, constraints={"fits": 3.0}))

    def test_enqueued_points_come_first_and_shift_nothing(self, make: Make) -> None:
        plain, queued = (
            make(problem(), name="plain", strategy="random"),
            make(problem(), name="queued", strategy="random"),
        )
        mine = {"kernel": "linear", "C": 2.5}
        queued.enqueue(mine, reason="my favourite")
        first = queued.ask()
        assert (first.params, first.source, first.reason) == (mine, "user", "my favourite")
        assert [queued.ask().params for _ in range(3)] == [plain.ask().params for _ in range(3)]
        with pytest.raises(InvalidParameters):
            queued.enqueue({"kernel": "linear", "C": 1e9})

    def test_added_results_count_as_knowledge(self, make: Make) -> None:
        study = make(problem(), strategy="random", budget=tl.Budget(trials=1))
        number = study.add({"kernel": "linear", "C": 1.0}, 0.8).number
        assert study.best_trial.number == number
        study.tell(study.ask(), 0.1)
        with pytest.raises(BudgetExhausted):
            study.ask()

    def test_an_excluded_trial_counts_for_nothing_until_restored(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        good, better = study.ask(n=2)
        study.tell(good, 0.5)
        study.tell(better, 0.9)
        study.exclude(better.number, reason="bad node")
        assert study.best_trial.number == good.number
        assert study.trials[better.number].excluded == "bad node"
        study.restore(better.number)
        assert study.best_trial.number == better.number
        with pytest.raises(TrialNotFound):
            study.exclude(99, reason="none")

    def test_a_fork_keeps_the_trials_that_fit(self, make: Make) -> None:
        study = make(problem(), name="narrow", strategy="random")
        study.add({"kernel": "linear", "C": 900.0}, 0.8)
        study.add({"kernel": "linear", "C": 2.0}, 0.9)
        study.tell(study.ask(fixed={"C": 3.0}), failed="crashed")
        narrower = study.fork("narrower", space=space(high=10.0))
        assert [t.params["C"] for t in narrower.trials] == [2.0, 3.0]
        assert (narrower.lineage["parent"], narrower.lineage["copied"], narrower.lineage["left_out"]) == (
            "narrow",
            2,
            1,
        )
        assert narrower.best_trial.value == 0.9

    def test_resuming_continues_where_it_was(self, make: Make) -> None:
        whole, halves = (
            make(problem(), name="whole", strategy="random"),
            make(problem(), name="halves", strategy="random"),
        )
        expected = [whole.ask().params for _ in range(4)]
        got = [halves.ask().params for _ in range(2)]
        again = make(problem(), name="halves", strategy="random")
        assert got + [again.ask().params for _ in range(2)] == expected
        assert [t.state for t in again.trials] == ["running"] * 4

    def test_another_space_under_the_same_name_is_refused_in_words(self, make: Make) -> None:
        make(problem(), name="taken", strategy="random")
        with pytest.raises(StudyMismatch, match=r"`high` of 'C' is 1000.0 there, 10.0 here"):
            make(problem(high=10.0), name="taken", strategy="random")

    def test_without_a_problem_what_is_stored_under_the_name_is_opened(self, make: Make) -> None:
        asked = make(problem(), name="stored", strategy="random", seed=7).ask()
        opened = make(None, name="stored")
        assert (opened.problem, opened.seed) == (problem(), 7)
        assert opened.trial(asked.number).source == "random"
        assert opened.ask().source == "random"
        with pytest.raises(StudyNotFound, match="no study 'nowhere'"):
            make(None, name="nowhere")
        with pytest.raises(InvalidInput, match="give its `name`"):
            make(None)
        with pytest.raises(InvalidInput, match="seed"):
            make(None, name="stored", seed=8)

    def test_budgets_of_trials_end_the_asking(self, make: Make) -> None:
        study = make(problem(), strategy="random", budget=tl.Budget(trials=3))
        assert len(study.ask(n=5)) == 3
        with pytest.raises(BudgetExhausted):
            study.ask()

    def test_an_exhausted_space_says_so(self, make: Make) -> None:
        study = make(tl.Problem("tiny", tl.SearchSpace([tl.Int("k", 1, 3)])), strategy="random")
        assert sorted(study.ask().params["k"] for _ in range(3)) == [1, 2, 3]
        with pytest.raises(SpaceExhausted):
            study.ask()

    def test_what_happened_is_an_ordered_list_of_events(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        trial = study.ask()
        study.tell(trial, 0.5)
        study.exclude(trial.number, reason="bad")
        events = study.events()
        assert [e.kind for e in events] == ["created", "asked", "told", "excluded"]
        assert [e.number for e in events] == sorted({e.number for e in events})
        assert [e.kind for e in study.events(after=events[1].number)] == ["told", "excluded"]

    def test_run_evaluates_tells_and_survives_failures(self, make: Make) -> None:
        study = make(problem(), strategy="random")
        seen = []

        def evaluate(params: dict[str, Any]) -> float:
            if params["kernel"] == "rbf":
                raise RuntimeError("no rbf here")
            return params["C"]

        end = study.run(evaluate, n_trials=8, on_trial=lambda record: seen.append(record.number))
        assert end.trials == 8
        assert sorted(seen) == list(range(8))
        assert all(
            ("no rbf here" in t.failure.reason) == (t.params["kernel"] == "rbf")
            for t in study.trials
            if t.failure
        )
        assert {t.state for t in study.trials} == {"finished", "failed"}
