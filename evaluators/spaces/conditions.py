"""When a parameter is active: conditions on its parents, checked once and evaluated on columns or on one
configuration.

Notation: X (n, d) in the unit cube · active (n, d) bool. A parameter is active if every parent it names is active
and has one of the values; parents stand before their children, so one pass from left to right decides.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidParameters, InvalidSpace
from .base import is_comparison
from .expressions import Expression, parse
from .parameters import Categorical, Parameter


@dataclass(frozen=True)
class Condition:
    """One condition on one parent, the parameter at ``index``: its values, or a comparison of them."""

    index: int
    parent: Parameter
    values: tuple[Any, ...] = ()  # Any: choices or numbers of the parent
    comparison: Expression | None = None

    def holds(self, value: object) -> bool:
        """Return whether it holds for one canonical value of the parent."""
        if self.comparison is not None:
            return self.comparison.holds({"value": np.nan if value is None else value})
        return any(v == value for v in self.values)

    def holds_rows(self, u: np.ndarray) -> np.ndarray:
        """Return where it holds, (n,) bool, for coordinates u (n,) of the parent."""
        if isinstance(self.parent, Categorical):
            table = np.array([self.holds(c) for c in self.parent.choices], bool)
            return table[self.parent.indices(u)]
        column = self.parent.column(u)
        if self.comparison is not None:
            return np.asarray(self.comparison.evaluate({"value": column}), bool)
        return np.isin(column, np.array(self.values, float))


def conditions_of(parameters: Sequence[Parameter]) -> tuple[tuple[Condition, ...], ...]:
    """Return the conditions of each parameter, or raise InvalidSpace for parents that are unknown, later, or
    cyclic."""
    index = {p.name: i for i, p in enumerate(parameters)}
    _refuse_cycles({p.name: tuple(p.when or ()) for p in parameters})
    return tuple(
        tuple(
            _condition(child, i, parameters, index, parent, allowed)
            for parent, allowed in (child.when or {}).items()
        )
        for i, child in enumerate(parameters)
    )


def _condition(
    child: Parameter,
    at: int,
    parameters: Sequence[Parameter],
    index: Mapping[str, int],
    name: str,
    allowed: Any,
) -> Condition:
    if name not in index:
        raise InvalidSpace(
            f"`{child.name}`: `when` names {name!r}, which is not a parameter; the space has {', '.join(index)}."
        )
    if index[name] > at:
        raise InvalidSpace(
            f"`{child.name}`: `when` names {name!r}, which is defined later; put {name!r} before {child.name!r}."
        )
    parent = parameters[index[name]]
    if is_comparison(allowed) and (not isinstance(parent, Categorical) or parent.is_numeric):
        return Condition(index[name], parent, comparison=_comparison(child, name, allowed))
    values = (allowed,) if isinstance(allowed, str) else allowed
    try:
        return Condition(index[name], parent, tuple(parent.coerce(v) for v in values))
    except InvalidParameters as error:
        raise InvalidSpace(f"`{child.name}`: `when` could never hold: {error}") from None


def _comparison(child: Parameter, parent: str, text: str) -> Expression:
    if not re.fullmatch(r"\s*(<=|>=|<|>)\s*[-+]?[\d.]+([eE][-+]?\d+)?\s*", text):
        raise InvalidSpace(
            f"`{child.name}`: `when` on {parent!r} must be like '>= 2' or a list of values, got {text!r}."
        )
    return parse(f"value {text}")


def _refuse_cycles(parents: Mapping[str, tuple[str, ...]]) -> None:
    """Raise InvalidSpace with the cycle written out, if there is one."""
    done: set[str] = set()
    for start in parents:
        path: list[str] = [start]
        pending = [iter(parents[start])]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                done.add(path.pop())
            elif following in path:
                cycle = " → ".join([*path[path.index(following) :], following])
                raise InvalidSpace(
                    f"`when` runs in a circle: {cycle}; a parameter must depend on earlier ones only."
                )
            elif following in parents and following not in done:
                path.append(following)
                pending.append(iter(parents[following]))
