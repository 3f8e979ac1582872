"""Train the embedded planner: one command, resumable, on a few CPU cores or one GPU.

    python training/train.py --out runs/planner --seconds 6000 --workers 2
    python training/train.py --out runs/planner --seconds 1500 --device cuda --tokens 65536     # one GPU

On the CPU every worker is one process with one thread that steps on its own; weights are averaged every few seconds
(local SGD: synchronous gradients stall on a shared machine). Started again with the same ``--out`` it goes on where the
last checkpoint stood. Families of functions on which the model is furthest behind a Gaussian process of the same data
get more of the weight, a simple relative of training for the worst class of problems (Zhang, Jain & Jamieson 2020).
"""

import argparse
import json
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

sys.path.insert(0, str(Path(__file__).parent))  # also where PYTHONSAFEPATH is set

SHAPES_CURVE = (
    # share of the run at which a dimension enters: regression in context forms at d = 1 and then transfers upwards
    (0.00, 1), (0.03, 2), (0.08, 3), (0.14, 4), (0.22, 6), (0.38, 8), (0.52, 12),
)  # fmt: skip
DIMENSIONS = {
    1: 0.04,
    2: 0.13,
    3: 0.15,
    4: 0.18,
    5: 0.13,
    6: 0.14,
    7: 0.05,
    8: 0.07,
    9: 0.03,
    10: 0.04,
    12: 0.04,
}
LENGTHS = {16: 0.26, 24: 0.30, 36: 0.26, 48: 0.11, 64: 0.07}
KEPT_OUT = 80  # recorded tables, the first ones, for validation
LONGEST = 1000  # tokens; positions end at 1024
VALIDATION = tuple((d, n) for d in (1, 2, 4, 6, 8) for n in (10, 24))


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seconds", type=float, default=6000, help="length of the whole run, all slices together")
    p.add_argument(
        "--init",
        type=Path,
        help="weights to go on from: another run's checkpoint.pt; clock and rates restart",
    )
    p.add_argument("--real", type=Path, help="recorded surfaces (surfaces.py) to mix in")
    p.add_argument("--real-share", type=float, default=0.28)
    p.add_argument(
        "--searched", type=float, default=0.5, help="share of histories left by a search of their own"
    )
    p.add_argument("--stop-after", type=float, default=math.inf, help="end this slice after so many seconds")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--device", default="cpu")
    p.add_argument("--tokens", type=int, default=3072, help="per step and worker")
    p.add_argument("--width", type=int, default=192)
    p.add_argument("--heads", type=int, default=6)
    p.add_argument("--hidden", type=int, default=512)
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--adam-lr", type=float, default=3e-3)
    p.add_argument("--flat", type=float, default=0.45, help="share of the run before the cosine decay")
    p.add_argument("--sync-s", type=float, default=8.0)
    p.add_argument("--save-s", type=float, default=180.0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--port", type=int, default=29531)
    return p.parse_args()


def learning_rate(progress: float, step: int, flat: float) -> float:
    warm = min(1.0, (step + 1) / 60)
    if progress < flat:
        return warm
    return warm * (0.98 * 0.5 * (1 + math.cos(math.pi * (progress - flat) / (1 - flat))) + 0.02)


def draw_shape(progress: float, rng: random.Random) -> tuple[int, int, int]:
    """Return dimension, trials and history length for the next batch."""
    largest = max(d for start, d in SHAPES_CURVE if progress >= start)
    open_ = {d: w for d, w in DIMENSIONS.items() if d <= largest}
    d = (
        largest
        if rng.random() < 0.15 and progress < 0.6
        else rng.choices(list(open_), list(open_.values()))[0]
    )
    lengths = {t: w for t, w in LENGTHS.items() if 1 + d + t * (d + 2) <= LONGEST}
    T = rng.choices(list(lengths), list(lengths.values()))[0]
    return d, T, rng.randint(2, T - 5)


class Trainer:
    """One worker's state: model, optimizers, elapsed time, and how the families are weighted."""

    def __init__(self, a: argparse.Namespace, rank: int) -> None:
        from model import Model
        from prior import FAMILIES
        from recorded import Recorded

        from trialogue.prompts.meanings import WORDS

        self.a, self.rank = a, rank
        torch.manual_seed(a.seed)
        self.model = Model(a.width, a.heads, a.hidden, a.layers, meanings=len(WORDS))
        named = list(self.model.named_parameters())
        matrices = [p for n, p in named if n.startswith("blocks") and p.ndim == 2]
        others = [p for n, p in named if not (n.startswith("blocks") and p.ndim == 2)]
        muon = torch.optim.Muon(matrices, lr=a.muon_lr, weight_decay=0.01, momentum=0.95, ns_steps=5)
        adam = torch.optim.AdamW(others, lr=a.adam_lr, betas=(0.9, 0.97), weight_decay=0)
        self.optimizers = ((muon, a.muon_lr), (adam, a.adam_lr))
        self.parameters = [p for _, p in named]
        self.families = torch.ones(len(FAMILIES)) / len(FAMILIES)
        self.elapsed, self.steps = 0.0, 0
        self.tokens, self.earlier = 0.0, 0.0  # this worker's since it started; all workers' before that
        self.rng = random.Random()
        self.queue: list = []
        self.recorded = None if a.real is None else Recorded(a.real, KEPT_OUT)

    @property
    def progress(self) -> float:
        return self.elapsed / self.a.seconds

    def draw(self) -> tuple[dict, int, int]:
        """Return the next batch, its dimension and the length of its histories."""
        from prior import histories

        if self.recorded is not None and self.rng.random() < self.a.real_share:
            return self.recorded.batch(self.a.tokens, self.rng)
        if not self.queue:  # drawing four batches at once amortises the many small operations
            d, T, n = draw_shape(1.0 if self.a.init else self.progress, self.rng)
            size = max(3, self.a.tokens // (T * (d + 2)))
            data = histories(
                4 * size, d, T, n, families=self.families, search=self.rng.random() < self.a.searched
            )
            cut = [{k: v[i * size : (i + 1) * size] for k, v in data.items()} for i in range(4)]
            self.queue = [(part, d, n) for part in cut]
        return self.queue.pop()

    def step(self) -> dict:
        data, d, n = self.draw()
        loss, stats = self.model.loss(data, d, n)
        scale = learning_rate(self.progress, self.steps, self.a.flat)
        for optimizer, base in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = base * scale
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, _ in self.optimizers:
            optimizer.step()
        self.steps += 1
        self.tokens += data["tokens"].numel()
        return stats

    def average(self, own: float) -> float:
        """Average the weights over the workers, agree on the time and the families; return all workers' tokens."""
        if self.a.workers == 1:
            return own
        lead = float(self.rank == 0)  # time and families are the first worker's
        extra = [torch.tensor([own, self.elapsed * lead]), self.families * lead]
        with torch.no_grad():
            flat = torch.cat([p.flatten() for p in self.parameters] + extra)
            dist.all_reduce(flat)
            at = 0
            for p in self.parameters:
                p.copy_(flat[at : at + p.numel()].view_as(p) / self.a.workers)
                at += p.numel()
            self.elapsed, self.families = float(flat[at + 1]), flat[at + 2 :].clone()
        return float(flat[at])

    def save(self, curve: list, total: float) -> None:
        state = {
            "shape": self.model.shape, "model": self.model.state_dict(), "elapsed": self.elapsed, "steps": self.steps,
            "tokens": total, "optimizers": [o.state_dict() for o, _ in self.optimizers],
            "families": self.families, "curve": curve, "words": [] if self.recorded is None else self.recorded.words,
        }  # fmt: skip
        path = self.a.out / "checkpoint.pt"
        torch.save(state, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)
        (self.a.out / "curve.json").write_text(json.dumps(curve, indent=0))

    def load(self) -> list:
        path = self.a.out / "checkpoint.pt"
        if not path.exists():
            return self._begin()
        state = torch.load(path, weights_only=True, map_location=self.a.device)
        self.model.load_state_dict(state["model"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.elapsed, self.steps, self.earlier = state["elapsed"], state["steps"], state["tokens"]
        self.families = state["families"]
        return state["curve"]

    def _begin(self) -> list:
        """Take weights and the families' weights from ``--init``, where given; words it did not know start as ``num``."""
        if self.a.init is None:
            return []
        state = torch.load(self.a.init, weights_only=True, map_location=self.a.device)
        self.model.load_state_dict(widened(state["model"], self.model.tab_in.shape[0]))
        self.families, self.earlier = state["families"], state["curve"][-1]["tokens"]
        return state["curve"]

    def validate(self, sets: list) -> dict:
        """Return the y-NLL of '?' queries per (d, n), and per family; and the x-NLL of the optimum."""
        from prior import FAMILIES
        from recorded import recorded_sets

        cells, per_family, optimum, searched = {}, {name: [] for name in FAMILIES}, [], []
        with torch.no_grad():
            for (d, n, family), data in sets:
                _, stats = self.model.loss(data, d, n)
                if family < 0:
                    searched.append((float(stats["query"]), float(stats["optimum"])))
                    continue
                cells.setdefault(f"d{d}n{n}", []).append(float(stats["query"]))
                per_family[FAMILIES[family]].append((f"d{d}n{n}", float(stats["query"])))
                optimum.append(float(stats["optimum"]))
        mean = {name: sum(v for _, v in values) / len(values) for name, values in per_family.items()}
        cells = {cell: sum(v) / len(v) for cell, v in cells.items()}
        real = {} if self.recorded is None else validated(self.model, recorded_sets(self.recorded.held))
        return real | {
            "cells": cells,
            "families": mean,
            "query": sum(cells.values()) / len(cells),
            "optimum": sum(optimum) / len(optimum),
            "searched": [sum(v) / len(v) for v in zip(*searched, strict=True)],
        }


def validated(model: Any, sets: list) -> dict[str, list[float]]:
    """Return y-NLL of '?' queries and x-NLL of optima, with and without names, on recorded tables."""
    told: dict[str, list] = {"named": [], "nameless": []}
    with torch.no_grad():
        for (d, n, named), data in sets:
            _, stats = model.loss(data, d, n)
            told["named" if named else "nameless"].append((float(stats["query"]), float(stats["optimum"])))
    return {name: [sum(v) / len(v) for v in zip(*values, strict=True)] for name, values in told.items()}


def widened(weights: dict, rows: int) -> dict:
    """Return weights whose tables have ``rows`` tokens: new ones are the word for a number, but for a little noise."""
    from trialogue.prompts import number_dialect as nd

    out = dict(weights)
    for name in ("tab_in", "tab_out"):
        table = weights[name]
        new = table[nd.NUMERIC].expand(rows - len(table), -1)
        out[name] = torch.cat([table, new + 0.05 * torch.randn(new.shape, device=table.device)])
    return out


def validation_sets() -> list:
    """Return fixed sets, one per (d, n, family), and (d, n, -1) of searched histories; drawn from their own seed, so that
    runs can be compared."""
    from prior import FAMILIES, histories

    sets = []
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        for d, n in VALIDATION:
            for family in range(len(FAMILIES)):
                weights = torch.nn.functional.one_hot(torch.tensor(family), len(FAMILIES)).float()
                size = 12
                sets.append(
                    ((d, n, family), histories(size, d, n + 6, n, query_share=0.85, families=weights))
                )
        for d, n in VALIDATION:
            sets.append(((d, n, -1), histories(84, d, n + 6, n, query_share=0.85, search=True)))
    return sets


def harder(families: torch.Tensor, report: dict, reference: dict) -> torch.Tensor:
    """Return new family weights: half even, half by how far the model is behind the reference (nats)."""
    gap = torch.tensor([report["families"][name] - reference[name] for name in report["families"]])
    target = 0.5 / len(gap) + 0.5 * torch.softmax(gap / 0.15, 0)
    return 0.5 * families + 0.5 * target


def work(rank: int, a: argparse.Namespace) -> None:
    if a.device == "cpu":
        torch.set_num_threads(1)
    torch.set_default_device(a.device)
    if a.workers > 1:
        os.setsid()  # the kernel shares cores between sessions, not processes
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(a.port), GLOO_SOCKET_IFNAME="lo")
        dist.init_process_group("gloo", rank=rank, world_size=a.workers)
    trainer = Trainer(a, rank)
    curve = trainer.load()
    sets = validation_sets() if rank == 0 else []
    seed = a.seed * 1000 + rank + 17 * trainer.steps
    trainer.rng.seed(seed)
    torch.manual_seed(seed)
    reference_path = Path(__file__).parent / "reference.json"
    started = last = time.monotonic()
    begun, saved, next_sync = trainer.elapsed, -1e9, trainer.elapsed + a.sync_s
    total = trainer.earlier
    while True:
        trainer.step()
        now = time.monotonic()
        trainer.elapsed, last = trainer.elapsed + now - last, now
        if trainer.elapsed < next_sync:
            continue
        total = trainer.earlier + trainer.average(trainer.tokens)
        last = time.monotonic()
        next_sync = trainer.elapsed + a.sync_s
        if (
            trainer.elapsed >= a.seconds or trainer.elapsed - begun >= a.stop_after
        ):  # agreed on by all workers
            break
        if rank == 0 and trainer.elapsed - saved > a.save_s:
            saved = trainer.elapsed
            with torch.random.fork_rng():  # of all devices
                report = trainer.validate(sets)
            if reference_path.exists() and (trainer.progress > 0.3 or a.init):
                trainer.families = harder(trainer.families, report, json.loads(reference_path.read_text()))
            line = {"seconds": round(trainer.elapsed), "steps": trainer.steps, "tokens": total, **report}
            curve.append(line | {"weights": [round(w, 3) for w in trainer.families.tolist()]})
            cells = " ".join(f"{c} {v:.2f}" for c, v in report["cells"].items())
            print(
                f"{trainer.elapsed:.0f} s, {total / 1e6:.2f} M tokens, query {report['query']:.4f}, "
                f"optimum {report['optimum']:.4f}, searched {report['searched']}, "
                f"real {report.get('named')} {report.get('nameless')} | {cells}",
                flush=True,
            )
            trainer.save(curve, total)
    if rank == 0:
        report = trainer.validate(sets)
        curve.append({"seconds": round(trainer.elapsed), "steps": trainer.steps, "tokens": total, **report})
        print(
            f"end: {time.monotonic() - started:.0f} s, query {report['query']:.4f}, optimum {report['optimum']:.4f}"
        )
        trainer.save(curve, total)
    if a.workers > 1:
        dist.barrier()
        dist.destroy_process_group()


def main() -> None:
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    # Without these glibc returns every activation to the kernel and asks for it again: half the speed is lost.
    wanted = {
        "MALLOC_MMAP_THRESHOLD_": 1 << 32,
        "MALLOC_TRIM_THRESHOLD_": 1 << 33,
        "MALLOC_TOP_PAD_": 1 << 28,
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, str(value))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if a.device != "cpu":
        a.workers = 1
    if a.workers == 1:
        work(0, a)
    else:
        mp.spawn(work, (a,), nprocs=a.workers)  # pyright: ignore[reportPrivateImportUsage]


if __name__ == "__main__":
    main()
