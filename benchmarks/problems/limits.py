"""Harder systems: six to ten parameters, and 40-70 % of uniform draws fail or break a limit.

Closed forms, no noise. The vessel, the beam and the speed reducer are public engineering designs (Coello 2000; Golinski 1970),
with their many limits folded into a few by taking the worst relative excess, and the reducer's loosened (hardly any draw
meets the published ones); the others are ours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

import trialogue as tl

from .base import Case, Outcome
from .systems import _case

F, I, C = tl.Float, tl.Int, tl.Categorical
Params = Mapping[str, Any]


def _vessel(p: Params) -> Outcome:
    """Design a pressure vessel: cost under limits of stress and volume; plates come in sixteenths of an inch."""
    shell, head, r, length = p["shell"] / 16, p["head"] / 16, p["radius"], p["length"]
    cost = (
        0.6224 * shell * r * length + 1.7781 * head * r**2 + 3.1661 * shell**2 * length + 19.84 * shell**2 * r
    )
    stress = max(0.0193 * r / shell, 0.00954 * r / head)
    volume = np.pi * r**2 * length + 4 / 3 * np.pi * r**3
    return Outcome(float(np.log(cost)), {"stress": float(stress), "shortage": float(1_296_000 / volume)})


def _beam(p: Params) -> Outcome:
    """Design a welded beam: cost under limits of shear, bending, buckling and deflection."""
    h, length, t, b = p["h"], p["l"], p["t"], p["b"]
    cost = 1.10471 * h**2 * length + 0.04811 * t * b * (14.0 + length)
    moment, radius = 6000 * (14 + length / 2), np.sqrt(length**2 / 4 + ((h + t) / 2) ** 2)
    polar = 2 * np.sqrt(2) * h * length * (length**2 / 12 + ((h + t) / 2) ** 2)
    direct, twist = 6000 / (np.sqrt(2) * h * length), moment * radius / polar
    shear = np.sqrt(direct**2 + direct * twist * length / radius + twist**2) / 13600
    bending = 504000 / (b * t**2) / 30000
    buckling = 6000 / (64746.022 * (1 - 0.0282346 * t) * t * b**3)
    return Outcome(float(cost), {"stress": float(max(shear, bending)), "shape": float(max(buckling, h / b, 2.1952 / (t**3 * b) / 0.25))})  # fmt: skip


def _reducer(p: Params) -> Outcome:
    """Design a speed reducer: weight under eleven limits, told as the worst of the teeth, the shafts and the proportions."""
    x1, x2, x3, x4, x5, x6, x7 = (
        p[k] for k in ("face", "module", "teeth", "length1", "length2", "shaft1", "shaft2")
    )
    weight = (0.7854 * x1 * x2**2 * (3.3333 * x3**2 + 14.9334 * x3 - 43.0934) - 1.508 * x1 * (x6**2 + x7**2)
              + 7.4777 * (x6**3 + x7**3) + 0.7854 * (x4 * x6**2 + x5 * x7**2))  # fmt: skip
    teeth = max(27 / (x1 * x2**2 * x3), 397.5 / (x1 * x2**2 * x3**2))
    deflection = max(1.93 * x4**3 / (x2 * x6**4 * x3), 1.93 * x5**3 / (x2 * x7**4 * x3))
    stress = max(np.sqrt((745 * x4 / (x2 * x3)) ** 2 + 16.9e6) / (110 * x6**3),
                 np.sqrt((745 * x5 / (x2 * x3)) ** 2 + 157.5e6) / (85 * x7**3))  # fmt: skip
    shape = max(x2 * x3 / 40, 5 * x2 / x1, x1 / (12 * x2), (1.5 * x6 + 1.9) / x4, (1.1 * x7 + 1.9) / x5)
    return Outcome(float(weight), {"teeth": float(teeth), "shafts": float(max(deflection, stress)), "proportions": float(shape)})  # fmt: skip


def _batch_job(p: Params) -> Outcome:
    """Run a distributed batch job: executors of some memory on a small cluster; spills, killed containers, a time limit."""
    cores = p["executors"] * p["cores"]
    memory = p["executors"] * p["memory_gb"] * (1 + p["overhead"])
    if memory > 420 or cores > 130:
        return Outcome(None, failure="timeout: no resources for the executors")
    task = 400 / p["partitions"] * (2.2 if p["format"] == "json" else 1.0)
    room = p["memory_gb"] * p["fraction"] / p["cores"]
    if task > 5.0 * room or p["memory_gb"] * p["overhead"] < 0.25:
        return Outcome(None, failure="container killed: out of memory")
    spill = 1.0 + 1.8 * max(0.0, task / room - 0.8)
    work = (
        5200
        * {"json": 1.9, "csv": 1.5, "columns": 1.0}[p["format"]]
        * {"none": 1.15, "fast": 1.0, "tight": 1.08}[p["codec"]]
    )
    minutes = work / (cores**0.85) * spill / 25 + p["partitions"] * 0.004 + 0.03 * p["executors"]
    minutes *= 0.85 if p["join"] == "broadcast" and p["broadcast_mb"] > 60 else 1.0
    if p["join"] == "broadcast" and p["broadcast_mb"] > 60 + 45 * p["memory_gb"]:
        return Outcome(None, failure="out of memory while broadcasting")
    return Outcome(float(0.012 * minutes * (cores + memory / 6)), {"minutes": float(minutes)})


def _broker(p: Params) -> Outcome:
    """Run a message broker: money per message under limits of delay and of loss; full disks and refused sockets."""
    if p["retention_h"] * (0.9 + 0.4 * (p["codec"] == "none")) * p["replicas"] > 200 * p["disk_tb"]:
        return Outcome(None, failure="disk full")
    if p["sockets"] * p["threads"] > 20000:
        return Outcome(None, failure="too many open files")
    batch = np.log2(p["batch_kb"])
    rate = 40 * p["brokers"] * (1 - np.exp(-p["threads"] / 6)) * (0.4 + 0.6 / (1 + np.exp(4 - batch)))
    rate *= {"none": 0.7, "lz4": 1.0, "zstd": 0.9}[p["codec"]] / (1 + 0.22 * (p["replicas"] - 1) * p["acks"])
    rate *= np.exp(-0.06 * (np.log2(p["sockets"]) - 8) ** 2)
    delay = 3 + p["linger_ms"] + 0.5 * 2**batch / 4 + 9 * p["acks"] * (p["replicas"] - 1) + 4000 / (rate + 20)
    loss = (
        6.0 / p["replicas"] ** 2 / (1 + 3 * p["acks"]) + 0.3 * np.exp(-p["flush_s"] / 8) + p["flush_s"] / 60
    )
    money = p["brokers"] * (2 + 0.5 * p["disk_tb"] + 0.04 * p["threads"]) / rate * 60
    return Outcome(float(np.log(money)), {"delay_ms": float(delay), "loss": float(loss)})


def _speculative(p: Params) -> Outcome:
    """Serve a language model with guesses of a small one: cost per token under limits of delay, memory by parameters."""
    weights = {"bf16": 16.0, "fp8": 8.5, "int4": 5.0}[p["weights"]] + (
        p["draft_b"] * 2.1 if p["speculate"] else 0.0
    )
    cache = p["context"] / 1024 * p["sequences"] * {"auto": 0.035, "fp8": 0.018}[p["cache"]]
    if weights + cache + 0.9 * p["chunk"] / 2048 + 1.2 > 24 * p["share"] or p["share"] > 0.965:
        return Outcome(None, failure="CUDA out of memory")
    if p["weights"] == "int4" and p["cache"] == "fp8":
        return Outcome(None, failure="unsupported: fp8 cache with int4 weights")
    step = 9 + weights * 1.1 + 0.22 * p["sequences"] + p["chunk"] / 350
    gain = 1.0
    if p["speculate"]:
        hit = 0.55 + 0.09 * np.log2(p["draft_b"] / 0.25)
        gain = (1 - hit ** (p["guesses"] + 1)) / (1 - hit) / (1 + 0.07 * p["guesses"] * (0.4 + p["draft_b"]))
    quality = (
        {"bf16": 0.0, "fp8": 0.15, "int4": 1.1}[p["weights"]]
        + 0.1 * (p["cache"] == "fp8")
        + 3.0 * np.exp(-p["context"] / 3000)
    )
    tokens = 1000 / step * p["sequences"] * gain
    return Outcome(float(-np.log(tokens)), {"step_ms": float(step / gain), "quality_loss": float(quality)})


def limited_cases() -> list[Case]:
    return [
        _case("pressure-vessel", [I("shell", 8, 40), I("head", 6, 40), F("radius", 25, 100), F("length", 20, 240)], _vessel,
              ["stress <= 1", "shortage <= 1"]),
        _case("welded-beam", [F("h", 0.1, 2), F("l", 0.1, 10), F("t", 2, 10), F("b", 0.1, 2)], _beam, ["stress <= 1", "shape <= 1"], unseen=True),
        _case("speed-reducer", [F("face", 2.6, 3.6), F("module", 0.7, 0.8), I("teeth", 17, 28), F("length1", 7.3, 8.3), F("length2", 7.3, 8.3),
              F("shaft1", 2.9, 3.9), F("shaft2", 5, 5.5)], _reducer, ["teeth <= 1", "shafts <= 1.1", "proportions <= 1.25"]),
        _case("batch-job", [I("executors", 1, 40, log=True), I("cores", 1, 16, log=True), F("memory_gb", 1, 64, log=True), F("overhead", 0.05, 0.5),
              F("fraction", 0.2, 0.9), I("partitions", 8, 4000, log=True), C("format", ["json", "csv", "columns"]), C("codec", ["none", "fast", "tight"]),
              C("join", ["sort", "broadcast"]), F("broadcast_mb", 1, 4000, log=True, when={"join": ["broadcast"]})], _batch_job, ["minutes <= 120"]),
        _case("broker", [I("brokers", 1, 24, log=True), I("replicas", 1, 5), C("acks", [0, 1]), F("batch_kb", 1, 1024, log=True), F("linger_ms", 0.1, 300, log=True),
              I("threads", 1, 64, log=True), I("sockets", 16, 4096, log=True), F("retention_h", 1, 400, log=True), F("disk_tb", 0.5, 16, log=True),
              C("codec", ["none", "lz4", "zstd"]), F("flush_s", 0.1, 100, log=True)], _broker, ["delay_ms <= 200", "loss <= 2"], unseen=True),
        _case("speculative-server", [C("weights", ["bf16", "fp8", "int4"]), C("cache", ["auto", "fp8"]), I("sequences", 1, 256, log=True),
              I("context", 512, 16384, log=True), I("chunk", 256, 16384, log=True), F("share", 0.5, 0.99), C("speculate", [False, True]),
              F("draft_b", 0.1, 4, log=True, when={"speculate": [True]}), I("guesses", 1, 12, when={"speculate": [True]})], _speculative,
              ["step_ms <= 40", "quality_loss <= 2.2"]),
    ]  # fmt: skip
