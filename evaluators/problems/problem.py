"""The problem: a search space, what is measured, in which direction it is better, and which outcomes are acceptable.

Knows nothing of how it is evaluated or searched.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..errors import InvalidMeasurement, InvalidProblem, InvalidSpace
from ..spaces.base import finite_number, is_text, shown
from ..spaces.expressions import Binary, Constant, Expression, Name, Node, Unary, parse
from ..spaces.schema import refuse_unknown_keys, without_none_tables
from ..spaces.space import SearchSpace
from ..trees.tables import space_from_tables
from ..trees.tree import Tree
from .fidelity import Fidelity
from .measurement import Measurement

Direction = Literal["minimize", "maximize"]

MAX_OBJECTIVES = 100
MAX_CONSTRAINTS = 1_000


@dataclass(frozen=True, slots=True)
class Objective:
    """One number to make small or large."""

    name: str
    direction: Direction = "minimize"
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        _check_name("objective", self.name)
        _check_texts(self.name, unit=self.unit, description=self.description)
        if self.direction not in ("minimize", "maximize"):
            meant = [d for d in ("minimize", "maximize") if str(self.direction).lower().startswith(d[:3])]
            cure = f"; did you mean {meant[0]!r}?" if meant else "."
            raise InvalidProblem(
                f"`direction` of {self.name!r} must be 'minimize' or 'maximize', got {self.direction!r}{cure}"
            )


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit on a measured outcome: feasible exactly if ``lower <= value <= upper``, where None is no limit."""

    name: str
    upper: float | None = None
    lower: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        _check_name("constraint", self.name)
        _check_texts(self.name, unit=self.unit)
        for side in ("upper", "lower"):
            limit = getattr(self, side)
            if limit is not None:
                number = finite_number(limit)
                if number is None:
                    raise InvalidProblem(
                        f"`{side}` of constraint {self.name!r} must be a finite number, got {shown(limit)}."
                    )
                object.__setattr__(self, side, number)
        if self.upper is None and self.lower is None:
            raise InvalidProblem(
                f"Constraint {self.name!r} needs an `upper` or a `lower` limit, got neither."
            )
        if self.upper is not None and self.lower is not None and self.lower > self.upper:
            raise InvalidProblem(
                f"Constraint {self.name!r}: `lower` must not exceed `upper`, got {self.lower!r} and {self.upper!r}."
            )

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Return the constraint written as ``"ttft_p99_ms <= 200"`` or ``"0.5 <= recall <= 1"``."""
        try:
            comparisons = _comparisons(parse(text).tree)
        except InvalidSpace as error:
            raise InvalidProblem(str(error)) from None
        names = {name for name, _, _ in comparisons}
        if len(names) != 1:
            raise InvalidProblem(f"A constraint must be like 'ttft_p99_ms <= 200', got {shown(text)}.")
        upper = min((limit for _, side, limit in comparisons if side == "upper"), default=None)
        lower = max((limit for _, side, limit in comparisons if side == "lower"), default=None)
        return cls(names.pop(), upper=upper, lower=lower)

    def holds(self, value: float) -> bool:
        """Return whether a measured value is within the limits."""
        return (self.upper is None or value <= self.upper) and (self.lower is None or value >= self.lower)


@dataclass(frozen=True)
class Problem:
    """What to tune. ``constraints`` may be written as text; ``context``: facts about the task as plain JSON values.
    ``fidelity``: which parameter says how much of the task is done; only trials with the most of it can be the best.

    ``objectives`` left out: one to minimize, called "objective". Equal by value.
    """

    name: str
    space: SearchSpace
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    description: str
    context: Mapping[str, Any]  # Any: plain JSON values
    fidelity: Fidelity | None

    def __init__(
        self,
        name: str,
        space: SearchSpace | Tree,
        objectives: Sequence[Objective] | None = None,
        constraints: Sequence[Constraint | str] = (),
        description: str = "",
        context: Mapping[str, Any] | None = None,
        fidelity: Fidelity | None = None,
    ) -> None:
        _check_name("problem", name)
        space = space.space if isinstance(space, Tree) else space
        if not isinstance(space, SearchSpace):
            raise InvalidProblem(f"`space` must be a SearchSpace or a Tree, got {shown(space)}.")
        _check_texts(name, description=description)
        set_ = object.__setattr__
        set_(self, "name", name)
        set_(self, "space", space)
        set_(self, "objectives", _checked_objectives(objectives))
        set_(self, "constraints", _checked_constraints(constraints))
        set_(self, "description", description)
        set_(self, "context", _checked_context(context or {}))
        set_(self, "fidelity", fidelity)
        if fidelity is not None:
            fidelity.ladder(space)

    @cached_property
    def signs(self) -> np.ndarray:
        """(m,) +1 where an objective is maximized, -1 where minimized."""
        return np.array([1.0 if o.direction == "maximize" else -1.0 for o in self.objectives])

    def feasible(self, measurement: Measurement) -> bool:
        """Return whether every constraint is measured and holds."""
        measured = measurement.constraints
        return all(c.name in measured and c.holds(measured[c.name]) for c in self.constraints)

    def check(self, measurement: Measurement) -> Measurement:
        """Return the measurement if it fits this problem, else raise InvalidMeasurement.

        One value per objective; no constraint that the problem does not have. A limit on an objective is measured by
        its value, one that was measured only as a metric is taken from there. One that was not measured at all is
        allowed, but such a trial is not feasible.
        """
        wanted = [o.name for o in self.objectives]
        if len(measurement.values) != len(wanted):
            raise InvalidMeasurement(
                f"A result needs one value per objective ({', '.join(wanted)}), got {measurement.values!r}."
            )
        limits = [c.name for c in self.constraints]
        for name in measurement.constraints:
            if name not in limits:
                raise InvalidMeasurement(
                    f"Unknown constraint {name!r}; the problem has {', '.join(limits) or 'none'}. "
                    "Other numbers go to `metrics`."
                )
        by_name = {**measurement.metrics, **dict(zip(wanted, measurement.values, strict=True))}
        missing = {n: by_name[n] for n in self.unmeasured(measurement) if n in by_name}
        if not missing:
            return measurement
        return Measurement(
            measurement.values,
            measurement.sem,
            constraints={**measurement.constraints, **missing},
            metrics=measurement.metrics,
            seconds=measurement.seconds,
            cost=measurement.cost,
        )

    def unmeasured(self, measurement: Measurement) -> tuple[str, ...]:
        """Return the names of the constraints for which a measurement has no value."""
        return tuple(c.name for c in self.constraints if c.name not in measurement.constraints)

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as plain JSON values; inverse of ``from_dict``."""
        return {
            "name": self.name,
            "description": self.description,
            "objectives": [_stated(o, ("name", "direction", "unit", "description")) for o in self.objectives],
            "constraints": [_stated(c, ("name", "upper", "lower", "unit")) for c in self.constraints],
            "context": dict(self.context),
            "space": self.space.to_dict(),
            **({} if self.fidelity is None else {"fidelity": self.fidelity.to_dict()}),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Problem":
        """Return the problem that ``to_dict`` describes. Raises InvalidProblem or InvalidSpace."""
        if not isinstance(plain, Mapping):
            raise InvalidProblem(f"A problem must be a table, got {shown(plain)}.")
        keys = ("name", "description", "objectives", "constraints", "context", "space", "fidelity")
        refuse_unknown_keys(plain, keys, "a problem", InvalidProblem)
        objectives, constraints = plain.get("objectives"), plain.get("constraints", ())
        return cls(
            plain.get("name", ""),
            space_from_tables(plain.get("space", {})),
            objectives=None
            if objectives is None
            else [_made(Objective, o) for o in _list("objectives", objectives)],
            constraints=[
                c if isinstance(c, str) else _made(Constraint, c) for c in _list("constraints", constraints)
            ],
            description=plain.get("description", ""),
            context=without_none_tables(plain.get("context", {})),
            fidelity=None if plain.get("fidelity") is None else Fidelity.from_dict(plain["fidelity"]),
        )


def _comparisons(node: Node) -> list[tuple[str, str, float]]:
    """Return (name, "upper" or "lower", limit) of every comparison joined by ``and``; nothing for another form."""
    if isinstance(node, Binary) and node.op == "and":
        left, right = _comparisons(node.left), _comparisons(node.right)
        return left + right if left and right else []
    if not isinstance(node, Binary) or node.op not in {"<", "<=", ">", ">="}:
        return []
    name, limit, below = node.left, node.right, node.op in {"<", "<="}
    if isinstance(node.right, Name):
        name, limit, below = node.right, node.left, not below
    number = _number(limit)
    if not isinstance(name, Name) or number is None:
        return []
    return [(name.name, "upper" if below else "lower", number)]


def _number(node: Node) -> float | None:
    if isinstance(node, Name) or Expression("", node).names:
        return None
    if isinstance(node, Constant | Unary | Binary):
        value = Expression("", node).evaluate({})
        if not isinstance(value, bool | str) and value is not None:
            return float(value)
    return None


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 200:
        raise InvalidProblem(
            f"`name` of the {what} must be 1 to 200 printable characters, got {shown(name)}."
        )


def _check_texts(of: str, **texts: object) -> None:
    for field_name, text in texts.items():
        if not is_text(text):
            raise InvalidProblem(f"`{field_name}` of {of!r} must be text, got {shown(text)}.")


def _list(what: str, value: object) -> Sequence[Any]:
    """Return a sequence as it is; refuse a single thing."""
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise InvalidProblem(f"`{what}` must be a list, got {shown(value)}; put it into brackets.")
    return value


def _checked_objectives(objectives: object) -> tuple[Objective, ...]:
    if objectives is None:
        return (Objective("objective"),)
    items = _list("objectives", objectives)
    if not items or not all(isinstance(o, Objective) for o in items):
        raise InvalidProblem(f"`objectives` must list at least one Objective, got {shown(objectives)}.")
    _refuse_many("objectives", items, MAX_OBJECTIVES)
    _refuse_repeated("objective", [o.name for o in items])
    return tuple(items)


def _checked_constraints(constraints: object) -> tuple[Constraint, ...]:
    items = _list("constraints", constraints)
    _refuse_many("constraints", items, MAX_CONSTRAINTS)
    checked = tuple(Constraint.parse(c) if isinstance(c, str) else c for c in items)
    if not all(isinstance(c, Constraint) for c in checked):
        raise InvalidProblem(
            f"`constraints` must list Constraints or text such as 'fit_s <= 2', got {shown(constraints)}."
        )
    _refuse_repeated("constraint", [c.name for c in checked])
    return checked


def _refuse_many(what: str, listed: Sequence[object], most: int) -> None:
    if len(listed) > most:
        raise InvalidProblem(f"`{what}` may list at most {most}, got {len(listed)}.")


def _refuse_repeated(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidProblem(f"Names of {what}s must differ, got {name!r} twice; rename one.")


def _checked_context(context: object) -> dict[str, Any]:
    if not isinstance(context, Mapping):
        raise InvalidProblem(f"`context` must be a mapping of facts, got {shown(context)}.")
    try:
        plain = json.dumps(dict(context), allow_nan=False, ensure_ascii=False)
        plain.encode()  # a half of a surrogate pair is no text
        return json.loads(plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidProblem(
            f"`context` must hold plain JSON values, got {shown(dict(context))} ({error})."
        ) from None


def _stated(value: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the fields that say something."""
    return {n: getattr(value, n) for n in names if getattr(value, n) not in (None, "")}


def _made(kind: Any, table: object) -> Any:
    """Return an Objective or Constraint from its table."""
    what = kind.__name__.lower()
    if not isinstance(table, Mapping):
        raise InvalidProblem(f"Each {what} must be a table with a `name`, got {shown(table)}.")
    refuse_unknown_keys(table, tuple(kind.__dataclass_fields__), f"the {what} table", InvalidProblem)
    if "name" not in table:
        raise InvalidProblem(f"Each {what} must have a `name`, got {shown(dict(table))}.")
    return kind(**table)
