"""Parameters as Optuna distributions, which is how a ledger keeps them beside each trial.

Optuna knows no step on a logarithmic scale, none that is no decimal (1/3), and tells the values of very fine ones
from others by division: such a parameter gets the range without its step, which contains every value of ours.
"""

from decimal import Decimal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from .parameters import Categorical, Float, Int, Parameter

FINEST = 10**6
"""Levels up to which Optuna's check of a grid, (value - low) / step within 1e-8 of whole, passes its own values."""


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the distribution whose values include every value of ``parameter``."""
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, Int):
        step = 1 if parameter.log else parameter.step or 1
        return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=step)
    step = parameter.step if parameter.step and not parameter.log and _divides(parameter) else None
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=step)


def _divides(parameter: Float) -> bool:
    """Return whether the step leads from bound to bound in decimals, as Optuna requires, and not in too many."""
    low, high, step = (Decimal(str(n)) for n in (parameter.low, parameter.high, parameter.step))
    return parameter.levels <= FINEST and (high - low) % step == 0
