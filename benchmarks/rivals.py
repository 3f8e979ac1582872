"""Head to head on a recorded table: the procedures of vLLM's ``tools/recipes`` and ``auto_tune``, and ours. A replay.

    python benchmarks/rivals.py [--table benchmarks/vllm_load_table.csv] [--seeds 10] [--json OUT]

Question: the most tokens/s that one server gives while a token takes no longer than a limit (TPOT), by
``max_num_batched_tokens`` and requests at once. Nothing is served here: loads are answered by a table that
``load_record.py`` measured on vLLM's CPU build. That machine was shared by some twenty processes, and its p99s tell of
them; so speed and TPOT are in the server's own CPU time (requests per CPU second; of TPOT the mean), per number of
tokens a curve quadratic in the logarithm of the concurrency, and every load has the noise of the recorded points around
it. Limits on sequences below the load are not in the table (neither rival tries them), nor is time to the first token.
Seconds are those of the loads and, as measured on a quiet machine, of starts and of the load client. The limits are
factors of the default's TPOT at the first load, told to everybody.

recipes: the default server, 32 requests at once first, then twice as many until the limit breaks, then bisection to the
integer, three runs a point with a warm-up of as many; then a start and three runs for each of its scheduler candidates
at that load (``max_num_seqs`` of the load or default; ``max_num_batched_tokens`` of the formula, half, a quarter,
twice, or default); of those within 1 % of the fastest that meets the limit, the one with the fewest flags. Its first
stage, layouts over NUMA nodes, has nothing to choose here. Source: vllm-project/vllm, tools/recipes/sweep (165953aa).
auto_tune: its two lists as a grid; each server as fast as possible with 1,000 requests, then arrivals one per second
fewer, 100 requests and five seconds each, until the whole request is within its length times the limit, which is the
only limit it has; an open loop of r per second counts as the closed loop with that throughput. Source:
benchmarks/auto_tune/auto_tune.sh (01277f9c).
trialogue: ``Tuning`` itself, objective ``max_concurrency``, 12 trials, three pairs of ordinary starts, on a server that
answers from the table; its only knob is the number of tokens, of which it tries all. The other two recommend without
verifying; their minutes end with their last run.

*Within*: by the curves without noise, the recommended configuration and load break the limit by no more than 5 % and
reach 95 % of the best that meets it. Minutes are the median of all runs, within or not.
"""

import argparse
import csv
import json
import math
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trialogue.agent.tuning.plan import TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.evaluators.engines.simulated import SimulatedServer
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.attempt import Attempt
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.servers.settings import TargetSettings
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.servers.load import LoadPlan

START_S = {"ordinary": 28.6, "fork": 3.8}
"""Until a server is ready: of 36 and 8 starts on a quiet machine."""
CLIENT_S = 9.0
"""Imports of ``vllm bench serve``, once per run where it is a process of its own."""
SEED_LOAD, INPUT, OUTPUT, DEFAULT, RECORDED = 32, 128, 32, (128, 2048), 96
LIMITS = {"tight": 0.8, "middle": 1.1, "loose": 1.4}
"""Factors of the default's TPOT at ``SEED_LOAD``."""
TPOT = "tpot_mean_ms"
SLACK, NEAR, PROMPTS = 1.05, 0.95, 400
SPACE = SearchSpace(
    [
        Categorical("max_num_batched_tokens", [256, 512, 1024, 2048, 4096], default=2048, ordered=True),
    ]
)
Row = dict[str, float]


@dataclass
class Table:
    """Curves of requests per CPU second by number of tokens, over the logarithm of the concurrency; noise of one load."""

    curves: dict[int, np.ndarray]
    noise: float

    def truth(self, tokens: int, at_once: float) -> Row:
        """Return the metrics of a configuration under a load, without noise; no faster beyond what was recorded."""
        log = math.log(min(at_once, RECORDED))
        speed = math.exp(float(np.polyval(self.curves[tokens], log)))
        return {"requests_s": speed, TPOT: 1e3 * at_once / (speed * OUTPUT)}

    def drawn(self, tokens: int, at_once: float, rng: np.random.Generator) -> Row:
        """Return one noisy load."""
        row, factor = self.truth(tokens, at_once), math.exp(self.noise * rng.standard_normal())
        return {"requests_s": row["requests_s"] * factor, TPOT: row[TPOT] / factor}


