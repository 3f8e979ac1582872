import math
import threading
import time
from pathlib import Path
from typing import Any, cast

import optuna
import pytest
from contracts.study import Make, StudyContract, limited, problem, space

import trialogue as tl
from trialogue.agent.contracts import Ask, CallRecord, Decision, Plan
from trialogue.agent.errors import ResultConflict, StudyMismatch, StudyNotFound, TrialNotFound
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.ledger.records import Pruned
from trialogue.agent.study.study import Study
from trialogue.evaluators.errors import EvaluationFailed, InvalidMeasurement, SpaceExhausted
from trialogue.serving.errors import InvalidInput


class TestStudyInMemory(StudyContract):
    @pytest.fixture
    def make(self) -> Make:
        ledger = Ledger()
        return lambda problem, **options: Study(problem, storage=ledger, **options)


class TestStudyOnSQLite(StudyContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda problem, **options: Study(problem, storage=f"sqlite:///{tmp_path}/study.db", **options)


@pytest.mark.postgres
@pytest.mark.slow
class TestStudyOnPostgres(StudyContract):
    @pytest.fixture
    def make(self, postgres_url: str) -> Make:
        ledger = Ledger(postgres_url)
        for name in ledger.names():
            ledger.delete(name)
        return lambda problem, **options: Study(problem, storage=ledger, **options)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def test_the_same_seed_gives_the_same_trials() -> None:
    def trials(seed: int) -> list[Any]:
        study = tl.Study(problem(), seed=seed, strategy="random")
        study.run(lambda params: params["C"], n_trials=6)
        return [t.params for t in study.trials]

    assert trials(7) == trials(7)
    assert trials(7) != trials(8)


@pytest.mark.parametrize(
    "outcome", [lambda c: c * 1e-9, lambda c: -c * 1e9, lambda c: 1.0, lambda c: math.copysign(0.0, -1)]
)
@pytest.mark.slow
def test_the_surrogate_goes_on_at_every_scale(outcome: Any) -> None:
    study = tl.Study(problem(), seed=1)
    study.run(lambda params: outcome(params["C"]), n_trials=9)
    assert len(study.trials) == 9
    assert study.best_trial.value is not None


@pytest.mark.slow
def test_the_study_goes_on_when_the_first_ten_trials_fail() -> None:
    study = tl.Study(problem(), seed=1)
    for _ in range(10):
        study.tell(study.ask(), failed="node down")
    study.run(lambda params: params["C"], n_trials=4)
    assert len({study.problem.space.key(t.params) for t in study.trials}) == 14
    assert study.best_trial.number >= 10


def test_a_stored_study_is_loaded_with_its_problem_budget_and_seed(url: str) -> None:
    Study(limited(), name="a", storage=url, seed=5, strategy="random", budget=tl.Budget(trials=3, tokens=10))
    study = Study.load("a", storage=url)
    assert study.problem == limited()
    assert (study.seed, study.budget, study.strategy.name) == (5, tl.Budget(trials=3, tokens=10), "random")
    with pytest.raises(StudyNotFound, match="'a'"):
        Study.load("b", storage=url)
    with pytest.raises(StudyMismatch, match="seed is 5 there, 6 here"):
        Study(limited(), name="a", storage=url, seed=6)
    assert Study(limited(), name="a", storage=url).seed == 5


def test_a_subclass_is_opened_by_its_own_constructor(url: str) -> None:
    class Named(Study):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            self.built = True

    made = Named(problem(), name="a", storage=url, strategy="random")
    assert Named.load("a", storage=url).built
    assert made.fork("b", space=space(high=10.0)).built


def test_a_fork_decides_as_its_parent_does_now(url: str) -> None:
    Study(problem(), name="a", storage=url, strategy="random")
    parent = Study.load("a", storage=url, strategy="surrogate", budget=tl.Budget(trials=9))
    fork = parent.fork("b", space=space(high=10.0))
    assert (fork.strategy.name, fork.budget) == ("surrogate", tl.Budget(trials=9))


def test_words_may_change_and_objectives_may_not(url: str) -> None:
    Study(problem(), name="a", storage=url)
    described = tl.Problem("svm", space(), objectives=problem().objectives, description="now with words")
    assert Study(described, name="a", storage=url).problem.description == "now with words"
    assert Study.load("a", storage=url).problem.description == "now with words"
    minimized = tl.Problem("svm", space(), objectives=[tl.Objective("accuracy")])
    with pytest.raises(StudyMismatch, match="maximize accuracy there, minimize accuracy here"):
        Study(minimized, name="a", storage=url)
    constrained = tl.Problem("svm", space(), problem().objectives, [tl.Constraint("s", upper=1.0)])
    with pytest.raises(StudyMismatch, match="constraint 's' is absent there"):
        Study(constrained, name="a", storage=url)


def test_two_studies_of_one_name_see_each_other(url: str) -> None:
    one, two = (Study(problem(), name="a", storage=url, strategy="random") for _ in range(2))
    first, second = one.ask(), two.ask()
    assert (first.number, second.number) == (0, 1)
    assert first.params != second.params
    two.tell(first.number, 0.5)
    assert one.best_trial.value == 0.5
    one.tell(second.number, 0.7)
    assert two.best_trial.value == 0.7


def test_our_studies_are_optuna_s(url: str) -> None:
    study = Study(limited(), name="a", storage=url, strategy="random")
    ok, slow, failed, stopped, _running = study.ask(n=5)
    study.tell(ok, tl.Measurement(1.0, constraints={"fit_s": 1.5}, metrics={"loss": 2.0}))
    study.tell(slow, tl.Measurement(0.5, constraints={"fit_s": 2.5}))
    study.tell(failed, failed=EvaluationFailed("exploded", kind="timeout"))
    stopped.report(1, 3.0)
    study.tell(stopped, pruned=True)
    theirs = optuna.load_study(study_name="a", storage=url)
    assert theirs.metric_names == ["objective"]
    assert [t.state.name for t in theirs.trials] == ["COMPLETE", "COMPLETE", "FAIL", "PRUNED", "RUNNING"]
    assert [t.params for t in theirs.trials] == [t.params for t in study.trials]
    # by its name for Optuna 5, and in the list that optuna-dashboard reads, which Optuna numbers
    assert theirs.trials[0].constraints == {"fit_s": -0.5, "0": -0.5}
    assert theirs.best_trial.number == 0
    assert theirs.trials[0].user_attrs["source"] == "random"
    assert theirs.trials[2].user_attrs["failure"] == "exploded"
    assert theirs.trials[3].intermediate_values == {1: 3.0}
    assert theirs.trials[0].duration is not None
    assert optuna.importance.get_param_importances(theirs, params=["C"]) is not None


def test_what_is_written_through_optuna_changes_nothing_here(url: str) -> None:
    study = Study(problem(), name="a", storage=url, strategy="random")
    told, other = study.ask(2)
    theirs = optuna.load_study(study_name="a", storage=url)
    theirs.tell(told.number, 0.25)
    theirs.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL))
    study.tell(told, 0.75)
    study.tell(other, 0.5)
    assert [(t.number, t.value) for t in study.trials] == [(0, 0.75), (1, 0.5)]
    assert study.ask().number == 2


