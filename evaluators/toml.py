"""Plain values as TOML, so that a space or a problem made in Python can be written to a study file.

Reading is the standard library's ``tomllib``; None, which TOML cannot say, stands as ``{none = true}``, and
``SearchSpace.from_dict`` and ``Problem.from_dict`` read it so. Knows nothing of what the values mean.
"""

import json
from collections.abc import Mapping
from typing import Any

from .problems.problem import Problem


def problem_to_toml(problem: Problem) -> str:
    """Return the tables ``[problem]`` and ``[parameters.NAME]`` of a study file."""
    plain = problem.to_dict()
    space = plain.pop("space")
    if "where" in space:
        plain["where"] = space["where"]
    return to_toml({"problem": {k: v for k, v in plain.items() if v}, "parameters": space["parameters"]})


def to_toml(tables: Mapping[str, Any]) -> str:  # Any: plain JSON values
    """Return ``tables`` as TOML: mappings of mappings as ``[table.NAME]``, other values on one line each."""
    flat = {k: v for k, v in tables.items() if not isinstance(v, Mapping) or not v}
    nested = {k: v for k, v in tables.items() if k not in flat}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in flat.items()]
    for name, table in nested.items():
        if all(isinstance(v, Mapping) for v in table.values()):
            for key, inner in table.items():
                lines += ["", f"[{_key(name)}.{_key(key)}]", *_lines(inner)]
        else:
            lines += ["", f"[{_key(name)}]", *_lines(table)]
    return "\n".join(lines).strip() + "\n"


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(k)} = {_value(v)}" for k, v in table.items()]


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if bare else _text(name)


def _value(value: Any) -> str:
    if value is None:
        return "{ none = true }"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Return a basic string: JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
