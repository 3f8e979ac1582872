"""Creating or resuming a study by name: what must agree with what is stored, and what is said when it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.base import shown, whole_number
from ...evaluators.spaces.parameters import Categorical
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from ..budget import Budget
from ..contracts import AbstractStrategy
from ..engine_options import EngineOptions
from ..errors import StudyMismatch
from ..ledger.ledger import Ledger, StoredStudy, check_study_name
from ..planner.by_name import SharedPlanner, check_planner
from ..protocol import StudyProtocol
from ..proxy import ProxyOptions
from ..strategies.by_name import check_strategy
from ..views.earlier import check_names


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How a study decides; what is None is as stored. Only text is stored of planner and strategy."""

    planner: object = None
    budget: Budget | None = None
    strategy: str | AbstractStrategy | None = None
    engine: EngineOptions | None = None
    protocol: StudyProtocol | None = None
    proxy: ProxyOptions | None = None

    def config(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration to store."""
        planner = self.planner.spec if isinstance(self.planner, SharedPlanner) else self.planner
        texts = {"planner": planner, "strategy": self.strategy}
        fields = {k: v for k, v in texts.items() if isinstance(v, str)}
        tables = {
            "budget": self.budget,
            "engine": self.engine,
            "protocol": self.protocol,
            "proxy": self.proxy,
        }
        return {**stored, **fields} | {k: v.to_dict() for k, v in tables.items() if v is not None}

    def check(self, problem: Problem, stored: Mapping[str, Any]) -> None:
        """Raise InvalidInput for a planner or a strategy that could decide nothing. Opens nothing."""
        whole = self.completed(stored)
        if self.protocol is not None:
            self.protocol.check(problem)
        for options in (self.proxy, self.engine):
            if options is not None:
                options.check(problem)
        check_planner(whole.planner.spec if isinstance(whole.planner, SharedPlanner) else whole.planner)
        if isinstance(self.strategy, str):
            planned = whole.planner is not None
            check_strategy(problem, self.strategy, planned=planned, options=self.engine)

    def completed(self, stored: Mapping[str, Any]) -> "StudyOptions":
        """Return these settings, with the stored planner and strategy in place of None."""
        planner = self.planner if self.planner is not None else stored.get("planner")
        strategy = self.strategy if self.strategy is not None else stored.get("strategy")
        return replace(self, planner=planner, strategy=strategy)


def ledger_of(storage: "str | Ledger | None") -> Ledger:
    """Return the ledger for what a user gives as ``storage``."""
    if isinstance(storage, Ledger):
        return storage
    if storage is not None and not isinstance(storage, str):
        raise InvalidInput(
            f"`storage` must be a URL such as sqlite:///study.db, a Ledger or None, got {storage!r}."
        )
    return Ledger(storage)


@dataclass(frozen=True, slots=True)
class Opened:
    """A study that was created, or ``resumed`` because it was there, and how it decides while it is open."""

    stored: StoredStudy
    settings: StudyOptions
    resumed: bool


def open_study(
    ledger: Ledger, name: str | None, problem: Problem | None, seed: int | None, settings: StudyOptions
) -> Opened:
    """Create or resume a study, under its problem's name unless ``name`` is given.

    Without a problem, return the one that is stored, with its own planner and strategy where none are given, and write
    nothing. Raises StudyNotFound, StudyMismatch, InvalidInput.
    """
    if problem is not None and not isinstance(problem, Problem):
        raise InvalidInput(
            f"`problem` must be a Problem, got {problem!r}; `Study.load(name, storage=…)` reads a stored one."
        )
    if problem is not None:
        check_study_name(problem.name if name is None else name)
        return create_or_resume(ledger, name or problem.name, problem, seed, settings)
    if name is None or seed is not None:
        raise InvalidInput(
            "a study without a problem is one that is stored: give its `name` and no `seed`, "
            f"got name={name!r} and seed={seed!r}."
        )
    stored = ledger.find(name)
    return Opened(stored, settings.completed(stored.config), resumed=True)


def create_or_resume(
    ledger: Ledger, name: str, problem: Problem, seed: int | None, settings: StudyOptions
) -> Opened:
    """Return the study of that name, created where it is not there; raises StudyMismatch."""
    if settings.engine is not None:
        check_names(ledger, name, settings.engine.transfer or ())
    if not ledger.has(name):
        settings.check(problem, {})
        try:
            stored = ledger.create(name, problem, seed=_checked_seed(seed), config=settings.config({}))
            return Opened(stored, settings, resumed=False)
        except StudyMismatch:
            pass  # another process created it at this moment: resume it
    stored = ledger.find(name)
    different = differences(stored.problem, problem)
    if seed is not None and seed != stored.seed:
        different.append(f"the seed is {stored.seed} there, {seed} here")
    if settings.protocol is not None:
        unlike = StudyProtocol.stored(stored.config).measured_differently(settings.protocol)
        different += [unlike] if unlike else []
    if different:
        raise StudyMismatch(
            f"study {name!r} exists and is another one: {'; '.join(different)}. Choose another name, or change the "
            "space with "
            f"`study.fork(new_name, space=…)`."
        )
    settings.check(problem, stored.config)
    config = settings.config(stored.config)
    if config != dict(stored.config) or problem.to_dict() != stored.problem.to_dict():
        ledger.configure(stored.study_id, problem=problem, config=config)
        stored = ledger.find(name)
    return Opened(stored, settings, resumed=True)


def differences(stored: Problem, given: Problem) -> list[str]:
    """Return in words what keeps results of one problem from counting in the other; descriptions may differ."""
    lines = _space_differences(stored.space, given.space)
    sides = (
        ((p.name, p.direction) for p in stored.objectives),
        ((p.name, p.direction) for p in given.objectives),
    )
    there, here = (", ".join(f"{direction} {name}" for name, direction in side) for side in sides)
    if there != here:
        lines.append(f"the objectives are {there} there, {here} here")
    if stored.fidelity != given.fidelity:
        lines.append(f"the fidelity is {stored.fidelity} there, {given.fidelity} here")
    limits = [{c.name: (c.lower, c.upper) for c in p.constraints} for p in (stored, given)]
    for name in limits[0].keys() | limits[1].keys():
        if limits[0].get(name) != limits[1].get(name):
            lines.append(
                f"constraint {name!r} is {_limits(limits[0].get(name))} there, {_limits(limits[1].get(name))} here"
            )
    return lines


def _space_differences(stored: SearchSpace, given: SearchSpace) -> list[str]:
    there, here = ({p.name: _meaning(p) for p in space.parameters} for space in (stored, given))
    lines = [f"parameter {name!r} is only there" for name in there if name not in here]
    lines += [f"parameter {name!r} is only here" for name in here if name not in there]
    for name in there.keys() & here.keys():
        changed = [
            k for k in there[name].keys() | here[name].keys() if there[name].get(k) != here[name].get(k)
        ]
        for key in sorted(changed):
            lines.append(
                f"`{key}` of {name!r} is {there[name].get(key)!r} there, {here[name].get(key)!r} here"
            )
    if not lines and list(there) != list(here):
        lines.append(f"the parameters stand in another order ({', '.join(there)} there)")
    if tuple(stored.where) != tuple(given.where):
        lines.append(f"the relations are {list(stored.where)!r} there, {list(given.where)!r} here")
    return lines


def _meaning(parameter: Any) -> dict[str, Any]:  # Any: the three kinds of parameters
    plain = parameter.to_dict()
    for words in ("description", "unit", "default", "prior"):
        plain.pop(words, None)
    if isinstance(parameter, Categorical):
        plain["choices"] = list(parameter.choices)
    return plain


def _limits(limits: tuple[float | None, float | None] | None) -> str:
    if limits is None:
        return "absent"
    return f"[{'-inf' if limits[0] is None else limits[0]}, {'inf' if limits[1] is None else limits[1]}]"


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return 0
    whole = seed if isinstance(seed, int) else whole_number(seed)
    if isinstance(seed, bool) or whole is None or not 0 <= whole < 2**63:
        raise InvalidInput(f"`seed` must be a whole number in [0, 2^63), got {shown(seed)}.")
    return whole
