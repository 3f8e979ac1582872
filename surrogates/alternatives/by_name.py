"""The alternatives to the engine's own Gaussian process, by name; each is loaded only when it is asked for.

What each is worth stands in ``benchmarks/README.md``; none is better than the default everywhere.
"""

from importlib import import_module

from ...serving.errors import InvalidInput
from ..contracts import Surrogate

_PLACES = {
    "botorch": ("botorch", "BotorchSurrogate"),
    "infinite-network": ("gaussian", "InfiniteNetworkSurrogate"),
    "deep-kernel": ("networks", "DeepKernelSurrogate"),
    "deep-ensemble": ("networks", "DeepEnsembleSurrogate"),
    "laplace": ("networks", "LaplaceSurrogate"),
    "hmc": ("networks", "HamiltonianSurrogate"),
    "sghmc": ("networks", "StochasticHamiltonianSurrogate"),
    "forest": ("forest", "ForestSurrogate"),
    "tpe": ("tpe", "ParzenSurrogate"),
}
PORTFOLIO = ("infinite-network", "forest")
"""Members of the portfolio beside the engine's own model."""

NAMES = ("gp", *_PLACES, "portfolio")


def alternative(name: str) -> Surrogate:
    """Return the surrogate of that name, one of NAMES; raises InvalidInput."""
    if name == "portfolio":
        from .portfolio import Portfolio

        return Portfolio([alternative(member) for member in PORTFOLIO])
    if name == "gp":
        from .gaussian import GaussianSurrogate

        return GaussianSurrogate()
    if name not in _PLACES:
        raise InvalidInput(f"a surrogate must be one of {', '.join(NAMES)}, got {name!r}.")
    module, class_name = _PLACES[name]
    return getattr(import_module(f".{module}", __package__), class_name)()
