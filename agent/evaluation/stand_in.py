"""A network in the evaluator's place: which trials it answers, and what is written of them.

It answers once it is accurate (``surrogates/options/proxy.py``), and never where the answer would be a new best: what is
best was measured. Every fifth trial that it could answer is measured, so that it is judged by fresh rows, and it is taken
back when it is wrong. Its answers carry its error as their standard error and the metric ``proxy``, and it never learns
from them. All is read from the history, so a resumed study and another process decide alike.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ...evaluators.problems.history import FinishedTrial, History, Params
from ...evaluators.problems.measurement import Measurement
from ...surrogates.models.embedding import Embedding
from ...surrogates.options.proxy import UPDATE, TrainedProxy, is_accurate, spread
from ..proxy import ProxyOptions

METRIC = "proxy"
"""Metric of a trial that was answered, not measured."""

CHECKED = 5
"""Of so many trials that could be answered one is measured."""


def is_answered(trial: FinishedTrial) -> bool:
    """Whether a trial's value is a network's."""
    return METRIC in trial.measurement.metrics


class GivenTrial(Protocol):
    """A trial that was asked for."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def params(self) -> Params: ...  # noqa: D102


class StandIn:
    """Answers for the evaluator of one study, one trial at a time."""

    def __init__(self, options: ProxyOptions, history: Callable[[], History]) -> None:
        self._accuracy, self._history = options.accuracy, history
        self._proxy: TrainedProxy | None = None

    def __call__(self, trial: GivenTrial) -> Measurement | None:
        """Return what the network says of a trial's configuration; None where it is to be measured."""
        history = self._history()
        rows = [i for i, t in enumerate(history.finished) if not is_answered(t)]
        embedding, data = Embedding(history.problem.space), history.rows("finished")
        y = history.Y[rows, 0]
        Z = embedding.embed(data.X[rows], data.active[rows])
        proxy = self._current(Z, y)
        if proxy is None or trial.number % CHECKED == 0:
            return None
        tolerance = self._accuracy * spread(y)
        errors = proxy.errors(Z, y, np.array([history.finished[i].number % CHECKED == 0 for i in rows]))
        value = float(proxy.predict(embedding.embed(*history.problem.space.encode([trial.params])))[0])
        (sign,) = history.problem.signs
        if not is_accurate(errors, tolerance) or sign * value + tolerance > (sign * y).max():
            return None
        error = float(np.sqrt(np.mean(errors**2)))
        return Measurement(value, [error], metrics={METRIC: float(proxy.rows)}, seconds=0.0)

    def _current(self, Z: np.ndarray, y: np.ndarray) -> TrainedProxy | None:
        """Return the network for these rows, trained anew where an update is due."""
        if self._proxy is None or not 0 <= len(y) - self._proxy.rows < UPDATE:
            self._proxy = TrainedProxy.fit(Z, y)
        return self._proxy
