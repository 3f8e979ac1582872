"""An accelerator for convolutional networks: array of processing elements, memories and dataflow against energy and area.

Notation of a layer: K filters · C input channels · R × R kernels · P × P outputs · a word is 16 bits. A mapper tries all
tiles that are powers of two and fit into the buffer, in three loop orders, and takes the least traffic with DRAM.
Source: Krishnan et al. 2023, ArchGym (arXiv 2306.08888), accelerators and proxy models; costs of one access relative to a
multiplication (register file 1, array 2, buffer of 108 kB 6, DRAM 200): Chen et al. 2016, Eyeriss.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from ...problems.measurement import Measurement
from ...problems.problem import Constraint, Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .searches import genetic, random_walk

MAX_AREA, MAX_LATENCY = 12.0, 12.0
GHZ = 0.5
"""The clock; one multiplication takes a picojoule."""
LEAK_W_MM2 = 0.01


@dataclass(frozen=True)
class Convolution:
    """One layer of a network."""

    K: int
    C: int
    R: int
    P: int

    @property
    def products(self) -> int:
        """Multiplications of one image."""
        return self.K * self.C * self.R**2 * self.P**2

    @cached_property
    def tiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Words in the buffer and words to and from DRAM of every tile and loop order; each (n,)."""
        k, c, p = (_powers(n) for n in (self.K, self.C, self.P))
        k, c, p = (axis.ravel() for axis in np.meshgrid(k, c, p, indexing="ij"))
        elements = k * c * self.R**2 + c * (p + self.R - 1) * (self.P + self.R - 1) + k * p * self.P
        weights, inputs, outputs = self.K * self.C * self.R**2, self.C * self.P**2, self.K * self.P**2
        again = (np.ceil(self.P / p), np.ceil(self.K / k), 2 * np.ceil(self.C / c) - 1)
        orders = [
            sum(
                size * (1 if stationary == i else again[i])
                for i, size in enumerate((weights, inputs, outputs))
            )
            for stationary in range(3)
        ]
        return elements, np.min(np.stack(orders), axis=0)


def _powers(limit: int) -> np.ndarray:
    return np.unique(np.minimum(2 ** np.arange(12), limit))


LAYERS = (
    Convolution(64, 3, 7, 112), Convolution(64, 64, 3, 56), Convolution(128, 64, 3, 28), Convolution(128, 128, 3, 28),
    Convolution(256, 128, 3, 14), Convolution(256, 256, 3, 14), Convolution(512, 256, 3, 7), Convolution(512, 512, 3, 7),
)  # fmt: skip
"""One of each kind in ResNet-18 (He et al. 2016)."""


