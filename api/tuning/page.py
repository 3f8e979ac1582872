"""The hand-over of a tuning as one HTML page: result, effect of each knob, trade-offs, what did not work, every trial.

Values of one outcome in, text out; nothing is loaded from anywhere. Every text is escaped.
"""

import html
import json
from collections.abc import Sequence

from ...agent.ledger.records import TrialRecord
from ...agent.tuning.findings import Effect, Sensitivity, did_not_work, front, sensitivities
from ...agent.tuning.plan import CUT_OFF, TuningOutcome, changes
from ...evaluators.servers.metrics import limit_words

E = html.escape
WIDTH, HEIGHT, MARGIN = 560, 300, 48
STYLE = """body{font:15px/1.5 system-ui;max-width:70em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
td,th{padding:.2em .6em;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}pre{background:#f4f4f4;padding:1em;
overflow:auto}svg text{font-size:11px;fill:#444}.bar{background:#4a7ebb;height:.8em;display:inline-block}
.believed{opacity:.4}"""


def page(outcome: TuningOutcome, headline: str, command: str, table: Sequence[str]) -> str:
    """Return the page. ``table``: lines of the comparison with the default."""
    objective = outcome.study.problem.objectives[0]
    limits = limit_words(outcome.limits)
    lines = did_not_work(outcome.study)
    trials = "".join(_trial_row(t) for t in outcome.study.trials)
    at = outcome.best.params if outcome.best is not None else outcome.study.problem.space.default()
    return f"""<!doctype html><meta charset="utf-8"><title>{
        E(outcome.study.problem.name)
    } tuning</title><style>{STYLE}</style>
<h1>{E(headline)}</h1><pre>{E(command)}</pre><h2>Against the default</h2><pre>{E(chr(10).join(table))}</pre>
<p>Noise of one measurement of the default: {outcome.noise:.1%} (coefficient of variation). Limits: {
        E(limits)
    }.</p>
<p>{E(agreement_words(outcome))}</p>
<h2>Effect of each knob</h2><p>{E(objective.name)} with one knob changed and all others as in {
        E(json.dumps(dict(at)))
    }, which is 1.
Pale: not tried, what the surrogate believes.</p>{
        "".join(map(_knob, sensitivities(outcome.study, at))) or "<p>Too few results to say.</p>"
    }
<h2>Trade-offs</h2>{_front_list(outcome)}{_fronts(outcome)}
<h2>What did not work</h2><ul>{
        "".join(f"<li>{E(line)}" for line in lines) or "<li>Everything that was tried ran and met the limits."
    }</ul>
<h2>Every trial</h2><table><tr><th>#<th>source<th>parameters<th>{
        E(", ".join(o.name for o in outcome.study.problem.objectives))
    }<th>limits<th>did not work</tr>{trials}
</table><p>Landscape and importances: <a href="study.html">study.html</a>.</p>"""


def agreement_words(outcome: TuningOutcome) -> str:
    """Return how the rungs used while searching agree with those of the verification, in one sentence."""
    if not outcome.agreement:
        return (
            "Agreement of the search's shortcuts with the verification: not measured (nothing was verified)."
        )
    words = ", ".join(
        f"{n} ×{searched:.2f} → ×{verified:.2f}" for n, (searched, verified) in outcome.agreement.items()
    )
    return f"Agreement of the rungs, candidate over default, while searching → as verified: {words}."


def front_words(outcome: TuningOutcome) -> list[str]:
    """Return the trials that no other beats in every objective, a line each; none where there is one objective."""
    objectives = outcome.study.problem.objectives
    if len(objectives) < 2:
        return []
    return [
        f"trial {t.number}: "
        + ", ".join(f"{o.name} {v:.4g}" for o, v in zip(objectives, t.values or (), strict=True))
        + f" · {changes(outcome.study.problem.space, t.params)}"
        for t in outcome.study.pareto_front
    ]


def _front_list(outcome: TuningOutcome) -> str:
    lines = "".join(f"<li>{E(line)}" for line in front_words(outcome))
    return f"<p>Not beaten in every objective:</p><ul>{lines}</ul>" if lines else ""


def _knob(one: Sensitivity) -> str:
    rows = "".join(_effect(e) for e in one.effects)
    return f"<h3>{E(one.knob)}: {one.span:.0%} between its best and worst</h3><table>{rows}</table>"


