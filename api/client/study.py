"""A study behind a service: ``RemoteStudy`` does over HTTP what ``Study`` does on a database, and passes the same suite.

Evaluations run here, never on the server. Threads may share one; in another process it connects anew. What becomes of
requests on a bad network stands in ``connection.py``. Knows nothing of databases.
"""

import secrets
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from os import environ, getpid
from typing import Any, Self, overload
from urllib.parse import quote

from ...agent.budget import Budget
from ...agent.certainty.of_study import outcome_of
from ...agent.certainty.pairing import Pairing
from ...agent.certainty.verdict import Certified
from ...agent.contracts import Spent
from ...agent.errors import ResultConflict
from ...agent.ledger.events import Event
from ...agent.ledger.leases import LEASE_S, Lease
from ...agent.ledger.records import (
    Ending,
    Failure,
    Pruned,
    TrialRecord,
    ending_of,
    ending_to_json,
    prediction_from_json,
)
from ...agent.protocol import StudyProtocol
from ...agent.study.loop import Loop, RunEnd
from ...agent.study.trial import Trial
from ...evaluators.errors import EvaluationFailed, FailureKind
from ...evaluators.problems.history import Params, Value
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from ...surrogates.contracts import Prediction
from .connection import Connection

RETRY_S = 60.0
"""How long a request is tried again while the server is away: it comes back by itself."""
PAGE = 1_000


