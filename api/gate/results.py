"""Results of load generators and of ours, read into one form: what a run measured, request by request where it says so.

Read are: ``vllm bench serve --save-result`` (with ``--save-detailed`` every request), GuideLLM's ``benchmarks.json`` (a run
per rate), SGLang's ``bench_serving`` (a run per line of its file), AIPerf's ``profile_export_aiperf.json`` and
``profile_export.jsonl``, the ``handover.json`` of ``tune-vllm`` (the runs of the configuration that it recommends), and
``trialogue export`` in both forms (a run per finished trial).

Names are those of ``tune-vllm``: ``ttft_p99_ms``, ``output_tok_s``. Latencies are in milliseconds, rates per second. Knows
nothing of statistics. Formats: vLLM 0.32, GuideLLM 0.8, AIPerf 0.13, SGLang's main branch of 2025.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...evaluators.spaces.base import finite_number, shown, whole_number
from ...evaluators.text_files import read_text
from ...serving.errors import InvalidInput

Json = Mapping[str, Any]  # Any: what other programs wrote


@dataclass(frozen=True)
class MeasuredRun:
    """One run. ``load``: what must be equal for runs to be comparable, as text; ``numbers``: one per metric;
    ``requests``: latencies in ms by kind (``"ttft"``), one per request that succeeded."""

    source: str
    load: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    requests: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    completed: int | None = None
    failed: int | None = None

    def __post_init__(self) -> None:
        times = [time for kind in self.requests.values() for time in kind]
        counts = [count for count in (self.completed, self.failed) if count is not None]
        if any(finite_number(time) is None for time in times) or any(
            (whole_number(c) or 0) < 0 for c in counts
        ):
            raise InvalidInput(f"{self.source} must hold finite times and counts of requests.")


def read_runs(path: Path) -> list[MeasuredRun]:
    """Return the runs of a file. Raises InvalidInput for a form that is not known or does not hold, OSError."""
    try:
        return _read(path)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path} is no result as its tool writes it: {shown(error)}.") from None


def _read(path: Path) -> list[MeasuredRun]:
    text = read_text(path)
    if path.suffix == ".csv":
        return _of_csv(path, text)
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        lines = _json_lines(path, text)
        if all("completed" in line for line in lines):
            return [run for line in lines for run in _of_vllm(path, line)]
        return _of_aiperf_records(path, lines) if "metadata" in lines[0] else _of_export(path, lines)
    if isinstance(plain, dict):
        for mark, reader in _READERS.items():
            if mark in plain:
                return reader(path, plain)
        if "metadata" in plain and "metrics" in plain:
            return _of_aiperf_records(path, [plain])
    raise InvalidInput(
        f"{path} is none of the results that are read: vllm bench serve, GuideLLM, SGLang's bench_serving, AIPerf, tune-vllm's "
        "handover.json, trialogue export."
    )


def _json_lines(path: Path, text: str) -> list[Json]:
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is neither JSON nor JSON lines: {error}.") from None
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise InvalidInput(f"{path} holds no results: expected a JSON object, or one per line.")
    return lines


def _numbers(plain: Iterable[tuple[str, Any]]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in plain
        if isinstance(value, int | float) and finite_number(value) is not None
    }


def _loaded(plain: Json, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {plain[name]}" for name in names if plain.get(name) is not None)


def _of_vllm(path: Path, plain: Json) -> list[MeasuredRun]:
    """Times of single requests are in seconds there, statistics in milliseconds. SGLang writes the same, of fewer requests
    than were sent it does not say."""
    rates = {"request_throughput": "requests_s", "output_throughput": "output_tok_s", "total_token_throughput": "total_tok_s",
             "request_goodput": "goodput_req_s"}  # fmt: skip
    words = {"median": "p50", "mean": "mean"} | {f"p{p}": f"p{p}" for p in (90, 95, 99)}
    kinds = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e", "e2e_latency": "e2e"}
    times = {f"{word}_{old}_ms": f"{kind}_{statistic}_ms"
             for old, kind in kinds.items() for word, statistic in words.items()}  # fmt: skip
    numbers = _numbers((new, plain.get(old)) for old, new in (rates | times).items())
    requests: dict[str, tuple[float, ...]] = {}
    if plain.get("ttfts"):
        gaps = plain.get("itls") or [[]] * len(plain["ttfts"])
        answered = [(t, g) for t, g in zip(plain["ttfts"], gaps, strict=True) if t]
        requests["ttft"] = tuple(1e3 * t for t, _ in answered)
        requests["e2e"] = tuple(1e3 * (t + sum(g)) for t, g in answered)
        requests["tpot"] = tuple(1e3 * sum(g) / len(g) for _, g in answered if g)
    sent = (
        "request_rate",
        "burstiness",
        "max_concurrency",
        "num_prompts",
        "random_input_len",
        "random_output_len",
    )
    completed, failed = int(plain["completed"]), plain.get("failed")
    if failed is None and plain.get("num_prompts") is not None:
        failed = max(0, int(plain["num_prompts"]) - completed)
    load = _loaded(plain, sent)
    return [MeasuredRun(str(path), load, numbers, requests, completed, failed)]


def _of_guidellm(path: Path, plain: Json) -> list[MeasuredRun]:
    return [_guidellm_run(path, one) for one in plain["benchmarks"]]


def _guidellm_run(path: Path, one: Json) -> MeasuredRun:
    metrics = one["metrics"]
    kinds = {"ttft": ("time_to_first_token_ms", 1.0), "tpot": ("time_per_output_token_ms", 1.0),
             "itl": ("inter_token_latency_ms", 1.0), "e2e": ("request_latency", 1e3)}  # fmt: skip
    rates = {
        "requests_per_second": "requests_s",
        "output_tokens_per_second": "output_tok_s",
        "tokens_per_second": "total_tok_s",
    }
    numbers = _numbers((new, _successful(metrics, old).get("mean")) for old, new in rates.items())
    for kind, (name, unit) in kinds.items():
        times = _successful(metrics, name)
        statistics = dict(times.get("percentiles") or {}) | {"mean": times.get("mean")}
        part = _numbers((f"{kind}_{s}_ms", statistics.get(s)) for s in ("mean", "p50", "p90", "p95", "p99"))
        numbers |= {n: unit * v for n, v in part.items()}
    rows = (one.get("requests") or {}).get("successful") or ()
    requests = {kind: tuple(unit * r[name] for r in rows if isinstance(r.get(name), int | float))
                for kind, (name, unit) in kinds.items()}  # fmt: skip
    totals = metrics.get("request_totals") or {}
    strategy = (one.get("config") or {}).get("strategy") or {}
    load = _loaded(strategy, ("type_", "rate", "streams", "max_concurrency"))
    return MeasuredRun(
        str(path),
        load,
        numbers,
        {k: v for k, v in requests.items() if v},
        totals.get("successful"),
        totals.get("errored"),
    )


def _successful(metrics: Json, name: str) -> Json:
    return (metrics.get(name) or {}).get("successful") or {}


_AIPERF = {
    "time_to_first_token": "ttft",
    "inter_token_latency": "tpot",
    "request_latency": "e2e",
    "inter_chunk_latency": "itl",
}
_UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "sec": 1e3, "s": 1e3}


def _of_aiperf(path: Path, plain: Json) -> list[MeasuredRun]:
    """AIPerf's inter-token latency is per request, (latency - first token) / (tokens - 1): others' time per token."""
    rates = {
        "request_throughput": "requests_s",
        "output_token_throughput": "output_tok_s",
        "goodput": "goodput_req_s",
    }
    numbers = _numbers((new, (plain.get(old) or {}).get("avg")) for old, new in rates.items())
    for name, kind in _AIPERF.items():
        row = dict(plain.get(name) or {})
        unit = _UNITS.get(str(row.get("unit")), 1.0)
        part = _numbers((f"{kind}_{s}_ms", row.get(old)) for old, s in {"avg": "mean", "p50": "p50", "p90": "p90",
                                                                           "p95": "p95", "p99": "p99"}.items())  # fmt: skip
        numbers |= {n: unit * v for n, v in part.items()}
    generator = (plain.get("input_config") or {}).get("loadgen") or {}
    load = _loaded(generator, ("concurrency", "request_rate", "request_count"))
    counts = [(plain.get(name) or {}).get("avg") for name in ("request_count", "error_request_count")]
    return [MeasuredRun(str(path), load, numbers, {}, *(None if c is None else int(c) for c in counts))]


def _of_aiperf_records(path: Path, lines: list[Json]) -> list[MeasuredRun]:
    requests: dict[str, list[float]] = {}
    for line in lines:
        for name, kind in _AIPERF.items():
            row = (line.get("metrics") or {}).get(name) if line.get("error") is None else None
            if row and isinstance(row.get("value"), int | float):
                requests.setdefault(kind, []).append(_UNITS.get(str(row.get("unit")), 1.0) * row["value"])
    failed = sum(line.get("error") is not None for line in lines)
    times = {kind: tuple(values) for kind, values in requests.items()}
    return [MeasuredRun(str(path), "", {}, times, len(lines) - failed, failed)]


def _of_handover(path: Path, plain: Json) -> list[MeasuredRun]:
    side = "best_runs" if plain["recommendation"] == "change" else "default_runs"
    return [
        MeasuredRun(f"{path}, {side} {i}", "", _numbers(run.items())) for i, run in enumerate(plain[side])
    ]


def _of_export(path: Path, lines: list[Json]) -> list[MeasuredRun]:
    """The first objective is called ``value``: the lines do not name it."""
    finished = [line for line in lines if line.get("state") == "finished" and not line.get("excluded")]
    if not finished:
        raise InvalidInput(f"{path} holds no finished trials; `trialogue export` writes such a file.")
    _refuse_mixture(path, [json.dumps(line["params"], sort_keys=True) for line in finished])
    runs: list[MeasuredRun] = []
    for line in finished:
        ending = line["ending"]
        row = {**ending.get("metrics", {}), **ending.get("constraints", {}), "value": line["values"][0]}
        runs.append(MeasuredRun(f"{path}, trial {line['number']}", "", _numbers(row.items())))
    return runs


def _of_csv(path: Path, text: str) -> list[MeasuredRun]:
    """Columns do not say which of them are parameters: that all rows are of one configuration is not checked."""
    table = csv.DictReader(io.StringIO(text, newline=""))
    rows = [row for row in table if row.get("state") == "finished" and not row.get("excluded")]
    runs: list[MeasuredRun] = []
    for row in rows:
        cells = [(name, _float(cell)) for name, cell in row.items() if name not in ("number", None)]
        runs.append(MeasuredRun(f"{path}, trial {row.get('number')}", "", _numbers(cells)))
    if not runs:
        raise InvalidInput(f"{path} holds no finished trials; `trialogue export` writes such a file.")
    return runs


def _refuse_mixture(path: Path, configurations: list[str]) -> None:
    if len(set(configurations)) != 1:
        raise InvalidInput(
            f"{path} must hold finished trials of one configuration, got {len(set(configurations))}; the export of a "
            "study that repeats one, or a file with its lines only, can be judged."
        )


def _float(cell: str | None) -> float | None:
    try:
        return float(cell or "")
    except ValueError:
        return None


_READERS: dict[str, Callable[[Path, Json], list[MeasuredRun]]] = {
    "benchmarks": _of_guidellm,
    "completed": _of_vllm,
    "best_runs": _of_handover,
    "request_throughput": _of_aiperf,
    "request_latency": _of_aiperf,
    "ending": lambda path, plain: _of_export(path, [plain]),
}
"""Readers by a key that only their form has at its top, in the order in which they are tried."""
