"""What is left out of a text, what is then read of it, and what that costs."""

from typing import Any

import numpy as np
import pytest
import torch

from trialogue.evaluators.targets.language.long_texts import (
    FIRST,
    STOP,
    TOKENS,
    Reader,
    cost,
    shortened,
    texts,
)
from trialogue.evaluators.targets.networks import generator

WORD, RARE, MARK = FIRST["frequent"] + 1, FIRST["rare"] + 1, FIRST["marks"]
TEXT = np.array([1, WORD, MARK, STOP, RARE, WORD, MARK])
KEPT = {
    "stop_words": True,
    "marks": True,
    "rare_words": True,
    "recurring": True,
    "tokens": 100,
    "where": "head",
}


def known() -> np.ndarray:
    out = np.ones(TOKENS, bool)
    out[RARE] = False
    return out


@pytest.mark.parametrize(
    ("changed", "read"),
    [
        ({}, [1, WORD, MARK, STOP, RARE, WORD, MARK]),
        ({"stop_words": False}, [WORD, MARK, RARE, WORD, MARK]),
        ({"marks": False}, [1, WORD, STOP, RARE, WORD]),
        ({"rare_words": False}, [1, WORD, MARK, STOP, WORD, MARK]),
        ({"recurring": False}, [1, WORD, MARK, STOP, RARE, MARK]),
        ({"tokens": 3}, [1, WORD, MARK]),
        ({"tokens": 3, "where": "tail"}, [RARE, WORD, MARK]),
        ({"tokens": 3, "where": "both"}, [1, WORD, MARK]),
    ],
)
def test_what_is_not_kept_is_left_out_before_the_text_is_cut(
    changed: dict[str, Any], read: list[int]
) -> None:
    assert shortened(TEXT, KEPT | changed, known()).tolist() == read


def test_a_text_is_long_and_its_tokens_exist() -> None:
    found, topics = texts(0, 0, 20)
    assert len(found) == len(topics)
    assert all(300 <= len(t) <= 500 and t.min() >= 1 and t.max() < TOKENS for t in found)


def test_what_fills_a_text_up_does_not_change_its_logits() -> None:
    model = Reader(10, 0.0, generator(0)).eval()
    x = torch.tensor([[3, 5, 7, 0, 0]])
    assert torch.allclose(model(x), model(x[:, :3]), atol=1e-5)


def test_attention_costs_the_square_of_what_is_read() -> None:
    assert cost(200) - 2 * cost(100) == pytest.approx(2 * 24 * (200**2 - 2 * 100**2) / 1e6)
