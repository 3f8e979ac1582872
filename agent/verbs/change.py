"""The verbs that change a study or spend evaluations. In a chat, a model's call of any of them waits for approval."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...evaluators.problems.history import Params, Value
from ...evaluators.problems.measurement import Measurement
from ...evaluators.problems.problem import Constraint, Problem
from ...evaluators.spaces.space import SearchSpace
from ...serving.errors import InvalidInput
from ..certainty.of_study import outcome
from ..certainty.verdict import Certified
from ..study.study import Study
from ..study.verify import VerificationPlan, open_verification
from ..views.as_json import trial_view
from .context import Desk, set_budget, used_trials
from .markdown import number, params_text, table
from .verb import Answer

MOST_AT_ONCE = 100


def run(desk: Desk, n: int = 1) -> Answer:
    """Run n more trials: here when this session has an evaluator, otherwise by the workers of the study."""
    if not 1 <= n <= 10_000:
        raise InvalidInput(f"`n` must be in [1, 10000], got {n!r}.")
    study = desk.study
    if desk.evaluate is None:
        limit = allow_more(study, n)
        return Answer(
            f"Workers may now run {n} more trials, {limit} in all. A worker: `trialogue worker --study {study.name} …`",
            {"limit": limit},
        )
    ended: list[Any] = []
    study.run(desk.evaluate, n, on_trial=ended.append)
    rows = [
        (r.number, r.state, number(r.value) if r.value is not None else "", r.source, params_text(r.params))
        for r in ended
    ]
    return Answer(
        table(("no.", "state", "value", "source", "parameters"), rows),
        [trial_view(study.problem, r) for r in ended],
    )


def allow_more(study: Study, n: int) -> int:
    """Let workers run n more trials than were asked for so far; return the new limit."""
    limit = used_trials(study) + n
    set_budget(study, replace(study.budget, trials=limit))
    return limit


def ask(desk: Desk, n: int = 1, fixed: Mapping[str, Value] | None = None) -> Answer:
    """Ask for the next n trials to evaluate by hand; report each with tell. Parameters given as NAME=VALUE are
    fixed."""
    if not 1 <= n <= MOST_AT_ONCE:
        raise InvalidInput(f"`n` must be in [1, {MOST_AT_ONCE}], got {n!r}.")
    trials = desk.study.ask(n, fixed=fixed, allowance=desk.allowance)
    rows = [(t.number, t.source, t.verdict, params_text(t.params), t.reason) for t in trials]
    text = table(("no.", "source", "verdict", "parameters", "why"), rows)
    views = [trial_view(desk.study.problem, t.record) for t in trials]
    return Answer(text + "\n\nEvaluate them and say `/tell NUMBER VALUE`, or `/fail NUMBER REASON`.", views)


def tell(desk: Desk, trial: int, value: float, constraints: Mapping[str, Value] | None = None) -> Answer:
    """Tell the measured value of a trial; outcome constraints as NAME=VALUE."""
    measured: Any = constraints or {}  # Any: what is no number is refused there, not left out
    record = desk.study.tell(trial, Measurement(value, constraints=measured))
    return Answer(f"Trial {trial} has {number(value)}.", trial_view(desk.study.problem, record))


def fail(desk: Desk, trial: int, reason: str) -> Answer:
    """Say that a trial failed, and why."""
    record = desk.study.tell(trial, failed=reason)
    return Answer(f"Trial {trial} failed: {reason}", trial_view(desk.study.problem, record))


def enqueue(desk: Desk, params: Params, reason: str = "") -> Answer:
    """Put a configuration of one's own at the head of the queue. Missing parameters take their defaults."""
    wanted = completed(desk.study.problem.space, params)
    desk.study.enqueue(wanted, reason=reason or "enqueued in the chat")
    return Answer(f"Next in the queue: {params_text(wanted)}.", wanted)


def add(desk: Desk, value: float, params: Params) -> Answer:
    """Add a result measured elsewhere: its value, then all parameters as NAME=VALUE."""
    record = desk.study.add(dict(params), value)
    return Answer(
        f"Added as trial {record.number}: {number(value)} at {params_text(record.params)}.",
        trial_view(desk.study.problem, record),
    )


def exclude(desk: Desk, trial: int, reason: str) -> Answer:
    """Leave a trial out of everything that is learnt, and say why. It stays in the ledger."""
    desk.study.exclude(trial, reason)
    return Answer(f"Trial {trial} no longer counts: {reason}", None)


def restore(desk: Desk, trial: int) -> Answer:
    """Let an excluded trial count again."""
    desk.study.restore(trial)
    return Answer(f"Trial {trial} counts again.", None)


