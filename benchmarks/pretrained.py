"""What a small pretrained model knows in each of its seats, on LLAMBO's 24 tasks: by its own text, and by log-probabilities.

    trialogue serve-model smollm2 --engine llama           # or any server with schemas and log-probabilities
    python benchmarks/pretrained.py --url http://127.0.0.1:8000/v1 --data DIR --out runs/pretrained.jsonl
    python benchmarks/pretrained.py --out runs/pretrained.jsonl --report

A unit is a task, a seed, and whether the names are shown (else ``x1`` …, and nothing of the task is said). Each way of use
ends in configurations, and each of those in one number: the share of 24 random configurations of the same task that it
beats (ties half; 0.5 is what a random choice gets). ``warm``: proposed without history; ``candidates``: proposed with
eight trials; ``discriminative``: the best of eight further random points by the scores that it writes;
``generative``: by the log-probability of its label; ``gp``: by the engine's mean, for scale. ``--report`` averages over
seeds, then tasks; intervals are bootstrapped over tasks. What is there already is not run again.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llambo_tasks import DATA_SETS, MODELS, objective, problem_of

import trialogue as tl
from trialogue.agent.contracts import PlanRequest
from trialogue.agent.planner.planner import Planner
from trialogue.agent.strategies.simple import default_engine
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.surrogates.alternatives.llm_classes import GenerativeSurrogate
from trialogue.surrogates.alternatives.llm_scores import DiscriminativeSurrogate
from trialogue.surrogates.contracts import TrainingData

RANDOM, TRIALS, QUERIES, PROPOSALS = 24, 8, 8, 4
WAYS = ("warm", "candidates", "discriminative", "generative", "gp")
DEADLINE_S = 600.0


def hidden(problem: tl.Problem) -> tl.Problem:
    """Return the same problem without a word that says what it is."""
    parameters = []
    for i, p in enumerate(problem.space.parameters):
        make = tl.Int if isinstance(p, tl.Int) else tl.Float
        assert isinstance(p, tl.Int | tl.Float)
        parameters.append(make(f"x{i + 1}", p.low, p.high, log=p.log))
    return tl.Problem("task", tl.SearchSpace(parameters), objectives=[tl.Objective("score", "maximize")])


class Unit:
    """One task with one seed: its random configurations, their scores, and a model that is asked about it."""

    def __init__(self, data: Path, data_set: str, model: str, seed: int, *, names: bool) -> None:
        shown = problem_of(data, data_set, model)
        self.problem = shown if names else hidden(shown)
        self._names = dict(zip(self.problem.space.names, shown.space.names, strict=True))
        self._f = objective(data, data_set, model, seed)
        self.seed = seed
        sampled = shown.space.sample(np.random.default_rng([seed, 7]), RANDOM)
        own = {theirs: ours for ours, theirs in self._names.items()}
        self.configurations = [{own[n]: v for n, v in p.items()} for p in sampled]
        self.scores = np.array([self.score(p) for p in self.configurations])

    def score(self, params: dict[str, Any]) -> float:
        return self._f({self._names[n]: v for n, v in params.items()})

    def beats(self, params: dict[str, Any]) -> float:
        """Return the share of the random configurations that ``params`` beats."""
        value = self.score(params)
        return float(np.mean((value > self.scores) + 0.5 * (value == self.scores)))

    @property
    def history(self) -> History:
        pairs = zip(self.configurations[:TRIALS], self.scores[:TRIALS], strict=True)
        trials = [FinishedTrial(i, p, tl.Measurement(float(y)), "random") for i, (p, y) in enumerate(pairs)]
        return History(self.problem).extended(finished=trials)

    def proposed(self, planner: Planner, *, early: bool) -> dict[str, Any]:
        """Return what the model's own text is worth."""
        history = History(self.problem) if early else self.history
        rng, purpose = np.random.default_rng(self.seed), "warm_start" if early else "candidates"
        answer = planner.propose(PlanRequest(history, PROPOSALS, purpose, rng, deadline_s=DEADLINE_S))
        tokens = sum(c.prompt_tokens + c.completion_tokens for c in answer.calls)
        values = [self.beats(dict(p.params)) for p in answer.proposals]
        return {"beats": values, "tokens": tokens, "outcomes": [c.outcome for c in answer.calls]}

    def ranked(self, scorer: Any) -> dict[str, Any]:  # Any: either surrogate by a language model
        """Return what the best of the further points is worth, by the scorer's mean."""
        space, queries = self.problem.space, self.configurations[TRIALS : TRIALS + QUERIES]
        rows = self.history.rows("finished")
        data = TrainingData(space, rows.X, rows.active, self.scores[:TRIALS], np.full(TRIALS, np.nan))
        mean, _ = scorer.fit(data, np.random.default_rng(self.seed)).predict(*space.encode(queries))
        return {**self._first(mean), "tokens": scorer.account.usage.total, "failed": scorer.account.failed}

    def by_engine(self) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        belief = default_engine(self.problem).condition(self.history, rng)
        assessed = belief.assess(self.configurations[TRIALS : TRIALS + QUERIES])
        return {**self._first(np.array([a.z_mean for a in assessed])), "tokens": 0}

    def _first(self, mean: np.ndarray) -> dict[str, Any]:
        best = np.flatnonzero(mean == mean.max())  # a model that says one thing of all has chosen none
        values = [self.beats(self.configurations[TRIALS + int(i)]) for i in best]
        return {"beats": [float(np.mean(values))], "distinct": len(np.unique(mean))}


