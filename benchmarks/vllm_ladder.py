"""Cost per evaluated configuration: the ladder against ordinary restarts, same configurations, same load, one run.

    python benchmarks/vllm_ladder.py [--configurations 6] [--workload chat:prompts=64]

Also the agreement of the rungs: throughput of a configuration as forked and as ordinarily started, and rank order of
live limits against restarts.
"""

import argparse
import tempfile
import time
from pathlib import Path

from trialogue.evaluators.vllm_attempt import Rungs
from trialogue.evaluators.vllm_target import TargetSettings, VllmTarget
from trialogue.evaluators.vllm_workload import Workload
from trialogue.serving.tiny_model import tiny_model
from trialogue.serving.vllm_environment import find_vllm

CONFIGURATIONS = [
    {},
    {"max_num_seqs": 32},
    {"max_num_seqs": 64, "max_num_batched_tokens": 32},
    {"max_num_seqs": 8},
    {"max_num_batched_tokens": 512},
    {"block_size": 32},
    {"max_num_seqs": 16, "max_num_batched_tokens": 512},
    {"long_prefill_token_threshold": 5000},
]
DEFAULTS = {"max_num_seqs": 128, "max_num_batched_tokens": 2048, "block_size": 128}


def timed(target: VllmTarget, rung: str, n: int) -> tuple[float, dict[int, float]]:
    began, values = time.monotonic(), {}
    for i, params in enumerate(CONFIGURATIONS[:n]):
        attempt = target.measure({**DEFAULTS, **params}, rung=rung, reuse=False)  # pyright: ignore
        if attempt.failure is None:
            values[i] = attempt.mean()["output_tok_s"]
        print(
            f"  {rung:<9} {params} {values.get(i, 0):.0f} tok/s {attempt.seconds:.1f} s {attempt.failure or ''}",
            flush=True,
        )
    return (time.monotonic() - began) / n, values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configurations", type=int, default=6)
    parser.add_argument("--workload", default="chat:prompts=64")
    args = parser.parse_args()
    model, workload = str(tiny_model().absolute()), Workload.parse(args.workload)
    found = {}
    for name, rungs, rung in (
        ("ladder", Rungs(), "fork"),
        ("ladder with live limits", Rungs(live=True), "fork"),
        ("ordinary", Rungs(preflight=False, fork=False), "ordinary"),
    ):
        settings = TargetSettings(
            model, workload, Path(tempfile.mkdtemp()), {"enforce_eager": True}, defaults=DEFAULTS, rungs=rungs,
            ceilings={"max_num_seqs": 128, "max_num_batched_tokens": 2048},
        )  # fmt: skip
        with VllmTarget(find_vllm(), settings) as target:
            target.installed()  # importing vLLM once is not part of any configuration's cost
            found[name] = timed(target, rung, args.configurations)
        print(f"{name}: {found[name][0]:.1f} s per configuration", flush=True)
    ordinary, values = found["ordinary"]
    for name in ("ladder", "ladder with live limits"):
        ratios = [found[name][1][i] / v for i, v in values.items() if i in found[name][1]]
        listed = ", ".join(f"{r:.2f}" for r in ratios)
        print(f"{name}: {found[name][0] / ordinary:.2f} of ordinary's cost; throughput ratios {listed}")


if __name__ == "__main__":
    main()
