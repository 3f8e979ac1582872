"""The seams of the agent: what a planner, a referee and a strategy must guarantee. Suites: ``tests/contracts``.

A strategy decides the next trials; ours asks a planner for proposals and lets a referee check them against the engine.
None of them writes to the ledger: they return values, and the study records them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from ..evaluators.problems.history import History, Params, Proposal, Value
from ..evaluators.problems.problem import Problem
from ..surrogates.contracts import Belief, Prediction, Suggestion
from .budget import Budget, Spent

Outcome = Literal[
    "ok", "invalid", "abstained", "timeout", "refused", "unreachable", "over_budget", "unbounded"
]
"""``"unbounded"``: the server let the model write far more than it was allowed to."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call of a language model. Tokens as the server counted them; ``price`` in US dollars where known."""

    model: str
    purpose: str
    prompt_hash: str
    outcome: Outcome
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_s: float = 0.0
    price: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class PlanRequest:
    """What a planner is asked for. ``suggestion``: the engine's own next point, which may be shown to a model.

    ``rng`` belongs to the planner alone; ``deadline_s`` bounds the whole call; ``tokens_left``, ``calls_left`` (1 or
    more), ``price_left`` (US dollars): None is unlimited.
    ``knowledge``: facts from elsewhere (earlier studies, scaling laws), one line each, for planners that read text.
    ``variants``: which variant of its instruction the planner's trials came from, by the key of their configuration.
    ``memory``: the last ``PlanAnswer.memory`` of this study. ``repairs``: whether a bad answer is worth a second try.
    """

    history: History
    n: int
    purpose: Literal["warm_start", "candidates"]
    rng: np.random.Generator
    belief: Belief | None = None
    suggestion: Suggestion | None = None
    deadline_s: float = 60.0
    tokens_left: int | None = None
    calls_left: int | None = None
    price_left: float | None = None
    knowledge: tuple[str, ...] = ()
    variants: Mapping[str, int] = field(default_factory=dict)
    memory: str = ""
    repairs: bool = True


@dataclass(frozen=True)
class PlanAnswer:
    """Valid, distinct, untried proposals (possibly none), the calls they cost, and what went wrong in words.

    ``memory``: what the planner wants to be given again, after a restart too; empty: nothing new.
    """

    proposals: tuple[Proposal, ...] = ()
    calls: tuple[CallRecord, ...] = ()
    notes: tuple[str, ...] = ()
    abstained: bool = False
    memory: str = ""


class AbstractRules(Protocol):
    """What a planner said will fail, and how far that is believed."""

    def doubt(self, params: Params, history: History) -> tuple[float, str]:
        """Return the probability that ``params`` fail because of a rule that came true, and the rule; (0, "")."""
        ...


@runtime_checkable
class AbstractPlanner(Protocol):
    """Proposes configurations. Never raises for what a model or a network does wrong: the answer is then empty.

    Shareable: ``propose`` changes nothing of the planner, so that several studies and threads may use one, and what
    must be remembered of a study goes out in ``PlanAnswer.memory`` and comes back in ``PlanRequest.memory``. A planner
    of one's own derives from this class, which has a sensible answer for all but ``name`` and ``propose``.
    """

    @property
    def name(self) -> str:
        """What the ledger calls this planner."""
        ...

    @property
    def address(self) -> str:
        """What is known of this planner is kept under this text (``agent/planner/selftest.py``)."""
        return self.name

    @property
    def timeout_s(self) -> float:
        """Seconds that one call of ``propose`` may take."""
        return 60.0

    @property
    def proposes_known(self) -> bool:
        """Whether it proposes what is known by name, and so is asked during the initial design."""
        return False

    def propose(self, request: PlanRequest) -> PlanAnswer:
        """Return up to ``request.n`` proposals."""
        ...

    def recall(self, memory: str, problem: Problem) -> AbstractRules | None:
        """Return the rules in a study's ``memory`` of this planner; None where it makes none."""
        return None

    def close(self) -> None:
        """End what this planner started (a server); fine to call twice. It is not asked again."""
        return