def asked(unit: Unit, planner: Planner, way: str) -> dict[str, Any]:
    """Return what ``way`` brings in this unit."""
    if way == "gp":
        return unit.by_engine()
    if way in ("warm", "candidates"):
        return unit.proposed(planner, early=way == "warm")
    options: dict[str, Any] = {"orders": 1, "samples": 3, "deadline_s": DEADLINE_S}
    if way == "generative":
        return unit.ranked(GenerativeSurrogate(planner.endpoint, **options))
    return unit.ranked(DiscriminativeSurrogate(planner.endpoint, held_out=0, **options))


def units(options: argparse.Namespace) -> Iterator[tuple[str, str, int, bool]]:
    for seed in range(options.seeds):
        for names in (True, False):
            for model in MODELS:
                for data_set in DATA_SETS:
                    yield data_set, model, seed, names


def load(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def run(options: argparse.Namespace) -> None:
    """Run what is missing."""
    planner = Planner(options.url, timeout_s=DEADLINE_S)
    done = {(r["data_set"], r["model"], r["seed"], r["names"]) for r in load(options.out)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for key in units(options):
        if key in done:
            continue
        data_set, model, seed, names = key
        row: dict[str, Any] = {"data_set": data_set, "model": model, "seed": seed, "names": names}
        unit = Unit(options.data, data_set, model, seed, names=names)
        for way in WAYS:
            began = time.monotonic()
            row[way] = {**asked(unit, planner, way), "seconds": round(time.monotonic() - began, 1)}
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(key, file=sys.stderr)


def report(rows: Sequence[dict[str, Any]]) -> None:
    """Print each way's mean with its interval over tasks."""
    print(f"{'':6} {'way':15} {'beats [95 %]':22} none  tokens  tasks  units")
    for names in (True, False):
        mine = [r for r in rows if r["names"] == names]
        for way in WAYS:
            per_task: dict[tuple[str, str], list[float]] = {}
            for r in mine:
                values = r[way]["beats"]
                per_task.setdefault((r["data_set"], r["model"]), []).append(float(np.mean(values or [0.5])))
            if not per_task:
                continue
            means = np.array([np.mean(v) for v in per_task.values()])
            rng = np.random.default_rng(0)
            low, high = np.quantile(
                means[rng.integers(len(means), size=(4000, len(means)))].mean(1), [0.025, 0.975]
            )
            empty = np.mean([not r[way]["beats"] for r in mine])
            tokens = np.mean([r[way]["tokens"] for r in mine])
            shown = "shown" if names else "hidden"
            interval = f"{means.mean():.2f} [{low:.2f}, {high:.2f}]"
            print(f"{shown:6} {way:15} {interval:22} {empty:4.0%} {tokens:7.0f} {len(means):6} {len(mine):6}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/llambo"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if not options.report:
        run(options)
    report(load(options.out))


if __name__ == "__main__":
    main()
