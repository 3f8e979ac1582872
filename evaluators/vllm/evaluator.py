"""``[evaluator] vllm = {…}`` of a study file: a vLLM server under load as what a study evaluates.

The environment, the model and the space are those of ``tune-vllm``; what that command adds (the default in between,
racing, verification) a study file does not have. One server at a time, started with the first trial and ended with
this process.
"""

import atexit
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InvalidSpecification
from ..problems.problem import Constraint, Problem
from ..servers.attempt import Rungs
from ..servers.metrics import SEARCHED, check_measured, derived, objective_named
from ..servers.settings import Wanted
from ..servers.target import ServerTarget
from ..spaces.space import SearchSpace
from .setup import prepared

KEYS = (
    "model", "workload", "objective", "rungs", "knobs", "fixed", "env", "lossy", "repeats", "price_per_hour", "folder",
)  # fmt: skip
RUNGS = ("preflight", "live", "fork", "eager", "beside")


class VllmServing:
    """Callable for ``Study.run``: metrics of one configuration under the workload; raises EvaluationFailed in words.

    Built from the table of the study file; nothing is started before ``problem`` or the first call.
    """

    def __init__(self, stated: Mapping[str, Any], constraints: tuple[Constraint, ...] = ()) -> None:
        """``stated``: keys of KEYS, ``model`` needed. Raises InvalidSpecification for anything else."""
        unknown = sorted(set(stated) - set(KEYS))
        if unknown or not isinstance(stated.get("model"), str):
            wrong = f"{unknown[0]!r}" if unknown else f"model = {stated.get('model')!r}"
            raise InvalidSpecification(
                f"`vllm` must be a table of {', '.join(KEYS)}, with a model, got {wrong}."
            )
        self.stated = dict(stated)
        self.objective = objective_named(stated.get("objective", "output_tok_s"))
        self.constraints = constraints
        if self.objective.name in SEARCHED:
            raise InvalidSpecification(
                f"`objective` of a study file cannot be {self.objective.name}; `trialogue tune-vllm` can search it."
            )
        if self.objective.name == "output_tok_per_money" and not stated.get("price_per_hour"):
            raise InvalidSpecification(
                "`objective = 'output_tok_per_money'` needs `price_per_hour`, got none."
            )
        self._turn = threading.Lock()

    @cached_property
    def _started(self) -> tuple[ServerTarget, SearchSpace, dict[str, Any]]:  # Any: JSON values
        s = self.stated
        folder = Path(s["folder"]) if "folder" in s else Path(tempfile.mkdtemp(prefix="trialogue-vllm-"))
        rungs = s.get("rungs", ["preflight", "fork"])
        if not set(rungs) <= set(RUNGS):
            raise InvalidSpecification(f"`rungs` must be a list of {', '.join(RUNGS)}, got {rungs!r}.")
        knobs = s.get("knobs", {})
        knobs = knobs if isinstance(knobs, Mapping) else {name: [] for name in knobs}
        wanted = Wanted(
            s["model"], s.get("workload", "chat"), folder, Rungs(**{r: r in rungs for r in RUNGS}), s.get("fixed", {}),
            {k: str(v) for k, v in s.get("env", {}).items()}, knobs, s.get("lossy", False),
        )  # fmt: skip
        stack = ExitStack()
        target = stack.enter_context(
            prepared(wanted, self.objective, self.constraints, say=lambda line: None)
        )
        atexit.register(stack.close)
        return target

    @property
    def problem(self) -> Problem:
        """The problem: the knobs that the installed vLLM has for this device, with its own defaults."""
        _, space, context = self._started
        description = f"Serving parameters of vLLM: {self.objective.description or self.objective.name}."
        return Problem("vllm", space, [self.objective], self.constraints, description, context)

    def __call__(self, params: Mapping[str, Any]) -> Mapping[str, float]:
        """Return every metric under load, means over the repeats."""
        target, _, _ = self._started
        with self._turn:
            attempt = target.measure(params, repeats=self.stated.get("repeats", 1))
            if attempt.beside and not target.scale:  # the first default measured is the scale of the study
                target.scale = attempt.beside_mean()
                attempt = replace(attempt, scale=target.scale)
        error = attempt.error()
        if error is not None:
            raise error
        metrics = derived(attempt.mean(), price_per_hour=self.stated.get("price_per_hour"))
        for name in (self.objective.name, *(c.name for c in self.constraints)):
            check_measured(name, metrics)
        return metrics
