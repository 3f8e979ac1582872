"""What a study's results are made on and used for: seeds and data to tune on, others to test on, and how a winner is
chosen. Stored with the study. Light: what carries it out stands in ``agent/evaluation/`` and ``agent/certainty/``."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..evaluators.problems.problem import Problem
from ..evaluators.problems.stopping import StopRule
from ..evaluators.programs.instances import Instance
from ..serving.errors import InvalidInput
from .engine_options import EngineOptions

Part = Literal["tuning", "test"]
CHOICES = "best, robust, or robust:Q with a quantile 0 < Q < 1"
_PARTS = ("tuning", "test")
_SEARCHERS = ("trialogue", "surrogate")


@dataclass(frozen=True, slots=True)
class StudyProtocol:
    """``seeds``: ``{"tuning": [0, 1, 2], "test": [100, 101, 102]}``: each configuration is measured on all tuning seeds,
    the winner once on the test seeds; without any, each trial has a seed of its own. ``data``: the same with names of
    data that the evaluator knows (``run.data``). ``choose``: which trial is the winner: the ``"best"`` measured, or the one
    around which most is believed to be good (``"robust"``: the mean of the posterior over a neighbourhood,
    ``"robust:0.1"``: that quantile of it). ``only``: the parameters that are searched for now; the others stand at the
    winner's values. ``stop``: limits on reported metrics beyond which an evaluation is ended (``"memory_gb <= 80"``,
    ``"accuracy >= 0.2 from 5"``: from step 5 on, ``"loss <= median"``: of the trials that ended before), or names of
    constraints. Raises InvalidInput for what cannot be meant.
    """

    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)
    data: Mapping[str, Sequence[str]] = field(default_factory=dict)

    choose: str = "best"
    only: Sequence[str] = ()
    stop: Sequence[str] = ()

    def __post_init__(self) -> None:
        quantile_of(self.choose)
        object.__setattr__(self, "stop", _listed("stop", self.stop, str))
        object.__setattr__(self, "only", _listed("only", self.only, str))
        for name, kind in (("seeds", int), ("data", str)):
            object.__setattr__(self, name, _checked(name, getattr(self, name), kind))

    @classmethod
    def stored(cls, config: Mapping[str, Any]) -> "StudyProtocol":
        """Return what a study's stored configuration says."""
        return cls(**config.get("protocol") or {})

    def to_dict(self) -> dict[str, Any]:
        """Return what is said, as plain JSON values."""
        tables = {"seeds": self.seeds, "data": self.data}
        plain: dict[str, Any] = {n: {k: list(v) for k, v in t.items()} for n, t in tables.items() if t}
        plain |= {"choose": self.choose} if self.choose != "best" else {}
        lists = {"only": self.only, "stop": self.stop}
        return plain | {name: list(values) for name, values in lists.items() if values}

    def instances(self, part: Part) -> tuple[Instance, ...]:
        """Return what a measurement of that part is made on; none: on the trial's own seed. A part of ``test`` that says
        nothing of seeds takes those of ``tuning``, and of data likewise."""
        seeds = self.seeds.get(part) or self.seeds.get("tuning") or (None,)
        data = self.data.get(part) or self.data.get("tuning") or ("",)
        if seeds == (None,) and data == ("",):
            return ()
        return tuple(Instance(seed, name) for name, seed in itertools.product(data, seeds))

    def stop_rules(self, problem: Problem) -> tuple[StopRule, ...]:
        """Return the rules by which an evaluation of a problem ends early. Raises InvalidProblem."""
        return tuple(StopRule.parse(text, problem.constraints) for text in self.stop)

    @property
    def has_test(self) -> bool:
        """Whether there is anything that the search does not see."""
        return bool(self.seeds.get("test") or self.data.get("test"))

    @property
    def tested(self) -> "StudyProtocol":
        """The protocol of the study in which winners are measured on the test part."""
        whole = {"seeds": self.seeds, "data": self.data}
        tests = {n: {"tuning": table.get("test") or table.get("tuning", ())} for n, table in whole.items()}
        return StudyProtocol(tests["seeds"], tests["data"])

    @property
    def unseeded(self) -> "StudyProtocol":
        """The data of the protocol alone, each trial on a seed of its own: for runs that verify."""
        return StudyProtocol(data=self.data)

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput where ``only`` names no parameter of a problem, ``stop`` is no rule, or the problem has no
        single winner."""
        self.stop_rules(problem)
        names = problem.space.names
        unknown = [name for name in self.only if name not in names]
        if unknown:
            raise InvalidInput(
                f"`only` must name parameters, got {unknown[0]!r}; there are {', '.join(names)}."
            )
        if len(problem.objectives) > 1 and (self.only or self.choose != "best"):
            raise InvalidInput(
                f"`{'only' if self.only else 'choose'}` needs a winner, and of {len(problem.objectives)} objectives there is "
                "a front; leave it out, or keep one objective and limit the others."
            )

    def measured_differently(self, other: "StudyProtocol") -> str:
        """Return in words why results of the two cannot stand in one study; "" where they can."""
        pairs = (
            (n, getattr(self, n).get("tuning", ()), getattr(other, n).get("tuning", ()))
            for n in ("seeds", "data")
        )
        differences = [f"the tuning {n} are {list(a)} there, {list(b)} here" for n, a, b in pairs if a != b]
        return "; ".join(differences)

    def engine_options(self, options: EngineOptions | None, strategy: object) -> EngineOptions | None:
        """Return the engine's options: on given seeds nothing is measured twice, for it would say the same again."""
        searches = strategy is None or (
            isinstance(strategy, str) and strategy.partition(":")[0] in _SEARCHERS
        )
        if not self.seeds.get("tuning") or not searches or (options is not None and options.replicates):
            return options
        return replace(options or EngineOptions(), replicates="never")


