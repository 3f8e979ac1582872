"""The studies a server holds open: made on first use, put away when many others were used since.

A study in memory is a copy of the ledger's rows and the surrogate's warm start; putting one away loses nothing. Threads
may share a study. Which planners a client may choose is the operator's list: a planner is an address this server would
call, and clients do not make it call addresses of theirs.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...agent.budget import Budget
from ...agent.errors import StudyMismatch, StudyNotFound
from ...agent.ledger.ledger import Ledger, StoredStudy
from ...agent.planner.specification import PlannerText
from ...agent.study.study import Study
from ...serving.errors import InvalidInput
from ..http.rights import no_such_study
from ..study_files.study_file import Specification

OPEN = 256
"""Studies held in memory. One with 100 trials takes about 1 MB; the next use of one put away costs a few ms."""


class Shelf:
    """The open studies of one ledger. Thread-safe."""

    def __init__(
        self, ledger: Ledger, *, planners: Sequence[str] = (), pruner: Any = None, n_open: int = OPEN
    ) -> None:
        self.ledger, self.planners = ledger, tuple(planners)
        self._pruner, self._n_open = pruner, n_open
        self._studies: OrderedDict[str, Study] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def __len__(self) -> int:
        return len(self._studies)

    def stored(self, name: str) -> StoredStudy:
        """Return a study's entry in the ledger; raises StudyNotFound."""
        with _naming_no_other(name):
            return self.ledger.find(name)

    def study(self, name: str) -> Study:
        """Return a study, opening it when it is not open. Raises StudyNotFound."""
        with self._lock:
            if name in self._studies:
                self._studies.move_to_end(name)
                return self._studies[name]
            making = self._making.setdefault(name, threading.Lock())
        with making:
            with self._lock:
                if name in self._studies:
                    return self._studies[name]
            try:
                with _naming_no_other(name):
                    opened = Study.load(name, storage=self.ledger, pruner=self._pruner, reap=False)
            finally:
                with self._lock:
                    self._making.pop(name, None)
            self._keep(opened)
            return opened

    def create(self, specification: Specification, *, exist_ok: bool = False) -> Study:
        """Make a study. Raises StudyMismatch when there is one of that name, unless ``exist_ok`` and it is the same."""
        name, planner = specification.name, specification.settings.planner
        if planner is not None and not {planner, PlannerText.read(planner).address} & {*self.planners}:
            allowed = ", ".join(map(repr, self.planners)) or "none"
            raise InvalidInput(
                f"`planner` must be one that this server was started with ({allowed}) or null, got {planner!r}; "
                "its operator adds one with `trialogue serve --planner`."
            )
        if not exist_ok and self.ledger.has(name):
            raise StudyMismatch(
                f"There is a study {name!r} already; choose another name, or say `exist_ok` to resume it."
            )
        study = specification.open(self.ledger, pruner=self._pruner)
        self._keep(study)
        return study

    def renewed(self, study: Study) -> bool:
        """Read a study's budget anew; return whether another process changed it."""
        budget = Budget(**self.ledger.find(study.name).config.get("budget", {}))
        changed = budget != study.budget
        study.budget = budget
        return changed

    def forget(self, name: str) -> None:
        """Put a study away: it was deleted, or is not what it was."""
        with self._lock:
            study = self._studies.pop(name, None)
        if study is not None:
            study.close()

    def delete(self, name: str) -> None:
        """Delete a study, one that cannot be read as well, and all that belongs to it. Raises StudyNotFound."""
        with _naming_no_other(name):
            self.ledger.delete(name)
        self.forget(name)

    def adopt(self, study: Study) -> None:
        """Hold a study that a verb made (a fork)."""
        self._keep(study)

    def close(self) -> None:
        """Put all studies away, their planners ended."""
        for name in list(self._studies):
            self.forget(name)

    def _keep(self, study: Study) -> None:
        with self._lock:
            surplus = [self._studies.pop(study.name, study)]
            self._studies[study.name] = study
            while len(self._studies) > self._n_open:
                surplus.append(self._studies.popitem(last=False)[1])
        for other in surplus:  # outside the lock: one whose decision is under way is waited for
            if other is not study:
                other.close()


@contextmanager
def _naming_no_other(name: str) -> Iterator[None]:
    """Say of a study that is not there no more than that: the ledger's own words name others, which are not everybody's
    to see."""
    try:
        yield
    except StudyNotFound:
        raise StudyNotFound(no_such_study(name)) from None
