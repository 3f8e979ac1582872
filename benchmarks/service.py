"""What the service costs: CPU per ask and tell against bare Optuna, memory with many studies and listeners, and how
fast a large ledger opens.

    python benchmarks/service.py cost [--storage postgresql://…] [--pairs 20]
    python benchmarks/service.py surrogate
    python benchmarks/service.py crowd
    python benchmarks/service.py large
    python benchmarks/service.py health

Client and server on one machine; CPU seconds are those of the server's process (user + system), so that other load on
the machine changes them little. Prints one JSON object per run.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

import trialogue as tl

CLIENTS = 32


def problem(name: str) -> tl.Problem:
    """Return four parameters, one of them a choice."""
    space = tl.SearchSpace(
        [
            tl.Float("a", 1e-3, 1e3, log=True),
            tl.Float("b", 0, 1),
            tl.Int("c", 1, 64),
            tl.Categorical("d", ["x", "y", "z"]),
        ]
    )
    return tl.Problem(name, space)


def value(params: dict[str, Any]) -> float:
    """Return a smooth value of a configuration."""
    return (params["b"] - 0.3) ** 2 + abs(params["c"] - 20) / 64 + (params["d"] == "x")


def cpu_of(pid: int) -> float:
    """Return user and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


@contextmanager
def served(storage: str) -> Iterator[tuple[str, int]]:
    """Serve in a process of its own; yield its address and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "--storage",
        storage,
        "--port",
        str(port),
        "--log-level",
        "error",
        "--requests-per-minute",
        "100000000",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "trialogue.api", "serve", *options], stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: httpx2.get(f"{url}/ready", trust_env=False).status_code == 200)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(20)


def wait_until(test: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until ``test`` holds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if test():
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the server did not become ready")


def drive(url: str, studies: list[str], pairs: int) -> dict[str, int]:
    """Ask and tell ``pairs`` times on each study, each with a client of its own; return errors and doubles."""

    def client(name: str) -> tuple[int, list[int]]:
        errors, numbers = 0, []
        with httpx2.Client(base_url=f"{url}/v1/studies/{name}", timeout=120, trust_env=False) as http:
            for _ in range(pairs):
                asked = http.post("/ask", json={})
                if asked.status_code != 200:
                    errors += 1
                    continue
                trial = asked.json()["trials"][0]
                numbers.append(trial["number"])
                body = {"measurement": {"values": [value(trial["params"])]}}
                errors += http.post(f"/trials/{trial['number']}/tell", json=body).status_code != 200
        return errors, numbers

    with ThreadPoolExecutor(len(studies)) as pool:
        found = list(pool.map(client, studies))
    return {"errors": sum(e for e, _ in found), "duplicates": sum(len(n) - len(set(n)) for _, n in found)}


def make_studies(url: str, n: int, strategy: str, prefix: str) -> list[str]:
    """Make studies over HTTP."""
    names = [f"{prefix}-{i}" for i in range(n)]
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as http:
        for name in names:
            body = {"name": name, "problem": problem(name).to_dict(), "strategy": strategy}
            assert http.post("/v1/studies", json=body).status_code == 201
    return names


def bare_optuna(storage: str, pairs: int) -> float:
    """Return CPU seconds of bare Optuna for the same work: 32 studies, random sampling, attributes as we keep them."""
    code = f"""
import optuna, resource, threading, warnings
from sqlalchemy import event
warnings.simplefilter("ignore"); optuna.logging.set_verbosity(optuna.logging.ERROR)
is_sqlite = {storage!r}.startswith("sqlite")
options = {{"pool_size": 20, "max_overflow": 40}} | ({{"connect_args": {{"timeout": 60}}}} if is_sqlite else {{}})
storage = optuna.storages.RDBStorage({storage!r}, engine_kwargs=options)
if is_sqlite:
    event.listen(storage.engine, "connect", lambda c, r: c.execute("PRAGMA journal_mode=WAL"))
names = [f"bare-{{i}}" for i in range({CLIENTS})]
studies = [optuna.create_study(study_name=n, storage=storage, sampler=optuna.samplers.RandomSampler()) for n in names]
D = optuna.distributions
F, I, C = D.FloatDistribution, D.IntDistribution, D.CategoricalDistribution
space = {{"a": F(1e-3, 1e3, log=True), "b": F(0, 1), "c": I(1, 64), "d": C(["x", "y", "z"])}}
def work(s):
    for _ in range({pairs}):
        t = s.ask(space)
        t.set_user_attr("source", "random")
        s.tell(t, t.params["b"])
