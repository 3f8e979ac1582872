"""How to lay out the training of a language model of 175 billion parameters on 1,024 dies of MI250X: utilization.

An analytic model of one step: matrix products, all-reduces of the tensor-parallel group, bubble of the pipeline, exchange of
gradients, and what a die must hold. Utilization counts the products of a step, recomputed ones included, against the
peak of 191.5 TFLOP/s per die, as Megatron does.
Source: Dash et al. 2023, Optimizing Distributed Training on Frontier for Large Language Models (arXiv 2312.12705); sizes of
products and activations: Narayanan et al. 2021, Megatron-LM; Korthikanti et al. 2022. ``KERNEL`` is the one number that was
set from the source's result, for its smallest model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from ...problems.measurement import Measurement
from ...problems.problem import Constraint, Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim

PEAK, MEMORY_GB = 191.5e12, 64.0
SEQUENCE, VOCABULARY = 2048, 51200
KERNEL = 0.438
"""Share of the peak that large matrix products reach."""
NARROW = 256
"""Width of a product at which half of that is lost."""
BANDWIDTHS = ((2, 200e9), (8, 50e9))
"""Bytes per second of a die in a group of at most so many: in one package, in one node."""
NETWORK = 25e9
"""Bytes per second of a die between nodes."""


@dataclass(frozen=True)
class Transformer:
    """A GPT and how it is trained: dies, and sequences per step."""

    layers: int
    hidden: int
    heads: int
    dies: int
    batch: int

    @property
    def parameters(self) -> float:
        """Weights of all layers and of the embedding."""
        return 12.0 * self.layers * self.hidden**2 + VOCABULARY * self.hidden


SMALL = Transformer(48, 6144, 48, 64, 640)
MIDDLE = Transformer(96, 12288, 96, 1024, 10240)
LARGE = Transformer(128, 25600, 160, 3072, 9600)
"""22, 175 and 1,000 billion parameters."""
REPORTED = {"22B": 38.38, "175B": 36.14, "1T": 31.96}


def target() -> GalleryTarget:
    """Return the target ``frontier-layout``."""
    space = SearchSpace(
        [
            Categorical("tensor", [1, 2, 4, 8, 16], default=8, ordered=True, description="dies that share a layer"),
            Categorical("pipeline", [1, 2, 4, 8, 16, 32, 64], default=8, ordered=True, description="stages"),
            Int("micro_batch", 1, 16, default=4, unit="sequences", description="that go through the pipeline at once"),
            Categorical("interleave", [1, 2, 3], default=1, ordered=True, description="parts of the model per stage"),
            Categorical("shard_optimizer", [False, True], default=False, description="ZeRO-1 over the replicas"),
            Categorical("recompute", [False, True], default=True, description="activations, in the backward pass"),
            Categorical("flash", [False, True], default=False, description="attention without stored scores"),
        ]
    )  # fmt: skip
    problem = Problem(
        "frontier-layout",
        space,
        [Objective("utilization", "maximize", "%", "of the peak of all dies")],
        [Constraint("memory", upper=MEMORY_GB, unit="GB")],
        description="Lay out tensor, pipeline and data parallelism of a 175-billion-parameter model on 1,024 dies.",
        context={
            "dies": MIDDLE.dies,
            "batch": MIDDLE.batch,
            "layers": MIDDLE.layers,
            "hidden": MIDDLE.hidden,
        },
    )
    return GalleryTarget(
        problem,
        evaluate,
        "systems",
        "Dash et al. 2023, Optimizing Distributed Training on Frontier, arXiv 2312.12705",
        region={
            "tensor": (4,),
            "pipeline": (16,),
            "micro_batch": (1, 1),
            "shard_optimizer": (True,),
            "flash": (True,),
        },
        claim=SourceClaim(
            "Utilization is 38.38 % at 22 billion parameters, 36.14 % at 175 and 31.96 % at 1,000: the layouts 4 x 16 and "
            "8 x 64 (tensor x pipeline) come out within a tenth of it.",
            check,
        ),
        seconds=0.001,
        low_fidelity=1.0,
    )


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the utilization and the memory of a die; nothing in it is random."""
    return Measurement(utilization(MIDDLE, params), constraints={"memory": memory_gb(MIDDLE, params)})


