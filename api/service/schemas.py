"""What travels over HTTP: pydantic models of requests and answers. Never passed inwards: routes convert at the door.

Every text and list has a limit, so that a hostile body is refused before anything is built from it.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from ...agent.ledger.tell import NOTE_CHARACTERS
from ...evaluators.problems.problem import Problem
from ..study_files.study_file import Specification, parse_specification
from ..study_files.tables import StudySettings, StudyTable, Table, Whole

StudyName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._\-]*$")
]
"""Names made over HTTP are safe in URLs, file names and shells."""


def _storable(text: str) -> str:
    """Return text that every database takes: PostgreSQL has no NUL in text."""
    return text.replace("\x00", "\ufffd")


Text = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]
Line = Annotated[str, StringConstraints(max_length=300), AfterValidator(_storable)]
ParamValue = bool | int | float | str | None
"""Text may be as long as a body: a longer one is 413 for its length, whatever else it is."""
Params = Annotated[
    dict[Annotated[str, StringConstraints(max_length=100)], ParamValue], Field(max_length=1_000)
]
Numbers = Annotated[dict[Annotated[str, StringConstraints(max_length=200)], float], Field(max_length=1_000)]
Metrics = Annotated[
    dict[Annotated[str, StringConstraints(max_length=200)], ParamValue], Field(max_length=1_000)
]
StoredName = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_storable)]
"""A study that may have been made elsewhere."""
WorkerName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]


_NONE: dict[str, Any] = {"type": "null"}
_NO: dict[str, Any] = {"enum": [False, None]}


def _one_of(*ways: dict[str, Any]) -> dict[str, Any]:
    """Return in JSON Schema what a validator says: a body is one of these; what may be null may also be absent."""
    needed = [[key for key, rule in way.items() if rule not in (_NONE, _NO)] for way in ways]
    return {"oneOf": [{"required": keys, "properties": way} for keys, way in zip(needed, ways, strict=True)]}


class StudyBody(StudySettings):
    """A new study: ``name`` and ``problem``, or ``toml`` (a study file without ``[evaluator]``); and how it decides,
    which goes before what the file says."""

    model_config = ConfigDict(
        json_schema_extra=_one_of(
            {"problem": {"type": "object"}, "name": {"type": "string"}, "toml": _NONE},
            {"toml": {"type": "string"}, "problem": _NONE},
        )
    )
    name: StudyName | None = None
    problem: dict[str, Any] | None = None
    toml: str | None = None
    exist_ok: bool = False
    """Resume a study of that name when it has the same space, instead of refusing."""

    @model_validator(mode="after")
    def _one_source(self) -> "StudyBody":
        if (self.toml is None) == (self.problem is None):
            raise ValueError("give either `problem` (with `name`) or `toml`, and not both")
        if self.problem is not None and self.name is None:
            raise ValueError("`problem` needs a `name`")
        return self

    def specification(self) -> Specification:
        """Return what is asked for. Raises InvalidSpecification, InvalidProblem, InvalidSpace."""
        fields = {
            key: getattr(self, key) for key in StudySettings.model_fields.keys() & self.model_fields_set
        }
        if self.problem is not None and self.name is not None:
            settings = StudyTable().model_copy(update=fields)
            return Specification(self.name, Problem.from_dict(self.problem), settings)
        spec = parse_specification(self.toml or "", name=self.name)
        return replace(spec, settings=spec.settings.model_copy(update=fields))


class DraftBody(Table):
    """Words that shall become a specification."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=20_000), AfterValidator(_storable)]
    name: StudyName = "draft"


class AskBody(Table):
    """A request for trials. ``worker`` holds their leases and renews them; without it nobody needs to."""

    n: Whole = Field(1, ge=1, le=1_000)
    fixed: Params | None = None
    worker: WorkerName | None = None
    lease_s: float = Field(120.0, ge=1.0, le=86_400.0)


class MeasurementBody(Table):
    """One result: ``values`` holds one number per objective."""

    values: Annotated[list[float], Field(min_length=1, max_length=100)] | float
    sem: Annotated[list[float], Field(max_length=100)] | float | None = None
    constraints: Numbers = Field(default_factory=dict)
    metrics: Metrics = Field(default_factory=dict)
    seconds: float | None = Field(None, ge=0)
    cost: float | None = None


