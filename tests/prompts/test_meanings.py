"""Words for parameters: which names get one, where usual values lie, and what the prompt shows of them."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.prompts import number_dialect as nd
from trialogue.prompts.knowledge import families
from trialogue.prompts.meanings import BY_FAMILY, BY_NAME, WORDS, meanings_of

SPOKEN = nd.Dialect(meanings=WORDS)
C = tl.Float("C", 1e-2, 1e2, log=True)
GAMMA = tl.Float("gamma", 1e-4, 1.0, log=True)


def svm() -> tl.Problem:
    return tl.Problem("svm", tl.SearchSpace([GAMMA, C, tl.Float("luck", 0, 1)]))


def history(d: int) -> nd.NumberHistory:
    X = np.linspace(0.1, 0.9, 3)[:, None].repeat(d, 1)
    return nd.NumberHistory(X, np.ones((3, d), bool), np.arange(3.0), np.zeros(3, bool), np.zeros(d, bool))


def words_of(tokens: np.ndarray) -> list[str]:
    names = SPOKEN.token_names()
    return [names[t] for t in tokens]


def test_known_names_have_words_and_others_none():
    told = meanings_of(svm())
    assert told is not None
    assert told.words == ("kernel_width", "inverse_penalty", "")


def test_usual_values_and_ranges_are_coordinates_of_the_space():
    told = meanings_of(svm())
    assert told is not None
    usual, low, high = told.usual
    assert usual[1] == pytest.approx(0.5)  # C = 1 in [0.01, 100]
    assert (low[1], high[1]) == pytest.approx(
        (0.25, 1.0)
    )  # useful from 0.1 to 1000, of which the space holds 100
    assert np.isnan(told.usual[:, 2]).all()


def test_names_that_say_nothing_mean_nothing():
    assert meanings_of(tl.Problem("f", tl.SearchSpace([tl.Float("x0", 0, 1), tl.Float("C", 0, 1)]))) is None


def test_one_name_may_mean_different_things_in_different_families():
    boosting = tl.Problem("xgboost", tl.SearchSpace([tl.Float("gamma", 0, 5), tl.Float("eta", 0.01, 1)]))
    told = meanings_of(boosting)
    assert told is not None
    assert told.words == ("least_gain", "learning_rate")


def test_every_word_belongs_to_a_fact_and_no_token_means_two_things():
    facts = {name for family in families() for name in family.parameters}
    assert {name for name in BY_NAME if name not in facts} <= {"eta0", "hidden_size"}
    assert {name for _, name in BY_FAMILY} <= facts
    assert len(set(SPOKEN.token_names())) == SPOKEN.vocabulary


def test_a_prompt_introduces_parameters_by_their_words():
    tokens = nd.history_tokens(SPOKEN, history(3), np.array([1, 0, 2]), np.arange(3), meanings_of(svm()))
    told = words_of(tokens)
    assert told[:4] == ["<bos>", "inverse_penalty", "kernel_width", "num"]
    assert [told[4], told[9], told[14]] == ["usual", "from", "to"]
    assert told[5] in ("a63", "a64")
    assert told[7] == "off"  # nothing is known of luck
    assert told[19] == "t"


def test_a_checkpoint_without_the_words_reads_what_it_always_read():
    for told in (None, meanings_of(svm())):
        tokens = nd.history_tokens(nd.Dialect(), history(3), np.arange(3), np.arange(3), told)
        plain = nd.history_tokens(nd.Dialect(), history(3), np.arange(3), np.arange(3))
        np.testing.assert_array_equal(tokens, plain)