def read(path: Path) -> Table:
    points: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for line in csv.DictReader(path.open()):
        if not line["failed"] and line["server_cpu_s"] and int(line["max_num_seqs"]) == 256:
            answered = float(line["requests_s"]) * float(line["duration_s"])
            speed = answered / float(line["server_cpu_s"])
            points[int(line["max_num_batched_tokens"])].append(
                (math.log(int(line["concurrency"])), math.log(speed))
            )
    curves, left = {}, []
    for tokens, found in points.items():
        x, y = np.array(found).T
        curves[tokens] = np.polyfit(x, y, 2)
        left.append((np.sum((y - np.polyval(curves[tokens], x)) ** 2), len(x) - 3))
    return Table(curves, math.sqrt(sum(s for s, _ in left) / sum(n for _, n in left)))


@dataclass
class Question:
    """The limit in ms, and what the best is: requests/s over every recorded configuration and whole number of requests."""

    table: Table
    limit_ms: float

    def best(self) -> tuple[float, int, int]:
        rows = (
            (self.table.truth(t, c), t, c) for t in sorted(self.table.curves) for c in range(1, RECORDED + 1)
        )
        return max((row["requests_s"], t, c) for row, t, c in rows if row[TPOT] <= self.limit_ms)

    def within(self, tokens: int, at_once: int) -> bool:
        row = self.table.truth(tokens, at_once)
        return row[TPOT] <= SLACK * self.limit_ms and row["requests_s"] >= NEAR * self.best()[0]


def question(table: Table, name: str) -> Question:
    return Question(table, LIMITS[name] * table.truth(DEFAULT[1], SEED_LOAD)[TPOT])


@dataclass
class Found:
    """Tokens and requests at once that a procedure recommends, None for nothing, and the seconds it took."""

    recommended: tuple[int, int] | None
    seconds: float


class Runs:
    """Runs of a load client as a process of its own: seconds add up."""

    def __init__(self, table: Table, rng: np.random.Generator) -> None:
        self.table, self.rng, self.seconds = table, rng, 0.0

    def start(self) -> None:
        self.seconds += START_S["ordinary"]

    def run(self, tokens: int, at_once: float, prompts: int) -> Row:
        row = self.table.drawn(tokens, at_once, self.rng)
        self.seconds += CLIENT_S + prompts / row["requests_s"]
        return row


