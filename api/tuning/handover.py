"""What a finished tuning hands over: a command, a YAML file, the difference from the default, a report.

Values of one outcome in, text and files out. The study's own report (landscape, importance, all trials) is written
beside ours.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ...agent.tuning.findings import (
    Effect,
    Sensitivity,
    ablation,
    did_not_work,
    feasible_by_belief,
    sensitivities,
)
from ...agent.tuning.plan import TuningOutcome, changes
from ...agent.tuning.verdict import means
from ...evaluators.engines.sizing import Capacity, fleet_lines
from ...evaluators.servers.bounds import bound_words
from ...evaluators.servers.target import ServerTarget
from ...evaluators.statistics.regimes import Regimes, regimes
from ..reports.drawing import page_of
from .page import agreement_words, front_words, page
from .serve_files import serve_script, serve_yaml

T = TypeVar("T")
TELLING = 0.005
"""Share below which an effect is printed as none."""
REGIME_LEVEL = 0.05
"""Chance that one hand-over speaks of levels where there are none."""
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


def hand_over(
    outcome: TuningOutcome, target: ServerTarget, folder: Path, *, rate_s: float | None = None
) -> str:
    """Write ``serve.sh``, for vLLM ``serve.yaml``, ``handover.json`` and ``handover.html`` and return what to print.

    ``rate_s``: requests per second for which the servers are counted that carry them. A change that was verified by more
    pairs than there are now stays as it was handed over.
    """
    changed, vllm = outcome.verdict.recommendation == "change", target.settings.engine == "vLLM"
    command = outcome.command if changed else outcome.default_command
    earlier = "" if changed else _verified_better(folder / "handover.json", len(outcome.best_runs))
    if not earlier:
        spec = target.spec(outcome.best.params if changed and outcome.best else {})
        (folder / "serve.sh").write_text(serve_script(spec, target.environment))
        (folder / "serve.sh").chmod(0o755)
        if vllm:
            (folder / "serve.yaml").write_text(serve_yaml(spec))
        (folder / "handover.json").write_text(json.dumps(summary(outcome), indent=1, default=str))
        (folder / "handover.html").write_text(
            page(
                outcome,
                headline(outcome),
                command,
                [*_table(outcome), *regime_lines(outcome), *ablation_lines(outcome)],
            )
        )
    (folder / "study.html").write_text(page_of(outcome.study))
    files = f"serve.sh, {'serve.yaml, ' if vllm else ''}handover.html, study.html, attempts.jsonl, study.db"
    lines = ["", headline(outcome), *([earlier] if earlier else ["", f"  {command}"]), "", *_found(outcome)]
    lines += sizing_lines(outcome, rate_s) if rate_s is not None else []
    return "\n".join([*lines, f"\nkept in {str(folder)!r}: {files}"])


def _found(outcome: TuningOutcome) -> list[str]:
    """Return the lines on what was measured: comparison, trade-offs, what did not work, effects."""
    effects = sensitivities(outcome.study, outcome.best.params) if outcome.best is not None else []
    lines = ["  " + row for row in _table(outcome)]
    lines += ["", agreement_words(outcome)] if outcome.agreement else []
    sure = sureness(outcome)
    lines += (
        ["", "How sure the percentiles are, by the requests of one run:", *(f"  {x}" for x in sure)]
        if sure
        else []
    )
    lines += regime_lines(outcome)
    front, unfit = front_words(outcome), did_not_work(outcome.study)
    lines += ["", "Not beaten in every objective:", *(f"  {x}" for x in front)] if front else []
    lines += ["", "What did not work:", *(f"  {x}" for x in unfit)] if unfit else []
    lines += ablation_lines(outcome)
    spoken, silent = _spoken_of(((s.knob, s) for s in effects), lambda s: s.span >= TELLING)
    title = "Effect of each knob around the best (? not tried, believed):"
    return lines + (["", title, *(_strength(s) for _, s in spoken), *silent] if effects else [])


def _spoken_of(
    named: Iterable[tuple[str, T]], telling: Callable[[T], bool]
) -> tuple[list[tuple[str, T]], list[str]]:
    """Return what tells something, and a line with the names of the others, if any."""
    pairs = list(named)
    silent = [name for name, one in pairs if not telling(one)]
    line = [f"  no effect seen or believed: {', '.join(silent)}"] if silent else []
    return [(name, one) for name, one in pairs if name not in silent], line


def sizing_lines(outcome: TuningOutcome, rate_s: float) -> list[str]:
    """Return, in words, the fewest devices that carry a rate within the limits, by the configurations that were measured."""
    space = outcome.study.problem.space
    measured = [
        Capacity(changes(space, t.params), t.measurement.metrics.get("max_rate_s", t.measurement.metrics["requests_s"]),
                 int(t.measurement.metrics.get("devices", 1)))
        for t in feasible_by_belief(outcome.study)[0]
        if t.measurement is not None and "requests_s" in t.measurement.metrics
    ]  # fmt: skip
    return fleet_lines(measured, rate_s)


def regime_lines(outcome: TuningOutcome) -> list[str]:
    """Return, in words, into which levels the servers of the pairs fall beyond the noise within one, with a title; empty
    where they only scatter, or are too few to say."""
    name = outcome.study.problem.objectives[0].name
    default, best = ([r.get(name, 0.0) for r in rows] for rows in (outcome.default_runs, outcome.best_runs))
    if name == "max_concurrency" or min([*default, *best], default=0.0) <= 0:
        return []
    ratios = [b / d for d, b in zip(default, best, strict=True)]
    sides = {"default": default, "candidate": best, "candidate over default": ratios}
    levels = {who: regimes(v, outcome.noise, level=REGIME_LEVEL / len(sides)) for who, v in sides.items()}
    both = levels["default"], levels["candidate"]
    if None not in both and both[0].in_low == both[1].in_low:  # pyright: ignore[reportOptionalMemberAccess]
        rows = [f"  both sides, {_levels(both[0])}: the machine changed, not the servers"]  # pyright: ignore[reportArgumentType]
    else:
        rows = [f"  {who}: {_levels(pair)}" for who, pair in levels.items() if pair is not None]
    return ["", f"Servers of one configuration fall into two levels of {name}:", *rows] if rows else []


def _levels(found: Regimes) -> str:
    sides = ((found.low, found.in_low), (found.high, found.in_high))
    words = (f"{value:.4g} (pairs {', '.join(str(i + 1) for i in where)})" for value, where in sides)
    return f"{' and '.join(words)}, chance {found.chance:.1%} with one level"


def ablation_lines(outcome: TuningOutcome) -> list[str]:
    """Return, in words, what the candidate loses without each of its changes, with a title; empty where it has none."""
    best = outcome.best
    losses = ablation(outcome.study, best.params) if best is not None else []
    if best is None or not losses:
        return []
    losses, silent = _spoken_of(losses, lambda e: bool(e.measured or e.note) or abs(e.ratio - 1) >= TELLING)
    rows = [f"  without {name}={best.params[name]}: {_loss(effect)}" for name, effect in losses]
    return ["", "What each change is worth (? not tried, believed):", *rows, *silent]


def _loss(effect: Effect) -> str:
    if effect.note.startswith("failed"):
        return effect.note
    note = f", {effect.note}" if effect.note else ""
    return f"{effect.ratio - 1:+.0%}{'' if effect.measured else '?'}{note}".replace("-", "−")


def sureness(outcome: TuningOutcome) -> list[str]:
    """Return, in words, how sure the judged percentiles of the candidate are, those of the last verified run."""
    if not outcome.best_runs:
        return []
    names = (*(o.name for o in outcome.study.problem.objectives), *(c.name for c in outcome.limits))
    return bound_words(outcome.best_runs[-1], dict.fromkeys(names))


def _verified_better(path: Path, pairs: int) -> str:
    """Return, in words, that the earlier hand-over is a change verified by more pairs; "" where it is not."""
    try:
        earlier = json.loads(path.read_text())
        runs = len(earlier["best_runs"])
        if earlier["recommendation"] != "change" or runs <= pairs:
            return ""
        return (
            f"An earlier run verified a change by {runs} pairs, more than now ({pairs}); serve.sh and handover.html "
            f"still hold it: {earlier['reason']}."
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # none, or nothing that can be compared


def headline(outcome: TuningOutcome) -> str:
    """Return the result in one sentence."""
    verdict = outcome.verdict
    if verdict.recommendation == "change":
        gain = f"; {verdict.gain} of the default" if verdict.gain else ""
        return f"Change recommended: {verdict.reason}{'' if str(verdict.gain) in verdict.reason else gain}."
    words = {
        "no change": "No change recommended",
        "nothing tried": "Nothing was tried",
        "no feasible configuration": "No feasible configuration found",
    }
    return f"{words[verdict.recommendation]}: {verdict.reason}."


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
        else {k: _finite(getattr(verdict.gain, k)) for k in ("ratio", "low", "high", "pairs")}
        | {"words": str(verdict.gain)},
        "params": None if outcome.best is None else dict(outcome.best.params),
        "objectives": [o.name for o in outcome.study.problem.objectives],
        "front": [t.number for t in outcome.study.pareto_front],
        "limits": [{"name": c.name, "upper": c.upper, "lower": c.lower} for c in outcome.limits],
        "default_runs": [dict(r) for r in outcome.default_runs],
        "best_runs": [dict(r) for r in outcome.best_runs],
        "percentiles": sureness(outcome),
        "regimes": regime_lines(outcome)[2:],
        "agreement": {n: {"searched": a, "verified": b} for n, (a, b) in outcome.agreement.items()},
        "without": {}
        if outcome.best is None
        else {name: asdict(effect) for name, effect in ablation(outcome.study, outcome.best.params)},
        "did_not_work": did_not_work(outcome.study),
        "noise": outcome.noise,
        "seconds": outcome.seconds,
        "trials": len(outcome.study.trials),
    }


def _table(outcome: TuningOutcome) -> list[str]:
    if not outcome.best_runs:
        return []
    default, best = means(outcome.default_runs), means(outcome.best_runs)
    own = (*(o.name for o in outcome.study.problem.objectives), *(c.name for c in outcome.limits), *_SHOWN)
    names = [n for n in dict.fromkeys(own) if n in default and n in best]
    width = max(16, *map(len, names))
    rows = [f"{'verified means':<{width}}{'default':>12}{'candidate':>12}{'ratio':>8}"]
    for name in names:
        ratio = f"{best[name] / default[name]:.2f}" if default[name] > 0 else "-"
        rows.append(f"{name:<{width}}{default[name]:>12.4g}{best[name]:>12.4g}{ratio:>8}")
    return rows


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _strength(one: Sensitivity) -> str:
    words = ", ".join(
        f"{e.value} {'failed' if e.note.startswith('failed') else f'×{e.ratio:.2f}'}{'' if e.measured else '?'}"
        for e in one.effects
    )
    return f"  {one.knob:<24} {one.span:>4.0%}   {words}"
