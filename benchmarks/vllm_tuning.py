"""The tuner on a real vLLM, end to end, several seeds: is a configuration found and verified within 12 trials?

    python benchmarks/vllm_tuning.py [--task limits|prefix] [--seeds 10] [--verify fork|ordinary]

limits: tokens/s of a 3 M model under p99 TPOT <= 0.75x and p99 TTFT <= 1.9x of the default, which therefore breaks one.
prefix: tokens/s of a 24 M model whose requests share 960 tokens, where the block size decides.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from trialogue.agent.tuning import Tuning
from trialogue.agent.tuning_plan import TuningOutcome, TuningPlan
from trialogue.api.tune_vllm_setup import Wanted, prepared
from trialogue.evaluators.vllm_metrics import objective_named, parse_limit
from trialogue.evaluators.vllm_target import Rungs

TASKS: dict[str, dict[str, Any]] = {
    "limits": {
        "model": "tiny", "workload": "chat", "limits": ("tpot_p99_ms<=0.75x", "ttft_p99_ms<=1.9x"),
        "knobs": {"max_num_seqs": [4, 8, 16, 32, 64, 128, 256], "max_num_batched_tokens": [128, 512, 2048, 8192]},
    },
    "prefix": {
        "model": "m25", "workload": "prefix", "limits": (),
        "knobs": {"block_size": [32, 64, 128, 256], "max_num_seqs": [8, 32, 128], "enable_prefix_caching": []},
    },
}  # fmt: skip


def tune(
    task: str, seed: int, *, folder: Path, trials: int = 12, budget_s: float = 900, pairs: int = 3, verify: str = "fork",
    workload: str = "", say: Any = print,
) -> TuningOutcome:  # fmt: skip
    """Run one tuning and return its outcome; servers are compiled only where they are verified ordinarily."""
    given = TASKS[task]
    wanted = Wanted(
        given["model"], workload or given["workload"], folder, Rungs(eager=True), knobs=given["knobs"]
    )
    plan = TuningPlan(
        given["model"], objective_named("output_tok_s"), tuple(parse_limit(x) for x in given["limits"]),
        budget_s=budget_s, trials=trials, seed=seed, pairs=pairs, verify_rung="fork" if verify == "fork" else "ordinary",
    )  # fmt: skip
    with prepared(wanted, plan, say=say) as (target, space, context):
        return Tuning(plan, target, space, say=say, context=context).run()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=TASKS, default="prefix")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--verify", choices=["fork", "ordinary"], default="fork")
    args = parser.parse_args()
    found = 0
    for seed in range(args.seeds):
        outcome = tune(args.task, seed, folder=Path(tempfile.mkdtemp()), verify=args.verify)
        found += outcome.verdict.recommendation == "change"
        best = None if outcome.best is None else dict(outcome.best.params)
        line = {"seed": seed, "verdict": outcome.verdict.recommendation, "gain": str(outcome.verdict.gain), "best": best,
                "noise": round(outcome.noise, 3), "seconds": round(outcome.seconds)}  # fmt: skip
        print(json.dumps(line), flush=True)
    print(f"found and verified in {found} of {args.seeds} runs")


if __name__ == "__main__":
    main()
