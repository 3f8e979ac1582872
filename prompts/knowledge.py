"""What engineers already know of parameters by name: defaults, useful ranges, scales and interactions.

The facts are data files (``knowledge/*.toml``), one family of programs after another, each with its source. A family
is recognised by what the problem says of itself, or by several of its parameters' names together; a lone ``C``, or
names that say nothing, match nothing. Defaults of an installed library are read from the library itself.
Knows nothing of trials. What it returns are proposals: the referee decides.
"""

import importlib
import importlib.util
import inspect
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from ..evaluators.problems.history import Params, Proposal, Value
from ..evaluators.problems.problem import Problem
from ..evaluators.spaces.parameters import Categorical, Parameter

FOLDER = Path(__file__).parent / "knowledge"
_SAME = 0.04
"""Starts that differ by less in every coordinate are one: a wide range makes them alike."""


@dataclass(frozen=True)
class Fact:
    """What is known of one parameter. ``default``: alternatives, first fit; ``useful``: where good values lie."""

    default: tuple[Value, ...]
    useful: tuple[float, float] | None = None
    scale: str = ""
    aliases: tuple[str, ...] = ()
    effect: str = ""


@dataclass(frozen=True)
class Family:
    """Programs that share parameters. ``signature``: names that give it away, ``needs`` of them together."""

    name: str
    source: str
    context: tuple[str, ...]
    signature: tuple[str, ...]
    needs: int
    parameters: Mapping[str, Fact]
    interactions: tuple[str, ...] = ()
    starts: tuple[tuple[str, Mapping[str, Value]], ...] = ()
    library: str = ""


@dataclass(frozen=True)
class Match:
    """A family that a problem belongs to, and which fact each of its parameters has (by the space's own name)."""

    family: Family
    facts: Mapping[str, Fact]
    defaults: Mapping[str, Value] = field(default_factory=dict)


def warm_starts(problem: Problem) -> tuple[Proposal, ...]:
    """Return configurations worth trying first: the typical one, then the family's other starts; none if unknown."""
    match = matched(problem)
    if match is None:
        return ()
    typical = usual_configuration(problem, match)
    candidates = [(f"the usual configuration of {match.family.name}", typical)]
    for why, values in match.family.starts:
        candidates.append((f"{match.family.name}: {why}", _configuration(problem, match, values)))
    out, rows = [], np.full((0, len(problem.space)), np.inf)
    for why, params in candidates:
        x = problem.space.encode([params])[0]
        new = not len(rows) or np.abs(rows - x).max(1).min() > _SAME
        if new and problem.space.satisfies(params):
            rows = np.vstack([rows, x])
            out.append(Proposal(params, "knowledge", f"{why} (by the parameters' names)", confidence=0.5))
    return tuple(out)


def usual_configuration(problem: Problem, match: Match) -> Params:
    """Return the typical configuration of the family, where needed clipped to the space."""
    return _configuration(problem, match, {})


def useful_ranges(problem: Problem) -> np.ndarray | None:
    """Return coordinates (2, d) between which good values usually lie, NaN where nothing is known; None if nowhere."""
    match = matched(problem)
    if match is None:
        return None
    ends = np.full((2, len(problem.space)), np.nan)
    for at, parameter in enumerate(problem.space.parameters):
        fact = match.facts.get(parameter.name)
        if fact is not None and fact.useful and not isinstance(parameter, Categorical):
            ends[:, at] = np.clip(parameter.encode(list(fact.useful)), 0, 1)
    return ends if np.isfinite(ends).any() else None


def notes(problem: Problem) -> str:
    """Return what is known of the problem's parameters as text for a large model; empty where nothing is."""
    match = matched(problem)
    if match is None:
        return ""
    lines = [f"Parameters of {match.family.name}, as documented ({match.family.source}):"]
    for name, fact in match.facts.items():
        parts = [f"usually {json.dumps(fact.default[0])}"]
        if fact.useful:
            parts.append(f"useful from {fact.useful[0]:g} to {fact.useful[1]:g} ({fact.scale} scale)")
        lines.append(f"- {name}: {'; '.join([*parts, fact.effect])}")
    return "\n".join([*lines, *(f"- {text}" for text in match.family.interactions)])


