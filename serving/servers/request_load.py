"""Load on a server by requests of our own, timed as vLLM's client times them: a prompt in, a stream of tokens out.

Definitions are those of ``load.py``. Prompts are drawn token ids; within a load, equal prefixes and blocks are equal tokens.
How one request is put to an engine and its answer read is that engine's (``Ask``). A thread per request in flight: good for
hundreds, not for tens of thousands.
"""

import functools
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .load import PERCENTILES, LoadPlan, LoadResult, busy_s, cpu_s, uptime_s
from .server import RunningServer

FIRST_TOKEN = 256
"""Ids below are bytes and special tokens in most vocabularies."""
MOST_THREADS = 512
Row = Mapping[str, Any]  # Any: JSON
Prompt = list[int] | str


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """One request: seconds from its sending to each chunk, tokens of prompt and answer, and why it failed."""

    at_s: tuple[float, ...] = ()
    prompt: int = 0
    tokens: int = 0
    problem: str = ""


Ask = Callable[[RunningServer, Prompt, int, float], TimedAnswer]
"""Server, prompt, tokens to generate, and when to give up (``time.monotonic``) to an answer; raises nothing."""
Events = Iterator[tuple[float, Mapping[str, Any]]]  # Any: JSON
"""Seconds since the request was sent, and what a line of the stream told then."""


def run_requests(
    server: RunningServer, plan: LoadPlan, ask: Ask, *, vocabulary: int, turn: int
) -> LoadResult:
    """Run one load and return its result; never raises for what the server does. ``vocabulary``: tokens there are;
    ``turn``: counts the loads of one server, so that no prompt of the last one is sent again."""
    rows = [json.loads(line) for line in plan.requests.read_text().splitlines()]
    prompts = _prompts(rows, (plan.seed, turn), vocabulary)
    starts = _arrivals(rows, plan)
    pids = server.processes()
    busy, uptime, cpu = busy_s(), uptime_s(), cpu_s(pids)
    began = time.monotonic()

    def send(i: int) -> TimedAnswer:
        time.sleep(max(began + starts[i] - time.monotonic(), 0.0))
        return ask(server, prompts[i], rows[i]["output_len"], began + plan.timeout_s)

    with ThreadPoolExecutor(min(plan.concurrency or len(rows), MOST_THREADS)) as pool:
        answers = list(pool.map(send, range(len(rows))))
    duration_s = time.monotonic() - began
    cores = (busy_s() - busy) / max(uptime_s() - uptime, 1e-3)
    failed = [a for a in answers if a.problem]
    if failed:
        late = time.monotonic() > began + plan.timeout_s
        problem = (
            f"{'timeout: ' if late else ''}{len(failed)} of {len(rows)} requests failed: {failed[0].problem}"
        )
        return LoadResult(failed_requests=len(failed), busy_cores=cores, problem=problem[:600])
    spent = max(cpu_s(pids) - cpu, 1e-3)
    return _result(answers, duration_s, plan, cores, spent)


def _prompts(rows: Sequence[Row], seed: tuple[int, int], vocabulary: int) -> list[Prompt]:
    @functools.cache
    def tokens(length: int, *key: int) -> list[int]:
        rng = np.random.default_rng([*seed, *key])
        return rng.integers(min(FIRST_TOKEN, vocabulary - 1), vocabulary, length).tolist()

    def prompt(i: int, row: Row) -> Prompt:
        if row.get("prompt") and not row.get("prefix_len"):
            return row["prompt"]
        prefix = tokens(row["prefix_len"], 1, row.get("prefix", 0)) if row.get("prefix_len") else []
        blocks = [token for block in row.get("blocks", ()) for token in tokens(row["block_len"], 3, block)]
        own = blocks[: row["input_len"]]
        return [*prefix, *own, *tokens(row["input_len"] - len(own), 2, i)]

    return [prompt(i, row) for i, row in enumerate(rows)]


def _arrivals(rows: Sequence[Row], plan: LoadPlan) -> list[float]:
    """Return when each request is sent, in seconds; all at once where only the concurrency holds them back."""
    if plan.recorded:
        return [float(row["at_s"]) for row in rows]
    if plan.rate is None:
        return [0.0] * len(rows)
    rng = np.random.default_rng([plan.seed, 11])
    gaps = rng.gamma(plan.burstiness, 1.0 / (plan.rate * plan.burstiness), len(rows))
    return (np.cumsum(gaps) - gaps[0]).tolist()


def streamed(
    server: RunningServer,
    path: str,
    body: Mapping[str, Any],
    end: float,
    read: Callable[[Events], TimedAnswer],
) -> TimedAnswer:  # Any: JSON
    """Return what ``read`` makes of the events that a POST request streams; an answer with its problem where it fails."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=max(end - began, 0.1))
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            return TimedAnswer(problem=f"status {answer.status}: {answer.read(300).decode(errors='replace')}")
        return read(_events(answer.readline, began, end))
    except (OSError, http.client.HTTPException, LookupError, ValueError) as error:
        return TimedAnswer(problem=f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _events(readline: Callable[[], bytes], began: float, end: float) -> Events:
    """Yield the events up to the stream's end. Raises TimeoutError after ``end``, ValueError for an error that is told."""
    while line := readline():
        if time.monotonic() > end:
            raise TimeoutError("it was cut off")
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            if "error" in event:
                raise ValueError(str(event["error"]))
            yield time.monotonic() - began, event


def _result(
    answers: Sequence[TimedAnswer], duration_s: float, plan: LoadPlan, cores: float, spent_s: float
) -> LoadResult:
    requests = {
        "ttft": [1e3 * a.at_s[0] for a in answers],
        "e2e": [1e3 * a.at_s[-1] for a in answers],
        "tpot": [1e3 * (a.at_s[-1] - a.at_s[0]) / (a.tokens - 1) for a in answers if a.tokens > 1],
    }
    gaps = [1e3 * (b - a) for x in answers for a, b in zip(x.at_s, x.at_s[1:], strict=False)]
    out = sum(a.tokens for a in answers)
    metrics = {
        "output_tok_s": out / duration_s,
        "total_tok_s": (out + sum(a.prompt for a in answers)) / duration_s,
        "requests_s": len(answers) / duration_s,
        "duration_s": duration_s,
        "server_cpu_s": spent_s,
        "output_tok_per_cpu_s": out / spent_s,
    }
    for kind, times in {**requests, "itl": gaps}.items():
        metrics[f"{kind}_mean_ms"] = float(np.mean(times)) if times else 0.0
        metrics |= {f"{kind}_p{p}_ms": float(np.percentile(times, p)) if times else 0.0 for p in PERCENTILES}
    if plan.goodput:
        good = sum(_meets(a, plan.goodput) for a in answers)
        metrics |= {"goodput_req_s": good / duration_s, "compliance": good / len(answers)}
    return LoadResult(metrics, busy_cores=cores, requests=requests)


def _meets(answer: TimedAnswer, limits: Mapping[str, float]) -> bool:
    """Return whether a request meets every limit, in ms by "ttft", "tpot" and "e2el"."""
    first, last = 1e3 * answer.at_s[0], 1e3 * answer.at_s[-1]
    tpot = (last - first) / (answer.tokens - 1) if answer.tokens > 1 else 0.0
    latencies = {"ttft": first, "tpot": tpot, "e2el": last}
    return all(latencies[kind] <= limit for kind, limit in limits.items())
