"""Replay: simulated minutes to within 5 % of the best feasible configuration, on recorded serving tables.

    python benchmarks/serving.py [--tables DIR] [--seeds 10] [--tasks N] [--json OUT] [--estimates CSV]

Without --tables, the table shipped beside this script (vLLM's CPU build, recorded by vllm_record.py while all four
cores of the machine were busy: its failures are exact, its speeds noisy). Everybody pays the same for starts, loads
and failures (constants in vllm_tables.py) and nothing for repetitions; only trialogue asks vLLM's validator first, and
only where a table says what it refuses. It is told, as in a tuning, which knobs ask for more (loads; memory by the
catalogue of knobs) and which kind a failure is. A dash: not found (auto_tune: also where the table has not its two knobs).
"""

import argparse
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from vllm_tables import Clock, Task, tasks, with_estimates

from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.surrogates.engine.expected import Expected

MOST = 80  # measurements per run
NOT_OF_SIZE = ("refused by preflight", "unsupported_combination")


def everything(task: Task) -> list[dict[str, Any]]:
    space = task.problem.space
    return space.decode(np.vstack(list(space.enumerated())))


def in_order(clock: Clock, order: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
    for params in order:
        clock.measure(params)
        if np.isfinite(clock.found_s):
            return


def run_random(clock: Clock, seed: int) -> None:
    rows = everything(clock.task)
    in_order(clock, [rows[i] for i in np.random.default_rng([seed, 1]).permutation(len(rows))])


def run_grid(clock: Clock, seed: int) -> None:
    in_grid_order(clock, lambda knob: list(knob.choices))


def run_any_grid(clock: Clock, seed: int) -> None:
    """The grid with the choices of what has no order (devices, engines) in a random one: a table's own may be lucky."""
    rng = np.random.default_rng([seed, 11])
    in_grid_order(
        clock,
        lambda k: list(k.choices if k.ordered else [k.choices[i] for i in rng.permutation(len(k.choices))]),
    )


def in_grid_order(clock: Clock, choices: Callable[[Categorical], list[Any]]) -> None:
    own = [(k.name, choices(k)) for k in knobs(clock.task.problem.space)]
    in_order(
        clock, sorted(everything(clock.task), key=lambda p: [order.index(p[name]) for name, order in own])
    )


def run_auto_tune(clock: Clock, seed: int) -> None:
    """auto_tune.sh: the grid of its two knobs, everything else as in most rows; on each start, where the table has
    loads, the highest first and then less until the limits hold. It ends with the grid, found or not."""
    task = clock.task
    if not task.grid:
        return
    rows = everything(task)
    fixed = {n: Counter(p[n] for p in rows).most_common(1)[0][0]
             for n in task.problem.space.names if n not in task.grid and n not in task.client}  # fmt: skip
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for p in rows:
        if all(p[n] == v for n, v in fixed.items()):
            groups.setdefault(tuple(p[n] for n in task.grid), []).append(p)
    for key in sorted(groups):
        for params in sorted(groups[key], key=lambda p: [-float(p[n]) for n in sorted(task.client)]):
            result = clock.measure(params)
            if isinstance(result, str) or task.problem.feasible(result) or np.isfinite(clock.found_s):
                break
        if np.isfinite(clock.found_s):
            return


def run_tpe(clock: Clock, seed: int) -> None:
    """Optuna's TPE; its suggestion becomes the nearest row of the table that is not measured yet."""
    import optuna

    warnings.filterwarnings(
        "ignore", category=FutureWarning
    )  # constraints_func is the documented way until Optuna 7
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem, space = clock.task.problem, clock.task.problem.space
    sampler = optuna.samplers.TPESampler(seed=seed, constraints_func=lambda t: t.user_attrs.get("c", [1.0]))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    rows = everything(clock.task)
    coordinates, left = space.encode(rows)[0], list(range(len(rows)))
    for _ in range(min(MOST, len(rows))):
        wished = study.ask()
        params = suggested(wished, space)
        study.tell(wished, state=optuna.trial.TrialState.FAIL)
        distance = np.abs(coordinates[left] - encoded(params, space)).sum(axis=1)
        row = left.pop(int(np.argmin(distance)))
        study.enqueue_trial(indices(rows[row], space))
        trial = study.ask()
        suggested(trial, space)
        result = clock.measure(rows[row])
        if isinstance(result, Measurement):
            trial.set_user_attr("c", [result.constraints[c.name] / c.upper - 1 for c in problem.constraints])  # pyright: ignore
            study.tell(trial, result.value)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if np.isfinite(clock.found_s):
            return
    in_order(clock, [rows[i] for i in np.random.default_rng(seed).permutation(left)])


def knobs(space: SearchSpace) -> list[Categorical]:
    return [cast(Categorical, p) for p in space]  # a table's knobs are all lists of choices


def suggested(trial: Any, space: SearchSpace) -> dict[str, Any]:
    """Return a suggestion: ordered choices by their index, others by their value."""
    return {
        p.name: p.choices[trial.suggest_int(p.name, 0, len(p.choices) - 1)]
        if p.ordered
        else trial.suggest_categorical(p.name, p.choices)
        for p in knobs(space)
    }


def indices(params: dict[str, Any], space: SearchSpace) -> dict[str, Any]:
    return {p.name: p.choices.index(params[p.name]) if p.ordered else params[p.name] for p in knobs(space)}


def encoded(params: dict[str, Any], space: SearchSpace) -> np.ndarray:
    """Return coordinates as ``space.encode`` would, also of what is in no row."""
    return np.array([(p.choices.index(params[p.name]) + 0.5) / len(p.choices) for p in knobs(space)])


def run_trialogue(
    clock: Clock, seed: int, first: dict[str, Any] | None = None, expected: Expected | None = None
) -> None:
    """The tuner's strategy. Without ``first`` it starts at the centre of the space, as the tables know no default, or
    where estimates say."""
    from trialogue.agent.contracts import Ask
    from trialogue.agent.strategies.simple import SurrogateStrategy
    from trialogue.agent.tuning.engine import CostAwareEngine
    from trialogue.agent.tuning.odds import Harder
    from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
    from trialogue.serving.vllm.catalogue import STRAIN

    problem = clock.task.problem
    clock.preflight = True
    ordered = [k.name for k in knobs(problem.space) if k.ordered]
    harder = {n: Harder.load() for n in ordered if n in clock.task.client}
    harder |= {n: Harder(STRAIN[n]) for n in ordered if n in STRAIN}
    engine = CostAwareEngine(
        problem, lambda params: clock.task.cost(params, clock.last), harder=harder, expected=expected
    )
    strategy = SurrogateStrategy(problem, seed, engine=engine)
    history = History(problem)
    for index in range(min(MOST, len(clock.task.rows))):
        start = first if index == 0 else None
        params = start or dict(strategy.plan(Ask(history, index)).decisions[0].params)
        result = clock.measure(params)
        if isinstance(result, Measurement):
            history = history.extended(finished=[FinishedTrial(index, params, result)])
        else:
            kind = "invalid" if result.startswith(NOT_OF_SIZE) else "crash"
            history = history.extended(failed=[FailedTrial(index, params, kind, result)])
        if np.isfinite(clock.found_s):
            return
    tried = {problem.space.key(t.params) for t in (*history.finished, *history.failed)}
    in_order(clock, [p for p in everything(clock.task) if problem.space.key(p) not in tried])


def run_anywhere(clock: Clock, seed: int) -> None:
    """The tuner's strategy from a random first configuration: seeds differ by more than the noise then."""
    rows = everything(clock.task)
    run_trialogue(clock, seed, rows[int(np.random.default_rng([seed, 9]).integers(len(rows)))])


def run_estimated(clock: Clock, seed: int) -> None:
    """The tuner's strategy with estimates of the table's configurations (``--estimates``)."""
    run_trialogue(clock, seed, expected=clock.task.expected)


def run_reversed(clock: Clock, seed: int) -> None:
    """Estimates that say of the best what was estimated of the worst."""
    sabotaged(clock, seed, lambda values, rng: np.sort(values)[::-1][np.argsort(np.argsort(values))])


def run_shuffled(clock: Clock, seed: int) -> None:
    """Estimates of other configurations, drawn anew for each seed."""
    sabotaged(clock, seed, lambda values, rng: rng.permutation(values))


def sabotaged(
    clock: Clock, seed: int, spoil: Callable[[np.ndarray, np.random.Generator], np.ndarray]
) -> None:
    """Run with estimates that are spoilt, each output by itself."""
    task, rng = clock.task, np.random.default_rng([seed, 5])
    told, keys = task.estimates, [*task.estimates]
    spoilt: dict[str, dict[str, float]] = {k: {} for k in keys}
    for name in ("throughput", *(c.name for c in task.problem.constraints)):
        for key, value in zip(keys, spoil(np.array([told[k][name] for k in keys]), rng), strict=True):
            spoilt[key][name] = float(value)
    run_trialogue(clock, seed, expected=lambda p: spoilt.get(task.problem.space.key(p)))


METHODS: dict[str, Callable[[Clock, int], None]] = {
    "trialogue": run_trialogue, "random": run_random, "tpe": run_tpe, "grid": run_grid, "any_grid": run_any_grid,
    "auto_tune": run_auto_tune, "anywhere": run_anywhere, "estimated": run_estimated, "reversed": run_reversed,
    "shuffled": run_shuffled,
}  # fmt: skip


def job(work: tuple[Task, str, int]) -> tuple[str, str, int, float, int]:
    task, method, seed = work
    clock = Clock(task, np.random.default_rng([seed, 3]))
    METHODS[method](clock, seed)
    return task.name, method, seed, clock.found_s / 60, clock.failures_paid


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=None, help="at most so many, evenly chosen")
    parser.add_argument("--least-draws", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--methods",
        default="trialogue,random,tpe,grid,auto_tune",
        help=f"of {', '.join(METHODS)}; ratios are the first one's",
    )
    parser.add_argument(
        "--estimates", type=Path, default=None, help="of silicon_estimates.py: only its tasks"
    )
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    chosen = tasks(args.tables, least_draws=args.least_draws)
    if args.estimates:
        chosen = [t for task in chosen if (t := with_estimates(task, args.estimates)) is not None]
    if not chosen:
        print(f"no task on which random search needs {args.least_draws:g} draws: taking all there are")
        chosen = tasks(args.tables, least_draws=0)
    if args.tasks and len(chosen) > args.tasks:
        chosen = [chosen[int(i)] for i in np.linspace(0, len(chosen) - 1, args.tasks)]
    methods = args.methods.split(",")
    work = [(t, m, s) for s in range(args.seeds) for t in chosen for m in methods]
    print(f"{len(chosen)} tasks, {args.seeds} seeds, {len(work)} runs", flush=True)
    with ProcessPoolExecutor(args.workers) as pool:
        rows = []
        for row in pool.map(job, work, chunksize=1):
            rows.append(row)
            if args.json:
                args.json.write_text(json.dumps(rows))
    show(chosen, methods, rows)


