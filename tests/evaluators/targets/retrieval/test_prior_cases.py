"""Cases in their time: what is cited is earlier, and what is trained on is the past."""

import numpy as np
import pytest
import torch

from trialogue.evaluators.targets.networks import generator
from trialogue.evaluators.targets.retrieval.cases import CITED, FACTS, bm25, cases_of
from trialogue.evaluators.targets.retrieval.prior_cases import CaseEncoders, negatives, standardized


def test_a_case_cites_cases_of_earlier_years_only() -> None:
    cases = cases_of(0)
    by, to = np.nonzero(cases.cites)
    assert (cases.year[to] < cases.year[by]).all()
    assert (cases.cites.sum(1)[cases.year > 0] == CITED).all()


def test_a_query_is_the_first_words_of_the_facts() -> None:
    cases = cases_of(0)
    assert (cases.queries(10).sum(1) == 10).all()
    assert (cases.queries(FACTS) == cases.parts["facts"]).all()
    assert (cases.queries(10) <= cases.queries(20)).all()


@pytest.mark.parametrize("kind", ["random", "hard", "recent"])
def test_negatives_are_earlier_cases_that_are_not_cited(kind: str) -> None:
    cases = cases_of(0)
    bags = torch.from_numpy(cases.parts["facts"]).float()
    rows = torch.from_numpy(np.flatnonzero(cases.year == 5)[:4])
    likely = negatives(CaseEncoders(bags, bags, 8, generator(0)), cases, kind, rows).numpy() > 1e-6
    assert likely.any(1).all()
    assert not (likely & cases.cites[rows]).any()
    assert cases.year[np.nonzero(likely)[1]].max() < 5
    if kind == "recent":
        assert cases.year[np.nonzero(likely)[1]].min() == 3


def test_bm25_ranks_the_document_with_the_rarer_word_first() -> None:
    documents = np.array([[2, 0, 2], [0, 2, 2], [2, 0, 2]])
    scores = bm25(np.array([[1, 1, 0]]), documents)[0]
    assert scores.argmax() == 1
    assert scores[0] == scores[2]


def test_standardized_scores_have_no_scale() -> None:
    scores = np.array([[1.0, 2.0, 3.0]])
    assert standardized(10 * scores + 5) == pytest.approx(standardized(scores))
