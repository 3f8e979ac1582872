"""Does a planner help when it is good, and do no harm when it is not? Scripted models over real HTTP, many seeds.

    python benchmarks/no_harm.py --quick            # a few minutes: for CI
    python benchmarks/no_harm.py                    # 24 problems x 20 seeds x 30 trials x 12 models: hours
    python benchmarks/no_harm.py --gates default slack conformal open closed early   # compares gate rules

Prints normalised regret (0 the optimum, 1 the median random point) at 10 and 30 trials, as mean and as ratio to the
same study without a model, with 95 % paired bootstrap intervals over problems and seeds. Rows can be kept with --out.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from planted import Planted, problems

import trialogue as tl
from trialogue.agent.contracts import AbstractStrategy, Ask, Spent
from trialogue.agent.hybrid import Rules, TrialogueStrategy
from trialogue.agent.planner import Planner
from trialogue.agent.referee import ConformalReferee, SlackReferee
from trialogue.agent.strategy import RandomStrategy, SurrogateStrategy, default_engine
from trialogue.agent.warm_start import UncheckedWarmStart, WarmStartReferee
from trialogue.evaluators.history import FinishedTrial, History
from trialogue.serving import scripted_models as scripted
from trialogue.serving.scripted import Behaviour, ScriptedServer

MODELS = (
    "none",
    "expert",
    "novice",
    "random",
    "stuck",
    "adversarial",
    "liar",
    "nearest_neighbour",
    "garbage",
    "slow",
    "flaky_expert",
    "search",
)
"""``search``: random search without a model, for scale. ``flaky_expert`` must equal ``expert``."""

GATES: Mapping[str, Rules] = {
    "default": Rules(),
    "slack": Rules(referee=SlackReferee()),
    "conformal": Rules(referee=ConformalReferee()),
    "open": Rules(referee=SlackReferee(slack=1e9)),
    "closed": Rules(referee=SlackReferee(slack=-1e9)),
    "unchecked": Rules(warm_start=UncheckedWarmStart()),
    "early": Rules(warm_start=WarmStartReferee()),
}
"""``default`` is learnt trust; ``open`` keeps every proposal and ``closed`` none after the warm start: the two ends.
``unchecked`` runs warm starts without a check; ``early`` checks them by two or three trials."""

TIMEOUT_S = 1.0
EngineFactory = Callable[[tl.Problem], Any]


def behaviours(p: Planted) -> dict[str, Behaviour]:
    """Return the scripted models for one problem; expert, novice and liar are told what they need to know."""
    expert = scripted.expert(p.near(0.08))
    return {
        "expert": expert,
        "novice": scripted.novice(p.near(0.12)),
        "random": scripted.uniform,
        "stuck": scripted.stuck,
        "adversarial": scripted.adversarial({n: p.worst.get(n) for n in p.space.names}),
        "liar": scripted.liar(p.around(p.decoy, 0.06, 0.95)),
        "nearest_neighbour": scripted.nearest_neighbour,
        "garbage": scripted.garbage,
        "slow": scripted.slow(20 * TIMEOUT_S),
        "flaky_expert": scripted.Flaky(expert),
    }


def study(p: Planted, strategy: AbstractStrategy, trials: int) -> dict[str, Any]:
    """Run one study in memory; return the regret after each trial, the trials' keys, verdicts, tokens and seconds."""
    history, spent, best, regrets, keys, verdicts = History(p.problem), Spent(), np.inf, [], [], []
    started = time.monotonic()
    for i in range(trials):
        plan = strategy.plan(Ask(history, i, 1, None, spent))
        (decision,) = plan.decisions
        tokens = sum(c.prompt_tokens + c.completion_tokens for c in plan.calls)
        spent = replace(spent, calls=spent.calls + len(plan.calls), tokens=spent.tokens + tokens)
        measured = tl.Measurement(p.value(decision.params))
        history = history.extended(finished=[FinishedTrial(i, decision.params, measured, decision.source)])
        best = min(best, p.loss(decision.params))
        regrets.append(best / p.typical)
        keys.append(p.space.key(decision.params))
        verdicts.append(decision.verdict[0])
    seconds = time.monotonic() - started
    return {
        "regret": regrets,
        "keys": keys,
        "verdicts": "".join(verdicts),
        "tokens": spent.tokens,
        "calls": spent.calls,
        "seconds": round(seconds, 2),
    }


