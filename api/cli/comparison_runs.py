"""The studies of a comparison: each strategy with each seed, in memory, on a specification's own problem and
evaluator."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from markupsafe import escape

from ...agent.ledger.records import TrialRecord
from ...agent.lineage import CONTINUING
from ...agent.planner.by_name import SharedPlanner
from ...agent.study.study import Study
from ...evaluators.problems.measurement import Measurement
from ...evaluators.statistics.strata import stratified_sample
from ...evaluators.targets.catalogue import MODULES
from ...serving.errors import InvalidInput, TrialogueError
from ...surrogates.contracts import TrainingData
from ...surrogates.options.inductive_bias import bits_needed
from ..reports.comparison import Line, SeededRun, figure
from ..study_files.study_file import OF_A_TARGET, Specification
from ..study_files.tables import BudgetTable

WITH_ENGINE = ("trialogue", "surrogate")
"""Strategies that options of the engine are for."""


def run_all(
    tasks: Sequence[Specification],
    names: Sequence[str],
    seeds: Sequence[int],
    trials: int,
    planner: str | None,
    *,
    quiet: bool,
) -> list[list[SeededRun]]:
    """Run every study and return the runs of each task, seed by seed.

    All of them share one planner, so that a vLLM server is started once. Raises InvalidInput where none could be used.
    """
    runs: list[list[SeededRun]] = []
    with SharedPlanner(planner) as shared:
        for specification in tasks:
            if len(tasks) > 1 and not quiet:
                print(f"{specification.name}:")
            runs.append([])
            for seed in seeds:
                for name in names:
                    runs[-1].append(run_one(specification, name, seed, trials, shared))
                    if not quiet:
                        print(_line(runs[-1][-1]))
    if not any(run.values for of in runs for run in of):
        raise InvalidInput(f"no strategy could be used: {'; '.join(runs[0][0].notes)}")
    return runs


def sampled(files: Sequence[Path], n: int | None) -> list[Path]:
    """Return the files, ``target:all`` in full, or ``n`` of them in proportion to their families: those of the gallery, and
    study files."""
    targets = [Path(f"{OF_A_TARGET}{name}") for name in MODULES]
    paths = [path for file in files for path in (targets if str(file) == f"{OF_A_TARGET}all" else [file])]
    families = [MODULES.get(str(f).removeprefix(OF_A_TARGET), "files").split(".")[0] for f in paths]
    rng = np.random.default_rng(0)
    return paths if n is None else [paths[i] for i in stratified_sample(families, n, rng)]


def _line(run: SeededRun) -> str:
    best = max((v for v in run.values if not math.isnan(v)), default=math.nan)
    notes = " ".join(run.notes)
    return f"seed {run.seed}  {run.strategy:10} best {best:.6g}  {run.seconds:.1f} s  {notes}".rstrip()


def run_one(stated: Specification, name: str, seed: int, trials: int, planner: SharedPlanner) -> SeededRun:
    """Return one study in memory with one strategy and seed, and with the file's options of an engine where it has one."""
    budget = (stated.settings.budget or BudgetTable()).model_copy(update={"trials": trials})
    changed = {"seed": seed, "strategy": name, "budget": budget}
    if name.partition(":")[0] not in WITH_ENGINE:
        changed["engine"] = None
    settings = stated.settings.model_copy(update=changed)
    specification = replace(stated, name=f"{stated.name}-{name}-{seed}", settings=settings)
    started, notes, values, tokens = time.monotonic(), (), (), 0
    try:
        with specification.open(None, planner=planner) as study, TemporaryDirectory() as folder:
            try:
                workdir = folder if name.partition(":")[0] in CONTINUING else None
                study.run(stated.evaluate, n_trials=trials, workdir=workdir)
            finally:
                values, tokens = tuple(_value(study, t) for t in study.trials), study.spent.tokens
    except TrialogueError as error:  # a finite space that is exhausted, a strategy that cannot be used
        notes = (str(error),)
    return SeededRun(name, seed, values, tokens, round(time.monotonic() - started, 2), notes)


def bias(stated: Specification, trials: int) -> dict[str, float]:
    """Return bits of knowledge that hypothesis spaces lack for the study, by ``options/inductive_bias.py``.

    Evaluates ``trials`` random configurations, and learns from those that are feasible. {} where they are too few.
    """
    settings = stated.settings.model_copy(update={"strategy": "random", "planner": None, "engine": None})
    study = replace(stated, name=f"{stated.name}-bias", settings=settings).open(None)
    with study:
        study.run(stated.evaluate, n_trials=trials)
    values = np.array([_value(study, t) for t in study.trials])
    is_finite = np.isfinite(values)
    X, active = stated.problem.space.encode([t.params for t in study.trials])
    noise = np.full(int(is_finite.sum()), np.nan)
    data = TrainingData(stated.problem.space, X[is_finite], active[is_finite], values[is_finite], noise)
    return bits_needed(data, np.random.default_rng(0))


def _value(study: Study, trial: TrialRecord) -> float:
    """Return the first objective, larger is better; NaN for a trial that failed, is infeasible or did only a part of the
    task."""
    fidelity = study.problem.fidelity
    if not isinstance(trial.ending, Measurement) or not study.problem.feasible(trial.ending):
        return math.nan
    if fidelity is not None and trial.params[fidelity.name] != fidelity.ladder(study.problem.space)[-1]:
        return math.nan
    return float(study.problem.signs[0]) * trial.ending.value


def summary(
    lines: Sequence[Line],
    reference: str,
    spent: Mapping[str, tuple[float, float]],
    lacking: Mapping[str, float] | None,
) -> str:
    """Return in words the table of regrets, what each strategy used, and the bits of ``bias`` where they were asked for."""
    rows = [
        f"\nMean regret (0: best value seen, 1: median first trial); difference to {reference}, 95 % interval"
    ]
    rows += [
        f"  {line.strategy:10} after {line.trials:3} trials  {line.regret:7.4f}   "
        f"{line.difference:+8.4f} [{line.low:+.4f}, {line.high:+.4f}]"
        for line in lines
    ]
    for name, (tokens, seconds) in spent.items():
        rows.append(f"  {name:10} {tokens:9.0f} tokens and {seconds:6.1f} s per study")
    if lacking is not None:
        bits = ", ".join(f"{name} {n:.1f}" for name, n in sorted(lacking.items(), key=lambda pair: pair[1]))
        rows.append(
            f"Bits of knowledge that a space of functions lacks for this study, fewest first: {bits or 'unknown'}"
        )
    return "\n".join(rows)


def page(runs: Sequence[SeededRun], title: str) -> str:
    """Return one self-contained HTML page with the regret plot."""
    import plotly.graph_objects as go

    body = go.Figure(figure(runs)).to_html(full_html=False, include_plotlyjs=True)
    head = f"<!doctype html><meta charset='utf-8'><title>{escape(title)}</title>"
    return f"{head}<body style='font-family:sans-serif;margin:2rem'><h1>{escape(title)}</h1>{body}</body>"
