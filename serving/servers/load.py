"""Load on a vLLM server by vLLM's own benchmark client, and its result as plain metrics.

The client runs in a forked child of the warm host, so a measurement costs no import. Definitions are those of
``vllm bench serve``: TTFT is the first chunk minus the send, TPOT excludes the first token, ITL pools the gaps between
chunks over all requests, throughput counts the whole duration. Requests come from a file of rows, see ``evaluators``.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .failures import ServerFailure
from .host import ServerHost
from .server import RunningServer

PERCENTILES = (50, 90, 95, 99)
_KINDS = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load run. ``requests``: a file of JSON rows; ``concurrency``: at most so many at once (None: no limit);
    ``rate``: requests per second (None: as fast as the concurrency allows); ``burstiness``: 1 is Poisson, less is
    burstier; ``recorded``: send each row at its own ``at_s``; ``goodput``: limits in ms by "ttft", "tpot", "e2el"."""

    requests: Path
    concurrency: int | None = None
    rate: float | None = None
    burstiness: float = 1.0
    recorded: bool = False
    seed: int = 0
    timeout_s: float = 600.0
    goodput: Mapping[str, float] = field(default_factory=dict)

    def arguments(self, server: RunningServer) -> list[str]:
        """Return the arguments of ``vllm bench serve``."""
        rows = len(self.requests.read_text().splitlines())
        options: dict[str, object] = {
            "backend": "openai",
            "base-url": f"http://127.0.0.1:{server.port}",
            "model": server.name,
            "tokenizer": server.spec.model,
            "dataset-name": "timed_trace" if self.recorded else "random",
            "num-prompts": rows,
            "max-concurrency": self.concurrency,
            "request-rate": self.rate,
            "burstiness": self.burstiness,
            "percentile-metrics": ",".join(_KINDS),
            "metric-percentiles": ",".join(map(str, PERCENTILES)),
            "seed": self.seed,
            "temperature": 0,
        }
        flat = [
            word for key, value in options.items() if value is not None for word in (f"--{key}", str(value))
        ]
        goodput = [f"{key}:{limit:g}" for key, limit in self.goodput.items()]
        return [
            *flat,
            "--ignore-eos",
            "--disable-tqdm",
            "--save-detailed",
            *(["--goodput", *goodput] if goodput else []),
        ]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one load run measured, or why it did not end. ``busy_cores``: of the whole machine, while it ran;
    ``failure``: how the server failed, where that is why; ``requests``: ms of every request by "ttft", "tpot", "e2e",
    empty where one was not answered."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    failed_requests: int = 0
    busy_cores: float = float("nan")
    problem: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON of the benchmark client
    failure: ServerFailure | None = None
    requests: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it ended and every request was answered."""
        return not self.problem and self.failed_requests == 0

    @property
    def timed_out(self) -> bool:
        """Whether it was stopped at the end of its time."""
        return self.problem.startswith("timeout")


def run_load(host: ServerHost, server: RunningServer, plan: LoadPlan) -> LoadResult:
    """Run one load and return its result; never raises for what the server does."""
    arguments = plan.arguments(server)
    pids = server.processes()
    before, began, server_before = busy_s(), uptime_s(), cpu_s(pids)
    try:
        answer = host.call(
            "load",
            argv=arguments,
            requests=str(plan.requests),
            seed=plan.seed,
            env={"OMP_NUM_THREADS": "1"},
            timeout_s=plan.timeout_s,
            deadline_s=plan.timeout_s + 60,
        )
    except KeyboardInterrupt:
        host.cancel()
        raise
    busy = (busy_s() - before) / max(uptime_s() - began, 1e-3)
    if not answer["ok"]:
        return LoadResult(problem=f"{answer['kind']}: {answer['error']}"[:600], busy_cores=busy)
    raw = answer["result"]
    scalars = {key: value for key, value in raw.items() if not isinstance(value, list | dict)}
    spent_s, tokens = max(cpu_s(pids) - server_before, 1e-3), raw["output_throughput"] * raw["duration"]
    spent = {"server_cpu_s": spent_s, "output_tok_per_cpu_s": tokens / spent_s}
    if answer.get("joules"):
        spent |= {"joules": answer["joules"], "output_tok_per_joule": tokens / answer["joules"]}
    return LoadResult(
        {**metrics_of(raw), **spent},
        int(raw.get("failed") or 0),
        busy,
        _complaint(raw),
        scalars,
        requests=answer.get("requests", {}),
    )


def metrics_of(raw: Mapping[str, Any]) -> dict[str, float]:  # Any: JSON of the benchmark client
    """Return the metrics under our names: ``output_tok_s``, ``requests_s``, ``ttft_p99_ms``, ``tpot_mean_ms`` …

    ``compliance``: share of the answered requests that met every limit of ``goodput``.
    """
    metrics = {
        "output_tok_s": raw["output_throughput"],
        "total_tok_s": raw["total_token_throughput"],
        "requests_s": raw["request_throughput"],
        "goodput_req_s": raw.get("request_goodput"),
        "duration_s": raw["duration"],
    }
    if raw.get("request_goodput") is not None and raw["request_throughput"] > 0:
        metrics["compliance"] = raw["request_goodput"] / raw["request_throughput"]
    for theirs, ours in _KINDS.items():
        metrics[f"{ours}_mean_ms"] = raw.get(f"mean_{theirs}_ms")
        for p in PERCENTILES:
            metrics[f"{ours}_p{p}_ms"] = raw.get(f"p{p}_{theirs}_ms")
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _complaint(raw: Mapping[str, Any]) -> str:  # Any: JSON of the benchmark client
    if not raw.get("completed"):
        return "no request was answered"
    return (
        f"{raw['failed']} of {raw['failed'] + raw['completed']} requests failed" if raw.get("failed") else ""
    )


def busy_s() -> float:
    """Return CPU seconds that all cores of this machine have worked since it was started."""
    with open("/proc/stat") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Sequence[int]) -> float:
    """Return CPU seconds that these processes have used, all their threads."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def uptime_s() -> float:
    """Return seconds since this machine was started."""
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])
