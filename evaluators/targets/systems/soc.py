"""A chip for augmented reality: which cores, accelerators, clocks, bus and schedule; area within limits of time and power.

The tasks of one frame (three chains of kernels that join, generated once) are list-scheduled on the chip's units: each takes
its operations at the unit's speed, and hands its data over a shared bus.
Source: Krishnan et al. 2023, ArchGym (arXiv 2306.08888), whose SoC environment is FARSI (Boroujerdian et al. 2022, arXiv
2201.05232): budgets of latency, power and area, and the finding that no search algorithm stands out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Constraint, Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .searches import genetic, random_walk

MAX_LATENCY, MAX_POWER = 21.0, 2.2
KINDS = ("control", "filter", "matrix")
CHAIN = 14
"""Tasks of each of the three chains."""
SPEED = {"little": (1.0, 0.7, 0.5), "big": (2.5, 2.0, 1.6), "dsp": (0.4, 8.0, 3.0), "npu": (0.1, 3.0, 24.0)}
"""Million operations per ms and GHz of each kind of task."""
AREA = {"little": 0.6, "big": 2.4, "dsp": 1.2, "npu": 3.0}
WATTS = {"little": 0.12, "big": 0.75, "dsp": 0.25, "npu": 0.5}
"""Of a busy unit at 1 GHz; a clock costs its square, as the voltage rises with it. Idle units leak a tenth of that."""


def target() -> GalleryTarget:
    """Return the target ``soc``."""
    space = SearchSpace(
        [
            Int("little_cores", 1, 6, default=4, unit="cores", description="small processors"),
            Int("big_cores", 0, 4, default=2, unit="cores", description="large processors"),
            Int("dsps", 0, 3, default=0, unit="units", description="signal processors: filters"),
            Int("npus", 0, 2, default=0, unit="units", description="accelerators of matrix products"),
            Float("core_clock", 0.4, 2.4, default=1.6, unit="GHz", description="of all cores"),
            Float("unit_clock", 0.2, 1.2, default=0.8, unit="GHz", description="of signal processors and accelerators"),
            Int("bus_width", 4, 64, log=True, default=16, unit="bytes", description="per cycle of the bus"),
            Float("bus_clock", 0.1, 1.0, default=0.4, unit="GHz", description="of the bus"),
            Categorical("order", ["arrival", "longest", "critical-path"], default="arrival",
                        description="which ready task goes first"),
            Categorical("placing", ["first-free", "earliest-end"], default="first-free", description="on which unit"),
        ]
    )  # fmt: skip
    problem = Problem(
        "soc",
        space,
        [Objective("area", "minimize", "mm2", "of all units and the bus")],
        [Constraint("latency", upper=MAX_LATENCY, unit="ms"), Constraint("power", upper=MAX_POWER, unit="W")],
        description="Compose the smallest chip that renders a frame of augmented reality within 21 ms and 2.2 W.",
        context={"tasks": 3 * CHAIN + 1},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "systems",
        "Krishnan et al. 2023, ArchGym, arXiv 2306.08888; Boroujerdian et al. 2022, FARSI",
        region={"order": ("critical-path",), "placing": ("earliest-end",)},
        claim=SourceClaim(
            "With enough evaluations no search algorithm stands out: random search and a genetic algorithm with its best "
            "setting end within a tenth of each other's area after 2,000.",
            check,
        ),
        seconds=0.01,
        low_fidelity=0.5,
    )


@dataclass(frozen=True)
class TaskGraph:
    """Tasks in an order that respects ``before``: millions of operations, kind, kilobytes handed on, predecessors."""

    operations: np.ndarray
    kind: np.ndarray
    kilobytes: np.ndarray
    before: tuple[tuple[int, ...], ...]


@cache
def task_graph(chain: int = CHAIN) -> TaskGraph:
    """Return three chains of kernels, audio, video and tracking, with a join at the end."""
    rng = np.random.default_rng(7)
    n = 3 * chain + 1
    kind = np.concatenate(
        [rng.choice(3, chain, p=p) for p in ((0.3, 0.6, 0.1), (0.2, 0.2, 0.6), (0.5, 0.3, 0.2))]
    )
    operations = rng.lognormal(np.log([1.0, 3.0, 8.0])[kind], 0.6)
    before: list[tuple[int, ...]] = [() if i % chain == 0 else (i - 1,) for i in range(n - 1)]
    for late in range(chain + 2, n - 1, 3):
        before[late] = (*before[late], int(rng.integers(0, chain)))
    before.append((chain - 1, 2 * chain - 1, 3 * chain - 1))
    return TaskGraph(
        np.append(operations, 2.0), np.append(kind, 0), rng.lognormal(4.0, 0.8, n), tuple(before)
    )


def units(params: Mapping[str, Any]) -> list[str]:
    """Return the kinds of the chip's units."""
    counts = zip(SPEED, ("little_cores", "big_cores", "dsps", "npus"), strict=True)
    return [unit for unit, name in counts for _ in range(params[name])]


