"""Strategies by the names that users give them. Each is loaded only when it is named.

``"trialogue"`` asks a planner and lets the referee check it (``hybrid.py``), ``"surrogate"`` is the
engine alone (``"surrogate:forest"``: with that model of the objective, see ``surrogates/alternatives/``), ``"llambo"``
and ``"llambo:generative"`` are LLAMBO as published (``llambo.py``), ``"random"`` is the control that everything must beat;
``"mcts"``, ``"pbt"`` and the like stand in ``alternatives/``.
"""

from collections.abc import Sequence

from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ...surrogates.contracts import Engine
from ...surrogates.options.multitask import EarlierStudy
from ..certainty.pairing import PREFIX, Pairing
from ..contracts import AbstractPlanner, AbstractStrategy
from ..engine_options import EngineOptions
from ..lineage import HALVING, SELF_TUNING
from ..referee.by_name import RefereeName, referee_named
from .pairs import PairsStrategy
from .simple import RandomStrategy, SurrogateStrategy, default_engine

NAMES = (
    "trialogue", "surrogate", "llambo", "llambo:generative",
    "random", "random:ariel", "mcts", "mcts:surrogate", "pbt", "stn", "differentiable",
    "genetic", "asha", "asha:random", "hyperband", "hyperband:random",
)  # fmt: skip
"""Strategies that can be named."""
LLAMBO = ("llambo", "llambo:generative")
NEEDS_MODEL = ("trialogue", *LLAMBO)


def needs_model(name: str | None) -> bool:
    """Whether a strategy of that name works with a planner; None is the usual one, which takes one if there is one."""
    return name is None or name in NEEDS_MODEL


def check_strategy(
    problem: Problem, name: str, *, planned: bool, options: EngineOptions | None = None
) -> None:
    """Raise InvalidInput for a strategy that could decide nothing: when a study is made, not at its first ask.

    ``planned``: whether the study has a planner, which is not opened for this.
    """
    if name not in NEEDS_MODEL:
        strategy_for(problem, seed=0, strategy=name, options=options)
    elif not planned:
        raise _without_model(name)
    elif name in LLAMBO and options is not None:
        raise _without_engine(name)


def _without_model(name: str) -> InvalidInput:
    cure = "an endpoint such as `planner='http://HOST:PORT/v1#MODEL'`"
    cure = cure if name in LLAMBO else f"`planner='embedded'` or {cure}"
    return InvalidInput(
        f"strategy {name!r} needs a model, got planner=None; give {cure}, or use strategy 'surrogate'."
    )


def _without_engine(name: str) -> InvalidInput:
    return InvalidInput(f"strategy {name!r} has no engine to choose options of; leave out `engine`.")


def strategy_for(
    problem: Problem, *, seed: int, planner: AbstractPlanner | None = None, strategy: str | None = None,
    engine: Engine | None = None, options: EngineOptions | None = None, earlier: Sequence[EarlierStudy] = (),
    by_name: bool = True, referee: RefereeName | None = None,
) -> AbstractStrategy:  # fmt: skip
    """Return the strategy of that name; None means ``"trialogue"`` with a planner and without one the engine, both with
    what is known of parameters by name unless ``by_name`` is False. ``"surrogate"`` is the engine alone. ``engine``: used
    in place of the usual one; ``options``: of the usual one, with the ``earlier`` studies it learns from. ``referee``: who
    judges a planner's proposals."""
    name = strategy or ("trialogue" if planner is not None else "surrogate")
    engine = _engine_for(problem, name, engine, options, earlier)
    if name == "random":
        return RandomStrategy(problem, seed)
    alternative = _alternative(problem, name, seed)
    if alternative is not None:
        return alternative
    if name.partition(":")[0] == "surrogate":
        return SurrogateStrategy(problem, seed, engine=engine, by_name=by_name and strategy is None)
    if name.startswith(PREFIX):
        return PairsStrategy(problem, seed, Pairing.from_text(name))
    if name not in NAMES:
        raise InvalidInput(
            f"`strategy` must be one of {', '.join(NAMES)} or surrogate:NAME, got {strategy!r}."
        )
    if planner is None:
        raise _without_model(name)
    if name in LLAMBO:
        return _llambo(problem, name, seed, planner, referee)
    from ..planner.selftest import kept_result  # the strategies with a model are loaded only when used
    from .hybrid import Rules, TrialogueStrategy

    tested = kept_result(planner)
    rules = Rules(referee=referee_named(referee, prior_trust=tested.prior_trust if tested else 0.5))
    return TrialogueStrategy(problem, seed, planner=planner, engine=engine, rules=rules, by_name=by_name)


def _engine_for(
    problem: Problem, name: str, engine: Engine | None, options: EngineOptions | None,
    earlier: Sequence[EarlierStudy],
) -> Engine | None:  # fmt: skip
    """Return the engine that was given, or one made as name and ``options`` say, None for the usual one; raises
    InvalidInput for a strategy that takes neither."""
    surrogate = name.partition(":")[2] if name.startswith("surrogate:") else None
    usual = name in ("trialogue", "surrogate")
    if options is None and engine is not None and not usual:
        raise InvalidInput(
            f"strategy {name!r} brings its own engine; use 'trialogue' or 'surrogate' with `engine`."
        )
    if options is None and surrogate is None:
        return engine
    if surrogate is None and not usual:
        raise _without_engine(name)
    if options is not None and options.transfer and surrogate is not None:
        raise InvalidInput(
            f"`engine.transfer` needs the engine's own model; use strategy 'surrogate' instead of {name!r}."
        )
    return default_engine(problem, surrogate=surrogate, options=options, earlier=earlier)


def _llambo(
    problem: Problem, name: str, seed: int, planner: AbstractPlanner, referee: RefereeName | None
) -> AbstractStrategy:
    if referee is not None:
        raise InvalidInput(f"strategy {name!r} has no referee; leave out the planner's `referee`.")
    from .llambo import LlamboSettings, LlamboStrategy

    settings = LlamboSettings(mode="generative" if name == "llambo:generative" else "discriminative")
    return LlamboStrategy(problem, seed, planner=planner, settings=settings)


def _alternative(problem: Problem, name: str, seed: int) -> AbstractStrategy | None:
    """Return a strategy of ``alternatives/``; None for the name of another."""
    if name in ("mcts", "mcts:surrogate"):
        from .alternatives.tree_search import TreeSearchStrategy

        return TreeSearchStrategy(problem, seed, surrogate=name == "mcts:surrogate")
    if name == "random:ariel":
        from .alternatives.volumes import VolumeStrategy

        return VolumeStrategy(problem, seed)
    if name.partition(":")[0] in HALVING and name in NAMES:
        from .alternatives.halving import HalvingStrategy

        kind, _, how = name.partition(":")
        return HalvingStrategy(problem, seed, kind=kind, drawn=how == "random")
    if name == "pbt":
        from .alternatives.population import PopulationStrategy

        return PopulationStrategy(problem, seed)
    if name == "genetic":
        from .alternatives.genetic import GeneticStrategy

        return GeneticStrategy(problem, seed)
    if name in SELF_TUNING:
        from .alternatives.self_tuning import SelfTuningStrategy

        return SelfTuningStrategy(problem, seed, name)
    return None
