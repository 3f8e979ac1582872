"""What pydantic finds wrong with a table, in the words of a person who wrote it: table, key, rule, value and cure."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

RULES = {
    "string_type": "text",
    "string_unicode": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "a list; put it into brackets",
    "missing": "given",
}


def first_complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first thing that is wrong, as one sentence."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return unknown_key(place[-1], tuple(_model_at(model, place[:-1]).model_fields), _table(place[:-1]))
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ") + "."
    where = f" in {_table(place[:-1])}" if len(place) > 1 else ""
    return (
        f"`{place[-1] if place else 'the file'}`{where} must be {_rule(first)}, got {first['input']!r:.200}."
    )


def _rule(first: Any) -> str:  # Any: pydantic's ErrorDetails
    return RULES.get(first["type"]) or first["msg"].removeprefix("Input should be ")


def unknown_key(key: str, known: Sequence[str], table: str) -> str:
    """Return what is said of a key that a table does not know."""
    close = difflib.get_close_matches(key, known, 1)
    cure = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
    return f"{table} knows no {key!r}; {cure}"


def _table(place: Sequence[str]) -> str:
    return f"[{'.'.join(place)}]" if place else "the file"


def _model_at(model: type[BaseModel], place: Sequence[str]) -> type[BaseModel]:
    """Return the model of the table at a place; optional ones too."""
    for part in place:
        annotation = model.model_fields[part].annotation
        inside = [
            a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)
        ]
        model = inside[0]
    return model
