"""What a study file may say: one pydantic model for TOML, HTTP, MCP and chat. Decides nothing and opens nothing.

**To add a key** to ``[study]``, add a field to ``StudySettings``; the file, the HTTP body, their messages and the
OpenAPI document have it from then on. **To add a table**, say ``[engine]``, write its model here and add a field of
that type to ``StudySettings``: in a file it may stand as ``[engine]`` or ``[study.engine]``, in an HTTP body as
``"engine": {…}``. ``Specification.open`` in ``study_file.py`` hands it to the study: one more argument there.
A field's docstring is its documentation: unit, range and what happens without it.
"""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ...agent.budget import Budget
from ...agent.certainty.pairing import PREFIX
from ...agent.engine_options import MOST_EARLIER, Coreset, Design, EngineOptions, Replicates
from ...agent.planner.specification import PlannerText
from ...agent.protocol import StudyProtocol
from ...agent.proxy import ProxyOptions
from ...evaluators.spaces.base import finite_number
from ...serving.errors import InvalidInput

DEEPEST = 40
"""Values inside of values; a problem's deepest has 8."""


def _whole(value: Any) -> Any:  # Any: what TOML and JSON can say
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer; JSON knows no other, so 3.0 is 3."""
Words = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Seed = Annotated[Whole, Field(ge=0, lt=2**63)]


class Table(BaseModel):
    """Root of all tables, and of all bodies over HTTP: an unknown key is refused, so that a misspelt one is not ignored;
    ``"3"`` is no number; and nothing is let in that JSON, a database or a number of this machine cannot hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, table: Any) -> Any:  # Any: what TOML and JSON can say
        check_plain(table)
        return table


def check_plain(value: object, place: tuple[str, ...] = ()) -> None:
    """Raise ValueError for a number that is none or too large for a float, for half of a surrogate pair, and for what is
    nested too deeply."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise _wrong(place, "text without halves of surrogate pairs")
    elif isinstance(value, int | float):
        if finite_number(value) is None and not isinstance(value, bool):
            raise _wrong(place, "a finite number, not larger than a float can be")
    elif isinstance(value, dict | list):
        if len(place) >= DEEPEST:
            raise _wrong(place[:3], f"nested at most {DEEPEST} deep")
        if isinstance(value, dict):
            check_plain(list(value), (*place, "names"))
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            check_plain(inner, (*place, str(key)))


def _wrong(place: tuple[str, ...], rule: str) -> ValueError:
    return ValueError(f"{'.'.join(place)!a} must be {rule}")


AT_ODDS = "at_odds"


def at_odds(words: str) -> PydanticCustomError:
    """Return the error for a value that its schema allows and a rule beyond it does not: over HTTP it is told apart."""
    return PydanticCustomError(AT_ODDS, "{words}", {"words": words})


class BudgetTable(Table):
    """Limits of a study; a limit that is absent or null does not exist."""

    trials: Annotated[Whole, Field(ge=0, le=10**9)] | None = None
    """Trials asked for, whatever became of them; lost ones and added results do not count."""
    seconds: Annotated[float, Field(ge=0, le=1e12)] | None = None
    """Seconds of evaluation, summed over trials."""
    tokens: Annotated[Whole, Field(ge=0, le=10**15)] | None = None
    """Of model calls; then the surrogate goes on alone."""
    calls: Annotated[Whole, Field(ge=0, le=10**12)] | None = None
    """Model calls."""
    price: Annotated[float, Field(ge=0, le=1e12)] | None = None
    """US dollars for model calls."""

    def budget(self) -> Budget:
        """Return the limits as the study takes them."""
        return Budget(**self.model_dump())


class EngineTable(Table):
    """Choices of the surrogate's side; what is absent or null is as usual."""

    design: Design | None = None
    """How the first trials are placed: integrated (the default), dpp, volume or ariel."""
    design_trials: Annotated[Whole, Field(ge=1, le=1000)] | None = None
    """How many first trials there are, the default configuration included. 3."""
    coreset: Coreset | None = None
    """Which rows of a history of more than 320 are trained on: usual (the default) or sensitivity."""
    replicates: Replicates | None = None
    """When a configuration is measured again: gain (the default), variance or never."""
    subspace: Annotated[Whole, Field(ge=1, le=1000)] | None = None
    """Dimensions of a random subspace through the default, in which alone is searched. The whole space."""
    transfer: Annotated[list[Words], Field(max_length=MOST_EARLIER)] | None = None
    """Studies of the same database whose trials the model learns from, as far as they had ended."""

    def options(self) -> EngineOptions:
        """Return the choices as the study takes them."""
        fields = self.model_dump(exclude={"transfer"})
        return EngineOptions(**fields, transfer=None if self.transfer is None else tuple(self.transfer))


class SeedsTable(Table):
    """Seeds of evaluations."""

    tuning: Annotated[list[Seed], Field(max_length=1000)] = []
    """Each configuration is measured on all of them. None: each trial has a seed of its own."""
    test: Annotated[list[Seed], Field(max_length=1000)] = []
    """The winner is measured on them by ``trialogue test``."""


class DataTable(Table):
    """Data that the evaluator knows by name: ``run.data``, ``{data}``."""

    tuning: Annotated[list[Words], Field(max_length=1000)] = []
    """Each configuration is measured on all of them."""
    test: Annotated[list[Words], Field(max_length=1000)] = []
    """The winner is measured on them by ``trialogue test``."""