def test_optuna_s_pruners_act_on_our_reports(url: str) -> None:
    study = Study(
        problem(), storage=url, strategy="random", pruner=optuna.pruners.MedianPruner(n_startup_trials=2)
    )

    def evaluate(params: Any, run: Any) -> float:
        level = 0.1 if len(study.trials) > 3 else 0.9
        for step in range(5):
            if run.report(step, level):
                return math.nan
        return level

    study.run(evaluate, n_trials=4)
    assert [t.state for t in study.trials] == ["finished"] * 3 + ["pruned"]
    assert study.trials[3].ending == Pruned(0, 0.1)
    assert study.refresh().pruned[0].value == 0.1


def test_pruners_work_in_memory_too() -> None:
    study = tl.Study(problem(), strategy="random", pruner=optuna.pruners.ThresholdPruner(lower=0.5))
    trial = study.ask()
    assert not trial.report(0, 0.9)
    assert trial.report(1, 0.1)
    assert study.tell(trial, pruned=True).state == "pruned"
    assert study.tell(trial, pruned=True).state == "pruned"
    with pytest.raises(ResultConflict):
        trial.report(2, 0.1)
    silent = study.ask()
    with pytest.raises(InvalidMeasurement, match="no finite value"):
        study.tell(silent, pruned=True)


