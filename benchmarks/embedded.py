"""What the embedded planner adds: alone against TPE and Sobol, and as trialogue's planner against the engine alone.

    python benchmarks/embedded.py --methods random sobol tpe engine --seeds 20        # the references, kept
    python benchmarks/embedded.py --methods alone alone-named with-planner knowledge hidden --seeds 20
    python benchmarks/embedded.py --report

Six functions and six live scikit-learn tasks: no function, no data set and one model family of none was trained
on. ``alone``: four Sobol points, then the planner's first proposal, parameters' names hidden; ``alone-named``:
what is known by name first, and the model told the names. ``engine``: the Gaussian process, no planner.
``with-planner``: embedded planner, knowledge base, referee; ``untold``: the same, the model not told the names.
``hidden``: the same with the names hidden. ``knowledge``: knowledge base and referee, no neural model, which is
the default; ``misled``: that under names that lie. Regret = (best so far - best known) / (median of 400 random
draws - best known), clipped to [0, 1]. Intervals: 95 %, paired by seed, seeds resampled within tasks.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from optimizers import make
from problems import all_cases
from problems.base import Case

import trialogue as tl
from trialogue.agent.contracts import Ask, PlanRequest
from trialogue.agent.referee.knowledge import KNOWN
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.evaluators.random_streams import stream

NAMED = ("svm-digits", "svr-friedman", "gbdt-diabetes", "mlp-digits", "forest-cancer", "knn-cancer")
BARE = ("branin", "hartmann3", "hartmann6", "rosenbrock4", "levy5", "styblinski5")
SMALL = ("svm-digits", "svr-friedman", "knn-cancer", "branin", "hartmann3", "rosenbrock4")
PAIRS = (
    ("alone", "tpe"), ("alone", "sobol"), ("alone-named", "tpe"), ("alone-named", "alone"), ("with-planner", "engine"),
    ("hidden", "engine"), ("misled", "engine"), ("with-planner", "knowledge"), ("with-planner", "untold"),
    ("knowledge", "engine"),
)  # fmt: skip
TRIALS = 30
BOOSTING = ["learning_rate", "max_depth", "subsample", "max_features", "min_samples_leaf", "n_estimators"]
MARKS = (5, 10, 20, 30)
OPENING = 4
Params = dict[str, Any]
Curves = dict[str, dict[str, np.ndarray]]
"""Regret (seeds, trials) per method and case."""


def case_named(name: str) -> Case:
    return next(c for c in all_cases() if c.name == name)


def hidden(problem: tl.Problem) -> tl.Problem:
    """Return the problem with names that say nothing."""
    return renamed(problem, "hidden", [f"x{i}" for i in range(len(problem.space))])


def misled(problem: tl.Problem) -> tl.Problem:
    """Return the problem with names that lie: what is known of gradient boosting has nothing to do with it."""
    return renamed(problem, "gradient boosting", BOOSTING[: len(problem.space)])


def renamed(problem: tl.Problem, name: str, names: list[str]) -> tl.Problem:
    tables = dict(zip(names, problem.space.to_dict()["parameters"].values(), strict=True))
    for table in tables.values():
        table.pop("description", None)
    return tl.Problem(name, tl.SearchSpace.from_dict({"parameters": tables}), objectives=problem.objectives)


def shown(problem: tl.Problem, other: tl.Problem, params: Params) -> Params:
    """Return parameters of ``other``, a renamed ``problem``, under their own names."""
    return {problem.space.names[other.space.names.index(name)]: value for name, value in params.items()}


def alone(problem: tl.Problem, seed: int, checkpoint: Path) -> Callable[[list[float], list[Params]], Params]:
    from scipy.stats import qmc

    from trialogue.agent.planner.embedded import EmbeddedPlanner

    planner = EmbeddedPlanner(model_at(checkpoint), abstains=False)
    sobol = qmc.Sobol(len(problem.space), rng=np.random.default_rng([seed, 5])).random(8)[:OPENING]
    sources: list[str] = []

    def ask(values: list[float], tried: list[Params]) -> Params:
        history = history_of(problem, values, tried, sources)
        rng = stream(seed, len(values), "planner")
        proposals = planner.propose(PlanRequest(history, 1, "candidates", rng)).proposals
        known = proposals[:1] if proposals and proposals[0].source == KNOWN else ()
        if len(values) < OPENING and not known:
            sources.append("initial_design")
            return problem.space.from_unit(sobol[len(values)])
        sources.append(proposals[0].source if proposals else "random")
        return dict(proposals[0].params) if proposals else problem.space.sample(rng, 1)[0]

    return ask


def with_strategy(
    problem: tl.Problem, seed: int, planner: Any, name: str | None = None
) -> Callable[[list[float], list[Params]], Params]:
    from trialogue.agent.budget import Budget
    from trialogue.agent.strategies.by_name import strategy_for

    strategy = strategy_for(problem, seed=seed, planner=planner, strategy=name)
    sources: list[str] = []

    def ask(values: list[float], tried: list[Params]) -> Params:
        history = history_of(problem, values, tried, sources)
        decision = strategy.plan(Ask(history, len(values), limits=Budget(trials=TRIALS))).decisions[0]
        sources.append(decision.source)
        return dict(decision.params)

    return ask


def history_of(
    problem: tl.Problem, values: list[float], tried: list[Params], sources: list[str] | None = None
) -> History:
    sources = sources or ["user"] * len(values)
    rows = zip(values, tried, sources, strict=True)
    return History(problem).extended(
        finished=[FinishedTrial(i, p, tl.Measurement(v), s) for i, (v, p, s) in enumerate(rows)]
    )


@cache
def model_at(checkpoint: Path) -> Any:
    from trialogue.serving.embedded.model import EmbeddedModel

    model = EmbeddedModel(checkpoint)
    assert model.config, checkpoint  # without its model the planner falls silent: unnoticed here
    return model


def sobol(case: Case, seed: int) -> Callable[[list[float], list[Params]], Params]:
    from scipy.stats import qmc

    points = qmc.Sobol(len(case.problem.space), rng=np.random.default_rng([seed, 6])).random(32)
    return lambda values, tried: case.problem.space.from_unit(points[len(values)])


def peer(name: str, case: Case, seed: int) -> Callable[[list[float], list[Params]], Params]:
    optimizer = make({"tpe": "optuna-tpe", "random": "random"}[name], case, seed)

    def ask(values: list[float], tried: list[Params]) -> Params:
        if values:
            optimizer.tell(tried[-1], case.evaluate(tried[-1]))
        return optimizer.ask()

    return ask


def seen(method: str, problem: tl.Problem) -> tl.Problem:
    """Return the problem as the method is shown it."""
    if method in ("alone", "hidden"):
        return hidden(problem)
    return misled(problem) if method == "misled" else problem


def asker(method: str, case: Case, seed: int, checkpoint: Path) -> Callable[..., Params]:
    """Return the method's ask, in the names that ``seen`` gives it."""
    from trialogue.agent.planner.embedded import EmbeddedPlanner

    problem = seen(method, case.problem)
    if method in ("alone", "alone-named"):
        return alone(problem, seed, checkpoint)
    if method == "sobol":
        return sobol(case, seed)
    if method in ("tpe", "random"):
        return peer(method, case, seed)
    if method == "engine":
        return with_strategy(problem, seed, None, "surrogate")
    if method in ("knowledge", "misled"):
        return with_strategy(problem, seed, None)
    planner = EmbeddedPlanner(model_at(checkpoint), names=method != "untold")
    return with_strategy(problem, seed, planner)


