"""How a search space stands on the wire: the JSON schema of answers, and configurations to and from flat JSON objects.

Every parameter is present and required; inactive ones are null. Conditions are told in prose and checked afterwards,
because no server's grammar supports them. Names that are unsafe in a schema become ``p0…pn``; more choices than
servers take become plain strings. What comes from a model is untrusted: it is read by type, checked against the
space, and never evaluated.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..evaluators.errors import InvalidParameters
from ..evaluators.history import Params, Value
from ..evaluators.parameters import Categorical, Float, Int
from ..evaluators.space import SearchSpace
from .errors import ModelAnswerInvalid

Parameter = Float | Int | Categorical

_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_MAX_ENUM = 250
_MAX_ENUM_CHARACTERS = 7_500
_MAX_ENUMS = 900
"""OpenAI takes 1,000 enum values in all, and 15,000 characters where one property has more than 250."""

_SLACK = 0.01
"""How far outside its bounds, as a share of the scaled range, a number is still clipped; beyond, it is an error."""


@dataclass(frozen=True)
class Wire:
    """One search space on the wire."""

    space: SearchSpace

    @cached_property
    def alias(self) -> Mapping[str, str]:
        """The name on the wire of each parameter: its own, or ``p<i>`` where that is unsafe in a schema."""
        own = {p.name for p in self.space.parameters}
        named = {}
        for i, p in enumerate(self.space.parameters):
            substitute = f"p{i}"
            while substitute in own:
                substitute += "_"
            named[p.name] = p.name if _SAFE_NAME.fullmatch(p.name) else substitute
        return named

    @cached_property
    def _as_text(self) -> frozenset[str]:
        """Names of the choices that stand as plain strings because servers would refuse such an enum."""
        texts, total = set(), 0
        for p in self.space.parameters:
            if isinstance(p, Categorical):
                characters = sum(len(str(c)) for c in p.choices)
                total += len(p.choices)
                if len(p.choices) > _MAX_ENUM or characters > _MAX_ENUM_CHARACTERS or total > _MAX_ENUMS:
                    texts.add(p.name)
                    total -= len(p.choices)
        return frozenset(texts)

    def schema(self, n: int) -> dict[str, Any]:
        """Return the JSON schema of an answer with up to ``n`` proposals."""
        params = {self.alias[p.name]: self._parameter_schema(p) for p in self.space.parameters}
        proposal = _object(
            {
                "params": _object(params),
                "hypothesis": {"type": "string"},
                "expected": {"type": "string"},
                "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            }
        )
        proposals = {"type": "array", "items": proposal, "maxItems": n}
        return _object({"proposals": proposals, "abstain": {"type": "boolean"}})

    def _parameter_schema(self, p: Parameter) -> dict[str, Any]:
        null = ["null"] if p.when else []
        if isinstance(p, Categorical):
            if p.name in self._as_text:
                return {"type": ["string", *null] if null else "string"}
            choices = list(p.choices) + ([None] if null and None not in p.choices else [])
            kinds = sorted({_kind(c) for c in choices})
            return {"type": kinds if len(kinds) > 1 else kinds[0], "enum": choices}
        kind = "integer" if isinstance(p, Int) else "number"
        return {"type": [kind, *null] if null else kind, "minimum": p.low, "maximum": p.high}

    def to_wire(self, params: Params) -> dict[str, Value]:
        """Return the flat object of a configuration: all parameters, four significant digits, inactive ones null."""
        return {self.alias[p.name]: self._value_to_wire(p, params) for p in self.space.parameters}

    def _value_to_wire(self, p: Parameter, params: Params) -> Value:
        if p.name not in params:
            return None
        value = params[p.name]
        if p.name in self._as_text:
            return value if isinstance(value, str) else json.dumps(value)
        return shown_number(value) if isinstance(p, Float) and isinstance(value, int | float) else value

    def from_wire(self, raw: object) -> dict[str, Value]:
        """Return the valid configuration that a model meant; raises ModelAnswerInvalid with what to do better.

        Numbers just outside their bounds are clipped, non-integers rounded and steps snapped; inactive values are
        dropped.
        """
        if not isinstance(raw, Mapping):
            raise ModelAnswerInvalid(f'"params" must be an object, got {_shown(raw)}.')
        values: dict[str, Value] = {}
        errors: dict[str, str] = {}
        for p in self.space.parameters:
            key = self.alias[p.name] if self.alias[p.name] in raw else p.name
            if raw.get(key) is None and not (isinstance(p, Categorical) and None in p.choices and key in raw):
                errors[p.name] = f'"{self.alias[p.name]}" is missing.'
                continue
            try:
                values[p.name] = self._value_from_wire(p, raw[key])
            except (InvalidParameters, ModelAnswerInvalid) as error:
                errors[p.name] = str(error)
        active = self.space.active_names(values)
        wrong = [errors[name] for name in active if name in errors]
        if wrong:
            raise ModelAnswerInvalid(" ".join(wrong[:5]))
        params = {name: values[name] for name in active}
        try:
            return dict(self.space.validate(params))
        except InvalidParameters as error:
            raise ModelAnswerInvalid(str(error)) from None

    def _value_from_wire(self, p: Parameter, value: object) -> Value:
        if isinstance(p, Categorical):
            return self._choice_from_wire(p, value)
        name = self.alias[p.name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise ModelAnswerInvalid(f'"{name}" must be a number, got {_shown(value)}.')
        (u,) = p.encode([value])
        if not -_SLACK <= u <= 1 + _SLACK:
            raise ModelAnswerInvalid(f'"{name}" must be in [{p.low!r}, {p.high!r}], got {_shown(value)}.')
        return p.nearest(value)

    def _choice_from_wire(self, p: Categorical, value: object) -> Value:
        if p.name in self._as_text and isinstance(value, str):
            for choice in p.choices:
                if value == choice or (not isinstance(choice, str) and value == json.dumps(choice)):
                    return choice
        if isinstance(value, list | dict):
            raise ModelAnswerInvalid(
                f'"{self.alias[p.name]}" must be one of its choices, got {_shown(value)}.'
            )
        return p.coerce(value)


def shown_number(value: float) -> float:
    """Return ``value`` with four significant digits: more cost tokens and say nothing."""
    return float(f"{value:.4g}")


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _kind(choice: object) -> str:
    if choice is None:
        return "null"
    if isinstance(choice, bool):
        return "boolean"
    if isinstance(choice, int):
        return "integer"
    return "number" if isinstance(choice, float) else "string"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
