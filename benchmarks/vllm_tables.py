"""Recorded serving tables as tuning tasks with a simulated clock.

A task is a finite space, one recorded result per configuration, limits at stated percentiles of the recorded values,
and the knobs that need no restart (they belong to the load). The clock's costs are constants, the same for everybody.
"""

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Objective, Problem
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace

START_S, LOAD_S, FAILED_START_S = (
    60.0,
    60.0,
    60.0,
)  # a mid-size model on a GPU; a failed start costs like a start
CPU_START_S, CPU_LOAD_S, PREFLIGHT_S = 28.0, 10.0, 0.01
NOISE = 0.02  # coefficient of variation of one measurement, as recorded on GPUs (0.1-2 %)


@dataclass(frozen=True)
class Recorded:
    value: float
    limits: Mapping[str, float]
    failed: str = ""
    refused: bool = False  # by preflight, before a start


@dataclass(frozen=True)
class Task:
    name: str
    problem: Problem
    rows: Mapping[str, Recorded]
    client: frozenset[str]
    start_s: float = START_S
    load_s: float = LOAD_S
    default: Mapping[str, Any] | None = None
    grid: tuple[str, ...] = ()  # knobs of auto_tune's grid, where they exist
    keys: tuple[str, ...] = field(default=())
    estimates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def expected(self, params: Mapping[str, Any]) -> Mapping[str, float] | None:
        """Return what was estimated of a configuration before it was measured."""
        return self.estimates.get(self.problem.space.key(params))

    def cost(self, params: Mapping[str, Any], last: Mapping[str, Any] | None) -> float:
        same = last is not None and all(params[k] == last[k] for k in params if k not in self.client)
        return self.load_s if same else self.start_s + self.load_s

    @property
    def best(self) -> float:
        return max(r.value for r in self.rows.values() if self.feasible(r))

    def feasible(self, row: Recorded) -> bool:
        return not row.failed and all(c.holds(row.limits[c.name]) for c in self.problem.constraints)

    def good(self, params: Mapping[str, Any]) -> bool:
        row = self.rows[self.problem.space.key(params)]
        return self.feasible(row) and row.value >= 0.95 * self.best

    @property
    def random_draws(self) -> float:
        """Expected draws without repetition until the first configuration within 5 % of the best feasible one."""
        good = sum(self.feasible(r) and r.value >= 0.95 * self.best for r in self.rows.values())
        return (len(self.rows) + 1) / (good + 1)


