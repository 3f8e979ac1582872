"""trialogue: a language model proposes, a Gaussian process checks, an experiment decides.

The public names are listed here and loaded on first use, so that ``import trialogue`` costs nothing.
"""

from importlib import import_module, metadata
from typing import Any

_ROOM_OF = {
    "Fidelity": "evaluators.problems.fidelity",
    "Float": "evaluators.spaces.parameters",
    "Int": "evaluators.spaces.parameters",
    "Categorical": "evaluators.spaces.parameters",
    "SearchSpace": "evaluators.spaces.space",
    "Tree": "evaluators.trees.tree",
    "Or": "evaluators.trees.tree",
    "Repeat": "evaluators.trees.tree",
    "Maybe": "evaluators.trees.tree",
    "Objective": "evaluators.problems.problem",
    "Constraint": "evaluators.problems.problem",
    "Problem": "evaluators.problems.problem",
    "PowerSchedule": "evaluators.schedules.power",
    "CosinePowerSchedule": "evaluators.schedules.cosine_power",
    "bilevel": "evaluators.gradients.bilevel",
    "BilevelSteps": "evaluators.gradients.bilevel",
    "rankme": "evaluators.statistics.rankme",
    "data_card": "surrogates.data_card",
    "Measurement": "evaluators.problems.measurement",
    "Study": "agent.study.study",
    "Trial": "agent.study.trial",
    "Budget": "agent.budget",
    "EngineOptions": "agent.engine_options",
    "StudyProtocol": "agent.protocol",
    "ProxyOptions": "agent.proxy",
    "Planner": "agent.planner.planner",
    "TrialogueError": "serving.errors",
}

__all__ = sorted(_ROOM_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:  # Any: the public names have nothing in common
    if name == "__version__":
        return metadata.version("trialogue")
    if name not in _ROOM_OF:
        raise AttributeError(
            f"module 'trialogue' has no attribute {name!r}; public names: {', '.join(__all__)}"
        )
    return getattr(import_module(f"trialogue.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
