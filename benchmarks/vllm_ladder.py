"""Cost per evaluated configuration and agreement of the rungs: forked, live and ordinary, in turns, same loads, one run.

    python benchmarks/vllm_ladder.py [--configurations 8] [--workload chat:prompts=64] [--json OUT]

Every configuration is measured by each rung before the next one is, so that a busy machine is busy for all of them.
Cost: seconds from the question to the result, start, warm-up, load and stop included. Agreement: rank correlation
(Spearman) and ratio of the throughputs with those of the ordinary restart.
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from trialogue.evaluators.servers.attempt import Rung, Rungs
from trialogue.evaluators.servers.target import ServerTarget, TargetSettings
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.vllm.environment import find_vllm

CONFIGURATIONS = [
    {},
    {"max_num_seqs": 32},
    {"max_num_seqs": 64, "max_num_batched_tokens": 32},  # refused by vLLM's validator
    {"max_num_seqs": 8},
    {"max_num_batched_tokens": 512},
    {"block_size": 32},
    {"max_num_seqs": 16, "max_num_batched_tokens": 512},
    {"max_num_seqs": 4},
]
DEFAULTS = {"max_num_seqs": 128, "max_num_batched_tokens": 2048, "block_size": 128}
RUNGS: dict[str, tuple[Rungs, Rung]] = {
    "forked": (Rungs(), "fork"),
    "live": (Rungs(live=True), "fork"),
    "ordinary": (Rungs(preflight=False, fork=False), "ordinary"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configurations", type=int, default=8)
    parser.add_argument("--workload", default="chat:prompts=64")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    model, workload = str(tiny_model().absolute()), Workload.parse(args.workload)
    rows = []
    with ExitStack() as stack:
        targets = {}
        for name, (rungs, _) in RUNGS.items():
            settings = TargetSettings(
                model, workload, Path(tempfile.mkdtemp()), {"enforce_eager": True}, defaults=DEFAULTS, rungs=rungs,
                ceilings={"max_num_seqs": 128, "max_num_batched_tokens": 2048},
            )  # fmt: skip
            targets[name] = stack.enter_context(ServerTarget(find_vllm(), settings))
            targets[name].installed()  # importing vLLM once is not part of any configuration's cost
        for i, params in enumerate(CONFIGURATIONS[: args.configurations]):
            for name, (_, rung) in RUNGS.items():
                rows.append({"configuration": i, "rung": name, **one(targets[name], params, rung)})
                print(json.dumps(rows[-1]), flush=True)
                if args.json:
                    args.json.write_text(json.dumps(rows))
    report(rows)


def one(target: ServerTarget, params: dict[str, int], rung: Rung) -> dict[str, object]:
    began = time.monotonic()
    attempt = target.measure({**DEFAULTS, **params}, rung=rung, reuse=False)
    if not target.settings.rungs.live:
        target.stop_server()
    speed = attempt.mean().get("output_tok_s")
    failed = str(attempt.failure or "")[:80]
    return {"params": params, "seconds": time.monotonic() - began, "tok_s": speed, "failed": failed}


def report(rows: list[dict]) -> None:
    from scipy.stats import spearmanr

    by = {name: {r["configuration"]: r for r in rows if r["rung"] == name} for name in RUNGS}
    ordinary = by.pop("ordinary")
    cost = statistics.fmean(r["seconds"] for r in ordinary.values())
    print(f"ordinary: {cost:.1f} s per configuration")
    for name, own in by.items():
        mean = statistics.fmean(r["seconds"] for r in own.values())
        pairs = [(own[i]["tok_s"], r["tok_s"]) for i, r in ordinary.items() if r["tok_s"] and own[i]["tok_s"]]
        rank = float(np.asarray(spearmanr(np.array(pairs)).statistic))  # pyright: ignore[reportAttributeAccessIssue]
        ratios = sorted(a / b for a, b in pairs)
        print(
            f"{name}: {mean:.1f} s, {mean / cost:.2f} of ordinary's; throughput: rank correlation {rank:.2f} over "
            f"{len(pairs)}, ratio to ordinary {ratios[0]:.2f} to {ratios[-1]:.2f}, median {statistics.median(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
