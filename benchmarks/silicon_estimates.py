"""Estimates of every configuration of the silicon tasks, before anything was measured: for ``serving.py --estimates``.

    python benchmarks/silicon_estimates.py --tables DIR --out silicon_estimates.csv [--roofline]

Needs ``aiconfigurator-core`` (the extra ``estimate``) and minutes. The recorded loads send ten times as many requests as
are at once (InferenceX's protocol); the scheduler is taken to have room for all of them. What the package has no
tables of is left out and counted. ``--roofline``: from the models' config.json, which the package has too, and data
sheets alone. Also prints how far the estimates are from what was measured.
"""

import argparse
import csv
import logging
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from scipy.stats import spearmanr
from vllm_tables import silicon_key, tasks

from trialogue.evaluators.engines.estimates import Batching, Layout, SteadyLoad, Steps, steady
from trialogue.evaluators.engines.roofline import ACCELERATORS, ModelSize, RooflineSteps
from trialogue.evaluators.errors import NotEstimated
from trialogue.evaluators.vllm.aiconfigurator import OperatorSteps, published_config

TABLE = "aiconfigurator_silicon_sample.csv"
KNOBS = ("precision", "tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size", "concurrency")
SAME_MODEL = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
}
REQUESTS = 10  # times concurrency


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("silicon_estimates.csv"))
    parser.add_argument("--roofline", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    wanted = {t.name for t in tasks(args.tables)}
    with (args.tables / TABLE).open(encoding="utf-8-sig", newline="") as file:
        rows = [
            r
            for r in csv.DictReader(file)
            if r["mode"] == "agg" and r["silicon_ttft_ms"] and silicon_key(r) in wanted
        ]
    steps: dict[object, Steps | None] = {}
    found: dict[tuple[str, ...], dict[str, float]] = {}
    errors, lacking = defaultdict(list), Counter[str]()
    for row in rows:
        estimate = estimated(row, steps, lacking, roofline=args.roofline)
        if estimate is None:
            continue
        found[silicon_key(row), *(row[k] for k in KNOBS)] = estimate
        for name in ("ttft_ms", "tpot_ms"):
            errors[silicon_key(row), name].append((float(row[f"silicon_{name}"]), estimate[name]))
    with args.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["task", *KNOBS, "throughput", "ttft_ms", "tpot_ms"])
        writer.writerows([*key, e["throughput"], e["ttft_ms"], e["tpot_ms"]] for key, e in found.items())
    print(f"{len(found)} configurations of {len({k[0] for k in found})} tasks")
    for reason, n in lacking.most_common():
        print(f"  {n} rows without: {reason}")
    for name in ("ttft_ms", "tpot_ms"):
        pairs = [np.array(v) for (_, kind), v in errors.items() if kind == name and len(v) >= 5]
        rank = np.median([spearmanr(p[:, 0], p[:, 1])[0] for p in pairs])
        error = np.median([np.mean(np.abs(p[:, 1] / p[:, 0] - 1)) for p in pairs])
        print(
            f"{name}: medians over {len(pairs)} tasks: rank correlation {rank:.2f}, mean absolute error {error:.0%}"
        )


def estimated(
    row: dict[str, str], steps: dict[object, Steps | None], lacking: Counter[str], *, roofline: bool
) -> dict[str, float] | None:
    tp, pp, dp, ep, users = (int(float(row[k] or 1)) for k in (*KNOBS[1:4], "moe_ep_size", "concurrency"))
    layout, model = (
        Layout(tp, pp, dp, ep, row["precision"]),
        SAME_MODEL.get(row["model_path"], row["model_path"]),
    )
    key = (model, row["system"], row["backend"], layout)
    if key not in steps:
        try:
            if roofline:
                size = ModelSize.of(published_config(model))
                steps[key] = RooflineSteps(size, ACCELERATORS[row["system"]], layout)
            else:
                steps[key] = OperatorSteps(model, row["system"], layout, backend=row["backend"])
        except NotEstimated:
            steps[key] = None
    made = steps[key]
    if made is None:
        lacking[f"{model} on {row['system']} with {row['backend']}"] += 1
        return None
    load = SteadyLoad(int(row["isl"]), int(row["osl"]), users, REQUESTS * users)
    e = steady(made, load, Batching(), dp)
    return {"throughput": e.output_tok_s / (tp * pp * dp), "ttft_ms": e.ttft_ms, "tpot_ms": e.tpot_ms}


if __name__ == "__main__":
    main()