class RemoteStudy:
    """A study on a server. Creates it there, or resumes the one of that name.

    ``problem``: None opens what is there under ``name``, as ``load`` does. ``url``: the server's address, with its
    prefix. ``api_key``: else TRIALOGUE_API_KEY. Other arguments: as ``Study``.
    """

    def __init__(
        self,
        problem: Problem | None,
        *,
        url: str,
        name: str | None = None,
        api_key: str | None = None,
        seed: int | None = None,
        planner: str | None = None,
        budget: Budget | None = None,
        strategy: str | None = None,
        protocol: StudyProtocol | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        limits = None if budget is None else budget.to_dict()
        options = {"seed": seed, "planner": planner, "budget": limits, "strategy": strategy}
        options["protocol"] = None if protocol is None else protocol.to_dict()
        self.name = _name_of(problem, name, options)
        self.worker = f"{socket.gethostname()}:{getpid()}:{secrets.token_hex(3)}"
        self._connection = Connection(url, api_key or environ.get("TRIALOGUE_API_KEY"), retry_s)
        self._view = self._call("GET", "") if problem is None else self._create(problem, options)
        self.problem = Problem.from_dict(self._view["problem"])

    def _create(self, problem: Problem, chosen: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"name": self.name, "problem": problem.to_dict(), "exist_ok": True}
        return self._connection.call("POST", "v1/studies", {**body, **chosen})

    @classmethod
    def load(cls, name: str, *, url: str, api_key: str | None = None, retry_s: float = RETRY_S) -> Self:
        """Return the study of that name. Raises StudyNotFound."""
        return cls(None, name=name, url=url, api_key=api_key, retry_s=retry_s)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self._connection.call(method, f"v1/studies/{quote(self.name, safe='')}{path}", body, query)

    @property
    def seed(self) -> int:
        """The seed from which the study's random streams derive."""
        return self._view["seed"]

    @property
    def protocol(self) -> StudyProtocol:
        """On which seeds and data the study tunes and tests."""
        return StudyProtocol.stored(self._view)

    @property
    def lineage(self) -> Mapping[str, Any] | None:
        """Where a fork comes from, or None."""
        return self._view["lineage"]

    @property
    def budget(self) -> Budget:
        """The study's limits, as they are now."""
        return Budget(**self._call("GET", "")["budget"])

    @budget.setter
    def budget(self, budget: Budget) -> None:
        self._call("PUT", "/budget", budget.to_dict())

    @property
    def spent(self) -> Spent:
        """Model calls, tokens and money used so far."""
        return Spent(**self._call("GET", "")["spent"])

    @overload
    def ask(self, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None) -> Trial: ...

    @overload
    def ask(
        self, n: int, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None
    ) -> list[Trial]: ...

    def ask(
        self, n: int | None = None, *, fixed: Mapping[str, Value] | None = None, lease: Lease | None = None
    ) -> Trial | list[Trial]:
        """Return the next trial or trials, as ``Study.ask`` does. With a ``lease`` it must be renewed."""
        lease_body = (
            {}
            if lease is None
            else {"worker": self.worker, "lease_s": max(1.0, lease.expires_at - time.time())}
        )
        body = {"n": 1 if n is None else n, "fixed": None if fixed is None else dict(fixed), **lease_body}
        views = self._call("POST", "/ask", body)["trials"]
        trials = [Trial(record_from_view(view), self.report) for view in views]
        return trials[0] if n is None else trials

    def tell(
        self,
        trial: "Trial | TrialRecord | int",
        value: float | Sequence[float] | Measurement | None = None,
        *,
        failed: str | EvaluationFailed | None = None,
        kind: FailureKind = "crash",
        pruned: bool = False,
    ) -> TrialRecord:
        """Record how a trial ended, as ``Study.tell`` does."""
        number = trial if isinstance(trial, int) else trial.number
        return self.finish(number, ending_of(self.problem, value, failed, kind, pruned))

    def finish(self, number: int, ending: Ending | None, *, requeue: bool = False) -> TrialRecord:
        """Record an ending as a value; None: pruned at its last report. ``requeue``: as ``Study.finish``."""
        match ending:
            case Measurement():
                body: dict[str, Any] = {"measurement": ending_to_json(ending)}
            case Failure():
                body = {"failed": ending.reason, "kind": ending.kind, "requeue": requeue}
            case Pruned() | None:
                body = {"pruned": True}
        return record_from_view(self._call("POST", f"/trials/{number}/tell", body))

    def report(self, number: int, step: int, value: float) -> bool:
        """Record an intermediate value; return whether to stop: the pruner says so, or nobody waits for the trial."""
        try:
            return self._call("POST", f"/trials/{number}/report", {"step": step, "value": value})["stop"]
        except ResultConflict:
            return True

    def renew(self, numbers: list[int], lasts_s: float = LEASE_S) -> None:
        """Renew the leases on the trials this worker runs."""
        self._call("POST", "/heartbeat", {"worker": self.worker, "numbers": numbers, "lease_s": lasts_s})

    def reporter(self, number: int) -> "RemoteReporter":
        """Return what an evaluation reports to; it can be sent to another process."""
        return RemoteReporter(self, number)

    def run(
        self, evaluate: Any, n_trials: int | None = None, seconds: float | None = None, **options: Any
    ) -> RunEnd:
        """Ask the server, evaluate here, tell the server, until something ends it; options as ``Study.run``."""
        return Loop(self, evaluate, n_trials=n_trials, seconds=seconds, **options).go()

    def verify(
        self,
        evaluate: Any,
        candidate: int | None = None,
        *,
        against: int | None = None,
        pairs: int = 20,
        least: float | None = None,
        **options: Any,
    ) -> Certified:
        """Run the best trial and the default (or two others) anew, in turns, here; as ``Study.verify``."""
        body = {"candidate": candidate, "against": against, "pairs": pairs, "least": least}
        answer = self._call("POST", "/verify", body)
        pairing = Pairing.from_text(answer["pairing"])
        if answer["recommendation"] == "no change" and not answer["pairs"]:
            return Certified(pairing, "no change", answer["reason"], searched=answer["searched"])
        door = self._connection
        opened = RemoteStudy.load(pairing.name, url=door.url, api_key=door.api_key, retry_s=door.retry_s)
        opened.run(evaluate, **options)
        return outcome_of(self.problem, opened.trials, pairing)

    def enqueue(self, params: Params, *, reason: str = "enqueued by the user") -> None:
        """Put a configuration before everything the strategy would do."""
        self._call("POST", "/enqueue", {"params": dict(params), "reason": reason})

    def add(self, params: Params, value: float | Sequence[float] | Measurement) -> TrialRecord:
        """Record a finished result from elsewhere."""
        return self.trial(self.add_many([(params, value)])[0])

    def add_many(self, rows: Iterable[tuple[Params, "float | Sequence[float] | Measurement"]]) -> list[int]:
        """Record finished results from elsewhere: all of them or none."""
        measured = [
            (p, self.problem.check(v if isinstance(v, Measurement) else Measurement(v))) for p, v in rows
        ]
        body = [{"params": dict(p), "measurement": ending_to_json(m)} for p, m in measured]
        return self._call("POST", "/add", {"rows": body})["numbers"]

    def exclude(self, number: int, reason: str) -> None:
        """Leave a trial out of everything that is learnt, and say why."""
        self._call("POST", f"/trials/{number}/exclude", {"reason": reason})

    def restore(self, number: int) -> None:
        """Let an excluded trial count again."""
        self._call("POST", f"/trials/{number}/restore", {})

    def note(self, text: str, *, trial_number: int | None = None) -> str:
        """Write the note of the study, or of a trial, in place of the last one; no words take it away."""
        return self._call("POST", "/note", {"text": text, "trial": trial_number})["text"]

    def fork(
        self, name: str, *, space: SearchSpace | None = None, problem: Problem | None = None
    ) -> "RemoteStudy":
        """Return a new study in a changed space (or problem), with the trials that fit in it."""
        plain = (problem or self.problem).to_dict()
        if space is not None:
            plain["space"] = space.to_dict()
        self._call("POST", "/fork", {"name": name, "problem": plain})
        door = self._connection
        return RemoteStudy.load(name, url=door.url, api_key=door.api_key, retry_s=door.retry_s)

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials by number."""
        records: list[TrialRecord] = []
        after: int | None = 0
        while after is not None:
            page = self._call("GET", "/trials", order="number", limit=PAGE, after=after)
            records += map(record_from_view, page["items"])
            after = page["next"]
        return tuple(records)

    def trial(self, number: int) -> TrialRecord:
        """Return one trial; raises TrialNotFound."""
        return record_from_view(self._call("GET", f"/trials/{number}"))

    @property
    def best_trial(self) -> TrialRecord:
        """The best feasible finished trial; raises NoFeasibleTrial."""
        return record_from_view(self._call("GET", "/best"))

    @property
    def pareto_front(self) -> tuple[TrialRecord, ...]:
        """The feasible trials that no other beats in every objective."""
        return tuple(record_from_view(v) for v in self._call("GET", "/pareto")["items"])

    def events(self, after: int = 0, *, limit: int = 1000) -> tuple[Event, ...]:
        """Return what happened after event number ``after``, oldest first."""
        items = self._call("GET", "/log", after=after, limit=limit)["items"]
        return tuple(Event(**item) for item in items)

    def certainty(self) -> Mapping[str, Any] | None:
        """Return what is certain about the best trial: its verifications, the noise, its luck."""
        return self._call("GET", "/certainty")

    def predict(self, params: Params) -> Prediction | None:
        """Return what the surrogate believes of a configuration; None while there is too little to model."""
        return prediction_from_json(self._call("POST", "/predict", {"params": dict(params)})["prediction"])


def _name_of(problem: Problem | None, name: str | None, chosen: Mapping[str, Any]) -> str:
    if problem is not None:
        return name or problem.name
    names = sorted(key for key, value in chosen.items() if value is not None)
    if name is None or names:
        raise InvalidInput(
            "a study without a problem is the one on the server, as it is there: give its `name`, got "
            f"{name!r}, and leave out what is decided there, got {', '.join(names) or 'nothing'}."
        )
    return name


class RemoteReporter:
    """Reports of one trial to the server, from this process or another."""

    def __init__(self, study: RemoteStudy, number: int) -> None:
        self._study, self._number = study, number

    def __call__(self, step: int, value: float) -> bool:
        """Report; return whether to stop."""
        return self._study.report(self._number, step, value)

    def __reduce__(self) -> tuple[Any, ...]:
        door = self._study._connection
        return _reporter_elsewhere, (self._study.name, door.url, door.api_key, self._number)


def _reporter_elsewhere(name: str, url: str, api_key: str | None, number: int) -> RemoteReporter:
    return RemoteReporter(RemoteStudy.load(name, url=url, api_key=api_key), number)


def record_from_view(view: Mapping[str, Any]) -> TrialRecord:
    """Return a trial's record from its JSON; the partner of ``views.trial_view``."""
    ending: Ending | None = None
    if view["values"] is not None:
        fields = {k: view[k] for k in ("constraints", "metrics", "seconds", "cost")}
        ending = Measurement(view["values"], view["sem"], **fields)
    elif view["failure"] is not None:
        ending = Failure(view["failure"]["kind"], view["failure"]["reason"])
    elif view["pruned"] is not None:
        ending = Pruned(view["pruned"]["step"], view["pruned"]["value"])
    plain = (
        "number", "params", "state", "source", "verdict", "reason", "hypothesis", "note", "tokens", "excluded", "replicate",
    )  # fmt: skip
    return TrialRecord(
        **{name: view[name] for name in plain},
        prediction=prediction_from_json(view["prediction"]),
        notes=tuple(view["notes"]),
        proposals=tuple(view["verdicts"]),
        ending=ending,
        started_at=view["asked_at"],
        ended_at=view["ended_at"],
    )
