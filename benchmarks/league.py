"""The league: trialogue on other people's suites against the runs they published. Losses are printed like wins.

    python benchmarks/league.py --suite moot --data DIR --published       # their published means, recomputed from their runs
    python benchmarks/league.py --suite moot --data DIR --tables 20 --seeds 3   # runs what is missing, then the table
    python benchmarks/league.py --suite moot --data DIR --tables 20 --report    # the table of what ran

DIR holds MOOT's ``optimize/`` and NEO's ``results/``. Tables are drawn by ``--draw``, not by result. Every run is kept in
``.scratch/league`` (or LEAGUE_HOME) and not run again; ``--stop-s`` ends early, at a whole run.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from league import moot, neo, own, report

HOME = Path(os.environ.get("LEAGUE_HOME", Path(__file__).parent.parent / ".scratch" / "league"))


def published(data: Path) -> None:
    """Print the published means beside those of the raw runs, and on how many tables those rest."""
    means: dict[tuple[str, int], list[float]] = {}
    for table in filter(None, map(moot.read, moot.paths(data))):
        for budget in neo.BUDGETS:
            for optimizer, values in neo.by_optimizer(data, table, budget).items():
                means.setdefault((optimizer, budget), []).append(float(np.mean(values)))
    print("| optimizer | budget | published | recomputed | tables |\n|---|---|---|---|---|")
    for optimizer, figures in neo.PUBLISHED.items():
        for budget, figure in zip(neo.BUDGETS, figures, strict=True):
            values = means.get((optimizer, budget), [])
            mean = f"{np.mean(values):.3f}" if values else ""
            print(f"| {optimizer} | {budget} | {figure:.3f} | {mean} | {len(values)} |")


def print_report(data: Path, tables: Sequence[moot.Table], trials: int) -> None:
    """Print means, ranks and differences at each budget, and which tables and seeds they rest on."""
    runs = own.load(HOME)
    complete = {s for _, _, s in runs if all((t.name, n, s) in runs for t in tables for n in own.NAMES)}
    print(f"Tables: {', '.join(t.name for t in tables)}. Whole seeds of ours: {len(complete)}.\n")
    print("| evaluations | optimizer | mean regret | mean rank | trialogue less it |\n|---|---|---|---|---|")
    for budget in (b for b in neo.BUDGETS if b <= trials and complete):
        means: dict[str, dict[str, float]] = {}
        for table in tables:
            for name in own.NAMES:
                regrets = [runs[table.name, name, s]["regret"][budget - 1] for s in complete]
                means.setdefault(name, {})[table.name] = float(np.mean(regrets))
            for name, values in neo.by_optimizer(data, table, budget).items():
                means.setdefault(name, {})[table.name] = float(np.mean(values))
        print("\n".join(report.lines(means, budget)))
        print(f"| {budget} | (tables that all have) | {len(report.common(means))} | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=["moot"], default="moot")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--published", action="store_true", help="recompute the published means, and stop")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--tables", type=int, default=200, help="how many tables, drawn at random")
    parser.add_argument("--draw", type=int, default=18, help="the draw's seed")
    parser.add_argument("--max-rows", type=int, default=100_000, help="leave longer tables out of the draw")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--stop-s", type=float, default=float("inf"))
    options = parser.parse_args()
    if options.published:
        published(options.data)
        return
    files = moot.paths(options.data)
    tables = moot.subset(files, options.tables, seed=options.draw, max_rows=options.max_rows)
    if not options.report:
        own.run_missing(HOME, tables, options.seeds, options.trials, options.stop_s)
    print_report(options.data, tables, options.trials)


if __name__ == "__main__":
    main()
