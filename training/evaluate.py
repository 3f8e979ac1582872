"""What names add: the model's predictions on held-out real surfaces, told the parameters' words and not told.

    python training/evaluate.py runs/planner/checkpoint.pt --tables runs/held_out.pt

The same histories and queries twice; y-NLL of queries and x-NLL of the best configuration (per parameter) in nats, with
95 % intervals of the difference over sets of histories (64 each: one dimension, one length, one group of tables).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))  # also where PYTHONSAFEPATH is set

from model import Model
from recorded import recorded_histories
from surfaces import FAMILIES, HELD_OUT

LENGTHS = (3, 6, 10, 16, 24)
SIZE = 64


def groups(tables: dict) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield names and rows of the held-out family and of all others."""
    is_held = tables["family"] == FAMILIES.index(HELD_OUT)
    yield f"{HELD_OUT}: family and data sets held out", is_held
    yield "other families: data sets held out", ~is_held


def compared(model: Model, tables: dict) -> np.ndarray:
    """Return rows of (history, y-NLL named, nameless, x-NLL named, nameless)."""
    rows = []
    for d in sorted(set(tables["d"].tolist())):
        for n in LENGTHS:
            values = []
            for named in (True, False):
                torch.manual_seed(100 * d + n)
                data = recorded_histories(tables, SIZE, d, n + 6, n, named=named, query_share=0.7, drop=0.0)
                with torch.no_grad():
                    values.append(model.loss(data, d, n, dtype=torch.float32)[1])
            rows.append([n, *(float(v[k]) for k in ("query", "optimum") for v in values)])
    return np.array(rows)


def told(rows: np.ndarray) -> str:
    """Return means and the differences with intervals in words."""
    rng = np.random.default_rng(0)
    parts = []
    for name, at in (("y", 1), ("x of the best", 3)):
        d = rows[:, at] - rows[:, at + 1]
        means = d[rng.integers(len(d), size=(4000, len(d)))].mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        named, nameless = rows[:, at].mean(), rows[:, at + 1].mean()
        parts.append(f"{name} {named:.3f} / {nameless:.3f}, {d.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
    return "; ".join(parts)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--tables", type=Path, required=True)
    a = p.parse_args()
    torch.set_num_threads(1)
    state = torch.load(a.checkpoint, weights_only=True)
    model = Model(**state["shape"])
    model.load_state_dict(state["model"])
    tables = torch.load(a.tables, weights_only=True)
    for name, rows in groups(tables):
        part = {key: value[rows] for key, value in tables.items()}
        found = compared(model, part)
        print(f"{name} ({int(rows.sum())} tables), told / not told: {told(found)}")
        for n in LENGTHS:
            print(f"  after {n} trials: {told(found[found[:, 0] == n])}")


if __name__ == "__main__":
    main()
