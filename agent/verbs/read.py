"""The verbs: what can be done with a study by a word, a model's tool call, REST, MCP or the page. Reading verbs here.

Each is a plain typed function over a desk that returns an answer: Markdown for people and models, JSON values for
programs. Those that change or run something stand in ``tools_change.py``. Docstrings are what a model reads.
"""

from collections.abc import Mapping
from typing import Any, Literal

from ...evaluators.problems.history import Params
from ...serving.errors import InvalidInput
from ..ledger.records import TrialRecord
from ..views.as_json import baseline_record, study_lines, study_view, trial_view
from ..views.best import best_row
from . import change
from .context import Desk
from .draft import draft as drafted
from .markdown import number, params_text, row, table
from .verb import Answer, Verb

States = Literal["any", "finished", "failed", "pruned", "running"]
Figure = Literal["history", "parallel", "slices", "importances", "sources", "calibration", "pareto"]


def studies(desk: Desk) -> Answer:
    """List the studies of this ledger with their best values."""
    lines, _ = study_lines(desk.ledger, limit=100)
    lines = [line for line in lines if desk.may_see(line["name"])]
    if not lines:
        return Answer("There is no study yet. `/draft WORDS` drafts one, `/create` makes it.", [])
    rows = []
    for line in lines:
        if line["unreadable"]:
            rows.append((line["name"], "unreadable", "–", "–", line["unreadable"]))
            continue
        goal, best_so_far = line["objectives"][0], line["best"]
        done = sum(line["counts"][state] for state in _ENDED)
        value = number(best_so_far["values"][0]) if best_so_far else "–"
        if line["front_size"]:
            value = f"front of {line['front_size']}"
        rows.append((line["name"], f"{goal['direction']} {goal['name']}", done, value, line["note"]))
    return Answer(table(("study", "goal", "trials", "best", "note"), rows), lines)


_ENDED = ("finished", "failed", "pruned")


def show(desk: Desk) -> Answer:
    """Show how the study stands: goal, trials, best so far, budget, who proposed what."""
    view = study_view(desk.ledger, desk.study.stored)
    counts, best, base = view["counts"], view["best"], view["baseline"]
    goals = ", ".join(f"{o['direction']} {o['name']}" for o in view["objectives"])
    lines = [f"**{view['name']}**: {goals} over {view['n_parameters']} parameters."]
    if view["description"]:
        lines.append(view["description"])
    if view["note"]:
        lines.append(f"Note: {view['note']}")
    lines.append(
        f"Trials: {counts['finished']} finished, {counts['failed']} failed, {counts['pruned']} pruned, "
        f"{counts['running']} running, {counts['waiting']} waiting."
    )
    if best:
        than = f" (default: {number(base['values'][0])})" if base and base["number"] != best["number"] else ""
        lines.append(
            f"Best: **{number(best['values'][0])}** in trial {best['number']}{than}: {params_text(best['params'])}"
        )
        if view["certainty"] and counts["finished"] > 1:
            lines.append(view["certainty"]["text"])
    elif view["front"]:
        lines.append(f"Pareto front: {view['front_size']} trials; `/best` lists them.")
    else:
        lines.append("No feasible result yet.")
    if view["sources"]:
        lines.append("Proposed by: " + ", ".join(f"{n} × {s}" for s, n in view["sources"].items()))
    budget = ", ".join(f"{v:g} {k}" for k, v in view["budget"].items()) or "no limit"
    lines.append(f"Budget: {budget}. Tokens used: {view['spent']['tokens']}.")
    return Answer("\n\n".join(lines), view)


def space(desk: Desk) -> Answer:
    """Show the search space: each parameter with its range, default and meaning."""
    plain = desk.study.problem.space.to_dict()
    rows = []
    for name, p in plain["parameters"].items():
        values = (
            ", ".join(map(number, p["choices"]))
            if "choices" in p
            else f"{number(p['low'])} … {number(p['high'])}"
        )
        marks = " ".join(filter(None, ["log" if p.get("log") else "", p.get("unit", "")]))
        rows.append(
            (
                name,
                p["type"],
                f"{values} {marks}".strip(),
                number(p.get("default", "")),
                p.get("description", ""),
            )
        )
    text = table(("parameter", "type", "values", "default", "meaning"), rows)
    limits = [f"`{w}`" for w in plain.get("where", ())]
    return Answer(text + (f"\n\nRelations: {', '.join(limits)}" if limits else ""), plain)


