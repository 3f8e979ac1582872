"""Parameters as Optuna distributions, which is how a ledger keeps them beside each trial.

Optuna knows no step on a logarithmic scale: such a parameter gets the range without its step, which contains every
value of ours.
"""

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from .parameters import Categorical, Int, Parameter


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the distribution whose values include every value of ``parameter``."""
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, Int):
        step = 1 if parameter.log else parameter.step or 1
        return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=step)
    step = None if parameter.log else parameter.step
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=step)