def matched(problem: Problem) -> Match | None:
    """Return the family that fits the problem best, or None. At least half of the parameters must be known."""
    text = _text_of(problem)
    best: tuple[tuple[bool, float], Match] | None = None
    for family in families():
        facts = _facts(family, problem.space.names)
        in_context = any(re.search(pattern, text, re.IGNORECASE) for pattern in family.context)
        given_away = sum(_plain(n) in {_plain(s) for s in family.signature} for n in problem.space.names)
        if not facts or 2 * len(facts) < len(problem.space) or not (in_context or given_away >= family.needs):
            continue
        score = (in_context, len(facts) / len(problem.space) + 0.1 * given_away)
        if best is None or score > best[0]:
            best = score, Match(family, facts)
    if best is None:
        return None
    match = best[1]
    return Match(match.family, match.facts, _library_defaults(match.family.library))


@cache
def families() -> tuple[Family, ...]:
    """Return everything in the data files."""
    return tuple(f for path in sorted(FOLDER.glob("*.toml")) for f in _read(path))


def _read(path: Path) -> Iterator[Family]:
    raw = tomllib.loads(path.read_text("utf-8"))
    for table in raw["family"]:
        facts = {
            name: Fact(
                tuple(fact["default"]),
                tuple(fact["useful"]) if "useful" in fact else None,
                fact.get("scale", ""),
                tuple(fact.get("aliases", ())),
                fact.get("effect", ""),
            )
            for name, fact in table["parameters"].items()
        }
        yield Family(
            table["name"],
            table.get("source", raw["source"]),
            tuple(table["context"]),
            tuple(table["signature"]),
            table["needs"],
            facts,
            tuple(table.get("interactions", ())),
            tuple((s["why"], s["values"]) for s in table.get("start", ())),
            table.get("library", ""),
        )


def _text_of(problem: Problem) -> str:
    return " ".join([problem.name, problem.description, json.dumps(dict(problem.context))]).replace("_", " ")


@cache
def _plain(name: str) -> str:
    """Return a name without case and separators, and without what stands before its last dot."""
    return re.sub(r"[^a-z0-9]", "", name.rsplit(".", 1)[-1].rsplit("__", 1)[-1].lower())


def _facts(family: Family, names: Sequence[str]) -> dict[str, Fact]:
    by_name = {_plain(n): f for n, f in family.parameters.items()}
    by_name |= {
        _plain(a): f for f in family.parameters.values() for a in f.aliases if _plain(a) not in by_name
    }
    return {name: by_name[_plain(name)] for name in names if _plain(name) in by_name}


def _configuration(problem: Problem, match: Match, values: Mapping[str, Value]) -> Params:
    """Return the typical configuration with ``values`` (by the family's names) in place of some defaults."""
    space, configuration = problem.space, dict(problem.space.default())
    by_name = {_plain(name): value for name, value in values.items()}
    for name, fact in match.facts.items():
        parameter, default = (
            space[name],
            next((n for n in match.family.parameters if _plain(n) == _plain(name)), ""),
        )
        options = list(fact.default)
        if default in match.defaults:
            options.insert(0, match.defaults[default])
        overriding = [
            _plain(n) for n, f in match.family.parameters.items() if f is fact and _plain(n) in by_name
        ]
        if overriding:
            options = [by_name[overriding[0]]]
        value = _fitting(parameter, options)
        if value is not None:
            configuration[name] = value
    params = space.clip(configuration)
    return params if space.satisfies(params) else space.default()


def _fitting(parameter: Parameter, options: Sequence[Value]) -> Value:
    """Return the first option that is a value of the parameter, else the last number clipped to its range."""
    numbers = []
    for option in options:
        if isinstance(parameter, Categorical):
            for choice in parameter.choices:
                if choice == option and isinstance(choice, bool) == isinstance(option, bool):
                    return choice
        elif option in ("low", "high"):
            return parameter.low if option == "low" else parameter.high
        elif isinstance(option, int | float) and not isinstance(option, bool):
            if parameter.low <= option <= parameter.high:
                return parameter.nearest(option)
            numbers.append(option)
    return parameter.nearest(numbers[-1]) if numbers else None


@cache
def _library_defaults(path: str) -> Mapping[str, Value]:
    """Return plain defaults of a class's arguments where its library is installed."""
    module, _, name = path.rpartition(".")
    if not module or importlib.util.find_spec(module.partition(".")[0]) is None:
        return {}
    try:
        signature = inspect.signature(getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError, ValueError):  # another version, or a library that does not load here
        return {}
    defaults = {n: p.default for n, p in signature.parameters.items()}
    return {n: d for n, d in defaults.items() if isinstance(d, bool | int | float | str)}
