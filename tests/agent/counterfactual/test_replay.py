"""The study without its planner is the study that nobody's planner had a part in, trial for trial."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from contracts.planner import problem, value

import trialogue as tl
from trialogue.agent.contracts import AbstractPlanner, PlanAnswer, PlanRequest
from trialogue.agent.counterfactual.worth import Counterfactual
from trialogue.agent.engine_options import EngineOptions
from trialogue.agent.ledger.records import Failure
from trialogue.agent.planner.planner import Planner
from trialogue.agent.study.study import Study
from trialogue.serving.errors import InvalidInput
from trialogue.serving.scripted import behaviours as scripted
from trialogue.serving.scripted.server import ScriptedServer

EXTRA = {"x": 2.8, "rate": 1e-4, "method": "slow", "depth": None}


def near_optimum(rng: Any) -> dict[str, Any]:
    return {"x": 1 + rng.gauss(0, 0.3), "rate": 10 ** (-3 + rng.gauss(0, 0.2)), "method": "fast", "depth": 3}


class Evaluator:
    """Fails in a corner of the space; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, params: Mapping[str, Any]) -> float:
        self.calls += 1
        if params["x"] > 2.5:
            raise ValueError("too far")
        return value(params)


@pytest.fixture(scope="module")
def expert() -> Iterator[str]:
    with ScriptedServer(scripted.expert(near_optimum)) as server:
        yield server.url


@pytest.fixture(scope="module")
def garbage() -> Iterator[str]:
    with ScriptedServer(scripted.garbage) as server:
        yield server.url


def study(planner: str | None, **options: Any) -> Study:
    return Study(problem(), seed=3, planner=None if planner is None else Planner(planner), **options)


def given() -> dict[str, Any]:
    return problem().space.clip({k: v for k, v in EXTRA.items() if v is not None})


def played(planner: str | None) -> Study:
    """Return a study with everything that comes from outside."""
    played = study(planner)
    played.run(Evaluator(), n_trials=3)
    played.enqueue(given(), reason="a guess")
    played.run(Evaluator(), n_trials=3)
    played.add(problem().space.default() | {"x": -1.5}, 9.0)
    played.run(Evaluator(), n_trials=6)
    return played


def test_a_planner_that_never_has_a_proposal_run_leaves_the_study_as_it_is(garbage: str) -> None:
    whole, evaluate = played(garbage), Evaluator()
    found = whole.counterfactual(evaluate)
    assert [t.params for t in found.trials] == [t.params for t in whole.trials]
    assert [t.ending for t in found.trials] == [t.ending for t in whole.trials]
    assert evaluate.calls == 2  # the first result and the last, to see that they repeat
    assert (found.gain, found.differs_from, found.proposed, found.exact) == (0.0, None, (), True)
    assert found.spent.calls > 0
    assert "made no difference" in str(found)


def test_the_counterfactual_is_the_study_that_had_no_planner(expert: str) -> None:
    with_expert, alone = played(expert), played(None)
    found = with_expert.counterfactual(Evaluator())
    assert [t.params for t in found.trials] == [t.params for t in alone.trials]
    assert [t.values for t in found.trials] == [t.values for t in alone.trials]
    assert [t.source for t in found.trials if t.source in ("user", "surrogate")]
    assert found.exact
    assert found.differs_from == found.proposed[0]
    assert found.best[-1] == with_expert.best_trial.value
    assert found.best_without[-1] == alone.best_trial.value
    best, without = found.best[-1], found.best_without[-1]
    assert best is not None
    assert without is not None
    assert found.gain == without - best > 0
    assert len(with_expert.trials) == len(found.trials)  # nothing was written


def test_batches_and_results_in_another_order_are_repeated_as_they_were(garbage: str) -> None:
    whole = study(garbage)
    evaluate = Evaluator()
    for n in (1, 4, 2, 3, 2):
        for trial in reversed(whole.ask(n)):
            try:
                whole.tell(trial, evaluate(trial.params))
            except ValueError:
                whole.tell(trial, failed="too far")
    open_trial = whole.ask()
    found = whole.counterfactual(evaluate)
    assert [t.params for t in found.trials] == [t.params for t in whole.trials]
    assert found.trials[open_trial.number].state == "running"


