"""What the pictures of the gallery are drawn from: a grid over the two parameters of each target that matter most.

    python benchmarks/landscapes.py                 # targets without one, at their lowest fidelity: a few minutes
    python benchmarks/landscapes.py deis --anew     # this one again
    python benchmarks/landscapes.py --claims        # claims of targets without a recorded check: up to a minute each

All else stands at its default; where the default has one parameter only, at what the source found good (``at``). A parameter
matters as far as the first objective moves when it alone goes to either end of its range. Written to
``evaluators/targets/recorded.json``, from which ``trialogue targets --page`` draws.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from targets import check, measured

from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.spaces.parameters import Categorical, Int
from trialogue.evaluators.targets.catalogue import MODULES, load_target
from trialogue.evaluators.targets.recorded import FILE
from trialogue.evaluators.targets.target import GalleryTarget

SEED = 0
CHEAP_S = 0.05
"""An evaluation that takes less is worth a finer grid."""


def landscape(target: GalleryTarget) -> dict[str, Any]:
    """Return the grid as JSON values: axes, and for each cell the objectives, None where failed or not a parameter."""
    space, start = target.problem.space, time.process_time()
    default = dict(space.default())
    at = {} if len(default) > 1 else {n: v[0] for n, v in target.region.items()}
    if at:  # alone: what the source found good, for the parameters that it brings
        default = dict(space.clip({p.name: p.typical for p in space} | at))
    here = found(target, default)
    cheap = time.process_time() - start < CHEAP_S
    moved = {name: shift(target, default, here, name) for name in space.names if name in default}
    across = sorted(moved, key=lambda name: -moved[name])[:2]
    axes = [ticks(target, name, 9 if cheap else 5) for name in across]
    cells = []
    for point in product(*reversed(axes)):
        params = space.clip(default | dict(zip(reversed(across), point, strict=True)))
        cells.append(found(target, params) if all(name in params for name in across) else None)
    return {
        "x": across[0],
        "y": across[1],
        "x_values": axes[0],
        "y_values": axes[1],
        "objectives": [[rounded(c, i) for c in cells] for i in range(len(target.problem.objectives))],
        "feasible": [c is not None and target.problem.feasible(c) for c in cells],
        "fidelity": target.low_fidelity,
        "seed": SEED,
        "at": at,
    }


def found(target: GalleryTarget, params: Mapping[str, Any]) -> Measurement | None:
    """Return the measurement, None where it fails."""
    return measured(target, params, SEED, target.low_fidelity)


def shift(target: GalleryTarget, default: Mapping[str, Any], here: Measurement | None, name: str) -> float:
    """Return how far the first objective moves between the default and both ends of a parameter."""
    ends = [ticks(target, name, 2)[0], ticks(target, name, 2)[-1]]
    results = [here, *(found(target, target.problem.space.clip({**default, name: v})) for v in ends)]
    values = [r.values[0] for r in results if r is not None]
    return float(np.ptp(values)) if values else 0.0


def ticks(target: GalleryTarget, name: str, n: int) -> list[Any]:
    """Return n values of a parameter, even on its scale, or its choices."""
    parameter = target.problem.space[name]
    if isinstance(parameter, Categorical):
        return list(parameter.choices)
    ends = np.array([parameter.low, parameter.high], dtype=float)
    first, last = np.log(ends) if parameter.log else ends
    values = np.linspace(first, last, n)
    even = np.clip(np.exp(values) if parameter.log else values, parameter.low, parameter.high)
    spread = [parameter.coerce(round(v) if isinstance(parameter, Int) else v) for v in even.tolist()]
    return list(dict.fromkeys(spread))


def rounded(cell: Measurement | None, i: int) -> float | None:
    return None if cell is None else float(f"{cell.values[i]:.4g}")


def record(names: Sequence[str], part: str, *, anew: bool) -> None:
    """Add what is missing, one target after the other, so that what is interrupted goes on."""
    for name in names:
        data = json.loads(FILE.read_text()) if FILE.exists() else {}
        own = data.setdefault(name, {})
        if part in own and not anew:
            continue
        if part == "claim":
            evidence = check(name)
            own[part] = {"measured": evidence["measured"], "holds": evidence["holds"]}
        else:
            own[part] = landscape(load_target(name))
        lines = ",\n".join(f"{json.dumps(n)}: {json.dumps(data[n])}" for n in sorted(data))
        Path(FILE).write_text("{\n" + lines + "\n}\n")
        print(name, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="record landscapes, or checks of claims")
    parser.add_argument("names", nargs="*", help="targets; without any, all")
    parser.add_argument("--claims", action="store_true", help="check claims instead of drawing landscapes")
    parser.add_argument("--anew", action="store_true", help="also what is recorded")
    options = parser.parse_args()
    part = "claim" if options.claims else "landscape"
    record(options.names or list(MODULES), part, anew=options.anew)


if __name__ == "__main__":
    main()