class ProtocolTable(Table):
    """What results are made on and used for."""

    seeds: SeedsTable | None = None
    """Seeds to tune on, and others to test on."""
    data: DataTable | None = None
    """Data to tune on, and others to test on."""
    choose: Words | None = None
    """Which trial is the winner: best (the default), robust, or robust:0.1, a quantile over what is around it."""
    only: Annotated[list[Words], Field(max_length=1000)] | None = None
    """The parameters that are searched for now; the others stand at the winner's values. All."""
    stop: Annotated[list[Words], Field(max_length=100)] | None = None
    """Limits on reported metrics that end a trial early: "memory_gb <= 80", "accuracy >= 0.2 from 5" (from that step on)."""

    @model_validator(mode="after")
    def _told_apart(self) -> "ProtocolTable":
        try:
            self.protocol()
        except InvalidInput as error:
            raise at_odds(str(error).rstrip(".")) from None
        return self

    def protocol(self) -> StudyProtocol:
        """Return it as the study takes it."""
        return StudyProtocol(**self.model_dump(exclude_none=True))


class ProxyTable(Table):
    """A network that answers for the evaluator where ``trialogue run`` or ``Study.run`` works on the study."""

    accuracy: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """The error that is allowed, as a share of the spread of what was measured."""

    def options(self) -> ProxyOptions:
        """Return it as the study takes it."""
        return ProxyOptions(self.accuracy)


def _planner_as_text(planner: Any) -> Any:  # Any: what TOML and JSON can say
    if not isinstance(planner, dict):
        return planner
    try:
        return PlannerText.from_table(planner).to_text()
    except InvalidInput as error:
        raise ValueError(str(error).rstrip(".")) from None


class StudySettings(Table):
    """How a study decides: keys of ``[study]`` in a file, of the body over HTTP."""

    seed: Seed | None = None
    """The same seed and the same results give the same trials. 0 for a new study."""
    planner: Annotated[Words, BeforeValidator(_planner_as_text)] | None = None
    """Who proposes: embedded, http://HOST:PORT/v1[#MODEL], vllm:MODEL, llama:MODEL, or nobody; or a table of ``spec``, one
    of these, ``history`` (which trials a model is shown), ``instructions`` (how its paraphrases are used) and ``referee``
    (who judges what it proposes: trust, slack or conformal)."""
    strategy: Words | None = None
    """How it decides: trialogue, surrogate, surrogate:NAME, asha, hyperband, llambo, random, …."""
    budget: BudgetTable | None = None
    """What the study may use."""
    engine: EngineTable | None = None
    """What is chosen of the surrogate's side."""
    proxy: ProxyTable | None = None
    """A network in the evaluator's place, once it is accurate; absent: every trial is evaluated."""
    protocol: ProtocolTable | None = None
    """On which seeds and data results are made."""

    @field_validator("strategy")
    @classmethod
    def _no_pairs(cls, strategy: str | None) -> str | None:
        if strategy is not None and strategy.startswith(PREFIX):
            raise at_odds("`strategy` must be one that searches; a verification is opened by `verify`")
        return strategy


class StudyTable(StudySettings):
    """``[study]`` of a file."""

    name: Words | None = None
    """The study's name in its database; without it the problem's, or the file's."""
    storage: Words | None = None
    """``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``."""


class ProblemTable(Table):
    """``[problem]`` of a file; the space stands in ``[parameters.NAME]``."""

    name: Words | None = None
    description: str = ""
    """What is tuned, in words; the model reads it."""
    objectives: list[dict[str, Any]] | None = None
    """One or more of ``{ name, direction, unit, description }``."""
    constraints: list[str | dict[str, Any]] = []
    """Limits on measured numbers: ``"fit_s <= 2"`` or ``{ name, upper, lower, unit }``."""
    where: list[str] = []
    """Relations between parameters: ``"low <= high"``."""
    context: dict[str, Any] = {}
    """Facts about the task; the model reads them."""


class GroupTable(Table):
    """One group of those that data are bought for."""

    cost: Annotated[float, Field(gt=0, le=1e12)] = 1.0
    """Of a sample."""
    weight: Annotated[float, Field(gt=0, le=1e12)] = 1.0
    """Of its error."""


class GroupsTable(Table):
    """A budget of training data over groups."""

    total: Annotated[float, Field(gt=0, le=1e12)]
    """The budget, in units of cost."""
    of: Annotated[dict[Words, GroupTable], Field(min_length=2, max_length=1000)]
    """The groups by name."""
    power: Annotated[float, Field(ge=1, le=100)] = 1.0
    """1: the weighted mean error; a larger one cares more for the worst group."""
    pilot: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the budget that is split evenly at first."""
    rounds: Annotated[Whole, Field(ge=1, le=100)] = 4
    """Rounds of fitting learning curves and buying."""


class StudyFile(Table):
    """A whole file."""

    study: StudyTable = StudyTable()
    problem: ProblemTable = ProblemTable()
    parameters: dict[str, dict[str, Any]] = {}
    """``[parameters.NAME]``: see ``evaluators/spaces/schema.py``."""
    fidelity: dict[str, Any] | None = None
    """``{ name, low, high, eta }``: the parameter that says how much of the task is done, for asha and hyperband."""
    groups: GroupsTable | None = None
    """Groups over which a budget of training data is split; the evaluator is asked for one of them at a time."""
    evaluator: dict[str, Any] | None = None
    """Exactly one of the kinds of ``evaluators.py``; refused where nothing may be run."""

    @model_validator(mode="before")
    @classmethod
    def _tables_of_the_study(cls, plain: Any) -> Any:  # Any: what TOML can say
        """Take ``[budget]`` for ``[study.budget]``, and so every table that is a setting of the study."""
        if not isinstance(plain, dict) or not isinstance(plain.get("study", {}), dict):
            return plain
        names = {key for key in plain if key in StudySettings.model_fields and key not in cls.model_fields}
        rest = {key: value for key, value in plain.items() if key not in names}
        return rest | {"study": plain.get("study", {}) | {key: plain[key] for key in names}}
