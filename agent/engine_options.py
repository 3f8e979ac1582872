"""What a study may choose of the engine beside its defaults, in a user's words. Light: the methods stand in
``surrogates/options/`` and are loaded when they are used."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ..evaluators.problems.problem import Problem
from ..serving.errors import InvalidInput

Design = Literal["integrated", "dpp", "volume", "ariel"]
Coreset = Literal["usual", "sensitivity"]
Replicates = Literal["gain", "variance", "never"]
MOST_EARLIER = 8
"""Studies to learn from: each is a task of one model, and a pair of tasks a correlation to infer."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Choices of the surrogate side of a study; None is the default.

    ``design``: how the first trials are placed: lowering the integrated variance (``"integrated"``, the default), drawn
    by a determinantal point process (``"dpp"``) or by volume-rescaled sampling (``"volume"``), or spread over the
    branches of a tree (``"ariel"``). ``design_trials``: how many there are, the default configuration included (default
    3). ``coreset``: which rows of a history of more than 320 train the model: the best, the latest and a random third
    (``"usual"``), or drawn by ``"sensitivity"``. ``replicates``: when a configuration is measured again: where that tells
    more than a new one (``"gain"``), two fifths of the time and most where noise and failures are (``"variance"``), or
    ``"never"``. ``subspace``: dimensions of a random subspace through the default, in which alone is searched.
    ``transfer``: names of studies of the same database from whose trials, as far as they had ended when this study was
    made, the model of the objectives learns.
    """

    design: Design | None = None
    design_trials: int | None = None
    coreset: Coreset | None = None
    replicates: Replicates | None = None
    subspace: int | None = None
    transfer: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "transfer", _names(self.transfer))
        names = {"design": Design, "coreset": Coreset, "replicates": Replicates}
        for name, choices in {name: get_args(kinds) for name, kinds in names.items()}.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise InvalidInput(f"`engine.{name}` must be one of {', '.join(choices)}, got {value!r}.")
        for name in ("design_trials", "subspace"):
            n = getattr(self, name)
            if n is not None and (isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 1000):
                raise InvalidInput(f"`engine.{name}` must be a whole number in [1, 1000], got {n!r}.")

    @classmethod
    def stored(cls, config: Mapping[str, Any]) -> "EngineOptions | None":
        """Return what a study's stored configuration says; None where it says nothing."""
        return cls(**config["engine"]) if config.get("engine") else None

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput for a choice that could do nothing in a problem."""
        if self.replicates == "variance" and len(problem.objectives) > 1:
            raise InvalidInput(
                "`engine.replicates` = 'variance' compares configurations by one objective, got "
                f"{len(problem.objectives)}; leave it out, or limit the others."
            )
        if self.design == "ariel" and problem.space.is_listed:
            raise InvalidInput(
                "`engine.design` = 'ariel' needs a space of decisions, and this one lists its configurations; leave it out."
            )

    def settings(self) -> dict[str, Any]:
        """Return the choices under the names of ``surrogates.models.outcome.Settings``."""
        names = {"design": "design_kind", "design_trials": "design"}
        return {names.get(k, k): v for k, v in self.to_dict().items() if k != "transfer"}

    def to_dict(self) -> dict[str, Any]:
        """Return the choices that were made."""
        fields = {k: v for k, v in asdict(self).items() if v is not None}
        return fields | ({"transfer": list(self.transfer)} if self.transfer else {})


def _names(given: object) -> tuple[str, ...] | None:
    """Return names of studies, each once; raises InvalidInput."""
    if given is None:
        return None
    texts = [given] if isinstance(given, str) else given
    if (
        not isinstance(texts, list | tuple)
        or not all(isinstance(n, str) for n in texts)
        or len(texts) > MOST_EARLIER
    ):
        raise InvalidInput(
            f"`engine.transfer` must be a list of at most {MOST_EARLIER} names of studies, got {given!r:.200}."
        )
    return tuple(dict.fromkeys(texts)) or None
