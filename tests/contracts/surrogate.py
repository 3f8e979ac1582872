"""What every surrogate must guarantee: subclass and give ``make``."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.surrogates.contracts import Surrogate, TrainingData

SPACE = tl.SearchSpace(
    [
        tl.Categorical("kernel", ["linear", "rbf", "poly"]),
        tl.Float("C", 1e-3, 1e3, log=True),
        tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf"]}),
        tl.Int("k", 1, 12),
    ]
)


def training(
    n: int, seed: int = 0, *, space: tl.SearchSpace = SPACE, y: np.ndarray | None = None
) -> TrainingData:
    """Return n rows with a smooth objective (or the given values)."""
    X, active = space.canonical(space.sample_rows(np.random.default_rng(seed), n))
    values = 2.0 - np.sum((X - 0.4) ** 2 * active, axis=1) if y is None else y
    return TrainingData(space, X, active, values, np.full(n, np.nan))


class SurrogateContract:
    """Behaviour that holds for every implementation."""

    tolerance = 1e-5
    """Of two fits of the same data in another order or unit, relative to the spread of y."""

    learned = 0.4
    """Least correlation with a smooth objective on rows never seen, after 40 rows."""

    def make(self) -> Surrogate:
        raise NotImplementedError

    def fit(self, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
        at = training(9, seed=5, space=data.space)
        return self.make().fit(data, np.random.default_rng(3)).predict(at.X, at.active)

    def test_predictions_are_finite_with_positive_sd(self) -> None:
        mean, sd = self.fit(training(12))
        assert mean.shape == sd.shape == (9,)
        assert np.isfinite(mean).all()
        assert (sd > 0).all()
        assert np.isfinite(sd).all()

    def test_the_order_of_rows_does_not_matter(self) -> None:
        data, order = training(10), np.random.default_rng(1).permutation(10)
        shuffled = TrainingData(SPACE, data.X[order], data.active[order], data.y[order], data.noise[order])
        for a, b in zip(self.fit(data), self.fit(shuffled), strict=True):
            np.testing.assert_allclose(a, b, atol=self.tolerance * np.std(data.y))

    def test_an_affine_change_of_y_changes_the_prediction_alike(self) -> None:
        data = training(10)
        scaled = TrainingData(SPACE, data.X, data.active, 1000.0 * data.y - 77.0, data.noise)
        (mean, sd), (mean2, sd2) = self.fit(data), self.fit(scaled)
        spread = np.std(data.y)
        np.testing.assert_allclose((mean2 + 77.0) / 1000.0, mean, atol=self.tolerance * spread)
        np.testing.assert_allclose(sd2 / 1000.0, sd, atol=self.tolerance * spread)

    @pytest.mark.parametrize(
        ("rows", "y"),
        [
            (1, [3.0]),
            (6, [2.0] * 6),
            (5, [1e-10, 1e10, 0.0, 5.0, -3.0]),
            (4, [0.0] * 4),
            (3, [1e-300, 2e-300, 0.0]),
        ],
    )
    def test_degenerate_data_give_finite_predictions(self, rows: int, y: list[float]) -> None:
        mean, sd = self.fit(training(rows, y=np.array(y)))
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()

    def test_identical_rows_with_different_values_give_finite_predictions(self) -> None:
        one = training(1)
        data = TrainingData(
            SPACE, one.X.repeat(5, 0), one.active.repeat(5, 0), np.arange(5.0), one.noise.repeat(5)
        )
        mean, sd = self.fit(data)
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()

    def test_it_learns(self) -> None:
        data, at = training(40), training(60, seed=9)
        mean, _ = self.make().fit(data, np.random.default_rng(0)).predict(at.X, at.active)
        assert np.corrcoef(mean, at.y)[0, 1] > self.learned
