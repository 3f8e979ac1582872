"""How a search space stands on the wire: the JSON schema of answers, and configurations to and from flat JSON objects.

Every parameter is present and required; inactive ones are null. Conditions are told in prose and checked afterwards,
because no server's grammar supports them. Names that are unsafe in a schema become ``p0…pn``; more choices than
servers take become plain strings. What comes from a model is untrusted: it is read by type, checked against the
space, and never evaluated.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..evaluators.errors import InvalidParameters
from ..evaluators.problems.history import Params, Value
from ..evaluators.problems.measurement import is_finite
from ..evaluators.spaces.parameters import Categorical, Float, Parameter
from ..evaluators.spaces.schema import MAX_ENUM_TOTAL, json_schema, wire_names
from ..evaluators.spaces.space import SearchSpace
from .errors import ModelAnswerInvalid
from .json_in_text import folded

_SLACK = 0.01
"""How far outside its bounds, as a share of the scaled range, a number is still clipped; beyond, it is an error."""

_FINEST = 33
"""Values of a number that stand as choices: a thirtieth of a range apart, which the surrogate then refines."""

_WIDE = str.maketrans({**{0xFF10 + i: str(i) for i in range(10)}, "．": ".", "＋": "+", "－": "-", "−": "-"})
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_POWER = re.compile(r"\s{0,3}[x×*·]\s*10(?:\^|\*\*)([+-]?\d{1,3})$")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Wire:
    """One search space on the wire."""

    space: SearchSpace

    @cached_property
    def alias(self) -> Mapping[str, str]:
        """The name on the wire of each parameter: its own, or ``p<i>`` where that is unsafe in a schema."""
        return wire_names(self.space.names)

    @property
    def known_names(self) -> frozenset[str]:
        """The names under which a model was told of the parameters."""
        return frozenset(self.alias.values())

    @cached_property
    def _params_schema(self) -> dict[str, Any]:
        return self.space.json_schema()

    @cached_property
    def _as_text(self) -> frozenset[str]:
        """Names of the choices that stand as plain strings because servers would refuse such an enum."""
        bodies = self._params_schema["properties"]
        choices = (p for p in self.space.parameters if isinstance(p, Categorical))
        return frozenset(p.name for p in choices if "enum" not in bodies[self.alias[p.name]])

    def schema(self, n: int) -> dict[str, Any]:
        """Return the JSON schema of an answer with up to ``n`` proposals."""
        proposal = object_schema(
            {
                "params": self._params_schema,
                "hypothesis": {"type": "string"},
                "expected": {"type": "string"},
                "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            }
        )
        proposals = {"type": "array", "items": proposal, "maxItems": n}
        return object_schema({"proposals": proposals, "abstain": {"type": "boolean"}})

    def schema_of_choices(self, n: int) -> dict[str, Any]:
        """Return the schema of an answer in which each number is one of a few, evenly spaced on its scale, and that
        has ``n`` configurations and no words: whatever a server's grammar lets through lies within the bounds."""
        params = json_schema(self.space.parameters, frozenset(), self.alias)
        bodies = params["properties"]
        enums = sum(len(b.get("enum", ())) for b in bodies.values())
        numbers = [p for p in self.space.parameters if not isinstance(p, Categorical)]
        most = min(_FINEST, max(2, (MAX_ENUM_TOTAL - enums) // max(1, len(numbers))))
        for p in numbers:
            body = bodies[self.alias[p.name]]
            values = p.decode(np.linspace(0, 1, min(p.levels or most, most)))
            shown = [shown_number(v) if isinstance(v, float) else v for v in values]
            bodies[self.alias[p.name]] = {"type": body["type"], "enum": list(dict.fromkeys(shown))}
        proposals = {
            "type": "array",
            "items": object_schema({"params": params}),
            "minItems": n,
            "maxItems": n,
        }
        return object_schema({"proposals": proposals})

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
        raw = self._by_known_names(raw)
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
        try:
            return dict(self.space.validate(values))
        except InvalidParameters as error:
            complaints = [text for name, text in errors.items() if raw.get(self.alias[name]) is not None]
            raise ModelAnswerInvalid(" ".join(complaints[:5]) or str(error)) from None

    def _by_known_names(self, raw: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Return ``raw`` with names in another case or with spaces put right, where only one can be meant."""
        vocabulary = {folded(name): self.alias[name] for name in self.space.names}
        distinct = len(vocabulary) == len(self.space.names)
        meant = [(k, vocabulary.get(folded(k), k) if distinct else k) for k in raw]
        if len({name for _, name in meant}) < len(meant):
            return raw
        return {name: raw[k] for k, name in meant}

    def _value_from_wire(self, p: Parameter, value: object) -> Value:
        if isinstance(value, Mapping) and set(value) == {"value"}:
            value = value["value"]
        if isinstance(p, Categorical):
            return self._choice_from_wire(p, value)
        name = self.alias[p.name]
        value = number_in(value) if isinstance(value, str) else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
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
        return p.coerce(_spelt_as(p, value))


def number_in(text: str) -> float | str:
    """Return the number that ``text`` says without doubt, else the text: in `1,5`, `1.500,0`, `3%` and `2k` is doubt."""
    plain = _SUPERSCRIPT.sub(lambda m: "^" + m[0].translate(_RAISED), text.strip().translate(_WIDE))
    plain = _POWER.sub(r"e\1", plain)
    if not _NUMBER.fullmatch(plain):
        return text
    return int(plain) if plain.lstrip("+-").isdigit() else float(plain)


def _spelt_as(p: Categorical, value: object) -> Any:
    """Return the choice that ``value`` spells in another case or with quotes around it, where only one can be meant."""
    if not isinstance(value, str) or value in p.choices:
        return value
    plain = value.strip(" \"'`").casefold()
    alike = [c for c in p.choices if isinstance(c, str) and c.casefold() == plain]
    return alike[0] if len(alike) == 1 else value


def shown_number(value: float) -> float:
    """Return ``value`` with four significant digits: more cost tokens and say nothing."""
    return float(f"{value:.4g}")


def object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object that has all of ``properties`` and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
