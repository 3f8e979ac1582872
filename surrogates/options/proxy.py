"""A network that stands in for an expensive function: trained on what was measured, trusted as far as it was right.

It is trained again whenever ``UPDATE`` more rows are known, and tested on what was measured since: it may be used while
four fifths of those are predicted within the tolerance. Deterministic in the rows. Knows nothing of studies.

Notation: Z (n, p) embedded rows in the order of measuring · y (n,) · tolerance in the unit of y.
Source: Gómez-Vargas & Vázquez 2024, "Deep learning and genetic algorithms for cosmological Bayesian inference speed-up"
(neuralike): three layers of 100, rate 5e-4, batches of 32, a fifth held out, four fifths within 5 %. There the network
learns a likelihood inside nested sampling, from thousands of rows, and 5 % are relative; here they are of the spread.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST = 60
"""Measured rows before there is a network."""

UPDATE = 20
"""Further ones after which it is trained again."""

TESTED = 10
"""Latest rows it was not trained on that it is judged by."""

SHARE = 0.8
"""Of the rows it is judged by that must be within the tolerance."""

EPOCHS, PATIENCE = 1000, 50
"""The source trains for 100 epochs; with so few rows that would be a few hundred steps."""


def spread(y: np.ndarray) -> float:
    """Return the distance between the 5 and 95 % quantiles, the unit of the accuracy that is asked for."""
    low, high = np.quantile(y, (0.05, 0.95))
    return float(high - low)


@dataclass(frozen=True)
class TrainedProxy:
    """A network for y, trained on the first ``rows``; ``held_out`` (h,) its errors on the fifth that it did not see."""

    network: Any  # scikit-learn's, which states no types
    rows: int
    centre: float
    scale: float
    held_out: np.ndarray

    @classmethod
    def fit(cls, Z: np.ndarray, y: np.ndarray) -> "TrainedProxy | None":
        """Train on the rows known at the last update; None below ``FEWEST`` or for a constant y."""
        rows = FEWEST + (len(y) - FEWEST) // UPDATE * UPDATE
        if len(y) < FEWEST or np.ptp(y[:rows]) == 0:
            return None
        from sklearn.neural_network import MLPRegressor

        centre, scale = float(np.mean(y[:rows])), float(np.std(y[:rows]))
        is_training = np.arange(rows) % 5 != 4
        how: dict[str, Any] = {
            "hidden_layer_sizes": (100, 100, 100),
            "learning_rate_init": 5e-4,
            "batch_size": 32,
        }
        network = MLPRegressor(**how, max_iter=EPOCHS, n_iter_no_change=PATIENCE, tol=1e-5, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it could be trained for longer
            network.fit(Z[:rows][is_training], (y[:rows][is_training] - centre) / scale)
        untested = cls(network, rows, centre, scale, np.empty(0))
        return cls(
            network, rows, centre, scale, untested.predict(Z[:rows][~is_training]) - y[:rows][~is_training]
        )

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return predictions (n,) in the unit of y."""
        return self.network.predict(Z) * self.scale + self.centre

    def errors(self, Z: np.ndarray, y: np.ndarray, fair: np.ndarray) -> np.ndarray:
        """Return its errors on the latest rows it was not trained on, filled up with those held out, (``TESTED``,).

        ``fair`` (n,) bool: rows that were measured to check it, rather than because it could not answer.
        """
        late = np.flatnonzero(fair & (np.arange(len(y)) >= self.rows))
        later = self.predict(Z[late]) - y[late] if len(late) else np.empty(0)
        return np.r_[self.held_out, later][-TESTED:]


def is_accurate(errors: np.ndarray, tolerance: float) -> bool:
    """Return whether enough of the errors are within the tolerance."""
    return len(errors) > 0 and float(np.mean(np.abs(errors) <= tolerance)) >= SHARE