FailureKindBody = Literal[
    "crash", "timeout", "out_of_memory", "constraint", "invalid", "infrastructure", "lost"
]


class TellBody(Table):
    """How a trial ended: exactly one of the three. ``requeue``: its worker was interrupted; the configuration of the
    failed trial is queued again."""

    model_config = ConfigDict(
        json_schema_extra=_one_of(
            {"measurement": {"type": "object"}, "failed": _NONE, "pruned": _NO},
            {"failed": {"type": "string"}, "measurement": _NONE, "pruned": _NO},
            {"pruned": {"const": True}, "measurement": _NONE, "failed": _NONE},
        )
    )
    measurement: MeasurementBody | None = None
    failed: Text | None = None
    kind: FailureKindBody = "crash"
    pruned: bool | None = None
    requeue: bool = False

    @model_validator(mode="after")
    def _one_ending(self) -> "TellBody":
        if sum((self.measurement is not None, self.failed is not None, bool(self.pruned))) != 1:
            raise ValueError("give exactly one of `measurement`, `failed`, `pruned`")
        return self


class HeartbeatBody(Table):
    """A worker that still works on these trials."""

    worker: WorkerName
    numbers: Annotated[list[Annotated[Whole, Field(ge=0, le=2**31 - 1)]], Field(max_length=1_000)]
    lease_s: float = Field(120.0, ge=1.0, le=86_400.0)


class ReportBody(Table):
    """An intermediate value of a running trial."""

    step: Whole = Field(ge=0, lt=2**31)
    value: float


class ParamsBody(Table):
    """A configuration."""

    params: Params
    reason: Text = ""


class ReasonBody(Table):
    """Why."""

    reason: Text = ""


class NoteBody(Table):
    """The note of the study, or of one trial, in place of the last one; an empty text takes it away."""

    text: Annotated[str, StringConstraints(max_length=NOTE_CHARACTERS)]
    trial: Whole | None = Field(None, ge=0, le=2**31 - 1)


class FinishedRow(Table):
    """A result from elsewhere."""

    params: Params
    measurement: MeasurementBody


class AddBody(Table):
    """Results from elsewhere."""

    rows: Annotated[list[FinishedRow], Field(min_length=1, max_length=10_000)]


class PredictBody(Table):
    """Where to look."""

    params: Params


class OrderBody(Table):
    """How many more trials the workers may run."""

    n: Whole = Field(ge=1, le=1_000_000)


class VerifyBody(Table):
    """What to verify: null is the best trial, and the default configuration. ``least``: the smallest gain that counts, as
    a ratio where all results are positive, else as a difference."""

    candidate: Whole | None = Field(None, ge=0, le=2**31 - 1)
    against: Whole | None = Field(None, ge=0, le=2**31 - 1)
    objective: Whole = Field(0, ge=0, le=100)
    pairs: Whole = Field(20, ge=5, le=1_000)
    least: float | None = None


class ForkBody(Table):
    """A new study with these trials and another problem (None: the same)."""

    name: StudyName
    problem: dict[str, Any] | None = None


class SayBody(Table):
    """A message to the chat: words, or a command that begins with a slash."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=20_000), AfterValidator(_storable)]


class DecisionBody(Table):
    """A person's word on one request for approval."""

    type: Literal["approve", "edit", "reject"]
    arguments: dict[str, Any] | None = None
    message: Text = ""


class DecisionsBody(Table):
    """A word on each open request, in order."""

    decisions: Annotated[list[DecisionBody], Field(min_length=1, max_length=50)]


class KeyBody(Table):
    """A new API key."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    scope: Literal["read", "write", "admin"] = "write"
    studies: Annotated[list[StoredName], Field(max_length=10_000)] | None = None
    requests_per_minute: Whole | None = Field(None, ge=1, le=2**31 - 1)
    asks_per_day: Whole | None = Field(None, ge=0, le=2**53)
    tokens_per_day: Whole | None = Field(None, ge=0, le=2**53)
