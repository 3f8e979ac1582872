"""What verbs work on: a study, the ledger it stands in, and what the door can do for it. A value, but for the study
that a person works on, which a fork or a new study changes.

What runs evaluations is the door's: a terminal has an evaluator of its own (``evaluate``), a server has none and lets
workers pull trials. Verbs never run a command.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...serving.errors import InvalidInput
from ..budget import Budget
from ..ledger.allowance import Allowance
from ..ledger.ledger import Ledger
from ..study.study import Study

Evaluate = Callable[..., Any]


def _no_hook(*_: Any) -> Any:
    raise InvalidInput(
        "That cannot be done from here; open the study in a terminal (`trialogue chat`) or on the page."
    )


@dataclass
class Desk:
    """One person's place at one ledger.

    ``evaluate``: runs trials in this process, or None where workers do. ``figure(study, name)``: plotly JSON.
    ``report(study)``: writes a report and says where. ``read_spec(toml)``: name, problem and settings of a
    specification. ``may_see(name)``: whether the caller may touch another study. ``allowance``: what the caller may use
    today.
    """

    ledger: Ledger
    current: Study | None = None
    evaluate: Evaluate | None = None
    figure: Callable[[Study, str], Mapping[str, Any]] = _no_hook
    report: Callable[[Study], str] = _no_hook
    create: Callable[[str], Study] = _no_hook
    may_see: Callable[[str], bool] = field(default=lambda name: True)
    changed: Callable[[Study], None] = field(default=lambda study: None)
    allowance: Allowance | None = None

    @property
    def study(self) -> Study:
        """The study that is worked on. Raises InvalidInput when there is none yet."""
        if self.current is None:
            raise InvalidInput(
                "No study is open; `/open NAME` opens one, `/create` makes one from a specification."
            )
        return self.current


def set_budget(study: Study, budget: Budget) -> None:
    """Give a study another budget, for this process and in the ledger, and leave a remark."""
    ledger, stored = study.ledger, study.stored
    config = {**ledger.find(stored.name).config, "budget": budget.to_dict()}
    ledger.configure(stored.study_id, problem=stored.problem, config=config)
    study.budget = budget
    study.remark(f"the budget is now {budget.to_dict() or 'unlimited'}")


def used_trials(study: Study) -> int:
    """Return how many trials count against the budget so far: added and lost ones do not."""
    own = (record for record in study.trials if record.verdict != "added")
    return sum(1 for record in own if record.failure is None or record.failure.kind != "lost")
