"""A target of the gallery: a real thing to tune, where it comes from, and one claim of its source that can be checked.

A target is a value that a study can run as it is: ``Study(target.problem).run(target)``. What each must guarantee is
``tests/contracts/target.py``: the same seed gives the same values, five seconds of one core at most, every result is
finite, the default runs, a lower fidelity is the same thing made smaller. Knows nothing of studies and of the
catalogue.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from ..errors import InvalidSpecification
from ..problems.problem import Problem
from ..programs.call import Evaluate, takes_run
from ..programs.run import Run
from ..spaces.parameters import Categorical, Choice


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the check of a claim measured, in words with numbers, and whether the claim holds here."""

    measured: str
    holds: bool


@dataclass(frozen=True, slots=True)
class SourceClaim:
    """One statement of a target's source. ``check`` measures it anew in at most a minute of one core; its seeds are fixed."""

    text: str
    check: Callable[[], Evidence]


@dataclass(frozen=True)
class GalleryTarget:
    """Something real to tune; callable as an evaluator, on one thread.

    ``evaluate``: ``f(params)`` or ``f(params, run)``, random only through ``run.seed``. ``source``: where the idea and
    the numbers come from. ``region``: what the source found good, by parameter: (lowest, highest) of a number, the
    choices of a categorical. ``seconds``: of the default at full fidelity on one core, roughly. ``low_fidelity``: the
    smallest fidelity that still means something. Raises InvalidSpecification for a region outside the space.
    """

    problem: Problem
    evaluate: Evaluate
    family: str = "own"
    source: str = ""
    region: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    claim: SourceClaim | None = None
    seconds: float = 1.0
    low_fidelity: float = 0.1

    def __post_init__(self) -> None:
        for name, values in self.region.items():
            if name not in self.problem.space:
                raise InvalidSpecification(
                    f"`region` of target {self.name!r} must name parameters, got {name!r}; "
                    f"the space has {', '.join(self.problem.space.names)}."
                )
            for value in values:
                self.problem.space[name].coerce(value)

    @property
    def name(self) -> str:
        """The problem's name; that of a target in the catalogue is the name it is run by."""
        return self.problem.name

    def __call__(self, params: Mapping[str, Any], run: Run) -> Any:
        """Return the result of one configuration, computed on one thread."""
        with threadpool_limits(1):
            return self.evaluate(params, run) if takes_run(self.evaluate) else self.evaluate(params)

    def in_region(self, params: Mapping[str, Any]) -> bool:
        """Return whether every active parameter that ``region`` names lies in it."""
        return all(
            self._good(name, params[name], values) for name, values in self.region.items() if name in params
        )

    def _good(self, name: str, value: Any, values: tuple[Any, ...]) -> bool:
        if isinstance(self.problem.space[name], Categorical):
            return value in values
        return min(values) <= value <= max(values)
