"""Planners and strategies by the names that users give them. Each is loaded only when it is named.

Strategies: ``"trialogue"`` asks a planner and lets the referee check it (``hybrid.py``), ``"surrogate"`` is the
engine alone (``"surrogate:forest"``: with that model of the objective, see ``surrogates/alternatives/``), ``"llambo"``
is LLAMBO as published (``llambo.py``), ``"random"`` is the control that everything must beat; ``"mcts"`` and the like
stand in ``alternatives/``.
"""

from ...evaluators.problems.problem import Problem
from ...serving.errors import InvalidInput
from ...surrogates.contracts import Engine
from ..budget import Budget
from ..certainty.pairing import PREFIX, Pairing
from ..contracts import AbstractPlanner, AbstractStrategy
from ..planner.planner import Planner
from .pairs import PairsStrategy
from .simple import RandomStrategy, SurrogateStrategy, default_engine

NAMES = ("trialogue", "surrogate", "llambo", "random", "mcts", "mcts:surrogate")
"""Strategies that can be named."""
NEEDS_MODEL = ("trialogue", "llambo")


def planner_from(spec: object) -> AbstractPlanner | None:
    """Return the planner that ``spec`` names: None, ``"embedded"``, a base URL, ``"vllm:MODEL"``, or a planner
    itself."""
    if spec is None:
        return None
    if not isinstance(spec, str):
        if not callable(getattr(spec, "propose", None)):
            raise InvalidInput(f"`planner` must be None, a text or have a method `propose`, got {spec!r}.")
        return spec  # pyright: ignore[reportReturnType]: it has what the protocol asks for
    if spec == "embedded":
        from ..planner.embedded import EmbeddedPlanner  # transformers and torch are loaded only for this one

        return EmbeddedPlanner()
    if spec.startswith("vllm:") and len(spec) > 5:
        from ..planner.vllm import vllm_planner  # starts a server

        return vllm_planner(spec.removeprefix("vllm:"))
    if spec.startswith(("http://", "https://")):
        return Planner(spec)
    raise InvalidInput(
        f"`planner` must be None, 'embedded', 'http://…/v1' (optionally '#model') or 'vllm:MODEL', got {spec!r}."
    )


def strategy_for(
    problem: Problem,
    *,
    seed: int,
    planner: AbstractPlanner | None = None,
    strategy: str | None = None,
    budget: Budget | None = None,
    engine: Engine | None = None,
    by_name: bool = True,
) -> AbstractStrategy:
    """Return the strategy of that name; None means ``"trialogue"`` with a planner and without one the engine, both with
    what is known of parameters by name unless ``by_name`` is False. ``"surrogate"`` is the engine alone. ``engine``: used
    in place of the usual one."""
    name = strategy or ("trialogue" if planner is not None else "surrogate")
    if engine is not None and name not in ("trialogue", "surrogate"):
        raise InvalidInput(
            f"strategy {name!r} brings its own engine; use 'trialogue' or 'surrogate' with `engine`."
        )
    if name == "random":
        return RandomStrategy(problem, seed)
    if name in ("mcts", "mcts:surrogate"):
        from .alternatives.tree_search import TreeSearchStrategy

        return TreeSearchStrategy(problem, seed, surrogate=name == "mcts:surrogate")
    if name == "surrogate":
        return SurrogateStrategy(problem, seed, engine=engine, by_name=by_name and strategy is None)
    if name.startswith("surrogate:"):
        engine = default_engine(problem, surrogate=name.removeprefix("surrogate:"))
        return SurrogateStrategy(problem, seed, engine=engine)
    if name.startswith(PREFIX):
        return PairsStrategy(problem, seed, Pairing.from_text(name))
    if name not in NAMES:
        raise InvalidInput(
            f"`strategy` must be one of {', '.join(NAMES)} or surrogate:NAME, got {strategy!r}."
        )
    if planner is None:
        raise InvalidInput(
            f"strategy {name!r} needs a model, got planner=None; "
            "give `planner='embedded'` or an endpoint, or use strategy 'surrogate'."
        )
    if name == "llambo":
        from .llambo import LlamboStrategy  # the strategies with a model are loaded only when used

        return LlamboStrategy(problem, seed, planner=planner)
    from ..planner.selftest import kept_result
    from ..referee.referee import TrustReferee
    from .hybrid import Rules, TrialogueStrategy

    tested = kept_result(planner)
    rules = Rules() if tested is None else Rules(referee=TrustReferee(prior=tested.prior_trust))
    return TrialogueStrategy(
        problem, seed, planner=planner, budget=budget, engine=engine, rules=rules, by_name=by_name
    )
