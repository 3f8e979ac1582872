"""One policy for all classes of problems: its largest gap to the policies that know the class, before and after."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))


def worst_class() -> tuple[str, bool]:
    """Return the regrets of searches by class, of a policy trained on the mean and of one trained on the worst gap."""
    found = import_module("minimax").worst_class_regrets()
    gaps = {name: float(np.max(found[name] - found["own"])) for name in ("mean", "robust")}
    words = "worst-kind regret on smooth, wavy, rough functions: " + "; ".join(
        f"{name} {', '.join(f'{v:.3f}' for v in values)}" for name, values in found.items()
    )
    words += f"; largest gap {gaps['mean']:.3f} trained on the mean, {gaps['robust']:.3f} on the worst gap"
    return words, gaps["robust"] < gaps["mean"]
