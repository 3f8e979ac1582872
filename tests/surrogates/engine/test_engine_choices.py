"""Spaces of unordered choices: what a choice adds is learnt across combinations, and a floor does not hide what is above it."""

import numpy as np
import pytest
from scipy import stats

import trialogue as tl
from tests.contracts.engine import finished
from trialogue.evaluators.problems.history import Params
from trialogue.evaluators.problems.problem import Problem
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.mean import Bowl
from trialogue.surrogates.models.outcome import Settings

NAMES = [f"c{i}" for i in range(6)]
SPACE = tl.SearchSpace([tl.Categorical(n, list("abcde")) for n in NAMES])
WORTH = np.random.default_rng(5).standard_normal((6, 5))


def added(params: Params) -> float:
    return float(sum(WORTH[i, "abcde".index(str(params[n]))] for i, n in enumerate(NAMES)))


def with_floor(params: Params) -> float:
    return -80.0 if params["c0"] == "a" else added(params)


def agreement(settings: Settings) -> float:
    """Return the rank correlation of the engine's mean, from 20 of the combinations, with the truth at 200 others."""
    problem = Problem("sum", SPACE, [tl.Objective("y", "maximize")])
    belief = GaussianEngine(problem, settings).condition(
        finished(problem, 20, added), np.random.default_rng(0)
    )
    others = SPACE.sample(np.random.default_rng(9), 200)
    predicted = [a.z_mean for a in belief.assess(others)]
    return float(stats.spearmanr(predicted, [added(p) for p in others]).statistic)


def test_what_a_choice_adds_is_learnt_across_combinations() -> None:
    with_choices, without = agreement(Settings()), agreement(Settings(choice=0.0))
    assert with_choices > 0.6
    assert with_choices > without + 0.05


@pytest.mark.parametrize(("tail", "kind"), [(10.0, "linear"), (10.0, None), (1e6, "linear")])
def test_a_floor_of_failing_choices_is_transformed_in_spaces_of_choices_alone(
    tail: float, kind: str | None
) -> None:
    problem = Problem("floor", SPACE, [tl.Objective("y", "maximize")])
    f = with_floor if kind is None or tail > 10 else added
    history = finished(problem, 20, f)
    belief = GaussianEngine(problem, Settings(choice_tail=tail)).condition(history, np.random.default_rng(0))
    assert belief.model is not None
    found = belief.model.objectives[0].transform.kind
    assert found == kind if kind else found != "linear"


def test_effects_of_choices_have_the_stated_prior() -> None:
    engine = GaussianEngine(Problem("p", SPACE), Settings())
    embedding = engine.condition(finished(engine.problem, 3, added), np.random.default_rng(0)).embedding
    same, other = SPACE.encode([dict.fromkeys(NAMES, "a"), {**dict.fromkeys(NAMES, "a"), "c1": "b"}])
    phi = Bowl(embedding, choice_sd=2.0).features(embedding.embed(same, other))
    covariance = phi[:, 1:] @ phi[:, 1:].T
    assert np.diag(covariance) == pytest.approx(4.0)
    assert covariance[0, 1] == pytest.approx(4.0 * 5 / 6), "five of six choices are shared"


def test_where_a_number_stands_beside_choices_nothing_changes() -> None:
    space = tl.SearchSpace([*SPACE.parameters, tl.Float("x", 0.0, 1.0)])
    problem = Problem("mixed", space, [tl.Objective("y", "maximize")])
    history, others = finished(problem, 12, with_floor), space.sample(np.random.default_rng(9), 5)
    usual, without = (
        GaussianEngine(problem, settings).condition(history, np.random.default_rng(0)).assess(others)
        for settings in (Settings(), Settings(choice=0.0, choice_tail=1e6))
    )
    assert usual == without