def widen(
    desk: Desk, parameter: str, low: float | None = None, high: float | None = None, name: str = ""
) -> Answer:
    """Change the bounds of a parameter: forks the study into the new space with all trials that fit (low=…, high=…)."""
    problem = desk.study.problem.to_dict()
    parameters = problem["space"]["parameters"]
    if parameter not in parameters or "low" not in parameters[parameter]:
        names = ", ".join(n for n, p in parameters.items() if "low" in p)
        raise InvalidInput(
            f"`parameter` must have bounds, got {parameter!r}; those with bounds: {names or 'none'}."
        )
    if low is None and high is None:
        raise InvalidInput("Give `low=…`, `high=…` or both.")
    whole = int if parameters[parameter]["type"] == "int" else float
    bounds = {k: whole(v) for k, v in (("low", low), ("high", high)) if v is not None}
    parameters[parameter] = {**parameters[parameter], **bounds}
    return _forked(desk, name, Problem.from_dict(problem))


def constrain(desk: Desk, text: str) -> Answer:
    """Add an outcome constraint such as `latency_ms <= 200`: forks the study; trials that did not measure it
    stay behind."""
    limit = Constraint.parse(text)
    old = desk.study.problem
    constraints = [c for c in old.constraints if c.name != limit.name]
    plain = Problem(
        old.name, old.space, old.objectives, [*constraints, limit], old.description, old.context, old.fidelity
    )
    return _forked(desk, "", plain)


def fork(desk: Desk, name: str) -> Answer:
    """Copy the study and its trials under another name, to try something without touching it."""
    return _forked(desk, name, desk.study.problem)


def _forked(desk: Desk, name: str, problem: Problem) -> Answer:
    old = desk.study
    wanted = name or _free_name(desk, old.name)
    if not desk.may_see(wanted):
        raise InvalidInput(
            f"`name` must be that of a study you may see, got {wanted!r}; ask its operator for a key."
        )
    study = old.fork(wanted, problem=problem)
    desk.current = study
    desk.changed(study)
    lineage = dict(study.lineage or {})
    return Answer(f"Study {wanted!r} was forked from {old.name!r}.", {"name": wanted, "lineage": lineage})


def _free_name(desk: Desk, base: str) -> str:
    root = base.rpartition("-v")[0] if base.rpartition("-v")[2].isdigit() else base
    return next(n for n in (f"{root}-v{i}" for i in range(2, 10_000)) if not desk.ledger.has(n))


def budget(
    desk: Desk,
    trials: int | None = None,
    seconds: float | None = None,
    tokens: int | None = None,
    price: float | None = None,
) -> Answer:
    """Set limits: trials=…, seconds=…, tokens=…, price=…; limits that are not named stay."""
    limits = {"trials": trials, "seconds": seconds, "tokens": tokens, "price": price}
    now = replace(desk.study.budget, **{k: v for k, v in limits.items() if v is not None})
    set_budget(desk.study, now)
    return Answer(
        "Budget: " + (", ".join(f"{v:g} {k}" for k, v in now.to_dict().items()) or "no limit"), now.to_dict()
    )


def verify(desk: Desk, trial: int | None = None, against: int | None = None, pairs: int = 20) -> Answer:
    """Verify the best trial (or another) with fresh runs of it and of the default (or of a second trial) in turns."""
    wanted = VerificationPlan(trial, against, pairs=pairs)
    if desk.evaluate is not None:
        certified = desk.study.verify(desk.evaluate, trial, against=against, pairs=pairs)
        return Answer(f"{certified}.", certified.to_dict())
    opened = open_verification(desk.study, wanted)
    if isinstance(opened, Certified):
        return Answer(f"{opened}.", opened.to_dict())
    desk.changed(Study.load(opened.name, storage=desk.ledger, reap=False))
    certified = outcome(desk.ledger, opened)
    words = f"{certified}. A worker runs it: `trialogue worker --study {opened.name} --evaluator STUDY.toml`"
    return Answer(words, certified.to_dict())


def stop(desk: Desk) -> Answer:
    """Stop handing out trials; those that run may finish. `run` goes on."""
    limit = used_trials(desk.study)
    set_budget(desk.study, replace(desk.study.budget, trials=limit))
    return Answer(f"No further trials are handed out ({limit} so far). `/run N` goes on.", {"limit": limit})


def note(desk: Desk, text: str = "", trial: int | None = None) -> Answer:
    """Write the note of the study, or of a trial (trial=N before the words); it lasts until the next one, and no words
    take it away."""
    note_text = desk.study.note(text, trial_number=trial)
    return Answer("Noted." if note_text else "The note is gone.", {"text": note_text, "trial": trial})


def open_(desk: Desk, name: str) -> Answer:
    """Open another study of this ledger."""
    if not desk.may_see(name):
        raise InvalidInput(f"There is no study {name!r} that you may see; `/studies` lists them.")
    desk.current = Study.load(name, storage=desk.ledger)
    desk.changed(desk.current)
    return Answer(f"{name!r} is open.", name)


def create(desk: Desk, text: str) -> Answer:
    """Create a study from a TOML specification ([study], [problem], [parameters.NAME]) and open it."""
    desk.current = desk.create(text)
    desk.changed(desk.current)
    return Answer(f"Study {desk.current.name!r} is made and open.", desk.current.name)


def completed(space: SearchSpace, params: Params) -> dict[str, Any]:
    """Return a whole configuration: what is given, defaults for the rest. Raises InvalidParameters for a wrong
    value."""
    full = space.clip(dict(params))
    return space.validate({**full, **params})
