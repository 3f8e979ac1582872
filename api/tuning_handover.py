"""What a finished tuning hands over: a command, a YAML file, the difference from the default, a report.

Values of one outcome in, text and files out. The study's own report (landscape, importance, all trials) is written
beside ours.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..agent.records import Failure, TrialRecord
from ..agent.tuning_plan import TuningOutcome
from ..evaluators.vllm_target import VllmTarget

_SHOWN = (
    "output_tok_s",
    "requests_s",
    "ttft_mean_ms",
    "ttft_p99_ms",
    "tpot_mean_ms",
    "tpot_p99_ms",
    "itl_p99_ms",
    "e2e_p99_ms",
)


def hand_over(outcome: TuningOutcome, target: VllmTarget, folder: Path) -> str:
    """Write ``serve.sh``, ``serve.yaml``, ``handover.json`` and ``handover.html`` and return what to print."""
    changed = outcome.verdict.recommendation == "change"
    command = outcome.command if changed else outcome.default_command
    flags = (
        dict(target.spec(outcome.best.params).flags)
        if changed and outcome.best
        else dict(target.settings.fixed)
    )
    (folder / "serve.sh").write_text(f"#!/bin/sh\nexec {_environment(command)}\n")
    (folder / "serve.yaml").write_text(_yaml({"model": target.settings.model, **flags}))
    (folder / "handover.json").write_text(json.dumps(summary(outcome), indent=1, default=str))
    (folder / "handover.html").write_text(_page(outcome, command))
    lines = ["", headline(outcome), "", f"  {command}", ""]
    lines += ["  " + row for row in _table(outcome)]
    failed = [t for t in outcome.study.trials if t.state == "failed"]
    if failed:
        lines.append(f"\n{len(failed)} configurations did not work:")
        lines += [f"  {dict(t.params)}: {_reason(t)}" for t in failed[:5]]
    lines.append(f"\nkept in {str(folder)!r}: serve.sh, serve.yaml, handover.html, attempts.jsonl, study.db")
    return "\n".join(lines)


def headline(outcome: TuningOutcome) -> str:
    """Return the result in one sentence."""
    verdict = outcome.verdict
    if verdict.recommendation == "change":
        gain = f", {verdict.gain} of the default" if verdict.gain else ""
        return f"Change recommended: {verdict.reason}{gain}."
    if verdict.recommendation == "no change":
        return f"No change recommended: {verdict.reason}."
    return f"No feasible configuration found: {verdict.reason}."


def summary(outcome: TuningOutcome) -> dict[str, Any]:  # Any: JSON
    """Return the outcome as plain JSON values."""
    verdict = outcome.verdict
    return {
        "recommendation": verdict.recommendation,
        "reason": verdict.reason,
        "command": outcome.command,
        "default_command": outcome.default_command,
        "gain": None
        if verdict.gain is None
        else {k: getattr(verdict.gain, k) for k in ("ratio", "low", "high", "pairs")},
        "params": None if outcome.best is None else dict(outcome.best.params),
        "limits": [{"name": c.name, "upper": c.upper, "lower": c.lower} for c in outcome.limits],
        "default_runs": [dict(r) for r in outcome.default_runs],
        "best_runs": [dict(r) for r in outcome.best_runs],
        "noise": outcome.noise,
        "seconds": outcome.seconds,
        "trials": len(outcome.study.trials),
    }


def _table(outcome: TuningOutcome) -> list[str]:
    if not outcome.best_runs:
        return []
    default, best = _means(outcome.default_runs), _means(outcome.best_runs)
    rows = [f"{'verified means':<16}{'default':>12}{'candidate':>12}{'ratio':>8}"]
    for name in _SHOWN:
        if default.get(name):
            rows.append(
                f"{name:<16}{default[name]:>12.1f}{best[name]:>12.1f}{best[name] / default[name]:>8.2f}"
            )
    return rows


def _means(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {n: sum(r[n] for r in runs) / len(runs) for n in runs[0]}


def _environment(command: str) -> str:
    return f"env {command}" if not command.startswith("vllm ") else command


def _yaml(values: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return a file for ``vllm serve --config``: JSON scalars are YAML."""
    return "".join(f"{name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in values.items())


def _reason(trial: TrialRecord) -> str:
    return trial.ending.reason if isinstance(trial.ending, Failure) else ""


def _trial_row(trial: TrialRecord) -> str:
    measured = trial.measurement
    limits = "" if measured is None else ", ".join(f"{k} {v:.3g}" for k, v in measured.constraints.items())
    cells = [
        str(trial.number),
        trial.source,
        json.dumps(dict(trial.params)),
        "" if measured is None else f"{measured.value:.4g}",
        limits,
        _reason(trial) if trial.state == "failed" else "",
    ]
    return "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>"


def _page(outcome: TuningOutcome, command: str) -> str:
    e = html.escape
    trials = "".join(_trial_row(t) for t in outcome.study.trials)
    return f"""<!doctype html><meta charset="utf-8"><title>vLLM tuning</title>
<style>body{{font:15px/1.5 system-ui;max-width:70em;margin:2em auto;padding:0 1em}}td,th{{padding:.2em .6em;text-align:left;
border-bottom:1px solid #ddd;vertical-align:top}}pre{{background:#f4f4f4;padding:1em;overflow:auto}}</style>
<h1>{e(headline(outcome))}</h1><pre>{e(command)}</pre><h2>Against the default</h2><pre>{e(chr(10).join(_table(outcome)))}</pre>
<p>Noise of one measurement of the default: {outcome.noise:.1%} (coefficient of variation). Limits:
{e(", ".join(f"{c.name} ≤ {c.upper:.4g}" for c in outcome.limits if c.upper is not None) or "none")}.</p>
<h2>Every trial</h2><table><tr><th>#<th>source<th>parameters<th>{e(outcome.study.problem.objectives[0].name)}<th>limits<th>
did not work</tr>{trials}</table>"""
