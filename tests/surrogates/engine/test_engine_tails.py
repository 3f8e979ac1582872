"""One trial that diverged does not hide the differences among the others."""

import numpy as np
import pytest

import trialogue as tl


def loss(params: dict[str, float]) -> float:
    """A bowl in depth and learning rate that runs away at high rates: 94 at the edge, .06 to .9 elsewhere."""
    other = 0.0 if params["kernel"] == "rbf" else 0.3
    return (params["rate"] - 3e-3) ** 2 * 1e4 + 0.1 * abs(params["depth"] - 6) + other


@pytest.mark.parametrize("seed", [0, 4])
def test_a_loss_of_hundreds_leaves_the_search_able_to_tell_good_from_better(seed: int) -> None:
    space = tl.SearchSpace([
        tl.Float("rate", 1e-5, 1e-1, log=True), tl.Int("depth", 1, 12), tl.Categorical("kernel", ["linear", "rbf", "poly"]),
    ])  # fmt: skip
    problem = tl.Problem("tails", space, objectives=[tl.Objective("loss", "minimize")])
    with tl.Study(problem, strategy="surrogate", seed=seed) as study:
        study.run(loss, n_trials=15)
        values = [t.value for t in study.trials]
    assert max(values) > 100 * np.median(values)
    assert min(values) < 0.02
