"""``[evaluator]`` of a specification file: one builder per kind. Paths are relative to the file's folder.

To add a kind, write a builder and a line in ``EVALUATORS``. What a kind needs is imported when it is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluators.call import Evaluate
from ..evaluators.errors import InvalidSpecification
from ..evaluators.problem import Problem
from ..evaluators.space import SearchSpace

Table = Mapping[str, Any]  # Any: what TOML can say


def _anything(space: SearchSpace) -> None:
    """Accept any search space."""


@dataclass(frozen=True)
class Target:
    """Something to evaluate. ``problem``: its own, where it brings one; ``check`` raises for a space it cannot take."""

    evaluate: Evaluate
    problem: Problem | None = None
    check: Callable[[SearchSpace], None] = _anything


@dataclass(frozen=True)
class Kind:
    """How a kind of evaluator is built, and which keys may stand beside its own."""

    build: Callable[[Table, Path, Table], Target]
    """Makes the target of ``[evaluator]``, given the folder of the file and the whole file."""
    options: tuple[str, ...] = ()


def _command(table: Table, folder: Path, file: Table) -> Target:
    from ..evaluators.command import Command

    stated = dict(table)
    command = Command(**{**stated, "cwd": folder / stated.get("cwd", "")})
    return Target(command, check=command.check)


def _function(table: Table, folder: Path, file: Table) -> Target:
    from ..evaluators.function import load_function

    return Target(load_function(table["function"], folder))


def _sklearn(table: Table, folder: Path, file: Table) -> Target:
    from ..evaluators.sklearn_cv import CrossValidation

    target = CrossValidation(
        **_options("sklearn", table["sklearn"], ("dataset", "model", "folds", "max_fit_s"))
    )
    return Target(target, problem=target.problem)


def _replay(table: Table, folder: Path, file: Table) -> Target:
    """Return the recorded table; its columns are known only together with the problem's objectives and limits."""
    from ..evaluators.replay import Replay

    path, ignore, only = table["replay"], table.get("ignore", []), table.get("only", {})
    if not isinstance(path, str) or not isinstance(ignore, list) or not isinstance(only, dict):
        raise InvalidSpecification(
            f"`replay` must be a file name, `ignore` a list and `only` a table, got {dict(table)!r}."
        )
    stated = file.get("problem", {})
    space = {"parameters": file.get("parameters") or {"row": {"type": "categorical", "choices": ["any"]}}}
    outline = Problem.from_dict({"name": "replay", **_without(stated, "where", "name"), "space": space})
    target = Replay.read(
        folder / path,
        objectives=outline.objectives,
        constraints=outline.constraints,
        parameters=outline.space.parameters if file.get("parameters") else None,
        ignore=ignore,
        only=only,
    )
    return Target(target, problem=target.problem)


def _without(table: Table, *names: str) -> dict[str, Any]:
    return {k: v for k, v in table.items() if k not in names}


def _options(kind: str, stated: object, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of an inline table; refuses others than the known ones."""
    if not isinstance(stated, dict) or not set(stated) <= set(known):
        raise InvalidSpecification(f"`{kind}` must be a table of {', '.join(known)}, got {stated!r}.")
    return stated


EVALUATORS: dict[str, Kind] = {
    "command": Kind(_command, ("timeout_s", "env", "result_file", "cwd")),
    "function": Kind(_function),
    "sklearn": Kind(_sklearn),
    "replay": Kind(_replay, ("ignore", "only")),
}