def run(args: argparse.Namespace, engine: EngineFactory = default_engine) -> list[dict[str, Any]]:
    """Run every study that the arguments ask for; rows are appended to ``--out`` as they come."""
    rows: list[dict[str, Any]] = []
    chosen = problems()[:: max(1, 24 // args.problems)][: args.problems]
    gates = {name: GATES[name] for name in args.gates}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for p in chosen:
            with ScriptedServer(behaviours(p)) as server:
                for model in args.models:
                    for gate, rules in gates.items() if model not in ("none", "search") else [("", None)]:
                        strategy = _strategy(p, seed, model, rules, server, engine)
                        row = {"problem": p.name, "seed": seed, "model": model, "gate": gate}
                        row |= study(p, strategy, args.trials)
                        rows.append(row)
                        if args.out:
                            with Path(args.out).open("a", encoding="utf-8") as file:
                                file.write(json.dumps(row) + "\n")
        print(f"seed {seed}: {len(rows)} studies", file=sys.stderr)
    return rows


def _strategy(
    p: Planted,
    seed: int,
    model: str,
    rules: Rules | None,
    server: ScriptedServer,
    engine: EngineFactory,
) -> AbstractStrategy:
    if model == "search":
        return RandomStrategy(p.problem, seed)
    if model == "none" or rules is None:
        return SurrogateStrategy(p.problem, seed, engine=engine(p.problem))
    planner = Planner(server.url, model=model, timeout_s=TIMEOUT_S)
    return TrialogueStrategy(p.problem, seed, planner=planner, engine=engine(p.problem), rules=rules)


def ratio_interval(a: np.ndarray, b: np.ndarray, *, draws: int = 4_000) -> tuple[float, float, float]:
    """Return mean(a) / mean(b) with its 95 % paired bootstrap interval over problems, then seeds; a, b (problems,
    seeds)."""
    rng = np.random.default_rng(0)
    n, s = a.shape
    ratios = np.empty(draws)
    for i in range(draws):
        picked = (rng.integers(n, size=n)[:, None], rng.integers(s, size=(n, s)))
        ratios[i] = a[picked].mean() / max(b[picked].mean(), 1e-12)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(a.mean() / max(b.mean(), 1e-12)), float(low), float(high)


def difference_interval(a: np.ndarray, b: np.ndarray, *, draws: int = 4_000) -> tuple[float, float, float]:
    """Return mean(a - b) in normalised regret with its 95 % paired bootstrap interval; a, b (problems, seeds)."""
    rng = np.random.default_rng(0)
    d, (n, s) = a - b, a.shape
    means = [d[rng.integers(n, size=n)[:, None], rng.integers(s, size=(n, s))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(d.mean()), float(low), float(high)


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table: one line per model and gate."""
    table = _by_arm(rows)
    none = table[("none", "")]
    names = sorted(none)
    lines = [
        "model              gate       regret@10  ratio [95 %]            regret@30  ratio [95 %]        "
        "    difference@30 [95 %]         same  kept tokens  s"
    ]
    for (model, gate), arm in table.items():
        cells = []
        for t in (10, 30):
            a, b = (
                np.array([[x["regret"][min(t, len(x["regret"])) - 1] for x in d[n]] for n in names])
                for d in (arm, none)
            )
            ratio, low, high = ratio_interval(a, b)
            cells.append(f"{a.mean():9.4f}  {ratio:5.2f} [{low:4.2f}, {high:4.2f}]    ")
            if t == 30:
                change, low, high = difference_interval(a, b)
                cells.append(f"{change:+7.4f} [{low:+7.4f}, {high:+7.4f}]")
        flat = [x for n in names for x in arm[n]]
        base = [x for n in names for x in none[n]]
        same = np.mean([x["keys"] == y["keys"] for x, y in zip(flat, base, strict=True)])
        kept = np.mean([sum(v in "ku" for v in x["verdicts"]) for x in flat])
        tokens = np.mean([x["tokens"] for x in flat])
        seconds = np.mean([x["seconds"] for x in flat])
        lines.append(
            f"{model:18} {gate:9} {'  '.join(cells)} {same:4.0%} {kept:5.1f} {tokens:6.0f} {seconds:4.1f}"
        )
    return "\n".join(lines)


def _by_arm(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]]:
    table: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for row in sorted(rows, key=lambda r: r["seed"]):
        table.setdefault((row["model"], row["gate"]), {}).setdefault(row["problem"], []).append(row)
    return table


def targets(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the targets that were missed, in words; empty when all were reached."""
    table = _by_arm(rows)
    none = table[("none", "")]
    names = sorted(none)

    def regret(arm: Mapping[str, list[Mapping[str, Any]]], t: int) -> np.ndarray:
        return np.array([[x["regret"][min(t, len(x["regret"])) - 1] for x in arm[n]] for n in names])

    missed = []
    for (model, gate), arm in table.items():
        if model in ("expert", "novice"):
            ratio, limit = (
                ratio_interval(regret(arm, 10), regret(none, 10))[0],
                0.5 if model == "expert" else 0.85,
            )
            if ratio > limit:
                missed.append(
                    f"{model} ({gate}): regret at 10 trials is {ratio:.2f} x without a model, wanted {limit}"
                )
        if model in ("random", "stuck", "adversarial", "liar"):
            high = ratio_interval(regret(arm, 30), regret(none, 30))[2]
            if high > 1.1:
                missed.append(f"{model} ({gate}): upper end at 30 trials is {high:.2f}, wanted 1.10")
        if model in ("garbage", "slow") and any(
            x["keys"] != y["keys"] for n in names for x, y in zip(arm[n], none[n], strict=True)
        ):
            missed.append(f"{model} ({gate}): trials differ from those without a model")
        if model == "flaky_expert" and ("expert", gate) in table:
            expert = table[("expert", gate)]
            if any(x["keys"] != y["keys"] for n in names for x, y in zip(arm[n], expert[n], strict=True)):
                missed.append("flaky_expert: trials differ from the expert's")
    return missed


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="6 problems x 2 seeds")
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument(
        "--gates", nargs="+", default=["default"], choices=list(GATES), help="gate rules to compare"
    )
    parser.add_argument("--out", help="append rows to this JSON-lines file")
    args = parser.parse_args(argv)
    if args.quick:
        args.problems, args.seeds = 6, 2
    if "none" not in args.models:
        args.models = ["none", *args.models]
    return args


def main() -> int:
    """Run, print, and return 1 when a target was missed."""
    args = parse()
    rows = run(args)
    print(report(rows))
    missed = targets(rows)
    for line in missed:
        print("missed:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
