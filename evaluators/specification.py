"""A study written as a TOML file: the problem, its parameters, the evaluator, and settings that the rooms above
understand.

Tables: ``[study]``, ``[problem]`` (with ``where`` for relations), ``[parameters.NAME]``, ``[evaluator]``; unknown
keys are refused. TOML has no null: ``{none = true}`` is None among choices. Paths are relative to the file.
``[study]`` is kept as it is read; what a budget or a planner is, only ``agent`` knows.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .call import Evaluate
from .command import Command
from .errors import InvalidSpecification
from .function import load_function
from .problem import Constraint, Objective, Problem
from .schema import refuse_unknown_keys, without_none_tables
from .space import SearchSpace

STUDY_KEYS = ("name", "storage", "budget", "planner", "seed", "pruner")
PROBLEM_KEYS = ("name", "description", "objectives", "constraints", "context", "where")
EVALUATOR_KINDS = ("command", "function", "sklearn", "replay", "vllm")
EVALUATOR_KEYS = {
    "command": ("command", "timeout_s", "env", "result_file", "cwd"),
    "function": ("function",),
    "sklearn": ("sklearn",),
    "replay": ("replay", "ignore"),
    "vllm": ("vllm",),
}


@dataclass(frozen=True)
class Specification:
    """What a file says. ``evaluator`` is made by ``load_evaluator``; ``vllm`` tables are for ``vllm_*`` to
    understand."""

    study: Mapping[str, Any]  # Any: plain TOML values, for the agent
    problem: Problem
    evaluator: Mapping[str, Any]  # Any: plain TOML values, keys checked
    folder: Path = field(default_factory=Path)

    @property
    def study_name(self) -> str:
        """The name of the study, by default that of the problem."""
        return str(self.study.get("name") or self.problem.name)

    @property
    def evaluator_kind(self) -> str | None:
        """``command``, ``function``, ``sklearn``, ``replay`` or ``vllm``; None when the file names no evaluator."""
        return next((kind for kind in EVALUATOR_KINDS if kind in self.evaluator), None)


def read_specification(path: Path | str) -> Specification:
    """Return what the file at ``path`` says. Raises InvalidSpecification, InvalidProblem or InvalidSpace."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidSpecification(f"There is no file {str(path)!r}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpecification(f"{str(path)!r} cannot be read: {error}.") from None
    return parse_specification(text, folder=path.parent, origin=path.name)


