"""``[evaluator]`` of a specification file: one builder per kind. Paths are relative to the file's folder.

To add a kind, write a builder and a line in ``EVALUATORS``. What a kind needs is imported when it is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.problem import Problem
from ...evaluators.programs.call import Evaluate
from ...evaluators.spaces.space import SearchSpace

Table = Mapping[str, Any]  # Any: what TOML can say


def _anything(space: SearchSpace) -> None:
    """Accept any search space."""


@dataclass(frozen=True)
class Target:
    """Something to evaluate. ``problem``: its own, where it brings one, whose space the file may replace unless
    ``fixed_space``; ``check`` raises for a space it cannot take."""

    evaluate: Evaluate
    problem: Problem | None = None
    fixed_space: bool = False
    check: Callable[[SearchSpace], None] = _anything


@dataclass(frozen=True)
class Kind:
    """How a kind of evaluator is built, and which keys may stand beside its own."""

    build: Callable[[Table, Path, Table], Target]
    """Makes the target of ``[evaluator]``, given the folder of the file and the whole file."""
    options: tuple[str, ...] = ()


def _command(table: Table, folder: Path, file: Table) -> Target:
    from ...evaluators.programs.command import Command

    stated = dict(table)
    command = Command(**{**stated, "cwd": folder / stated.get("cwd", "")})
    return Target(command, check=command.check)


def _function(table: Table, folder: Path, file: Table) -> Target:
    from ...evaluators.programs.function import load_function

    return Target(load_function(table["function"], folder))


def _sklearn(table: Table, folder: Path, file: Table) -> Target:
    from ...evaluators.targets.sklearn_cv import CrossValidation

    target = CrossValidation(
        **_options("sklearn", table["sklearn"], ("dataset", "model", "folds", "max_fit_s"))
    )
    return Target(target, problem=target.problem)


def _replay(table: Table, folder: Path, file: Table) -> Target:
    """Take the columns of the file's objectives and constraints as results, those of its parameters as parameters."""
    from ...evaluators.targets.replay import Replay

    stated = file.get("problem", {})
    some = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}
    outline = Problem.from_dict({"name": "replay", **stated, "space": some})
    parameters = (
        SearchSpace.from_dict({"parameters": file["parameters"]}).parameters if "parameters" in file else None
    )
    path = folder / str(table["replay"])
    replay = Replay.read(
        path, objectives=outline.objectives, constraints=outline.constraints, parameters=parameters
    )
    return Target(replay, problem=replay.problem, fixed_space=True)


def _vllm(table: Table, folder: Path, file: Table) -> Target:
    """Take the limits of the file's problem, which goodput counts by, and the knobs of vLLM unless the file names some."""
    from ...evaluators.problems.problem import Constraint
    from ..vllm.evaluator import KEYS, VllmServing

    stated = _options("vllm", table["vllm"], KEYS)
    limits = file.get("problem", {}).get("constraints", ())
    constraints = tuple(Constraint.parse(c) if isinstance(c, str) else Constraint(**c) for c in limits)
    kept = {"folder": str(folder / stated["folder"])} if "folder" in stated else {}
    target = VllmServing({**stated, **kept}, constraints)
    return Target(target, problem=target.problem)


def _pipeline(table: Table, folder: Path, file: Table) -> Target:
    from ...evaluators.targets.hf_pipeline import HfPipeline
    from ...serving.vllm.sample_models import model_or_made

    keys = ("model", "prompts", "input_words", "new_tokens", "device", "timeout_s")
    stated = _options("hf_pipeline", table["hf_pipeline"], keys)
    if not isinstance(stated.get("model"), str):
        raise InvalidSpecification(
            f"`hf_pipeline` needs a model, a folder or a name, got {stated.get('model')!r}."
        )
    target = HfPipeline(**{**stated, "model": model_or_made(stated["model"])})
    return Target(target, problem=target.problem())


def _options(kind: str, stated: object, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of an inline table; refuses others than the known ones."""
    if not isinstance(stated, dict) or not set(stated) <= set(known):
        raise InvalidSpecification(f"`{kind}` must be a table of {', '.join(known)}, got {stated!r}.")
    return stated


EVALUATORS: dict[str, Kind] = {
    "command": Kind(_command, ("timeout_s", "env", "result_file", "cwd")),
    "function": Kind(_function),
    "sklearn": Kind(_sklearn),
    "vllm": Kind(_vllm),
    "hf_pipeline": Kind(_pipeline),
    "replay": Kind(_replay, ("ignore", "only")),
}
