"""The embedded planner: the planner's contract, what it proposes first, when it is silent, and a study with it."""

import numpy as np
import pytest

import trialogue as tl
from tests.contracts.planner import PlannerContract
from trialogue.agent.contracts import Case, PlanRequest
from trialogue.agent.planner.embedded import EmbeddedPlanner, numbers_of, self_test
from trialogue.agent.referee.knowledge import KNOWN, KnownReferee, known_proposals
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.serving.embedded.model import EmbeddedModel


class TestEmbeddedPlanner(PlannerContract):
    @pytest.fixture
    def planner(self):
        return EmbeddedPlanner(abstains=False)


def svm() -> tl.Problem:
    space = tl.SearchSpace([tl.Float("C", 1e-3, 1e3, log=True), tl.Float("gamma", 1e-5, 10, log=True)])
    return tl.Problem("svm", space, objectives=[tl.Objective("accuracy", "maximize")])


def bare(d: int = 2, **kwargs) -> tl.Problem:
    return tl.Problem("bare", tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(d)]), **kwargs)


def told(problem: tl.Problem, n: int, value=lambda p: sum(p.values()), source: str = "user") -> History:
    rows = problem.space.sample(np.random.default_rng(0), n)
    finished = [FinishedTrial(i, p, tl.Measurement(value(p)), source) for i, p in enumerate(rows)]
    return History(problem).extended(finished=finished)


def ask(planner: EmbeddedPlanner, history: History, n: int = 3, purpose="candidates"):
    return planner.propose(PlanRequest(history, n, purpose, np.random.default_rng(0)))


def test_before_any_trial_it_proposes_what_is_known_by_name():
    answer = ask(EmbeddedPlanner(), History(svm()), purpose="warm_start")
    assert answer.proposals
    assert {p.source for p in answer.proposals} == {KNOWN}


def test_with_hidden_names_and_no_trials_it_has_nothing_to_say_yet_and_says_so():
    answer = ask(EmbeddedPlanner(), History(bare()), purpose="warm_start")
    assert not answer.abstained
    assert answer.notes
    assert not answer.proposals


def test_the_same_stream_gives_the_same_proposals():
    planner, history = EmbeddedPlanner(abstains=False), told(bare(), 8)
    assert ask(planner, history).proposals == ask(planner, history).proposals


def test_maximising_mirrors_minimising():
    low = told(bare(), 8)
    high = told(bare(objectives=[tl.Objective("v", "maximize")]), 8, lambda p: -sum(p.values()))
    planner = EmbeddedPlanner(abstains=False)
    assert [p.params for p in ask(planner, low).proposals] == [p.params for p in ask(planner, high).proposals]


def test_failed_trials_are_told_and_lost_ones_are_not():
    history = told(bare(), 5).extended(
        failed=[
            FailedTrial(5, {"x0": 0.9, "x1": 0.9}, "crash", "boom"),
            FailedTrial(6, {"x0": 0.1, "x1": 0.1}, "lost", "its process died"),
        ]
    )
    numbers = numbers_of(history)
    assert len(numbers.loss) == 6
    assert numbers.failed.tolist() == [False] * 5 + [True]


def test_a_broken_checkpoint_costs_proposals_and_not_the_study(tmp_path):
    answer = ask(EmbeddedPlanner(EmbeddedModel(tmp_path)), told(bare(), 5))
    assert not answer.proposals
    assert answer.calls[0].outcome == "unreachable"


def test_it_is_silent_where_its_predictions_are_worse_than_guessing():
    class Noise(EmbeddedPlanner):
        def skill(self, history, rng):
            return -0.3

    answer = ask(Noise(), told(bare(), 15))
    assert answer.abstained
    assert "worse than guessing" in answer.notes[0]


def test_skill_is_high_on_a_smooth_function_of_one_parameter():
    history = told(bare(1), 20, lambda p: (p["x0"] - 0.4) ** 2)
    assert EmbeddedPlanner().skill(history, np.random.default_rng(0)) > 0.1


def test_two_known_configurations_are_run_and_a_third_only_while_one_leads():
    problem = svm()
    first = known_proposals(History(problem))
    assert len(first) == 3

    def kept(*values: float, others: float = -1.0) -> bool:
        rows = [FinishedTrial(i, first[i].params, tl.Measurement(v), KNOWN) for i, v in enumerate(values)]
        rows.append(FinishedTrial(9, {"C": 0.5, "gamma": 0.5}, tl.Measurement(others)))
        history = History(problem).extended(finished=rows)
        verdicts = KnownReferee().judge(Case(first, None, None, history))
        assert bool(known_proposals(history)) == verdicts[0].kept
        return verdicts[0].kept

    assert kept()
    assert kept(0.0, others=5.0)
    assert kept(0.0, 1.0)
    assert not kept(0.0, 1.0, others=5.0)
    assert not kept(0.0, 1.0, 2.0)


def test_known_configurations_that_failed_are_not_followed_by_others():
    problem = svm()
    failed = FailedTrial(0, known_proposals(History(problem))[0].params, "crash", "boom", KNOWN)
    assert not KnownReferee().allows(History(problem).extended(failed=[failed]))[0]


def test_the_shipped_checkpoint_passes_its_own_test():
    assert "optimum of a parabola" in self_test()


@pytest.mark.slow
def test_a_study_with_the_embedded_planner_asks_it_and_tells_who_proposed():
    problem = svm()

    def accuracy(params):
        return -abs(np.log10(params["C"]) - 1) - abs(np.log10(params["gamma"]) + 2)

    study = tl.Study(problem, planner="embedded", seed=0, budget=tl.Budget(trials=20))
    study.run(accuracy, n_trials=20)
    sources = [t.source for t in study.trials]
    assert KNOWN in sources
    assert study.spent.calls > 0  # whether a proposal of it is run is the referee's decision
    assert set(sources) <= {KNOWN, "initial_design", "surrogate", "planner:embedded"}
    assert len(sources) == 20
