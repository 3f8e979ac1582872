"""From the words of a study file to a study: the one way that every door takes.

``read_specification`` reads a file of this machine, whose ``[evaluator]`` may be run here; ``parse_specification`` reads
text from elsewhere, which never names anything to run. Both check the whole (``tables.py``) and return a
``Specification``; its ``open`` makes the study, or resumes it. Every error is an InvalidSpecification that names the
file and the table or line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from ...agent.ledger.ledger import Ledger
from ...agent.planner.by_name import SharedPlanner
from ...agent.study.study import Study
from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.problem import Problem
from ...evaluators.problems.toml import read_toml
from ...evaluators.programs.call import Evaluate
from ...evaluators.programs.fidelity import at_fidelity
from ...evaluators.text_files import read_text
from ...serving.errors import InvalidInput
from ..options import DEFAULT_STORAGE
from .changes import with_changes
from .complaints import first_complaint
from .evaluators import over_groups, target_of
from .tables import StudyFile, StudyTable

_T = TypeVar("_T")

OF_A_TARGET = "target:"
"""How a path begins that stands for a target of the gallery."""


def _nothing_to_run(*_: object) -> NoReturn:
    raise InvalidSpecification("this study has no [evaluator] here; start a worker with a file that has one.")


@dataclass(frozen=True)
class Specification:
    """A study as stated: its problem, how it decides, where it is kept, and what evaluates it."""

    name: str
    problem: Problem
    settings: StudyTable
    storage: str = DEFAULT_STORAGE
    evaluate: Evaluate = _nothing_to_run

    def planned_by(self, planner: str | None) -> "Specification":
        """Return the same study with another planner."""
        return replace(self, settings=self.settings.model_copy(update={"planner": planner}))

    def changed_by(self, said: Sequence[str]) -> "Specification":
        """Return the same study with some settings of ``[study]`` replaced: texts such as ``engine.design=dpp``.

        With another ``name`` or ``storage`` it is another study. Raises InvalidSpecification.
        """
        if not said:
            return self
        new = with_changes(self.settings, said)
        name = self.name if new.name == self.settings.name else new.name or self.name
        storage = self.storage if new.storage == self.settings.storage else new.storage or self.storage
        return replace(self, settings=new, name=name, storage=storage)

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies that it touches: its own, and those that it learns from."""
        engine = self.settings.engine
        return (self.name, *((engine and engine.transfer) or ()))

    def at(self, fidelity: float | None) -> "Specification":
        """Return the same study, evaluated at a part of what the file says. Raises InvalidSpecification."""
        return replace(self, evaluate=at_fidelity(self.evaluate, fidelity))

    def open(
        self, storage: "str | Ledger | None", *, planner: SharedPlanner | None = None, pruner: Any = None
    ) -> Study:  # Any: optuna's pruners
        """Make the study, or resume the one of that name. Raises StudyMismatch, LedgerUnavailable, InvalidInput.

        ``planner``: one that several studies share, in place of the one stated.
        """
        return Study(
            self.problem,
            name=self.name,
            storage=storage,
            seed=self.settings.seed,
            planner=planner or self.settings.planner,
            strategy=self.settings.strategy,
            budget=None if self.settings.budget is None else self.settings.budget.budget(),
            engine=None if self.settings.engine is None else self.settings.engine.options(),
            proxy=None if self.settings.proxy is None else self.settings.proxy.options(),
            protocol=None if self.settings.protocol is None else self.settings.protocol.protocol(),
            pruner=pruner,
        )


def read_specification(path: Path) -> Specification:
    """Return what a file of this machine says, its evaluator included. Raises InvalidSpecification, OSError.

    The path ``target:NAME`` is a file that says nothing but ``[evaluator] target = "NAME"``.
    """
    file = _read(path)
    folder = Path() if str(path).startswith(OF_A_TARGET) else path.parent
    target = _told(f"{path}, [evaluator]", lambda: target_of(file, folder))
    problem = _told(
        f"{path}, [problem]", lambda: _problem(file, target.problem, file.study.name or path.stem)
    )
    _told(f"{path}, [evaluator]", lambda: target.check(problem.space))
    specification = _specification(file, problem, file.study.name or problem.name)
    evaluate = _told(f"{path}, [groups]", lambda: over_groups(target.evaluate, file, problem))
    return replace(specification, evaluate=evaluate)


def parse_specification(text: str, *, name: str | None = None) -> Specification:
    """Return what a text says; ``name``: for one that states none. Raises InvalidSpecification, also for an evaluator:
    nothing that comes from elsewhere is run here. Its ``storage`` is not used."""
    where = "The specification"
    file = _parsed(text, where)
    if file.evaluator is not None:
        raise InvalidSpecification(
            "`[evaluator]` is not accepted here: this server never runs anything. Remove it, and start a worker with "
            "that evaluator: `trialogue worker --study NAME --evaluator STUDY.toml`."
        )
    study = file.study.name or name
    if study is None:
        raise InvalidSpecification("`[study]` needs a `name`.")
    problem = _told(f"{where}, [problem]", lambda: _problem(file, None, study))
    return _specification(file, problem, study)


def _read(path: Path) -> StudyFile:
    """Return a file as it stands."""
    if str(path).startswith(OF_A_TARGET):
        return StudyFile(evaluator={"target": str(path).removeprefix(OF_A_TARGET)})
    return _parsed(read_text(path), str(path))


def _specification(file: StudyFile, problem: Problem, name: str) -> Specification:
    return Specification(name, problem, file.study, file.study.storage or DEFAULT_STORAGE)


def _parsed(text: str, where: str) -> StudyFile:
    try:
        return StudyFile.model_validate(read_toml(text, where))
    except ValidationError as error:
        raise InvalidSpecification(f"{where}: {first_complaint(error, StudyFile)}") from None


def _problem(file: StudyFile, own: Problem | None, name: str) -> Problem:
    """Return the problem of the file; an evaluator that brings its own fills what the file leaves out."""
    plain: dict[str, Any] = {"name": name} if own is None else own.to_dict()  # Any: plain JSON values
    space = plain.get("space", {})
    has_table = "allowed" in space  # a recorded table: its rows are part of the space
    if not has_table and file.parameters:
        space = {"parameters": file.parameters}
    if not space:
        raise InvalidSpecification("at least one table [parameters.NAME] is needed.")
    if "where" in file.problem.model_fields_set:
        space = space | {"where": file.problem.where}
    own_words = file.problem.model_dump(exclude={"where"}, exclude_unset=True, exclude_none=True)
    ladder = {} if file.fidelity is None else {"fidelity": file.fidelity}
    return Problem.from_dict(plain | own_words | ladder | {"space": space})


def _told(where: str, make: Callable[[], _T]) -> _T:
    """Return what ``make`` returns; its complaints are told with the file and the table."""
    try:
        return make()
    except InvalidInput as error:
        raise InvalidSpecification(f"{where}: {error}") from error
