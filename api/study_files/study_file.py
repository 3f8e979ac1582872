"""STUDY.toml: what a study is, from one file; the only place where its words become a problem and an evaluator.

Tables: ``[study]`` (name, storage, seed, planner, budget), ``[problem]`` (description, objectives, constraints,
context, where), ``[parameters.NAME]``, and ``[evaluator]`` with exactly one of the kinds of ``evaluator_tables.py``.
Every error is an InvalidSpecification that names the file and the table or line. Decides nothing.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...agent.budget import Budget
from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.problem import Problem
from ...evaluators.programs.call import Evaluate
from ...serving.errors import InvalidInput
from ..options import DEFAULT_STORAGE
from .evaluators import EVALUATORS, Target

_T = TypeVar("_T")
Table = Mapping[str, Any]  # Any: what TOML can say


@dataclass(frozen=True)
class Specification:
    """A study as its file states it."""

    path: Path
    name: str
    problem: Problem
    evaluate: Evaluate
    storage: str = DEFAULT_STORAGE
    seed: int | None = None
    planner: str | None = None
    budget: Budget | None = None


def read_specification(path: Path) -> Specification:
    """Return what the file says. Raises InvalidSpecification, OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSpecification(f"{path} is not TOML, which is UTF-8: {error}.") from None
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {len(text.splitlines())}, the last"
        raise InvalidSpecification(
            f"{path} is not TOML: {str(error).replace('at end of document', end)}."
        ) from None
    return _Reader(path, plain).read()


class _Reader:
    """One file on its way to a ``Specification``; keeps the path for its messages."""

    def __init__(self, path: Path, plain: Table) -> None:
        self.path, self.plain = path, plain

    def read(self) -> Specification:
        self._only(self.plain, ("study", "problem", "parameters", "evaluator"), "the file")
        study = self._table("study")
        self._only(study, ("name", "storage", "seed", "planner", "budget"), "[study]")
        name = self._text(study, "name")
        target = self._said("[evaluator]", self._target)
        problem = self._said("[problem]", lambda: self._problem(target))
        self._said("[evaluator]", lambda: target.check(problem.space))
        return Specification(
            self.path,
            name or problem.name,
            problem,
            target.evaluate,
            storage=self._text(study, "storage") or DEFAULT_STORAGE,
            seed=self._whole(study, "seed"),
            planner=self._text(study, "planner"),
            budget=self._said("[study]", lambda: self._budget(study)),
        )

    def _target(self) -> Target:
        table = self._table("evaluator")
        named = [kind for kind in EVALUATORS if kind in table]
        if len(named) != 1:
            got = " and ".join(named) if named else "none"
            raise self._error(f"[evaluator] needs exactly one of {', '.join(EVALUATORS)}, got {got}.")
        kind = EVALUATORS[named[0]]
        self._only(table, (named[0], *kind.options), "[evaluator]")
        return kind.build(table, self.path.parent, self.plain)

    def _problem(self, target: Target) -> Problem:
        """Return the problem of the file; an evaluator that brings its own fills what the file leaves out."""
        table = self._table("problem")
        self._only(
            table, ("name", "description", "objectives", "constraints", "context", "where"), "[problem]"
        )
        own = target.problem.to_dict() if target.problem else {}
        parameters = self._table("parameters")
        if not parameters and not own:
            raise self._error("at least one table [parameters.NAME] is needed.")
        listed = "allowed" in own.get("space", {})  # a recorded table: its rows are part of the space
        space = dict(own["space"]) if listed or not parameters else {"parameters": parameters}
        if "where" in table:
            space["where"] = table["where"]
        stated = {key: value for key, value in table.items() if key != "where"}
        name = self._table("study").get("name") or self.path.stem
        return Problem.from_dict({"name": name, **own, **stated, "space": space})

    def _budget(self, study: Table) -> Budget | None:
        if "budget" not in study:
            return None
        limits = study["budget"]
        if not isinstance(limits, dict):
            raise self._error(f"`budget` must be a table such as {{ trials = 30 }}, got {limits!r}.")
        self._only(limits, ("trials", "seconds", "tokens", "calls", "price"), "`budget`")
        return Budget(**limits)

    def _said(self, where: str, make: Callable[[], _T]) -> _T:
        """Return what ``make`` returns; its complaints are told with the file and the table."""
        try:
            return make()
        except InvalidInput as error:
            text = str(error)
            raise InvalidSpecification(
                text if str(self.path) in text else f"{self.path}, {where}: {text}"
            ) from error

    def _table(self, name: str) -> Table:
        table = self.plain.get(name, {})
        if not isinstance(table, dict):
            raise self._error(f"`{name}` must be a table, got {table!r}.")
        return table

    def _text(self, table: Table, key: str) -> str | None:
        value = table.get(key)
        if value is not None and not (isinstance(value, str) and value):
            raise self._error(f"`{key}` must be text, got {value!r}.")
        return value

    def _whole(self, table: Table, key: str) -> int | None:
        value = table.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._error(f"`{key}` must be a whole number, got {value!r}.")
        return value

    def _only(self, table: Table, known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                cure = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
                raise self._error(f"{where} knows no {key!r}; {cure}")

    def _error(self, text: str) -> InvalidSpecification:
        return InvalidSpecification(f"{self.path}: {text}")
