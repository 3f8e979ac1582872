"""Record what a vLLM server of this machine's CPU does at each of many concurrencies: what ``rivals.py`` replays.

    nice -n 19 python benchmarks/load_record.py benchmarks/vllm_load_table.csv

Scheduler limits x requests at once, the 3 M model, 128 tokens in and 32 out, one thread. Concurrencies that a limit on
sequences does not reach are recorded once, without the limit. Times are also told in the server's own CPU time (``cpu_share``:
of a core, that it had while it was loaded), because others use the machine. Lines that are there are not measured again.
"""

import argparse
import csv
import tempfile
from pathlib import Path

from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.target import ServerTarget, TargetSettings
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.vllm.environment import find_vllm

WORKLOAD = "random:input=128,output=32,prompts=100,concurrency=32"
SEQUENCES = (256, 8, 16, 32)
TOKENS = (2048, 256, 512, 1024, 4096)
CONCURRENCIES = (4, 8, 12, 16, 24, 32, 48, 64, 96)
AGAIN = 4
"""Repeats of the default's loads: how noisy one is."""
METRICS = (
    "output_tok_s", "requests_s", "duration_s", "server_cpu_s", "ttft_p99_ms", "tpot_p99_ms", "e2e_p99_ms",
)  # fmt: skip
COLUMNS = (
    "max_num_seqs", "max_num_batched_tokens", "concurrency", "round", "start_s", "failed", *METRICS, "busy_cores", "vllm",
)  # fmt: skip


def points() -> list[tuple[int, int, int, list[int]]]:
    """Return (sequences, tokens, round, concurrencies) in the order of recording."""
    servers = [(s, t, 0) for s in SEQUENCES for t in TOKENS if s <= t]
    servers += [(256, 2048, r) for r in range(1, AGAIN + 1)]
    return [(s, t, r, [c for c in CONCURRENCIES if s == SEQUENCES[0] or c > s]) for s, t, r in servers]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    known = (
        {tuple(row[n] for n in COLUMNS[:4]) for row in csv.DictReader(out.open())} if out.exists() else set()
    )
    environment = find_vllm()
    settings = TargetSettings(
        str(tiny_model().absolute()), Workload.parse(WORKLOAD), Path(tempfile.mkdtemp()),
        defaults={"max_num_seqs": 128, "max_num_batched_tokens": 2048}, rungs=Rungs(preflight=False, eager=True),
        load_deadline_s=300,
    )  # fmt: skip
    with ServerTarget(environment, settings) as target, out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not known:
            writer.writeheader()
        for s, t, round_, loads in points():
            left = [c for c in loads if (str(s), str(t), str(c), str(round_)) not in known]
            if not left:
                continue
            target.stop_server()
            attempt = target.measure({"max_num_seqs": s, "max_num_batched_tokens": t}, reuse=False)
            for c in left if attempt.failure is None else []:
                result = target.load(target.plan_with(c))
                row = dict(
                    zip(COLUMNS, (s, t, c, round_, round(attempt.start_s, 2), result.problem), strict=False)
                )
                row |= {m: round(result.metrics[m], 4) for m in METRICS if m in result.metrics}
                writer.writerow(
                    {**row, "busy_cores": round(result.busy_cores, 2), "vllm": environment.version}
                )
                file.flush()
                print(row, flush=True)
            if attempt.failure is not None:
                print(s, t, attempt.failure, flush=True)


if __name__ == "__main__":
    main()
