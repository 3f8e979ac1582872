"""Whether a trained network may answer in the evaluator's place, as a user says it. Light: what it does stands in
``agent/evaluation/stand_in.py``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..evaluators.problems.problem import Problem
from ..serving.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """``accuracy``: the error that is allowed, as a share of the spread of what was measured (its 5 to 95 % quantiles)."""

    accuracy: float = 0.05

    def __post_init__(self) -> None:
        a = self.accuracy
        if isinstance(a, bool) or not isinstance(a, int | float) or not 0 < a < 1:
            raise InvalidInput(f"`proxy.accuracy` must be a number between 0 and 1, got {a!r}.")

    @classmethod
    def stored(cls, config: Mapping[str, Any]) -> "ProxyOptions | None":
        """Return what a study's stored configuration says; None where it says nothing."""
        return cls(**config["proxy"]) if config.get("proxy") else None

    def to_dict(self) -> dict[str, Any]:
        """Return what is said, as plain JSON values."""
        return asdict(self)

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput for a problem that a proxy cannot answer for."""
        if len(problem.objectives) != 1 or problem.constraints:
            raise InvalidInput(
                "a proxy answers for one objective without constraints, got "
                f"{len(problem.objectives)} and {len(problem.constraints)}; leave out `proxy`."
            )
