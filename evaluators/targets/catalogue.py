"""The gallery's catalogue: which targets there are, and one by its name; imports only what is named.

Families are the folders beside this module. To add a target, write a module with a function ``target()`` that returns
a ``GalleryTarget``, and its line here. A target of a user's own is named as ``"module:name"`` or ``"file.py:name"``.
"""

import difflib
from importlib import import_module
from pathlib import Path

from ..errors import InvalidSpecification
from ..programs.function import load_function
from .target import GalleryTarget

MODULES: dict[str, str] = {
    "delta-pruning": "compression.delta_pruning",
    "dynamic-masks": "compression.dynamic_masks",
    "pruning-regimes": "compression.pruning_regimes",
    "shared-weights": "compression.shared_weights",
    "class-incremental": "continual.class_incremental",
    "interval-embeddings": "continual.interval_embeddings",
    "policy-optimization": "control.policy_optimization",
    "consistency-training": "diffusion.consistency",
    "deis": "diffusion.deis",
    "dpm-solver": "diffusion.dpm_solver",
    "feynman-kac": "diffusion.feynman_kac",
    "masked-diffusion": "diffusion.masked",
    "poisson-flow": "diffusion.poisson_flow",
    "solver-schedules": "diffusion.solver_schedules",
    "hypernetwork": "finetuning.hypernetworks",
    "intrinsic-dimension": "finetuning.intrinsic_dimension",
    "label-free": "finetuning.label_free",
    "moment-probing": "finetuning.moment_probing",
    "model-soups": "finetuning.model_soups",
    "preference-optimization": "finetuning.preferences",
    "long-texts": "language.long_texts",
    "power-schedule": "language.power_schedule",
    "data-mixture": "retrieval.data_mixture",
    "equitable-sampling": "retrieval.equitable_sampling",
    "extrapolation": "retrieval.extrapolation",
    "hard-negatives": "retrieval.hard_negatives",
    "interest-hashing": "retrieval.interest_hashing",
    "prior-cases": "retrieval.prior_cases",
    "operation-grid": "training.operation_grid",
    "self-tuning": "training.self_tuning",
    "dnn-accelerator": "systems.accelerator",
    "dram-controller": "systems.dram",
    "frontier-layout": "systems.frontier",
    "soc": "systems.soc",
}
"""Where the target of each name is made: the module's path below this folder."""


def load_target(name: str, folder: Path | str = ".") -> GalleryTarget:
    """Return the target called ``name``; ``folder`` is where a user's own module is looked for first.

    Raises InvalidSpecification for a name that is not in the catalogue and a module that has no target.
    """
    if ":" in name:
        return _own(name, folder)
    if name not in MODULES:
        close = difflib.get_close_matches(name, MODULES, 1)
        cure = f"did you mean {close[0]!r}?" if close else "`trialogue targets` lists them."
        raise InvalidSpecification(f"`target` must be in the gallery or 'module:name', got {name!r}; {cure}")
    return import_module(f".{MODULES[name]}", __package__).target()


def _own(name: str, folder: Path | str) -> GalleryTarget:
    """Return the target that a user's module holds, or that its function of no arguments returns."""
    loaded = load_function(name, folder)
    target = loaded if isinstance(loaded, GalleryTarget) else loaded()
    if not isinstance(target, GalleryTarget):
        raise InvalidSpecification(
            f"{name!r} must be a GalleryTarget or a function that returns one, got {target!r}."
        )
    return target
