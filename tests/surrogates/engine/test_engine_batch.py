"""One batch, however large, is planned in bounded time: what a suggestion costs does not grow with those before it."""

import numpy as np

import trialogue as tl
from tests.contracts.engine import finished
from trialogue.evaluators.problems.history import History, RunningTrial
from trialogue.evaluators.problems.problem import Problem
from trialogue.surrogates.engine.belief import PENDING, SEARCHED
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.outcome import OutcomeModel
from trialogue.surrogates.optim.initial_design import GIVEN, next_design_row
from trialogue.surrogates.optim.search import Domain

PLAIN = Problem("p", tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)]))


def test_what_is_left_of_a_large_batch_is_drawn_by_the_model_and_all_of_it_differs() -> None:
    history = finished(PLAIN, 6, lambda p: (p["x"] - 0.3) ** 2)
    rng = np.random.default_rng(0)
    found = GaussianEngine(PLAIN).condition(history, rng).suggest(SEARCHED + 40, rng)
    assert [s.origin for s in found] == ["acquisition"] * SEARCHED + ["random"] * 40
    assert found[-1].reason == f"drawn: {SEARCHED} of a batch are searched for"
    assert len({tuple(s.params.values()) for s in found}) == SEARCHED + 40


def test_a_finite_space_is_used_up_by_one_batch() -> None:
    problem = Problem("p", tl.SearchSpace([tl.Int("k", 1, SEARCHED + 30)]))
    history = finished(problem, 6, lambda p: p["k"])
    rng = np.random.default_rng(0)
    left = SEARCHED + 30 - len({t.params["k"] for t in history.finished})
    found = GaussianEngine(problem).condition(history, rng).suggest(left, rng)
    assert len({s.params["k"] for s in found}) == left


def test_a_batch_before_anything_is_known_is_designed_then_drawn() -> None:
    rng = np.random.default_rng(0)
    found = GaussianEngine(PLAIN).condition(History(PLAIN), rng).suggest(1_000, rng)
    assert [s.origin for s in found] == [
        "default",
        *["initial_design"] * (SEARCHED - 1),
        *["random"] * (1_000 - SEARCHED),
    ]
    assert len({tuple(s.params.values()) for s in found}) == 1_000


def test_of_running_trials_the_model_takes_in_the_newest() -> None:
    history = finished(PLAIN, 6, lambda p: p["x"])
    running = [
        RunningTrial(100 + i, p) for i, p in enumerate(PLAIN.space.sample(np.random.default_rng(1), 300))
    ]
    belief = GaussianEngine(PLAIN).condition(history.extended(running=running), np.random.default_rng(0))
    assert belief.model is not None
    outcome = belief.model.objectives[0]
    assert isinstance(outcome, OutcomeModel)
    assert len(outcome.members[0].y) == 6 + PENDING


def test_a_design_keeps_away_from_the_newest_rows_alone() -> None:
    engine = GaussianEngine(PLAIN)
    embedding = engine.condition(History(PLAIN), np.random.default_rng(0)).embedding
    X = PLAIN.space.sample_rows(np.random.default_rng(1), 3 * GIVEN)
    domain = Domain(PLAIN.space, set(), {})
    rows = [
        next_design_row(
            embedding, domain, some, np.ones(some.shape, bool), np.random.default_rng(2), length=0.5
        )
        for some in (X, X[-GIVEN:])
    ]
    assert np.array_equal(*rows)