def trials(desk: Desk, state: States = "any", n: int = 15) -> Answer:
    """List the newest trials, all or those in one state, with values, sources and parameters."""
    study = desk.study
    records, total = desk.ledger.page(
        study.stored, state=None if state == "any" else state, limit=max(1, min(n, 200))
    )
    rows = [
        (
            r.number,
            r.state,
            number(r.value) if r.value is not None else "",
            r.source,
            r.verdict,
            params_text(r.params),
        )
        for r in records
    ]
    text = (
        table(("no.", "state", "value", "source", "verdict", "parameters"), rows)
        if rows
        else "No such trials."
    )
    if total > len(records):
        text += f"\n\n{len(records)} of {total}."
    return Answer(text, [trial_view(study.problem, r) for r in records])


def explain(desk: Desk, trial: int) -> Answer:
    """Explain one trial: who proposed it, what the referee said, what was expected and what came of it."""
    study = desk.study
    record = study.trial(trial)
    lines = [
        f"**Trial {record.number}** ({record.state}), proposed by {record.source}: {params_text(record.params)}"
    ]
    lines.append(f"Why: {record.reason or 'no reason was recorded'} (verdict: {record.verdict}).")
    if record.hypothesis:
        lines.append(f"Its hypothesis: *{record.hypothesis}*")
    lines += [
        f"- proposed {params_text(p['params'])}: {'kept' if p['kept'] else 'not kept'}, {p['answer']}"
        for p in record.proposals
    ]
    lines += _expectation(study.problem, record)
    if record.failure:
        lines.append(f"It failed ({record.failure.kind}):\n```\n{record.failure.reason[-1500:]}\n```")
    now = study.predict(record.params)
    if now is not None:
        lines.append(f"The surrogate now believes {number(now.mean[0])} ± {number(now.sd[0])} there.")
    if record.note:
        lines.append(f"Note: {record.note}")
    if record.excluded:
        lines.append(f"It is excluded: {record.excluded}.")
    return Answer("\n\n".join(lines), trial_view(study.problem, record))


def _expectation(problem: Any, record: TrialRecord) -> list[str]:
    expected = (
        f"expected {number(record.prediction.mean[0])} ± {number(record.prediction.sd[0])}"
        if record.prediction
        else ""
    )
    measured = f"measured {number(record.values[0])}" if record.values else ""
    feasible = (
        "" if record.measurement is None or problem.feasible(record.measurement) else "a constraint is broken"
    )
    words = [w for w in (expected, measured, feasible) if w]
    return ["Result: " + ", ".join(words) + "."] if words else []


def best(desk: Desk) -> Answer:
    """Show the best feasible trial, or the Pareto front of several objectives."""
    study = desk.study
    if len(study.problem.objectives) > 1:
        front = study.pareto_front
        names = [o.name for o in study.problem.objectives]
        rows = [(r.number, *(number(v) for v in r.values or ()), params_text(r.params)) for r in front]
        text = table(("no.", *names, "parameters"), rows) if rows else "No feasible trial yet."
        return Answer(text, [trial_view(study.problem, r) for r in front])
    record = study.best_trial
    params = "\n".join(f"- {k} = {number(v)}" for k, v in record.params.items())
    (goal,) = (objective.name for objective in study.problem.objectives)
    text = f"Best is trial {record.number} with {goal} = **{number(record.value)}**:\n{params}"
    return Answer(text, trial_view(study.problem, record))


def predict(desk: Desk, params: Params) -> Answer:
    """Say what the surrogate expects at a configuration (what if?). Missing parameters take their defaults."""
    study = desk.study
    full = study.problem.space.clip(dict(params)) if params else study.problem.space.default()
    wanted = study.problem.space.validate({**full, **{k: v for k, v in params.items() if k in full}})
    belief = study.predict(wanted)
    if belief is None:
        return Answer(
            "Too few results yet for a prediction: two finished trials that differ are needed.", None
        )
    rows = [
        (o.name, number(m), number(s))
        for o, m, s in zip(study.problem.objectives, belief.mean, belief.sd, strict=True)
    ]
    text = f"At {params_text(wanted)}:\n\n" + table(("objective", "expected", "± sd"), rows)
    if study.problem.constraints:
        text += f"\n\nFeasible with probability {belief.p_feasible:.0%}."
    return Answer(
        text,
        {"params": wanted, "mean": list(belief.mean), "sd": list(belief.sd), "p_feasible": belief.p_feasible},
    )


