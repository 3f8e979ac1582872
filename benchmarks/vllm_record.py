"""Record a table of real measurements of vLLM on this machine: what ``serving.py`` replays by default.

    python benchmarks/vllm_record.py OUT.csv [--configurations 28] [--models tiny:chat m25:prefix]

Configurations are a fixed random sample of a small space in which some are refused by vLLM's validator and some die at
start; the default is measured first. Every row says how many cores of the machine were busy.
"""

import argparse
import csv
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np

from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.target import ServerTarget, TargetSettings
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.vllm.environment import find_vllm

SPACE = {
    "max_num_seqs": [4, 16, 32, 64, 128],
    "max_num_batched_tokens": [32, 128, 512, 2048],
    "block_size": [16, 32, 64, 128],
    "enable_prefix_caching": [True, False],
}
DEFAULT = (128, 2048, 128, True)
METRICS = ("output_tok_s", "ttft_p99_ms", "tpot_p99_ms", "itl_p99_ms", "duration_s")


def sample(n: int) -> list[tuple]:
    everything = [c for c in itertools.product(*SPACE.values()) if c != DEFAULT]
    chosen = np.random.default_rng(5).permutation(len(everything))[: n - 1]
    return [DEFAULT, *(everything[i] for i in chosen)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--configurations", type=int, default=28)
    parser.add_argument("--models", nargs="+", default=["tiny:chat", "m25:prefix"])
    args = parser.parse_args()
    columns = ["model", "workload", *SPACE, "failed", "start_s", *METRICS, "busy_cores", "of_cores", "vllm"]
    with args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for pair in args.models:
            model, _, workload = pair.partition(":")
            for row in record(model, workload, args.configurations):
                writer.writerow(row)
                file.flush()


def record(model: str, workload: str, n: int):
    environment = find_vllm()
    folder = Path(tempfile.mkdtemp())
    settings = TargetSettings(
        str(tiny_model(model).absolute()), Workload.parse(workload), folder,  # pyright: ignore[reportArgumentType]
        defaults=dict(zip(SPACE, DEFAULT, strict=True)), rungs=Rungs(eager=True), load_deadline_s=180,
    )  # fmt: skip
    with ServerTarget(environment, settings) as target:
        for configuration in sample(n):
            params = dict(zip(SPACE, configuration, strict=True))
            attempt = target.measure(params, reuse=False)
            row = {"model": model, "workload": workload, **params, "vllm": environment.version}
            row |= {"failed": "", "start_s": round(attempt.start_s, 2), "of_cores": os.cpu_count()}
            if attempt.failure is not None:
                said = f"{attempt.failure.kind}: {attempt.failure.cause}"[:160]
                row["failed"] = (
                    "refused by preflight: " if attempt.failure.phase == "preflight" else ""
                ) + said
            else:
                row |= {m: round(attempt.mean()[m], 3) for m in METRICS}
                row["busy_cores"] = round(attempt.results[0].busy_cores, 2)
            print(row, flush=True)
            yield row


if __name__ == "__main__":
    main()