def run(job: tuple[str, str, int, str]) -> dict[str, Any]:
    method, name, seed, checkpoint = job
    warnings.simplefilter("ignore")
    case = case_named(name)
    ask, problem = asker(method, case, seed, Path(checkpoint)), seen(method, case.problem)
    values: list[float] = []
    tried: list[Params] = []
    cpu = 0.0
    for _ in range(TRIALS):
        start = time.process_time()
        params = ask(values, tried)
        cpu += time.process_time() - start
        outcome = case.evaluate(shown(case.problem, problem, params))
        values.append(float(outcome.value if outcome.value is not None else np.inf))
        tried.append(params)
    return {"method": method, "case": name, "seed": seed, "values": values, "cpu_s": cpu / TRIALS}


def regrets(rows: list[dict[str, Any]], references: dict[str, Any]) -> Curves:
    """Return regret curves (seeds, trials) per method and case."""
    best = {c: min(r[0], *(min(x["values"]) for x in rows if x["case"] == c)) for c, r in references.items()}
    out: dict[str, dict[str, list[np.ndarray]]] = {}
    for row in sorted(rows, key=lambda r: r["seed"]):
        low, median = best[row["case"]], references[row["case"]][1]
        curve = np.clip((np.minimum.accumulate(row["values"]) - low) / (median - low), 0, 1)
        out.setdefault(row["method"], {}).setdefault(row["case"], []).append(curve)
    return {m: {c: np.array(v) for c, v in cases.items()} for m, cases in out.items()}


