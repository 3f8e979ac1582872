"""Trees as tables: parameters inside a choice, repeated and optional parts, as study files and requests write them.

A categorical's table may hold a table per choice with the parameters of that choice; ``type = "repeat"`` (``low``,
``high``) and ``type = "maybe"`` hold theirs under ``parameters``::

    [parameters.block]
    type = "categorical"
    choices = ["conv", "skip"]
    [parameters.block.conv.filters]
    type = "int"
    low = 8
    high = 64

Flat tables are read as before. Knows nothing of files.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidSpace
from ..spaces.schema import parameter_from_dict, refuse_unknown_keys
from ..spaces.space import SearchSpace
from .tree import Maybe, Node, Or, Repeat, Tree

_CATEGORICAL = ("type", "choices", "default", "description", "unit", "when", "ordered")
_PART = ("type", "parameters", "default", "description")


def space_from_tables(plain: Mapping[str, Any]) -> SearchSpace:
    """Return the space that tables describe, nested or flat; raises InvalidSpace."""
    tables = plain.get("parameters") if isinstance(plain, Mapping) else None
    if not isinstance(tables, Mapping) or not any(_is_nested(table) for table in tables.values()):
        return SearchSpace.from_dict(plain)
    refuse_unknown_keys(plain, ("parameters", "where"), "a search space with nested parameters")
    return Tree(nodes_from_tables(tables), plain.get("where", ())).space


def nodes_from_tables(tables: Mapping[str, Any]) -> tuple[Node, ...]:
    """Return the nodes that tables describe, by name and in order; raises InvalidSpace."""
    return tuple(_node(name, table) for name, table in tables.items())


def _node(name: str, table: Any) -> Node:
    if not _is_nested(table):
        return parameter_from_dict(name, table)
    kind = table["type"]
    texts = {key: table[key] for key in ("default", "description") if key in table}
    if kind == "categorical":
        return Or(name, _branches(name, table), **texts)
    parts = _PART if kind == "maybe" else (*_PART, "low", "high")
    refuse_unknown_keys(table, parts, f"the {kind} `{name}`")
    body = table.get("parameters")
    if not isinstance(body, Mapping) or not body:
        raise InvalidSpace(f"`{name}`: a {kind} needs a table `parameters` with at least one parameter.")
    nodes = nodes_from_tables(body)
    if kind == "maybe":
        return Maybe(name, nodes, **texts)
    missing = [key for key in ("low", "high") if key not in table]
    if missing:
        raise InvalidSpace(f"`{name}`: a repeat needs `low` and `high`, {' and '.join(missing)} missing.")
    return Repeat(name, nodes, table["low"], table["high"], **texts)


def _branches(name: str, table: Mapping[str, Any]) -> dict[str, tuple[Node, ...]]:
    choices = table.get("choices", ())
    if not all(isinstance(choice, str) for choice in choices):
        raise InvalidSpace(
            f"`{name}`: choices with parameters of their own must be texts, got {list(choices)!r}."
        )
    clashing = sorted(set(choices) & set(_CATEGORICAL))
    if clashing:
        raise InvalidSpace(
            f"`{name}`: a choice with parameters may not be called {clashing[0]!r}; rename it."
        )
    refuse_unknown_keys(table, (*_CATEGORICAL, *choices), f"the categorical parameter `{name}`")
    for key in ("when", "unit", "ordered"):
        if key in table:
            raise InvalidSpace(
                f"`{name}`: a choice with parameters of its own takes no `{key}`; nest it instead."
            )
    return {choice: nodes_from_tables(table.get(choice, {})) for choice in choices}


def _is_nested(table: Any) -> bool:
    if not isinstance(table, Mapping):
        return False
    kind, choices = table.get("type"), table.get("choices")
    if kind == "categorical" and isinstance(choices, list | tuple):
        return any(isinstance(table.get(choice), Mapping) for choice in choices if isinstance(choice, str))
    return kind in ("repeat", "maybe")