def parse_specification(
    text: str, *, folder: Path | str = ".", origin: str = "the specification"
) -> Specification:
    """Return what TOML text says; ``folder``: what its paths are relative to; ``origin``: how messages call it."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSpecification(f"{origin} is not valid TOML: {error}.") from None
    return specification_of(tables, folder=folder, origin=origin)


def specification_of(
    tables: Mapping[str, Any], *, folder: Path | str = ".", origin: str = "the specification"
) -> Specification:
    """Return what the tables of a file say; as ``parse_specification`` after reading the TOML."""
    _refuse(tables, ("study", "problem", "parameters", "evaluator"), origin)
    study, problem, evaluator = (_table(tables, name, origin) for name in ("study", "problem", "evaluator"))
    _refuse(study, STUDY_KEYS, f"[study] of {origin}")
    _refuse(problem, PROBLEM_KEYS, f"[problem] of {origin}")
    _check_evaluator(evaluator, origin)
    parameters = _table(tables, "parameters", origin)
    name = problem.get("name") or study.get("name") or Path(origin).stem
    made = _problem(str(name), problem, parameters, evaluator, Path(folder))
    return Specification(without_none_tables(study), made, evaluator, Path(folder))


def load_evaluator(specification: Specification) -> Evaluate:
    """Return the evaluator that the file names. Raises InvalidSpecification, before any trial, where it cannot
    work."""
    table, kind, folder = specification.evaluator, specification.evaluator_kind, specification.folder
    if kind == "function":
        return load_function(table["function"], folder)
    if kind == "command":
        cwd = folder / table.get("cwd", ".")
        options = {k: table[k] for k in ("timeout_s", "env", "result_file") if k in table}
        command = Command(table["command"], cwd=cwd, **options)
        command.check(specification.problem.space)
        return command
    if kind == "sklearn":
        return _cross_validation(table["sklearn"])
    if kind == "replay":
        problem = specification.problem
        return _replay(table, problem.objectives, problem.constraints, problem.space.parameters, folder)
    if kind == "vllm":
        raise InvalidSpecification("`vllm` evaluators are started by `trialogue tune-vllm`.")
    raise InvalidSpecification(
        f"The file names no evaluator; add an [evaluator] table with one of {', '.join(EVALUATOR_KINDS)}."
    )


def _problem(
    name: str,
    table: Mapping[str, Any],
    parameters: Mapping[str, Any],
    evaluator: Mapping[str, Any],
    folder: Path,
) -> Problem:
    """Return the problem; targets that bring their own space and objectives do not need them in the file."""
    stated = {k: v for k, v in table.items() if k in PROBLEM_KEYS and k not in {"name", "where"}}
    plain: dict[str, Any] = {"name": name, **without_none_tables(stated)}
    if parameters:
        plain["space"] = {"parameters": parameters, "where": table.get("where", ())}
    elif "sklearn" in evaluator:
        plain = {**_cross_validation(evaluator["sklearn"]).problem.to_dict(), **plain}
    elif "replay" not in evaluator:
        raise InvalidSpecification("The file has no parameters; add a table [parameters.NAME] for each.")
    if "replay" not in evaluator:
        return Problem.from_dict(plain)
    outline = Problem.from_dict({**plain, "space": plain.get("space", {"parameters": {"row": _ANY}})})
    given = SearchSpace.from_dict(plain["space"]).parameters if parameters else None
    replay = _replay(evaluator, outline.objectives, outline.constraints, given, folder)
    return Problem(name, replay.problem.space, outline.objectives, outline.constraints, outline.description)


_ANY = {"type": "categorical", "choices": ["any"]}


def _cross_validation(options: object) -> Any:  # Any: its module is heavy and imported on use
    from .sklearn_cv import CrossValidation

    allowed = ("dataset", "model", "folds", "max_fit_s")
    if not isinstance(options, Mapping):
        raise InvalidSpecification(
            f"`sklearn` must be like {{dataset = 'digits', model = 'svm'}}, got {options!r}."
        )
    _refuse(options, allowed, "`sklearn`")
    return CrossValidation(**options)


def _replay(
    table: Mapping[str, Any],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    parameters: Any,
    folder: Path,
) -> Any:
    from .replay import Replay

    ignore = table.get("ignore", ())
    if not isinstance(table["replay"], str) or not isinstance(ignore, Sequence):
        raise InvalidSpecification(
            f"`replay` must name a CSV file and `ignore` list columns, got {dict(table)!r}."
        )
    return Replay.read(
        folder / table["replay"],
        objectives=objectives,
        constraints=constraints,
        ignore=ignore,
        parameters=parameters,
    )


def _check_evaluator(table: Mapping[str, Any], origin: str) -> None:
    kinds = [kind for kind in EVALUATOR_KINDS if kind in table]
    if len(kinds) > 1:
        raise InvalidSpecification(
            f"[evaluator] of {origin} must name one target, got {' and '.join(kinds)}."
        )
    if table:
        known = EVALUATOR_KEYS[kinds[0]] if kinds else EVALUATOR_KINDS
        _refuse(table, known, f"[evaluator] of {origin}")


def _table(tables: Mapping[str, Any], name: str, origin: str) -> Mapping[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        raise InvalidSpecification(f"`{name}` of {origin} must be a table, got {table!r}; write [{name}].")
    return table


def _refuse(table: Mapping[str, Any], allowed: Sequence[str], what: str) -> None:
    refuse_unknown_keys(table, allowed, what, InvalidSpecification)
