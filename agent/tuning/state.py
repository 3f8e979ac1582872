"""What a tuning keeps in ``tuning.json`` between interruptions, and the question that it belongs to. Values only.

A folder holds one question: model, traffic, fixed flags, knobs, limits, machine. Another question in the same folder is
refused in words, because results of one say nothing of the other.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...evaluators.problems.problem import Constraint
from ...evaluators.servers.settings import TargetSettings
from ...evaluators.spaces.parameters import Categorical
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from .plan import TuningPlan

Rows = list[dict[str, float]]
_MACHINE = ("vllm", "llama.cpp", "device", "devices", "cores")


@dataclass
class TuningState:
    """What survives an interruption: the question, the default's results (``beside``: of the default that ran next to it;
    ``own``: under the workload's own load where results are those of another load), the limits as numbers, seconds used
    (``default_s``: until the default was measured), and the pairs of each candidate that was verified."""

    question: dict[str, Any] = field(default_factory=dict)  # Any: JSON
    default: Rows = field(default_factory=list)
    beside: Rows = field(default_factory=list)
    own: Rows = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON
    used_s: float = 0.0
    default_s: float = 0.0
    start_s: float = 10.0
    verified: dict[str, "Pairs"] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "TuningState":
        """Return the stored state, an empty one when there is none; raises InvalidInput for what is none."""
        if not path.exists():
            if (path.parent / "study.db").exists():
                raise InvalidInput(
                    f"`--folder` {str(path.parent)!r} has a study.db but no {path.name}; {_CURE}."
                )
            return cls()
        try:
            plain = json.loads(path.read_text())
            pairs = {key: Pairs(**fields) for key, fields in plain.pop("verified").items()}
            state = cls(**plain, verified=pairs)
            assert isinstance(state.question, dict)
            _ = [Constraint(**c) for c in state.limits]
            for row in (*state.default, *state.beside, *state.own):
                _ = {name: float(value) for name, value in row.items()}
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
            why = " ".join(str(error).split())[:100]
            raise InvalidInput(
                f"`--folder` must hold what a tuning of this version left there, got {str(path)!r}, which cannot be read "
                f"as that ({type(error).__name__}: {why}); {_CURE}."
            ) from None
        return state

    def write(self, path: Path) -> None:
        """Store the state; a crash leaves the old one or the new one."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1))
        part.replace(path)

    def ask(self, question: Mapping[str, Any], folder: Path) -> None:  # Any: JSON
        """Take on the question, or raise InvalidInput where the folder holds another one."""
        plain = json.loads(json.dumps(question, default=str))
        names = plain.keys() | self.question.keys()
        different = sorted(n for n in names if self.question.get(n) != plain.get(n)) if self.default else []
        if different:
            words = "; ".join(f"{n} was {self.question.get(n)!r}, now {plain.get(n)!r}" for n in different)
            raise InvalidInput(f"`--folder` {str(folder)!r} holds another tuning: {words}; {_CURE}.")
        self.question = plain


@dataclass
class Pairs:
    """Interleaved pairs of one candidate, a row per pair and side. ``failed``: why it did not run, "" where it did."""

    default: Rows = field(default_factory=list)
    candidate: Rows = field(default_factory=list)
    failed: str = ""


_CURE = "give another `--folder`"


def question_of(
    plan: TuningPlan, settings: TargetSettings, space: SearchSpace, context: Mapping[str, Any]
) -> dict[str, Any]:  # Any: JSON
    """Return what must be the same for results to count: not the budget, the planner or the number of pairs."""
    rungs = [name for name, used in asdict(settings.rungs).items() if used]
    return {
        "model": settings.model,
        "workload": settings.workload.name,
        "digest of the workload": settings.workload.digest,
        "fixed flags": dict(settings.fixed),
        "variables": dict(settings.variables),
        "rungs": ", ".join(rungs) or "none",
        "objectives": ", ".join(o.name for o in plan.objectives),
        "limits": ", ".join(sorted(map(_limit, plan.limits))),
        "margin": plan.margin,
        "lossy": settings.guard,
        "price per hour": plan.price_per_hour,
        "seed": plan.seed,
        "knobs": {p.name: list(p.choices) if isinstance(p, Categorical) else p.to_dict() for p in space},
        **{name: context[name] for name in _MACHINE if name in context},
    }


def _limit(limit: Any) -> str:  # Any: evaluators.vllm_metrics.Limit
    unit = "" if isinstance(limit, Constraint) else "x"
    ends = (("<=", limit.upper), (">=", limit.lower))
    return " and ".join(f"{limit.name}{sign}{end:g}{unit}" for sign, end in ends if end is not None)
