"""Normalised regret and CPU per ask of trialogue without a model, and of its peers, on four families of problems.

    python benchmarks/regret.py --optimizers trialogue,random,optuna-tpe --cases unseen --seeds 10
    python benchmarks/regret.py --cpu trialogue,optuna-group
    python benchmarks/regret.py --report unseen --against trialogue

Regret of a run after t trials: (best feasible value so far - best known) / (median of feasible random draws - best known),
clipped to [0, 1]; 1 while nothing feasible was found. Each run is appended at once to ``.scratch/regret/run-<name>.jsonl``,
so optimizers can be run at different times, by several processes, and stopped; what is there is not run again. The best
known value is the best of random draws, of an evolution from them (closed forms only), and of all kept runs.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import regret_tables as tables
from optimizers import make
from problems import FAMILIES, all_cases
from problems.base import Case

HOME = Path(os.environ.get("REGRET_HOME", Path(__file__).parent.parent / ".scratch" / "regret"))


def run(job: tuple[str, str, int, int]) -> dict[str, Any]:
    """Run one optimizer on one case; return the trajectory of best feasible values (None before there is one)."""
    optimizer_name, case_name, seed, trials = job
    case = next(c for c in all_cases() if c.name == case_name)
    optimizer = make(optimizer_name, case, seed)
    best, curve, wasted, cpu = None, [], 0, 0.0
    for _ in range(trials):
        start = time.process_time()
        params = optimizer.ask()
        cpu += time.process_time() - start
        outcome = case.evaluate(params)
        if case.feasible(outcome):
            best = outcome.value if best is None else min(best, outcome.value)
        else:
            wasted += 1
        curve.append(best)
        start = time.process_time()
        optimizer.tell(params, outcome)
        cpu += time.process_time() - start
    cpu += getattr(optimizer, "cpu", 0.0)
    return {"case": case_name, "seed": seed, "curve": curve, "wasted": wasted, "cpu_ms": 1e3 * cpu / trials}


def reference(case_name: str) -> tuple[float, float]:
    """Return the best and the median feasible value of 100 random draws.

    Of a closed form: of 400 draws, and the best of an evolution from them.
    """
    case = next(c for c in all_cases() if c.name == case_name)
    rng, space, start = np.random.default_rng(20), case.problem.space, time.process_time()
    X, _ = space.encode(space.sample(rng, 100))
    values = np.array([_feasible_value(case, p) for p in space.decode(X)])
    closed_form = time.process_time() - start < 0.1  # fits of a model are too dear for more
    if closed_form:
        more, _ = space.encode(space.sample(rng, 300))
        X = np.vstack([X, more])
        values = np.r_[values, [_feasible_value(case, p) for p in space.decode(more)]]
    drawn = values[np.isfinite(values)]
    generations = 300
    for generation in range(generations if closed_form else 0):
        order = np.argsort(values)[:20]
        X, values = X[order], values[order]
        parents, others = X[rng.integers(0, 20, 40)], X[rng.integers(0, 20, 40)]
        spread = 0.3 * 0.98 ** (generation * 300 / generations)
        moved = parents + spread * rng.standard_normal(parents.shape) * (rng.random(parents.shape) < 0.4)
        children = np.clip(np.where(rng.random(parents.shape) < 0.2, others, moved), 0.0, 1.0)
        X = np.vstack([X, children])
        values = np.r_[values, [_feasible_value(case, p) for p in space.decode(children)]]
    return float(np.min(values)), float(np.median(drawn))


def _feasible_value(case: Case, params: dict[str, Any]) -> float:
    outcome = case.evaluate(params)
    return float(outcome.value) if outcome.value is not None and case.feasible(outcome) else np.inf


def references(cases: list[str]) -> dict[str, tuple[float, float]]:
    """Return (best, median) of the cases, computed once and kept."""
    path = HOME / "references.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in [n for n in cases if n not in known]:
        known[name] = reference(name)
        path.write_text(json.dumps(known))
    return known


def load() -> dict[str, list[dict[str, Any]]]:
    """Return the kept runs of each optimizer; the first where a case and seed was run twice."""
    out: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(HOME.glob("run-*.jsonl")):
        runs = {}
        for line in path.read_text().splitlines():
            r = json.loads(line)
            runs.setdefault((r["case"], r["seed"]), r)
        out[path.stem.removeprefix("run-")] = list(runs.values())
    return out


def best_known(
    everything: dict[str, list[dict[str, Any]]], cases: list[str]
) -> dict[str, tuple[float, float]]:
    """Return the best known value and the median of random draws of the cases."""
    known = {n: tuple(v) for n, v in references(cases).items() if n in cases}
    for runs in everything.values():
        for r in runs:
            if r["case"] in known and r["curve"][-1] is not None:
                low, median = known[r["case"]]
                known[r["case"]] = (min(low, r["curve"][-1]), median)
    return known


def report(which: str, names: list[str], against: str, common: bool, detailed: bool) -> None:
    """Print the tables of the chosen cases; ``common`` leaves out those that some named optimizer has not run."""
    everything = load()
    if names:
        everything = {n: everything[n] for n in names if n in everything}
    cases = [c for c in all_cases() if _chosen(c, which)]
    if common:
        ran = [{r["case"] for r in runs} for runs in everything.values()]
        cases = [c for c in cases if all(c.name in r for r in ran)]
    families = {f: [c.name for c in cases if c.family == f] for f in FAMILIES}
    known = best_known(load(), [c.name for c in cases])
    tables.main_table(everything, known, [c.name for c in cases], families["systems"])
    tables.family_table(everything, known, families)
    if against:
        tables.paired_table(everything, known, against, families)
    if detailed:
        tables.detail(everything, known, [c.name for c in cases])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--optimizers", default="")
    parser.add_argument("--label", default="", help="name under which a single optimizer's runs are kept")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--cases", default="seen", help="seen, unseen, all, a family, or names separated by commas"
    )
    parser.add_argument("--report", default="", help="print the tables of these cases (as --cases)")
    parser.add_argument(
        "--only", default="", help="optimizers in the tables; all that were ever run otherwise"
    )
    parser.add_argument("--common", action="store_true", help="tables of the problems that all of them ran")
    parser.add_argument("--quiet", action="store_true", help="print no table after the runs")
    parser.add_argument("--detail", action="store_true")
    parser.add_argument(
        "--against", default="", help="print paired differences of this optimizer to all others"
    )
    parser.add_argument(
        "--cpu",
        default="",
        help="optimizers whose CPU per ask and tell is measured at 100, 1,000 and 10,000 trials",
    )
    arguments = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    if arguments.cpu:
        from cpu import measure

        for name in arguments.cpu.split(","):
            measure(name)
    names = [arguments.optimizers] if arguments.label else [n for n in arguments.optimizers.split(",") if n]
    run_all(names, arguments)
    if not arguments.quiet and not arguments.cpu:
        labels = [n for n in arguments.only.split(",") if n] or (
            [arguments.label] if arguments.label else names
        )
        which = arguments.report or arguments.cases
        report(which, labels, arguments.against, arguments.common, arguments.detail)


def run_all(names: list[str], arguments: argparse.Namespace) -> None:
    """Run every optimizer on every chosen case, seed by seed, and keep each run at once."""
    kept = load()
    have = {(label, r["case"], r["seed"]) for label, runs in kept.items() for r in runs}
    order = arguments.cases.split(",")
    listed = lambda c: order.index(c.name) if c.name in order else 0  # noqa: E731
    jobs = [
        (arguments.label or name, (name, c.name, seed, arguments.trials))
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for c in sorted(filter(lambda c: _chosen(c, arguments.cases), all_cases()), key=listed)
        for name in names
        if (arguments.label or name, c.name, seed) not in have
    ]
    if arguments.jobs > 1:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            list(pool.map(_keep, jobs))
    else:
        for job in jobs:
            _keep(job)


def _keep(job: tuple[str, tuple[str, str, int, int]]) -> None:
    label, what = job
    line = json.dumps(run(what))
    with (HOME / f"run-{label}.jsonl").open("a") as file:
        file.write(line + "\n")


def _chosen(case: Any, which: str) -> bool:
    if which in ("seen", "unseen"):
        return case.unseen == (which == "unseen")
    return which == "all" or case.family == which or case.name in which.split(",")


if __name__ == "__main__":
    main()