def show(chosen: list[Task], methods: list[str], rows: list[tuple[str, str, int, float, int]]) -> None:
    minutes = {
        (t.name, m): [r[3] for r in rows if r[0] == t.name and r[1] == m] for t in chosen for m in methods
    }
    failures = {m: sum(r[4] for r in rows if r[1] == m) for m in methods}
    print(f"\n{'median simulated minutes':<52}{'draws':>6}" + "".join(f"{m:>11}" for m in methods))
    for task in chosen:
        medians = [float(np.median(minutes[task.name, m])) for m in methods]
        print(
            f"{task.name[:51]:<52}{task.random_draws:>6.0f}"
            + "".join(f"{v:>11.1f}" if np.isfinite(v) else f"{'-':>11}" for v in medians)
        )
    ours = methods[0]
    print(
        f"\nratio of {ours}'s median minutes to:   (median over tasks, 90 % interval by bootstrap over tasks)"
    )
    rng = np.random.default_rng(0)
    for method in methods[1:]:
        ratios = np.array(
            [np.median(minutes[t.name, ours]) / np.median(minutes[t.name, method]) for t in chosen]
        )
        ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
        if len(ratios):
            resampled = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
            print(
                f"  {method:<10} {np.median(ratios):.2f}  [{np.quantile(resampled, 0.05):.2f}, "
                f"{np.quantile(resampled, 0.95):.2f}]  ({len(ratios)} tasks, {sum(ratios > 1.3)} above 1.3)"
            )
    print("failures paid for: " + ", ".join(f"{m} {failures[m]}" for m in methods))


if __name__ == "__main__":
    main()
