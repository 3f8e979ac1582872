"""Subsets of rows and of results: what is kept of the whole."""

import numpy as np

from trialogue.surrogates.options.sensitivity import leverage_scores, sample_rows, sensitivity_bounds

ROWS, KEPT = 20_000, 500


def sensitivity() -> tuple[str, bool]:
    """Worst distortion of |Ax|_p over many x, heavy rows among them, at equal numbers of rows."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((ROWS, 8)) * 0.02
    A[:40] += np.repeat(np.eye(8), 5, axis=0)  # five rows in 20,000 carry each direction
    X = np.hstack([rng.standard_normal((8, 200)), np.eye(8)])
    words, holds = [], True
    for p in (1.0, 2.0, 3.0):
        bounds = sensitivity_bounds(leverage_scores(A), p)
        drawn = [sample_rows(bounds, KEPT, np.random.default_rng(s)) for s in range(20)]
        even = [sample_rows(np.ones(ROWS), KEPT, np.random.default_rng(s)) for s in range(20)]
        ours, uniform = _distortion(A, X, drawn, p), _distortion(A, X, even, p)
        words.append(f"p = {p:g}: {ours:.2f} against {uniform:.2f}")
        holds &= ours < uniform
    return f"worst relative error with {KEPT} of {ROWS} rows, sensitivity against uniform: " + "; ".join(
        words
    ), holds


def _distortion(A: np.ndarray, X: np.ndarray, drawn: list[tuple[np.ndarray, np.ndarray]], p: float) -> float:
    """Return the median over draws of the largest relative error of |Ax|_p over the columns of X."""
    whole = np.sum(np.abs(A @ X) ** p, axis=0) ** (1 / p)
    errors = []
    for rows, probability in drawn:
        part = np.sum(np.abs(A[rows] @ X) ** p / probability[:, None], axis=0) ** (1 / p)
        errors.append(np.max(np.abs(part / whole - 1)))
    return float(np.median(errors))
