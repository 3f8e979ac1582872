"""Does a planner help when it is good, and do no harm when it is not? Scripted models over real HTTP, many seeds.

    python benchmarks/no_harm.py --quick            # a few minutes: for CI
    python benchmarks/no_harm.py                    # 24 problems x 20 seeds x 30 trials x 12 models: hours
    python benchmarks/no_harm.py --first-seed 10 --seeds 10 --out b.jsonl --jobs 2    # a part of it, two processes
    python benchmarks/no_harm.py --report a.jsonl b.jsonl                             # the table of such parts
    python benchmarks/no_harm.py --gates default coin_flip override transient justify constrained seeding   # peers' rules
    python benchmarks/no_harm.py --tables DIR --trials 10 --models none expert novice  # on tables that the gate never saw
    python benchmarks/no_harm.py --gates default slack conformal open closed early    # compares gate rules
    python benchmarks/no_harm.py --models none served --url http://127.0.0.1:8000/v1 --out served.jsonl  # a real model

Prints normalised regret (0 the optimum, 1 the median random point) at 10 and 30 trials, as mean and as ratio to the
same study without a model, with 95 % paired bootstrap intervals over problems and seeds. Rows can be kept with --out;
studies that are there already are not run again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from acceptance import PEERS
from no_harm_report import report, targets
from planted import Planted, problems
from planted_tables import table_problems
from shared_engine import Shared

import trialogue as tl
from trialogue.agent.contracts import AbstractStrategy, Ask, Spent
from trialogue.agent.planner.planner import Planner
from trialogue.agent.referee.conformal import ConformalReferee
from trialogue.agent.referee.referee import SlackReferee, TrustReferee
from trialogue.agent.referee.warm_start import UncheckedWarmStart, WarmStartReferee
from trialogue.agent.strategies.hybrid import Rules, TrialogueStrategy
from trialogue.agent.strategies.simple import RandomStrategy, SurrogateStrategy, default_engine
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.serving.scripted import behaviours as scripted, traps
from trialogue.serving.scripted.server import Behaviour, ScriptedServer
from trialogue.surrogates.contracts import Engine

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
    "near_best",
    "echo",
    "turncoat",
    "alternating",
    "sandbagger",
    "incomplete",
    "search",
    "served",
)
"""The nine of the specification, a reader of rows, traps (``serving/scripted/traps.py``) and ``search``, random search
without a model, for scale; ``served``: a real model, behind ``--url``. ``flaky_expert`` must equal ``expert``."""

GATES: Mapping[str, Rules] = {
    "default": Rules(),
    "trust": Rules(referee=TrustReferee(slack=12.0, plausible=None, informative=0.0)),
    "slack": Rules(referee=SlackReferee()),
    "conformal": Rules(referee=ConformalReferee()),
    "open": Rules(referee=SlackReferee(slack=1e9)),
    "closed": Rules(referee=SlackReferee(slack=-1e9)),
    "unchecked": Rules(warm_start=UncheckedWarmStart()),
    "early": Rules(warm_start=WarmStartReferee()),
    **{name: Rules(warm_start=rule, referee=rule, every=1) for name, rule in PEERS.items()},
}
"""``default``: plausibility and learnt trust; ``trust``: learnt trust alone; ``open`` keeps every proposal and ``closed``
none: the two ends. ``unchecked`` runs warm starts without a check; ``early`` checks them by two or three trials. The
others are the literature's rules (``acceptance.py``), which have a proposal to judge at every trial, from the second on."""

TIMEOUT_S = 1.0
"""Of the slow model; others get half a minute, so that a busy machine does not make them slow."""
EngineFactory = Callable[[tl.Problem], Engine]