@dataclass(frozen=True)
class Verdict:
    """The referee's answer to one proposal: kept or rejected, in words, with the gap to the engine's own optimum
    (``log_acquisition`` of the optimum minus that of the proposal; NaN where nothing was modelled).

    ``checked``: whether the engine's belief was allowed to say no.
    """

    proposal: Proposal
    kept: bool
    reason: str
    gap: float = float("nan")
    prediction: Prediction | None = None
    checked: bool = True


@dataclass(frozen=True)
class Case:
    """Proposals to be judged, and all that may be known of them: the engine's ``belief`` given ``history``, and what it
    would run itself. ``earlier``: what was proposed before, run or not."""

    proposals: Sequence[Proposal]
    belief: Belief
    suggestion: Suggestion
    history: History
    earlier: Sequence[Proposal] = ()


class AbstractReferee(Protocol):
    """Decides which proposals may be run. Pure: all it knows is in the case."""

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Return one verdict per proposal, in order."""
        ...


Result = Outcome | Literal["nothing"]
"""What came of asking a planner: proposals; none by its own will; none, which says nothing of later; or a fault."""


def result_of(answer: PlanAnswer, *, early: bool = False) -> Result:
    """Return what came of asking. ``early``: before there is a model, to have no idea says nothing of later."""
    if answer.proposals:
        return "ok"
    if answer.abstained:
        return "nothing" if early else "abstained"
    last = answer.calls[-1].outcome if answer.calls else "ok"
    return "nothing" if last in ("ok", "abstained") else last


@dataclass(frozen=True, slots=True)
class Asked:
    """That a planner was asked for a decision, and what came of it: all that a resumed study must remember of it."""

    index: int
    result: Result
    memory: str = ""


@dataclass(frozen=True)
class Past:
    """What a study remembers of one earlier decision: whether a planner was asked, and every verdict."""

    asked: Asked | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Decision:
    """A trial to run and everything the ledger keeps of why.

    ``source``: who proposed it (``"surrogate"``, ``"default"``, ``"initial_design"``, ``"planner:<name>"``, ``"user"``,
    ``"random"``). ``verdict``: ``"own"`` (nobody else proposed), ``"kept"`` (a planner's, checked), ``"unchecked"`` (a
    planner's warm start), ``"replaced"`` (proposals were rejected) or ``"fallback"`` (the planner failed).
    """

    params: Params
    source: str
    reason: str
    verdict: str
    prediction: Prediction | None = None
    hypothesis: str = ""
    tokens: int = 0
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    asked: Asked | None = None


@dataclass(frozen=True)
class Ask:
    """One request for trials. ``index``: how many trials were asked for before, which selects the random streams.

    ``past``: earlier decisions in which a planner had a part, oldest first, whoever made them; None where nobody keeps
    them, and the strategy must remember its own. ``limits``: what the study may use, of which ``spent`` is used.
    ``knowledge``: facts from elsewhere (earlier studies), one line each, for planners that read text.
    """

    history: History
    index: int
    n: int = 1
    fixed: Mapping[str, Value] | None = None
    spent: Spent = field(default_factory=Spent)
    past: Sequence[Past] | None = None
    limits: Budget = field(default_factory=Budget)
    knowledge: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a strategy wants to run, and the model calls it made to decide."""

    decisions: tuple[Decision, ...]
    calls: tuple[CallRecord, ...] = ()


@runtime_checkable
class AbstractStrategy(Protocol):
    """Decides the next trials. Raises SpaceExhausted when nothing is left; never for what a model does."""

    name: str

    def plan(self, ask: Ask) -> Plan:
        """Return ``ask.n`` decisions with distinct configurations, none tried or running unless the reason says so."""
        ...
