"""Tree-structured spaces: choices with parameters of their own, repeated and optional parts, flattened into a search space.

``Tree`` is written as architectures are thought of (nodes in nodes), and is searched as an ordinary ``SearchSpace``: a
parameter inside ``Or("block", {"conv": [Int("filters", …)]})`` is called ``block.conv.filters`` and is active when
``block`` is ``"conv"``; the second round of ``Repeat("layers", …, 1, 3)`` is active when ``layers >= 2``. A ``when``
inside a node names its neighbours, or what stands around the node. Knows nothing of models or search.
Source: the language of search spaces of Negrinho & Gordon 2017, "DeepArchitect" (Or, Repeat, Optional, sequences).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..errors import InvalidParameters, InvalidSpace
from ..spaces.base import Choice
from ..spaces.parameters import Categorical, Float, Int, Parameter
from ..spaces.space import SearchSpace

MAX_ROUNDS = 100
Scope = Mapping[str, str]
"""Full names of what can be named in a ``when``, by the names used there."""


@dataclass(frozen=True)
class Or:
    """One of several branches; each is a list of nodes, possibly empty."""

    name: str
    branches: Mapping[str, Sequence["Node"]]
    default: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Repeat:
    """The same nodes ``low`` to ``high`` times, each round with parameters of its own (``name.1.…``, ``name.2.…``)."""

    name: str
    body: Sequence["Node"]
    low: int
    high: int
    default: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Maybe:
    """Nodes that are there or not: a choice between True and False, the nodes active when True."""

    name: str
    body: Sequence["Node"]
    default: bool | None = None
    description: str = ""


Node = Parameter | Or | Repeat | Maybe


@dataclass(frozen=True)
class Tree:
    """Nodes in order, and relations between parameters by their full names. Raises InvalidSpace on use of ``space``."""

    nodes: Sequence[Node]
    where: Sequence[str] = ()

    @cached_property
    def space(self) -> SearchSpace:
        """The flat search space; parents stand before their children."""
        return SearchSpace(_flattened(self.nodes, "", {}, {}), self.where)

    def nested(self, params: Mapping[str, Choice]) -> dict[str, Any]:
        """Return a configuration in the shape of the tree; inverse of ``flat``.

        An ``Or`` becomes ``{branch: {…}}``, a ``Repeat`` a list with one dict a round, a ``Maybe`` a dict or None.
        """
        return _nested(self.nodes, "", self.space.validate(params))

    def flat(self, nested: Mapping[str, Any]) -> dict[str, Choice]:
        """Return the configuration that has this shape; raises InvalidParameters."""
        return self.space.validate(dict(_flat(self.nodes, "", nested)))


def _flattened(nodes: Sequence[Node], prefix: str, scope: Scope, when: Mapping[str, Any]) -> list[Parameter]:
    inner = {**scope, **{node.name: prefix + node.name for node in nodes}}
    parameters: list[Parameter] = []
    for node in nodes:
        parameters += _parameters_of(node, prefix, inner, when)
    return parameters


def _parameters_of(node: Node, prefix: str, scope: Scope, when: Mapping[str, Any]) -> list[Parameter]:
    name = prefix + node.name
    if isinstance(node, Float | Int | Categorical):
        own = {scope.get(parent, parent): values for parent, values in (node.when or {}).items()}
        return [replace(node, name=name, when={**when, **own} or None)]
    shared: dict[str, Any] = {"default": node.default, "description": node.description, "when": when or None}
    if isinstance(node, Or):
        parameters: list[Parameter] = [Categorical(name, list(node.branches), **shared)]
        for branch, body in node.branches.items():
            parameters += _flattened(body, f"{name}.{branch}.", scope, {name: [branch]})
        return parameters
    if isinstance(node, Maybe):
        return [
            Categorical(name, [False, True], **shared),
            *_flattened(node.body, f"{name}.", scope, {name: [True]}),
        ]
    _check_rounds(node)
    rounds: list[Parameter] = [Int(name, node.low, node.high, **shared)] if node.high > node.low else []
    for i in range(1, node.high + 1):
        condition = {name: f">= {i}"} if i > node.low else {name: f">= {node.low}"} if rounds else when
        rounds += _flattened(node.body, f"{name}.{i}.", scope, condition)
    return rounds


def _check_rounds(node: Repeat) -> None:
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (node.low, node.high))
    if not whole or not 0 <= node.low <= node.high <= MAX_ROUNDS or node.high < 1:
        raise InvalidSpace(
            f"`{node.name}`: a repeat needs whole numbers 0 <= low <= high <= {MAX_ROUNDS} and high >= 1, got "
            f"{node.low!r} and {node.high!r}."
        )


def _nested(nodes: Sequence[Node], prefix: str, params: Mapping[str, Choice]) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for node in nodes:
        name = prefix + node.name
        if isinstance(node, Or) and name in params:
            branch = str(params[name])
            shape[node.name] = {branch: _nested(node.branches[branch], f"{name}.{branch}.", params)}
        elif isinstance(node, Maybe) and name in params:
            shape[node.name] = _nested(node.body, f"{name}.", params) if params[name] else None
        elif isinstance(node, Repeat):
            count = params.get(name, node.low)
            rounds = count if isinstance(count, int) else node.low
            shape[node.name] = [_nested(node.body, f"{name}.{i}.", params) for i in range(1, rounds + 1)]
        elif name in params:
            shape[node.name] = params[name]
    return shape


def _flat(nodes: Sequence[Node], prefix: str, nested: Mapping[str, Any]) -> Iterator[tuple[str, Choice]]:
    strangers = set(nested) - {node.name for node in nodes}
    if strangers:
        raise InvalidParameters(
            f"Unknown names {sorted(strangers)} in {prefix or 'the tree'!r}; it knows {[n.name for n in nodes]}."
        )
    for node in nodes:
        if node.name in nested:
            yield from _flat_node(node, prefix + node.name, nested[node.name])


def _flat_node(node: Node, name: str, value: Any) -> Iterator[tuple[str, Choice]]:
    if isinstance(node, Or):
        if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in node.branches:
            raise InvalidParameters(
                f"`{name}` must be {{branch: {{…}}}} with one of {list(node.branches)}, got {value!r}."
            )
        ((branch, inside),) = value.items()
        yield name, branch
        yield from _flat(node.branches[branch], f"{name}.{branch}.", inside)
    elif isinstance(node, Maybe):
        yield name, value is not None
        yield from _flat(node.body, f"{name}.", {} if value is None else value)
    elif isinstance(node, Repeat):
        if not isinstance(value, Sequence) or not node.low <= len(value) <= node.high:
            raise InvalidParameters(
                f"`{name}` must be a list of {node.low} to {node.high} rounds, got {value!r}."
            )
        if node.high > node.low:
            yield name, len(value)
        for i, inside in enumerate(value, 1):
            yield from _flat(node.body, f"{name}.{i}.", inside)
    else:
        yield name, value
