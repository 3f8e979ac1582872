"""Clusters of queries, and what both models take for relevant before they are trained."""

import pytest
import torch

from trialogue.evaluators.targets.networks import generator
from trialogue.evaluators.targets.retrieval.extrapolation import (
    CLUSTERS,
    TESTS,
    Retriever,
    queries_of,
    written,
)
from trialogue.evaluators.targets.retrieval.hard_negatives import VOCABULARY


def test_the_words_of_a_document_are_all_of_them_and_no_others() -> None:
    documents = torch.tensor([[0.0, 2.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert [sorted(set(row)) for row in written(documents).tolist()] == [[1, 2], [0]]


def test_the_best_match_of_each_word_counts_in_an_interaction() -> None:
    data = queries_of(0)
    model = Retriever("interaction", 64, generator(0))
    alike = torch.zeros(1, VOCABULARY)
    alike[0, data.words[0, 0]] = 1.0
    alike[0, data.words[0, 1]] = 1.0
    assert model.scores(alike, data, torch.tensor([0])).item() == pytest.approx(1.0, abs=1e-5)


def test_every_cluster_is_tested() -> None:
    data = queries_of(0)
    tested = torch.bincount(data.cluster[data.tested], minlength=CLUSTERS)
    assert int(tested.sum()) == TESTS
    assert int(tested.min()) >= 10