def recipes(asked: Question, seed: int) -> Found:
    runs = Runs(asked.table, np.random.default_rng([seed, 1]))

    def point(tokens: int, at_once: int) -> Row:
        prompts = min(1000, max(100, 10 * at_once))
        runs.run(tokens, at_once, at_once)  # its warm-up
        rows = [runs.run(tokens, at_once, prompts) for _ in range(3)]
        speed = statistics.mean(r["requests_s"] for r in rows)
        return {TPOT: statistics.median(r[TPOT] for r in rows), "requests_s": speed}

    runs.start()
    load = highest(lambda c: point(DEFAULT[1], c)[TPOT] <= asked.limit_ms)
    if load == 0:
        return Found(None, runs.seconds)
    tokens = max(2048, load, load + math.ceil(INPUT * min(load, max(1.0, load / OUTPUT))))
    below = 1 << ((tokens - 1).bit_length() - 1)
    wanted = [(load, t) for t in (tokens, below // 2, below, 1 << tokens.bit_length())]
    wanted += [(DEFAULT[0], tokens), (load, DEFAULT[1]), DEFAULT]
    tried = []
    for sequences, batch in dict.fromkeys(wanted):
        runs.start()
        row = point(nearest(batch), load)
        if row[TPOT] <= asked.limit_ms:
            flags = (sequences != DEFAULT[0]) + (batch != DEFAULT[1])
            tried.append((row["requests_s"], -flags, nearest(batch)))
    if not tried:
        return Found(None, runs.seconds)
    near = [t for t in tried if t[0] >= 0.99 * max(tried)[0]]
    return Found((max(near, key=lambda t: (t[1], t[0]))[2], load), runs.seconds)


def nearest(tokens: int) -> int:
    """Return the recorded number of tokens nearest to a formula's."""
    return min((256, 512, 1024, 2048, 4096), key=lambda t: abs(math.log(t / tokens)))


def highest(holds: Callable[[int], bool]) -> int:
    """Return the most requests at once that hold: doubled from the seed, then bisected; halved where the seed fails."""
    low, high, probe = 0, 0, SEED_LOAD
    if holds(probe):
        low = probe
        while low < 1000:
            probe = min(1000, 2 * low)
            if not holds(probe):
                high = probe
                break
            low = probe
    else:
        high = probe
        while probe > 1:
            probe //= 2
            if holds(probe):
                low = probe
                break
            high = probe
    while low and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def auto_tune(asked: Question, seed: int) -> Found:
    runs = Runs(asked.table, np.random.default_rng([seed, 2]))
    best: tuple[float, int, int] | None = None
    for _ in (128, 256):  # sequences, of which the load reaches neither
        for tokens in (512, 1024, 2048, 4096):
            runs.start()
            row, load = runs.run(tokens, 1000, 1000), 1000
            rate = int(row["requests_s"]) + 1
            while row[TPOT] > asked.limit_ms and rate > 0:
                load = closed_loop(asked.table, tokens, rate)
                row = runs.run(tokens, load, 100)
                runs.seconds += 5 + max(100 / rate - 100 / row["requests_s"], 0.0)
                rate -= 1
            if row[TPOT] <= asked.limit_ms and (best is None or row["requests_s"] > best[0]):
                best = row["requests_s"], tokens, load
    return Found(None if best is None else best[1:], runs.seconds)


def closed_loop(table: Table, tokens: int, rate: float) -> int:
    """Return the fewest requests at once with this throughput."""
    loads = range(1, RECORDED + 1)
    return next((c for c in loads if table.truth(tokens, c)["requests_s"] >= rate), loads[-1])


class Recorded(SimulatedServer):
    """A server that answers from the table; ``seconds`` adds up starts and loads."""

    def __init__(self, asked: Question, folder: Path, seed: int) -> None:
        lengths = f"input={INPUT},output={OUTPUT},prompts={PROMPTS},concurrency={SEED_LOAD}"
        settings = TargetSettings(
            "recorded", Workload.parse(f"random:{lengths}"), folder, defaults=SPACE.default()
        )
        self.seconds, rng = 0.0, np.random.default_rng([seed, 3])

        def formula(params: Mapping[str, Any], plan: LoadPlan) -> Mapping[str, float]:
            at_once = plan.concurrency or SEED_LOAD
            row = asked.table.drawn(params["max_num_batched_tokens"], at_once, rng)
            duration_s = PROMPTS / row["requests_s"]
            self.seconds += duration_s
            return {**row, "output_tok_s": OUTPUT * row["requests_s"], "duration_s": duration_s}

        super().__init__(settings, SPACE, formula, noise=0.0, seed=seed)

    def measure(self, params: Mapping[str, Any], **given: Any) -> Attempt:
        ordinary = given.get("rung") == "ordinary"
        if ordinary:
            self.stop_server()
        if not self.reuses(params):
            self.seconds += START_S["ordinary" if ordinary else "fork"]
        return super().measure(params, **given)


def trialogue(asked: Question, seed: int) -> Found:
    limit = Constraint(TPOT, upper=asked.limit_ms)
    plan = TuningPlan(
        "recorded", objective_named("max_concurrency"), (limit,), budget_s=1e6, trials=12, seed=seed
    )
    with tempfile.TemporaryDirectory() as folder:
        server = Recorded(asked, Path(folder), seed)
        outcome = Tuning(plan, server, SPACE, say=lambda line: None).run()
        changed = outcome.verdict.recommendation == "change"
        runs = outcome.best_runs if changed else outcome.default_runs
        params = dict(outcome.best.params) if changed and outcome.best is not None else SPACE.default()
        load = int(statistics.mean(r["max_concurrency"] for r in runs)) if runs else 0
    tokens = int(params["max_num_batched_tokens"])  # pyright: ignore[reportArgumentType]
    return Found((tokens, load) if load else None, server.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=Path(__file__).with_name("vllm_load_table.csv"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    table, lines = read(args.table), []
    print(f"noise of a load: {table.noise:.1%}", flush=True)
    for name in LIMITS:
        asked = question(table, name)
        speed, tokens, load = asked.best()
        print(
            f"{name}: TPOT <= {asked.limit_ms:.3g} ms; best {speed:.3g} requests/s, {tokens} tokens, {load} at once",
            flush=True,
        )
        for rival in (recipes, auto_tune, trialogue):
            found = [rival(asked, seed) for seed in range(args.seeds)]
            good = [f.recommended is not None and asked.within(*f.recommended) for f in found]
            lines += [
                {"limits": name, "procedure": rival.__name__, "seed": i, "recommended": f.recommended,
                 "minutes": f.seconds / 60, "within": g} for i, (f, g) in enumerate(zip(found, good, strict=True))
            ]  # fmt: skip
            minutes = statistics.median(f.seconds for f in found) / 60
            print(
                f"  {rival.__name__:<10} within 5 %: {sum(good)} of {len(good)}, {minutes:.1f} minutes (median)",
                flush=True,
            )
            if args.json:
                args.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
