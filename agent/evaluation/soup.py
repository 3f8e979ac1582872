"""A greedy soup: the mean of the weights that a study's best trials left behind.

Source: Wortsman et al. 2022, Model Soups (arXiv 2203.05482), recipe 1: from the best trial downwards, a checkpoint stays in
the mean where that does not make the held-out score worse. Averages work where all runs began from one pretrained model;
else the soup is the best trial alone. Knows weights as arrays by name and nothing of the network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ..ledger.records import TrialRecord
from ..views.best import ranked

Weights = Mapping[str, np.ndarray]
Scored = Callable[[Weights], float]


@dataclass(frozen=True, slots=True)
class SoupResult:
    """``weights``: the mean over ``trials``, numbers of those that stayed in; ``score``: of the mean; ``best``: of the best
    single trial, by the same held-out score; ``tried``: how many checkpoints there were."""

    weights: Weights
    trials: tuple[int, ...]
    score: float
    best: float
    tried: int

    def __str__(self) -> str:
        """Return it as one sentence."""
        stayed = ", ".join(map(str, self.trials))
        return (
            f"The mean of trials {stayed} (of {self.tried} tried) scores {self.score:.5g}; the best single one "
            f"{self.best:.5g}."
        )

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(w) for name, w in self.weights.items()}, path)


class Averaged(Protocol):
    """What a soup needs of a study."""

    problem: Problem

    @property
    def trials(self) -> tuple[TrialRecord, ...]: ...  # noqa: D102


def greedy_soup(study: Averaged, score: Scored, workdir: Path, most: int) -> SoupResult:
    """Return the greedy soup of the ``most`` best trials that left a checkpoint below ``workdir``.

    ``score``: of weights on held-out data, better as the first objective is; the trials are ranked by it anew. Raises
    InvalidInput where no trial left one, or their weights differ in names or shapes.
    """
    problem = study.problem
    sign = float(problem.signs[0])
    numbers = [r.number for r in ranked(problem, study.trials)]
    checkpoints = [(n, file) for n in numbers if (file := _checkpoint(workdir, n)) is not None][:most]
    if not checkpoints:
        raise InvalidInput(
            f"`soup` needs a .safetensors file in the folders of trials, {str(workdir)!r} has none; write one to "
            "`run.workdir`, and run the study with the same `workdir`."
        )
    loaded = {number: _weights(file) for number, file in checkpoints}
    alike = {number: {name: w.shape for name, w in weights.items()} for number, weights in loaded.items()}
    odd = [number for number, shapes in alike.items() if shapes != alike[checkpoints[0][0]]]
    if odd:
        raise InvalidInput(
            f"only networks of one shape can be averaged; trial {odd[0]} differs from trial {checkpoints[0][0]} in names or "
            "shapes of weights."
        )

    def worth(weights: Weights) -> float:
        value = sign * float(score(weights))
        return value if value == value else -np.inf  # what diverged is the worst

    singles = {number: worth(weights) for number, weights in loaded.items()}
    first, *rest = sorted(loaded, key=lambda number: -singles[number])
    members, reached = [first], singles[first]
    for number in rest:
        new = worth(_mean([loaded[n] for n in (*members, number)]))
        if new >= reached:
            members, reached = [*members, number], new
    weights = _mean([loaded[n] for n in members])
    return SoupResult(weights, tuple(members), sign * reached, sign * singles[first], len(loaded))


def _checkpoint(workdir: Path, number: int) -> Path | None:
    """Return the checkpoint of a trial; of one measured on several instances, the first by name."""
    files = sorted((workdir / f"trial-{number:05d}").rglob("*.safetensors"))
    return files[0] if files else None


def _weights(file: Path) -> Weights:
    from safetensors.numpy import load_file

    return load_file(file)


def _mean(weights: Sequence[Weights]) -> Weights:
    """Return the mean of each array, in its own type; a number that counts (of type integer) is the first one's."""
    first = weights[0]
    return {
        name: np.mean([w[name] for w in weights], axis=0, dtype=np.float64).astype(value.dtype)
        if np.issubdtype(value.dtype, np.floating)
        else value
        for name, value in first.items()
    }