def compare(desk: Desk) -> Answer:
    """Compare the best configuration with the default one, parameter by parameter."""
    study = desk.study
    if len(study.problem.objectives) > 1:
        raise InvalidInput(
            "Several objectives have no single best trial to compare; `/best` shows the front."
        )
    base = baseline_record(desk.ledger, study.stored)
    with desk.ledger.database.read() as connection:
        top = best_row(connection, study.stored.study_id, study.problem)
    if top is None:
        raise InvalidInput("There is no feasible result yet to compare.")
    default: Mapping[str, Any] = base.params if base else study.problem.space.default()
    names = list(dict.fromkeys([*default, *top.params]))
    rows = [(n, number(default.get(n, "–")), number(top.params.get(n, "–"))) for n in names]
    goal = next(iter(study.problem.objectives))
    rows.append((f"**{goal.name}**", number(base.value) if base else "not run", number(top.value)))
    text = table(("", "default", f"best (trial {top.number})"), rows)
    if base is None:
        text += "\n\nThe default was not evaluated in this study; `/enqueue` with its values runs it."
    few = study.changes(top.number)
    if few is not None and few.others:
        text += f"\n\n{few}"
    return Answer(
        text,
        {
            "best": trial_view(study.problem, top),
            "default": trial_view(study.problem, base) if base else None,
        },
    )


def importances(desk: Desk) -> Answer:
    """Say which parameters matter most for the objective, as shares of its variation."""
    figure = desk.figure(desk.study, "importances")
    bar = figure["data"][0]
    shares = sorted(zip(bar["y"], bar["x"], strict=True), key=lambda s: -s[1])
    return Answer(table(("parameter", "importance"), [(n, f"{s:.0%}") for n, s in shares]), dict(shares))


def plot(desk: Desk, figure: Figure = "history") -> Answer:
    """Draw a figure of the study; in a terminal, the history as text."""
    figure_data = desk.figure(desk.study, figure)
    values = [
        r.value
        for r in desk.study.trials
        if r.state == "finished" and r.excluded is None and r.value is not None
    ]
    return Answer(f"{figure}: {row(values)}" if values else f"{figure}: nothing to draw yet.", figure_data)


def report(desk: Desk) -> Answer:
    """Write the report of the study: one self-contained HTML page."""
    where = desk.report(desk.study)
    return Answer(f"The report is at {where}.", where)


def draft(desk: Desk, text: str) -> Answer:
    """Draft a specification from a sentence or the output of a script's --help; nothing is created."""
    toml = drafted(text)
    return Answer(f"A draft; correct it and give it to `/create`:\n```\n{toml}```", toml)


STUDY_VERBS: tuple[Verb, ...] = (
    Verb("show", show),
    Verb("trials", trials),
    Verb("explain", explain),
    Verb("best", best),
    Verb("compare", compare),
    Verb("predict", predict),
    Verb("space", space),
    Verb("importances", importances),
    Verb("plot", plot),
    Verb("report", report),
    Verb("run", change.run, "runs"),
    Verb("verify", change.verify, "runs"),
    Verb("ask", change.ask, "changes"),
    Verb("tell", change.tell, "changes"),
    Verb("fail", change.fail, "changes"),
    Verb("enqueue", change.enqueue, "changes"),
    Verb("add", change.add, "changes"),
    Verb("exclude", change.exclude, "changes"),
    Verb("restore", change.restore, "changes"),
    Verb("widen", change.widen, "changes"),
    Verb("constrain", change.constrain, "changes"),
    Verb("fork", change.fork, "changes"),
    Verb("budget", change.budget, "changes"),
    Verb("stop", change.stop, "changes"),
    Verb("note", change.note, "changes"),
    Verb("draft", draft, "works"),
)
"""What can be done with one study."""

LEDGER_VERBS: tuple[Verb, ...] = (
    Verb("studies", studies),
    Verb("open", change.open_),
    Verb("create", change.create, "changes"),
)
"""What chooses the study that is worked on: for sessions that are not bound to one."""
