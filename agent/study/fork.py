"""A study in a changed space: what of the old one fits in it, and what is said of the rest."""

from collections.abc import Mapping
from typing import Any, Protocol

from ...evaluators.errors import InvalidMeasurement, InvalidParameters
from ...evaluators.problems.history import Params
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from ..contracts import Decision
from ..ledger.claims import write_trials
from ..ledger.ledger import Ledger, StoredStudy
from ..ledger.mirror import Mirror
from ..ledger.records import NewTrial, TrialRecord
from ..ledger.transaction import change


class Forkable(Protocol):
    """What forking needs of a study."""

    ledger: Ledger
    stored: StoredStudy

    @property
    def trials(self) -> tuple[TrialRecord, ...]: ...  # noqa: D102


def with_space(problem: Problem, space: SearchSpace | None) -> Problem:
    """Return the problem in another space."""
    if space is None:
        raise InvalidInput("`fork` needs a changed `space=` or `problem=`, got neither.")
    return Problem(
        problem.name,
        space,
        objectives=problem.objectives,
        constraints=problem.constraints,
        description=problem.description,
        context=problem.context,
        fidelity=problem.fidelity,
    )


def fork(parent: Forkable, name: str, problem: Problem) -> StoredStudy:
    """Create study ``name`` with every ended, not excluded trial of the parent that fits ``problem``.

    A parameter that the parent did not have takes its declared default, for that is what the parent ran with; a trial
    without one, or outside the new bounds, is left out. Provenance, failures and times are copied with the trials.
    """
    new: list[NewTrial] = []
    left_out: list[str] = []
    for record in parent.trials:
        if record.ending is None or record.excluded is not None:
            continue
        try:
            params = fitted(problem.space, record.params)
            ending = problem.check(record.ending) if isinstance(record.ending, Measurement) else record.ending
        except (InvalidParameters, InvalidMeasurement) as error:
            left_out.append(f"trial {record.number}: {error}")
            continue
        reason = f"trial {record.number} of {parent.stored.name!r}: {record.reason}"
        decision = Decision(params, record.source, reason, "added", record.prediction, record.hypothesis)
        new.append(NewTrial(params, decision, ending, record.started_at, record.ended_at, record.note))
    counts = {"copied": len(new), "left_out": len(left_out)}
    lineage = {"parent": parent.stored.name, **counts, "why_left_out": left_out[:20]}
    ledger = parent.ledger
    stored = ledger.create(
        name, problem, seed=parent.stored.seed, config=parent.stored.config, lineage=lineage
    )
    with change(ledger.database, stored.study_id) as current:
        current.event("forked", parent=parent.stored.name, copied=len(new), left_out=len(left_out))
        if new:
            write_trials(current, Mirror(problem), new)
    return stored


def fitted(space: SearchSpace, params: Params) -> Mapping[str, Any]:
    """Return ``params`` completed with the declared defaults of parameters they lack; raises InvalidParameters."""
    declared = {p.name: p.default for p in space.parameters if p.name not in params and p.has_default}
    active = set(space.active_names({**space.default(), **declared, **params}))
    return space.validate({**{n: v for n, v in declared.items() if n in active}, **params})
