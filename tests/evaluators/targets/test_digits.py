"""The digits as a task: a fixed split, noise of classes, moved images, and a network that learns them."""

import pytest
import torch

from trialogue.evaluators.targets.digits import accuracy, adam, copied, digits, fit
from trialogue.evaluators.targets.networks import generator, mlp


def test_no_image_is_in_two_parts() -> None:
    parts = [{tuple(x.tolist()) for x in images.x} for images in digits()]
    assert [len(images.y) for images in digits()] == [1000, 300, 497]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


def test_a_share_of_the_classes_is_drawn_anew() -> None:
    train = digits()[0]
    changed = (train.noisy(0.5, generator(0)).y != train.y).double().mean().item()
    assert changed == pytest.approx(0.45, abs=0.05)


def test_moved_images_keep_their_ink() -> None:
    train = digits()[0]
    moved = train.shifted(generator(0))
    assert moved.x.mean().item() == pytest.approx(train.x.mean().item(), abs=0.01)
    assert not torch.equal(moved.x, train.x)


def test_a_perceptron_learns_the_digits_and_its_copy_is_another() -> None:
    train, _, test = digits()
    stream = generator(0)
    network = mlp([64, 64, 10], stream)
    untrained = copied(network)
    fit(network, train, adam(network.parameters(), 3e-3), stream, epochs=10)
    assert accuracy(network, test) > 90
    assert accuracy(untrained, test) < 40
