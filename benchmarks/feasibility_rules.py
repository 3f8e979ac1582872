"""What a model's rule of what will fail is worth when it is right, and what it costs when it is wrong.

    python benchmarks/feasibility_rules.py --seeds 10

A simulated training job whose best configurations lie next to the edge of memory. A scripted model proposes anything
within the bounds and states one rule, over real HTTP; only the rule differs between the arms. Prints trials that
failed, of 30, and normalised regret at 10 and 30, with standard errors over seeds.
"""

import argparse
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import trialogue as tl
from trialogue.agent.contracts import AbstractStrategy, Ask
from trialogue.agent.planner.informed import InformedPlanner
from trialogue.agent.planner.planner import Planner
from trialogue.agent.strategies.hybrid import TrialogueStrategy
from trialogue.agent.strategies.simple import SurrogateStrategy
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.serving.scripted.behaviours import uniform
from trialogue.serving.scripted.server import Behaviour, ScriptedReply, ScriptedServer

MEMORY = 60_000
RULES = {
    "right": f"batch * layers * width > {MEMORY}",
    "rough": f"batch * layers > {MEMORY // 300}",
    "unrelated": "rate > 0.001",
    "wrong": "layers > 8",
    "inverted": f"batch * layers * width < {MEMORY}",
    "none": "",
}


def problem() -> tl.Problem:
    """Return the job: throughput to maximize, four parameters."""
    space = tl.SearchSpace(
        [
            tl.Int("batch", 1, 512, log=True),
            tl.Int("layers", 2, 48, log=True),
            tl.Int("width", 32, 1024, log=True),
            tl.Float("rate", 1e-5, 1e-1, log=True),
        ]
    )
    return tl.Problem("job", space, objectives=[tl.Objective("quality", "maximize")])


def quality(p: Mapping[str, Any]) -> float | None:
    """Return what is measured, None where memory is too small; 1 at best."""
    if p["batch"] * p["layers"] * p["width"] > MEMORY:
        return None
    rate = (math.log10(p["rate"]) + 3.2) ** 2 / 4
    shape = 0.15 * (math.log(p["layers"] / 14) ** 2 + math.log(p["batch"] / 16) ** 2)
    return math.log(p["batch"] * p["layers"] * p["width"]) / math.log(MEMORY) - rate - shape


def model(rule: str) -> Behaviour:
    """Return a model that states one rule and proposes anything."""

    def behave(call: Any) -> ScriptedReply:
        if "rules" in (call.schema or {}).get("properties", {}):
            rules = [{"fails_if": rule, "why": "memory"}] if rule else []
            return ScriptedReply(json.dumps({"regions": [], "rules": rules}))
        return uniform(call)

    return behave


def study(strategy: AbstractStrategy, trials: int = 30) -> tuple[int, list[float]]:
    """Return how many trials failed and the best quality after each."""
    history, best, curve = History(problem()), -2.0, list[float]()
    for i in range(trials):
        (d,) = strategy.plan(Ask(history, i)).decisions
        y = quality(d.params)
        if y is None:
            failure = FailedTrial(i, d.params, "out_of_memory", "CUDA out of memory", d.source)
            history = history.extended(failed=[failure])
        else:
            history = history.extended(finished=[FinishedTrial(i, d.params, tl.Measurement(y), d.source)])
            best = max(best, y)
        curve.append(1 - best)
    return len(history.failed), curve


def main() -> None:
    """Print one line per rule."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(parser.parse_args().seeds)
    print("rule         failed of 30      regret@10         regret@30")
    for name, rule in {"no model": None, **RULES}.items():
        rows = []
        for seed in seeds:
            if rule is None:
                rows.append(study(SurrogateStrategy(problem(), seed)))
                continue
            with ScriptedServer(model(rule)) as server:
                planner = InformedPlanner(Planner(server.url, timeout_s=20))
                rows.append(study(TrialogueStrategy(problem(), seed, planner=planner)))
        cells = [[f for f, _ in rows], [c[9] for _, c in rows], [c[29] for _, c in rows]]
        shown = [f"{np.mean(c):7.3f} ± {np.std(c) / math.sqrt(len(c)):.3f}" for c in cells]
        print(f"{name:12} {'   '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
