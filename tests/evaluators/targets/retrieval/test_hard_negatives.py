"""Ranks by hand, negatives that are never the right document, and stages that train what they say."""

import numpy as np
import pytest
import torch

from trialogue.evaluators.targets.networks import generator
from trialogue.evaluators.targets.retrieval.hard_negatives import (
    DualEncoder,
    corpus,
    reciprocal_rank,
    target,
    train,
)


def test_reciprocal_ranks_end_at_ten() -> None:
    scores = torch.arange(20.0).flip(0).repeat(3, 1)
    assert reciprocal_rank(scores, torch.tensor([0, 1, 10])) == pytest.approx((1 + 0.5 + 0) / 3)


def test_the_hardest_negatives_are_wrong_documents() -> None:
    documents, queries, right = corpus(30, np.random.default_rng(0))
    encoder = DualEncoder(8, generator(0))
    found = encoder.hardest(queries, documents, right, 50)
    assert found.shape == (30, 50)
    assert not (found == right[:, None]).any()


@pytest.mark.parametrize("stage", ["random", "static", "dynamic"])
def test_dynamic_negatives_train_the_query_encoder_alone(stage: str) -> None:
    data = corpus(100, np.random.default_rng(0))
    encoder = DualEncoder(8, generator(0))
    query, document = encoder.query.detach().clone(), encoder.document.detach().clone()
    train(encoder, data, {**target().problem.space.default(), "updates": 3}, stage, generator(1))
    assert not torch.equal(encoder.query, query)
    assert torch.equal(encoder.document, document) == (stage == "dynamic")


def test_the_corpus_is_the_same_for_all_seeds_and_queries_are_not() -> None:
    a, b = (corpus(50, np.random.default_rng(seed)) for seed in (0, 1))
    assert torch.equal(a[0], b[0])
    assert not torch.equal(a[1], b[1])
