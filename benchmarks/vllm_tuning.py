"""The tuner on a real vLLM, end to end, several seeds: is a configuration found and verified within 12 trials?

    python benchmarks/vllm_tuning.py --reference --out runs.jsonl        # every configuration, two rounds: what is best
    python benchmarks/vllm_tuning.py --task limits prefix --seeds 10 --out runs.jsonl
    python benchmarks/vllm_tuning.py --report --out runs.jsonl

limits: tokens/s of a 3 M model under p99 TPOT <= 0.75x and p99 TTFT <= 1.9x of the default, which therefore breaks one.
prefix: tokens/s of a 24 M model under 64 requests that share 960 tokens, where the block size decides.
prefix-cpu: the same by tokens per core-second of the server, 48 requests, for machines that are not quiet.

*Found*: by the reference measurement (which no tuning sees) the configuration is within 10 % of the best one that meets
the limits there. *Verified*: the tuner itself recommends the change after three interleaved pairs of fresh starts, that
is: relative to the default of each pair the limits hold, and the default breaks one or the gain's interval lies above 1.
A run counts when both are so. Lines of --out are never written twice; a run that is there is not repeated.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trialogue.agent.tuning.plan import TuningOutcome, TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.metrics import derived, objective_named, parse_limit
from trialogue.evaluators.servers.settings import Wanted
from trialogue.evaluators.vllm.setup import prepared

TASKS: dict[str, dict[str, Any]] = {
    "limits": {
        "model": "tiny", "workload": "chat", "limits": {"tpot_p99_ms": 0.75, "ttft_p99_ms": 1.9},
        "objective": "output_tok_s",
        "knobs": {"max_num_seqs": [4, 8, 16, 32, 64, 128, 256], "max_num_batched_tokens": [128, 512, 2048, 8192]},
    },
    "prefix": {
        "model": "m25", "workload": "prefix:prompts=64", "limits": {}, "objective": "output_tok_s",
        "knobs": {"block_size": [32, 64, 128, 256], "max_num_seqs": [8, 32, 128], "enable_prefix_caching": []},
    },
}  # fmt: skip
TASKS["prefix-cpu"] = TASKS["prefix"] | {
    "workload": "prefix:prompts=48", "objective": "output_tok_per_cpu_s",
}  # fmt: skip
WITHIN = 0.9  # of the best by the reference measurement


def wanted_plan(task: str, folder: Path, workload: str = "", **plan: Any) -> tuple[Wanted, TuningPlan]:
    given = TASKS[task]
    limits = tuple(parse_limit(f"{n}<={x}x") for n, x in given["limits"].items())
    wanted = Wanted(
        given["model"],
        workload or given["workload"],
        folder,
        Rungs(eager=True, beside=given.get("beside", True)),
        knobs=given["knobs"],
    )
    return wanted, TuningPlan(given["model"], objective_named(given["objective"]), limits, **plan)


def tune(
    task: str, seed: int, *, folder: Path, trials: int = 12, budget_s: float = 2400, pairs: int = 3, verify: str = "fork",
    workload: str = "", say: Any = print,
) -> TuningOutcome:  # fmt: skip
    """Run one tuning and return its outcome; servers are compiled only where they are verified ordinarily."""
    wanted, plan = wanted_plan(
        task, folder, workload, budget_s=budget_s, trials=trials, seed=seed, pairs=pairs,
        verify_rung="fork" if verify == "fork" else "ordinary",
    )  # fmt: skip
    with prepared(wanted, plan.objective, plan.limits, say=say) as (target, space, context):
        return Tuning(plan, target, space, say=say, context=context).run()


def reference(task: str, folder: Path, rounds: int = 2) -> Iterator[dict[str, Any]]:
    """Measure every configuration ``rounds`` times, in turns with the default beside it; yields lines of --out."""
    wanted, plan = wanted_plan(task, folder)
    with prepared(wanted, plan.objective, plan.limits, say=said) as (target, space, _):
        everything = space.decode(np.vstack(list(space.enumerated())))
        own = TASKS[task]["objective"]
        default: dict[str, float] = {}
        for round_ in range(rounds):
            for i, params in enumerate(everything if round_ % 2 == 0 else everything[::-1]):
                if i % 6 == 0 and not wanted.rungs.beside:
                    default = derived(target.measure(space.default(), reuse=False).mean())
                attempt = target.measure(params, reuse=False)
                found = derived(attempt.mean()) if attempt.results else {}
                ratios = attempt.ratios() or {n: v / default[n] for n, v in found.items() if default.get(n)}
                kept = {n: ratios[n] for n in (own, *TASKS[task]["limits"]) if n in ratios}
                yield {
                    "reference": task,
                    "round": round_,
                    "params": params,
                    "ratios": kept,
                    "load": os.getloadavg()[0],
                }


def said(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def key_of(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)


def reference_ratios(lines: list[dict[str, Any]], task: str) -> dict[str, dict[str, float]]:
    """Return each configuration's median ratios to the default."""
    rows: dict[str, list[dict[str, float]]] = {}
    for line in lines:
        if line.get("reference") == task and line["ratios"]:
            rows.setdefault(key_of(line["params"]), []).append(line["ratios"])
    return {k: {n: statistics.median(r[n] for r in rs) for n in rs[0]} for k, rs in rows.items()}


