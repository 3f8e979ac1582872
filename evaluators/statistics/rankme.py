"""RankMe: the effective rank of embeddings, a score of a representation that needs no labels.

Source: Garrido et al. 2023, RankMe (arXiv 2210.02885), eq. 1: the exponential of the entropy of the normalised singular
values, each with 1e-7. Compare only embeddings of the same width, of the same 25,600 (or as many) inputs.
"""

import numpy as np

_EPSILON = 1e-7


def rankme(Z: np.ndarray) -> float:
    """Return the effective rank of embeddings Z (n, d), between 1 and min(n, d); 0 where all are zero."""
    singular = np.linalg.svd(np.asarray(Z, float), compute_uv=False)
    if not singular.sum() > 0:
        return 0.0
    p = singular / singular.sum() + _EPSILON
    return float(np.exp(-np.sum(p * np.log(p))))