@dataclass
class Clock:
    """One run on a task: measures with noise, charges seconds, and notes when a good configuration was measured."""

    task: Task
    rng: np.random.Generator
    preflight: bool = False
    now_s: float = 0.0
    failures_paid: int = 0
    found_s: float = math.inf
    last: Mapping[str, Any] | None = None

    def measure(self, params: Mapping[str, Any]) -> Measurement | str:
        row = self.task.rows[self.task.problem.space.key(params)]
        if row.refused and self.preflight:
            self.now_s += PREFLIGHT_S
            return row.failed
        self.now_s += self.task.start_s if row.failed else self.task.cost(params, self.last)
        if row.failed:
            self.failures_paid += 1
            self.last = None
            return row.failed
        self.last = dict(params)
        if self.task.good(params) and self.found_s == math.inf:
            self.found_s = self.now_s
        factor = np.exp(NOISE * self.rng.standard_normal(1 + len(row.limits)))
        limits = {n: v * f for (n, v), f in zip(row.limits.items(), factor[1:], strict=True)}
        return Measurement(row.value * float(factor[0]), constraints=limits)


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def make(
    name: str,
    rows: Iterable[tuple[dict[str, Any], float, dict[str, float], str]],
    quantiles: Mapping[str, float],
    client: Iterable[str],
    **more: Any,
) -> Task | None:
    """Return the task of some rows (params, value, limit values, failure); None when there is nothing to find."""
    merged: dict[str, tuple[dict[str, Any], list[tuple[float, dict[str, float], str]]]] = {}
    for params, value, limits, failed in rows:
        merged.setdefault(repr(sorted(params.items(), key=str)), (params, []))[1].append(
            (value, limits, failed)
        )
    configurations = [p for p, _ in merged.values()]
    if len(configurations) < 12:
        return None
    parameters = []
    for knob in configurations[0]:
        values = list(dict.fromkeys(p[knob] for p in configurations))
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if len(values) > 1:
            parameters.append(Categorical(knob, sorted(values) if numeric else values, ordered=numeric))
    if not parameters:
        return None
    names = [p.name for p in parameters]
    space = SearchSpace(parameters, allowed=[{n: p[n] for n in names} for p in configurations])
    measured = [r for _, group in merged.values() for r in group if not r[2]]
    if not measured:
        return None
    constraints = [
        Constraint(n, upper=float(np.quantile([m[1][n] for m in measured], q))) for n, q in quantiles.items()
    ]
    problem = Problem(name, space, [Objective("throughput", "maximize")], constraints)
    table = {}
    for params, group in merged.values():
        failed = next((f for _, _, f in group if f), "")
        value = float(np.mean([v for v, _, _ in group]))
        limits = {n: float(np.mean([m[n] for _, m, _ in group])) for n in quantiles} if not failed else {}
        key = space.key({n: params[n] for n in names})
        table[key] = Recorded(value, limits, failed, failed.startswith("refused"))
    task = Task(name, problem, table, frozenset(client) & set(names), **more)
    return task if any(task.feasible(r) for r in table.values()) else None


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _grouped(
    rows: list[dict[str, str]], key: Callable[[dict[str, str]], Any]
) -> dict[Any, list[dict[str, str]]]:
    groups: dict[Any, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def silicon_key(row: Mapping[str, str]) -> str:
    """Return the name of the task that a row of the silicon table belongs to."""
    model = row["model_path"].split("/")[-1]
    return f"silicon {row['backend']} {model} {row['system']} {row['isl']} {row['osl']}"


def aiconfigurator(path: Path) -> Iterable[Task | None]:
    """Parallelism, precision and concurrency under TTFT and TPOT limits; tokens per second and GPU."""
    knobs = (
        "precision",
        "tp_size",
        "pp_size",
        "attention_dp_size",
        "moe_tp_size",
        "moe_ep_size",
        "concurrency",
    )
    rows = [r for r in _read(path) if r["mode"] == "agg" and r["silicon_ttft_ms"] and r["tput_est_tok_s"]]
    for name, group in _grouped(rows, silicon_key).items():
        made = [
            (
                {k: _number(r[k]) for k in knobs},
                float(r["tput_est_tok_s"]) / max(float(r["n_gpus_if_tp_x_pp_x_dp"] or 1), 1),
                {"ttft_ms": float(r["silicon_ttft_ms"]), "tpot_ms": float(r["silicon_tpot_ms"])},
                "",
            )
            for r in group
        ]
        yield make(name, made, {"ttft_ms": 0.6, "tpot_ms": 0.4}, ["concurrency"])


def llmpilot(path: Path) -> Iterable[Task | None]:
    """GPU profile and users under TTFT and ITL limits; a run with failed requests is a failure."""
    for model, group in _grouped(_read(path), lambda r: r["model"]).items():
        made = []
        for r in group:
            params = {"gpu_type": r["gpu_type"], "n_gpus": int(r["n_gpus"]), "num_users": int(r["num_users"])}
            bad = int(r["n_err"] or 0) > 0 or not r["ttft_p95_ms"] or not r["itl_mean_p95_ms"]
            limits = (
                {} if bad else {"ttft_ms": float(r["ttft_p95_ms"]), "itl_ms": float(r["itl_mean_p95_ms"])}
            )
            value = float(r["out_tok_s"] or 0) / int(r["n_gpus"])
            made.append((params, value, limits, "requests failed" if bad else ""))
        yield make(f"llmpilot {model}", made, {"ttft_ms": 0.5, "itl_ms": 0.4}, ["num_users"])


def argonne(path: Path) -> Iterable[Task | None]:
    """Engine, device, count and batch under a latency limit; tokens per second and device."""
    rows = [r for r in _read(path) if r["Throughput"] and r["Latency"]]
    for (model, length), group in _grouped(
        rows, lambda r: (r["Model"].split("/")[-1], r["Input Output Length"])
    ).items():
        made = [
            (
                {"hardware": r["Hardware"], "devices": int(float(r["Num of Hardware"])), "engine": r["Framework"],
                 "batch": int(float(r["Batch Size"]))},
                float(r["Throughput"]) / float(r["Num of Hardware"]),
                {"latency_s": float(r["Latency"])},
                "",
            )
            for r in group
        ]  # fmt: skip
        yield make(f"argonne {model} {length}", made, {"latency_s": 0.3}, ["batch"])


def scheduler_flags(path: Path) -> Iterable[Task | None]:
    """Scheduler flags of one 405B model on eight H100, and the request rate, under p99 TTFT and TPOT limits."""
    knobs = {"max-num-seqs": "max_num_seqs", "max-num-batched-tokens": "max_num_batched_tokens",
             "enable-chunked-prefill": "enable_chunked_prefill", "num-scheduler-step": "num_scheduler_steps",
             "max-seq-len-to-capture": "max_seq_len_to_capture", "request_rate": "request_rate"}  # fmt: skip
    made = [
        (
            {ours: r[theirs] == "TRUE" if r[theirs] in ("TRUE", "FALSE") else _number(r[theirs])
             for theirs, ours in knobs.items()},
            float(r["output_throughput"]),
            {"ttft_ms": float(r["p99_ttft_ms"]), "tpot_ms": float(r["p99_tpot_ms"])},
            "",
        )
        for r in _read(path)
    ]  # fmt: skip
    quantiles = {"ttft_ms": 0.6, "tpot_ms": 0.4}
    yield make("flags Llama-3.1-405B 8xh100", made, quantiles, ["request_rate"],
               grid=("max_num_seqs", "max_num_batched_tokens"))  # fmt: skip


def own(path: Path) -> Iterable[Task | None]:
    """Our own table of vLLM's CPU build: knobs of the server, its failures, and what preflight refuses."""
    knobs = ("max_num_seqs", "max_num_batched_tokens", "block_size", "enable_prefix_caching")
    for (model, workload), group in _grouped(_read(path), lambda r: (r["model"], r["workload"])).items():
        made = []
        for r in group:
            params = {k: r[k] == "True" if r[k] in ("True", "False") else _number(r[k]) for k in knobs}
            limits = (
                {}
                if r["failed"]
                else {"ttft_ms": float(r["ttft_p99_ms"]), "tpot_ms": float(r["tpot_p99_ms"])}
            )
            made.append((params, float(r["output_tok_s"] or 0), limits, r["failed"]))
        quantiles = {"ttft_ms": 0.6, "tpot_ms": 0.4}
        yield make(f"cpu {model} {workload}", made, quantiles, [], start_s=CPU_START_S, load_s=CPU_LOAD_S,
                   grid=("max_num_seqs", "max_num_batched_tokens"))  # fmt: skip


READERS: Mapping[str, Callable[[Path], Iterable[Task | None]]] = {
    "aiconfigurator_silicon_sample.csv": aiconfigurator,
    "ibm_llmpilot_tgis_agg.csv": llmpilot,
    "argonne_all_results.csv": argonne,
    "dstack_llama405b_vllm_flags.csv": scheduler_flags,
    "vllm_cpu_table.csv": own,
}


def with_estimates(task: Task, path: Path) -> Task | None:
    """Return the task with its estimates, None where fewer than half of its configurations have one."""
    rows = [r for r in _read(path) if r["task"] == task.name]
    space = task.problem.space
    found = {
        space.key({p.name: _number(r[p.name]) for p in space}): {
            n: float(r[n]) for n in ("throughput", "ttft_ms", "tpot_ms")
        }
        for r in rows
    }
    known = {key: found[key] for key in task.rows if key in found}
    return replace(task, estimates=known) if 2 * len(known) >= len(task.rows) else None


def tasks(folder: Path, *, least_draws: float = 10.0) -> list[Task]:
    """Return the tasks of the tables in a folder on which random search needs at least so many draws."""
    found = [
        t for name, read in READERS.items() if (folder / name).exists() for t in read(folder / name) if t
    ]
    return [t for t in found if t.random_draws >= least_draws]