def target() -> GalleryTarget:
    """Return the target ``dnn-accelerator``."""
    space = SearchSpace(
        [
            Int("rows", 4, 32, log=True, default=14, unit="elements", description="of the array"),
            Int("columns", 4, 32, log=True, default=12, unit="elements", description="of the array"),
            Categorical("dataflow", ["weight", "output", "row"], default="row", description="what stays in an element"),
            Int("registers", 8, 512, log=True, default=256, unit="words", description="per element"),
            Int("buffer", 16, 1024, log=True, default=108, unit="kB", description="shared memory on the chip"),
            Int("buffer_ports", 2, 64, log=True, default=16, unit="words/cycle", description="of the shared memory"),
            Int("dram_ports", 1, 16, log=True, default=4, unit="words/cycle", description="of the memory outside"),
        ]
    )  # fmt: skip
    problem = Problem(
        "dnn-accelerator",
        space,
        [Objective("energy", "minimize", "mJ", "of eight layers of ResNet-18, one image")],
        [Constraint("latency", upper=MAX_LATENCY, unit="ms"), Constraint("area", upper=MAX_AREA, unit="mm2")],
        description="Size an accelerator of 16-bit convolutions for low energy within limits of latency and area.",
        context={"layers": len(LAYERS), "clock_GHz": GHZ},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "systems",
        "Krishnan et al. 2023, ArchGym, arXiv 2306.08888; Chen et al. 2016, Eyeriss",
        region={"dataflow": ("row",)},
        claim=SourceClaim(
            "A proxy cost model trained on designs of several search algorithms predicts unseen designs better than one "
            "trained on as many designs of a single genetic search.",
            check,
        ),
        seconds=0.02,
        low_fidelity=0.25,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the energy, with latency and area; nothing in it is random. The first layers stand for all by their products."""
    layers, area = LAYERS[: max(2, round(len(LAYERS) * run.fidelity))], area_mm2(params)
    whole = sum(layer.products for layer in LAYERS) / sum(layer.products for layer in layers)
    cycles, picojoules = (
        whole * sum(c) for c in zip(*(layer_costs(params, layer) for layer in layers), strict=True)
    )
    milliseconds = cycles / GHZ / 1e6
    millijoules = picojoules / 1e9 + LEAK_W_MM2 * area * milliseconds
    return Measurement(millijoules, constraints={"latency": milliseconds, "area": area})


def area_mm2(params: Mapping[str, Any]) -> float:
    """Return the area in a 65 nm process, roughly that of Eyeriss (12.25 mm² with 168 elements)."""
    elements = params["rows"] * params["columns"] * (0.02 + 0.0001 * params["registers"])
    return elements + 0.02 * params["buffer"] + 0.01 * params["buffer_ports"] + 0.05 * params["dram_ports"]


def layer_costs(params: Mapping[str, Any], layer: Convolution) -> tuple[float, float]:
    """Return the cycles and the picojoules of one layer."""
    busy, words = mapped(params, layer)
    elements, traffic = layer.tiles
    fits = elements <= params["buffer"] * 512
    outside = float(np.min(traffic[fits])) if fits.any() else 3.0 * layer.products
    cycles = max(layer.products / busy, words / params["buffer_ports"], outside / params["dram_ports"])
    access = 6 * np.sqrt(params["buffer"] / 108)
    register = max(0.3, np.sqrt(params["registers"] / 256))
    energy = layer.products * (1 + 3 * register) + words * (2 + access) + 200 * outside
    return cycles, float(energy)


def mapped(params: Mapping[str, Any], layer: Convolution) -> tuple[float, float]:
    """Return how many elements work on average, and how many words leave or enter the buffer.

    Each kind of word is used again across the array, and in time as often as the registers hold what it needs.
    """
    rows, columns, third = params["rows"], params["columns"], max(params["registers"] // 3, 1)
    if params["dataflow"] == "weight":
        a, b = _filled(layer.C, rows), _filled(layer.K, columns)
        again = layer.P**2, b * min(layer.R**2, third), a
    elif params["dataflow"] == "output":
        a, b = _filled(layer.P, rows), _filled(layer.P, columns)
        again = a * b, layer.R * min(layer.K, third), layer.C * layer.R**2
    else:
        stacks = max(min(rows // layer.R, layer.C), 1)
        a, b = min(rows, layer.R * stacks), _filled(layer.P, columns)
        again = b * min(layer.P, third), layer.R * min(layer.R, third), a * min(layer.R, third)
    words = layer.products * (1 / again[0] + 1 / again[1] + 2 / again[2])
    return a * b, words


def _filled(work: int, places: int) -> float:
    """Return how many of ``places`` work on average when ``work`` is done in rounds."""
    return work / np.ceil(work / places)


def check() -> Evidence:
    """Train forests on 240 designs each, log latency, and test on 300 designs of both kinds; five seeds."""
    mixed, single = np.mean([_proxy_errors(seed) for seed in range(5)], axis=0)
    return Evidence(
        f"RMSE of log latency {mixed:.3f} from both searches, {single:.3f} from the genetic one alone",
        bool(mixed < single),
    )


def _proxy_errors(seed: int) -> tuple[float, float]:
    """Return the errors of the two proxies."""
    rng = np.random.default_rng(seed)
    random, bred, more = (
        _visited("random", 270, rng),
        _visited("genetic", 240, rng),
        _visited("genetic", 150, rng),
    )
    held_out = random[120:] + more
    return _error(random[:120] + bred[:120], held_out, seed), _error(bred, held_out, seed)


def _visited(kind: str, n: int, rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """Return the designs that a search visits, in the unit cube, with log latency."""
    space, visits = target().problem.space, list[tuple[np.ndarray, float]]()

    def cost(params: Mapping[str, Any]) -> float:
        measured = evaluate(params, Run(fidelity=0.5))
        visits.append((space.to_unit(params), float(np.log(measured.constraints["latency"]))))
        return measured.value

    if kind == "random":
        random_walk(space, cost, n, rng)
    else:
        genetic(space, cost, n, rng, population=20, mutation=0.1)
    return visits


def _error(known: list[tuple[np.ndarray, float]], unseen: list[tuple[np.ndarray, float]], seed: int) -> float:
    """Return the root mean squared error of a forest on unseen designs."""
    forest = RandomForestRegressor(50, random_state=seed).fit([x for x, _ in known], [y for _, y in known])
    gaps = forest.predict([x for x, _ in unseen]) - [y for _, y in unseen]
    return float(np.sqrt(np.mean(gaps**2)))