def utilization(model: Transformer, params: Mapping[str, Any]) -> float:
    """Return the share of the peak in percent; dies that the layout leaves over are idle."""
    replicas = max(model.dies // (params["tensor"] * params["pipeline"]), 1)
    micro_batches = -(-model.batch // (replicas * params["micro_batch"]))
    layers = -(-model.layers // params["pipeline"])
    stage = layers * (_products_s(model, params) + _reduces_s(model, params)) + _send_s(model, params)
    bubble = (params["pipeline"] - 1) / params["interleave"]
    weights = model.parameters / (params["tensor"] * params["pipeline"])
    exchange = 4 * weights / NETWORK * (replicas > 1)
    step = (micro_batches + bubble) * stage + exchange
    return 100 * _flops(model, params) * model.batch * model.layers / (step * model.dies * PEAK)


def _flops(model: Transformer, params: Mapping[str, Any]) -> float:
    """Return the operations of one layer on one sequence: two per product, forward once, backward twice."""
    forward = 24 * SEQUENCE * model.hidden**2 * (1 + SEQUENCE / (6 * model.hidden))
    return forward * (4 if params["recompute"] else 3)


def _products_s(model: Transformer, params: Mapping[str, Any]) -> float:
    """Return the seconds that one layer's products take for one micro-batch."""
    width = model.hidden / params["tensor"]
    speed = KERNEL * width / (width + NARROW) * (1.0 if params["flash"] else 0.9)
    return params["micro_batch"] * _flops(model, params) / (params["tensor"] * PEAK * speed)


def _reduces_s(model: Transformer, params: Mapping[str, Any]) -> float:
    """Return the seconds of one layer's all-reduces: two forward, two backward, two again if recomputed."""
    group = params["tensor"]
    rate = next((r for size, r in BANDWIDTHS if group <= size), NETWORK)
    payload = 2 * params["micro_batch"] * SEQUENCE * model.hidden
    return (6 if params["recompute"] else 4) * 2 * (group - 1) / group * payload / rate


def _send_s(model: Transformer, params: Mapping[str, Any]) -> float:
    """Return the seconds of handing activations and their gradients to the next stage, once per part of the model."""
    payload = 2 * params["micro_batch"] * SEQUENCE * model.hidden / params["tensor"]
    return 2 * params["interleave"] * payload / NETWORK * (params["pipeline"] > 1)


def memory_gb(model: Transformer, params: Mapping[str, Any]) -> float:
    """Return what a die of the first stage holds: weights, gradients, Adam's state, activations in flight."""
    t, p = params["tensor"], params["pipeline"]
    weights, replicas = model.parameters / (t * p), max(model.dies // (t * p), 1)
    state = weights * (6 + 12 / (replicas if params["shard_optimizer"] else 1))
    layers, tokens = -(-model.layers // p), params["micro_batch"] * SEQUENCE
    scores = 0 if params["flash"] else 5 * model.heads * SEQUENCE / model.hidden
    whole = tokens * model.hidden * (10 + (24 + scores) / t)
    activations = 2 * tokens * model.hidden if params["recompute"] else whole
    in_flight = p * (1 + (p - 1) / (p * params["interleave"]) * (params["interleave"] > 1))
    return (state + layers * activations * in_flight + whole) / 1e9


def check() -> Evidence:
    """Compute the source's layouts, and for its smallest model the best one that fits."""
    common = {"micro_batch": 1, "interleave": 1, "shard_optimizer": True, "recompute": True, "flash": True}
    small = [common | {"tensor": t, "pipeline": p} for t, p in product((1, 2, 4, 8), (1, 2, 4, 8))]
    shares = {
        "22B": max(utilization(SMALL, s) for s in small if memory_gb(SMALL, s) <= MEMORY_GB),
        "175B": utilization(MIDDLE, common | {"tensor": 4, "pipeline": 16}),
        "1T": utilization(LARGE, common | {"tensor": 8, "pipeline": 64}),
    }
    near = all(abs(shares[size] / REPORTED[size] - 1) < 0.1 for size in shares)
    return Evidence(", ".join(f"{size} {value:.1f} %" for size, value in shares.items()), near)
