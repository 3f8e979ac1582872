"""Kills the server at random moments under load, and counts what that cost: nothing that was acknowledged may be lost.

    python benchmarks/service_kills.py --times 50 [--workers 8] [--storage postgresql://…]

Workers ask, evaluate and tell through ``RemoteStudy`` and know nothing of the kills. After it, the ledger must hold
every acknowledged result as it was told, and no configuration may have been evaluated twice unless the ledger says why
(a lost trial that was queued again, or a replicate). Prints one JSON object; exits with 1 when something is wrong.
"""

import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import httpx2
from service import problem, value, wait_until

import trialogue as tl
from trialogue.agent.errors import LedgerUnavailable, ResultConflict
from trialogue.agent.leases import own_lease
from trialogue.api.remote import RemoteStudy

LEASE_S = 30.0


class Load:
    """What the workers did: evaluations by trial number, and the results that were acknowledged."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.evaluated: list[tuple[int, str]] = []
        self.acknowledged: dict[int, float] = {}
        self.trouble: list[str] = []
        self.stop = threading.Event()

    def work(self, url: str, name: str) -> None:
        """Ask, evaluate and tell until told to stop."""
        study = RemoteStudy.load(name, url=url, retry_s=90)
        while not self.stop.is_set():
            try:
                trial = study.ask(lease=own_lease(lasts_s=LEASE_S))
                with self.lock:
                    self.evaluated.append((trial.number, study.problem.space.key(trial.params)))
                time.sleep(random.uniform(0.005, 0.05))
                told = value(dict(trial.params))
                study.tell(trial, told)
                with self.lock:
                    self.acknowledged[trial.number] = told
            except (
                ResultConflict
            ) as conflict:  # the trial was failed as lost and told by nobody else: a late result
                self.trouble.append(str(conflict)[:200])
            except LedgerUnavailable as error:
                self.trouble.append(str(error)[:200])


def start(storage: str, port: int) -> subprocess.Popen[bytes]:
    """Start a server and wait until it is ready."""
    options = [
        "--storage",
        storage,
        "--port",
        str(port),
        "--log-level",
        "error",
        "--requests-per-minute",
        "10000000",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "trialogue.api", "serve", *options], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: httpx2.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code == 200, 120)
    return process


def run(storage: str, times: int, workers: int) -> dict[str, Any]:
    """Kill the server ``times`` times under load and compare the ledger with what the workers know."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, name = f"http://127.0.0.1:{port}", f"killed-{time.time_ns()}"
    process, load = start(storage, port), Load()
    RemoteStudy(problem(name), url=url, strategy="random")
    threads = [threading.Thread(target=load.work, args=(url, name)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for _ in range(times):
        time.sleep(random.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start(storage, port)
    time.sleep(1.0)
    load.stop.set()
    for thread in threads:
        thread.join(120)
    process.terminate()
    process.wait(30)
    return compare(storage, name, load, times)


def compare(storage: str, name: str, load: Load, times: int) -> dict[str, Any]:
    """Return what of the workers' knowledge is not in the ledger, and what was evaluated twice."""
    study = tl.Study.load(name, storage=storage, reap=False)
    records = {r.number: r for r in study.trials}
    lost = [n for n, told in load.acknowledged.items() if n not in records or records[n].value != told]
    numbers = [n for n, _ in load.evaluated]
    keys: dict[str, list[int]] = {}
    for number, key in load.evaluated:
        keys.setdefault(key, []).append(number)
    twice = [ns for ns in keys.values() if len(ns) > 1]
    unmarked = [
        ns for ns in twice if not any(records[n].replicate or "lost" in records[n].reason for n in ns)
    ]
    running = sum(r.state == "running" for r in records.values())
    return {
        "kills": times, "acknowledged": len(load.acknowledged), "lost": len(lost),
        "evaluated_twice_unmarked": len(unmarked) + len(numbers) - len(set(numbers)), "evaluated_twice": len(twice),
        "left_running": running, "trouble": load.trouble[:5],
    }  # fmt: skip


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--storage")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(given.storage or f"sqlite:///{folder}/kills.db", given.times, given.workers)
    print(json.dumps(found))
    sys.exit(1 if found["lost"] or found["evaluated_twice_unmarked"] else 0)


if __name__ == "__main__":
    main()
