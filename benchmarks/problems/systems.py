"""Simulated systems with cliffs: servers, compilers, data bases. Closed forms, no noise; failures and limits as in life."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import trialogue as tl

from .base import Case, Outcome

F, I, C = tl.Float, tl.Int, tl.Categorical
Params = Mapping[str, Any]


def _model_server(p: Params) -> Outcome:
    """Serve a language model: throughput under a latency limit, out of memory beyond a curve."""
    width = {"fp16": 2.0, "fp8": 1.0}[p["dtype"]]
    weights = 14.0 * width / 2 / p["tensor_parallel"]
    cache = p["gpu_memory_utilization"] * 24 - weights
    need = 0.09 * width * np.sqrt(p["max_num_seqs"] * p["max_num_batched_tokens"] / 64) / p["tensor_parallel"]
    if (
        cache < 0.6
        or p["gpu_memory_utilization"] > 0.955
        or need > 6 + (24 - 24 * p["gpu_memory_utilization"]) * 2
    ):
        return Outcome(None, failure="CUDA out of memory")
    resident = min(p["max_num_seqs"], 14 * cache / width)
    speed = 38 * resident / (1 + 0.012 * resident) * (1 + 0.35 * (width < 2)) * p["tensor_parallel"] ** 0.55
    chunk = np.log2(p["max_num_batched_tokens"] / 2048)
    speed *= np.exp(-0.08 * chunk**2) * (1.08 if p["prefix_caching"] else 1.0)
    latency = 45 + 1.5 * resident / p["tensor_parallel"] ** 0.7 + p["max_num_batched_tokens"] / 70
    return Outcome(-float(speed), {"ttft_p99_ms": float(latency)})


def _database(p: Params) -> Outcome:
    """Tune a data base: buffers, workers, checkpoints; swapping when memory is over-committed, refusal far beyond."""
    memory = (
        p["shared_buffers_gb"]
        + p["work_mem_mb"] * p["max_connections"] / 1024 * 0.25
        + 0.3 * p["parallel_workers"]
    )
    if memory > 22:
        return Outcome(None, failure="the server was killed: out of memory")
    hit = 1 - np.exp(-p["shared_buffers_gb"] / 3.5)
    sort = 1 / (1 + np.exp(-(np.log2(p["work_mem_mb"]) - 4.5)))
    tps = (
        900 * (0.25 + 0.75 * hit) * (0.6 + 0.4 * sort) * (p["max_connections"] / (p["max_connections"] + 40))
    )
    tps *= 1 + 0.25 * np.log1p(p["parallel_workers"]) - 0.035 * p["parallel_workers"]
    tps *= {"off": 1.25, "on": 1.0, "remote": 0.75}[p["synchronous_commit"]]
    tps *= np.exp(-0.05 * (np.log2(p["checkpoint_s"] / 600)) ** 2)
    if memory > 16:
        tps *= np.exp(-(memory - 16))
    loss = {"off": 3.0, "on": 0.2, "remote": 0.0}[p["synchronous_commit"]] + p["checkpoint_s"] / 1200
    return Outcome(-float(tps), {"loss_s": float(loss), "recovery_s": float(p["checkpoint_s"] ** 0.8 / 4)})


def _compiler(p: Params) -> Outcome:
    """Choose compile flags and tiles for a kernel: invalid combinations crash, the cache has cliffs."""
    tile = p["tile_m"] * p["tile_n"]
    if p["vector"] > p["tile_n"] or (p["unroll"] > 8 and p["vector"] >= 16):
        return Outcome(None, failure="internal compiler error")
    footprint = 4 * (tile + p["tile_k"] * (p["tile_m"] + p["tile_n"])) / 1024
    if footprint > 96:
        return Outcome(None, failure="too much shared memory")
    time = 10.0 / min(p["vector"], 8) ** 0.6 * (1 + 0.3 * abs(np.log2(p["unroll"]) - 2)) + 60 / np.sqrt(tile)
    time += {"O1": 2.0, "O2": 0.4, "O3": 0.0, "Ofast": -0.15}[p["level"]] + (3.0 if footprint > 48 else 0.0)
    time += 1.2 * abs(np.log2(p["tile_k"]) - 4.2) ** 1.3 + (
        0.6 if p["prefetch"] == (p["unroll"] > 4) else 0.0
    )
    return Outcome(float(time))


def _stream(p: Params) -> Outcome:
    """A stream processor: batching against latency; back-pressure collapses throughput."""
    capacity = p["workers"] * 90 * (1 - np.exp(-p["batch"] / 120)) / (1 + 0.02 * p["workers"])
    capacity *= {"none": 1.0, "lz4": 1.3, "zstd": 1.15}[p["compression"]]
    capacity *= 1 - 0.3 * np.exp(-p["buffer_kb"] / 100)
    latency = 5 + p["linger_ms"] + p["batch"] / 8 + 900 / (1 + capacity / 60)
    if p["buffer_kb"] * p["workers"] > 9000 or p["workers"] * p["batch"] > 9000:
        return Outcome(None, failure="worker killed: heap exhausted")
    cost = (
        0.5 * p["workers"] + {"none": 0.0, "lz4": 1.2, "zstd": 3.0}[p["compression"]] + p["buffer_kb"] / 900
    )
    return Outcome(
        float(cost - 0.004 * capacity + 3 * np.exp(-p["linger_ms"] / 6)), {"latency_p99_ms": float(latency)}
    )


def _training(p: Params) -> Outcome:
    """Train on one GPU: time to a loss; out of memory, and divergence of the loss, end a run."""
    memory = (
        3
        + 0.021 * p["micro_batch"] * p["sequence"] / 16 * (0.35 if p["checkpointing"] else 1.0)
        + 0.35 * p["lora_rank"] ** 0.5
    )
    if memory > 24:
        return Outcome(None, failure="CUDA out of memory")
    effective = p["micro_batch"] * p["accumulate"]
    limit = (
        3e-4 * np.sqrt(effective / 16) * (3.0 if p["schedule"] == "cosine" else 1.8) * (1 + 4 * p["warmup"])
    )
    if p["learning_rate"] > 4 * limit:
        return Outcome(None, failure="loss is NaN")
    steps = (
        1
        + 0.9 * (np.log10(p["learning_rate"] / limit) + 0.15) ** 2
        + 0.02 * abs(np.log2(effective / 32)) ** 2
    )
    speed = p["micro_batch"] / (p["micro_batch"] + 6) * (0.72 if p["checkpointing"] else 1.0)
    quality = (
        0.25 * (np.log2(p["lora_rank"]) - 4.5) ** 2 / 9 + 0.4 * abs(np.log2(p["sequence"] / 1024)) ** 1.2 / 2
    )
    return Outcome(float(steps / speed + quality + 2.5 * (p["warmup"] - 0.06) ** 2 * 40))


def _cluster(p: Params) -> Outcome:
    """Autoscale a service: money under a latency limit; queues explode near saturation."""
    instances = p["replicas"] * {"small": 1.0, "medium": 2.1, "large": 4.4}[p["instance"]]
    service = 100 * instances * (1 - 0.5 * np.exp(-p["threads"] / 8)) / (1 + (p["threads"] / 40) ** 2)
    load = 1000.0 * (1 - 0.75 * (1 - np.exp(-p["cache_gb"] / 6)))
    if load >= service:
        return Outcome(None, failure="timeout: health check failed")
    latency = 12 + 1000 / (service - load) * 8 + 25 * np.exp(-p["keepalive_s"] / 20) + 0.15 * p["threads"]
    price = (
        p["replicas"] * {"small": 1.0, "medium": 1.9, "large": 3.7}[p["instance"]]
        + 0.35 * p["cache_gb"]
        + 0.01 * p["keepalive_s"]
    )
    return Outcome(float(price), {"latency_p99_ms": float(latency)})


def _case(
    name: str,
    parameters: list[Any],
    evaluate: Callable[[Params], Outcome],
    constraints: list[str],
    *,
    unseen: bool = False,
) -> Case:
    return Case(
        tl.Problem(name, tl.SearchSpace(parameters), constraints=constraints), "systems", evaluate, unseen
    )


def system_cases() -> list[Case]:
    return [
        _case("model-server", [I("max_num_seqs", 1, 1024, log=True), I("max_num_batched_tokens", 256, 16384, log=True),
              F("gpu_memory_utilization", 0.3, 0.98), I("tensor_parallel", 1, 2), C("dtype", ["fp16", "fp8"]), C("prefix_caching", [False, True])],
              _model_server, ["ttft_p99_ms <= 180"]),
        _case("database", [F("shared_buffers_gb", 0.1, 20, log=True), I("work_mem_mb", 1, 512, log=True), I("max_connections", 10, 500, log=True),
              I("parallel_workers", 0, 16), C("synchronous_commit", ["on", "off", "remote"]), I("checkpoint_s", 30, 3600, log=True)],
              _database, ["loss_s <= 1", "recovery_s <= 60"]),
        _case("compiler", [C("tile_m", [8, 16, 32, 64, 128, 256], ordered=True), C("tile_n", [8, 16, 32, 64, 128, 256], ordered=True),
              C("tile_k", [4, 8, 16, 32, 64], ordered=True), C("vector", [1, 2, 4, 8, 16], ordered=True), C("unroll", [1, 2, 4, 8, 16], ordered=True),
              C("level", ["O2", "O1", "O3", "Ofast"]), C("prefetch", [False, True])], _compiler, []),
        _case("stream", [I("workers", 1, 64, log=True), I("batch", 1, 2000, log=True), F("linger_ms", 0.1, 200, log=True),
              I("buffer_kb", 16, 8192, log=True), C("compression", ["none", "lz4", "zstd"])], _stream, ["latency_p99_ms <= 120"], unseen=True),
        _case("training", [F("learning_rate", 1e-6, 1e-1, log=True), I("micro_batch", 1, 64, log=True), I("accumulate", 1, 32, log=True),
              I("sequence", 256, 4096, log=True), I("lora_rank", 2, 256, log=True), F("warmup", 0.0, 0.2), C("schedule", ["constant", "cosine"]),
              C("checkpointing", [False, True])], _training, [], unseen=True),
        _case("cluster", [I("replicas", 1, 40, log=True), C("instance", ["small", "medium", "large"]), I("threads", 1, 128, log=True),
              F("cache_gb", 0.1, 32, log=True), F("keepalive_s", 1, 300, log=True)], _cluster, ["latency_p99_ms <= 40"]),
    ]  # fmt: skip
