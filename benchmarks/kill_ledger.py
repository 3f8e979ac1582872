"""Kill workers at random moments while they ask and tell, then look whether anything is lost, doubled or swapped.

``python benchmarks/kill_ledger.py [seconds] [workers]``. Each worker process is killed with SIGKILL after 0.3 to 1.3 s and
started anew, on one SQLite study. A told trial counts as acknowledged once its worker wrote so after ``tell`` returned.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import optuna

import trialogue as tl

SPACE = tl.SearchSpace(
    [tl.Float("C", 1e-3, 1e3, log=True), tl.Int("depth", 1, 9), tl.Categorical("kind", ["a", "b"])]
)
PROBLEM = tl.Problem("kills", SPACE)


def work(url: str, log: Path) -> None:
    """Ask and tell until killed."""
    study = tl.Study(PROBLEM, storage=url, strategy="random")
    acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        trial = study.ask()
        time.sleep(0.002)
        study.tell(trial, trial.params["C"])
        os.write(acknowledged, f"{trial.number} {trial.params['C']!r}\n".encode())


def start(url: str, log: Path) -> int:
    """Start a worker and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work(url, log)
        finally:
            os._exit(1)
    return pid


def storm(url: str, log: Path, seconds: float, workers: int) -> int:
    """Kill and restart workers for so long; return how many were killed."""
    rng = random.Random(0)
    due = {start(url, log): time.monotonic() + rng.uniform(0.3, 1.3) for _ in range(workers)}
    end, kills = time.monotonic() + seconds, 0
    while due:
        for pid in [pid for pid, moment in due.items() if moment <= time.monotonic()]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
            del due[pid]
            if time.monotonic() < end:
                due[start(url, log)] = time.monotonic() + rng.uniform(0.3, 1.3)
        time.sleep(0.01)
    return kills


def main() -> None:
    """Run the storm and check the ledger against what the workers had been promised."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        url, log = f"sqlite:///{folder}/kills.db", Path(folder) / "told"
        tl.Study(PROBLEM, storage=url, strategy="random")
        kills = storm(url, log, seconds, workers)
        told = [
            (int(number), float(value))
            for number, value in (line.split() for line in log.read_text().splitlines())
        ]
        study = tl.Study(PROBLEM, storage=url, strategy="random")
        trials = {trial.number: trial for trial in study.trials}
        keys = {SPACE.key(trial.params) for trial in trials.values()}
        events = [event.number for event in study.events(limit=10**6)]
        theirs = optuna.load_study(study_name=study.name, storage=url).get_trials(deepcopy=False)
    lost = sum(trials[number].value != value for number, value in told)
    print(
        f"{kills} kills, {len(trials)} trials, {len(told)} acknowledged results, of which lost or changed: {lost}"
    )
    print(
        f"told twice: {len(told) - len(dict(told))}; configurations given out twice: {len(trials) - len(keys)}"
    )
    print(f"failed as lost: {sum(t.state == 'failed' for t in trials.values())}")
    print(f"left running: {sum(t.state == 'running' for t in trials.values())}")
    print(f"numbers without gaps: {sorted(trials) == list(range(len(trials)))}")
    print(f"events without gaps: {events == list(range(1, len(events) + 1))}")
    agree = all((t.state.name == "COMPLETE") == (trials[t.number].state == "finished") for t in theirs)
    print(f"Optuna reads the same: {agree and len(theirs) == len(trials)}")


if __name__ == "__main__":
    main()
