"""What a study may use, and what it has used. Knows nothing of where the use is counted (``agent/ledger/ledger.py``)."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..evaluators.spaces.base import finite_number, shown
from ..serving.errors import InvalidInput

MOST = 1e15
"""Of any limit; without one, it is None."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a study has used of its budgets so far, for strategies that must stay inside them."""

    calls: int = 0
    tokens: int = 0
    price: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a study; None is unlimited.

    ``trials``: trials asked for, whatever became of them; lost ones and added results do not count.
    ``seconds``: seconds of evaluation, summed over trials. When either is used up, ``ask`` raises BudgetExhausted and
    ``run`` ends. ``tokens``, ``calls``, ``price`` (US dollars): of model calls. When one is used up the surrogate goes
    on alone.
    """

    trials: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    calls: int | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            number = finite_number(value)
            if value is not None and not (number is not None and 0 <= number <= MOST):
                raise InvalidInput(
                    f"`budget.{limit.name}` must be a number >= 0, at most {MOST:g}, or None, got {shown(value)}."
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the limits that are set."""
        return {k: v for k, v in asdict(self).items() if v is not None}

    def exhausted_by(self, *, trials: int, seconds: float) -> str | None:
        """Return in words which limit of trials or seconds is used up, or None."""
        if self.trials is not None and trials >= self.trials:
            return f"the budget of {self.trials} trials is used up"
        if self.seconds is not None and seconds >= self.seconds:
            return f"the budget of {self.seconds:g} seconds of evaluation is used up ({seconds:.1f} s)"
        return None

    def left_for_models(self, spent: Spent) -> "Budget":
        """Return what is left for model calls after ``spent``: tokens, calls and price; None is unlimited."""
        return Budget(
            tokens=None if self.tokens is None else max(0, self.tokens - spent.tokens),
            calls=None if self.calls is None else max(0, self.calls - spent.calls),
            price=None if self.price is None else max(0.0, self.price - spent.price),
        )

    def model_exhausted_by(self, spent: Spent) -> str | None:
        """Return in words which limit of model calls is used up, or None."""
        for name in ("tokens", "calls", "price"):
            limit, used = getattr(self, name), getattr(spent, name)
            if limit is not None and used >= limit:
                return f"the budget of {limit:g} {name} is used up ({used:g})"
        return None
