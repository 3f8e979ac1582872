"""Initial designs: where to look while there is nothing to learn from.

The default configuration comes first; then, one at a time and given everything tried or running, the point that
tells most about the whole space under the prior of the Gaussian process (greedy integrated-variance reduction):
it spreads over branches and categories, and stays away from corners. Stateless: the next point depends on the
history only.

Notation: Z (n, p) embedded rows of what is tried or running.
"""

from collections.abc import Callable

import numpy as np

from ..models.embedding import Embedding
from ..models.gp import Fitted, Priors
from .search import Domain, candidates

REFERENCE = 256
"""Points that stand for the whole space."""
GIVEN = 128
"""The newest rows that the next point keeps away from; with all of them a batch of n costs n^4."""


def next_design_row(
    embedding: Embedding,
    domain: Domain,
    X: np.ndarray,
    active: np.ndarray,
    rng: np.random.Generator,
    *,
    length: float,
    survival: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Return the untaken row (d,) that reduces the prior variance over the space most, given rows X (n, d).

    ``survival``: log probability of not failing (m,) at embedded rows.
    """
    C, mask = candidates(domain, np.empty((0, len(embedding.space))), rng, REFERENCE)
    U, on = embedding.space.canonical(embedding.space.sample_rows(rng, REFERENCE))
    theta = Priors.default(len(embedding.space), length=length).mean
    theta[-1] = np.log(1e-3)
    X, active = X[-GIVEN:], active[-GIVEN:]
    gp = Fitted.build(theta, embedding.group, embedding.embed(X, active), np.zeros(len(X)), np.zeros(len(X)))
    Z = embedding.embed(C, mask)
    gain = np.log(variance_reduction(gp, Z, embedding.embed(U, on)))
    return C[int(np.argmax(gain + (survival(Z) if survival else 0.0)))]


def variance_reduction(gp: Fitted, Z: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return by how much measuring each row of Z (m, p) lowers the summed variance at the reference rows (k, p)."""
    joint = gp.posterior_covariance(Z, reference)
    _, variance = gp.predict(Z)
    return np.sum(joint * joint, axis=1) / (variance + np.exp(gp.theta[-1]))
