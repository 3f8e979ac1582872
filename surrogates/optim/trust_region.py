"""How large the box around the best trial is within which a space of many parameters is searched.

Everything follows from the outcomes in their order; nothing is kept between calls. Knows nothing of spaces.

Source: Eriksson et al. 2019 ("Scalable global optimization via local Bayesian optimization").
"""

import numpy as np


def trust_side(y: np.ndarray, d: int) -> float:
    """Return the side of the trust region after outcomes y (n,), larger is better, in their order.

    It starts at 0.8, doubles (to 1.6) after three improvements in a row, halves after as many failures as max(4, d / 10), and
    starts again at 0.8 once it is under 2^-7 (Eriksson et al. 2019, with fewer failures allowed: budgets are small).
    """
    side, won, lost, best = 0.8, 0, 0, -np.inf
    for value in y:
        better = value > best + 1e-3 * abs(best)
        won, lost, best = (won + 1, 0, value) if better else (0, lost + 1, max(best, value))
        if won >= 3:
            side, won = min(2.0 * side, 1.6), 0
        elif lost >= max(4, d // 10):
            side, lost = 0.5 * side, 0
        if side < 2.0**-7:
            side = 0.8
    return side
