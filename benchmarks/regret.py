"""Normalised regret and CPU per ask of trialogue without a model, and of its peers, on four families of problems.

    python benchmarks/regret.py --optimizers trialogue,random,optuna-tpe --seeds 10 --trials 30 --jobs 2
    python benchmarks/regret.py --cpu trialogue,optuna-group
    python benchmarks/regret.py --report

Regret of a run after t trials: (best feasible value so far - best known) / (median of feasible random draws - best known),
clipped to [0, 1]; 1 while nothing feasible was found. Runs are kept in ``.scratch/regret/`` (one file per optimizer), so
peers can be run at another time; best known values are the best of all kept runs and 400 random draws.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from optimizers import make
from problems import FAMILIES, all_cases

HOME = Path(__file__).parent.parent / ".scratch" / "regret"
MARKS = (5, 10, 20, 30)


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
    return {"case": case_name, "seed": seed, "curve": curve, "wasted": wasted, "cpu_ms": 1e3 * cpu / trials}


def reference(case_name: str) -> tuple[float, float]:
    """Return the best of 400 random draws, and the median feasible one."""
    case = next(c for c in all_cases() if c.name == case_name)
    draws = [case.evaluate(p) for p in case.problem.space.sample(np.random.default_rng(20), 400)]
    values = [o.value for o in draws if case.feasible(o)]
    return float(np.min(values)), float(np.median(values))


def references() -> dict[str, tuple[float, float]]:
    """Return (best, median) per case, computed once and kept."""
    path = HOME / "reference.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    missing = [c.name for c in all_cases() if c.name not in known]
    for name in missing:
        known[name] = reference(name)
    if missing:
        path.write_text(json.dumps(known))
    return known


def load() -> dict[str, list[dict[str, Any]]]:
    return {p.stem.removeprefix("run-"): json.loads(p.read_text()) for p in sorted(HOME.glob("run-*.json"))}


def regret(
    runs: list[dict[str, Any]], known: dict[str, tuple[float, float]]
) -> dict[tuple[str, int], np.ndarray]:
    """Return the regret curve of each (case, seed)."""
    out = {}
    for r in runs:
        low, median = known[r["case"]]
        values = np.array([np.inf if v is None else v for v in r["curve"]])
        out[r["case"], r["seed"]] = np.clip((values - low) / max(median - low, 1e-12), 0.0, 1.0)
    return out


def best_known(everything: dict[str, list[dict[str, Any]]]) -> dict[str, tuple[float, float]]:
    known = {k: tuple(v) for k, v in references().items()}
    for runs in everything.values():
        for r in runs:
            if r["curve"][-1] is not None:
                low, median = known[r["case"]]
                known[r["case"]] = (min(low, r["curve"][-1]), median)
    return known


def interval(
    curves: dict[tuple[str, int], np.ndarray], cases: list[str], mark: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the mean over cases of the mean over seeds, and its 95 % bootstrap interval over seeds."""
    per_case = [
        np.array([c[min(mark, len(c)) - 1] for (n, _), c in curves.items() if n == name]) for name in cases
    ]
    per_case = [v for v in per_case if len(v)]
    if not per_case:
        return (np.nan,) * 3
    means = [np.mean([rng.choice(v, len(v)).mean() for v in per_case]) for _ in range(400)]
    return float(np.mean([v.mean() for v in per_case])), *map(float, np.quantile(means, [0.025, 0.975]))