class Meddler(AbstractPlanner):
    """Proposes nothing, and tells a running trial meanwhile."""

    def __init__(self) -> None:
        self.told = 0
        self.study: Study | None = None

    @property
    def name(self) -> str:
        return "meddler"

    def propose(self, request: PlanRequest) -> PlanAnswer:
        assert self.study is not None
        for trial in request.history.running[:1]:
            self.study.tell(trial.number, value(trial.params))
            self.told += 1
        return PlanAnswer()


def test_a_result_that_came_while_the_planner_was_thinking_is_not_seen_there_either() -> None:
    planner = Meddler()
    planner.study = whole = Study(problem(), seed=3, planner=planner)
    whole.run(value, n_trials=3)
    for _ in range(8):
        whole.ask()
    found = whole.counterfactual(value)
    assert planner.told > 1
    assert [t.params for t in found.trials] == [t.params for t in whole.trials]
    assert found.exact


def test_lost_and_excluded_trials_happen_there_too(garbage: str) -> None:
    whole = study(garbage)
    whole.run(Evaluator(), n_trials=4)
    lost = whole.ask()
    whole.finish(lost.number, Failure("lost", "its machine went away"), requeue=True)
    whole.exclude(2, "a bad machine")
    whole.exclude(3, "a worse one")
    whole.run(Evaluator(), n_trials=3)
    whole.restore(3)
    whole.run(Evaluator(), n_trials=3)
    found = whole.counterfactual(Evaluator())
    assert [(t.params, t.ending, t.excluded) for t in found.trials] == [
        (t.params, t.ending, t.excluded) for t in whole.trials
    ]


def test_what_cannot_be_told_is_refused_in_words(expert: str) -> None:
    noisy = study(expert)
    noisy.run(Evaluator(), n_trials=5)
    with pytest.raises(InvalidInput, match="repeats itself"):
        noisy.counterfactual(lambda params: value(params) + 0.1)
    alone = study(None)
    alone.run(Evaluator(), n_trials=2)
    with pytest.raises(InvalidInput, match="no planner had a part"):
        alone.counterfactual(Evaluator())
    with pytest.raises(InvalidInput, match="'random'"):
        study(None, strategy="random").counterfactual(Evaluator())


def test_a_study_that_learns_from_others_is_refused_in_words(expert: str, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    study(None, name="earlier", storage=storage).run(Evaluator(), n_trials=3)
    later = study(expert, name="later", storage=storage, engine=EngineOptions(transfer=("earlier",)))
    later.run(Evaluator(), n_trials=5)
    with pytest.raises(InvalidInput, match="'later' learns from earlier"):
        later.counterfactual(Evaluator())


def test_an_excluded_result_need_not_repeat(garbage: str) -> None:
    whole = study(garbage)
    trial = whole.ask()
    whole.tell(trial, 99.0)
    whole.exclude(trial.number, "a bad machine")
    whole.run(Evaluator(), n_trials=4)
    found = whole.counterfactual(Evaluator())
    assert [(t.params, t.ending) for t in found.trials] == [(t.params, t.ending) for t in whole.trials]


def test_a_study_that_had_something_else_in_it_is_said_not_to_be_exact(garbage: str) -> None:
    whole = study(garbage)
    whole.run(Evaluator(), n_trials=4)
    trial = whole.ask(fixed={"x": -1.9})
    whole.tell(trial, value(trial.params))
    found: Counterfactual = whole.counterfactual(Evaluator())
    assert (found.exact, found.differs_from) == (False, trial.number)
    assert f"Not exact: the studies differ from trial {trial.number} on" in str(found)


def test_a_finite_space_may_end_sooner_without_the_planner(garbage: str) -> None:
    space = tl.SearchSpace([tl.Int("k", 1, 4)])
    whole = Study(tl.Problem("tiny", space), planner=Planner(garbage))
    whole.run(lambda params: float(params["k"]), n_trials=4)
    found = whole.counterfactual(lambda params: float(params["k"]))
    assert {t.params["k"] for t in found.trials} == {1, 2, 3, 4}
    assert len(found.trials) == 4
