"""Probabilities of texts sum to one, and each loss is what its formula says."""

from itertools import product

import pytest
import torch

from trialogue.evaluators.targets.finetuning import preferences
from trialogue.evaluators.targets.finetuning.preferences import (
    labelled,
    log_probability,
    pair_loss,
    reward,
    sampled,
    start,
)
from trialogue.evaluators.targets.networks import generator


def test_short_texts_and_what_is_left_sum_to_one() -> None:
    texts = [
        [*text, *[0] * (preferences.LENGTH - len(text))]
        for length in range(1, 4)
        for text in product(range(1, preferences.TOKENS + 1), repeat=length)
    ]
    ended = log_probability(start(), torch.tensor(texts)).exp().sum().item()
    short = ((sampled(start(), 20_000, generator(0)) > 0).sum(1) <= 3).double().mean().item()
    assert ended == pytest.approx(short, abs=0.01)


def test_the_reward_of_a_text_does_not_grow_with_its_length() -> None:
    one, two = torch.zeros(2, preferences.LENGTH, dtype=torch.long)
    one[0], two[:2] = 8, 8
    assert reward(torch.stack([one, two])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("loss", ["dpo", "ln-dpo"])
def test_at_the_start_a_pair_is_a_coin(loss: str) -> None:
    better, worse = labelled(generator(0))
    value = pair_loss(start(), better, worse, {"loss": loss, "beta": 0.5})
    assert value.item() == pytest.approx(0.6931, abs=1e-4)


def test_preferred_texts_have_the_higher_reward_on_average() -> None:
    better, worse = labelled(generator(0))
    assert reward(better).mean() > reward(worse).mean() + 0.1
