"""The search space: which configurations there are, and how they lie in the unit cube.

Notation: X (n, d) in the unit cube, one column per parameter in order · active (n, d) bool. Choice i of k stands at
(i + 0.5) / k, steps in the middle of their bin, inactive coordinates at 0.5. A configuration (``params``) is a dict
of active parameters only. Knows nothing of objectives, trials or models. Everything is immutable and may be read
from several threads.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InvalidParameters, InvalidSpace
from . import schema
from .base import checked_mapping
from .conditions import Condition, conditions_of
from .expressions import Expression
from .parameters import Categorical, Choice, Float, Int, Parameter
from .relations import checked_relations, holds, impossible
from .table import Listing, canonical_text

Params = Mapping[str, Any]  # Any: bool, int, float, str, None or a numpy scalar, until validated

MAX_PARAMETERS = 500
MAX_COUNTED = 1_000_000
"""Spaces up to this size are counted and enumerated; beyond, ``size`` is None."""
_BATCH = 4096
_FEW_DRAWS = 100_000
_MAX_DRAWS = 4_000_000
"""Draws after which relations count as impossible: a few seconds. A feasible share under 1e-6 is no search space."""


class SearchSpace:
    """Parameters in order, their conditions, and relations between them (``where=["low <= high"]``).

    A relation that mentions an inactive parameter holds. ``allowed``: if given, only these configurations are in
    the space (a recorded table); coordinates then snap to the nearest of them. Raises InvalidSpace for a definition
    that breaks a rule.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        where: Sequence[str] = (),
        *,
        allowed: Iterable[Params] | None = None,
    ) -> None:
        self.parameters: tuple[Parameter, ...] = _checked_parameters(parameters)
        self.names: tuple[str, ...] = tuple(p.name for p in self.parameters)
        self._column = {name: i for i, name in enumerate(self.names)}
        self._conditions: tuple[tuple[Condition, ...], ...] = conditions_of(self.parameters)
        self._relations: tuple[Expression, ...] = checked_relations(where, self.parameters)
        self.where: tuple[str, ...] = tuple(r.text for r in self._relations)
        self._conditional = tuple(i for i, c in enumerate(self._conditions) if c)
        self._listed: Listing | None = None
        if allowed is not None:
            self._listed = Listing(self, allowed)
        self._check_default()

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._column:
            raise InvalidParameters(self._unknown(name))
        return self.parameters[self._column[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._column

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self._meaning == other._meaning

    def __hash__(self) -> int:
        return hash(self._meaning)

    def __repr__(self) -> str:
        return f"SearchSpace({list(self.parameters)!r}, where={list(self.where)!r})"

    def validate(self, params: Params) -> dict[str, Choice]:
        """Return the canonical active parameters, in order; values of inactive parameters are dropped.

        Raises InvalidParameters for unknown or missing names, wrong types, values out of range or off the grid, and
        relations that do not hold.
        """
        valid = self._canonical(params)
        for relation in self._relations:
            if not holds(relation, valid):
                values = ", ".join(f"{n}={valid[n]!r}" for n in relation.names)
                raise InvalidParameters(f"`{relation.text}` must hold, got {values}; change one of them.")
        if self._listed is not None and self._dump(valid) not in self._listed.keys:
            raise InvalidParameters(
                f"Only the {len(self._listed)} listed configurations are in this space, got {valid!r}; "
                "take the nearest with `space.clip(params)`."
            )
        return valid

    def clip(self, params: Params) -> dict[str, Choice]:
        """Return a repaired configuration: rounded, clipped, unknown and inactive dropped, missing filled from
        defaults.

        Relations may still be broken; check with ``satisfies``.
        """
        repaired: dict[str, Choice] = {}
        for parameter, conditions in zip(self.parameters, self._conditions, strict=True):
            if self._is_active(conditions, repaired):
                is_given = parameter.name in checked_mapping(params)
                repaired[parameter.name] = (
                    parameter.nearest(params[parameter.name]) if is_given else parameter.typical
                )
        return repaired if self._listed is None else self.decode(self.encode([repaired])[0])[0]

    def key(self, params: Params) -> str:
        """Return a text that is the same for two configurations exactly if they mean the same trial."""
        return self._dump(self._canonical(params))

    def active_names(self, params: Params) -> tuple[str, ...]:
        """Return the names that are active in ``params``, which may hold inactive ones too."""
        return tuple(self._canonical(params))

    def satisfies(self, params: Params) -> bool:
        """Return whether all relations hold (and, in a listed space, whether the configuration is listed)."""
        valid = self._canonical(params)
        is_listed = self._listed is None or self._dump(valid) in self._listed.keys
        return is_listed and all(holds(r, valid) for r in self._relations)

    def encode(self, params: Sequence[Params]) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates (n, d) and the mask of active ones (n, d) of valid configurations.

        Raises InvalidParameters for a missing active parameter, an unknown choice or a number out of bounds.
        """
        n, d = len(params), len(self)
        X, present = np.full((n, d), 0.5), np.ones((n, d), bool)
        for i, parameter in enumerate(self.parameters):
            rows = [r for r, p in enumerate(params) if parameter.name in p]
            if rows:
                X[rows, i] = parameter.encode([params[r][parameter.name] for r in rows])
            if len(rows) < n:
                present[:, i] = False
                present[rows, i] = True
        active = self.activity(X)
        bad = active & (~present | (X < -1e-9) | (X > 1 + 1e-9))
        for row in np.flatnonzero(bad.any(axis=1)).tolist():
            self._canonical(params[row])  # raises with the reason, unless only noise digits are out of bounds
        return np.where(active, np.clip(X, 0.0, 1.0), 0.5), active

    def decode(self, X: np.ndarray) -> list[dict[str, Choice]]:
        """Return the nearest configuration of every row; inverse of ``encode``. Relations may not hold."""
        if self._listed is not None:
            X = self._listed.nearest(X)
        columns = [p.decode(X[:, i]) for i, p in enumerate(self.parameters)]
        rows = [dict(zip(self.names, values, strict=True)) for values in zip(*columns, strict=True)]
        if self._conditional:
            active = self.activity(X)
            for r, i in np.argwhere(~active).tolist():
                del rows[r][self.names[i]]
        return rows

    def canonical(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``encode(decode(X))`` (up to noise digits) without making configurations of the rows."""
        if self._listed is not None:
            X = self._listed.nearest(X)
        snapped = np.empty(X.shape)
        for i, parameter in enumerate(self.parameters):
            snapped[:, i] = parameter.snap(X[:, i])
        active = self.activity(snapped)
        return np.where(active, snapped, 0.5), active

    def to_unit(self, params: Params) -> np.ndarray:
        """Return the coordinates (d,) of one configuration; inverse of ``from_unit``."""
        return self.encode([params])[0][0]

    def from_unit(self, x: np.ndarray) -> dict[str, Choice]:
        """Return the configuration nearest to coordinates (d,); inverse of ``to_unit``."""
        return self.decode(np.asarray(x, float)[None, :])[0]

    def satisfies_rows(self, X: np.ndarray) -> np.ndarray:
        """Return where the relations hold, (n,) bool, for the configurations nearest to the rows of X (n, d)."""
        hold = np.ones(len(X), bool)
        if not self._relations:
            return hold
        X = X if self._listed is None else self._listed.nearest(X)
        used = {name for relation in self._relations for name in relation.names}
        columns = {name: self[name].column(X[:, self._column[name]]) for name in used}
        active = self.activity(X) if self._conditional else None
        for relation in self._relations:
            true = np.asarray(relation.evaluate(columns), bool)
            if active is not None:
                true = true | ~active[:, [self._column[n] for n in relation.names]].all(axis=1)
            hold &= true
        return hold

    def activity(self, X: np.ndarray) -> np.ndarray:
        """Return which coordinates of X (n, d) belong to active parameters, (n, d) bool."""
        active = np.ones(X.shape, bool)
        for i in self._conditional:
            for condition in self._conditions[i]:
                active[:, i] &= active[:, condition.index] & condition.holds_rows(X[:, condition.index])
        return active

    @property
    def is_listed(self) -> bool:
        """Whether only listed configurations are in the space."""
        return self._listed is not None

    @cached_property
    def has_defaults(self) -> bool:
        """Whether every parameter that is active in the default configuration declares a default or a prior."""
        return all(self[n].has_default or self[n].prior is not None for n in self._typical)

    def default(self) -> dict[str, Choice]:
        """Return the declared defaults; for the rest the middle of the scaled range, the first choice.

        Where that breaks a relation, the nearest of 2,000 sampled configurations that break none (always the same
        one).
        """
        return dict(self._default)

    def sample(self, rng: np.random.Generator, n: int) -> list[dict[str, Choice]]:
        """Return n configurations, uniform in the unit cube, relations hold. Not necessarily distinct."""
        return self.decode(self.sample_rows(rng, n))

    def sample_rows(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return canonical coordinates (n, d) of ``sample``. Raises InvalidSpace when relations seem impossible."""
        if self._listed is not None:
            return self._listed.X[rng.integers(len(self._listed), size=n)]
        if not self._relations:
            return self.canonical(rng.random((n, len(self))))[0]
        blocks, valid, draws, batch = [np.empty((0, len(self)))], 0, 0, max(n, 64)
        while valid < n:
            X, _ = self.canonical(rng.random((batch, len(self))))
            blocks.append(X[self.satisfies_rows(X)])
            valid, draws = valid + len(blocks[-1]), draws + batch
            if draws > _FEW_DRAWS and valid < draws / 1000 and self.size is not None:
                rows = next(self.enumerated(MAX_COUNTED))
                return rows[rng.integers(len(rows), size=n)]
            if draws > _MAX_DRAWS and valid < n:
                raise impossible(self.where, draws, valid)
            batch = min(2 * batch, _BATCH * 8)
        return np.vstack(blocks)[:n]

    @cached_property
    def levels(self) -> np.ndarray:
        """Number of values (d,) of each parameter; 0 = continuous."""
        return np.array([p.levels for p in self.parameters], np.int64)

    @cached_property
    def is_categorical(self) -> np.ndarray:
        """Which parameters (d,) have choices without an order."""
        return np.array([p.is_categorical for p in self.parameters], bool)

    @cached_property
    def size(self) -> int | None:
        """Number of configurations when finite and at most a million, else None."""
        if self._listed is not None:
            return len(self._listed)
        rows = self._all_rows()
        return None if rows is None else len(rows)

    def enumerated(self, batch: int = _BATCH) -> Iterator[np.ndarray]:
        """Yield the canonical coordinates of every configuration of a space with a ``size``, ``batch`` rows at a
        time."""
        rows = self._listed.X if self._listed is not None else self._all_rows()
        if rows is None:
            raise InvalidSpace(f"Only spaces with at most {MAX_COUNTED} configurations can be enumerated.")
        for start in range(0, len(rows), batch):
            yield rows[start : start + batch]

    def distributions(self) -> dict[str, Any]:  # Any: optuna.distributions.BaseDistribution, imported on use
        """Return Optuna's distribution of each parameter, by name."""
        from .distributions import distribution

        return {p.name: distribution(p) for p in self.parameters}

    @cached_property
    def wire_names(self) -> dict[str, str]:
        """Name on the wire of each parameter: its own, or p0, p1, … where a schema could not carry it."""
        return schema.wire_names(self.names)

    def json_schema(self) -> dict[str, Any]:
        """Return the strict JSON schema of a configuration on the wire: all required, inactive ones null."""
        conditional = {self.names[i] for i in self._conditional}
        return schema.json_schema(self.parameters, conditional, self.wire_names)

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON values; the order of ``parameters`` carries meaning. Inverse of
        ``from_dict``."""
        plain: dict[str, Any] = {"parameters": {p.name: p.to_dict() for p in self.parameters}}
        if self.where:
            plain["where"] = list(self.where)
        if self._listed is not None:
            plain["allowed"] = [dict(p) for p in self._listed.params]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "SearchSpace":
        """Return the space that ``to_dict``, or the same tables in TOML, describe. Raises InvalidSpace."""
        return schema.space_from_dict(cls, plain)

    @cached_property
    def _meaning(self) -> str:
        table = None if self._listed is None else sorted(self._listed.keys)
        return json.dumps([[p.meaning for p in self.parameters], self.where, table])

    @cached_property
    def _typical(self) -> dict[str, Choice]:
        return self._active_of({p.name: p.typical for p in self.parameters})

    @cached_property
    def _default(self) -> dict[str, Choice]:
        if self._listed is None and all(holds(r, self._typical) for r in self._relations):
            return self._typical
        x, _ = self.encode([self._typical])
        if self._listed is not None:
            return self.decode(x)[0]
        X = self.sample_rows(np.random.default_rng(0), 2000)
        return self.decode(X[[np.abs(X - x).sum(axis=1).argmin()]])[0]

    def _is_active(self, conditions: Sequence[Condition], earlier: Params) -> bool:
        return all(c.parent.name in earlier and c.holds(earlier[c.parent.name]) for c in conditions)

    def _active_of(self, params: Params) -> dict[str, Any]:
        active: dict[str, Any] = {}
        for parameter, conditions in zip(self.parameters, self._conditions, strict=True):
            if self._is_active(conditions, active):
                active[parameter.name] = params[parameter.name]
        return active

    def _canonical(self, params: Params) -> dict[str, Choice]:
        """Return canonical active parameters without looking at relations."""
        for name in checked_mapping(params):
            if name not in self._column:
                raise InvalidParameters(self._unknown(name))
        valid: dict[str, Choice] = {}
        for parameter, conditions in zip(self.parameters, self._conditions, strict=True):
            if not conditions or self._is_active(conditions, valid):
                if parameter.name not in params:
                    raise InvalidParameters(
                        f"`{parameter.name}` is missing, got {dict(params)!r}; "
                        "fill from defaults with `space.clip(params)`."
                    )
                valid[parameter.name] = parameter.coerce(params[parameter.name])
        return valid

    @staticmethod
    def _dump(valid: Params) -> str:
        return canonical_text(valid)

    def _unknown(self, name: object) -> str:
        close = difflib.get_close_matches(str(name), self.names, 1)
        cure = f"did you mean {close[0]!r}?" if close else f"the space has {', '.join(self.names)}."
        return f"Unknown parameter {name!r}; {cure}"

    def _all_rows(self) -> np.ndarray | None:
        """Return coordinates of every configuration (relations hold), or None beyond a million."""
        X = np.full((1, len(self)), 0.5)
        for i, parameter in enumerate(self.parameters):
            active = self.activity(X)[:, i]
            k = parameter.levels
            if k == 0 or len(X) + (k - 1) * int(active.sum()) > MAX_COUNTED:
                return None
            repeats = np.where(active, k, 1)
            X = np.repeat(X, repeats, axis=0)
            X[np.repeat(active, repeats), i] = np.tile(parameter.middles, int(active.sum()))
        return X[self.satisfies_rows(X)]

    def _check_default(self) -> None:
        if self.has_defaults and self._listed is None:
            for relation in self._relations:
                if not holds(relation, self._typical):
                    values = ", ".join(f"{n}={self._typical[n]!r}" for n in relation.names)
                    raise InvalidSpace(
                        f"The defaults break `{relation.text}`: {values}; change a default or the relation."
                    )


def _checked_parameters(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    if isinstance(parameters, str | Mapping) or not isinstance(parameters, Iterable):
        raise InvalidSpace(f"Parameters must be a list of Float, Int and Categorical, got {parameters!r}.")
    items = tuple(parameters)
    if not items:
        raise InvalidSpace("A search space needs at least one parameter, got none.")
    if len(items) > MAX_PARAMETERS:
        raise InvalidSpace(f"A search space has at most {MAX_PARAMETERS} parameters, got {len(items)}.")
    names: set[str] = set()
    for parameter in items:
        if not isinstance(parameter, Float | Int | Categorical):
            raise InvalidSpace(f"A parameter must be a Float, Int or Categorical, got {parameter!r}.")
        if parameter.name in names:
            raise InvalidSpace(f"Names of parameters must differ, got {parameter.name!r} twice; rename one.")
        names.add(parameter.name)
    return items
