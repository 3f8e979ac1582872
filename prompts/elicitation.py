"""Asks a model for soft knowledge: ranges of good values, and rules of what will fail; and reads its answer.

Rules are expressions of the one small language of ``evaluators/spaces/expressions.py``: parsed, checked against the parameters'
names, never evaluated as code. What cannot be read is left out and said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluators.errors import InvalidSpace
from ..evaluators.problems.history import History, Params
from ..evaluators.spaces.expressions import Expression, parse
from ..evaluators.spaces.parameters import Categorical
from ..evaluators.spaces.space import SearchSpace
from ..serving.endpoints.chat import ChatMessage
from . import wording
from .errors import ModelAnswerInvalid
from .json_in_text import values_in
from .render import Prompt, PromptOptions, history_rows, template
from .wire import Wire, object_schema

_MOST = 12


@dataclass(frozen=True)
class Region:
    """Where good values of one numeric parameter are said to lie, in the unit interval."""

    name: str
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Rule:
    """A condition under which trials are said to fail."""

    text: str
    expression: Expression
    why: str = ""

    def applies(self, params: Params) -> bool:
        """Whether the condition holds for a configuration; False where a parameter in it is not active."""
        is_complete = all(name in params for name in self.expression.names)
        return is_complete and self.expression.holds(params)


@dataclass(frozen=True)
class Elicited:
    """What a model said, as far as it could be read."""

    regions: tuple[Region, ...] = ()
    rules: tuple[Rule, ...] = ()
    notes: tuple[str, ...] = ()


def schema_of(space: SearchSpace) -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    region = {
        "parameter": {"type": "string"},
        "low": {"type": "number"},
        "high": {"type": "number"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    }
    rule = {"fails_if": {"type": "string"}, "why": {"type": "string"}}
    return object_schema({"regions": _list(region), "rules": _list(rule)})


def render_elicitation(history: History, rng: np.random.Generator, options: PromptOptions) -> Prompt:
    """Return the prompt that asks for regions and rules."""
    problem, wire = history.problem, Wire(history.problem.space)
    rows, shown, _ = history_rows(history, wire, rng, options)
    words = {
        "name": wording.one_line(problem.name),
        "description": wording.one_line(problem.description),
        "context": wording.context_lines(problem) if options.context == "full" else [],
        "goals": wording.goal_lines(problem),
        "parameters": [wording.parameter_line(p, wire) for p in problem.space.parameters],
    }
    user = ChatMessage("user", template("elicit.jinja").render(problem=words, rows=rows))
    return Prompt((user,), schema_of(problem.space), 0, tuple(shown))


def read_elicited(text: str, space: SearchSpace) -> Elicited:
    """Return what an answer says; raises ModelAnswerInvalid only when it is no JSON object at all."""
    try:
        data = values_in(text)[-1]
    except (ValueError, IndexError):
        raise ModelAnswerInvalid(
            'The answer is not JSON. Answer with {"regions": [...], "rules": [...]}.'
        ) from None
    if not isinstance(data, Mapping):
        raise ModelAnswerInvalid('The answer must be one JSON object {"regions": [...], "rules": [...]}.')
    wire, notes = Wire(space), list[str]()
    own = {alias: name for name, alias in wire.alias.items()} | {name: name for name in space.names}
    regions = [_region(item, space, own, notes) for item in _items(data.get("regions"))]
    rules = [_rule(item, space, own, notes) for item in _items(data.get("rules"))]
    return Elicited(tuple(r for r in regions if r), tuple(r for r in rules if r), tuple(notes))


def _region(
    item: Mapping[str, Any], space: SearchSpace, own: Mapping[str, str], notes: list[str]
) -> Region | None:
    name = own.get(str(item.get("parameter")))
    low, high = _number(item.get("low")), _number(item.get("high"))
    p = None if name is None else space[name]
    if name is None or p is None or isinstance(p, Categorical) or low is None or high is None:
        notes.append(f"a region that cannot be used: {wording.one_line(str(item))[:120]}")
        return None
    u = np.clip(p.encode([p.nearest(low), p.nearest(high)]), 0, 1)
    if not u[0] < u[1]:
        notes.append(f"an empty region of {name!r}")
        return None
    confidence = _number(item.get("confidence"))
    sure = confidence is not None and 0 <= confidence <= 1
    return Region(name, float(u[0]), float(u[1]), confidence if confidence is not None and sure else 0.5)


def _number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        return None
    return float(value)


def _rule(
    item: Mapping[str, Any], space: SearchSpace, own: Mapping[str, str], notes: list[str]
) -> Rule | None:
    text = item.get("fails_if")
    if not isinstance(text, str):
        notes.append("a rule without text")
        return None
    for alias, name in own.items():
        if alias != name:
            text = re.sub(rf"\b{re.escape(alias)}\b", lambda _, name=name: f"`{name}`", text)
    try:
        expression = parse(text)
    except InvalidSpace as error:
        notes.append(f"a rule that cannot be read: {error}")
        return None
    has_all = all(n in space for n in expression.names)
    if not has_all or not expression.names or not expression.is_boolean or not _numeric(expression, space):
        notes.append(f"a rule that cannot be used: {wording.one_line(text)[:120]}")
        return None
    return Rule(text, expression, wording.one_line(str(item.get("why", "")))[:200])


def _numeric(expression: Expression, space: SearchSpace) -> bool:
    """Whether everything that is calculated with is a number."""
    used = [space[n] for n in expression.numeric_names]
    return all(not isinstance(p, Categorical) or (p.is_numeric and None not in p.choices) for p in used)


def _items(value: object) -> list[Mapping[str, Any]]:
    return [v for v in value[:_MOST] if isinstance(v, Mapping)] if isinstance(value, list) else []


def _list(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": object_schema(properties), "maxItems": _MOST}