def interval(d: np.ndarray) -> tuple[float, float]:
    """Return a 95 % interval of the mean of task means: seeds resampled within tasks. d (tasks, seeds)."""
    rng = np.random.default_rng(0)
    at = rng.integers(d.shape[1], size=(4000, *d.shape))
    low, high = np.quantile(
        np.take_along_axis(np.broadcast_to(d, at.shape), at, 2).mean((1, 2)), [0.025, 0.975]
    )
    return float(low), float(high)


def ratio_interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return a 95 % interval of the ratio of means, by the same resampling."""
    rng = np.random.default_rng(0)
    at = rng.integers(a.shape[1], size=(4000, *a.shape))
    x, y = (np.take_along_axis(np.broadcast_to(v, at.shape), at, 2).mean((1, 2)) for v in (a, b))
    low, high = np.quantile(x / np.maximum(y, 1e-12), [0.025, 0.975])
    return float(low), float(high)


def report(rows: list[dict[str, Any]], references: dict[str, Any]) -> None:
    table = regrets(rows, references)
    for title, cases in (("named tasks", NAMED), ("functions", BARE)):
        print(f"\n{title}: mean regret at {MARKS}, and at 10/30 per task")
        for method, curves in table.items():
            if not all(c in curves for c in cases):
                continue
            mean = np.mean([curves[c].mean(0) for c in cases], 0)
            cells = " ".join(f"{c}:{curves[c][:, 9].mean():.3f}/{curves[c][:, 29].mean():.3f}" for c in cases)
            seeds = min(len(curves[c]) for c in cases)
            print(
                f"{method:14}" + "".join(f"{mean[t - 1]:7.3f}" for t in MARKS) + f"  ({seeds} seeds) {cells}"
            )
    for ours, other in PAIRS:
        for title, cases in (("named", NAMED), ("functions", BARE)):
            compared(table, ours, other, title, cases)
    compared(table, "alone", "tpe", "d <= 4", SMALL)
    worse_than(table, "alone", "sobol")


def compared(table: Curves, ours: str, other: str, title: str, cases: tuple[str, ...]) -> None:
    """Print the ratio of mean regrets and the paired difference at 10 and 30 trials, where both are measured."""
    if not all(m in table and c in table[m] for m in (ours, other) for c in cases):
        return
    n = min(len(table[m][c]) for m in (ours, other) for c in cases)
    for t in (10, 30):
        a, b = (np.array([table[m][c][:n, t - 1] for c in cases]) for m in (ours, other))
        low, high = interval(a - b)
        least, most = ratio_interval(a, b)
        print(
            f"{ours} / {other} at {t}, {title}, {n} seeds: ratio {a.mean() / max(b.mean(), 1e-12):.2f} "
            f"[{least:.2f}, {most:.2f}], difference {(a - b).mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        )


def worse_than(table: Curves, ours: str, other: str) -> None:
    """Print the tasks on which ours is worse at 30 trials, and by how much."""
    shared = [c for c in (*NAMED, *BARE) if all(m in table and c in table[m] for m in (ours, other))]
    for c in shared:
        a, b = (table[m][c][:, 29] for m in (ours, other))
        d = a[: len(b)] - b[: len(a)]
        if d.mean() > 0:
            low, high = interval(d[None])
            print(f"{ours} is worse than {other} at 30 on {c}: {d.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--methods", nargs="+", default=[])
    p.add_argument("--cases", nargs="+", default=[*NAMED, *BARE])
    p.add_argument("--seeds", type=int, default=20)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument(
        "--checkpoint", default=str(Path(__file__).parent.parent / "serving" / "embedded" / "weights")
    )
    p.add_argument("--out", type=Path, default=Path(".scratch/embedded"))
    p.add_argument("--report", action="store_true")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for method in a.methods:
        path = a.out / f"{method}.jsonl"
        done = {(r["case"], r["seed"]) for r in read(path)}
        jobs = [(method, c, s, a.checkpoint) for s in range(a.seeds) for c in a.cases if (c, s) not in done]
        with ProcessPoolExecutor(a.jobs) as pool, path.open("a") as file:
            for row in pool.map(run, jobs):
                file.write(json.dumps(row) + "\n")
                file.flush()
    if a.report:
        rows = [r for path in sorted(a.out.glob("*.jsonl")) for r in read(path)]
        report(rows, known_references(a.out, a.cases))


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def known_references(out: Path, names: list[str]) -> dict[str, Any]:
    """Return (best, median) of 400 random draws per case, computed once."""
    from regret import reference

    path = out / "reference.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        if name not in known:
            known[name] = reference(name)
            path.write_text(json.dumps(known))
    return {name: known[name] for name in names}


if __name__ == "__main__":
    main()
