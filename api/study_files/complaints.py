"""What pydantic finds wrong with a table, in the words of a person who wrote it: table, key, rule, value and cure."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from .tables import AT_ODDS

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
    "list_type": "a list in brackets",
    "missing": "given",
}


def first_complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first thing that is wrong, as one sentence."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        if home := _home(place, model):
            return f"`{place[-1]}` stands in [{home}], not at the top of the file."
        return unknown_key(place[-1], tuple(_model_at(model, place[:-1]).model_fields), _table(place[:-1]))
    if first["type"] in ("value_error", AT_ODDS):
        return first["msg"].removeprefix("Value error, ") + "."
    where = f" in {_table(place[:-1])}" if len(place) > 1 else ""
    return (
        f"`{place[-1] if place else 'the file'}`{where} must be {_rule(first)}, got {first['input']!r:.200}."
    )


def _home(place: Sequence[str], model: type[BaseModel]) -> str | None:
    """Return the table that has a key which stands outside every table; None where none has it."""
    if len(place) > 1:
        return None
    keys = {t: {k for m in _models_of(model, t) for k in m.model_fields} for t in model.model_fields}
    return next((t for t, inside in keys.items() if place[0] in inside), None)


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
        model = _models_of(model, part)[0]
    return model


def _models_of(model: type[BaseModel], field: str) -> list[type[BaseModel]]:
    """Return the models that a field may hold."""
    annotation = model.model_fields[field].annotation
    inside = (annotation, *get_args(annotation))
    return [a for a in inside if isinstance(a, type) and issubclass(a, BaseModel)]
