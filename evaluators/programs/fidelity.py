"""An evaluator that is run at less than its full task: a part of the data, epochs or requests, as it understands it.

What a study file or a command line says of fidelity is put around the evaluator, so that everything that runs it (a study,
a worker, a verification) runs it alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidSpecification
from ..spaces.base import finite_number
from .call import Evaluate, takes_run
from .run import Run


@dataclass(frozen=True)
class AtFidelity:
    """``evaluate`` at ``fidelity`` in (0, 1], which is multiplied with the run's own. Raises InvalidSpecification."""

    evaluate: Evaluate
    fidelity: float

    def __post_init__(self) -> None:
        value = finite_number(self.fidelity)
        if value is None or not 0 < value <= 1:
            raise InvalidSpecification(f"`fidelity` must be a number in (0, 1], got {self.fidelity!r}.")

    def __call__(self, params: Mapping[str, Any], run: Run) -> Any:
        """Return the result of the smaller task."""
        run = replace(run, fidelity=run.fidelity * self.fidelity)
        return self.evaluate(params, run) if takes_run(self.evaluate) else self.evaluate(params)


def at_fidelity(evaluate: Evaluate, fidelity: float | None) -> Evaluate:
    """Return the evaluator itself where nothing is said of fidelity. Raises InvalidSpecification."""
    return evaluate if fidelity is None else AtFidelity(evaluate, fidelity)
