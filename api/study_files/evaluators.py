"""``[evaluator]`` of a study file: one builder per kind. Paths are relative to the file's folder.

To add a kind, write a builder and a line in ``EVALUATORS``. What a kind needs is imported when it is used.
"""

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.problem import Problem
from ...evaluators.programs.call import Evaluate
from ...evaluators.programs.fidelity import at_fidelity
from ...evaluators.spaces.space import SearchSpace
from .complaints import unknown_key
from .tables import StudyFile

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

    build: Callable[[Table, Path, StudyFile], Target]
    """Makes the target of ``[evaluator]``, given the folder of the file and the whole file."""
    options: tuple[str, ...] = ()


def _command(table: Table, folder: Path, file: StudyFile) -> Target:
    from ...evaluators.programs.command import Command

    command = Command(**dict(table) | {"cwd": folder / table.get("cwd", "")})
    return Target(command, check=command.check)


def _function(table: Table, folder: Path, file: StudyFile) -> Target:
    from ...evaluators.programs.function import load_function

    return Target(load_function(table["function"], folder))


def _sklearn(table: Table, folder: Path, file: StudyFile) -> Target:
    from ...evaluators.targets.sklearn_cv import CrossValidation

    target = CrossValidation(
        **_options(
            "sklearn", table["sklearn"], ("dataset", "model", "folds", "max_fit_s", "subsets", "split")
        )
    )
    return Target(target, problem=target.problem)


def _replay(table: Table, folder: Path, file: StudyFile) -> Target:
    """Take the columns of the file's objectives and constraints as results, those of its parameters as parameters."""
    from ...evaluators.targets.replay import Replay

    some = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}
    outcomes = file.problem.model_dump(include={"objectives", "constraints"}, exclude_unset=True)
    outline = Problem.from_dict({"name": "replay"} | outcomes | {"space": some})
    own = {"parameters": file.parameters}
    parameters = SearchSpace.from_dict(own).parameters if file.parameters else None
    rows = {key: table[key] for key in ("ignore", "only") if key in table}
    _check_rows(rows)
    replay = Replay.read(
        folder / str(table["replay"]),
        objectives=outline.objectives,
        constraints=outline.constraints,
        parameters=parameters,
        **rows,
    )
    return Target(replay, problem=replay.problem)


def _check_rows(rows: Table) -> None:
    ignore, only = rows.get("ignore", []), rows.get("only", {})
    if not (isinstance(ignore, list) and all(isinstance(name, str) for name in ignore)):
        raise InvalidSpecification(
            f"`ignore` must be a list of columns, such as ['note'], got {reprlib.repr(ignore)}."
        )
    if not isinstance(only, Mapping):
        raise InvalidSpecification(
            f'`only` must be a table of columns and values, such as {{ gpu = "A100" }}, got {reprlib.repr(only)}.'
        )


def _vllm(table: Table, folder: Path, file: StudyFile) -> Target:
    """Take the limits of the file's problem, which goodput counts by, and the knobs of vLLM unless the file names some."""
    from ...evaluators.problems.problem import Constraint
    from ...evaluators.vllm.evaluator import KEYS, VllmServing

    options = _options("vllm", table["vllm"], KEYS)
    limits = file.problem.constraints
    constraints = tuple(Constraint.parse(c) if isinstance(c, str) else Constraint(**c) for c in limits)
    place = {"folder": str(folder / options["folder"])} if "folder" in options else {}
    target = VllmServing(options | place, constraints)
    return Target(target, problem=target.problem)


def _text_generation(table: Table, folder: Path, file: StudyFile) -> Target:
    """Take a pipeline of Hugging Face alone, or vLLM beside it."""
    from ...evaluators.targets.hf_pipeline import HfPipeline
    from ...evaluators.targets.libraries import Libraries
    from ...serving.models.pretrained import model_folder

    kind = "libraries" if "libraries" in table else "hf_pipeline"
    keys = ("model", "prompts", "input_words", "new_tokens", "device", "timeout_s")
    options = _options(kind, table[kind], keys)
    if not isinstance(options.get("model"), str):
        raise InvalidSpecification(
            f"`{kind}` needs a model, a folder or a name, got {options.get('model')!r}."
        )
    pipeline = HfPipeline(model_folder(options.pop("model")), **options)
    target = Libraries(pipeline) if kind == "libraries" else pipeline
    return Target(target, problem=target.problem())


def _target(table: Table, folder: Path, file: StudyFile) -> Target:
    """Take the target's own space; a file may give its parameters other ranges, but needs each of them."""
    from ...evaluators.targets.catalogue import load_target

    target = load_target(str(table["target"]), folder)

    def check(space: SearchSpace) -> None:
        names = set(target.problem.space.names)
        if set(space.names) != names:
            raise InvalidSpecification(
                f"`target`: {target.name!r} needs exactly the parameters {', '.join(target.problem.space.names)}, "
                f"got {', '.join(space.names)}; leave [parameters] out for its own."
            )

    return Target(target, problem=target.problem, check=check)


def _options(kind: str, table: object, known: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy of the options of an inline table; refuses others than the known ones."""
    if not isinstance(table, dict) or not set(table) <= set(known):
        raise InvalidSpecification(f"`{kind}` must be a table of {', '.join(known)}, got {table!r}.")
    return dict(table)


FIDELITY = "fidelity"
"""The key that may stand beside every kind: how much of the full task is evaluated, in (0, 1]."""

EVALUATORS: dict[str, Kind] = {
    "command": Kind(_command, ("timeout_s", "env", "result_file", "cwd")),
    "function": Kind(_function),
    "sklearn": Kind(_sklearn),
    "vllm": Kind(_vllm),
    "hf_pipeline": Kind(_text_generation),
    "libraries": Kind(_text_generation),
    "target": Kind(_target),
    "replay": Kind(_replay, ("ignore", "only")),
}


def target_of(file: StudyFile, folder: Path) -> Target:
    """Return what the file's ``[evaluator]`` names. Raises InvalidSpecification."""
    table = file.evaluator or {}
    kinds = [kind for kind in EVALUATORS if kind in table]
    if len(kinds) != 1:
        got = " and ".join(kinds) if kinds else "none"
        raise InvalidSpecification(f"it needs exactly one of {', '.join(EVALUATORS)}, got {got}.")
    kind = EVALUATORS[kinds[0]]
    keys = (kinds[0], *kind.options, FIDELITY)
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise InvalidSpecification(unknown_key(unknown[0], keys, "[evaluator]"))
    target = kind.build({key: value for key, value in table.items() if key != FIDELITY}, folder, file)
    return replace(target, evaluate=at_fidelity(target.evaluate, table.get(FIDELITY)))


def over_groups(evaluate: Evaluate, file: StudyFile, problem: Problem) -> Evaluate:
    """Return the evaluator of one group over all that the file names; itself where it names none. Raises
    InvalidSpecification."""
    if (table := file.groups) is None:
        return evaluate
    from ...evaluators.targets.over_groups import OverGroups
    from ...evaluators.targets.retrieval.group_budget import GroupBudget

    groups = table.of.values()
    budget = GroupBudget(table.total, [g.cost for g in groups], [g.weight for g in groups], table.power)
    return OverGroups(evaluate, problem, tuple(table.of), budget, table.pilot, table.rounds)
