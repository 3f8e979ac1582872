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

    build: Callable[[Table, Path], Target]
    options: tuple[str, ...] = ()


def _command(table: Table, folder: Path) -> Target:
    from ..evaluators.command import Command

    stated = dict(table)
    command = Command(**{**stated, "cwd": folder / stated.get("cwd", "")})
    return Target(command, check=command.check)


def _function(table: Table, folder: Path) -> Target:
    from ..evaluators.function import load_function

    return Target(load_function(table["function"], folder))


def _sklearn(table: Table, folder: Path) -> Target:
    from ..evaluators.sklearn_cv import CrossValidation

    target = CrossValidation(
        **_options("sklearn", table["sklearn"], ("dataset", "model", "folds", "max_fit_s"))
    )
    return Target(target, problem=target.problem)


def _replay(table: Table, folder: Path) -> Target:
    from ..evaluators.replay import Replay

    target = Replay.from_csv(folder / str(table["replay"]))
    return Target(target)


def _options(kind: str, stated: object, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of an inline table; refuses others than the known ones."""
    if not isinstance(stated, dict) or not set(stated) <= set(known):
        raise InvalidSpecification(f"`{kind}` must be a table of {', '.join(known)}, got {stated!r}.")
    return stated


EVALUATORS: dict[str, Kind] = {
    "command": Kind(_command, ("timeout_s", "env", "result_file", "cwd")),
    "function": Kind(_function),
    "sklearn": Kind(_sklearn),
    "replay": Kind(_replay),
}