def quantile_of(choose: str) -> float | None:
    """Return the quantile that ``robust:Q`` names, None for the mean. Raises InvalidInput for what is no choice."""
    name, colon, text = choose.partition(":")
    try:
        quantile = float(text) if colon else None
    except ValueError:
        quantile = -1.0
    if (
        name not in ("best", "robust")
        or (name == "best" and colon)
        or not (quantile is None or 0 < quantile < 1)
    ):
        raise InvalidInput(f"`choose` must be {CHOICES}, got {choose!r}.")
    return quantile


def _checked(name: str, table: object, kind: type) -> dict[str, tuple[Any, ...]]:  # Any: seeds or names
    """Return a table of parts with what stands in each; raises InvalidInput."""
    if not isinstance(table, Mapping) or not set(table) <= set(_PARTS):
        raise InvalidInput(f"`{name}` must be a table of `tuning` and `test`, got {table!r:.200}.")
    parts: dict[str, tuple[Any, ...]] = {}
    for part, values in table.items():
        if items := _listed(f"{name}.{part}", values, kind):
            parts[str(part)] = items
    both = sorted(set(parts.get("tuning", ())) & set(parts.get("test", ())))
    if both:
        raise InvalidInput(
            f"`{name}.test` must be what tuning has not seen, but {both[0]!r} is in `tuning` too; take it out of one."
        )
    return parts


def _listed(name: str, listed: object, kind: type) -> tuple[Any, ...]:  # Any: seeds or names
    """Return a list as a tuple; raises InvalidInput."""
    example = "[0, 1, 2]" if kind is int else '["a", "b"]'
    items = tuple(listed) if isinstance(listed, Sequence) and not isinstance(listed, str) else None
    if items is None or not all(type(i) is kind and (kind is str or i >= 0) and i != "" for i in items):
        raise InvalidInput(f"`{name}` must be a list such as {example}, got {listed!r:.200}.")
    if len(set(items)) < len(items):
        raise InvalidInput(f"`{name}` names something twice, got {listed!r:.200}; name each once.")
    return items