def compare(which: str, first: str) -> None:
    """Print the paired difference of regret at 30 trials to every other optimizer over shared cases, and mean ranks."""
    everything = load()
    known, rng = best_known(everything), np.random.default_rng(0)
    names = [c.name for c in all_cases() if _chosen(c, which)]
    finals = {
        label: {n: np.array([c[-1] for (m, _), c in regret(runs, known).items() if m == n]) for n in names}
        for label, runs in everything.items()
    }
    print("\n| against | shared cases | difference @30 [95 %] | mean rank of the two |\n|---|---|---|---|")
    for label, theirs in finals.items():
        ours = finals[first]
        shared = [n for n in names if len(ours[n]) and len(theirs[n])]
        if label == first or not shared:
            continue
        gap = np.mean([ours[n].mean() - theirs[n].mean() for n in shared])
        draws = [
            np.mean(
                [
                    rng.choice(ours[n], len(ours[n])).mean() - rng.choice(theirs[n], len(theirs[n])).mean()
                    for n in shared
                ]
            )
            for _ in range(1000)
        ]
        low, high = np.quantile(draws, [0.025, 0.975])
        rank = np.mean(
            [
                1 + (ours[n].mean() > theirs[n].mean()) + 0.5 * (ours[n].mean() == theirs[n].mean())
                for n in shared
            ]
        )
        print(
            f"| {label} | {len(shared)} | {gap:+.3f} [{low:+.3f}, {high:+.3f}] | {rank:.2f} : {3 - rank:.2f} |"
        )


def report(which: str, names: list[str] | None = None, detail: bool = False) -> None:
    everything = load()
    known, rng = best_known(everything), np.random.default_rng(0)
    cases = [c for c in all_cases() if _chosen(c, which)]
    families = {f: [c.name for c in cases if c.family == f] for f in FAMILIES}
    print(f"{which} cases: {len(cases)} ({', '.join(f'{f} {len(n)}' for f, n in families.items())})\n")
    print(
        "| optimizer | seeds | @5 | @10 | @20 | @30 [95 %] | "
        + " | ".join(f"{f} @30" for f in FAMILIES)
        + " | wasted | CPU ms |"
    )
    print("|" + "---|" * (8 + len(FAMILIES)))
    for label, runs in everything.items():
        if names and label not in names:
            continue
        runs = [r for r in runs if r["case"] in {c.name for c in cases}]
        if not runs:
            continue
        curves = regret(runs, known)
        marks = [interval(curves, [c.name for c in cases], m, rng) for m in MARKS]
        by_family = [interval(curves, families[f], 30, rng)[0] for f in FAMILIES]
        seeds = len(runs) / len({r["case"] for r in runs})
        low, high = marks[-1][1:]
        wasted = np.mean([r["wasted"] for r in runs if r["case"] in families["systems"]] or [0])
        print(
            f"| {label} | {seeds:.0f} | " + " | ".join(f"{m[0]:.3f}" for m in marks) + f" [{low:.3f}, {high:.3f}] | "
            + " | ".join(f"{v:.3f}" for v in by_family) + f" | {wasted:.1f} | {np.mean([r['cpu_ms'] for r in runs]):.1f} |"
        )  # fmt: skip
        if detail:
            for c in cases:
                print(f"    {c.name:22s}", *(f"{interval(curves, [c.name], m, rng)[0]:.3f}" for m in MARKS))


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
    parser.add_argument("--report", default="", nargs="?", const="all")
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
    for name in names:
        label = arguments.label or name
        path = HOME / f"run-{label}.json"
        done = json.loads(path.read_text()) if path.exists() else []
        have = {(r["case"], r["seed"]) for r in done}
        jobs = [
            (name, c.name, s, arguments.trials)
            for s in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            for c in all_cases()
            if _chosen(c, arguments.cases) and (c.name, s) not in have
        ]
        if arguments.jobs > 1:
            with ProcessPoolExecutor(arguments.jobs) as pool:
                done += list(pool.map(run, jobs))
        else:
            done += [run(j) for j in jobs]
        path.write_text(json.dumps(done))
    if arguments.against:
        compare(arguments.report or arguments.cases, arguments.against)
    elif arguments.report or names:
        report(
            arguments.report or arguments.cases,
            [arguments.label] if arguments.label else names or None,
            arguments.detail,
        )


def _chosen(case: Any, which: str) -> bool:
    if which in ("seen", "unseen"):
        return case.unseen == (which == "unseen")
    return which == "all" or case.family == which or case.name in which.split(",")


if __name__ == "__main__":
    main()
