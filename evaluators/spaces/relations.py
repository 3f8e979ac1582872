"""Relations between parameters (``where=["low <= high"]``): checked against the parameters once, evaluated on
columns.

A relation holds where one of its parameters is inactive. None counts as not a number, so that ``x <= 8`` is false
for it.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidSpace
from .expressions import Expression, parse
from .parameters import Categorical, Parameter

MAX_RELATIONS = 200


def holds(relation: Expression, params: Mapping[str, Any]) -> bool:
    """Return whether a relation holds; it does where one of its parameters is inactive."""
    if any(name not in params for name in relation.names):
        return True
    return relation.holds({n: np.nan if params[n] is None else params[n] for n in relation.names})


def checked_relations(where: Sequence[str], parameters: Sequence[Parameter]) -> tuple[Expression, ...]:
    """Return the parsed relations, or raise InvalidSpace for one that does not fit the parameters."""
    if isinstance(where, str) or not isinstance(where, Sequence):
        raise InvalidSpace(f"`where` must be a list of relations, got {where!r}; write [{where!r}].")
    if len(where) > MAX_RELATIONS:
        raise InvalidSpace(f"A search space has at most {MAX_RELATIONS} relations, got {len(where)}.")
    by_name = {p.name: p for p in parameters}
    relations = tuple(parse(text) for text in where)
    for relation in relations:
        if not relation.is_boolean or not relation.names:
            raise InvalidSpace(
                f"A relation must compare parameters, as 'low <= high', got {relation.text!r}."
            )
        for name in relation.names:
            if name not in by_name:
                close = difflib.get_close_matches(name, by_name, 1)
                cure = f"did you mean {close[0]!r}?" if close else f"the space has {', '.join(by_name)}."
                raise InvalidSpace(f"`{relation.text}` names {name!r}, which is not a parameter; {cure}")
            parameter = by_name[name]
            if (
                name in relation.numeric_names
                and isinstance(parameter, Categorical)
                and not parameter.is_numeric
            ):
                raise InvalidSpace(
                    f"`{relation.text}` calculates with {name!r}, whose choices are not numbers; "
                    "compare it with == or !=."
                )
    return relations


def impossible(where: Sequence[str], drawn: int, kept: int) -> InvalidSpace:
    """Return the error for relations that random configurations (almost) never fulfil."""
    share = "none" if not kept else f"only {kept}"
    return InvalidSpace(
        f"Of {drawn} random configurations {share} fulfilled {list(where)!r}; "
        "relax the relations, or narrow the parameters to where they can hold."
    )