def behaviours(p: Planted) -> dict[str, Behaviour]:
    """Return the scripted models for one problem; expert, novice and liar are told what they need to know."""
    expert = scripted.expert(p.near(0.08))
    worst = {n: p.worst.get(n) for n in p.space.names}
    return {
        "expert": expert,
        "novice": scripted.novice(p.near(0.12)),
        "random": scripted.uniform,
        "stuck": scripted.stuck,
        "adversarial": scripted.adversarial(worst),
        "liar": scripted.liar(p.around(p.decoy, 0.06, 0.95)),
        "nearest_neighbour": scripted.nearest_neighbour,
        "garbage": scripted.garbage,
        "slow": scripted.slow(20 * TIMEOUT_S),
        "flaky_expert": scripted.Flaky(expert),
        "near_best": traps.near_best,
        "echo": traps.echo,
        "turncoat": traps.turncoat(p.near(0.08), worst),
        "alternating": traps.alternating(p.near(0.08), worst),
        "sandbagger": traps.sandbagger(p.near(0.08)),
        "incomplete": traps.incomplete,
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


def run(
    args: argparse.Namespace, engine: EngineFactory = default_engine, share: tuple[int, int] = (0, 1)
) -> list[dict[str, Any]]:
    """Run every study that the arguments ask for; rows are appended to ``--out`` as they come.

    ``share`` (i, k): only every k-th problem from the i-th on.
    """
    rows: list[dict[str, Any]] = _read([args.out]) if args.out and Path(args.out).exists() else []
    done = {(r["problem"], r["seed"], r["model"], r["gate"]) for r in rows}
    planted = problems()[:: max(1, 24 // args.problems)]
    chosen = table_problems(args.tables, args.problems) if args.tables else planted[: args.problems]
    chosen = chosen[share[0] :: share[1]]
    gates = {name: GATES[name] for name in args.gates}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for p in chosen:
            shared = Shared(partial(engine, p.problem))
            with ScriptedServer(behaviours(p)) as server:
                for model in args.models:
                    for gate, rules in gates.items() if model not in ("none", "search") else [("", None)]:
                        if (p.name, seed, model, gate) in done:
                            continue
                        url = args.url if model == "served" else server.url
                        strategy = _strategy(p, seed, model, rules, url, shared.engine())
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
    url: str,
    engine: Engine,
) -> AbstractStrategy:
    if model == "search":
        return RandomStrategy(p.problem, seed)
    if model == "none" or rules is None:
        return SurrogateStrategy(p.problem, seed, engine=engine)
    if model == "served":
        planner = Planner(url, timeout_s=3600.0)
    else:
        planner = Planner(url, model=model, timeout_s=TIMEOUT_S if model == "slow" else 30.0)
    return TrialogueStrategy(p.problem, seed, planner=planner, engine=engine, rules=rules)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="6 problems x 2 seeds")
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="MOOT's tables instead of planted problems"
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--models", nargs="+", default=[m for m in MODELS if m != "served"], choices=MODELS)
    parser.add_argument(
        "--gates", nargs="+", default=["default"], choices=list(GATES), help="gate rules to compare"
    )
    parser.add_argument("--url", help="where the model `served` is")
    parser.add_argument("--out", help="append rows to this JSON-lines file")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with a share of the problems")
    parser.add_argument("--report", nargs="+", metavar="FILE", help="only print the table of these files")
    args = parser.parse_args(argv)
    if args.quick:
        args.problems, args.seeds = 6, 2
    if "served" in args.models and not args.url:
        parser.error("the model `served` needs --url")
    if "none" not in args.models:
        args.models = ["none", *args.models]
    return args


def _run_all(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run in ``--jobs`` processes, each with its share of the problems."""
    if args.jobs <= 1:
        return run(args)
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        parts = [pool.submit(run, args, share=(i, args.jobs)) for i in range(args.jobs)]
        return [row for part in parts for row in part.result()]


def _read(paths: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in Path(path).read_text("utf-8").splitlines()]


def main() -> int:
    """Run, print, and return 1 when a target was missed."""
    args = parse()
    rows = _read(args.report) if args.report else _run_all(args)
    print(report(rows))
    missed = targets(rows)
    for line in missed:
        print("missed:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
