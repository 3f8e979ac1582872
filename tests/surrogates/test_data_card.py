"""A data card tells a rich set of trials from a poor one, each measure on its own."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.errors import InvalidProblem
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History

SPACE = tl.SearchSpace(
    [tl.Float("x", 0, 1), tl.Float("y", 1e-3, 1, log=True), tl.Categorical("c", ["a", "b"])]
)
PROBLEM = tl.Problem("p", SPACE, [tl.Objective("loss")])


def trials(n=60, seed=0, width=1.0, noise=0.0, shift=0.0):
    rng = np.random.default_rng(seed)
    finished = []
    for i, x in enumerate(SPACE.sample_rows(rng, n)):
        (params,) = SPACE.decode((0.5 + width * (x - 0.5))[None, :])
        value = (1 - noise) * (params["x"] - 0.3) ** 2 + noise * rng.standard_normal() + shift
        finished.append(FinishedTrial(i, params, tl.Measurement(value)))
    return History(PROBLEM).extended(finished=finished)


def test_random_trials_cover_as_much_as_random_points():
    card = tl.data_card(trials())
    assert (card.trials, card.finished, card.failed, card.parameters) == (60, 60, 0, 3)
    assert card.coverage == pytest.approx(card.coverage_random, abs=0.1)


def test_narrow_trials_are_less_diverse_and_cover_less():
    wide, narrow = tl.data_card(trials()), tl.data_card(trials(width=0.1))
    assert narrow.diversity < wide.diversity / 2
    assert narrow.coverage < wide.coverage / 2


def test_the_same_configuration_again_adds_nothing_to_diversity():
    same = [FinishedTrial(i, {"x": 0.5, "y": 0.1, "c": "a"}, tl.Measurement(1.0)) for i in range(30)]
    card = tl.data_card(History(PROBLEM).extended(finished=same))
    assert card.diversity == pytest.approx(1.0)
    assert card.utility is None


@pytest.mark.slow
def test_results_that_follow_from_parameters_are_useful_and_noise_is_not():
    assert tl.data_card(trials()).utility > 0.8
    assert abs(tl.data_card(trials(noise=1.0)).utility) < 0.4


@pytest.mark.slow
def test_trials_of_one_source_cannot_be_told_apart_and_shifted_ones_can():
    assert tl.data_card(trials(), trials(seed=1)).realism > 0.7
    assert tl.data_card(trials(), trials(seed=1, shift=3)).realism < 0.1


def test_a_reference_of_other_parameters_is_refused():
    other = History(tl.Problem("q", tl.SearchSpace([tl.Float("z", 0, 1)])))
    with pytest.raises(InvalidProblem, match="a reference must have the parameters of 'p'"):
        tl.data_card(trials(), other)


def test_failures_count_and_an_empty_study_has_a_card():
    failed = [FailedTrial(0, {"x": 0.1, "y": 0.1, "c": "b"}, "crash", "boom")]
    assert tl.data_card(History(PROBLEM).extended(failed=failed)).failed == 1
    assert tl.data_card(History(PROBLEM)).to_dict()["diversity"] == 0.0