def clock(params: Mapping[str, Any], unit: str) -> float:
    """Return a unit's clock in GHz."""
    return params["core_clock" if unit in ("little", "big") else "unit_clock"]


def schedule(params: Mapping[str, Any], tasks: TaskGraph) -> tuple[float, float]:
    """Return the milliseconds of one frame, and the millijoules that busy units take."""
    chip = units(params)
    rate = np.array([[SPEED[u][k] * clock(params, u) for k in range(3)] for u in chip])
    takes = tasks.operations / rate[:, tasks.kind]
    hand_over = tasks.kilobytes / (params["bus_width"] * params["bus_clock"]) / 1e3
    priority, free, bus = _priorities(params["order"], tasks, takes.min(0)), np.zeros(len(chip)), 0.0
    end, place, energy = np.full(len(tasks.before), np.nan), np.zeros(len(tasks.before), int), 0.0
    open_tasks = set(range(len(tasks.before)))
    while open_tasks:
        ready = [i for i in open_tasks if not np.isnan(end[list(tasks.before[i])]).any()]
        task = max(ready, key=lambda i: (priority[i], -i))
        open_tasks.remove(task)
        inputs = max((end[b] for b in tasks.before[task]), default=0.0)
        starts = np.maximum(free, inputs)
        unit = int(np.argmin(starts if params["placing"] == "first-free" else starts + takes[:, task]))
        start = starts[unit]
        for b in tasks.before[task]:
            if place[b] != unit:
                bus = max(bus, end[b]) + hand_over[b]
                start = max(start, bus)
        end[task] = free[unit] = start + takes[unit, task]
        place[task] = unit
        energy += takes[unit, task] * WATTS[chip[unit]] * clock(params, chip[unit]) ** 2
    return float(end.max()), energy


def _priorities(order: str, tasks: TaskGraph, takes: np.ndarray) -> np.ndarray:
    """Return the priority of each task, higher first."""
    if order == "arrival":
        return np.zeros(len(takes))
    if order == "longest":
        return takes
    path = takes.copy()
    for i in reversed(range(len(takes))):
        for b in tasks.before[i]:
            path[b] = max(path[b], takes[b] + path[i])
    return path


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the area, with the frame's time and power; nothing in it is random. Shorter chains stand for whole ones."""
    chip, chain = units(params), max(4, round(CHAIN * run.fidelity))
    latency, energy = (CHAIN / chain * value for value in schedule(params, task_graph(chain)))
    leaks = sum(0.1 * WATTS[u] for u in chip) + 0.02 * params["bus_width"] * params["bus_clock"]
    area = sum(AREA[u] for u in chip) + 0.03 * params["bus_width"]
    return Measurement(area, constraints={"latency": latency, "power": energy / latency + leaks})


def check() -> Evidence:
    """Search 2,000 evaluations each at four seeds with short chains, a broken budget counting as area."""
    space = target().problem.space

    def cost(params: Mapping[str, Any]) -> float:
        measurement = evaluate(params, Run(fidelity=0.3))
        latency, power = measurement.constraints["latency"], measurement.constraints["power"]
        return measurement.value * (
            1 + 5 * max(latency / MAX_LATENCY - 1, 0) + 5 * max(power / MAX_POWER - 1, 0)
        )

    def mean(search: Any, **settings: float) -> float:  # Any: either of the two searches
        return float(
            np.mean([search(space, cost, 2000, np.random.default_rng(s), **settings) for s in range(4)])
        )

    bred, random = min(mean(genetic, population=p, mutation=0.05) for p in (8, 64)), mean(random_walk)
    return Evidence(
        f"{bred:.2f} mm² genetic, {random:.2f} mm² random", abs(bred - random) < 0.1 * max(bred, random)
    )
