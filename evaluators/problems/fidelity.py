"""How much of the full task one evaluation does: the parameter that says so, and the ladder of its values.

Knows nothing of who is promoted: that is a strategy's (``asha``, ``hyperband``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidProblem
from ..spaces.base import finite_number, shown
from ..spaces.parameters import Categorical
from ..spaces.schema import refuse_unknown_keys
from ..spaces.space import SearchSpace

Params = Mapping[str, Any]  # Any: bool, int, float, str or None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """``name``: a parameter that says how long one trains, on how much data, …; larger is nearer to the truth.

    Trials run it at ``high``, ``high / eta``, … down to ``low``: that of the parameter where they are left out.
    """

    name: str
    low: float | None = None
    high: float | None = None
    eta: float = 3.0

    def __post_init__(self) -> None:
        eta = finite_number(self.eta)
        if eta is None or eta < 2:
            raise InvalidProblem(
                f"`eta` of the fidelity must be a number of at least 2, got {shown(self.eta)}; 3 is usual."
            )
        for side in ("low", "high"):
            bound = getattr(self, side)
            if bound is not None and finite_number(bound) is None:
                raise InvalidProblem(f"`{side}` of the fidelity must be a number, got {shown(bound)}.")

    @classmethod
    def from_dict(cls, plain: object) -> "Fidelity":
        """Return the fidelity that a table describes. Raises InvalidProblem."""
        if not isinstance(plain, Mapping) or not isinstance(plain.get("name"), str):
            raise InvalidProblem(
                f"`fidelity` must be a table with the `name` of a parameter, got {shown(plain)}."
            )
        refuse_unknown_keys(plain, ("name", "low", "high", "eta"), "`fidelity`", InvalidProblem)
        return cls(**plain)

    def to_dict(self) -> dict[str, Any]:
        """Return the table that ``from_dict`` reads."""
        sides = {k: v for k, v in (("low", self.low), ("high", self.high)) if v is not None}
        return {"name": self.name, **sides, "eta": self.eta}

    def ladder(self, space: SearchSpace) -> tuple[float, ...]:
        """Return the values of the parameter, ascending. Raises InvalidProblem where it is none that has a ladder."""
        parameter = {p.name: p for p in space.parameters}.get(self.name)
        if parameter is None or isinstance(parameter, Categorical) or parameter.when is not None:
            raise InvalidProblem(
                f"The fidelity must name a Float or Int that is always active, got {self.name!r}."
            )
        low = parameter.low if self.low is None else self.low
        high = parameter.high if self.high is None else self.high
        if not (0 < low <= high / self.eta and parameter.low <= low and high <= parameter.high):
            raise InvalidProblem(
                f"The fidelity needs 0 < `low` <= `high` / `eta` within [{parameter.low!r}, {parameter.high!r}], got "
                f"low={low!r}, high={high!r}, eta={self.eta!r}; widen it, or leave it out."
            )
        rungs = [high]
        while rungs[-1] / self.eta >= low * (1 - 1e-9):
            rungs.append(rungs[-1] / self.eta)
        return tuple(dict.fromkeys(parameter.nearest(r) for r in reversed(rungs)))

    def most(self, params: Iterable[Params]) -> float:
        """Return the largest fidelity among configurations: only trials of the same fidelity may be compared."""
        return max((p[self.name] for p in params), default=0.0)
