"""The space in other people's words: the JSON schema for structured output, names on the wire, plain dictionaries.

The schema is flat, everything is required, inactive parameters are null; conditions and relations cannot be said in
it and are checked by ``SearchSpace.validate``. Limits are those of OpenAI's structured output, the tightest of the
servers we speak to.
"""

import difflib
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from ...serving.errors import InvalidInput
from ..errors import InvalidSpace
from .base import check_name, shown
from .parameters import Categorical, Float, Int, Parameter

MAX_ENUM = 250
"""Choices of one parameter that stand in an enum; more become plain text."""
MAX_ENUM_TOTAL = 500
"""Choices of all parameters together that stand in enums."""
MAX_ENUM_CHARACTERS = 7_500
_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KINDS = {"float": Float, "int": Int, "categorical": Categorical}
_TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def wire_names(names: Sequence[str]) -> dict[str, str]:
    """Return the name on the wire of each parameter: its own where safe, else p followed by its position."""
    safe, wire = {n for n in names if _SAFE.fullmatch(n)}, {}
    for i, name in enumerate(names):
        candidate = name if name in safe else f"p{i}"
        while candidate != name and candidate in safe:
            candidate += "_"
        wire[name] = candidate
        safe.add(candidate)
    return wire


def json_schema(
    parameters: Sequence[Parameter], conditional: Set[str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the schema of one configuration; ``conditional`` parameters may be null."""
    properties, left = {}, MAX_ENUM_TOTAL
    for parameter in parameters:
        body = _body(parameter, left)
        left -= len(body.get("enum", ()))
        if parameter.name in conditional:
            body = _nullable(body)
        text = _description(parameter, renamed=names[parameter.name] != parameter.name)
        properties[names[parameter.name]] = {**body, **({"description": text} if text else {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def space_from_dict(
    space_type: Any, plain: Mapping[str, Any]
) -> Any:  # Any: SearchSpace, which imports this module
    """Return the space described by ``{"parameters": {name: table}, "where": [...], "allowed": [...]}``."""
    if not isinstance(plain, Mapping):
        raise InvalidSpace(f"A space must be a table with `parameters`, got {plain!r}.")
    refuse_unknown_keys(plain, ("parameters", "where", "allowed"), "a search space")
    tables = plain.get("parameters")
    if (
        isinstance(tables, Sequence)
        and not isinstance(tables, str)
        and all(isinstance(t, Mapping) for t in tables)
    ):
        tables = {t.get("name", ""): {k: v for k, v in t.items() if k != "name"} for t in tables}
    if not isinstance(tables, Mapping):
        raise InvalidSpace(f"`parameters` must map names to tables with a `type`, got {shown(tables)}.")
    parameters = [parameter_from_dict(name, table) for name, table in tables.items()]
    return space_type(parameters, plain.get("where", ()), allowed=plain.get("allowed"))


def parameter_from_dict(name: str, table: object) -> Parameter:
    """Return the parameter that ``Parameter.to_dict`` describes; ``{none = true}`` is None, for TOML has no null."""
    check_name(name)
    if not isinstance(table, Mapping) or str(table.get("type")) not in _KINDS:
        got = table.get("type") if isinstance(table, Mapping) else table
        raise InvalidSpace(f"`{name}`: `type` must be 'float', 'int' or 'categorical', got {got!r}.")
    kind = _KINDS[table["type"]]
    allowed = ("type", *(f for f in kind.__dataclass_fields__ if f not in {"name", "_", "labelled"}))
    refuse_unknown_keys(table, allowed, f"the {table['type']} parameter `{name}`")
    arguments = {k: without_none_tables(v) for k, v in table.items() if k != "type"}
    required = ("choices",) if kind is Categorical else ("low", "high")
    for key in required:
        if key not in arguments:
            raise InvalidSpace(
                f"`{name}`: `{key}` is missing; a {table['type']} needs {' and '.join(required)}."
            )
    return kind(name, **arguments)


def refuse_unknown_keys(
    table: Mapping[str, Any], allowed: Sequence[str], what: str, error: type[InvalidInput] = InvalidSpace
) -> None:
    """Raise ``error`` for a key that is not allowed, with the nearest one that is."""
    for key in table:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, 1)
            cure = f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(allowed)}."
            raise error(f"Unknown key {key!r} in {what}; {cure}")


def without_none_tables(value: Any) -> Any:
    """Return ``value`` with every ``{none = true}`` replaced by None."""
    if isinstance(value, Mapping):
        is_none = dict(value) == {"none": True}
        return None if is_none else {k: without_none_tables(v) for k, v in value.items()}
    return [without_none_tables(v) for v in value] if isinstance(value, list | tuple) else value


def _body(parameter: Parameter, enum_left: int) -> dict[str, Any]:
    if isinstance(parameter, Float):
        return {"type": "number", "minimum": parameter.low, "maximum": parameter.high}
    if isinstance(parameter, Int):
        return {"type": "integer", "minimum": parameter.low, "maximum": parameter.high}
    characters = sum(len(str(c)) for c in parameter.choices)
    if parameter.levels > min(MAX_ENUM, enum_left) or characters > MAX_ENUM_CHARACTERS:
        return {"type": "string"}
    kinds = list(dict.fromkeys(_TYPE_NAMES[type(c)] for c in parameter.choices))
    return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": list(parameter.choices)}


def _nullable(body: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also allows null."""
    if "enum" not in body:
        return {"anyOf": [body, {"type": "null"}]}
    if None in body["enum"]:
        return body
    kinds = body["type"] if isinstance(body["type"], list) else [body["type"]]
    return {"type": [*kinds, "null"], "enum": [*body["enum"], None]}


def _description(parameter: Parameter, *, renamed: bool) -> str:
    parts = [parameter.name if renamed else "", parameter.description]
    if parameter.unit:
        parts.append(f"in {parameter.unit}")
    if not isinstance(parameter, Categorical):
        parts.append(f"steps of {parameter.step} from {parameter.low}" if parameter.step else "")
        parts.append("log scale" if parameter.log else "")
    if parameter.when:
        conditions = " and ".join(f"{name} {_condition(allowed)}" for name, allowed in parameter.when.items())
        parts.append(f"only when {conditions}, else null")
    return "; ".join(p for p in parts if p)


def _condition(allowed: Any) -> str:
    if isinstance(allowed, str):
        return f"is {allowed}"
    return f"is {' or '.join(str(v) for v in allowed)}"
