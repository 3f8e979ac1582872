"""Learning rates over a training: cosine power annealing, a cosine that falls faster at the start.

Source: Hundt, Jain & Hager 2019, "sharpDARTS: faster and more accurate differentiable architecture search", section 4:
the power curve P^(c + 1) of the cosine c, scaled to [0, 1]; P = 1 is the plain cosine, P = 10 its default.
"""

import math
from dataclasses import dataclass

from ...serving.errors import InvalidInput


@dataclass(frozen=True)
class CosinePowerSchedule:
    """Rates by step, from ``largest`` at the first to ``smallest`` after ``steps``. ``power``: P >= 1.

    A schedule for ``torch.optim.lr_scheduler.LambdaLR``, where the optimizer's own rate is 1. Raises InvalidInput.
    """

    steps: int
    largest: float = 0.025
    smallest: float = 1e-8
    power: float = 10.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.power < 1 or not 0 <= self.smallest <= self.largest:
            raise InvalidInput(
                f"a cosine power schedule needs steps >= 1, power >= 1 and 0 <= smallest <= largest, got {self!r}."
            )

    def __call__(self, step: int) -> float:
        """Return the rate of a step, counted from 0; ``smallest`` from the last on."""
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(step / self.steps, 1.0)))
        share = cosine
        if self.power > 1:
            share = (self.power ** (cosine + 1) - self.power) / (self.power**2 - self.power)
        return self.smallest + (self.largest - self.smallest) * share
