"""Strikes the service at random moments under load, and counts what that cost: nothing acknowledged may be lost.

    python benchmarks/service_kills.py --times 50 [--blows kill,full] [--workers 8] [--storage postgresql://…]

Blows, drawn evenly: ``kill`` (SIGKILL to the server, which is started anew), ``cut`` (PostgreSQL ends every connection of
the ledger), ``full`` (for one second no file of the server can grow beyond 4 KiB, as on a full disk; SQLite),
``jump`` (the server's wall clock moves by up to a day, either way; needs ``faketime``, and the server runs under it),
``worker`` (a worker's process is killed while it evaluates).

Workers ask, evaluate and tell through ``RemoteStudy`` and know nothing of the blows. After it, the ledger must hold
every acknowledged result as it was told, and no configuration may have been evaluated twice unless the ledger says why
(a lost trial that was queued again, or a replicate). Prints one JSON object; exits with 1 when something is wrong.
"""

import argparse
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa
from service import problem, value, wait_until

import trialogue as tl
from trialogue.agent.errors import LedgerUnavailable, ResultConflict
from trialogue.agent.ledger.leases import own_lease
from trialogue.api.client.study import RemoteStudy

LEASE_S = 30.0
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
DYING = """
import sys, time
from trialogue.agent.ledger.leases import own_lease
from trialogue.api.client.study import RemoteStudy
study = RemoteStudy.load(sys.argv[2], url=sys.argv[1], retry_s=600)
print(study.ask(lease=own_lease(lasts_s=3.0)).number, flush=True)
time.sleep(600)
"""


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
        study = RemoteStudy.load(name, url=url, retry_s=600)
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
            except ResultConflict as conflict:  # failed as lost and told by somebody else: a late result
                self.trouble.append(str(conflict)[:200])
            except LedgerUnavailable as error:
                self.trouble.append(str(error)[:200])


class Server:
    """The service as a process that can be struck."""

    def __init__(self, storage: str, folder: Path, *, faked_clock: bool) -> None:
        self.storage, self.log = storage, folder / "server.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self.name = f"http://127.0.0.1:{self.port}", f"struck-{time.time_ns()}"
        self.clock = folder / "clock" if faked_clock else None
        self.away_s: list[float] = []
        self.start()

    def start(self) -> None:
        """Start it and wait until it is ready."""
        options = ["--storage", self.storage, "--port", str(self.port), "--log-level", "error"]
        environment = dict(os.environ)
        command = [
            sys.executable,
            "-m",
            "trialogue.api",
            "serve",
            *options,
            "--requests-per-minute",
            "10000000",
        ]
        if self.clock is not None:
            self.clock.write_text("+0s\n")
            environment |= {
                "LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment)
        self.wait()

    def wait(self) -> None:
        """Wait until the server is ready, and note how long that took."""
        began = time.monotonic()
        ready = f"{self.url}/ready"

        def is_ready() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"the server ended with {self.process.returncode}: {self.log.read_text()[-3_000:]}"
                )
            return httpx2.get(ready, trust_env=False, timeout=5).status_code == 200

        wait_until(is_ready, 300)
        self.away_s.append(time.monotonic() - began)

    def kill(self) -> None:
        """End the process at once, and start another."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def full(self) -> None:
        """Let no file grow for a second."""
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited))
        time.sleep(1.0)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        self.wait()

    def cut(self) -> None:
        """End every connection to the database but the one that does it."""
        engine = sa.create_engine(tl_url(self.storage))
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                                       "pg_backend_pid() AND backend_type = 'client backend'"))  # fmt: skip
        engine.dispose()
        self.wait()

    def jump(self) -> None:
        """Move the server's wall clock."""
        assert self.clock is not None
        self.clock.write_text(f"{random.uniform(-86_400, 86_400):+.0f}s\n")
        time.sleep(random.uniform(0.5, 6.0))  # the server looks after leases every five seconds

    def worker(self) -> None:
        """Kill a worker that evaluates."""
        dying = subprocess.Popen(
            [sys.executable, "-c", DYING, self.url, self.name], stdout=subprocess.PIPE, text=True
        )
        assert dying.stdout is not None
        dying.stdout.readline()
        dying.kill()
        dying.wait()
        dying.stdout.close()