before = resource.getrusage(resource.RUSAGE_SELF)
threads = [threading.Thread(target=work, args=(s,)) for s in studies]
[t.start() for t in threads]; [t.join() for t in threads]
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def in_process(storage: str | None, pairs: int, strategy: str) -> float:
    """Return CPU seconds of ask and tell without HTTP, on one study after the other."""
    from trialogue.agent.ledger.ledger import Ledger

    ledger = Ledger(storage)
    studies = [tl.Study(problem(f"in-{i}"), storage=ledger, strategy=strategy) for i in range(4)]
    before = resource.getrusage(resource.RUSAGE_SELF)
    for study in studies:
        for _ in range(pairs):
            trial = study.ask()
            study.tell(trial, value(dict(trial.params)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (4 * pairs)


def cost(storage: str | None, pairs: int) -> dict[str, Any]:
    """Compare the service with bare Optuna on the same kind of storage."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = (
            (storage, storage) if storage else (f"sqlite:///{folder}/a.db", f"sqlite:///{folder}/b.db")
        )
        with served(ours) as (url, pid):
            names = make_studies(url, CLIENTS, "random", f"cost{os.getpid()}")
            drive(url, names[:2], 2)
            before, started = cpu_of(pid), time.perf_counter()
            found = drive(url, names, pairs)
            seconds, cpu = time.perf_counter() - started, cpu_of(pid) - before
            kept = [
                httpx2.get(f"{url}/v1/studies/{n}/trials?state=finished&limit=1").json()["total"]
                for n in names
            ]
            lost = CLIENTS * pairs + 4 - found["errors"] - sum(kept)
        optuna_cpu = bare_optuna(bare, pairs)
    total = CLIENTS * pairs
    return {
        "clients": CLIENTS, "pairs": total, "server_cpu_ms_per_pair": 1000 * cpu / total,
        "bare_optuna_cpu_ms_per_pair": 1000 * optuna_cpu / total, "ratio": cpu / optuna_cpu,
        "pairs_per_s": total / seconds, **found, "lost": lost,
    }  # fmt: skip


def surrogate(pairs: int) -> dict[str, Any]:
    """Split the server's CPU per pair into HTTP, ledger and the surrogate's fit, on 4 studies of ``pairs`` trials."""
    with tempfile.TemporaryDirectory() as folder, served(f"sqlite:///{folder}/s.db") as (url, pid):
        cpu = {}
        for strategy in ("random", "surrogate"):
            names = make_studies(url, 4, strategy, strategy)
            drive(url, names, 2)
            before, started = cpu_of(pid), time.perf_counter()
            found = drive(url, names, pairs)
            cpu[strategy] = 1000 * (cpu_of(pid) - before) / (4 * pairs)
            per_s = 4 * pairs / (time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as folder:
        ledger = 1000 * in_process(f"sqlite:///{folder}/l.db", pairs, "random")
    return {
        "pairs": 4 * pairs, "pairs_per_s": per_s, "cpu_ms_per_pair": cpu["surrogate"], **found,
        "fit_ms": cpu["surrogate"] - cpu["random"], "ledger_ms": ledger, "http_ms": cpu["random"] - ledger,
    }  # fmt: skip


def crowd(studies: int = 1_000, listeners: int = 200) -> dict[str, Any]:
    """Open many studies and event streams; return memory and how long an event takes to reach all listeners."""
    with tempfile.TemporaryDirectory() as folder, served(f"sqlite:///{folder}/c.db") as (url, pid):
        names = make_studies(url, studies, "random", "crowd")
        drive(url, names[:64], 3)
        with httpx2.Client(base_url=url, timeout=60, trust_env=False) as http:
            for name in names:
                http.post(f"/v1/studies/{name}/ask", json={})
            heard_s = asyncio.run(listen(url, names[:listeners]))
            started = time.perf_counter()
            http.get("/v1/studies?limit=60")
            list_ms = 1000 * (time.perf_counter() - started)
        return {"studies": studies, "listeners": listeners, "rss_mb": rss_mb(pid), "slowest_event_s": heard_s,
                "list_ms": list_ms}  # fmt: skip


async def listen(url: str, names: list[str]) -> float:
    """Listen to each study, change each, and return how long the slowest event took."""
    limits = httpx2.Limits(max_connections=len(names) + 10)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as http:
        ready = asyncio.Semaphore(0)

        async def hear(name: str) -> float:
            async with http.stream("GET", f"/v1/studies/{name}/events?from=now") as stream:
                ready.release()
                async for line in stream.aiter_lines():
                    if line.startswith("event: note"):
                        return time.perf_counter()
            raise RuntimeError("the stream ended")

        waiting = [asyncio.create_task(hear(name)) for name in names]
        for _ in names:
            await ready.acquire()
        worst = 0.0
        for name, task in zip(names, waiting, strict=True):
            sent = time.perf_counter()
            await http.post(f"/v1/studies/{name}/note", json={"text": "x"})
            worst = max(worst, await task - sent)
        return worst


def large(trials: int = 100_000) -> dict[str, Any]:
    """Open the list and a page of a study with 100,000 trials."""
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/large.db"
        study = tl.Study(problem("large"), storage=storage, strategy="random")
        rows = [
            ({"a": 1e-3 + i / trials, "b": i / trials, "c": 1 + i % 64, "d": "xyz"[i % 3]}, i / trials)
            for i in range(trials)
        ]
        for start in range(0, trials, 10_000):
            study.add_many(rows[start : start + 10_000])
        with served(storage) as (url, pid), httpx2.Client(base_url=url, timeout=120, trust_env=False) as http:
            found: dict[str, Any] = {"trials": trials}
            for name, path in (
                ("list", "/v1/studies"), ("page", "/v1/studies/large"), ("trials", "/v1/studies/large/trials?newest=true"),
                ("worst", "/v1/studies/large/trials?order=-value&limit=50"), ("figure", "/v1/studies/large/figures/history"),
            ):  # fmt: skip
                times = []
                for _ in range(3):
                    started = time.perf_counter()
                    assert http.get(path).status_code == 200
                    times.append(1000 * (time.perf_counter() - started))
                found[f"{name}_ms"], found[f"{name}_first_ms"] = min(times), times[0]
            return {**found, "rss_mb": rss_mb(pid)}


def health(asks: int = 200, studies: int = 8) -> dict[str, Any]:
    """Ask ``asks`` times at once of studies with a surrogate, and look how long ``/health`` takes meanwhile.

    ``cpu``: how much the server's process computed while a look waited. On a machine that others use as well that is what
    the server itself makes a look wait for; the rest of the time its threads had no core.
    """
    with tempfile.TemporaryDirectory() as folder, served(f"sqlite:///{folder}/h.db") as (url, pid):
        names = make_studies(url, studies, "surrogate", "health")
        drive(url, names, 6)
        paths = [f"{url}/v1/studies/{names[i % studies]}/ask" for i in range(asks)]
        ended = Path(folder) / "ended"
        with ThreadPoolExecutor(asks) as pool, ProcessPoolExecutor(1) as apart:
            apart.submit(os.getpid).result()
            began = time.perf_counter()
            looked = apart.submit(looks, url, pid, ended)
            sent = [pool.submit(httpx2.post, path, json={}, timeout=600, trust_env=False) for path in paths]
            statuses = Counter(one.result().status_code for one in sent)
            ended.touch()
            times, cpu = looked.result()
        times.sort()
        cpu.sort()
        p50, p99 = (times[int(q * (len(times) - 1))] for q in (0.5, 0.99))
        return {"asks": asks, "statuses": dict(statuses), "asks_took_s": time.perf_counter() - began, "looks": len(times),
                "p50_ms": p50, "p99_ms": p99, "max_ms": times[-1], "cpu_p99_ms": cpu[int(0.99 * (len(cpu) - 1))],
                "cpu_max_ms": cpu[-1], "load_average": os.getloadavg()[0]}  # fmt: skip


def looks(url: str, pid: int, ended: Path) -> tuple[list[float], list[float]]:
    """Return milliseconds by the wall and of the server's process for each look, until ``ended`` exists.

    In a process of its own: two hundred threads that ask would let it wait for their interpreter.
    """
    times: list[float] = []
    cpu: list[float] = []
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as http:
        while not ended.exists():
            started, computed = time.perf_counter(), cpu_s(pid)
            assert http.get("/health").status_code == 200
            times.append(1000 * (time.perf_counter() - started))
            cpu.append(1000 * (cpu_s(pid) - computed))
            time.sleep(0.02)
    return times, cpu


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that all threads of a process have used so far (Linux: its clock of kind CPUCLOCK_SCHED)."""
    return time.clock_gettime((~pid << 3) | 2)


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["cost", "surrogate", "crowd", "large", "health"])
    parser.add_argument("--storage", help="database URL for `cost`; default: a new SQLite file")
    parser.add_argument("--pairs", type=int, default=20)
    given = parser.parse_args()
    threading.stack_size(256 * 1024)
    measured: dict[str, Callable[[], dict[str, Any]]] = {
        "cost": lambda: cost(given.storage, given.pairs),
        "surrogate": lambda: surrogate(given.pairs),
        "crowd": crowd,
        "large": large,
        "health": health,
    }
    found = {k: round(v, 3) if isinstance(v, float) else v for k, v in measured[given.what]().items()}
    print(json.dumps({"what": given.what, **found}))


if __name__ == "__main__":
    main()