def _effect(e: Effect) -> str:
    if e.note.startswith("failed"):
        return f"<tr><td>{E(str(e.value))}<td colspan=2>{E(e.note)}</tr>"
    style = "bar" if e.measured else "bar believed"
    words = f"×{e.ratio:.2f}" + (
        f", {e.measured} measured" if e.measured else f" ({e.low:.2f} to {e.high:.2f})"
    )
    bar = f'<span class="{style}" style="width:{min(max(e.ratio, 0), 3) * 8:.1f}em"></span>'
    return f"<tr><td>{E(str(e.value))}<td>{bar}<td>{words}{', ' + E(e.note) if e.note else ''}</tr>"


def _fronts(outcome: TuningOutcome) -> str:
    objective = outcome.study.problem.objectives[0]
    others = [c.name for c in outcome.limits if c.name.endswith("_ms")] or ["ttft_p99_ms", "tpot_p99_ms"]
    others += [o.name for o in outcome.study.problem.objectives[1:]]
    return "".join(
        _front(outcome, objective.name, other, maximize=objective.direction == "maximize")
        for other in dict.fromkeys(others)
        if other != objective.name
    )


def _front(outcome: TuningOutcome, name: str, other: str, *, maximize: bool) -> str:
    trials = [
        t
        for t in outcome.study.trials
        if t.measurement is not None and {name, other} <= set(t.measurement.metrics)
    ]
    if not trials:
        return ""
    best = front(trials, name, other, maximize=maximize)
    limit = next((c.lower if c.upper is None else c.upper for c in outcome.limits if c.name == other), None)
    rows = "".join(f"<tr><td>{t.number}{_cells(t, name, other)}</tr>" for t in best)
    return (
        f"<h3>{E(name)} against {E(other)}</h3>{_scatter(trials, best, name, other, limit)}"
        f"<table><tr><th>#<th>{E(name)}<th>{E(other)}<th>parameters</tr>{rows}</table>"
    )


def _cells(t: TrialRecord, name: str, other: str) -> str:
    assert t.measurement is not None
    m = t.measurement.metrics
    return f"<td>{m[name]:.4g}<td>{m[other]:.4g}<td>{E(json.dumps(dict(t.params)))}"


def _scatter(
    trials: Sequence[TrialRecord], best: Sequence[TrialRecord], name: str, other: str, limit: float | None
) -> str:
    """Return every trial in the plane of two metrics, the front filled and joined, the limit dashed."""
    points = {
        t.number: (t.measurement.metrics[other], t.measurement.metrics[name])
        for t in trials
        if t.measurement is not None
    }
    right = 1.05 * max([x for x, _ in points.values()] + [limit or 0.0]) or 1.0
    top = 1.05 * max(y for _, y in points.values()) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return MARGIN + x / right * (WIDTH - MARGIN), HEIGHT - MARGIN - y / top * (HEIGHT - MARGIN)

    numbers = {t.number for t in best}
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="#4a7ebb" fill="{"#4a7ebb" if n in numbers else "none"}">'
        f"<title>trial {n}</title></circle>"
        for n, (x, y) in ((n, place(*p)) for n, p in points.items())
    )
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*points[t.number]) for t in best))
    line = f'<polyline points="{joined}" fill="none" stroke="#4a7ebb"/>'
    if limit is not None:
        x, _ = place(limit, 0)
        line += f'<path d="M{x:.1f} 0V{HEIGHT - MARGIN}" stroke="#b33" stroke-dasharray="4"/>'
    axes = f'<path d="M{MARGIN} 0V{HEIGHT - MARGIN}H{WIDTH}" fill="none" stroke="#888"/>'
    words = (
        f'<text x="{MARGIN + 6}" y="12">{E(name)} (axis to {top:.4g})</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - 18}">{E(other)} (axis to {right:.4g})</text>'
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">{axes}{line}{dots}{words}</svg>'


def _trial_row(trial: TrialRecord) -> str:
    measured = trial.measurement
    limits = "" if measured is None else ", ".join(f"{k} {v:.3g}" for k, v in measured.constraints.items())
    cut = measured is not None and CUT_OFF in measured.metrics
    cells = [
        str(trial.number),
        trial.source,
        json.dumps(dict(trial.params)),
        "" if measured is None else ("≤ " if cut else "") + ", ".join(f"{v:.4g}" for v in measured.values),
        limits,
        trial.failure.reason if trial.failure is not None else "cut off: too slow to win" if cut else "",
    ]
    return "<tr>" + "".join(f"<td>{E(c)}</td>" for c in cells) + "</tr>"