def report(lines: list[dict[str, Any]]) -> None:
    for task, given in TASKS.items():
        known = reference_ratios(lines, task)
        feasible = {k: r for k, r in known.items() if all(r[n] <= x for n, x in given["limits"].items())}
        best = max((r[given["objective"]] for r in feasible.values()), default=float("nan"))
        print(
            f"\n{task}: {len(known)} configurations measured, {len(feasible)} meet the limits, best ×{best:.2f}"
        )
        for k in sorted(feasible, key=lambda k: -feasible[k][given["objective"]])[:5]:
            print(f"  {k} ×{feasible[k][given['objective']]:.2f}")
        runs = [x for x in lines if x.get("task") == task]
        counts = 0
        for x in sorted(runs, key=lambda x: x["seed"]):
            near = feasible.get(key_of(x["best"] or {}), {}).get(given["objective"], 0.0)
            found, verified = near >= WITHIN * best, x["verdict"] == "change"
            counts += found and verified
            print(
                f"  seed {x['seed']}: {'found' if found else 'NOT found'} {'verified' if verified else 'NOT verified'} "
                f"{x['best']} ×{near:.2f} · gain {x['gain']} · noise {x['noise']:.1%} · {x['seconds']} s ({x['verify']})"
            )
        if runs:
            print(f"  found and verified in {counts} of {len(runs)} runs")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=TASKS, nargs="+", default=["limits", "prefix"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--verify", choices=["fork", "ordinary"], default="fork")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; appended to")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--rounds", type=int, default=2, help="of the reference measurement")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    lines = [json.loads(x) for x in args.out.read_text().splitlines()] if args.out.exists() else []
    if args.report:
        report(lines)
        return
    for seed in range(1 if args.reference else args.seeds):
        for task in args.task:
            ran = any(
                x.get("task") == task and x["seed"] == seed and x["verify"] == args.verify for x in lines
            )
            if ran and not args.reference:
                continue
            folder = Path(tempfile.mkdtemp())
            for line in (
                reference(task, folder, args.rounds)
                if args.reference
                else run(task, seed, args.verify, folder)
            ):
                with args.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            shutil.rmtree(folder)


def run(task: str, seed: int, verify: str, folder: Path) -> Iterator[dict[str, Any]]:
    outcome = tune(task, seed, folder=folder, verify=verify, say=said)
    best = None if outcome.best is None else dict(outcome.best.params)
    tried = sum(t.source != "default" for t in outcome.study.trials)
    yield {"task": task, "seed": seed, "verify": verify, "verdict": outcome.verdict.recommendation,
           "reason": outcome.verdict.reason, "gain": str(outcome.verdict.gain), "best": best, "trials": tried,
           "noise": round(outcome.noise, 3), "seconds": round(outcome.seconds), "load": os.getloadavg()[0]}  # fmt: skip


if __name__ == "__main__":
    main()
