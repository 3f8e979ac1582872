"""Optuna's pruners on our trials: reports are mirrored by us, read by the pruner through Optuna's own storage."""

import threading
from contextlib import suppress

import optuna
from optuna.pruners import BasePruner

from ..ledger.database import Database


class Pruning:
    """Asks a pruner whether a trial should stop. Safe to use from several threads."""

    def __init__(self, database: Database, study_name: str, pruner: BasePruner) -> None:
        self.pruner = pruner
        self._database, self._study_name = database, study_name
        self._study: optuna.Study | None = None
        self._lock = threading.Lock()

    def should_stop(self, trial_id: int) -> bool:
        """Return whether the trial, by its id in the mirror, should be stopped; never when it was deleted there."""
        with self._lock, self._database.serialised(), suppress(KeyError):
            if self._study is None:
                storage = self._database.optuna_storage()
                self._study = optuna.load_study(
                    study_name=self._study_name, storage=storage, pruner=self.pruner
                )
            trial = self._study._storage.get_trial(trial_id)  # pruners themselves read the storage this way
            return bool(self.pruner.prune(self._study, trial))
        return False
