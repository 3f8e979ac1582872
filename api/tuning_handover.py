"""What a finished tuning hands over: a command, a YAML file, the difference from the default, a report.

Values of one outcome in, text and files out. The study's own report (landscape, importance, all trials) is written
beside ours.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..agent.tuning_findings import Sensitivity, did_not_work, sensitivities
from ..agent.tuning_plan import TuningOutcome
from ..evaluators.vllm_target import VllmTarget
from .drawing import page_of
from .serve_script import serve_script, serve_yaml
from .tuning_page import agreement_words, page

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
    found = sensitivities(outcome.study, outcome.best.params) if outcome.best is not None else []
    changed = outcome.verdict.recommendation == "change"
    command = outcome.command if changed else outcome.default_command
    spec = target.spec(outcome.best.params if changed and outcome.best else {})
    (folder / "serve.sh").write_text(serve_script(spec, target.environment))
    (folder / "serve.sh").chmod(0o755)
    (folder / "serve.yaml").write_text(serve_yaml(spec))
    (folder / "handover.json").write_text(json.dumps(summary(outcome), indent=1, default=str))
    (folder / "handover.html").write_text(page(outcome, headline(outcome), command, _table(outcome)))
    (folder / "study.html").write_text(page_of(outcome.study))
    lines = ["", headline(outcome), "", f"  {command}", ""]
    lines += ["  " + row for row in _table(outcome)]
    lines += ["", agreement_words(outcome)] if outcome.agreement else []
    lines += (
        ["", "What did not work:", *(f"  {x}" for x in unfit)]
        if (unfit := did_not_work(outcome.study))
        else []
    )
    lines += (
        ["", "Effect of each knob around the best (? not tried, believed):", *map(_strength, found)]
        if found
        else []
    )
    kept = "serve.sh, serve.yaml, handover.html, study.html, attempts.jsonl, study.db"
    lines.append(f"\nkept in {str(folder)!r}: {kept}")
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
        "agreement": {n: {"searched": a, "verified": b} for n, (a, b) in outcome.agreement.items()},
        "did_not_work": did_not_work(outcome.study),
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


def _strength(one: Sensitivity) -> str:
    told = ", ".join(
        f"{e.value} {'failed' if e.note.startswith('failed') else f'×{e.ratio:.2f}'}{'' if e.measured else '?'}"
        for e in one.effects
    )
    return f"  {one.knob:<24} {one.span:>4.0%}   {told}"