def tl_url(storage: str) -> str:
    """Return the URL with the driver that trialogue uses."""
    from trialogue.agent.ledger.database import normal_url

    return normal_url(storage)


def run(storage: str, folder: Path, times: int, workers: int, blows: list[str]) -> dict[str, Any]:
    """Strike the server ``times`` times under load and compare the ledger with what the workers know."""
    server, load = Server(storage, folder, faked_clock="jump" in blows), Load()
    RemoteStudy(problem(server.name), url=server.url, strategy="random")
    threads = [
        threading.Thread(target=load.work, args=(server.url, server.name), daemon=True)
        for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    struck: Counter[str] = Counter()
    for _ in range(times):
        time.sleep(random.uniform(0.1, 1.2))
        blow = random.choice(blows)
        struck[blow] += 1
        getattr(server, blow)()
    time.sleep(8.0 if "worker" in blows else 1.0)  # what a dead worker held is found by its lease
    if "kill" in blows and "worker" in blows:
        time.sleep(25.0)  # the grace after a start
    load.stop.set()
    for thread in threads:
        thread.join(120)
    orphans = left_running(server, load)
    server.process.terminate()
    server.process.wait(30)
    found = compare(storage, server.name, load)
    traces = server.log.read_text().count("Traceback")
    return {
        "blows": dict(struck),
        **found,
        "orphans": orphans,
        "slowest_return_s": round(max(server.away_s), 2),
        "server_traces": traces,
    }


def left_running(server: Server, load: Load) -> dict[str, int]:
    """Return how many trials were running when the last worker had ended, and how many once their leases had ended too.

    An ask whose worker gave up waiting for its answer leaves one: nobody knows of it, so nothing of it was acknowledged, and
    the server fails it as lost when the lease ends, ``LEASE_S`` later. ``given_out``: those that a worker did know of.
    """
    url = f"{server.url}/v1/studies/{server.name}/trials?state=running&limit=1000"
    begun = {number for number, _ in load.evaluated}

    def running() -> list[int]:
        return [trial["number"] for trial in httpx2.get(url, trust_env=False, timeout=60).json()["items"]]

    first = last = running()
    until = time.monotonic() + LEASE_S + 60.0  # the grace after a start, and what a loaded machine takes
    while last and time.monotonic() < until:
        time.sleep(1.0)
        last = running()
    return {"at_the_end": len(first), "given_out": len(begun & set(first)), "after_their_leases": len(last)}


def compare(storage: str, name: str, load: Load) -> dict[str, Any]:
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
    states = Counter(r.state for r in records.values())
    times = [event.at for event in study.events(limit=10**6)]
    return {
        "acknowledged": len(load.acknowledged), "lost": len(lost),
        "evaluated_twice_unmarked": len(unmarked) + len(numbers) - len(set(numbers)), "evaluated_twice": len(twice),
        "states": dict(states), "hours_on_the_ledger_s_clock": round((max(times) - min(times)) / 3600, 2),
        "trouble": load.trouble[:5],
    }  # fmt: skip


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--blows", default="kill", help="any of kill,cut,full,jump,worker, by comma")
    parser.add_argument("--storage", help="database URL; default: a new SQLite file")
    given = parser.parse_args()
    blows = given.blows.split(",")
    if "jump" in blows and not FAKETIME:
        parser.error("the blow `jump` needs faketime (Debian: apt-get install faketime)")
    with tempfile.TemporaryDirectory() as folder:
        storage = given.storage or f"sqlite:///{folder}/struck.db"
        found = run(storage, Path(folder), given.times, given.workers, blows)
    print(json.dumps(found))
    sys.exit(1 if found["lost"] or found["evaluated_twice_unmarked"] or found["states"].get("running") else 0)


if __name__ == "__main__":
    main()
