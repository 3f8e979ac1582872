"""The head: covariances of neighbouring heads against NumPy's, a start that does not touch the tokens, no gradient below."""

from typing import Any

import numpy as np
import pytest
import torch

from trialogue.evaluators.targets.finetuning.moment_probing import FEATURES, Covariances, Head, frozen, target
from trialogue.evaluators.targets.networks import generator

MOMENTS = {"head": "moments", "heads": 3, "size": 4, "normalize": False}


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def tokens(n: int = 2) -> torch.Tensor:
    return torch.rand(n, 9, FEATURES, generator=generator(3))


def test_maps_are_the_covariances_of_neighbouring_heads() -> None:
    made, x = Covariances(MOMENTS, generator(0)), tokens()
    with torch.no_grad():
        maps = made.maps(x)
        heads = torch.nn.functional.layer_norm(made.projection(x).view(2, 9, 3, 4), (4,))[0].numpy()
    for h in range(2):
        both = np.cov(np.concatenate([heads[:, h], heads[:, h + 1]], 1).T, bias=True)
        assert maps[0, h].numpy() == pytest.approx(both[:4, 4:], abs=1e-5)


def test_maps_are_of_length_one_where_that_is_asked() -> None:
    made = Covariances(MOMENTS | {"normalize": True}, generator(0))
    assert made.maps(tokens()).flatten(1).norm(dim=1).tolist() == pytest.approx([1, 1], rel=1e-4)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_the_two_readings_are_averaged(size: int) -> None:
    head = Head(params(**MOMENTS | {"size": size}), generator(0))
    assert head.moments is not None
    x = tokens()
    with torch.no_grad():
        assert torch.allclose(head(x), (head.mean(x.mean(1)) + head.moments(x)) / 2)


def test_recalibration_begins_with_the_tokens_as_they_are() -> None:
    plain, scaled = (Head(params(recalibrated=r), generator(0)) for r in (False, True))
    scaled.mean.load_state_dict(plain.mean.state_dict())
    assert torch.allclose(plain(tokens()), scaled(tokens()))


def test_the_network_below_is_frozen() -> None:
    assert not any(p.requires_grad for p in frozen().parameters())
