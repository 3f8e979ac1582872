"""How a problem, its parameters and its trials are worded for a model: plain lines and JSON rows.

Names and texts come from users and from failing programs: they are variables of templates, never templates, and line
breaks in them are folded, so that no text can start a row or a heading. Failure texts are cut, and redacted where
they leave this machine.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluators.problems.history import (
    FailedTrial,
    FinishedTrial,
    History,
    Params,
    PrunedTrial,
    RunningTrial,
)
from ..evaluators.problems.problem import Problem
from ..evaluators.spaces.parameters import Categorical, Int, Parameter
from ..serving.endpoints.redaction import hide_secrets, redact, shorten
from .wire import Wire, shown_number

_TEXT = 600
_FAILURE = 200
_CHOICES = 40
"""Choices written out in prose; more stand only in the schema."""


def goal_lines(problem: Problem) -> list[str]:
    """Return one line per objective and constraint, with direction and unit."""
    lines = []
    for o in problem.objectives:
        about = f" ({one_line(o.description)})" if getattr(o, "description", "") else ""
        unit = f" in {one_line(o.unit)}" if o.unit else ""
        lines.append(f"Objective: {o.direction} {quoted(o.name)}{unit}{about}.")
    if len(problem.objectives) > 1:
        lines.append(
            "There are several objectives: a good configuration is one that no other beats in all of them."
        )
    for c in problem.constraints:
        unit = f" {one_line(c.unit)}" if c.unit else ""
        sides = [f"{quoted(c.name)} >= {c.lower!r}{unit}"] if c.lower is not None else []
        sides += [f"{quoted(c.name)} <= {c.upper!r}{unit}"] if c.upper is not None else []
        lines.append(f"Constraint on the result: {' and '.join(sides)}.")
    return lines


def context_lines(problem: Problem) -> list[str]:
    """Return the facts about the problem, one per line."""
    return [f"{one_line(str(k))}: {one_line(_plain(v))}" for k, v in dict(problem.context).items()]


def parameter_line(p: Parameter, wire: Wire) -> str:
    """Return one line that says everything about a parameter: range, scale, unit, default, condition, meaning."""
    parts = [f"{quoted(wire.alias[p.name])}{_real_name(p, wire)}: {_range(p)}"]
    if p.has_default:
        parts.append(f"default {json.dumps(p.default, ensure_ascii=False)}")
    if p.prior is not None:
        parts.append(f"the user believes its best value near {json.dumps(p.typical, ensure_ascii=False)}")
    if p.when:
        parts.append(f"only active when {_condition(p.to_dict()['when'], wire)}, else null")
    line = ", ".join(parts)
    return f"{line}. {one_line(p.description)}" if p.description else line


def _real_name(p: Parameter, wire: Wire) -> str:
    return "" if wire.alias[p.name] == p.name else f" (that is {quoted(p.name)})"


def _range(p: Parameter) -> str:
    unit = f" {one_line(p.unit)}" if p.unit else ""
    if isinstance(p, Categorical):
        order = "one of (ordered) " if p.ordered else "one of "
        more = f" and {len(p.choices) - _CHOICES} more" if len(p.choices) > _CHOICES else ""
        return order + json.dumps(list(p.choices[:_CHOICES]), ensure_ascii=False) + more + unit
    kind = "integer" if isinstance(p, Int) else "number"
    scale = ", logarithmic scale" if p.log else ""
    step = f", step {p.step!r}" if p.step else ""
    return f"{kind} in [{p.low!r}, {p.high!r}]{unit}{scale}{step}"


def _condition(when: Mapping[str, Any], wire: Wire) -> str:
    parts = []
    for parent, values in when.items():
        name = quoted(wire.alias.get(parent, parent))
        if isinstance(values, list):
            shown = json.dumps(values, ensure_ascii=False)
            parts.append(f"{name} is one of {shown}" if len(values) > 1 else f"{name} is {shown[1:-1]}")
        elif isinstance(values, str) and values[:1] in "<>=!":
            parts.append(f"{name} {values}")
        else:
            parts.append(f"{name} is {json.dumps(values, ensure_ascii=False)}")
    return " and ".join(parts)


def value_digits(values: Sequence[float]) -> int:
    """Return how many significant digits tell these values apart to a thousandth of their spread, from 4 to 12."""
    spread, largest = max(values, default=0.0) - min(values, default=0.0), max(map(abs, values), default=0.0)
    return 4 if spread <= 0 else min(12, max(4, 4 + math.ceil(math.log10(max(largest / spread, 1.0)))))


def finished_row(
    trial: FinishedTrial, problem: Problem, wire: Wire, digits: Sequence[int] | None = None
) -> str:
    """Return the JSON line of a measured trial: number, params, values by objective name, constraints, feasibility.

    ``digits``: significant digits per objective (default 4).
    """
    digits = digits or [4] * len(trial.measurement.values)
    m = trial.measurement
    row: dict[str, Any] = {"number": trial.number, "params": wire.to_wire(trial.params)}
    row["values"] = {
        o.name: float(f"{v:.{k}g}") for o, v, k in zip(problem.objectives, m.values, digits, strict=True)
    }
    if m.sem is not None:
        row["standard_error"] = {
            o.name: shown_number(s) for o, s in zip(problem.objectives, m.sem, strict=True)
        }
    if problem.constraints:
        row["constraints"] = {k: shown_number(v) for k, v in m.constraints.items()}
        unknown = problem.unmeasured(m)
        row["feasible"] = f"unknown: {', '.join(unknown)} not measured" if unknown else problem.feasible(m)
    return _row(row)


def failed_row(trial: FailedTrial, wire: Wire, *, stays_here: bool) -> str:
    """Return the JSON line of a failed trial with its reason, cut and free of secrets."""
    reason = failure_text(trial.reason, stays_here=stays_here)
    return _row(
        {"number": trial.number, "params": wire.to_wire(trial.params), "failed": reason, "kind": trial.kind}
    )


def pruned_row(trial: PrunedTrial, wire: Wire) -> str:
    """Return the JSON line of a trial that was stopped early."""
    stopped = {"step": trial.step, "value": shown_number(trial.value)}
    return _row({"number": trial.number, "params": wire.to_wire(trial.params), "stopped_early_at": stopped})


def running_row(trial: RunningTrial, wire: Wire) -> str:
    """Return the JSON line of a trial that is being evaluated."""
    return _row({"number": trial.number, "params": wire.to_wire(trial.params), "running": True})


def failure_text(reason: str, *, stays_here: bool) -> str:
    """Return a failure's reason for a prompt: its last words, without keys; without paths and hosts unless it stays
    here."""
    return shorten(hide_secrets(reason) if stays_here else redact(reason), _FAILURE)


def params_text(params: Params, wire: Wire) -> str:
    """Return a configuration as JSON, as it stands in rows and answers."""
    return json.dumps(wire.to_wire(params), ensure_ascii=False)


def summary_lines(history: History, goodness: Sequence[float], wire: Wire) -> list[str]:
    """Return what the best quarter of the trials has in common, one line per parameter that it narrows."""
    n = len(history.finished)
    if n < 8:
        return []
    best = sorted(range(n), key=lambda i: -goodness[i])[: max(3, n // 4)]
    lines = []
    for p in history.problem.space.parameters[:20]:
        values = [history.finished[i].params[p.name] for i in best if p.name in history.finished[i].params]
        if len(values) < len(best):
            continue
        name = quoted(wire.alias[p.name])
        if isinstance(p, Categorical):
            if len(set(map(repr, values))) == 1 and p.levels > 1:
                lines.append(f"the best trials all have {name} = {json.dumps(values[0], ensure_ascii=False)}")
            continue
        u = p.encode(values)
        if u.max() - u.min() < 0.5:
            low, high = (shown_number(float(v)) for v in (min(values), max(values)))  # pyright: ignore
            lines.append(f"the best trials have {name} between {low!r} and {high!r}")
    return lines[:8]


def one_line(text: str) -> str:
    """Return ``text`` folded into one line of bounded length."""
    line = " ".join(str(text).split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"


def quoted(name: str) -> str:
    """Return a name as JSON text: quotes, newlines and braces in it cannot be mistaken for anything else."""
    return json.dumps(name, ensure_ascii=False)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _row(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)