@pytest.mark.parametrize(
    ("step", "value"), [(-1, 0.5), (0.5, 0.5), ("1", 0.5), (True, 0.5), (0, "high"), (0, None)]
)
def test_a_report_is_two_numbers(step: Any, value: Any) -> None:
    trial = tl.Study(problem(), strategy="random").ask()
    with pytest.raises(InvalidMeasurement):
        trial.report(step, value)
    assert not trial.report(0, math.nan)


class _Scripted:
    """A strategy that proposes what it is told, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, *params: dict[str, Any]) -> None:
        self.params = list(params)
        self.asks: list[Ask] = []

    def plan(self, ask: Ask) -> Plan:
        self.asks.append(ask)
        call = CallRecord("m", "candidates", "hash", "ok", prompt_tokens=10, completion_tokens=5, price=0.01)
        decision = Decision(self.params.pop(0), "planner:m", "because", "fallback", hypothesis="h", tokens=15)
        return Plan((decision,), (call,))


def test_strategies_learn_index_and_spending() -> None:
    strategy = _Scripted(*({"kernel": "linear", "C": float(c)} for c in range(1, 4)))
    study = tl.Study(problem(), strategy=strategy)
    study.enqueue({"kernel": "linear", "C": 9.0})
    study.add({"kernel": "linear", "C": 8.0}, 1.0)
    trial = [study.tell(study.ask(), 1.0) for _ in range(4)][-1]
    assert [ask.index for ask in strategy.asks] == [0, 1, 2]
    assert [ask.spent.tokens for ask in strategy.asks] == [0, 15, 30]
    assert study.spent.calls == 3
    assert study.spent.price == pytest.approx(0.03)
    assert (trial.source, trial.hypothesis, trial.tokens) == ("planner:m", "h", 15)
    assert [e.kind for e in study.events()].count("fallback") == 3
    assert study.ledger.calls(study.stored.study_id)[0]["model"] == "m"


def test_a_configuration_seen_before_is_a_replicate() -> None:
    point = {"kernel": "linear", "C": 1.0}
    study = tl.Study(problem(), strategy=_Scripted(point, point))
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), 1.1)
    assert [t.replicate for t in study.trials] == [0, 1]


def test_a_late_result_of_a_lost_trial_counts(url: str) -> None:
    study = Study(problem(), storage=url, strategy="random")
    trial = study.ask()
    study.tell(trial, failed="worker gone", kind="lost")
    assert study.tell(trial, 0.7).state == "finished"
    assert "recovered" in [e.kind for e in study.events()]
    assert optuna.load_study(study_name="svm", storage=url).best_value == 0.7
    assert [t.number for t in study.refresh().finished] == [0]
    assert not study.refresh().failed


def test_seconds_are_a_budget_of_evaluation() -> None:
    study = tl.Study(problem(), strategy="random", budget=tl.Budget(seconds=0.05))
    end = study.run(lambda params: time.sleep(0.03) or 1.0)
    assert 1 <= end.trials <= 2
    assert "seconds of evaluation" in end.why


@pytest.mark.parametrize("bad", [{"trials": -1}, {"tokens": "many"}, {"seconds": math.nan}, {"price": True}])
def test_a_budget_is_a_number(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        tl.Budget(**bad)


def test_several_objectives_have_a_front_and_no_best() -> None:
    two = tl.Problem("two", space(), objectives=[tl.Objective("speed", "maximize"), tl.Objective("size")])
    study = tl.Study(two, strategy="random")
    assert study.pareto_front == ()
    for values in ([1.0, 1.0], [2.0, 2.0], [1.0, 2.0], [3.0, 9.0], [1.0, 1.0]):
        study.tell(study.ask(), values)
    assert [t.number for t in study.pareto_front] == [0, 1, 3, 4]
    with pytest.raises(InvalidInput, match="pareto_front"):
        _ = study.best_trial


@pytest.mark.slow
def test_predict_tells_what_the_surrogate_believes() -> None:
    study = tl.Study(problem(), strategy="random", seed=2)
    point = {"kernel": "linear", "C": 1.0}
    assert study.predict(point) is None
    study.run(lambda params: math.log10(params["C"]), n_trials=12)
    prediction = study.predict(point)
    assert prediction is not None
    assert abs(prediction.mean[0]) < 1.0
    assert prediction.sd[0] > 0


def test_a_bad_storage_or_problem_is_said_at_once() -> None:
    with pytest.raises(InvalidInput, match="sqlite:///"):
        tl.Study(problem(), storage="study.db")
    with pytest.raises(InvalidInput, match="must be a Problem"):
        tl.Study({"name": "x"})  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidInput, match="needs an end"):
        tl.Study(problem(), strategy="random").run(lambda params: 1.0)


def test_replicates_of_running_points_are_not_handed_out_by_chance() -> None:
    study = tl.Study(tl.Problem("tiny", tl.SearchSpace([tl.Int("k", 1, 2)])), strategy="random")
    study.ask(n=2)
    with pytest.raises(SpaceExhausted):
        study.ask(fixed={"k": 1})


def test_results_can_be_told_while_a_strategy_thinks() -> None:
    thinking, told = threading.Event(), threading.Event()

    class Slow:
        name = "slow"

        def plan(self, ask: Ask) -> Plan:
            c = float(ask.index + 1)
            if c == 2:
                thinking.set()
                assert told.wait(10)
            return Plan((Decision({"kernel": "linear", "C": c}, "slow", "thought", "own"),))

    study = tl.Study(problem(), strategy=Slow())
    first = study.ask()
    asking = threading.Thread(target=study.ask)
    asking.start()
    assert thinking.wait(10)
    study.tell(first, 1.0)
    assert study.best_trial.value == 1.0
    told.set()
    asking.join(10)
    assert [t.state for t in study.trials] == ["finished", "running"]


def test_a_claim_made_while_a_strategy_thinks_is_respected(url: str) -> None:
    other = Study(problem(), name="a", storage=url, strategy="random")
    taken = {"kernel": "linear", "C": 1.0}

    class Overtaken:
        name = "overtaken"
        plans = 0

        def plan(self, ask: Ask) -> Plan:
            self.plans += 1
            if self.plans == 1:
                other.add(taken, 0.5)
                study.refresh()
            params = taken if self.plans == 1 else {"kernel": "linear", "C": 2.0}
            return Plan((Decision(params, "test", "because", "own"),))

    strategy = Overtaken()
    study = Study(problem(), name="a", storage=url, strategy=strategy)
    assert study.ask().params == {"kernel": "linear", "C": 2.0}
    assert strategy.plans == 2


@pytest.mark.parametrize("bad", [2.5, "3", True, 0, 10**6, 10**5000, [1]], ids=lambda v: type(v).__name__)
def test_how_many_trials_is_a_whole_number_in_bounds(bad: Any) -> None:
    with pytest.raises(InvalidInput, match=r"`n` must be a whole number in \[1, 100000\]"):
        Study(problem(), strategy="random").ask(bad)


def test_whole_numbers_may_be_written_as_floats() -> None:
    study = Study(problem(), strategy="random", seed=cast(Any, 3.0))
    n: Any = 2.0
    assert len(study.ask(n)) == 2
    number: Any = 1.0
    assert study.tell(number, 0.5).number == study.trial(number).number == 1


@pytest.mark.parametrize("bad", ["x", None, [1], {}], ids=repr)
def test_what_names_no_trial_is_refused_in_words(bad: Any) -> None:
    study = Study(problem(), strategy="random")
    for call in (study.trial, study.restore, lambda n: study.tell(n, 1.0), lambda n: study.exclude(n, "why")):
        with pytest.raises(TrialNotFound, match="named by its number"):
            call(bad)


@pytest.mark.parametrize("bad", [3.0, [1], "", "..", "a\nb", "a\0b", "x" * 401, "\ud800"], ids=ascii)
def test_a_study_s_name_is_text_that_every_door_can_say(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="`name` of a study"):
        Study(problem(), name=bad, strategy="random")


@pytest.mark.parametrize("bad", [3, "x", [1]], ids=repr)
def test_parameters_map_names_to_values_at_every_verb(bad: Any) -> None:
    study = Study(problem(), strategy="random")
    calls: list[Any] = [study.enqueue, study.predict, lambda p: study.ask(fixed=p), study.problem.space.clip]
    for call in calls:
        with pytest.raises(InvalidInput, match="must be a mapping"):
            call(bad)


def test_remarks_and_reasons_are_kept_as_text() -> None:
    study = Study(problem(), strategy="random")
    words: Any = 3.5
    study.exclude(study.ask().number, words)
    study.note(cast(Any, [1]))
    assert study.trial(0).excluded == "3.5"
    assert [e.data["text"] for e in study.events() if e.kind == "note"] == ["[1]"]
